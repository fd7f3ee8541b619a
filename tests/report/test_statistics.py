"""Statistics against numbers worked out by hand, and what they must refuse."""

import itertools

import numpy as np
import pandas as pd
import pytest

from droco_lite.report.statistics import (
    aggregate,
    difference_interval,
    improvement_interval,
    interquartile_mean,
    interval,
    paired_difference_interval,
    performance_profile,
    probability_of_improvement,
    profile_band,
    scores_by_seed,
)

TWO_TASKS = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [100.0, -50.0]])


def lines(scores, label="a"):
    seeds, tasks = np.indices(scores.shape)
    return pd.DataFrame(
        {"label": label, "seed": seeds.ravel(), "task": [f"t{t}" for t in tasks.ravel()]}
        | {"shift": "nominal", "score": scores.ravel()}
    )


def test_the_outer_quarters_do_not_count():
    # sorted: -50 1 | 2 3 10 20 | 30 100
    assert interquartile_mean(TWO_TASKS) == (2 + 3 + 10 + 20) / 4
    assert interquartile_mean([[1.0], [2.0], [6.0]]) == 3.0  # nothing to leave out


def test_chances_count_pairs_and_halve_ties():
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([[0.0], [2.0]])
    pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(x[:, 0], y[:, 0])]
    assert probability_of_improvement(x, y) == np.mean(pairs) == 4.5 / 6
    assert probability_of_improvement(x, x) == 0.5
    both = np.hstack([x, x]), np.hstack([y, y + 10])
    assert probability_of_improvement(*both) == (4.5 / 6 + 0) / 2


def test_a_chance_and_its_opposite_make_one():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    total = probability_of_improvement(x, y) + probability_of_improvement(y, x)
    assert total == pytest.approx(1)


def test_a_profile_falls_from_one_to_nothing():
    found = performance_profile(TWO_TASKS, [-60, 0, 3, 25, 100])
    np.testing.assert_allclose(found, [1, 7 / 8, 4 / 8, 2 / 8, 0])


def test_equal_seeds_leave_no_spread():
    same = np.tile([[5.0, 50.0]], (3, 1))
    assert interval(same) == (27.5, 27.5)
    assert improvement_interval(same, same - 1) == (1, 1)


def test_seeds_are_drawn_within_a_condition():
    # Drawn across conditions the interval would reach from 0 to 100.
    apart = np.array([[0.0, 100.0], [1.0, 101.0], [2.0, 102.0], [3.0, 103.0]])
    low, high = interval(apart)
    assert 50 < low < interquartile_mean(apart) < high < 54


def test_the_interval_of_a_mean_is_the_known_one():
    # 3 seeds, 1 condition: the mean of 3 draws from {0, 1, 2}. Its distribution has 27 equally
    # likely outcomes; 0 and 2 have 1/27 each, more than 2.5 %, so 95 % reaches both ends.
    low, high = interval([[0.0], [1.0], [2.0]])
    assert (low, high) == (0, 2)
    low, high = interval([[0.0], [1.0], [2.0]], level=0.8)  # P(mean <= 1/3) = 4/27 > 10 %
    assert (low, high) == (pytest.approx(1 / 3), pytest.approx(5 / 3))


def test_intervals_repeat_and_hold_the_estimate():
    scores = np.random.default_rng(1).normal(size=(5, 4))
    assert interval(scores) == interval(scores)
    low, high = interval(scores)
    assert low < interquartile_mean(scores) < high
    at = np.linspace(-1, 1, 5)
    low, high = profile_band(scores, at)
    profile = performance_profile(scores, at)
    assert (low <= profile).all() and (profile <= high).all() and (low < high).any()


@pytest.mark.parametrize("few", [np.ones((2, 5)), np.ones((1, 5))])
def test_too_few_seeds_are_refused(few):
    for measure in (interval, lambda x: improvement_interval(x, np.ones((3, 5)))):
        with pytest.raises(ValueError, match=r"at least 3 seeds .* got [12]: train more seeds"):
            measure(few)
    with pytest.raises(ValueError, match="at least 3 seeds"):
        profile_band(few, [0.0])


def test_what_are_no_scores_is_refused():
    with pytest.raises(ValueError, match=r"expected \[seeds, conditions\], got"):
        interquartile_mean([1.0, 2.0])
    with pytest.raises(ValueError, match="not all are finite"):
        interquartile_mean([[np.nan]])
    with pytest.raises(ValueError, match="2 conditions against 1"):
        probability_of_improvement(np.ones((3, 2)), np.ones((3, 1)))


def test_a_tidy_table_becomes_seeds_by_conditions():
    table = pd.concat([lines(TWO_TASKS, "b"), lines(-TWO_TASKS, "a")]).sample(
        frac=1, random_state=0
    )
    table = table.sort_values("label", ascending=False, kind="stable")
    found = scores_by_seed(table)
    assert list(found) == ["b", "a"]
    np.testing.assert_array_equal(found["b"], TWO_TASKS)
    np.testing.assert_array_equal(found["a"], -TWO_TASKS)
    shown = aggregate(found)
    assert list(shown.label) == ["b", "a"] and list(shown.seeds) == [4, 4]
    assert list(shown.conditions) == [2, 2] and shown.iqm[0] == -shown.iqm[1] == 8.75


def test_holes_and_doubles_are_named():
    table = lines(TWO_TASKS)
    with pytest.raises(ValueError, match=r"a, seed 3 has no score for \('t1', 'nominal'\)"):
        scores_by_seed(table.iloc[:-1])
    with pytest.raises(ValueError, match=r"one line twice: .*'seed': 2"):
        scores_by_seed(pd.concat([table, table[table.seed == 2]]))
    with pytest.raises(ValueError, match="no line"):
        scores_by_seed(table.iloc[:0])


def test_pairs_by_seed_leave_out_what_the_seeds_share():
    """Seeds 100 apart, gaps 1, 2 and 3: all 27 draws of three gaps have a mean from 1 to 3."""
    theirs = np.array([[0.0, 10.0], [100.0, 110.0], [200.0, 210.0]])
    ours = theirs + np.array([[1.0], [2.0], [3.0]])
    assert paired_difference_interval(ours, theirs) == pytest.approx((1.0, 3.0))
    low, high = difference_interval(ours, theirs)
    assert low < -50 and high > 50
    assert paired_difference_interval(theirs + 5, theirs) == pytest.approx((5.0, 5.0))
    swapped = [-end for end in paired_difference_interval(theirs, ours)][::-1]
    assert swapped == pytest.approx(paired_difference_interval(ours, theirs))


def test_a_pair_is_one_seed_over_all_conditions():
    """Conditions that take from one another what they give leave no spread."""
    theirs = np.zeros((4, 2))
    ours = np.array([[9.0, -7.0], [-3.0, 5.0], [1.0, 1.0], [2.0, 0.0]])
    assert paired_difference_interval(ours, theirs) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (np.ones((5, 1)), np.ones((3, 1)), "the same seeds, got 5 and 3"),
        (np.ones((2, 1)), np.ones((2, 1)), "seeds"),
        (np.ones((3, 1)), np.ones((3, 2)), "conditions"),
    ],
)
def test_what_is_no_pair_is_refused(ours, theirs, said):
    with pytest.raises(ValueError, match=said):
        paired_difference_interval(ours, theirs)
