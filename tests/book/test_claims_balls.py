"""Wasserstein distance and worst states: their sentences, on many instances."""

import numpy as np
import pytest
from test_theory import namespace

from droco_lite.tabular import (
    KullbackLeiblerBall,
    TotalVariationBall,
    WassersteinBall,
    c_transform,
    lipschitz_constant,
)


@pytest.fixture(scope="module")
def dual():
    return namespace("wasserstein_dual")


@pytest.fixture(scope="module")
def states():
    return namespace("worst_states")


def test_only_the_wasserstein_distance_tells_five_from_seven(dual):
    rows = distances(dual)
    five, seven = rows[5], rows[7]
    assert five[0] == seven[0] == pytest.approx(1)
    assert np.isinf(five[1]) and np.isinf(seven[1])
    assert seven[2] - five[2] == pytest.approx(2)
    assert (np.diff([row[0] for row in rows[:6]]) > 0.05).all()  # it grows while they overlap
    assert all(np.isinf(row[1]) for row in rows[1:])


def distances(dual):
    from droco_lite.tabular import kullback_leibler, total_variation, wasserstein

    p, metres = dual["nominal"], dual["metres"]
    return [
        (total_variation(p, q), kullback_leibler(q, p), wasserstein(p, q, metres))
        for q in dual["shifted"].values()
    ]


def test_m_is_the_largest_lipschitz_minorant(dual):
    """On random functions: nothing lambda-Lipschitz below f rises above it anywhere."""
    rng = np.random.default_rng(0)
    d = dual["d"]
    for _ in range(40):
        f, price = rng.normal(size=13), rng.uniform(0, 2)
        m = c_transform(f, d, price)
        assert lipschitz_constant(m, d) <= price + 1e-9 and (m <= f + 1e-12).all()
        h = c_transform(f - rng.exponential(size=13), d, rng.uniform(0, price))
        assert (h <= m + 1e-12).all()
        above = m.copy()
        above[rng.integers(13)] += 0.01  # any rise breaks one of the two
        assert (above > f + 1e-12).any() or lipschitz_constant(above, d) > price + 1e-9


def test_the_ditch_is_felt_at_five_metres_until_seven_tenths(dual):
    f, d = dual["f"], dual["d"]
    for price, felt in ((0.7, True), (0.72, False)):
        assert (c_transform(f, d, price)[5] < f[5] - 1e-9) == felt


def test_from_four_metres_on_all_mass_is_in_the_ditch(dual):
    for epsilon, everything in ((3.9, False), (4.0, True), (5.0, True)):
        worst = WassersteinBall(epsilon, dual["d"]).worst_case(dual["f"], dual["P"])
        assert (worst.values == pytest.approx(-1)) == everything
    rates = [WassersteinBall(e, dual["d"]).worst_case(dual["f"], dual["P"]) for e in (0.1, 1, 3)]
    assert (np.diff([r.multipliers for r in rates]) < 0).all()  # the peak moves to the left


def test_at_one_metre_w1_uses_the_ditch_and_w_infinity_does_not(states):
    f, P, d = states["f"], states["P"], states["d"]
    one = WassersteinBall(1.0, d).worst_case(f, P).distributions
    assert one[[2, 3]].sum() > 1 / 3
    for epsilon, reached in ((1.0, False), (1.99, False), (2.0, True)):
        each = WassersteinBall(epsilon, d, np.inf).worst_case(f, P).distributions
        assert (each[[2, 3]].sum() > 0) == reached
    assert WassersteinBall(1e-3, d).worst_case(f, P).distributions[[2, 3]].sum() > 0


def test_tv_and_kl_do_not_notice_where_the_ditch_is(states):
    x, P, d = states["x"], states["P"], states["d"]

    def ditch(place):
        values = x / 12
        values[place] = -1.0
        return values

    def fall(ball, place):
        worst = ball.worst_case(ditch(place), P).distributions
        return worst[place]

    for radius in (0.1, 0.2, 0.5):
        tv = [fall(TotalVariationBall(radius), place) for place in (4, 3, 2, 0)]
        assert np.ptp(tv) < 1e-12 and tv[0] == pytest.approx(radius)
        assert [fall(KullbackLeiblerBall(radius), place) for place in (4, 3, 2, 0)] == [0] * 4
        w1 = [fall(WassersteinBall(radius, d), place) for place in (4, 3, 2, 0)]
        assert (np.diff(w1) < 0).all()


def test_no_ball_but_w_infinity_is_solved_one_sample_at_a_time():
    """On random instances the average of one-sample worst cases is far above the row's, for W_1."""
    rng = np.random.default_rng(0)
    strict = 0
    for _ in range(100):
        places = rng.normal(size=(6, 2))
        d = np.abs(places[:, None] - places).sum(-1)
        f, p, epsilon = rng.normal(size=6), rng.dirichlet(np.ones(6)), rng.uniform(0.1, 1)
        for order, equal in ((np.inf, True), (1, False)):
            ball = WassersteinBall(epsilon, d, order)
            gap = p @ ball.expectation(f, np.eye(6)) - ball.expectation(f, p)
            assert gap >= -1e-9
            if equal:
                assert gap == pytest.approx(0, abs=1e-9)
            else:
                strict += gap > 1e-6
    assert strict >= 90
