"""The exams of rules that choose from data: the sentence follows the regrets and the intervals."""

import pandas as pd

from droco_lite.evaluation.selection import RULES
from droco_lite.report import exams

HAZY = dict.fromkeys(RULES, -0.5)


def shares(**changed) -> pd.DataFrame:
    """Regrets of all rules in two exams, 1.2 unless told otherwise."""
    table = pd.DataFrame({"grid": 1.2, "longer": 1.2}, index=list(RULES))
    for rule, values in changed.items():
        table.loc[rule] = values
    return table


def shifted(line: tuple) -> pd.DataFrame:
    """The same correlation, low and high end for every rule."""
    columns = dict(zip(("rank_correlation", "low", "high"), line, strict=True))
    return pd.DataFrame(columns, index=list(RULES))


def said(
    shares: pd.DataFrame, grid: dict = HAZY, longer: dict = HAZY, worn: tuple = (0.3, 0.1, 0.5)
) -> str:
    """The claim, with the lower ends of the intervals in the two exams."""
    found = {
        exam: pd.DataFrame({"low": HAZY | low})
        for exam, low in {"grid": grid, "longer": longer}.items()
    }
    return exams.claim(shares, found, shifted(worn))


def test_small_regrets_alone_show_nothing():
    told = said(shares(coverage=[0.5, 0.9]))
    assert told.startswith("**No rule is shown to choose well.**")
    assert "*Coverage* loses less return than a random choice in all 2 exams" in told
    assert "includes zero in each." in told and "is +0.3, 95 % interval +0.1 to +0.5." in told


def test_a_rule_is_shown_where_regret_and_interval_agree_in_every_exam():
    sure = {"fqe": 0.2}
    good = shares(fqe=[0.1, 0.2])
    assert said(good, sure, sure).startswith("**Shown to choose well: fitted Q evaluation.**")
    assert "includes zero in none" in said(good, sure, sure)
    half = said(good, sure)
    assert half.startswith("**No rule is shown") and "includes zero in 1 of 2" in half
    lost = said(shares(fqe=[0.1, 1.1]), sure, sure)
    assert lost.startswith("**No rule is shown")
    assert "None loses less return than a random choice" in lost


def test_an_order_that_is_turned_round_under_shifts_is_called_so():
    good = shares(fqe=[0.1, 0.1])
    told = said(good, worn=(-0.4, -0.7, -0.1))
    assert "one seed, rather backwards (−0.4, 95 % interval −0.7 to −0.1)." in told
    assert len(told.split()) < 100
    surely = said(good, worn=(-0.9, -1, -0.5))
    assert "nearly backwards (−0.9, 95 % interval −1.0 to −0.5)." in surely
    unsure = said(good, worn=(-0.9, -1, 0.1))
    assert "backwards" not in unsure and "is −0.9, 95 % interval −1.0 to +0.1." in unsure


def test_every_correlation_is_printed_with_its_interval():
    printed = exams.correlations(shifted((-0.94, -1, 0.02)))
    assert list(printed.index) == list(RULES) and set(printed) == {"−0.9 (−1.0 to +0.0)"}


def test_the_exam_that_has_not_been_run_is_named():
    assert "has not been run" in exams.floored_note({})
    ((exam, _),) = exams.FLOORED.items()
    assert exams.floored_note({exam: pd.DataFrame()}).startswith("The last exam")


def test_the_committed_exams_know_every_rule():
    found = exams.read_exams()
    assert set(exams.EXAMS) <= set(found)
    table = exams.shares(found)
    assert list(table.index) == list(exams.NAMES) and (table >= 0).all(axis=None)
    worn = exams.under_shifts(found["grid"])
    assert set(worn.index) == set(RULES)
    assert (worn["low"] < worn["rank_correlation"]).all()
    assert (worn["high"] > worn["rank_correlation"]).all()
