"""Sentences made of results: which word, which numbers, and that they change with the files.

The arms' scores are made by hand: three seeds in two conditions, so that every verdict is known.
"""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from droco_lite import report
from droco_lite.agents.soundness import PLAINLY_OUTSIDE, WARN_ABOVE
from droco_lite.data import Task
from droco_lite.provenance import results_file
from droco_lite.report import results, verdicts

SMALL = Path(__file__).parent / "small_matrix"
LOW = np.array([[10.0, 12.0], [11.0, 13.0], [12.0, 14.0]])


@pytest.fixture(scope="module")
def small():
    return report.read("hopper-medium", SMALL)


@pytest.mark.parametrize(
    ("shift", "word"),
    [(20.0, "ahead of"), (0.0, "level with"), (-20.0, "behind")],
)
def test_the_word_follows_the_interval(shift, word):
    found = verdicts.compare(LOW + shift, LOW, "DROCO", "IQL*")
    assert found.word == word
    assert found.points == pytest.approx(shift)
    assert found.low <= shift <= found.high


def test_a_lead_that_is_sure_and_too_small_to_matter_is_level():
    close = np.array([[10.0], [10.01], [10.02]])
    found = verdicts.compare(close + 0.5, close, "DROCO", "IQL*")
    assert found.chance_low > 0.5 and found.word == "level with"


def test_a_lead_of_one_lucky_seed_is_level():
    lucky = LOW + np.array([[0.0], [0.0], [60.0]])
    found = verdicts.compare(lucky, LOW, "DROCO", "IQL*")
    assert found.points == pytest.approx(20) and found.word == "level with"


def test_the_words_are_mirrored_when_the_arms_change_places():
    mirror = {"ahead of": "behind", "behind": "ahead of", "level with": "level with"}
    for shift in (20.0, 0.3, -20.0):
        there = verdicts.compare(LOW + shift, LOW, "a", "b")
        back = verdicts.compare(LOW, LOW + shift, "b", "a")
        assert back.word == mirror[there.word]
        assert (back.points, back.chance) == pytest.approx((-there.points, 1 - there.chance))


def test_a_sentence_says_which_by_how_much_and_how_sure(small):
    found = {v.second: v for v in verdicts.verdicts(small)}
    assert str(found["IQL*"]) == "DROCO is ahead of IQL* (+20.0; +18.7 to +21.3)"
    assert str(found["cloning, both"]).startswith("DROCO is behind cloning, both (−30.0; −")


@pytest.mark.parametrize(
    ("iql", "alone", "said"),
    [
        ("ahead of", "ahead of", "The penalty helped, and the source's data helped."),
        ("ahead of", "level with", "The penalty helped, but no lead over the arms that"),
        ("level with", "ahead of", "that these seeds can show, but the source's data helped."),
        ("level with", "behind", "and leaving the source's data out does better."),
        ("behind", "behind", "The penalty cost return, and leaving the source's data out does"),
    ],
)
def test_what_the_comparison_comes_to(iql, alone, said):
    assert said in verdicts.meaning({"IQL*": iql, "IQL, target": alone, "cloning, target": alone})


def test_a_lead_over_one_of_two_arms_is_not_called_nothing():
    words = {"IQL*": "ahead of", "IQL, target": "level with", "cloning, target": "ahead of"}
    assert verdicts.meaning(words).endswith(
        "and of the arms that never see the source DROCO leads _cloning, target_ alone."
    )


def test_level_does_not_hide_a_large_difference(small):
    wide = replace(small, table=small.table.copy())
    lines = wide.table["label"] == "IQL*"
    wide.table.loc[lines & (wide.table["seed"] == 0), "score"] += 70.0
    (verdict,) = (v for v in verdicts.verdicts(wide) if v.second == "IQL*")
    assert verdict.word == "level with" and abs(verdict.points) < verdicts.LARGE
    wide.table.loc[lines, "score"] += 20.0
    assert f"_IQL\\*_ ({next(v.size for v in verdicts.verdicts(wide) if v.second == 'IQL*')})" in (
        verdicts.standings([wide])
    )


def test_without_the_controls_nothing_is_concluded():
    assert verdicts.meaning({"IQL*": "ahead of"}) == ""


@pytest.mark.parametrize(
    ("more", "less", "word"),
    [(0, 2, "No"), (1, 0, "Mostly not"), (3, 1, "Mostly"), (4, 0, "Yes")],
)
def test_whether_droco_loses_less_is_counted(more, less, word):
    found = verdicts._Losses(np.array([1.0]), ["x"] * less, ["y"] * more, ["z"] * (4 - less - more))
    said = verdicts._answer([found])
    assert said.startswith(f"**{word}.** DROCO was compared 4 times")
    assert f"loses less in {more} of these comparisons and more in {less}" in said
    assert f"in {4 - more - less} the seeds overlap" in said


def test_sentences_change_with_the_results(small):
    worse = small.table.copy()
    lost = worse["label"] == "DROCO"
    worse.loc[lost, ["score", "return_mean"]] /= 2
    before, after = (
        report.text("standings", [each]) for each in (small, replace(small, table=worse))
    )
    clean = "On the robot as it is, DROCO is"
    assert rf"{clean} ahead of _IQL\*_" in before
    assert rf"{clean} behind _IQL\*_" in after


@pytest.mark.parametrize("name", ["lead", "claim", "standings", "losses", "which-droco", "not-run"])
def test_no_generated_paragraph_is_longer_than_a_hundred_words(name):
    for paragraph in re.split(r"\n>?\n|\n(?=\* )", report.text(name, report.read_evidence())):
        if not paragraph.startswith("|"):  # a table is no paragraph
            assert len(paragraph.split()) < 100


def test_a_loss_is_compared_seed_by_seed_among_arms_that_start_as_high(small):
    # footjnt at hard keeps .7 of DROCO's return; IGDF, the one arm that starts as high, keeps .4
    said = report.text("losses", [small])
    assert "With joints that lost range, DROCO loses 30 % of its clean return (seeds" in said
    assert "_IGDF_ loses more in every seed." in said
    assert "lose less in every seed" not in said
    assert said.startswith("**Yes.** DROCO was compared 2 times")


def test_a_loss_is_never_compared_with_droco_s_own_settings(small):
    own = small.table[small.table["label"] == "DROCO"].assign(label="DROCO, β = 2")
    both = replace(small, table=pd.concat([small.table, own]))
    assert report.text("losses", [both]) == report.text("losses", [small])


# Which results ----------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    """Long results, and a study's of the same task in which DROCO has lost its lead."""
    for name in ("long", "study"):
        shutil.copytree(SMALL, tmp_path / name)
    path = tmp_path / "study/hopper-medium.csv"
    table = pd.read_csv(path, keep_default_na=False)
    table.loc[table["label"] == "DROCO", ["score", "return_mean"]] /= 2
    table.to_csv(path, index=False)
    for name, floor in (("long", "-Infinity"), ("study", None)):
        path = tmp_path / name / "hopper-medium.json"
        about = json.loads(path.read_text())
        about["arms"]["DROCO"]["floor"] = floor
        path.write_text(json.dumps(about))
    return tmp_path


def test_the_study_is_preferred_and_the_sentences_follow(folders):
    old = report.read_evidence(folders / "long", folders / "nowhere")
    new = report.read_evidence(folders / "long", folders / "study")
    assert "ahead of" in report.text("claim", old) and "behind" in report.text("claim", new)
    assert "without a floor" in report.text("which-droco", old)
    assert "has a *floor*" in report.text("which-droco", new)


def test_a_task_that_the_study_lacks_comes_from_the_long_runs(folders):
    for path in sorted((folders / "long").iterdir()):
        if path.suffix == ".json":
            about = json.loads(path.read_text()) | {"task": "walker2d-medium"}
            path.write_text(json.dumps(about))
        path.rename(path.with_name(path.name.replace("hopper", "walker2d")))
    found = report.read_evidence(folders / "long", folders / "study")
    assert {(each.robot, each.floored) for each in found} == {("Hopper", True), ("Walker2d", False)}


def test_no_results_at_all_say_how_to_make_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"study run results/study/walker2d\.yaml"):
        report.read_evidence(tmp_path, tmp_path)


def test_values_that_ran_away_are_named(small):
    curves = small.curves.assign(v_source=-2e6)
    said = report.text("which-droco", [replace(small, curves=curves)])
    assert "On Hopper its values ran away" in said and "−2,000,000" in said
    calm = replace(small, curves=small.curves.assign(v_source=200.0))
    assert "ran away" not in report.text("which-droco", [calm])


def test_values_are_judged_by_their_share_outside_where_it_is_logged_at_every_look(small):
    def said(**columns):
        curves = small.curves.assign(**columns)
        return report.text("which-droco", [replace(small, curves=curves)])

    assert "−900 and −900" in said(v_source=-900.0)  # Hopper earns 650 at most, by this rule
    assert "ran away" not in said(v_source=-900.0, outside=0.0)
    assert "ended between 20 and 20" in said(v_source=20.0, outside=0.6)
    steps = small.curves["step"]
    once = np.where(steps == steps.min(), 0.6, 0.0)
    if steps.nunique() > 1:
        assert "had once been between 20 and 20" in said(v_source=20.0, outside=once)
    assert "ran away" in said(v_source=-900.0, outside=np.nan)


def test_each_form_of_bounds_is_named_with_its_robots(small):
    def said(**arm):
        arms = {label: {**kept, **arm} for label, kept in small.about["arms"].items()}
        return report.text("which-droco", [replace(small, about={**small.about, "arms": arms})])

    assert "On Hopper, DROCO has a *floor* alone" in said(floor=None)
    assert "On Hopper, DROCO has a *floor* and a *ceiling*" in said(floor=None, ceiling=None)
    assert "On Hopper, DROCO is the formula as the paper" in said(floor=float("-inf"), ceiling=None)


def test_another_form_whose_values_left_the_range_is_named():
    walker = next(each for each in report.read_longer() if each.robot == "Walker2d")
    said = report.text("which-droco", [walker])
    assert "_DROCO, as printed_ with up to 100 % and _DROCO, oracle_ with up to 98 %" in said
    assert "other forms" not in report.text("which-droco", [walker.only(["DROCO", "IQL*"])])


def test_a_few_values_outside_are_counted_and_are_no_run_away(small):
    def said(**columns):
        curves = small.curves.assign(**columns)
        return report.text("which-droco", [replace(small, curves=curves)])

    few = said(v_source=20.0, outside=0.3)
    assert "On Hopper up to 30.0 % of its values at a look lay outside" in few
    assert "ran away" not in few
    assert "ran away" in said(v_source=-900.0, outside=0.3)  # and so is their mean
    assert "values" not in said(v_source=20.0, outside=results.OUTSIDE).split("return can be.")[-1]
    assert (results.OUTSIDE, results.FAR_OUTSIDE) == (WARN_ABOVE, PLAINLY_OUTSIDE)


def test_arms_that_overlap_are_named(small):
    """DROCO beside a copy of itself: one comparable arm, and no seed tells them apart."""
    twin = small.table[small.table["label"] == "DROCO"].assign(label="IQL*")
    both = pd.concat([small.table[small.table["label"] == "DROCO"], twin])
    said = report.text("losses", [replace(small, table=both)])
    assert r"The seeds of _IQL\*_ overlap with DROCO's." in said


def test_what_a_shorter_training_holds_is_no_longer_said_to_be_missing():
    (short,) = report.read_study()
    long = next(each for each in report.read_longer() if each.task == short.task)
    long = long.only([label for label in long.labels if label not in ("BOSA", "MICRO")])
    said = verdicts.not_run([long], [short])
    assert "_BOSA_ and _MICRO_ were trained for 40,000 steps only." in said
    assert "MICRO" not in said.split("only.")[1] and "have not been run" in said
    assert "_MICRO_" in verdicts.not_run([long]).split("have not been run")[0]


def test_what_has_a_curve_and_no_results_is_said_to_have_begun(small):
    begun = small.curves[small.curves["label"] == "DROCO"].assign(label="OTDF")
    begun = begun[begun["step"] < begun["step"].max()]
    half = replace(small, curves=pd.concat([small.curves, begun]))
    reached, steps = begun["step"].max(), small.steps
    said = verdicts.not_run([half])
    at = begun.loc[begun["step"] == reached, "score"]
    scores = f"{at.min():.1f} to {at.max():.1f}".replace("-", "−")
    assert (
        f"_OTDF_ was trained for {reached:,} of {steps:,} steps, and not tried under shifts; on "
        f"the robot as it is it scored {scores} there, DROCO {scores} then." in said
    )
    assert said.count("OTDF") == 1 and "OTDF" in verdicts.not_run([small])
    older = replace(small, table=small.table.assign(label="OTDF", steps=200_000))
    both = verdicts.not_run([half], [older])
    assert "_OTDF_ was trained for 200,000 steps" in both and f"{scores} there" in both


def test_what_an_older_study_holds_is_said_of_all_its_robots_at_once(small):
    twin = replace(small, task=Task.parse("walker2d-medium"))
    micro = small.table[small.table["label"] == "DROCO"].assign(label="MICRO", steps=200_000)
    older = [replace(each, table=micro) for each in (small, twin)]
    said = verdicts.not_run([small, twin], older)
    assert "On Hopper and Walker2d, _MICRO_ was trained for 200,000 steps in an older study" in said
    assert "MICRO" not in said.split("floor.")[1] and "_BOSA_" in said.split("floor.")[1]
    hopper_alone = verdicts.not_run([small, twin], older[:1])
    assert "On Hopper, _MICRO_ was trained" in hopper_alone
    assert "_MICRO_ have not been run" in hopper_alone


def test_the_older_runs_control_is_left_out_of_the_evidence():
    long = results_file("long")
    old = next(each for each in report.read_long() if each.robot == "HalfCheetah")
    assert "DROCO, shuffled" in old.labels and not old.floored
    new = next(each for each in report.read_evidence(long) if each.robot == "HalfCheetah")
    assert set(old.labels) - set(new.labels) == {"DROCO, shuffled"}


def test_the_evidence_is_the_study_of_100_000_steps_where_there_is_one():
    longer = {str(each.task): each for each in report.read_longer()}
    evidence = {str(each.task): each for each in report.read_evidence()}
    assert len(longer) >= 3 and set(longer) <= set(evidence)
    for task, each in longer.items():
        assert each.floored and evidence[task].labels == each.labels


def test_arms_trained_as_long_in_a_study_of_their_own_stand_beside_the_others():
    long = next(each for each in report.read_evidence() if each.robot == "Walker2d")
    assert long.steps == 100_000
    assert {"DROCO", "IQL, target", "DROCO, β = 2", "DROCO, as printed"} <= set(long.labels)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ([30.0, 20.0, 40.0], "DROCO loses 30 % of its clean return (seeds 20 to 40)."),
        ([0.2, -1.0, 0.0], "DROCO loses 0 % of its clean return (seeds −1 to 0)."),
        ([-5.0, -10.0, 1.0], "DROCO's return is 5 % above its clean one (seeds −1 to 10)."),
    ],
)
def test_a_return_that_rises_is_not_called_a_negative_loss(lost, words):
    assert verdicts._own_loss(np.array(lost)) == words


def test_a_difference_that_only_rounding_brings_to_the_limit_has_two_digits():
    def size(points):
        return verdicts.Verdict("A", "B", "level with", points, 0.5, 1.4, 1, 1, 1).size

    assert [size(points) for points in (0.963, -0.963, 0.94, 1.0)] == [
        f"{said}; +0.5 to +1.4" for said in ("+0.96", "−0.96", "+0.9", "+1.0")
    ]
