"""Every proposition the book states, checked on random finite worlds. Tolerances are stated.

Numbers are those of Qiao et al. (2026), arXiv 2512.02486. Each bound goes through bounds.py, so
that test_bounds_bite.py can make it a tenth smaller and see that the test here then fails.
"""

import numpy as np
import pytest
from bounds import bound, checks
from hypothesis import given, settings
from random_worlds import instances, worlds

from droco_lite.tabular import (
    MDP,
    WIND,
    EnsembleOperator,
    KullbackLeiblerBall,
    TotalVariationBall,
    WassersteinBall,
    WindyCliff,
    ensemble_minimum,
    kullback_leibler,
    lipschitz_constant,
    policy_values,
    rcb,
    robust,
    solve,
    standard,
    total_variation,
    value_iteration,
    wasserstein_primal,
    wasserstein_rows,
)
from droco_lite.tabular.ensembles import printed_bound

ROUNDING = 1e-9  # values lie within 1 / (1 - gamma) <= 34
SOLVED = 1e-8  # fixed points are solved to 1e-10


def balls(epsilon, distances):
    yield WassersteinBall(epsilon, distances)
    yield WassersteinBall(epsilon, distances, np.inf)
    yield TotalVariationBall(epsilon)
    yield KullbackLeiblerBall(epsilon)


def operators(world, epsilon=None):
    epsilon = world.epsilon if epsilon is None else epsilon
    for ball in balls(epsilon, world.distances):
        yield rcb(world.source, world.target, ball, world.share, world.support)


# --- Proposition 4.1: contraction, a unique fixed point; monotonicity -----------------------------


@checks("4.1 contraction")
@settings(max_examples=40)
@given(worlds())
def test_4_1_the_rcb_operator_is_a_gamma_contraction(world):
    """max |TQ - TU| <= gamma max |Q - U| + 1e-9, for every ball."""
    shape = world.source.rewards.shape
    for operator in operators(world):
        q, u = world.rng.normal(size=(2, *shape)) * 10
        gap = np.abs(operator(q) - operator(u)).max()
        assert gap <= bound("4.1 contraction", operator.discount * np.abs(q - u).max()) + ROUNDING


@pytest.mark.slow
@checks("4.1 Banach")
@settings(max_examples=10)
@given(worlds())
def test_4_1_value_iteration_reaches_one_fixed_point_below_banachs_bound(world):
    """From two starts to the same point (2e-8), each error below gamma^k |Q_0 - Q*| + 1e-9."""
    for operator in operators(world):
        from_above = value_iteration(operator, start=50.0)
        from_below = value_iteration(operator, start=-50.0)
        for trace in (from_above, from_below):
            assert (trace.errors <= bound("4.1 Banach", trace.banach_bounds) + ROUNDING).all()
        np.testing.assert_allclose(from_above.q, from_below.q, atol=2e-8)


@settings(max_examples=40)
@given(worlds())
def test_the_operator_is_monotone(world):
    """Q <= U implies TQ <= TU + 1e-9."""
    q = world.rng.normal(size=world.source.rewards.shape)
    more = q + world.rng.exponential(size=q.shape) * (world.rng.random(q.shape) < 0.5)
    for operator in operators(world):
        assert (operator(q) <= operator(more) + ROUNDING).all()


@settings(max_examples=20)
@given(worlds())
def test_a_larger_radius_has_a_smaller_fixed_point(world):
    """Everywhere, to 1e-8, for every ball."""
    radii = [0.0, 0.05, 0.3, 1.0]
    fixed = np.array([[solve(operator) for operator in operators(world, e)] for e in radii])
    assert (np.diff(fixed, axis=0) <= SOLVED).all()


# --- Proposition 4.2: from worst dynamics to worst states -----------------------------------------


@checks("4.2 equality")
@settings(max_examples=40)
@given(instances())
def test_4_2_the_w_infinity_ball_is_a_neighbourhood_search(case):
    """Equality with the primal linear programme over couplings, to 1e-8."""
    near = case.distances <= bound("4.2 equality", case.epsilon) * (1 + 1e-12)
    lowest = np.where(near, case.f, np.inf).min(1)
    for p in case.p:
        primal, _ = wasserstein_primal(case.f, p, case.distances, case.epsilon, np.inf)
        assert primal == pytest.approx(p @ lowest, abs=SOLVED)


@settings(max_examples=150)
@given(instances())
def test_4_2_the_w_1_ball_is_only_bounded_by_it(case):
    """W_1-robust <= W_2-robust <= state perturbation <= nominal, each to 1e-9."""
    chain = [
        WassersteinBall(case.epsilon, case.distances, order).expectation(case.f, case.p)
        for order in (1, 2, np.inf)
    ] + [case.p @ case.f]
    assert (np.diff(chain, axis=0) >= -ROUNDING).all()


def test_4_2_the_inequality_is_strict_almost_always():
    """So the formula printed for the Wasserstein ball is not an equality for W_1."""
    rng = np.random.default_rng(0)
    strict = 0
    for _ in range(200):
        points = rng.normal(size=(6, 2))
        distances = np.abs(points[:, None] - points).sum(-1)
        f, p = rng.normal(size=6), rng.dirichlet(np.ones(6))
        epsilon = rng.uniform(0.2, 2.0)
        one, infinite = (
            WassersteinBall(epsilon, distances, order).expectation(f, p) for order in (1, np.inf)
        )
        strict += one < infinite - 1e-9
    assert strict >= 190


@checks("4.2 Lipschitz")
@settings(max_examples=80)
@given(instances())
def test_4_2_for_a_lipschitz_f_both_lose_at_most_l_epsilon(case):
    """Both robust values >= E f - L epsilon (1e-9), so they differ by at most L epsilon."""
    loss = bound("4.2 Lipschitz", lipschitz_constant(case.f, case.distances) * case.epsilon)
    for order in (1, 2, np.inf):
        ball = WassersteinBall(case.epsilon, case.distances, order)
        assert (ball.expectation(case.f, case.p) >= case.p @ case.f - loss - ROUNDING).all()


def test_tv_and_kl_do_not_know_the_metric():
    """Relabelled states far away cost them nothing: only the Wasserstein value changes."""
    f, p = np.array([1.0, 0.9, 0.0]), np.array([0.5, 0.5, 0.0])
    near = np.array([[0, 1, 2.0], [1, 0, 1], [2, 1, 0]])
    far = np.array([[0, 1, 20.0], [1, 0, 19], [20, 19, 0]])
    assert TotalVariationBall(0.1).expectation(f, p) == pytest.approx(0.85)
    assert KullbackLeiblerBall(0.1).expectation(f, p) >= 0.9  # stays on the support
    one, two = (WassersteinBall(0.1, d).expectation(f, p) for d in (near, far))
    assert one < two


# --- Proposition 4.4: train time ------------------------------------------------------------------


@checks("4.4 radius")
@settings(max_examples=60)
@given(worlds())
def test_4_4_a_ball_that_covers_the_target_never_overestimates(world):
    """Q_RCB <= Q*_target + 1e-8 wherever epsilon >= eps* = max W_1(P_src, P_tar)."""
    best = solve(standard(world.target))
    for extra in (0.0, 0.2):
        radius = bound("4.4 radius", world.threshold) + extra + 1e-12
        ball = WassersteinBall(radius, world.distances)
        q = solve(rcb(world.source, world.target, ball, world.share, world.support))
        assert (q <= best + SOLVED).all()


@checks("4.4 radius, other balls")
@settings(max_examples=30)
@given(worlds())
def test_4_4_holds_for_the_other_balls_at_their_own_thresholds(world):
    source, target = world.source.transitions, world.target.transitions
    best = solve(standard(world.target))
    radii = (
        wasserstein_rows(source, target, world.distances, np.inf).max(),
        total_variation(source, target).max(),
        kullback_leibler(target, source).max(),
    )
    longest, mass, divergence = (bound("4.4 radius, other balls", radius) for radius in radii)
    candidates = [
        WassersteinBall(longest, world.distances, np.inf),
        TotalVariationBall(mass + 1e-12),
    ]
    if np.isfinite(divergence):
        candidates.append(KullbackLeiblerBall(divergence + 1e-9))
    for ball in candidates:
        q = solve(rcb(world.source, world.target, ball, world.share, world.support))
        assert (q <= best + 1e-7).all()


@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.9])
def test_4_4_below_the_threshold_a_world_is_overestimated(fraction):
    """Two states, one good: the source stays, the target leaves with chance 0.5."""
    distances = 1 - np.eye(2)
    stay, leave = np.array([[[1.0, 0]], [[0, 1]]]), np.array([[[0.5, 0.5]], [[0, 1]]])
    rewards = np.array([[1.0], [0.0]])
    source, target = (MDP(kernel, rewards, 0.9, distances) for kernel in (stay, leave))
    threshold = wasserstein_rows(stay, leave, distances).max()
    assert threshold == pytest.approx(0.5)
    below = robust(source, WassersteinBall(fraction * threshold, distances))
    exactly = robust(source, WassersteinBall(threshold, distances))
    best = solve(standard(target))
    assert solve(below)[0, 0] > best[0, 0] + 0.05
    assert solve(exactly)[0, 0] == pytest.approx(best[0, 0], abs=SOLVED)


def test_4_4_needs_the_maximum_over_actions_in_the_data():
    """An action nobody took keeps its first guess, and a maximum over all actions believes it."""
    world = WindyCliff(height=3, width=5)
    source, target = world.mdp(WIND["source"]), world.mdp(WIND["target"])
    ball = WassersteinBall(WIND["target"], world.distances)
    support = np.ones(source.rewards.shape, dtype=bool)
    support[:, 3] = False  # no data go left
    best = solve(standard(target))
    inside = solve(rcb(source, target, ball, 0.0, support))
    assert (inside <= best + SOLVED)[support].all()

    believes_all = rcb(source, target, ball, 0.0)
    q = np.full(source.rewards.shape, 2.0)  # the first guess off the data
    for _ in range(300):
        q = np.where(support, believes_all(q), q)
    assert (q - best)[support].max() > 0.5


# --- Proposition 4.5: test time -------------------------------------------------------------------


@checks("4.5 robust rows")
@settings(max_examples=40)
@given(worlds())
def test_4_5_robust_rows_hold_wherever_the_deployed_world_stays_in_the_ball(world):
    """The greedy policy earns at least V_RCB in the deployed world, to 1e-8, if no row is plain."""
    deployed = world.sibling(0.3)
    reach = wasserstein_rows(world.source.transitions, deployed.transitions, world.distances).max()
    ball = WassersteinBall(bound("4.5 robust rows", reach) + 1e-12, world.distances)
    operator = robust(world.source, ball, world.support)
    q = solve(operator)
    earned = policy_values(deployed, operator.greedy(q))
    assert (earned >= operator.values(q) - SOLVED).all()


@checks("4.5 plain rows")
@settings(max_examples=60)
@given(worlds())
def test_4_5_plain_rows_cost_gamma_l_c_over_one_minus_gamma(world):
    """V_deployed >= V_RCB - gamma L c max(w) / (1 - gamma), with L read off V_RCB; to 1e-8.

    The last pair of worlds attains it: one always goes to the state that pays, the other stays.
    """
    distances, rewards = 1 - np.eye(2), np.array([[0.0], [1.0]])
    goes, stays = (
        MDP(kernel, rewards, 0.9, distances)
        for kernel in (np.array([[[0, 1.0]], [[0, 1.0]]]), np.eye(2)[:, None])
    )
    for source, target, deployed, share, support in (
        (world.source, world.target, world.sibling(0.2), world.share, world.support),
        (goes, goes, stays, np.ones((2, 1)), np.ones((2, 1), bool)),
    ):
        reach, c = (
            wasserstein_rows(one.transitions, deployed.transitions, source.distances).max()
            for one in (source, target)
        )
        ball = WassersteinBall(reach + 1e-12, source.distances)
        operator = rcb(source, target, ball, share, support)
        q = solve(operator)
        values, gamma = operator.values(q), operator.discount
        steep = lipschitz_constant(values, source.distances)
        cost = bound("4.5 plain rows", gamma * steep * c * share.max() / (1 - gamma))
        assert (policy_values(deployed, operator.greedy(q)) >= values - cost - SOLVED).all()


def test_4_5_a_plain_row_does_lose_something_when_the_world_drifts():
    """Without the Lipschitz term the statement is false for rows of the target."""
    world = WindyCliff()
    target, deployed = world.mdp(WIND["target"]), world.mdp(WIND["deployed"])
    operator = standard(target)
    q = solve(operator)
    earned = policy_values(deployed, operator.greedy(q))
    assert (operator.values(q) - earned)[world.start] > 0.1


# --- Proposition 4.6: an ensemble in place of the ball --------------------------------------------


@checks("4.6 one backup")
@settings(max_examples=60)
@given(instances(rows=4))
def test_4_6_one_backup_overestimates_by_at_most_e_times_the_highest_value(case):
    """E min_i f(s'_i) - E_target f <= e max f for f >= 0 and TV errors <= e, whatever N; to 1e-9.

    The minimum is never above one member. The last row is where the bound is attained: all of the
    target on the lowest state, all of the error on the highest.
    """
    f = case.f - case.f.min()
    target, *rows = case.p
    highest, lowest = np.eye(len(f))[[f.argmax(), f.argmin()]]
    for error in (0.02, 0.2):
        for truth, wrong in ((target, rows), (lowest, [highest] * 3)):
            models = np.array([(1 - error) * truth + error * row for row in wrong] * 2)
            assert (total_variation(models, truth) <= error + 1e-12).all()
            for n in (1, 3, 6):
                over = ensemble_minimum(f, models[:n]) - truth @ f
                if n == 1 or truth is target:
                    assert over <= bound("4.6 one backup", error * f.max()) + ROUNDING


def test_4_6_the_printed_bound_is_at_least_twice_the_sharp_one():
    """So it follows from the sharp one, and no instance can attain it."""
    for error in (0.001, 0.02, 0.2, 0.5):
        printed = printed_bound(error, np.arange(1, 30))
        assert (printed >= 2 * error - 1e-12).all()


@settings(max_examples=60)
@given(instances(rows=5))
def test_4_6_more_members_lower_the_estimate(case):
    """Never higher, and strictly lower wherever the new member has mass below the others' least."""
    values = [ensemble_minimum(case.f, case.p[:n]) for n in range(1, 6)]
    assert (np.diff(values) <= ROUNDING).all()
    for n in range(1, 5):
        mass = case.p[:n] > 0
        before = max(case.f[member].min() for member in mass)  # the minimum is surely at most this
        reach = min(case.f[member].min() for member in mass)
        if case.f[case.p[n] > 0].min() < reach <= before:
            assert values[n] < values[n - 1] - 1e-12


def test_4_6_the_printed_bound_rises_while_the_estimate_falls():
    """Opposite directions: the printed bound cannot describe what more members do."""
    rng, falls = np.random.default_rng(0), 0
    assert (np.diff(printed_bound(0.05, np.arange(1, 8))) > 0.01).all()
    for _ in range(50):
        f, models = rng.normal(size=6), rng.dirichlet(np.ones(6), size=7)
        values = [ensemble_minimum(f, models[:n]) for n in range(1, 8)]
        falls += (np.diff(values) < 0).all()
    assert falls == 50


@checks("4.6 fixed point")
@settings(max_examples=30)
@given(worlds())
def test_4_6_the_fixed_point_overestimates_by_at_most_e_gamma_r_over_one_minus_gamma_squared(world):
    """Errors of all backups add up: Q_ensemble - Q*_target <= gamma e r_max / (1 - gamma)^2.

    The second pair of worlds nearly attains it: a rare fall that no member knows.
    """
    random_models = np.stack([world.sibling(0.05).transitions for _ in range(3)])
    pairs = [(world.target, random_models), rare_fall(error=0.005, discount=0.9, members=7)]
    for target, models in pairs:
        gamma, highest = target.discount, target.rewards.max()
        error = total_variation(models, target.transitions).max()
        q = solve(EnsembleOperator(target, target, models))
        most = bound("4.6 fixed point", gamma * error * highest / (1 - gamma) ** 2)
        assert (q - solve(standard(target))).max() <= most + SOLVED


def rare_fall(error, discount, members):
    """A state that pays 1 and is left with chance ``error``, and models that never leave it."""
    rewards = np.array([[1.0], [0.0]])
    falls = MDP(np.array([[[1 - error, error]], [[0, 1.0]]]), rewards, discount)
    model = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    return falls, np.stack([model] * members)


def test_4_6_the_printed_bound_speaks_of_one_backup_not_of_the_fixed_point():
    """Seven equal members that never see a rare fall, gamma 0.99: the fixed point lies above it."""
    error, gamma, n = 0.01, 0.99, 7
    falls, models = rare_fall(error, gamma, n)
    q = solve(EnsembleOperator(falls, falls, models))
    over = (q - solve(standard(falls))).max()
    printed = printed_bound(error, n) / (1 - gamma)
    assert printed < over <= gamma * error / (1 - gamma) ** 2
