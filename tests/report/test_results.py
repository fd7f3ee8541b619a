"""Results of two studies side by side: the same data and length, no arm twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from droco_lite import report

SMALL = Path(__file__).parent / "small_matrix"


@pytest.fixture(scope="module")
def small():
    return report.read("hopper-medium", SMALL)


def renamed(results, label, new):
    """One arm of a study under another name, as another study would hold it."""
    one = results.only([label])
    table, curves = (x.assign(label=new) for x in (one.table, one.curves))
    about = {**one.about, "arms": {new: one.about["arms"][label]}}
    return replace(one, table=table, curves=curves, about=about)


def test_a_second_studys_arms_join_and_the_first_studys_stay(small):
    joined = small.beside(renamed(small, "DROCO", "DROCO, twice the penalty"))
    assert set(joined.labels) == {*small.labels, "DROCO, twice the penalty"}
    assert (
        joined.only(small.labels)
        .table.reset_index(drop=True)
        .equals(small.table.reset_index(drop=True))
    )
    assert "DROCO, twice the penalty" in joined.about["arms"]
    found = {v.second: v for v in report.verdicts.verdicts(joined)}
    assert found["DROCO, twice the penalty"].word == "level with"


def test_an_arm_of_both_is_the_first_studys(small):
    doubled = replace(small, table=small.table.assign(return_mean=0.0))
    assert small.beside(doubled).table.equals(small.table.reset_index(drop=True))


@pytest.mark.parametrize(
    ("what", "other"), [("task", "hopper-expert"), ("data", {"seed": 1}), ("steps", 7)]
)
def test_what_cannot_be_compared_is_refused(small, what, other):
    with pytest.raises(ValueError, match=f"cannot compare: {what} is"):
        small.beside(replace(small, about={**small.about, what: other}))
