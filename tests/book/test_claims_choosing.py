"""Choosing beta and delta: its sentences on the exams, held to the exams' files."""

import re
from functools import partial

import pytest
from chapters import ROOT, cells, source
from quoting import says

from droco_lite.report import exams

page_says = partial(says, "choosing")


@pytest.fixture(scope="module")
def tables():
    return exams.read_exams()


@pytest.fixture(scope="module")
def shares(tables):
    return exams.shares(tables)


@pytest.fixture(scope="module")
def intervals(tables):
    return exams.intervals(tables)


@pytest.fixture(scope="module")
def shifted(tables):
    return exams.under_shifts(tables["grid"])


def test_the_first_sentence_says_what_the_claim_finds(shares, intervals, shifted):
    lead = source(cells(ROOT / "book/choosing.ipynb", "markdown")[0])
    assert "No rule that reads data alone is shown to choose" in lead
    claim = exams.claim(shares, intervals, shifted)
    assert claim.startswith("**No rule is shown to choose well.**")


def test_on_snapshots_the_order_is_found_and_the_level_is_not():
    said = "".join(
        "".join(output.get("text", ""))
        for cell in cells(ROOT / "book/choosing.ipynb", "code")
        for output in cell["outputs"]
    )
    order = float(re.search(r"rank correlation with the truth: ([\d.]+)", said)[1])
    assert order == 0.9
    fifth = re.search(r"true value / estimate ([\d.]+)", said)[1]
    assert float(fifth) == 0.2
    low, high = map(float, re.search(r"data's policy = 1: ([\d.]+) to ([\d.]+)", said).groups())
    assert 0.7 <= low <= high <= 1 and high - low < 0.25  # "a narrow band below"


def test_fitted_q_evaluation_fails_on_the_grid(shares, intervals):
    assert page_says(
        "**Fitted Q evaluation** fails on the grid",
    )
    assert shares.loc["fqe", "grid"] > 1
    assert intervals["grid"].loc["fqe", "rank_correlation"] < 0


def test_no_rule_but_own_value_is_better_than_a_random_choice_everywhere(shares):
    assert page_says(
        "does better than a random choice in every exam",
        "Some rules are on both sides of it",
    )
    better = (shares < 1).all(axis=1)
    assert list(better[better].index) == ["own_value"]
    orders = shares.index[(shares < 1).any(axis=1) & (shares > 1).any(axis=1)]
    assert len(orders) >= 4  # "better than a random choice in one exam and worse in the next"


def test_bellman_error_and_noise_share_follow_beta_in_two_exams(tables, shares):
    assert page_says(
        r"both prefer $\beta = 0$ there; the best policy has $\beta = 1$",
    )
    for exam in ("grid", "longer"):
        means = tables[exam].groupby("beta")[["bellman_error", "noise_share"]].mean()
        assert (means.idxmin() == 0).all()
        best = tables[exam].groupby("label")[["beta", "return_mean"]].mean()
        assert best.beta[best.return_mean.idxmax()] == 1
    assert shares.loc["noise_share", "locked thigh"] == 0


def test_coverage_hardly_moves_and_is_too_low_everywhere(tables):
    assert page_says(
        "**Coverage** hardly moves from run to run",
        "it lies below $N/(N+1)$ everywhere",
    )
    for table in tables.values():
        runs = table[table.beta > 0]
        assert runs.coverage.max() - runs.coverage.min() < 0.03
        assert (runs.coverage < runs.members / (runs.members + 1) - 0.05).all()


def test_imitation_is_best_in_one_exam_and_worst_in_another(shares):
    assert page_says(
        "is best on one exam and as bad as any on another",
    )
    imitation = shares.loc["imitation"]
    assert any(imitation[exam] == shares[exam].min() for exam in shares)
    assert any(imitation[exam] == shares[exam].max() for exam in shares)


def test_own_value_picks_a_good_policy_of_longer_and_orders_the_others_badly(shares, intervals):
    assert page_says(
        "it picks a good policy and orders the others badly",
    )
    assert shares.loc["own_value", "longer"] < 1
    found = intervals["longer"].loc["own_value", "rank_correlation"]
    assert f"{found:+.1f}" == "-0.3"


def test_noise_shares_above_1_occur(tables):
    assert max(table[table.beta > 0].noise_share.max() for table in tables.values()) > 1


def test_every_interval_of_the_exams_includes_zero(intervals):
    assert page_says(
        "In the three exams every interval includes zero",
        "Imitation on the grid comes closest",
    )
    text = "".join(source(cell) for cell in cells(ROOT / "book/choosing.ipynb", "markdown"))
    for found in intervals.values():
        assert ((found["low"] < 0) & (found["high"] > 0)).all()
    grid = intervals["grid"]["low"].drop("imitation")
    assert intervals["grid"].loc["imitation", "low"] > grid.max()  # "comes closest"
    line = exams.correlations(intervals["grid"])["imitation"]
    assert line in text and line.startswith("+0.6")


def test_under_shifts_the_rules_that_prefer_beta_0_are_backwards(shifted, tables):
    assert page_says(
        r"it is backwards: the rules that prefer $\beta = 0$ choose what does worst there",
        "Bellman error, noise share and own value, lie below zero",
    )
    backwards = ["bellman_error", "noise_share", "own_value"]
    assert (shifted.loc[backwards, "rank_correlation"] < -0.6).all()
    assert list(shifted.index[shifted["high"] < 0]) == backwards  # "three intervals"
    assert len(tables["grid"]) == 9 and tables["grid"].seed.nunique() == 1  # "all of one seed"


def test_the_candidates_differ_by_hundreds(tables):
    assert page_says(
        "it fails where policies differ by hundreds",
    )
    for table in tables.values():
        assert 100 < table.return_mean.max() - table.return_mean.min() < 1100
