"""Disturbed observations: what an attack must leave alone, and what it must achieve."""

import numpy as np
import pandas as pd
import pytest
import torch

from droco_lite.agents import (
    BOSA,
    CQL,
    IQL,
    BOSASettings,
    CQLSettings,
    IQLSettings,
)
from droco_lite.agents.networks import mlp
from droco_lite.agents.snapshots import Snapshot
from droco_lite.evaluation import NO_ATTACK, Attack, evaluate
from droco_lite.evaluation.attacks import Disturbance, smaller_critic, worst_of
from droco_lite.robots import ROBOTS

SPEC = ROBOTS["hopper"]  # an untrained hopper falls soon: short episodes, quick tests
UNIT = np.linspace(0.5, 2.0, SPEC.observation_size)
SHIFTS = ["nominal", "gravity-up-0.5"]


@pytest.fixture(scope="module")
def agent():
    runs = [IQLSettings(hidden=16, seed=s) for s in (0, 1)]
    return IQL(runs, SPEC.observation_size, SPEC.action_size)


def under(agent, *attacks, episodes=3, seed=7, shifts=SHIFTS, **options):
    options = {"deviation": UNIT, "candidates": 8} | options
    return evaluate(
        agent, "hopper", shifts, episodes=episodes, seed=seed, attacks=attacks, **options
    )


@pytest.mark.parametrize("text", ["none", "noise-0.05", "min-q-0.1", "min-q-0", "noise-0.2"])
def test_an_attack_survives_its_own_name(text):
    assert str(Attack.parse(text)) == text
    assert Attack.parse(Attack.parse(text)) == Attack.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("min-q", "no attack; write none, noise-SCALE or min-q-SCALE"),
        ("wind-0.1", "no attack"),
        ("noise-1.5", "no attack"),
        ("noise-nan", "no attack"),
        ("none-0.1", "no attack"),
    ],
)
def test_what_is_no_attack_is_refused_with_the_mend(text, said):
    with pytest.raises(ValueError, match=said):
        Attack.parse(text)


def test_ranges_are_checked():
    with pytest.raises(ValueError, match=r"scale must lie in \[0, 1\], got -0.1"):
        Attack("noise", -0.1)
    with pytest.raises(ValueError, match="'wind' is none of none, noise, min-q"):
        Attack("wind", 0.1)


def test_scale_zero_is_clean_bit_for_bit(agent):
    table = under(agent, NO_ATTACK, "noise-0", "min-q-0")
    returns = table.pivot(index=["run", "shift"], columns="attack", values="return_mean")
    np.testing.assert_array_equal(returns["noise"], returns["none"])
    np.testing.assert_array_equal(returns["min-q"], returns["none"])


def test_a_column_without_unit_is_left_alone(agent):
    observations = np.random.default_rng(0).normal(size=(2, 3, SPEC.observation_size))
    unit = UNIT.copy()
    unit[4] = 0
    for text in ("noise-0.2", "min-q-0.2"):
        disturbed = Disturbance(agent, Attack.parse(text), episodes=3, seed=0, deviation=unit)
        seen = disturbed(observations.astype(np.float32))
        moved = np.abs(seen - observations.astype(np.float32))
        assert (moved <= 0.2 * unit + 1e-6).all()
        assert not moved[..., 4].any() and moved.max() > 0.01


def test_same_seed_same_returns_and_another_seed_others(agent):
    first, again = under(agent, "min-q-0.2"), under(agent, "min-q-0.2")
    np.testing.assert_array_equal(first.return_mean, again.return_mean)
    assert not np.array_equal(first.return_mean, under(agent, "min-q-0.2", seed=8).return_mean)


@pytest.mark.parametrize("text", ["noise-0.2", "min-q-0.2"])
def test_neither_stacking_nor_chunks_nor_the_order_of_episodes_matter(agent, text):
    whole = under(agent, text)
    chunks = under(agent, text, rows=1)
    np.testing.assert_allclose(whole.return_mean, chunks.return_mean, rtol=1e-4)
    alone = IQL([agent.runs[1]], SPEC.observation_size, SPEC.action_size)
    np.testing.assert_allclose(
        whole[whole.run == 1].return_mean, under(alone, text).return_mean, rtol=1e-4
    )
    backwards = [under(agent, text, episodes=1, seed=7 + e).return_mean for e in (2, 1, 0)]
    np.testing.assert_allclose(whole.return_mean, np.mean(backwards, 0), rtol=1e-4)


def test_the_table_names_attack_and_scale(agent):
    table = under(agent, NO_ATTACK, "noise-0.1", "min-q-0.2", episodes=1)
    assert list(table.attack[::2].unique()) == ["none", "noise", "min-q"]
    assert dict(zip(table.attack, table.scale, strict=True)) == {
        "none": 0.0, "noise": 0.1, "min-q": 0.2,
    }  # fmt: skip
    assert len(table) == 2 * 3 * 2  # runs, attacks, shifts


def test_an_attack_without_units_says_where_they_come_from(agent):
    with pytest.raises(ValueError, match=r"deviation is missing.*target\.observations\.std\(0\)"):
        evaluate(agent, "hopper", ["nominal"], attacks=["noise-0.1"])
    for wrong, said in ((UNIT[:3], "expected shape"), (-UNIT, "not negative")):
        with pytest.raises(ValueError, match=said):
            under(agent, "noise-0.1", deviation=wrong)


def test_a_snapshot_sees_the_same_noise_and_has_no_critics_to_ask(agent):
    kept = Snapshot.of(agent)
    said = (
        r"^min-q: Snapshot has no critics.*give the agent itself .*restore.* or attack with noise"
    )
    with pytest.raises(ValueError, match=said):
        under(kept, NO_ATTACK, "noise-0.1", "min-q-0.1")
    pd.testing.assert_frame_equal(under(kept, "noise-0.1"), under(agent, "noise-0.1"))


# A critic and a policy of one line each, whose worst point is known -----------------------------


def act(observations):
    return observations[..., :1]  # the action is the first column


def critic(observations, actions):
    return -((actions - observations[..., :1]) ** 2) + 0.1 * actions


def test_the_worst_candidate_is_found():
    observations = torch.zeros(1, 2, 3)
    offsets = torch.tensor([[[0.5, 0, 0], [-0.9, 1, 0]], [[0.02, 0, 0], [0.04, 0, 0]]])
    worst = worst_of(act, critic, observations, offsets)
    # Row 0: -0.81 - 0.09 is the least. Row 1: both candidates raise the value, so none is taken.
    np.testing.assert_allclose(worst[0], [[-0.9, 1, 0], [0, 0, 0]])


def test_a_picked_disturbance_lowers_the_critic_more_than_a_random_one(agent):
    rng = np.random.default_rng(3)
    observations = rng.normal(size=(2, 6, SPEC.observation_size)).astype(np.float32)
    value = smaller_critic(agent)

    def believed(attack):
        disturbed = Disturbance(agent, attack, episodes=6, seed=1, deviation=UNIT)
        seen = torch.from_numpy(disturbed(observations))
        return value(torch.from_numpy(observations), agent.act(seen)).detach().numpy()

    clean = believed(NO_ATTACK)
    for scale in (0.05, 0.1, 0.2):
        noise, worst = believed(Attack("noise", scale)), believed(Attack("min-q", scale))
        assert (worst <= noise + 1e-6).all() and (worst <= clean + 1e-6).all()
        assert worst.mean() < noise.mean()
    gentle = believed(Attack("min-q", 0.05))
    assert worst.mean() < gentle.mean()


@pytest.mark.parametrize("kind", [IQL, CQL, BOSA])
def test_each_core_is_asked_for_the_smaller_of_its_own_critics(kind):
    settings = {IQL: IQLSettings, CQL: CQLSettings, BOSA: BOSASettings}[kind]
    agent = kind([settings(hidden=8, seed=s) for s in (0, 1)], 5, 2)
    s, a = torch.randn(2, 4, 5), torch.randn(2, 4, 2)
    found = smaller_critic(agent)(s, a)
    layers = {
        IQL: lambda: agent.networks.critics, CQL: lambda: agent.critics,
        BOSA: lambda: agent.td3.critic,
    }[kind]()  # fmt: skip
    x = torch.cat([s, a], -1)
    for run in (0, 1):
        both = [
            mlp([(w[k][None], b[k][None]) for w, b in layers], x[run][None])[0]
            for k in (run, 2 + run)
        ]
        np.testing.assert_allclose(
            found[run].detach(), torch.minimum(*both).detach(), rtol=1e-5, atol=1e-6
        )


def test_an_agent_without_critics_is_refused():
    with pytest.raises(ValueError, match="str has no critics that the attack knows of"):
        smaller_critic("a policy")
