"""Shipped behaviour policies: cards and weights belong together, and do what the card says."""

import json
import re
import shutil

import numpy as np
import pytest

from droco_lite import data, files
from droco_lite.data.behaviour import (
    POLICIES,
    QUALITIES,
    available,
    load_behaviour,
    load_snapshots,
    read_card,
)
from droco_lite.data.tasks import make_task
from droco_lite.robots import ROBOTS, Shift, get_robot, rollout
from droco_lite.training import online

CARDS = available()
MEDIUM = [card for card in CARDS if card["quality"] == "medium"]
NAMES = [f"{card['robot']}-{card['shift']}-{card['quality']}" for card in CARDS]
NAME = "halfcheetah-nominal-medium"


@pytest.fixture
def copied(tmp_path):
    """A folder with one policy that a test may damage."""
    for path in POLICIES.glob(f"{NAME}.*"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("card", CARDS, ids=NAMES)
def test_card_matches_weights(card):
    policy = load_behaviour(card["robot"], card["shift"], card["quality"])
    spec = ROBOTS[card["robot"]]
    observations = 3 * np.random.default_rng(0).standard_normal((50, spec.observation_size))
    actions = policy(observations.astype(np.float32))
    assert actions.shape == (50, spec.action_size) and actions.dtype == np.float32
    assert np.abs(actions).max() <= 1 and actions.std() > 0.01
    assert card["score"] == pytest.approx(spec.score(card["return_mean"]), abs=0.1)
    assert card["episodes"] >= 100 and card["steps"] > 0
    assert str(Shift.parse(card["shift"])) == card["shift"]
    assert {"mujoco", "torch", "gymnasium"} <= set(card["versions"])
    assert card["evaluation_seed"] not in range(
        card["selection"]["seed"], card["selection"]["seed"] + card["selection"]["episodes"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("card", CARDS, ids=NAMES)
def test_policy_returns_what_its_card_says(card):
    """Four fresh episodes; the card holds mean and spread of a hundred."""
    policy = load_behaviour(card["robot"], card["shift"], card["quality"])
    result = rollout(card["robot"], [card["shift"]], policy, episodes=4, seed=77)
    tolerance = 4 * card["return_sd"] / np.sqrt(4) + 0.02 * abs(card["return_mean"])
    assert abs(result.returns.mean() - card["return_mean"]) < tolerance


def test_every_file_has_its_pair_and_is_small():
    weights = {path.stem for path in POLICIES.glob("*.safetensors")}
    assert weights == {path.stem for path in POLICIES.glob("*.json")}
    for path in POLICIES.glob("*.safetensors"):
        limit = 1.5e6 if path.stem.endswith("snapshots") else 3e5
        assert path.stat().st_size < limit


@pytest.mark.parametrize("card", MEDIUM, ids=lambda card: f"{card['robot']}-{card['shift']}")
def test_snapshots_lead_up_to_medium(card):
    snapshots = load_snapshots(card["robot"], card["shift"])
    steps = [policy.card["steps"] for policy in snapshots]
    assert steps == sorted(set(steps)) and steps[-1] == card["steps"] and len(steps) >= 3
    spec = ROBOTS[card["robot"]]
    last = load_behaviour(card["robot"], card["shift"], "medium")
    draws = np.random.default_rng(0).standard_normal((20, spec.observation_size))
    observations = (0.3 * draws).astype(np.float32)
    np.testing.assert_array_equal(snapshots[-1](observations), last(observations))
    assert np.abs(snapshots[0](observations) - last(observations)).max() > 0.01


def test_noise_is_seeded_bounded_and_of_the_asked_size():
    policy = load_behaviour("halfcheetah")
    observations = np.zeros((4000, 17), np.float32)
    noisy = policy.with_noise(0.2, seed=5)
    first = noisy(observations)
    assert not np.array_equal(first, noisy(observations))
    np.testing.assert_array_equal(first, policy.with_noise(0.2, seed=5)(observations))
    assert np.abs(first).max() <= 1
    inner = np.abs(policy(observations)[0]) < 0.3
    if inner.any():
        assert (first - policy(observations))[:, inner].std() == pytest.approx(0.2, rel=0.05)
    silent = policy.with_noise(0.0, seed=5)
    np.testing.assert_array_equal(silent(observations), policy(observations))
    with pytest.raises(ValueError, match="sigma"):
        policy.with_noise(-0.1, seed=0)


def test_a_policy_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        load_behaviour("halfcheetah", "gravity-up-hard", "expert")
    said = str(caught.value)
    assert NAME in said and "hopper-nominal-medium" not in said  # those of this robot
    assert "train --robot halfcheetah --shift gravity-up-hard" in said and "expert" in said
    with pytest.raises(FileNotFoundError, match="There are: none"):
        load_behaviour("halfcheetah", folder=tmp_path)
    with pytest.raises(ValueError, match="quality: 'good'"):
        load_behaviour("halfcheetah", quality="good")
    with pytest.raises(ValueError, match="robot: 'snake' is not one of hopper"):
        load_behaviour("snake")
    with pytest.raises(ValueError, match="hopper has no kinematic variant 'thighjnt'; it has leg"):
        load_behaviour("hopper", "kinematic-thighjnt-hard")
    with pytest.raises(ValueError, match="shift: cannot read 'thighjnt'"):
        load_behaviour("walker2d", "thighjnt")


def test_the_package_offers_it():
    assert data.load_behaviour is load_behaviour


def test_weights_of_another_policy_are_refused(copied):
    path = copied / f"{NAME}.safetensors"
    path.write_bytes(path.read_bytes()[:-2] + b"\0\0")
    with pytest.raises(ValueError, match=rf"{NAME}\.safetensors.*sha256"):
        load_behaviour("halfcheetah", folder=copied)


@pytest.mark.parametrize("key", ["sha256", "robot", "return_mean"])
def test_card_without_a_key_is_refused(copied, key):
    path = copied / f"{NAME}.json"
    card = json.loads(path.read_text())
    del card[key]
    path.write_text(json.dumps(card))
    with pytest.raises(ValueError, match=rf"{NAME}\.json.*'{key}'.*release"):
        read_card(path)


def test_card_of_another_robots_size_is_refused(copied):
    path = copied / f"{NAME}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "action_size": 3}))
    with pytest.raises(ValueError, match=r"3 actions.*halfcheetah has 17 and 6"):
        load_behaviour("halfcheetah", folder=copied)


def test_broken_json_is_refused(copied):
    (copied / f"{NAME}.json").write_text('{"robot": ')
    with pytest.raises(ValueError, match="not JSON"):
        load_behaviour("halfcheetah", folder=copied)


def test_qualities_are_the_ones_shipped():
    assert {card["quality"] for card in CARDS} <= set(QUALITIES)


def test_every_shipped_file_has_a_checksum_and_fits_it():
    listed = {line.split("  ")[1] for line in files.check_seal(POLICIES).splitlines()}
    assert listed == {path.name for path in POLICIES.iterdir() if path.name != "SHA256SUMS"}


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_flipped_bit_in_a_policys_files_is_refused(copied, suffix):
    files.seal(copied)
    path = copied / f"{NAME}.{suffix}"
    whole = path.read_bytes()
    for at in np.linspace(0, len(whole) - 1, 40).astype(int):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ValueError, match=rf"{NAME}\.{suffix}"):
            load_behaviour("halfcheetah", folder=copied)


@pytest.mark.parametrize("robot", ["walker2d", "halfcheetah"])
def test_a_missing_tuned_policy_says_the_commands_that_make_it(robot, monkeypatch):
    """They are read by the commands' own parser, and fit the policy that they begin with."""
    with pytest.raises(FileNotFoundError) as error:
        make_task(f"{robot}-medium-tuned", source_size=10, target_size=10, cache=False)
    said = str(error.value)
    shift = get_robot(robot).source_shifts["kinematic"]
    assert f"{robot}-{shift}-tuned" in said and "medium policy, trained on under" in said
    train, release = (
        online._parser().parse_args(command.split())
        for command in re.findall(r"'python -m droco_lite\.training\.online ([^']+)'", said)
    )
    assert (train.command, release.command, release.quality) == ("train", "release", "tuned")
    for parsed in (train, release):
        assert (parsed.robot, parsed.shift, parsed.start) == (robot, shift, "medium")
    start = load_behaviour(robot)
    assert train.hidden == [weight.shape[2] for weight, _ in start.layers[:-1]]
    assert 0 < train.policy_after < train.steps


def test_where_the_medium_policy_is_missing_too_it_comes_first(tmp_path):
    with pytest.raises(FileNotFoundError, match="needs hopper-nominal-medium first"):
        load_behaviour("hopper", "gravity-up-0.5", "tuned", tmp_path)
