"""The two gates: the numbers are returns of the right policies on the right robots."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from droco_lite.data import Task, Transitions, gate
from droco_lite.robots import get_robot, register_robot, rollout, unregister_robot
from tests.robots.test_robot_file import XML


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


# Returns that are costs -------------------------------------------------------------------------


@pytest.fixture
def costly(tmp_path):
    """A pendulum that pays for every step in which it hangs; swinging it up costs least."""
    (tmp_path / "pendulum.xml").write_text(XML)

    def swing(observations):
        return np.sign(observations[:, 2:3])

    def registered(**bounds):
        return register_robot(
            "pendulum", tmp_path / "pendulum.xml",
            observation=lambda s: np.concatenate([np.cos(s.qpos), np.sin(s.qpos), s.qvel], axis=1),
            reward=lambda s, a, after: -1 - np.cos(after.qpos[:, 0]),
            frame_skip=2, max_episode_steps=50, reset_noise=0.05, action_noise=0.0,
            shifts={"kinematic": {"range": {"hinge": 0.5}}},
            source_shifts={"kinematic": "kinematic-range-hard"},
            policies={"nominal": {"medium": swing}, "kinematic-range-hard": {"medium": swing}},
            **bounds,
        )  # fmt: skip

    yield registered, swing
    unregister_robot("pendulum")


def test_where_no_return_is_positive_a_perfect_clone_passes_and_a_bad_one_fails(costly):
    register, swing = costly
    register()  # no reference returns: a random policy is played
    task = "pendulum-medium"

    def judged(policy):
        return gate.gate(task, target_size=100, episodes=4, cloner=lambda data, seed: policy)

    def still(observations):
        return np.zeros((len(observations), 1), np.float32)

    found = judged(swing)
    assert found.reference < found.target_data < 0 and found.at_home < 0
    assert found.can_be_cloned and found.cloned == pytest.approx(1, abs=0.3)
    assert found.record()["reference"] == round(found.reference, 1)
    # A motor that stands still never swings up: it earns less than random actions.
    assert judged(still).can_be_cloned is False
    again = gate.reference_return("pendulum", episodes=4)
    assert found.reference == again == gate.reference_return("pendulum", episodes=4)


def costs(**changes):
    returns = {"at_home": -20.0, "on_target": -90.0, "target_data": -20.0, "clone": -25.0}
    return gate.Gate(Task("pendulum"), **{**returns, **changes})


@pytest.mark.parametrize(
    ("changes", "shift_matters", "can_be_cloned"),
    [
        ({}, True, True),
        ({"on_target": -30.0}, False, True),
        ({"on_target": -20.0}, False, True),
        ({"at_home": -101.0, "on_target": -300.0}, False, True),  # fails at home
        ({"clone": -61.0}, True, False),
        ({"clone": -59.0}, True, True),
        ({"target_data": -120.0, "clone": -120.0}, True, True),
        ({"target_data": -120.0, "clone": -180.0}, True, False),
    ],
)
def test_shares_are_measured_from_the_robot_s_random_return(
    costly, changes, shift_matters, can_be_cloned
):
    register, _ = costly
    register(min_return=-100.0, max_return=-10.0)
    found = costs(**changes)
    assert found.reference == -100.0
    assert (found.shift_matters, found.can_be_cloned) == (shift_matters, can_be_cloned)


def test_a_robot_whose_random_return_is_not_known_needs_one(costly):
    register, _ = costly
    register()
    with pytest.raises(ValueError, match="reference: pendulum has no min_return"):
        costs()
    assert costs(reference=-100.0).can_be_cloned


@pytest.mark.parametrize("worth", [-100.0, -1.0, 0.0, 1.0, 100.0])
def test_a_perfect_clone_passes_whatever_the_returns_are(worth):
    assert result(target_data=worth, clone=worth).can_be_cloned
    assert not result(target_data=worth, clone=worth - 2 * abs(worth) - 1).can_be_cloned


COMMITTED = sorted((Path(__file__).parents[2] / "results" / "gates").glob("*.json"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
@pytest.mark.parametrize("reference", ["the record's", "a random policy's"])
def test_committed_verdicts_are_those_of_their_figures_from_either_reference(path, reference):
    record = json.loads(path.read_text())
    task = Task.parse(record["task"])
    figures = {key: record[key] for key in ("at_home", "on_target", "target_data", "clone")}
    own = {"reference": get_robot(task.robot).min_return} if reference[0] == "a" else {}
    found = gate.Gate(task, **figures, **own)
    verdicts = {key: record[key] for key in ("shift_matters", "can_be_cloned")}
    assert {key: bool(getattr(found, key)) for key in verdicts} == verdicts


def test_there_are_committed_gates():
    assert len(COMMITTED) == 33


def test_more_episodes_are_asked_for_near_the_limit_from_any_reference():
    returns = np.array([[0.0] * 4, [-680.0, -640.0, -700.0, -650.0]])
    assert gate.clear(returns - -3000.0)
    assert not gate.clear(returns - -1000.0)


def test_a_clone_is_that_of_its_seed_and_leaves_the_callers_draws_alone():
    rng = np.random.default_rng(0)
    states, actions = (rng.normal(size=(60, k)).astype(np.float32) for k in (4, 2))
    flags = np.zeros(60, bool)
    data = Transitions(states, np.tanh(actions), flags, states, flags, flags)
    torch.manual_seed(9)
    torch.rand(3)
    before = torch.get_rng_state()
    found = gate.clone(data, seed=1, steps=0)(states)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)  # the weights are those that torch draws from this seed
    sizes = ((4, 256), (256, 256), (256, 2))
    first, second, last = (torch.nn.Linear(*size) for size in sizes)
    seen = torch.from_numpy((states - states.mean(0)) / (states.std(0) + 1e-3))
    with torch.no_grad():
        by_hand = torch.tanh(last(torch.relu(second(torch.relu(first(seen))))))
    np.testing.assert_allclose(found, by_hand, rtol=1e-5, atol=1e-6)
