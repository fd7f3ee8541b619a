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


def said(shares: pd.DataFrame, grid: dict = HAZY, longer: dict = HAZY, shifted: float = 0.3) -> str:
    """The claim, with the lower ends of the intervals in the two exams."""
    found = {
        exam: pd.DataFrame({"low": HAZY | low})
        for exam, low in {"grid": grid, "longer": longer}.items()
    }
    return exams.claim(shares, found, pd.Series(shifted, index=list(RULES)))


def test_small_regrets_alone_show_nothing():
    told = said(shares(coverage=[0.5, 0.9]))
    assert told.startswith("**No rule is shown to choose well.**")
    assert "*Coverage* loses less return than a random choice in all 2 exams" in told
    assert "includes zero in each." in told and "is +0.3." in told


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
    told = said(shares(fqe=[0.1, 0.1]), shifted=-0.4)
    assert "rather backwards (−0.4)." in told and len(told.split()) < 100
    assert "nearly backwards (−0.9)." in said(shares(fqe=[0.1, 0.1]), shifted=-0.9)


def test_the_exam_that_has_not_been_run_is_named():
    assert "has not been run" in exams.floored_note({})
    ((exam, _),) = exams.FLOORED.items()
    assert exams.floored_note({exam: pd.DataFrame()}).startswith("The last exam")


def test_the_committed_exams_know_every_rule():
    found = exams.read_exams()
    assert set(exams.EXAMS) <= set(found)
    table = exams.shares(found)
    assert list(table.index) == list(exams.NAMES) and (table >= 0).all(axis=None)
    assert set(exams.under_shifts(found["grid"]).index) == set(RULES)
