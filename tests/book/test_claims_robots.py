"""Two kinds of robustness: its sentences, on sixteen episodes that the page does not show."""

from functools import partial

import numpy as np
import pytest
from quoting import says

from droco_lite.data.behaviour import load_behaviour
from droco_lite.robots import NOMINAL, ROBOTS, BatchedRobot, Shift, one_step, record, rollout

page_says = partial(says, "two_kinds_of_robustness")

SOURCE = Shift.parse("kinematic-thighjnt-hard")
SEED, EPISODES = 4000, 16


@pytest.fixture(scope="module")
def policies():
    return {
        name: load_behaviour("halfcheetah", shift, "medium")
        for name, shift in (("source", SOURCE), ("target", NOMINAL))
    }


@pytest.fixture(scope="module")
def exchanged(policies):
    return {
        name: rollout(
            "halfcheetah", [SOURCE, NOMINAL], policy, episodes=EPISODES, seed=SEED
        ).returns.mean(axis=1)
        for name, policy in policies.items()
    }


@pytest.fixture(scope="module")
def worn(policies):
    strengths = (0.0, 1 / 6, 2 / 3, 1.0)
    return {
        joint: rollout(
            "halfcheetah",
            [Shift("kinematic", f"{joint}jnt", s) for s in strengths],
            policies["target"],
            episodes=EPISODES,
            seed=SEED,
        ).returns.mean(axis=1)
        for joint in ("thigh", "foot")
    }


def test_each_policy_is_good_at_home_and_loses_about_seven_tenths_away(exchanged):
    assert page_says(
        "Each policy is good at home and loses about seven tenths of its return in the other robot",
    )
    (source_home, source_away), (target_away, target_home) = exchanged.values()
    assert min(source_home, target_home) > 3000
    for home, away in ((source_home, source_away), (target_home, target_away)):
        assert 0.15 < away / home < 0.45


def test_mild_wear_makes_no_difference_and_only_hard_thighs_cost_most(worn):
    assert page_says(
        "with half of the thighs' range gone (strength 0.67) the policy still keeps most of "
        "its return",
        "Stiff thighs are much worse than stiff feet, which cost little even at strength 1",
    )
    whole = worn["thigh"][0]
    assert abs(worn["thigh"][1] / whole - 1) < 0.25  # less than episodes differ
    assert 0.55 * whole < worn["thigh"][2]
    assert worn["thigh"][3] < 0.5 * whole
    assert worn["foot"].min() > 0.85 * whole


def test_the_source_policy_gains_by_its_own_wear(exchanged):
    assert page_says(
        "it *gains*",
    )
    at_source, at_target = exchanged["source"]
    assert at_source > 1.5 * at_target


@pytest.mark.parametrize("seed", range(3))
def test_the_same_step_pays_differently(policies, seed):
    run = record("halfcheetah", NOMINAL, policies["target"], seed=seed, steps=300)
    paid = []
    for shift in (SOURCE, NOMINAL):
        robots = BatchedRobot("halfcheetah", [shift] * 300, [0] * 300, dtype=np.float64)
        robots.set_state(run.qpos[:-1], run.qvel[:-1])
        paid.append(robots.step(run.actions)[1])
    difference = np.abs(paid[0] - paid[1])
    assert (difference > 0.1).mean() > 0.8
    assert 0.1 < difference.mean() / paid[1].mean() < 0.3


def test_starts_differ_in_where_the_source_policy_takes_the_lead(policies):
    """Eight starts, each with both policies, below and above the strength where the means cross."""
    assert page_says(
        "at one half the target's policy leads in nearly all, at 0.83 the source's",
    )
    shifts = [Shift("kinematic", "thighjnt", strength) for strength in (1 / 2, 5 / 6)]
    source, target = (
        rollout("halfcheetah", shifts, policies[name], episodes=8, seed=SEED).returns
        for name in ("source", "target")
    )
    before, after = (source > target).mean(axis=1)
    assert before <= 0.375 and after >= 0.75


def test_a_small_loss_of_range_is_felt_at_fewer_than_half_of_the_steps(policies):
    assert page_says(
        "A small loss of range is felt at fewer than half of the steps, a hard one at nearly all",
    )
    shifts = [Shift("kinematic", "thighjnt", strength) for strength in (0, 1 / 6, 1)]
    for seed in range(8):
        run = record("halfcheetah", NOMINAL, policies["target"], seed=seed, steps=200)
        here = run.qpos[:-1], run.qvel[:-1]
        following = one_step("halfcheetah", shifts, *here, run.actions)
        usual = (following[0] - ROBOTS["halfcheetah"].observation(*here)).std(axis=0)
        distance = np.sqrt((((following - following[0]) / usual) ** 2).mean(axis=-1))
        _, small, hard = (distance > 0.01).mean(axis=1)
        assert 0.2 < small < 0.5 and hard > 0.9


def test_less_gravity_hurts_at_once_and_both_end_near_nothing(policies):
    assert page_says(
        "Both end near nothing, well before strength 1, and less gravity hurts at once",
    )
    shifts = [Shift("gravity", way, s) for way in ("up", "down") for s in (1 / 6, 5 / 6)]
    returns = rollout("halfcheetah", shifts, policies["target"], episodes=8, seed=SEED).returns
    up, up_end, down, down_end = returns.mean(axis=1)
    assert down < up - 300
    assert max(up_end, down_end) < 0.3 * up
