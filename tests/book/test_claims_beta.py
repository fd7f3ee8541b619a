"""The courier: what the chapters on β and δ say of him, on data sets that they do not show."""

import functools
from functools import partial

import numpy as np
import pytest
from test_theory import namespace

from droco_lite.tabular.courier import (
    CROSS,
    DRIVE,
    GOAL,
    PAIRS,
    ROAD2,
    courier_data,
    courier_return,
)


@pytest.fixture(scope="module")
def beta():
    return namespace("beta", without=("picked",))


@pytest.fixture(scope="module")
def delta():
    return namespace("delta")


# β ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clamp", [False, True])
def test_the_package_computes_the_targets_by_hand(beta, clamp):
    betas = [0.0, 0.3, 1.0, 1.7]
    for seed in range(8):
        data = courier_data(seed)
        v = np.random.default_rng(seed).uniform(-5, 10, (4, 6))
        by_hand = beta["targets"](v, betas, data)
        if clamp:
            by_hand[:, :36] = np.minimum(by_hand, beta["targets"](v, [0.0] * 4, data))[:, :36]
        package = beta["package_targets"](v, betas, data, clamp=clamp)
        np.testing.assert_allclose(package, by_hand, atol=1e-4)


def test_the_regression_is_the_minimiser_of_the_sum_of_two_means(beta):
    for seed in range(8):
        data = courier_data(seed)
        q, _, trace = beta["learn"](data, [0.5])
        y = beta["targets"](trace[-1], [0.5], data)
        residual = (y - q[:, data.pairs])[0] * beta["WEIGHT"]
        for pair in range(6):
            assert abs(residual[data.pairs == pair].sum()) < 1e-6


def test_half_a_beta_beats_none_and_one_on_other_data_sets(beta):
    """Paired, by two standard errors, on 200 data sets that the page does not use."""
    betas = [0.0, 0.5, 1.0, 1.5]
    picked = np.array(
        [beta["choice"](beta["learn"](courier_data(s), betas, 120)[0]) for s in range(200, 400)]
    )
    for name in ("target", "deployed"):
        r = beta["earned"][name][picked]
        for other in (0, 2, 3):
            gain = r[:, 1] - r[:, other]
            assert gain.mean() > 2 * gain.std() / 200**0.5


def test_no_beta_warns_of_what_no_member_has_seen(beta):
    bridge = PAIRS.index((1, CROSS))
    unseen = 0
    for seed in range(100):
        data = courier_data(seed)
        if not (data.next_states[36:][data.pairs[36:] == bridge] == GOAL).all():
            continue
        unseen += 1
        said = data.predictions[data.pairs[:36] == bridge]
        assert (said == GOAL).all()
    assert 20 < unseen < 45  # 0.75^4 = 0.32


def test_up_to_beta_1_values_stay_in_range_and_beyond_they_may_not(beta):
    outside = 0
    for seed in range(40):
        data = courier_data(seed)
        _, _, safe = beta["learn"](data, [0.3, 1.0], 300, weight=beta["SOURCE_ONLY"])
        assert safe.min() >= -1e-9 and safe.max() <= 10 + 1e-9
        _, _, wild = beta["learn"](data, [1.5], 300, weight=beta["SOURCE_ONLY"])
        outside += wild.min() < -1
    assert outside >= 10


def test_a_run_away_is_seen_as_one(beta):
    """At 1.1 V(road 1) settles below every return, at 1.15 and 1.25 it never stops."""
    road1 = beta["trace"][:, :, beta["ROAD1"]]
    at = {b: road1[:, k] for k, b in enumerate(beta["FEEDBACK"])}
    assert at[1][-1] == pytest.approx(0, abs=1e-3)
    assert -85 < at[1.1][-1] < -75
    for b in (1.15, 1.25):
        assert at[b][-1] < 2 * at[b][-50] < 0
    assert beta["held"][-1].min() >= 0


def test_the_clamp_never_raises_a_fixed_point(beta, monkeypatch):
    """One agent serves all sweeps: each gives it a table of its own."""
    made = functools.cache(partial(beta["TabularDROCO"], n_obs=6, n_act=1))
    monkeypatch.setitem(beta, "TabularDROCO", lambda runs, **sizes: made(tuple(runs)))
    clamped = partial(beta["package_targets"], clamp=True)
    for seed in range(12):
        data = courier_data(seed)
        free = beta["learn"](data, [0.25, 1.0])[2][-1]
        held = beta["learn"](data, [0.25, 1.0], backup=clamped)[2][-1]
        assert (held <= free + 1e-5).all()


# δ ------------------------------------------------------------------------------------------------


def test_the_huber_estimate_runs_from_the_median_to_the_mean(delta):
    for seed in range(8):
        y = np.random.default_rng(seed).standard_cauchy(31)
        assert delta["location"](y, 1e-4) == pytest.approx(np.median(y), abs=1e-2)
        assert delta["location"](y, 1e6) == pytest.approx(y.mean(), abs=1e-6)
        middle = delta["location"](y, 1.0)
        pulls = np.clip(y - middle, -1, 1).sum()
        assert abs(pulls) < 1e-6


def test_on_its_way_it_may_leave_the_interval_between_the_two(delta):
    """So the page must not say that the estimate always lies between median and mean."""
    outside = 0
    for seed in range(40):
        y = np.random.default_rng(seed).normal(size=9)
        low, high = sorted((np.median(y), y.mean()))
        found = np.array([delta["location"](y, d) for d in (0.1, 0.3, 1, 3)])
        outside += ((found < low - 1e-6) | (found > high + 1e-6)).any()
    assert outside > 10


def test_data_sets_learnt_together_are_learnt_as_each_alone(delta):
    sets = [courier_data(seed) for seed in range(8)]
    given = [0.0, 0.5, 1.5], [0.5, 4.0, np.inf]
    q, y = delta["learn"](delta["stacked"](sets), *given, sweeps=20)
    for one, q_one, y_one in zip(sets, q, y, strict=True):
        alone = delta["learn"](one, *given, sweeps=20)
        np.testing.assert_allclose(alone[0], q_one, atol=1e-9)
        np.testing.assert_allclose(alone[1], y_one, atol=1e-9)


def test_delta_helps_against_glitches_and_hides_disasters_on_other_data_sets(delta):
    """Paired against δ = ∞, by two standard errors, on 200 data sets that the page does not use."""
    severe = delta["SEVERE"]
    plain = [courier_data(seed) for seed in range(200, 400)]
    cases = {
        "glitch": ([delta["with_glitch"](one) for one in plain], delta["worlds"]["target"], 0.0, 1),
        "disaster": ([courier_data(s, severe) for s in range(200, 400)], severe, -40.0, -1),
    }
    for sets, world, ditch, sign in cases.values():
        learnt, _ = delta["learn"](delta["stacked"](sets), [0.3] * 2, [1.0, np.inf], ditch=ditch)
        r = np.array([courier_return(a, world) for a in range(3)])[delta["choice"](learnt)]
        gain = sign * (r[:, 0] - r[:, 1])
        assert gain.mean() > 2 * gain.std() / 200**0.5


def test_a_small_delta_matters_little_without_glitches(delta):
    r = np.array([courier_return(a, delta["worlds"]["target"]) for a in range(3)])
    r = r[delta["picks"]["as they are"]]
    assert np.abs((r - r[:, -1:]).mean(0)).max() < 0.05


def test_a_common_fall_is_not_resisted_by_any_delta(delta):
    y = np.random.default_rng(0).normal(size=31)
    for d in (0.1, 1.0, 10.0):
        assert delta["location"](y - 5, d) == pytest.approx(delta["location"](y, d) - 5, abs=1e-6)


def test_the_glitch_is_the_fifth_row_of_road_2(delta):
    data = courier_data(0)
    changed = (delta["with_glitch"](data).rewards != data.rewards).nonzero()[0]
    assert changed.tolist() == [28] and PAIRS[data.pairs[28]] == (ROAD2, DRIVE)


# Exercises ----------------------------------------------------------------------------------------


def test_between_three_tenths_and_three_quarters_the_return_is_flat(beta):
    grid = [0.3, 0.5, 0.75]
    picked = np.array(
        [beta["choice"](beta["learn"](courier_data(s), grid, 120)[0]) for s in range(200, 400)]
    )
    for name in ("target", "deployed"):
        assert np.ptp(beta["earned"][name][picked].mean(0)) < 0.15


def test_a_mean_in_place_of_the_minimum_fears_neither_mud_nor_bridge(beta):
    def means(v, betas, data):
        y = data.rewards + beta["GAMMA"] * v[:, data.next_states]
        u = v[:, data.next_states[:36]] - v[:, data.predictions].mean(-1)
        y[:, :36] -= beta["GAMMA"] * np.asarray(betas)[:, None] * u
        return y

    sets = [courier_data(seed) for seed in range(200, 300)]
    lowest, mean = (
        np.array([beta["choice"](beta["learn"](s, [1.0], 120, backup=b)[0])[0] for s in sets])
        for b in (beta["targets"], means)
    )
    rest, cross = 2, 0
    assert np.mean(mean == rest) < 0.03 < np.mean(lowest == rest)
    assert np.mean(mean == cross) > np.mean(lowest == cross)


def test_with_target_rows_the_run_away_begins_near_two(beta):
    last = beta["learn"](beta["data"], [1.9, 2.1], sweeps=2000)[2]
    moving = np.abs(last[-1] - last[-2]).max(1)
    assert moving[0] < 1e-6 < 1 < moving[1]


def test_on_data_set_a_four_of_six_fall_to_0_at_beta_1(beta):
    _, y, _ = beta["learn"](beta["data"], [0.0, 1.0])
    bridge = beta["on_bridge"]
    assert y[0, bridge] == pytest.approx(9)
    assert sorted(np.round(y[1, bridge], 6)) == pytest.approx([0] * 4 + [9] * 2)


def test_a_cap_on_target_rows_too_makes_him_cross_more_often(delta, monkeypatch):
    data = delta["stacked"]([courier_data(seed, delta["SEVERE"]) for seed in range(200, 300)])

    def crossing():
        q, _ = delta["learn"](data, [0.3], [1.0], ditch=-40.0)
        return np.sum(delta["choice"](q) == CROSS)

    def capped(y, deltas, pairs):
        limit = np.minimum(deltas, 1e9)[:, None]
        mine = np.eye(6)[pairs] * delta["WEIGHT"][:, None]
        low, high = (f(y, -1)[..., None].repeat(6, -1) for f in (np.min, np.max))
        for _ in range(40):
            q = 0.5 * (low + high)
            rising = np.clip(y - q[..., pairs], -limit, limit) @ mine > 0
            low, high = np.where(rising, q, low), np.where(rising, high, q)
        return 0.5 * (low + high)

    of_source = crossing()
    monkeypatch.setitem(delta["learn"].__globals__, "regress", capped)
    assert crossing() > of_source
