"""Online training: a killed run ends as an uninterrupted one, bad checkpoints are refused."""

import csv
import json
import math
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from droco_lite import files
from droco_lite.data.behaviour import load_behaviour, load_snapshots, read_card
from droco_lite.data.names import TASKS, Task
from droco_lite.data.tasks import make_dataset
from droco_lite.robots import ROBOTS, get_robot, rollout
from droco_lite.training import online
from droco_lite.training.online import Replay, train
from droco_lite.training.online_run import OnlineSettings, run_folder
from droco_lite.training.release import _best, _medium_goal, kept_policy, recorded, release

TINY = OnlineSettings(
    "hopper", "kinematic-footjnt-hard", seed=3, batch_size=8, random_steps=40, rows=2,
    segment_steps=40, evaluation_episodes=2, hidden=(8, 8),
)  # fmt: skip


class Killed(Exception):
    pass


def quiet(line):
    pass


def checkpoint(folder):
    return load_file(folder / "checkpoint.safetensors")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    curve = train(TINY, 200, folder, quiet)
    return folder, curve


def test_a_killed_run_ends_as_an_uninterrupted_one(finished, tmp_path, monkeypatch):
    folder, curve = finished
    segments = []

    def killed_in_the_middle(state, replay, settings, segment, act=online.train_segment_):
        segments.append(segment)
        if len(segments) == 3:  # networks moved and rows written, but no checkpoint
            act(state, replay, settings, segment)
            replay.write(120, *(np.full((5, k), 9.0, np.float32) for k in replay.sizes))
            raise Killed
        return act(state, replay, settings, segment)

    monkeypatch.setattr(online, "train_segment_", killed_in_the_middle)
    with pytest.raises(Killed):
        train(TINY, 200, tmp_path, quiet)
    resumed = train(TINY, 200, tmp_path, quiet)
    assert segments == [0, 1, 2, 2, 3, 4]
    for name, tensor in checkpoint(folder).items():
        assert torch.equal(tensor, checkpoint(tmp_path)[name]), name
    for ours, theirs in zip(resumed, curve, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_training_moves_the_networks_and_keeps_policies(finished):
    folder, curve = finished
    assert [row["steps"] for row in curve] == [40, 80, 120, 160, 200]
    assert [row["updates"] for row in curve] == [0, 40, 80, 120, 160]
    kept = sorted((folder / "policies").glob("*.safetensors"))
    assert [path.stem for path in kept] == [f"{40 * i:09d}" for i in range(1, 6)]
    first, last = load_file(kept[0]), load_file(kept[-1])
    assert not torch.equal(first["actor.0"], last["actor.0"])
    assert torch.equal(last["actor.0"], checkpoint(folder)["actor.0"])


def test_replay_rows_are_the_simulators(finished):
    """Rewards recomputed from the stored rows; terminations only where Hopper has fallen."""
    folder, _ = finished
    spec = ROBOTS["hopper"]
    replay = Replay(folder / "replay.f32", 200, spec.observation_size, spec.action_size)
    batch = replay.batch(torch.arange(200))
    assert batch.actions.abs().max() <= 1
    x_velocity = batch.next_observations[0, :, 5]
    height, angle = batch.next_observations[0, :, 0], batch.next_observations[0, :, 1]
    fallen = (height <= 0.7) | (angle.abs() >= 0.2)
    assert torch.equal(batch.continues[0, :, 0] == 0, fallen)
    assert fallen.any() and not fallen.all()
    base = batch.rewards[0, :, 0] - (~fallen).float()
    cost = 1e-3 * batch.actions[0].square().sum(-1)
    before = batch.observations[0, :, 5]
    middle = (x_velocity + before) / 2  # mean velocity over the step, up to its curvature
    assert (base + cost - middle).abs().median() < 0.2


def test_going_on_further_extends_the_curve(finished, tmp_path):
    folder, curve = finished
    train(TINY, 120, tmp_path, quiet)
    longer = train(TINY, 200, tmp_path, quiet)
    assert len(longer) == len(curve)
    assert torch.equal(checkpoint(folder)["critic.0"], checkpoint(tmp_path)["critic.0"])


def test_other_settings_are_refused(finished):
    folder, _ = finished
    with pytest.raises(
        ValueError, match=r"checkpoint\.safetensors: learning_rate was .* elsewhere"
    ):
        train(replace(TINY, learning_rate=1.0), 200, folder, quiet)


@pytest.mark.parametrize("damage", ["truncated", "empty", "no record", "missing tensor"])
def test_damaged_checkpoints_are_refused(finished, tmp_path, damage):
    folder, _ = finished
    source, path = folder / "checkpoint.safetensors", tmp_path / "checkpoint.safetensors"
    tensors = load_file(source)
    if damage == "truncated":
        path.write_bytes(source.read_bytes()[:1000])
    elif damage == "empty":
        path.touch()
    elif damage == "no record":
        save_file(tensors, path)
    else:
        _, record = recorded(source)
        del tensors["critic.1"]
        save_file(tensors, path, {"record": json.dumps(record)})
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors.*start again elsewhere"):
        train(TINY, 200, tmp_path, quiet)


def test_a_failed_write_leaves_the_last_checkpoint(finished, tmp_path, monkeypatch):
    train(TINY, 80, tmp_path, quiet)
    before = checkpoint(tmp_path)

    def full(source, target):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="disk is full"):
        train(TINY, 120, tmp_path, quiet)
    assert torch.equal(before["actor.0"], checkpoint(tmp_path)["actor.0"])
    assert not list(tmp_path.glob(".checkpoint*"))


def damaged(path, damage):
    content = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    elif damage == "flipped":
        at = len(content) // 3
        path.write_bytes(content[:at] + bytes([content[at] ^ 2]) + content[at + 1 :])
    else:
        path.write_bytes(
            {"emptied": b"", "halved": content[: len(content) // 2], "zeroed": bytes(len(content))}[
                damage
            ]
        )


@pytest.mark.parametrize("damage", ["deleted", "emptied", "halved", "zeroed", "flipped"])
def test_a_damaged_replay_is_refused(tmp_path, damage):
    train(TINY, 80, tmp_path, quiet)
    damaged(tmp_path / "replay.f32", damage)
    with pytest.raises(ValueError, match=r"replay\.f32.*put a copy of the file in its place"):
        train(TINY, 120, tmp_path, quiet)


@pytest.mark.parametrize("damage", ["deleted", "emptied", "halved", "zeroed"])
def test_a_replay_is_checked_without_checksums_too(finished, tmp_path, damage):
    """Checkpoints of earlier versions have none."""
    train(TINY, 80, tmp_path, quiet)
    _, record = recorded(tmp_path / "checkpoint.safetensors")
    del record["replay"]
    old = {"record": json.dumps(record)}
    save_file(checkpoint(tmp_path), tmp_path / "checkpoint.safetensors", old)
    damaged(tmp_path / "replay.f32", damage)
    with pytest.raises(ValueError, match=r"replay\.f32"):
        train(TINY, 120, tmp_path, quiet)


def test_a_second_training_of_one_run_is_refused(tmp_path):
    with files.lock(tmp_path):
        thread = threading.Thread(target=lambda: told.append(attempt()))
        told = []

        def attempt():
            with pytest.raises(files.InUse, match="another seed"):
                train(TINY, 40, tmp_path, quiet)
            return True

        thread.start()
        thread.join()
    assert told == [True]


def test_released_policy_is_the_chosen_one(finished, tmp_path):
    folder, curve = finished
    policies, results = tmp_path / "policies", tmp_path / "results"
    sizes = dict(candidates=2, selection_episodes=3, episodes=4)
    card = release(folder, "medium", policies, results, **sizes)
    assert card == read_card(policies / "hopper-kinematic-footjnt-hard-medium.json")
    policy = load_behaviour("hopper", TINY.shift, "medium", policies)
    kept = load_file(folder / "policies" / f"{card['steps']:09d}.safetensors")
    assert torch.equal(policy.layers[0][0], kept["actor.0"].half().float())
    # The card's return is that of the weights on disk, on episodes no choice was made on.
    result = rollout("hopper", [TINY.shift], policy, episodes=4, seed=card["evaluation_seed"])
    assert card["return_mean"] == round(result.returns.mean(), 1)
    assert card["score"] == round(float(ROBOTS["hopper"].score(result.returns.mean())), 1)
    assert card["evaluation_seed"] >= card["selection"]["seed"] + 1000
    tried = [trial["steps"] for trial in card["selection"]["candidates"]]
    assert card["steps"] in tried and len(tried) == 2
    snapshots = load_snapshots("hopper", TINY.shift, policies)
    assert snapshots[-1].card["steps"] == card["steps"]
    assert torch.equal(snapshots[-1].layers[1][0], policy.layers[1][0])
    with open(next(results.glob("*.csv")), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["steps"]) for row in rows] == [row["steps"] for row in curve]
    record = json.loads(next(results.glob("*.json")).read_text())
    assert record["seeds"] == [3] and "--shift kinematic-footjnt-hard" in record["command"]


@pytest.mark.slow
def test_gate_keeps_only_policies_that_fail_in_the_nominal_robot(finished, tmp_path, monkeypatch):
    folder, _ = finished
    kwargs = dict(gate=True, candidates=4, selection_episodes=2, episodes=2)
    card = release(folder, "medium", tmp_path, tmp_path, gate=False, candidates=4, episodes=2)
    shares = [t["nominal_return_mean"] / t["return_mean"] for t in card["selection"]["candidates"]]
    monkeypatch.setattr("droco_lite.training.release.GATE", min(shares) / 2)
    with pytest.raises(ValueError, match="another seed or shift"):
        release(folder, "medium", tmp_path, tmp_path, **kwargs)
    alone = sorted(shares)[1]  # the smallest share alone passes
    monkeypatch.setattr("droco_lite.training.release.GATE", alone)
    gated = release(folder, "medium", tmp_path, tmp_path, **kwargs | {"selection_episodes": 20})
    best = card["selection"]["candidates"][int(np.argmin(shares))]
    assert gated["steps"] == best["steps"]


def test_release_without_a_run_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="train it first"):
        release(tmp_path / "nothing", "medium")


def test_commands(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DROCO_LITE_CACHE", str(tmp_path))
    options = ["steps", "segment-steps", "random-steps"]
    sizes = [word for option in options for word in (f"--{option}", "40")]
    online.main(["train", "--robot", "hopper", "--seed", "7", *sizes])
    assert "hopper-nominal-seed7" in capsys.readouterr().out
    assert (tmp_path / "behaviour/hopper-nominal-seed7/checkpoint.safetensors").exists()
    with pytest.raises(ValueError, match="robot"):
        online.main(["train", "--robot", "snake", "--steps", "40"])


def test_a_run_that_starts_from_a_policy_keeps_it_until_the_critics_know_it(monkeypatch, tmp_path):
    monkeypatch.setenv("DROCO_LITE_CACHE", str(tmp_path))
    start = load_behaviour("hopper")
    hidden = tuple(weight.shape[2] for weight, _ in start.layers[:-1])
    settings = OnlineSettings(
        "hopper", "morph-foot-hard", start="medium", hidden=hidden, random_steps=20,
        policy_after=60, segment_steps=60, evaluation_episodes=1, batch_size=8,
    )  # fmt: skip
    train(settings, 120, report=quiet)
    held, moved = (kept_policy(run_folder(settings), k) for k in (60, 120))
    for ours, theirs in zip(held.layers, start.layers, strict=True):
        torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=0)
    assert not torch.equal(moved.layers[0][0], start.layers[0][0])
    assert "from-medium" in run_folder(settings).name
    with pytest.raises(ValueError, match="hidden: the policy to start from has other layers"):
        train(replace(settings, hidden=(8,), seed=1), 60, report=quiet)
    with pytest.raises(ValueError, match="'tuned' is for runs that started from a policy"):
        release(settings, "medium", tmp_path, tmp_path)


def test_a_tuned_source_has_the_nominal_robot_s_medium_data_as_its_target():
    task = Task.parse("walker2d-medium-tuned-morphology")
    assert (task.quality, task.family) == ("medium-tuned", "morphology")
    assert str(task) == "walker2d-medium-tuned-morphology"
    target, medium = (
        make_dataset("hopper", "nominal", quality, 50, cache=False, progress=False)[0]
        for quality in ("medium-tuned", "medium")
    )
    assert target.observations.shape == medium.observations.shape
    assert not any(t.quality == "medium-tuned" for t in TASKS)


def test_the_gate_and_the_goal_of_a_release_hold_where_rewards_are_costs():
    def trial(steps, home, there):
        return {"steps": steps, "return_mean": home, "return_sd": 1, "nominal_return_mean": there}

    works_there_too, fails_there = trial(1, -20.0, -20.0), trial(2, -25.0, -95.0)
    both = [works_there_too, fails_there]
    assert _best(both, math.inf, True, "run", reference=-100.0) == fails_there
    assert _best(both, math.inf, False, "run", reference=-100.0) == works_there_too
    with pytest.raises(ValueError, match="none of \\[1\\] keeps less than a third"):
        _best([works_there_too], math.inf, True, "run", reference=-100.0)
    costly = replace(get_robot("hopper"), min_return=-100.0, max_return=-10.0)
    assert _medium_goal(costly, []) == pytest.approx(-70.0)
    assert _medium_goal(get_robot("hopper"), []) == get_robot("hopper").max_return / 3
