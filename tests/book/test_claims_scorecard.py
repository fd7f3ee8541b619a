"""What the first paragraphs of scorecard and deploying claim, held against the results."""

import re

import pytest
from chapters import ROOT, cells, source

from droco_lite import report
from droco_lite.report import verdicts

#: Where the source's data ruin the plain learner, do it no harm, and do it good.
RUINED, UNHARMED, GOOD = ("Walker2d", "Hopper"), ("HalfCheetah",), ("Ant",)


@pytest.fixture(scope="module")
def evidence():
    return {each.robot: each for each in report.read_evidence()}


def found(results, where="clean"):
    return {v.second: v for v in verdicts.verdicts(results, where)}


def first(name: str) -> str:
    """The first paragraph, as one line."""
    return " ".join(source(cells(ROOT / f"book/{name}.ipynb", "markdown")[0]).split())


def test_every_robot_is_named(evidence):
    said = first("scorecard")
    assert set(evidence) == {*RUINED, *UNHARMED, *GOOD}  # another one: say how it stands
    assert all(robot in said for robot in evidence)


@pytest.mark.parametrize("robot", RUINED)
def test_the_penalty_helps_where_the_source_s_data_ruin_the_learner(evidence, robot):
    assert f"On {' and '.join(RUINED)} the source's data ruin IQL" in first("scorecard")
    star = found(evidence[robot])["IQL*"]
    assert star.word == "ahead of" and star.points > 15  # "far ahead"
    scores = evidence[robot].clean.groupby("label").score.mean()
    assert scores["IQL*"] < 3 < scores["IQL, target"] / 5  # "ruin": next to nothing is left


@pytest.mark.parametrize("robot", UNHARMED)
def test_the_penalty_shows_nothing_where_they_do_no_harm(evidence, robot):
    star = found(evidence[robot])["IQL*"]
    assert star.word == "level with" and star.low < 0 < star.high


@pytest.mark.parametrize("robot", GOOD)
def test_the_penalty_costs_return_where_the_source_s_data_are_good(evidence, robot):
    assert f"on {robot} DROCO is behind" in first("scorecard")
    assert found(evidence[robot])["IQL*"].word == "behind"


def test_beside_iql_on_the_target_s_data_alone_it_gains_on_ant_only(evidence):
    said = first("scorecard")
    assert "It is ahead of IQL on the target's data alone on Ant only" in said
    clean = {name: found(each)["IQL, target"].word for name, each in evidence.items()}
    assert clean.pop("Ant") == "ahead of"
    assert set(clean.values()) == {"level with"}
    worn = {name: found(each, "shifted")["IQL, target"].word for name, each in evidence.items()}
    assert not [name for name, word in worn.items() if word == "ahead of" and name != "Ant"]


def test_under_shifts_it_loses_a_little_on_walker2d_alone(evidence):
    worn = {name: found(each, "shifted")["IQL, target"] for name, each in evidence.items()}
    assert [name for name, verdict in worn.items() if verdict.word == "behind"] == ["Walker2d"]
    assert worn["Walker2d"].points > -3  # "a little"


def test_the_seeds_are_as_many_as_the_page_says(evidence):
    counts = [each.clean.groupby("label")["seed"].nunique() for each in evidence.values()]
    assert min(c.min() for c in counts) == 3 and max(c.max() for c in counts) == 5
    assert "With three to five seeds" in first("scorecard")


def test_under_wear_the_seeds_mostly_overlap_and_it_loses_more_in_four_and_less_in_two(evidence):
    said = report.text("losses", list(evidence.values()))
    assert said.startswith("**Mostly not.**") and "Mostly not." in first("deploying")
    less, more, overlap = map(
        int,
        re.search(r"less in (\d+) of .* and more in (\d+); in (\d+) the seeds", said).groups(),
    )
    assert overlap > less + more  # "in most comparisons"
    assert (more, less) == (4, 2)
    assert "In four it loses more than the other method in every seed, and in two less" in first(
        "deploying"
    )


def test_the_older_studies_have_five_times_as_many_source_rows_and_no_floor(evidence):
    for older in report.read_long():
        new = evidence[older.robot]
        sizes = [each.about["data"]["source_size"] for each in (older, new)]
        assert sizes[0] == 5 * sizes[1] and new.floored and not older.floored
        assert older.seeds == 3
