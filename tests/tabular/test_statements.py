"""What the book proves beside the paper's propositions, on random instances and where it is tight.

Each test ends with an instance that attains its bound, so that a smaller bound fails it.
"""

import numpy as np
from bounds import bound, checks
from random_worlds import random_metric, random_rows

from droco_lite.tabular import (
    MDP,
    EnsembleOperator,
    lipschitz_constant,
    solve,
    standard,
    total_variation,
    wasserstein_rows,
)
from droco_lite.tabular.ensembles import LowestMemberOperator, disagreement, model_errors

ROUNDING = 1e-8


def draws(number):
    return (np.random.default_rng(seed) for seed in range(number))


@checks("Lipschitz, W_1")
def test_a_mean_changes_by_at_most_l_times_w_1():
    """|E_P f - E_Q f| <= L W_1(P, Q): the corollary of Kantorovich and Rubinstein."""

    def hold(f, p, q, distances):
        far = wasserstein_rows(p, q, distances)
        most = bound("Lipschitz, W_1", lipschitz_constant(f, distances) * far)
        assert (np.abs(p @ f - q @ f) <= most + ROUNDING).all()

    for rng in draws(30):
        size = rng.integers(2, 8)
        rows = random_rows(rng, (2, 4, size))
        hold(rng.normal(size=size), *rows, random_metric(rng, size))
    hold(np.array([0.0, 1.0]), np.eye(2), np.eye(2)[::-1], 1 - np.eye(2))


@checks("both gaps")
def test_both_gaps_are_at_most_sums_of_one_step_differences():
    """|V' - V| <= (|r' - r| + gamma L max W_1(P', P)) / (1 - gamma), for a fixed policy."""

    def hold(old, new, pay_old, pay_new, gamma, distances):
        unit = np.eye(len(old))
        v, v_new = (
            np.linalg.solve(unit - gamma * kernel, pay)
            for kernel, pay in ((old, pay_old), (new, pay_new))
        )
        far = wasserstein_rows(new, old, distances).max()
        one_step = np.abs(pay_new - pay_old).max() + gamma * lipschitz_constant(v, distances) * far
        assert np.abs(v_new - v).max() <= bound("both gaps", one_step / (1 - gamma)) + ROUNDING

    for rng in draws(30):
        size = rng.integers(2, 8)
        kernels = random_rows(rng, (2, size, size))
        pays = rng.uniform(size=(2, size))
        hold(*kernels, *pays, rng.choice([0.0, 0.5, 0.9]), random_metric(rng, size))
    goes, pays = np.array([[0, 1.0], [0, 1]]), np.array([0, 1.0])  # the exercise: V' - V = (-9, 0)
    hold(goes, np.eye(2), pays, pays, 0.9, 1 - np.eye(2))


def backup(v, beta, gamma, reward, after, predicted):
    """T_beta of the chapter on beta, one action a state: [states]."""
    worst = v[predicted].min(-1)
    return reward + gamma * ((1 - beta) * v[after] + beta * worst)


@checks("beta modulus")
def test_beta_makes_a_map_of_modulus_gamma_times_two_beta_minus_one():
    """max |T V - T U| <= gamma (|1 - beta| + beta) max |V - U|."""

    def hold(beta, gamma, v, u, after, predicted):
        one, other = (backup(x, beta, gamma, 0.0, after, predicted) for x in (v, u))
        modulus = bound("beta modulus", gamma * (abs(1 - beta) + beta))
        assert np.abs(one - other).max() <= modulus * np.abs(v - u).max() + ROUNDING

    for rng in draws(100):
        v, u = rng.normal(size=(2, 5))
        after, predicted = rng.integers(5, size=5), rng.integers(5, size=(5, 3))
        hold(rng.uniform(0, 3), rng.uniform(0, 1), v, u, after, predicted)
    one, other = np.array([1.0, -1.0]), np.zeros(2)  # s' rises while its prediction falls
    for beta in (0.5, 1.0, 2.0):
        up = np.ones(2) if beta <= 1 else one
        hold(beta, 0.9, up, other, np.zeros(2, int), np.ones((2, 1), int))


@checks("beta range")
def test_up_to_beta_1_the_fixed_point_is_a_possible_return():
    """r_min / (1 - gamma) <= V <= r_max / (1 - gamma) for 0 <= beta <= 1."""

    def hold(beta, gamma, reward, after, predicted):
        v = np.zeros(len(reward))
        for _ in range(400):
            v = backup(v, beta, gamma, reward, after, predicted)
        low, high = (bound("beta range", r / (1 - gamma)) for r in (reward.min(), reward.max()))
        assert v.max() <= high + ROUNDING
        assert v.min() >= min(low, reward.min() / (1 - gamma)) - ROUNDING

    for rng in draws(30):
        after, predicted = rng.integers(5, size=5), rng.integers(5, size=(5, 3))
        hold(rng.uniform(), rng.uniform(0, 0.9), rng.uniform(0, 1, 5), after, predicted)
    hold(0.5, 0.9, np.ones(2), np.arange(2), np.arange(2)[:, None])


@checks("4.6 span, one backup")
def test_the_lowest_member_overestimates_one_backup_by_at_most_e_times_the_span():
    """min_i E_i V - E V <= e sp(V), whatever N (eq. ens-min)."""

    def hold(v, models, truth):
        error = total_variation(models, np.broadcast_to(truth, models.shape)).max()
        over = (models @ v).min(0) - truth @ v
        assert over <= bound("4.6 span, one backup", error * np.ptp(v)) + ROUNDING

    for rng in draws(60):
        truth, *models = random_rows(rng, (1 + rng.integers(1, 8), 6))
        hold(rng.normal(size=6) * 10, np.array(models), truth)
    hold(np.array([3.0, -2.0]), np.array([[1.0, 0.0]] * 7), np.array([0.9, 0.1]))


@checks("4.6 span, fixed point")
def test_the_fixed_point_overestimates_by_at_most_gamma_e_span_over_one_minus_gamma():
    """Q_N - Q* <= gamma e sp(V*) / (1 - gamma), of both minima (eq. ens-fixed)."""

    def hold(world, models, operators):
        best, gamma = solve(standard(world)), world.discount
        error = total_variation(models, np.broadcast_to(world.transitions, models.shape)).max()
        most = gamma * error * np.ptp(best.max(1)) / (1 - gamma)
        for operator in operators:
            over = (solve(operator(world, world, models)) - best).max()
            assert over <= bound("4.6 span, fixed point", most) + ROUNDING

    for rng in draws(8):
        truth, *models = random_rows(rng, (4, 5, 2, 5))
        world = MDP(truth, rng.uniform(0, 1, (5, 2)), 0.9)
        near = np.array([0.9 * truth + 0.1 * other for other in models])
        hold(world, near, (LowestMemberOperator, EnsembleOperator))
    falls = np.array([[[0.99, 0.01]], [[0.0, 1.0]]])  # a rare fall that no member has seen
    never = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    world = MDP(falls, np.array([[1.0], [0.0]]), 0.99)
    hold(world, np.stack([never] * 7), (LowestMemberOperator,))


@checks("disagreement")
def test_disagreement_is_at_most_twice_the_error():
    """mean TV(P_i, mean) <= 2 mean TV(P_i, P); nearly attained by one wrong member of many."""

    def hold(models, truth):
        error = model_errors(models, truth).mean(0)
        assert (disagreement(models) <= bound("disagreement", 2 * error) + ROUNDING).all()

    for rng in draws(40):
        truth, *models = random_rows(rng, (6, 1, 1, 5))
        hold(np.array(models), truth)
    right, wrong = np.array([[[1.0, 0.0]]]), np.array([[[0.0, 1.0]]])
    hold(np.stack([right] * 99 + [wrong]), right)


@checks("floor")
def test_a_floor_moves_a_value_towards_the_truth_or_not_at_all():
    """|max(x, floor) - v| <= |x - v| for every v that is not below the floor."""
    rng = np.random.default_rng(0)
    floor = rng.normal(size=2000) * 3
    v, x = floor + rng.exponential(size=2000), rng.normal(size=2000) * 10
    assert (x > floor).any() and (x < floor).any()
    moved = np.abs(np.maximum(x, floor) - v)
    assert (moved <= bound("floor", np.abs(x - v)) + ROUNDING).all()
