"""MDPs, operators and their fixed points: the special cases, the trace, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from random_worlds import random_metric, random_rows, worlds

from droco_lite.tabular import (
    MDP,
    BellmanOperator,
    EnsembleOperator,
    KullbackLeiblerBall,
    TotalVariationBall,
    WassersteinBall,
    ensemble_minimum,
    policy_values,
    rcb,
    robust,
    solve,
    standard,
    value_iteration,
)


def balls(epsilon, distances):
    yield WassersteinBall(epsilon, distances)
    yield WassersteinBall(epsilon, distances, 2)
    yield WassersteinBall(epsilon, distances, np.inf)
    yield TotalVariationBall(epsilon)
    yield KullbackLeiblerBall(epsilon)


@settings(max_examples=30)
@given(worlds())
def test_the_ends_of_the_rcb_operator_are_the_two_it_mixes(world):
    q = world.rng.normal(size=world.source.rewards.shape)
    values = np.where(world.support, q, -np.inf).max(1)
    plain = world.target.rewards + world.target.discount * world.target.transitions @ values
    for ball in balls(world.epsilon, world.distances):
        lowest = ball.expectation(values, world.source.transitions)
        worst = world.source.rewards + world.source.discount * lowest
        np.testing.assert_allclose(
            rcb(world.source, world.target, ball, 1.0, world.support)(q), plain, atol=1e-12
        )
        np.testing.assert_allclose(
            rcb(world.source, world.target, ball, 0.0, world.support)(q), worst, atol=1e-12
        )
        np.testing.assert_allclose(
            rcb(world.source, world.target, ball, world.share, world.support)(q),
            world.share * plain + (1 - world.share) * worst,
            atol=1e-12,
        )


@settings(max_examples=30)
@given(worlds())
def test_radius_zero_is_the_standard_operator_to_the_last_bit(world):
    q = world.rng.normal(size=world.source.rewards.shape)
    plain = standard(world.source)(q)
    for ball in balls(0.0, world.distances):
        assert np.array_equal(robust(world.source, ball)(q), plain)


@settings(max_examples=10)
@given(worlds())
def test_policy_iteration_finds_the_fixed_point_of_value_iteration(world):
    """Both to 1e-8 of each other, and the certificate |TQ - Q| <= tolerance (1 - gamma) holds."""
    for ball in balls(world.epsilon, world.distances):
        operator = rcb(world.source, world.target, ball, world.share, world.support)
        q = solve(operator, 1e-10)
        assert np.abs(operator(q) - q).max() <= 1e-10 * (1 - operator.discount) + 1e-13
        np.testing.assert_allclose(value_iteration(operator, tolerance=1e-8).q, q, atol=1e-8)


def test_a_chain_solved_by_hand():
    """Stay for 0.5 or try for 1 with chance one half; gamma 0.5."""
    transitions = np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]])
    mdp = MDP(transitions, [[0.5, 0.0], [1.0, 1.0]], 0.5, 1 - np.eye(2), np.array([False, True]))
    # terminal pays 1 and ends; V(0) = max(0.5 + V/2, (V + 1)/4) = 1
    np.testing.assert_allclose(solve(standard(mdp)), [[1.0, 0.5], [1.0, 1.0]], atol=1e-10)
    # both states are worth 1, so no ball can take anything away
    ball = WassersteinBall(0.2, mdp.distances)
    np.testing.assert_allclose(solve(robust(mdp, ball)), [[1.0, 0.5], [1.0, 1.0]], atol=1e-10)


def test_policy_values_are_the_fixed_point_of_the_policy():
    rng = np.random.default_rng(5)
    mdp = MDP(random_rows(rng, (5, 2, 5)), rng.normal(size=(5, 2)), 0.9)
    operator = standard(mdp)
    q = solve(operator)
    np.testing.assert_allclose(policy_values(mdp, operator.greedy(q)), q.max(1), atol=1e-8)


def test_the_trace_starts_where_it_is_told_and_honours_the_cap():
    rng = np.random.default_rng(6)
    mdp = MDP(random_rows(rng, (4, 2, 4)), rng.normal(size=(4, 2)), 0.9)
    trace = value_iteration(standard(mdp), start=3.0, max_iterations=4)
    assert trace.residuals.shape == (4,)
    assert trace.errors.shape == trace.banach_bounds.shape == (5,)
    assert trace.errors[0] == np.abs(3.0 - solve(standard(mdp))).max()


@settings(max_examples=20)
@given(worlds())
def test_the_ensemble_operator_takes_the_exact_mean_of_the_minimum(world):
    models = np.stack([world.sibling(0.3).transitions for _ in range(3)])
    operator = EnsembleOperator(world.source, world.target, models, world.share, world.support)
    q = world.rng.normal(size=world.source.rewards.shape)
    values = operator.values(q)
    mixed = world.share * (world.target.transitions @ values)
    mixed += (1 - world.share) * ensemble_minimum(values, models)
    np.testing.assert_allclose(
        operator(q), world.source.rewards + world.source.discount * mixed, atol=1e-10
    )


# --- refusals ---

ROWS = np.full((3, 2, 3), 1 / 3)
REWARDS = np.zeros((3, 2))


def changed(array, at, value):
    array = array.copy()
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"transitions": ROWS[:2]}, "transitions: expected shape"),
        ({"transitions": changed(ROWS, (1, 0, 2), 0.5)}, r"transitions: row \(1, 0\) sums to 1.16"),
        ({"transitions": changed(ROWS, (0, 1, 0), -1 / 3)}, "transitions: negative probability"),
        ({"transitions": changed(ROWS, (0, 1, 0), np.nan)}, "transitions: holds NaN"),
        ({"rewards": REWARDS.T}, r"rewards: expected shape \(3, 2\)"),
        ({"rewards": changed(REWARDS, (0, 0), np.inf)}, "rewards: holds NaN or an infinity"),
        ({"discount": 1.0}, "discount: expected 0 <= gamma < 1"),
        ({"discount": np.nan}, "discount: "),
        ({"distances": 1 - np.eye(4)}, r"distances: expected shape \[3, 3\]"),
        ({"distances": np.zeros((3, 3))}, "distances: not a metric"),
        ({"terminal": [0, 1, 0]}, "terminal: expected booleans"),
    ],
)
def test_a_broken_mdp_is_refused_by_the_name_of_the_argument(arguments, says):
    sound = {"transitions": ROWS, "rewards": REWARDS, "discount": 0.9}
    MDP(**sound)
    with pytest.raises(ValueError, match=f"^{says}"):
        MDP(**(sound | arguments))


def test_an_operator_that_does_not_fit_is_refused_by_name():
    mdp = MDP(ROWS, REWARDS, 0.9)
    with pytest.raises(ValueError, match=r"^target_share: "):
        BellmanOperator(mdp, mdp, target_share=1.5)
    with pytest.raises(ValueError, match=r"^target_share: "):
        BellmanOperator(mdp, mdp, target_share=np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match=r"^support: state 1 has no action"):
        standard(mdp, support=np.array([[True, False], [False, False], [True, True]]))
    with pytest.raises(ValueError, match=r"^support: expected booleans"):
        standard(mdp, support=np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"^target: its rewards differ"):
        rcb(mdp, MDP(ROWS, REWARDS + 1, 0.9), TotalVariationBall(0.1), 0.5)
    with pytest.raises(ValueError, match=r"^target: its discount differ"):
        rcb(mdp, MDP(ROWS, REWARDS, 0.8), TotalVariationBall(0.1), 0.5)
    with pytest.raises(ValueError, match=r"^target: needed"):
        BellmanOperator(mdp, ball=TotalVariationBall(0.1), target_share=0.5)
    with pytest.raises(ValueError, match=r"^q: expected shape"):
        standard(mdp)(np.zeros(3))
    with pytest.raises(ValueError, match=r"^p: the metric has 2 states"):
        robust(mdp, WassersteinBall(0.1, 1 - np.eye(2)))(REWARDS)
    with pytest.raises(ValueError, match=r"^models: "):
        EnsembleOperator(mdp, mdp, ROWS)


def test_a_metric_through_which_a_way_is_shorter_is_no_metric():
    rng = np.random.default_rng(0)
    distances = random_metric(rng, 3)
    distances[0, 2] = distances[2, 0] = 2 * (distances[0, 1] + distances[1, 2])
    with pytest.raises(ValueError, match=r"^distances: .*through state 1"):
        MDP(ROWS, REWARDS, 0.9, distances)


@pytest.mark.parametrize("discount", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("start", [-7.0, 0.0, 250.0])
def test_value_iteration_stops_as_soon_as_its_bound_allows_and_no_sooner(discount, start):
    """A state that leads to itself contracts by gamma exactly: a small step is no small error."""
    mdp = MDP(np.ones((1, 1, 1)), np.ones((1, 1)), discount)
    tolerance = 1e-3
    trace = value_iteration(standard(mdp), start=start, tolerance=tolerance)
    assert trace.errors[-1] <= tolerance * (1 + 1e-9)
    assert trace.errors[-2] > tolerance * (1 - 1e-9)  # one step earlier it was not there yet
    exact = 1 / (1 - discount)
    np.testing.assert_allclose(trace.q, exact, atol=tolerance * (1 + 1e-9))
    steps = np.arange(len(trace.errors))
    np.testing.assert_allclose(trace.errors, abs(start - exact) * discount**steps, atol=1e-9)
