"""The exams of rules that choose from data: the sentence follows the regrets."""

import pandas as pd

from droco_lite.evaluation.selection import RULES
from droco_lite.report import exams


def shares(**changed) -> pd.DataFrame:
    """Regrets of all rules in two exams, 1.2 unless told otherwise."""
    table = pd.DataFrame({"grid": 1.2, "longer": 1.2}, index=list(RULES))
    for rule, values in changed.items():
        table.loc[rule] = values
    return table


def test_a_rule_has_to_win_every_exam():
    shifted = pd.Series(0.3, index=list(RULES))
    said = exams.claim(shares(fqe=[0.1, 1.1], coverage=[0.5, 0.9]), shifted)
    assert "rules, coverage beat drawing from a hat in all 2 exams" in said
    assert "*fitted Q evaluation*" in said  # the least regret on average
    assert "+0.3." in said
    assert "none beat drawing" in exams.claim(shares(fqe=[0.1, 1.1]), shifted)


def test_an_order_that_is_turned_round_under_shifts_is_called_so():
    said = exams.claim(shares(fqe=[0.1, 0.1]), pd.Series(-0.4, index=list(RULES)))
    assert "of −0.4: the wrong way round." in said and len(said.split()) < 100


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
