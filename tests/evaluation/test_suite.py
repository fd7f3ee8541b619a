"""Metamorphic checks of the perturbation suite: what must not change, does not."""

import inspect
import typing

import numpy as np
import pytest
import torch

from droco_lite.agents import IQL, IQLSettings
from droco_lite.agents.snapshots import Policies, Snapshot
from droco_lite.evaluation import distances, evaluate, grid
from droco_lite.evaluation.attacks import Disturbance
from droco_lite.evaluation.selection import examine
from droco_lite.robots import NOMINAL, ROBOTS, SHIFTS, Shift, record, rollout, rollout_runs
from droco_lite.training.loop import numpy_act

SPEC = ROBOTS["hopper"]  # an untrained hopper falls soon: short episodes, quick tests


@pytest.fixture(scope="module")
def agent():
    runs = [IQLSettings(hidden=16, seed=s) for s in (0, 1)]
    return IQL(runs, SPEC.observation_size, SPEC.action_size)


def test_strength_zero_is_the_nominal_robot_exactly(agent):
    whole = Shift("kinematic", "footjnt", 0.0)
    table = evaluate(agent, "hopper", [NOMINAL, whole], episodes=3)
    returns = table.pivot(index="run", columns="shift", values="return_mean")
    np.testing.assert_array_equal(returns[str(NOMINAL)], returns[str(whole)])


def test_stacked_policies_are_the_policies_alone(agent):
    table = evaluate(agent, "hopper", ["gravity-up-0.5"], episodes=3, seed=7)
    for run in (0, 1):
        alone = IQL([agent.runs[run]], SPEC.observation_size, SPEC.action_size)
        one = evaluate(alone, "hopper", ["gravity-up-0.5"], episodes=3, seed=7)
        assert one.return_mean[0] == pytest.approx(table.return_mean[run], rel=1e-4)


def test_chunks_of_shifts_change_nothing(agent):
    shifts = grid("hopper", families=("gravity",))
    whole = evaluate(agent, "hopper", shifts, episodes=2)
    parts = evaluate(agent, "hopper", shifts, episodes=2, rows=1)
    np.testing.assert_allclose(whole.return_mean, parts.return_mean)
    assert list(whole["shift"]) == list(parts["shift"])


def test_mean_and_score_are_those_of_the_episodes(agent):
    def first(observations):
        both = np.broadcast_to(observations, (2, *observations.shape))
        return numpy_act(agent)(both)[0]

    table = evaluate(agent, "hopper", [NOMINAL], episodes=4, seed=3)
    returns = rollout("hopper", [NOMINAL], first, episodes=4, seed=3).returns[0]
    assert table.return_mean[0] == pytest.approx(returns.mean(), rel=1e-4)
    assert table.return_std[0] == pytest.approx(returns.std(ddof=1), rel=1e-3)
    assert table.score[0] == pytest.approx(float(SPEC.score(table.return_mean[0])))


def test_grid_holds_every_variant_and_level():
    shifts = grid("hopper")
    variants = sum(
        len(v)
        for f, v in SHIFTS["hopper"].items()
        if f in ("kinematic", "morph", "gravity", "friction")
    )
    assert shifts[0] == NOMINAL and len(shifts) == 1 + 3 * variants
    assert len(set(map(str, shifts))) == len(shifts)


def test_unknown_family_names_the_known_ones():
    with pytest.raises(ValueError, match="'wind' of hopper is none of kinematic"):
        grid("hopper", families=("wind",))


def test_policies_of_another_robot_are_refused_in_one_sentence(agent):
    said = (
        "agent: takes 11 observation columns and gives 3 actions, but walker2d needs 17 and 6; "
        "name hopper, which they fit, or give policies from [rows, 17] to [rows, 6], which a "
        "training on walker2d makes"
    )
    small = Snapshot.of(IQL([IQLSettings(hidden=4)], 4, 2))
    for refuse in (lambda who: evaluate(who, "walker2d", [NOMINAL]),
                   lambda who: examine(who, "walker2d"),
                   lambda who: distances(who, "walker2d")):  # fmt: skip
        for who in (agent, Snapshot.of(agent)):
            with pytest.raises(ValueError) as refused:
                refuse(who)
            assert str(refused.value) == said
        with pytest.raises(ValueError, match=r"takes 4 .* needs 17 and 6; give policies from"):
            refuse(small)


class ThreeFeet:
    """A reader's own policies, which are no agent: they go by the protocol alone."""

    n_obs, n_act, device = SPEC.observation_size, SPEC.action_size, torch.device("cpu")
    runs = (IQLSettings(label="still"), IQLSettings(label="too"))

    def act(self, observations):
        return torch.zeros(*observations.shape[:-1], 3)


def test_what_is_evaluated_is_typed_and_need_be_no_agent():
    for function in (evaluate, distances, numpy_act, Disturbance.__init__):
        name = next(n for n in inspect.signature(function).parameters if n != "self")
        assert typing.get_type_hints(function)[name] is Policies
    own: Policies = ThreeFeet()  # mypy reads this line too
    table = evaluate(own, "hopper", [NOMINAL], episodes=2)
    assert list(table["label"]) == ["still", "too"]
    assert table["return_mean"].nunique() == 1


@pytest.mark.parametrize(("width", "said"), [
    (4, "takes 11 observation columns and gives 4 actions, but hopper needs 11 and 3"),
    (1, "gives 1 actions, but hopper needs 11 and 3"),  # NumPy would copy it to all motors
])  # fmt: skip
def test_a_policy_of_another_width_is_refused(width, said):
    def policy(observations):
        return np.zeros((*observations.shape[:-1], width))

    with pytest.raises(ValueError, match=f"^policy: .*{said}"):
        rollout("hopper", [NOMINAL], policy, episodes=2, seed=0)
    with pytest.raises(ValueError, match=f"^policy: .*{said}"):
        record("hopper", NOMINAL, policy, seed=0)
    with pytest.raises(ValueError, match=f"^act: .*{said}"):
        rollout_runs("hopper", [NOMINAL], policy, runs=2, episodes=1, seed=0)


def test_a_policy_gives_one_action_a_row_or_one_for_all():
    def still(observations):
        return np.zeros(3)

    one = rollout("hopper", [NOMINAL], still, episodes=2, seed=0).returns
    rows = rollout("hopper", [NOMINAL], lambda s: np.zeros((len(s), 3)), episodes=2, seed=0)
    np.testing.assert_array_equal(one, rows.returns)
    with pytest.raises(ValueError, match=r"policy: gives actions of shape \(5, 3\) .* \(2, 3\)"):
        rollout("hopper", [NOMINAL], lambda s: np.zeros((5, 3)), episodes=2, seed=0)
