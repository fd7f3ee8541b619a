"""Offline RL on the cliff and IQL by hand: their sentences, on twenty records."""

import numpy as np
import pytest
from test_theory import namespace


@pytest.fixture(scope="module")
def chapter():
    return namespace("offline_rl_on_the_cliff")


@pytest.fixture(scope="module")
def iql():
    return namespace("iql_by_hand")


def test_nearly_half_of_the_pairs_were_never_tried(chapter):
    shares = [(chapter["count"](r)[~chapter["ends"]] == 0).mean() for r in chapter["records"]]
    assert min(shares) > 0.35 and max(shares) < 0.65


def test_a_wilder_guess_promises_more_and_earns_less(chapter):
    pairs = chapter["pairs"]
    means = np.array([pairs[sigma].mean(0) for sigma in chapter["SIGMAS"]])
    assert (np.diff(means[:, 0]) > -0.02).all() and means[-1, 0] > means[0, 0] + 0.4
    assert (np.diff(means[:, 1]) < 0.02).all() and means[-1, 1] < means[0, 1] - 0.4
    promised, earned = pairs[0.5].T
    assert (promised > earned).all()


def test_even_without_noise_the_promise_is_above_the_return_on_average(chapter):
    promised, earned = chapter["pairs"][0].T
    assert promised.mean() > earned.mean() + 0.05
    assert (promised > earned).mean() >= 0.7


def test_rows_cure_guesses_first_and_luck_last(chapter):
    """Overestimation of 200, 2,000 and 20,000 rows, as the exercise has it, on other seeds."""

    def over(n, sigma, seeds):
        gaps = []
        for seed in seeds:
            rows = chapter["record"](chapter["world"], chapter["walker"], n, seed)
            noise = np.random.default_rng(seed).standard_normal((chapter["S"], chapter["A"]))
            fit = chapter["fitted_q"](rows, sigma * noise)
            gaps.append(np.subtract(*chapter["promise_and_return"](fit)))
        return np.mean(gaps)

    eight = range(20, 28)
    assert over(200, 0.5, eight) > over(2000, 0.5, eight) + 0.2
    assert over(2000, 0, eight) > 0.08  # ten times the rows, and not cured
    assert max(over(20_000, sigma, range(20, 23)) for sigma in (0, 0.5)) < 0.1


def test_the_in_sample_maximum_does_not_look_at_the_guess(chapter):
    shape = chapter["S"], chapter["A"]
    for rows in chapter["records"][:8]:
        low, high = (chapter["in_sample_q"](rows, g * np.ones(shape)) for g in (-0.7, 0.7))
        at = chapter["start"]
        assert low[at].max() == pytest.approx(high[at].max(), abs=0.05)


def test_tau_one_half_is_the_recorded_behaviour_and_one_the_in_sample_maximum(iql):
    rise = np.diff(iql["promise"], axis=0)
    assert (rise > -1e-9).all()  # in every record
    walker = iql["evaluate"](iql["P"], iql["walker"])[iql["start"]]
    assert iql["promise"][0].mean() == pytest.approx(walker, abs=0.1)
    best = [
        iql["in_sample_q"](rows, np.zeros((iql["S"], iql["A"])))[iql["start"]].max()
        for rows in iql["records"]
    ]
    assert (iql["promise"][-1] <= np.array(best) + 1e-6).all()
    assert iql["promise"][-1] == pytest.approx(best, abs=0.06)


def test_the_expectile_is_what_scipy_finds(iql):
    from scipy.stats import expectile

    rng = np.random.default_rng(0)
    for tau in (0.1, 0.5, 0.9, 0.99):
        x = rng.normal(size=30)
        assert iql["expectile"](x, tau) == pytest.approx(expectile(x, tau), abs=1e-6)


def test_a_larger_alpha_earns_more_on_average_and_the_largest_is_not_the_safest(iql):
    earned = iql["earned"]
    assert (np.diff(earned.mean(1)) > 0).all()
    assert abs(earned[0].mean()) < 0.1
    lowest = dict(zip(iql["ALPHAS"], earned.min(1), strict=True))
    assert lowest[100] < lowest[30]


def test_the_source_promises_more_than_it_earns_and_is_the_worst_in_the_wind(iql):
    results = {name: np.array(rows) for name, rows in iql["results"].items()}
    alone, source, both = results.values()
    for learned in (source, both):
        assert len(learned) >= 8
        assert (learned[:, 0] > learned[:, 1] + 0.04).all()  # in each of the eight
        assert learned[:, 1].mean() > alone[:, 1].mean()
        assert learned[:, 2].mean() < alone[:, 2].mean() - 0.05
    assert all(rows[:, 2].mean() < 0.5 * iql["limit"] for rows in results.values())
    assert abs(source[:, 2].mean()) < 0.1
    apart = np.abs(both[:, 0] - source[:, 0])
    assert apart.max() < 0.02  # 5,000 rows outvote 200


def test_no_random_record_reaches_the_goal(iql):
    random_walk = np.full((iql["S"], iql["A"]), 1 / iql["A"])
    for seed in range(8):
        rows = iql["record"](iql["world"], random_walk, 200, seed)
        assert (rows[:, 2] != iql["cliff"].goal).all()


def test_the_two_chapters_have_the_same_records_and_values(chapter, iql):
    for one, other in zip(chapter["records"], iql["records"], strict=True):
        assert (one == other).all()
    assert iql["best"] == pytest.approx(chapter["best"], abs=1e-3)


def test_the_worst_guess_resembles_the_in_sample_maximum(chapter):
    """On average over the records, which the exercise prints."""
    worst = -np.ones((chapter["S"], chapter["A"]))
    low = np.array(
        [
            chapter["promise_and_return"](chapter["fitted_q"](rows, worst))
            for rows in chapter["records"]
        ]
    )
    assert low.mean(0) == pytest.approx(np.mean(chapter["wild"], axis=0), abs=0.1)


def test_target_rows_of_the_same_weight_lower_the_promise_and_help_in_stronger_wind(iql):
    found = {}
    for times in (1, 25):
        found[times] = np.array(
            [
                iql["learn"](np.concatenate([np.repeat(few, times, 0), many]))
                for few, many in zip(iql["records"][:8], iql["simulated"], strict=True)
            ]
        )
    change = (found[25] - found[1]).mean(0)
    assert change[0] < -0.01 and change[2] > 0.02


def test_a_wilder_guess_makes_the_policy_try_what_nobody_tried(chapter):
    """Share of visited cells, on the undisturbed path, where it picks an untried action."""
    shares = {}
    for sigma in (0, 0.7):
        untried = []
        for i, rows in enumerate(chapter["records"]):
            tried, policy = chapter["count"](rows) > 0, chapter["fits"][sigma, i].argmax(1)
            s, picks = chapter["start"], []
            for _ in range(40):
                if chapter["ends"][s]:
                    break
                picks.append(not tried[s, policy[s]])
                s = chapter["P"][s, policy[s]].argmax()
            untried.append(any(picks))
        shares[sigma] = np.mean(untried)
    assert shares[0.7] > shares[0] + 0.4
