"""The two gates: the numbers are returns of the right policies on the right robots."""

import numpy as np
import pytest

from droco_lite.data import Task, Transitions, gate
from droco_lite.robots import rollout


def result(**changes):
    returns = {"at_home": 900.0, "on_target": 100.0, "target_data": 800.0, "clone": 700.0}
    return gate.Gate(Task("hopper"), **{**returns, **changes})


@pytest.mark.parametrize(
    ("changes", "shift_matters", "can_be_cloned"),
    [
        ({}, True, True),
        ({"on_target": 301.0}, False, True),
        ({"at_home": -5.0, "on_target": -50.0}, False, True),
        ({"clone": 399.0}, True, False),
    ],
)
def test_verdicts(changes, shift_matters, can_be_cloned):
    found = result(**changes)
    assert (found.shift_matters, found.can_be_cloned) == (shift_matters, can_be_cloned)


@pytest.mark.slow
def test_cloning_finds_the_policy_behind_the_data():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(2000, 4)).astype(np.float32)
    actions = np.tanh(states @ rng.normal(size=(4, 2))).astype(np.float32)
    flags = np.zeros(2000, bool)
    data = Transitions(states, actions, flags, states, flags, flags)
    policy = gate.clone(data, seed=1, steps=250)
    assert np.square(policy(states) - actions).mean() < 0.05 * actions.var()
    few = states[:10]
    np.testing.assert_allclose(policy(few), policy(states)[:10], atol=1e-5)  # row by row
    start = gate.clone(data, seed=1, steps=2)(few)
    np.testing.assert_array_equal(start, gate.clone(data, seed=1, steps=2)(few))
    assert not np.array_equal(start, gate.clone(data, seed=2, steps=2)(few))


@pytest.mark.slow
def test_gate_of_halfcheetah():
    """With a cloner that returns the constant zero, each number can be made by hand."""
    seen = []

    def cloner(data, seed):
        seen.append(data)
        return lambda observations: np.zeros((len(observations), 6), np.float32)

    found = gate.gate("halfcheetah-medium", target_size=1000, episodes=1, seed=3, cloner=cloner)
    assert len(seen[0]) == 1000
    assert found.target_data == pytest.approx(seen[0].rewards.sum(), abs=0.1)
    still = rollout("halfcheetah", ["nominal"], cloner(None, 0), episodes=1, seed=3)
    assert found.clone == still.returns[0, 0]
    assert found.at_home > 1000 > found.clone


@pytest.mark.parametrize(
    ("on_target", "clear"),
    [
        ([10.0, 12.0, 9.0, 11.0], True),
        ([900.0, 880.0, 910.0, 905.0], True),
        ([0.0, 700.0, 20.0, 650.0], False),  # 0.34 of the return, and anything between
        ([310.0], False),
    ],
)
def test_a_share_near_the_limit_needs_more_episodes(on_target, clear):
    assert gate.clear(np.array([[1000.0] * len(on_target), on_target])) == clear


def test_more_episodes_are_run_where_the_verdict_is_not_clear(monkeypatch):
    asked = []

    def far_apart(robot, shifts, policy, *, episodes, seed):
        asked.append((seed, episodes))
        return rollout(robot, shifts, policy, episodes=1, seed=seed)

    monkeypatch.setattr(gate, "rollout", far_apart)
    monkeypatch.setattr(gate, "clear", lambda returns: False)

    def cloner(data, seed):
        return lambda observations: np.zeros((len(observations), 6), np.float32)

    found = gate.gate("halfcheetah-medium", target_size=1000, episodes=2, seed=3, cloner=cloner)
    assert asked == [(3, 2), (5, 8), (3, 2)]  # none is played twice
    assert found.episodes == 2  # of one each, played here
