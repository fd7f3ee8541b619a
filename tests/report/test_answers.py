"""The evidence in short: how DROCO stands on each robot, what longer training changed, how sure."""

from dataclasses import replace

import pytest

from droco_lite import report
from droco_lite.report import answers, verdicts


def rows(text: str) -> dict[str, list[str]]:
    """A table's cells, by the first of each line."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in lines[1:]}


def test_the_short_answer_says_of_every_robot_and_arm_who_is_ahead_and_by_how_much():
    evidence = report.read_evidence()
    table = rows(answers.lead(evidence))
    assert len(table) == 2 * len(evidence)
    for each in evidence:
        for where, words in answers.LINES.items():
            cells = table[f"{each.robot}, {words}"]
            judged = verdicts.against(each, where, verdicts.ASKED)
            for cell, verdict in zip(cells, judged, strict=True):
                points, interval = verdict.size.split("; ")
                assert cell.strip("*").startswith(verdict.word.split()[0])
                assert f"{points} ({interval})" in cell


@pytest.mark.parametrize(
    "word, cell",
    [
        ("ahead of", "**ahead** +5.0 (+4.0 to +6.0)"),
        ("level with", "level +5.0 (+4.0 to +6.0)"),
        ("behind", "**behind** +5.0 (+4.0 to +6.0)"),
    ],
)
def test_a_difference_is_heavy_and_no_difference_is_not(word, cell):
    assert answers._cell(verdicts.Verdict("DROCO", "IQL*", word, 5, 4, 6, 1.0, 0.9, 1.0)) == cell


def test_the_short_answer_says_what_was_not_compared():
    (short,) = report.read_study()
    some = short.only([verdicts.DROCO, "IQL, target"])
    cells = rows(answers.lead([some]))["Walker2d, as it is"]
    assert cells[0] == cells[2] == "not run" != cells[1]


def test_a_rival_that_is_ahead_of_droco_is_named_with_where_it_is_not():
    (walker,) = (each for each in report.read_evidence() if each.robot == "Walker2d")
    clean, worn = (
        {v.second: v for v in verdicts.verdicts(walker, where, over="BOSA")}
        for where in answers.LINES
    )
    assert answers._above(walker, "BOSA") == (
        f"On Walker2d _BOSA_ is ahead of DROCO ({clean['DROCO'].size}) and of both "
        f"target-only arms on the robot as it is, and behind DROCO ({worn['DROCO'].size}) and both "
        "of them under shifts."
    )
    assert answers._above(walker, "BOSA") in answers.lead([walker])
    alone = answers._above(walker.only(["BOSA", "DROCO"]), "BOSA")
    assert "ahead of DROCO" in alone and "target-only" not in alone


def test_a_rival_that_is_ahead_nowhere_or_was_not_run_is_not_named():
    (walker,) = (each for each in report.read_evidence() if each.robot == "Walker2d")
    assert answers._above(walker, "MICRO") == ""
    assert answers._above(walker.only(["DROCO", "IQL*"]), "BOSA") == ""


def test_robots_of_like_training_stand_together():
    (short,) = report.read_study()
    twin = replace(short, task=report.read_long()[0].task)
    long = next(each for each in report.read_longer() if each.task == short.task)
    said = answers._trained([short, twin])
    assert said == f"40,000 steps, 3 seeds on {short.robot} and {twin.robot}"
    assert answers._trained([long, short]).startswith(
        "100,000 steps, 3 to 5 seeds on Walker2d; 40,"
    )


def test_a_lead_that_longer_training_takes_away_is_said_in_the_lead_and_in_full():
    (short,) = report.read_study()
    long = next(each for each in report.read_evidence() if each.task == short.task)
    said = answers.lead([long], [short])
    assert (
        "On Walker2d DROCO was ahead of both target-only arms in an earlier study of 40,000 steps "
        "(the smaller lead: +7.0; +2.2 to +12.5), and is not in this one of 100,000." in said
    )
    assert "3 to 5 seeds" in answers.longer([short], [long])
    assert "does not keep its lead" in answers.longer([short], [long])


@pytest.mark.parametrize(
    "led, leads, headline, in_short",
    [
        (True, True, "keeps its lead", "and still is in this one of"),
        (True, False, "does not keep its lead", "and is not in this one of"),
        (
            False,
            True,
            "takes the lead",
            "was not ahead of both target-only arms in an earlier study of 40,000 steps yet",
        ),
        (
            False,
            False,
            "does not take the lead either",
            "ahead of both target-only arms in an earlier study of 40,000 steps either",
        ),
    ],
)
def test_what_became_of_a_lead_is_said_in_each_case(led, leads, headline, in_short):
    (early,) = report.read_study()  # DROCO leads both
    late = next(each for each in report.read_longer() if each.task == early.task)  # and here not
    short, long = early if led else late, early if leads else late
    short, long = (
        replace(each, table=each.table.assign(steps=steps))
        for each, steps in ((short, 40_000), (long, 100_000))
    )
    assert headline in answers.longer([short], [long])
    assert in_short in answers.lead([long], [short])
    assert not answers.longer([long], [long]) and "DROCO was" not in answers.lead([long])


def test_an_older_and_longer_study_that_says_otherwise_is_named_with_what_beats_droco_there():
    older, _ = report.read_long()
    now = next(each for each in report.read_evidence() if each.task == older.task)
    said = answers.lead([now], older=[older])
    assert (
        "On HalfCheetah an older study of 200,000 steps, of the formula as printed, says "
        "otherwise: there DROCO is ahead of both target-only arms (the smaller lead: +1.5;" in said
    )
    assert "It is behind _BOSA_ (−1.4; " in said
    assert "otherwise" not in answers.lead([older], older=[older])


def test_an_older_study_that_says_the_same_is_not_named():
    older = next(each for each in report.read_long() if each.robot == "Walker2d")
    now = next(each for each in report.read_evidence() if each.task == older.task)
    assert "older study" not in answers.lead([now], older=[older])
