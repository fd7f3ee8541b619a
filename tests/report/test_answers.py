"""The evidence in short: which robots stand together, by which word, and how sure it is."""

from dataclasses import replace

import pytest

from droco_lite import report
from droco_lite.report import answers, verdicts

SIZE = "(+5.0; +4.0 to +6.0)"


def told(word: str, points: float = 5.0) -> dict[str, verdicts.Verdict]:
    """DROCO beside IQL* and both arms without a source, by one word."""
    arms = ("IQL*", "IQL, target", "cloning, target")
    numbers = (points, points - 1, points + 1, 1.0, 0.9, 1.0)
    return {arm: verdicts.Verdict("DROCO", arm, word, *numbers) for arm in arms}


@pytest.mark.parametrize(
    ("words", "penalty", "source"),
    [
        (
            ["ahead of", "ahead of"],
            f"helps on A {SIZE} and B {SIZE}",
            "ahead of {} on A {} and B {}",
        ),
        (
            ["ahead of", "behind"],
            f"helps on A {SIZE}; costs return on B {SIZE}",
            "ahead of {} on A {}, behind on B {}",
        ),
        (["level with"], f"shows no effect on A {SIZE}", "level with {} on A"),
        (
            ["behind", "ahead of", "ahead of", "ahead of"],
            f"helps on B {SIZE}, C {SIZE} and D {SIZE}; costs return on A {SIZE}",
            "ahead of {} on B {}, C {} and D {}, behind on A {}",
        ),
    ],
)
def test_the_short_answer_names_the_robots_and_by_how_much(words, penalty, source):
    found = {robot: told(word) for robot, word in zip("ABCD", words, strict=False)}
    assert answers._penalty(found) == f"the penalty {penalty}"
    sizes = [SIZE] * (source.count("{}") - 1)
    each = [source.format(f"_{arm}_", *sizes) for arm in verdicts.TARGET_ALONE]
    said = f"Beside arms that never see the source, DROCO is {'; '.join(each)}"
    assert answers._source(found) == said


def test_each_arm_without_a_source_has_its_own_word():
    mixed = told("ahead of") | {"cloning, target": told("level with")["cloning, target"]}
    said = answers._source({"A": mixed})
    assert f"ahead of _IQL, target_ on A {SIZE}; level with _cloning, target_ on A" in said


def test_the_short_answer_leaves_out_what_was_not_compared():
    found = {"A": {"IQL, target": told("ahead of")["IQL, target"]}, "B": {}}
    assert answers._penalty(found) == "" and "cloning" not in answers._source(found)
    assert "on B" not in answers._source(found) and answers._source({"B": {}}) == ""


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
        "On Walker2d DROCO was ahead of both of these in an earlier study of 40,000 steps "
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
            "was not ahead of both of these in an earlier study of 40,000 steps yet",
        ),
        (
            False,
            False,
            "does not take the lead either",
            "ahead of both of these in an earlier study of 40,000 steps either",
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
