"""What the first paragraphs of scorecard and deploying claim, held against the results."""

import re

import pytest

from droco_lite import report
from droco_lite.report import verdicts

ALONE = ("IQL, target", "cloning, target")


@pytest.fixture(scope="module")
def evidence():
    return {each.robot: each for each in report.read_evidence()}


def found(results, where="clean"):
    return {v.second: v for v in verdicts.verdicts(results, where)}


def test_the_penalty_helps_where_the_source_s_data_are_fatal(evidence):
    walker = found(evidence["Walker2d"])
    assert walker["IQL*"].word == "ahead of" and walker["IQL*"].points > 20  # "far ahead"
    returns = evidence["Walker2d"].clean.groupby("label").return_mean.max()
    assert returns["IQL*"] < 0  # "fatal": no seed of the plain learner earns anything


def test_beside_arms_that_never_see_the_source_it_gains_little(evidence):
    walker, cheetah = found(evidence["Walker2d"]), found(evidence["HalfCheetah"])
    assert {walker[arm].word for arm in ALONE} == {"level with"}  # "nothing on Walker2d"
    assert {cheetah[arm].word for arm in ALONE} == {"ahead of"}
    assert 1 <= min(cheetah[arm].points for arm in ALONE) < 2  # "a point or two"
    worn = found(evidence["Walker2d"], "shifted")
    assert worn["IQL, target"].word == "behind" and worn["IQL, target"].points > -3  # "a little"


def test_the_seeds_are_as_many_as_the_page_says(evidence):
    counts = [each.clean.groupby("label")["seed"].nunique() for each in evidence.values()]
    assert min(c.min() for c in counts) == 3 and max(c.max() for c in counts) == 5


def test_under_wear_it_loses_more_than_others_more_often_than_less(evidence):
    said = report.text("losses", list(evidence.values()))
    assert said.startswith("**Mostly not.**")
    less, more, overlap = map(
        int,
        re.search(r"less in (\d+) of .* and more in (\d+); in (\d+) the seeds", said).groups(),
    )
    assert more > less and overlap >= more
