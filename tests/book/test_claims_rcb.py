"""The RCB operator and the drift: their sentences, over eight data sets, all radii, all winds."""

import numpy as np
import pytest
from test_theory import namespace

from droco_lite.tabular import (
    ACTIONS,
    WassersteinBall,
    WindyCliff,
    policy_values,
    rcb,
    robust,
    solve,
    standard,
    wasserstein_rows,
)


@pytest.fixture(scope="module")
def chapter():
    return namespace("rcb_operator")


@pytest.fixture(scope="module")
def drift():
    return namespace("drift")


def promised(chapter, rule, n):
    return np.array(chapter["found"][rule, n])[:, 1]


def test_the_weight_of_the_loss_moves_little_and_the_share_of_counts_much(chapter):
    for few, many in ((200, 5000), (1000, 5000)):
        weight, share = (
            promised(chapter, rule, many) - promised(chapter, rule, few)
            for rule in ("target_weight", "target_share")
        )
        assert (share > weight + 0.05).all()  # in each of the eight
        assert share.mean() > 3 * weight.mean()
    weights = np.array([chapter["found"]["target_weight", n] for n in (1000, 5000)])[..., 0]
    assert np.abs(weights - 0.5).max() < 0.05
    assert np.array(chapter["found"]["target_weight", 200])[:, 0].mean() < 0.45


def test_the_promise_never_passes_what_the_policy_earns(chapter):
    for runs in chapter["found"].values():
        _, promise, earned = np.array(runs).T
        assert (promise < earned).all()


def test_the_pair_left_over_is_a_step_into_the_cliff(chapter):
    cliff, best, live = chapter["cliff"], chapter["best"], chapter["live"]
    for epsilon in (0.05, 0.1, 0.2, 0.4):
        q = solve(robust(chapter["source"], WassersteinBall(epsilon, chapter["d"])))
        over = np.where(live[:, None], q - best, -np.inf)
        pairs = np.argwhere(over > over.max() - 1e-9)
        for state, action in pairs:
            assert ACTIONS[action] == "down" and cliff.cells[state][0] == cliff.height - 2
        if epsilon >= 0.1:
            assert q[tuple(pairs[0])] == pytest.approx(q[live].min(), abs=1e-6)


def test_v_is_overestimated_only_below_two_hundredths(chapter):
    best = chapter["best"].max(1)
    for epsilon, above in ((0, True), (0.01, True), (0.02, False), (0.05, False)):
        q = solve(robust(chapter["source"], WassersteinBall(epsilon, chapter["d"])))
        assert ((q.max(1) - best)[chapter["live"]].max() > 1e-6) == above


def test_the_threshold_is_the_wind(chapter):
    for wind in (0.05, 0.1, 0.15, 0.2, 0.3):
        windy = chapter["cliff"].mdp(wind)
        rows = chapter["wasserstein_rows"](
            chapter["source"].transitions, windy.transitions, chapter["d"]
        )
        assert rows.max() == pytest.approx(wind, abs=1e-9)
        q = solve(robust(chapter["source"], WassersteinBall(wind, chapter["d"])))
        assert (q <= solve(standard(windy)) + 1e-8).all()


def test_more_pessimism_earns_more_in_the_wind(drift):
    earned = {epsilon: drift["solved"](epsilon)[3] for epsilon in (0, 0.05, 0.1, 0.15, 0.2, 0.3)}
    for epsilon, row in earned.items():
        if epsilon:
            assert row["target"] > earned[0]["target"] + 0.02
            assert row["deployed"] > earned[0]["deployed"] + 0.15
            assert row["source"] < earned[0]["source"]


def top_row(drift, epsilon, gamma):
    """The highest row, from 0, on the policy's path when nothing disturbs it."""
    world, _, policy, _ = drift["solved"](epsilon, gamma)
    calm, state, rows = world.mdp(0), drift["start"], []
    while not calm.terminal[state] and len(rows) < 40:
        rows.append(state // world.width)
        state = calm.transitions[state, policy[state]].argmax()
    return min(rows)


def test_a_small_discount_keeps_the_walker_near_the_cliff_for_a_small_radius_only(drift):
    for epsilon in (0, 0.02, 0.05):
        assert top_row(drift, epsilon, 0.8) > top_row(drift, epsilon, 0.99)
        assert top_row(drift, epsilon, 0.8) >= top_row(drift, epsilon, 0.95)
    assert top_row(drift, 0.1, 0.8) == 0 < top_row(drift, 0.1, 0.95)


@pytest.mark.parametrize("epsilon", [0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_the_promise_breaks_from_the_start_for_two_radii_only(drift, epsilon):
    _, values, policy, _ = drift["solved"](epsilon)
    start = drift["start"]
    short = [values[start] - policy_values(mdp, policy)[start] for mdp in drift["deployments"]]
    inside = np.array(short)[drift["winds"] <= epsilon + 1e-9]
    assert inside.max() <= 1e-8
    assert (max(short) > 1e-6) == (epsilon in (0.02, 0.05))


def test_too_wide_a_ball_gives_up(drift):
    for order, epsilon in ((1, 0.6), (1, 1.0), (np.inf, 1.0)):
        earned = drift["solved"](epsilon, order=order)[3]
        assert earned["target"] < 0.05 and earned["deployed"] < 0.05


def test_a_mixed_operator_keeps_its_promise_where_the_plain_one_does_not(drift):
    """What the exercise on mixed rows says of w = 0, 1/2 and 1."""
    source, target, deployed = drift["source"], drift["target"], drift["deployed"]
    short = {}
    for w in (0.0, 0.5, 1.0):
        operator = rcb(source, target, WassersteinBall(0.3, drift["d"]), w)
        q = solve(operator)
        short[w] = (operator.values(q) - policy_values(deployed, operator.greedy(q))).max()
    assert short[0.0] < 1e-8 and short[0.5] < 1e-8 and short[1.0] > 0.1


def test_a_wet_cliff_is_no_worse_than_promised_where_the_ball_covers_it(drift):
    wet = WindyCliff(slip=0.10).mdp(0)
    covers = wasserstein_rows(drift["source"].transitions, wet.transitions, drift["d"]).max()
    assert covers == pytest.approx(0.075)
    for epsilon in (covers, 0.1, 0.2):
        _, values, policy, _ = drift["solved"](epsilon)
        assert (values - policy_values(wet, policy)).max() < 1e-8
    _, values, policy, _ = drift["solved"](0)
    assert (values - policy_values(wet, policy)).max() == pytest.approx(0.1, abs=0.01)


def test_the_error_falls_far_below_the_bound_and_the_radius_moves_it_either_way(chapter):
    """At gamma 0.95, whatever the radius; a larger one is faster here and slower there."""
    sweeps = {}
    for epsilon in (0, 0.05, 0.1, 0.3, 1):
        trace = chapter["trace_of"](0.95, epsilon)
        assert (trace.errors / trace.banach_bounds).min() < 1e-5
        sweeps[epsilon] = int((trace.errors > 1e-6).sum())
    assert sweeps[0.3] < sweeps[0.1] < sweeps[0] < sweeps[1]


def test_the_weight_of_the_loss_stays_between_four_tenths_and_a_half(chapter):
    for (rule, _), runs in chapter["found"].items():
        if rule == "target_weight":
            assert 0.39 < np.mean(runs, axis=0)[0] < 0.505


def test_the_tv_ball_promises_less_at_its_own_threshold(chapter):
    from droco_lite.tabular import TotalVariationBall

    for wind in (0.05, 0.1, 0.2, 0.3):
        balls = TotalVariationBall(wind), WassersteinBall(wind, chapter["d"])
        tv, w1 = (solve(robust(chapter["source"], ball)).max(1) for ball in balls)
        assert tv[chapter["start"]] < w1[chapter["start"]]
