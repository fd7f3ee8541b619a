"""The table maker on a small results file whose every number can be worked out by hand.

``small_matrix`` holds four arms of Hopper, three seeds 10 returns apart, score = return / 10. Clean
returns are 1000, 1150, 1200 (DROCO) and 1500; under a shift every seed keeps a share of its own:
footjnt .9 .8 .7 for DROCO, torso .5 .4 .3, and less for the others. Attacks start 20 higher.
"""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from droco_lite import cli, report
from droco_lite.data import TASKS, Task
from droco_lite.evaluation.arms import CONTROLS, ORDER, PAPER, place
from droco_lite.provenance import results_file
from droco_lite.report import figures as pictures

SMALL = Path(__file__).parent / "small_matrix"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def small():
    return report.read("hopper-medium", SMALL)


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(SMALL, tmp_path / "matrix")
    return tmp_path / "matrix"


def test_methods_come_first_and_controls_are_there(small):
    assert small.labels == ["IQL*", "IGDF", "DROCO", "cloning, both"]
    assert report.tasks(SMALL) == ["hopper-medium"]


def test_the_source_s_own_shift_is_told_apart(small):
    assert small.is_own("kinematic", "legjnt")
    assert not small.is_own("kinematic", "footjnt")
    assert not small.is_own("morph", "torso")
    assert "legjnt" not in set(small.foreign()["variant"])


@pytest.mark.parametrize(
    ("task", "own"),
    [
        # OTDF stiffens the back thigh alone, ODRL's thighjnt both: the back thigh is in both
        ("halfcheetah-medium@otdf-kinematic-backthighjnt-hard", ("kinematic", "thighjnt")),
        ("ant-medium-morphology", ("morph", "halflegs")),
    ],
)
def test_a_shift_is_own_if_it_moves_what_the_source_s_moves(small, task, own):
    there = report.Results(Task.parse(task), small.table, small.curves, small.about)
    assert there.is_own(*own)
    assert not there.is_own("gravity", "down")


def test_scorecard(small):
    table = report.scorecard(small)
    # three scores have no outer quarters: 99, 100, 101
    assert table.loc["IQL*", ["clean", "low", "high"]].tolist() == [100, 99, 101]
    assert table.loc["DROCO", "kinematic easy":"kinematic hard"].tolist() == [108, 96, 84]
    assert table.loc["cloning, both", "morph hard"] == pytest.approx(15)
    assert list(table.columns[3:]) == list(report.CELLS.values())


def test_the_own_variant_is_marked_and_strengths_are_averaged(small):
    table = report.by_variant(small)
    assert list(table.columns) == [
        "clean", "kinematic legjnt°", "kinematic footjnt", "morph torso", "gravity up",
    ]  # fmt: skip
    assert table.loc["IGDF"].tolist() == pytest.approx([115, 126.5, 69, 115 * 0.7 / 3, 28.75])


def test_losses_in_percent_stand_only_beside_equal_clean_returns(small):
    table = report.degradation(small)
    assert table["clean"].tolist() == [1000, 1150, 1200, 1500]
    assert table.loc["DROCO"].tolist()[1:] == pytest.approx([10, 20, 30, 50, 60, 70, 40])
    assert table.loc["IGDF"].tolist()[1:] == pytest.approx([20, 40, 60, 60, 80, 90, 70])
    assert table.loc[["IQL*", "cloning, both"]].drop(columns="clean").isna().all(axis=None)
    wide = report.degradation(small, equal=0.3)
    assert wide.loc["cloning, both", "kinematic hard"] == pytest.approx(50)
    with pytest.raises(ValueError, match="'BOSA' has no results; IQL"):
        report.degradation(small, reference="BOSA")


def test_an_attack_is_compared_with_the_same_policies_clean(small):
    table = report.attacked(small)
    assert table.loc["DROCO", ("min-q", 0.0)] == 1220
    assert table.loc["DROCO", ("min-q", 0.2)] == pytest.approx(1220 * 0.6)
    kinds = list(dict.fromkeys(table.columns.get_level_values(0)))
    assert kinds == ["noise", "min-q"] and list(table["min-q"].columns) == [0, 0.1, 0.2]
    assert report.returns(small).loc["IGDF", "min-q 0.2"] == pytest.approx(1170 * 0.3)


def test_results_without_attacks_make_the_same_tables_but_for_that_column(small):
    plain = report.Results(
        small.task, small.under_shift.reset_index(drop=True), small.curves, small.about
    )
    assert "min-q 0.2" not in report.returns(plain)
    pd.testing.assert_frame_equal(
        report.degradation(plain), report.degradation(small).drop(columns="min-q 0.2")
    )
    assert "attacks" not in report.text("returns", [plain])


def test_chances_of_improvement(small):
    table = report.improvement(small)
    assert table.loc["IQL*", ["clean", "shifted"]].tolist() == [1, 1]
    assert table.loc["cloning, both", "clean"] == 0
    # footjnt 0 0 1, torso: 595 600 605 against 596 600 604 is even, then 1 1, gravity 0
    assert table.loc["cloning, both", "shifted"] == pytest.approx((0 + 0 + 1 + 0.5 + 1 + 1 + 0) / 7)


def test_ranks_agree_where_the_best_stays_the_best(small):
    found = report.rank_agreement(small)
    # torso: 233, 268, 480, 350 for arms that are 1st to 4th on the nominal robot
    assert found.to_dict() == pytest.approx({"kinematic": 1, "morph": 1 - 6 * 2 / 60, "gravity": 1})


def test_the_order_of_lines_changes_nothing(small):
    mixed = report.Results(
        small.task, small.table.sample(frac=1, random_state=1), small.curves, small.about
    )
    for table in (report.scorecard, report.degradation, report.improvement, report.attacked):
        pd.testing.assert_frame_equal(table(mixed), table(small), rtol=1e-12)


def test_ours_and_the_paper_s_stand_in_columns_of_their_own(small):
    table = report.beside_paper([small])
    assert table.loc["DROCO"].tolist() == [120, 55.4]
    assert np.isnan(table.loc["cloning, both", ("hopper-medium", "paper")])
    assert np.isnan(table.loc["BOSA", ("hopper-medium", "ours")])
    assert list(table.index) == [*PAPER, "MICRO: not run", "cloning, both"]


TABLES_OF_ARMS = ("scorecard", "improvement", "variants", "returns", "degradation", "beside-paper")


@pytest.mark.parametrize("name", TABLES_OF_ARMS)
def test_every_table_has_a_row_for_a_method_that_was_not_run(small, name):
    lines = report.text(name, [small]).splitlines()
    row = next(line for line in lines if line.startswith("MICRO: not run"))
    assert set(row.removeprefix("MICRO: not run").split()) == {"-"}


@pytest.mark.parametrize("name", TABLES_OF_ARMS)
def test_the_row_fills_when_its_files_arrive(small, name):
    copied = small.table[small.table.label == "IQL*"].assign(label="MICRO", method="micro")
    run = replace(small, table=pd.concat([small.table, copied]))
    assert "MICRO" not in run.missing
    lines = report.text(name, [run]).splitlines()
    row = next(line for line in lines if line.startswith("MICRO "))
    assert "not run" not in row and re.search(r"\d", row)


@pytest.mark.parametrize("tried", [["gravity"], ["own"], []], ids=["one family", "own", "none"])
def test_a_study_may_have_tried_few_shifts_or_none(small, tmp_path, tried):
    table = small.table
    own = [small.is_own(f, v) for f, v in zip(table.family, table.variant, strict=True)]
    table = table[table.family.isin(["nominal", *tried]) | (np.array(own) & ("own" in tried))]
    table.to_csv(tmp_path / "hopper-medium.csv", index=False)
    for name in ("hopper-medium.json", "hopper-medium-curves.csv"):
        shutil.copy(SMALL / name, tmp_path)
    assert len(report.write(tmp_path / "out", tmp_path)) > 20
    said = (tmp_path / "out" / "improvement.txt").read_text()
    assert "nan" not in said and ("shifted" in said) == (tried == ["gravity"])


def test_a_folder_without_droco_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} holds no results of DROCO yet"):
        report.read_all(tmp_path)


def test_the_heat_maps_say_what_was_not_run(small):
    assert "MICRO" in small.missing
    (ax,) = report.figures.heat_map(small).axes
    assert ax.get_yticklabels()[-1].get_text() == "not run"
    assert ax.texts[-1].get_text() == ", ".join(small.missing)
    markup = report.interactive.heat_map([small])._repr_mimebundle_()["text/html"]
    assert f'"text":"{", ".join(small.missing)}"' in markup
    micro = small.table[small.table["label"] == "DROCO"].assign(label="MICRO")
    known = replace(small, table=pd.concat([small.table, micro]))
    (ax,) = report.figures.heat_map(known.only(["DROCO", "MICRO"])).axes
    assert "MICRO" not in ax.texts[-1].get_text()  # it has a row of its own now


def test_the_paper_s_figures_name_their_table():
    scores, losses = report.paper("scores"), report.paper("losses")
    assert scores["table"].str.contains("2512.02486").all()
    assert losses["table"].str.contains("2512.02486").all()
    assert set(scores["label"]) == set(PAPER)
    names = {f"{task.robot}-{task.quality}" for task in TASKS} | {"total of 16"}
    assert set(scores["task"]) <= names and not scores.duplicated(["task", "label"]).any()
    shown = report.losses_of_paper()
    assert shown.loc["DROCO", "kinematic medium"] == "~30"
    assert shown.loc["IGDF", "min-q 0.2"] == "84" and shown.loc["OTDF", "kinematic easy"] == ">50"


def test_what_remains_is_the_measured_rate_times_the_rest(small):
    # 1 hour for 4 arms x 3 seeds x 10,000 steps
    hours = 1 / (4 * 3 * 10_000) * len((*report.results.TABLE_LABELS, *CONTROLS)) * 5 * 1_000_000
    said = report.text("remaining", [small])
    one, all_16 = (f"{float(f'{x:.2g}'):,.0f}" for x in (hours, 16 * hours))
    assert f"{one} hours of one process; all 16: {all_16}" in said
    assert "of the paper's 16 tasks 1 begun, 15 not" in said


def test_captions_say_steps_and_seeds_and_what_is_a_first_result(small):
    tried = "mean over 4 episodes of each of the last 3 policies"
    said = report.caption(small).splitlines()
    assert said[0] == "hopper-medium, source kinematic-legjnt-hard"
    assert said[1] == f"first results at 10,000 steps, 3 seeds; {tried}"
    long = small.table.assign(steps=200_000)
    more = pd.concat([long, long.assign(seed=long.seed + 3)])
    for table, words in ((long, "first results at 200,000 steps, 3"), (more, "200,000 steps, 6")):
        results = report.Results(small.task, table, small.curves, small.about)
        assert report.caption(results).splitlines()[1] == f"{words} seeds; {tried}"


def test_the_verdict_names_the_controls_above(small):
    said = report.text("verdict", [small])
    assert "clean: DROCO 120.0, 1 of 3 arms above it, controls: cloning, both" in said
    assert "no control among them" in said


def test_two_seeds_are_refused(small):
    two = small.table[small.table["seed"] < 2]
    with pytest.raises(ValueError, match=r"at least 3 seeds .* got 2"):
        report.scorecard(report.Results(small.task, two, small.curves, small.about))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t.drop(columns="score"), r"hopper-medium.csv: the column 'score' is missing"),
        (lambda t: pd.concat([t, t[-1:]]), r"hopper-medium.csv: cloning, both, 2.*has two lines"),
        (lambda t: t.assign(return_mean=np.nan), r"hopper-medium.csv: line 2 holds no finite"),
        (lambda t: t.assign(label="PPO"), r"hopper-medium.csv: the label 'PPO' is none of IQL"),
    ],
)
def test_bad_files_are_refused_by_name(folder, spoil, said):
    path = folder / "hopper-medium.csv"
    table = pd.read_csv(path, keep_default_na=False)
    if "PPO" in said:
        table = table[table["label"] == "DROCO"]
    spoil(table).to_csv(path, index=False)
    with pytest.raises(ValueError, match=said):
        report.read("hopper-medium", folder)


def test_no_results_say_which_command_makes_them(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="droco-lite study run"):
        report.read_all(tmp_path / "nowhere")
    path = folder / "hopper-medium.csv"
    table = pd.read_csv(path, keep_default_na=False)
    table[table["label"] != "DROCO"].to_csv(path, index=False)
    with pytest.raises(FileNotFoundError, match="droco-lite study run"):
        report.read_all(folder)


# The figures ------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(cli.app, ["report", "--results", str(SMALL), *arguments])


@pytest.mark.slow
def test_the_command_writes_every_table_and_figure(small, tmp_path):
    made = run("--out", str(tmp_path / "made"))
    written = [path.name for path in (tmp_path / "made").iterdir()]
    assert made.exit_code == 0 and f"{len(written)} files in" in made.output
    assert {f"{name}.txt" for name in report.TABLES} <= set(written)
    for name, (_, choices) in pictures.FIGURES.items():
        axes = choices(small)
        count = 0 if axes is None else int(np.prod([len(values) for values in axes.values()]))
        assert sum(file.startswith(f"{name}-hopper") for file in written) == count, name
    text = (tmp_path / "made" / "scorecard.txt").read_text()
    assert text == report.text("scorecard", [small]) + "\n"


def test_values_are_drawn_only_where_they_were_logged(small):
    silent = replace(small, curves=small.curves.drop(columns="v_source", errors="ignore"))
    logged = replace(small, curves=small.curves.assign(v_source=1.0))
    assert not list(pictures.draw_all("values", [silent]))
    assert len(list(pictures.draw_all("values", [logged]))) == 1


def test_some_arms_alone(small):
    two = small.only(["DROCO", "IQL*"])
    assert two.labels == ["IQL*", "DROCO"]
    assert set(two.curves["label"]) <= set(two.labels)
    with pytest.raises(KeyError, match="PPO"):
        small.only(["DROCO", "PPO"])


def test_a_curve_starts_at_the_nominal_robot_and_shows_the_mean_of_seeds(small):
    fig = pictures.over_strength(small, "kinematic footjnt")
    line = next(x for x in fig.axes[0].get_lines() if x.get_label() == "DROCO")
    np.testing.assert_allclose(line.get_xdata(), [0, 1 / 3, 2 / 3, 1], atol=1e-5)
    np.testing.assert_allclose(line.get_ydata(), [1200, 1080, 960, 840])
    assert pictures.OWN not in fig.axes[0].get_title()
    own = pictures.over_strength(small, "kinematic legjnt")
    assert pictures.OWN in own.axes[0].get_title()


def test_an_attack_s_curve_starts_at_the_same_policies_clean(small):
    fig = pictures.over_scale(small, "min-q")
    line = next(x for x in fig.axes[0].get_lines() if x.get_label() == "DROCO")
    np.testing.assert_allclose(line.get_xdata(), [0, 0.1, 0.2])
    np.testing.assert_allclose(line.get_ydata(), [1220, 976, 732])


@pytest.mark.parametrize(("size", "scale"), [(300.0, "linear"), (3e6, "symlog")])
def test_values_that_ran_off_get_an_axis_with_room_for_the_others(small, size, scale):
    lines = small.curves.assign(v_source=np.where(small.curves["label"] == "DROCO", -size, 200.0))
    ax = pictures.values(replace(small, curves=lines)).axes[0]
    assert ax.get_yscale() == scale
    if scale == "symlog":
        shown = [tick.get_text() for tick in ax.get_yticklabels()]
        assert shown == ["−1,000,000", "−100,000", "−10,000", "−1,000", "0"]


def test_values_are_drawn_where_they_were_logged(small):
    assert not pictures.has_values(small)
    lines = small.curves.assign(v_source=small.curves["step"] * 2.0)
    lines.loc[lines["label"] == "IGDF", "v_source"] = np.nan  # as if it had no V
    logged = report.Results(small.task, small.table, lines, small.about)
    drawn = {x.get_label(): x for x in pictures.values(logged).axes[0].get_lines()}
    assert "IGDF" not in drawn
    np.testing.assert_allclose(drawn["DROCO"].get_ydata(), 2 * drawn["DROCO"].get_xdata())


def test_an_arm_of_a_study_s_own_looks_like_its_kin():
    own = pictures.look("DROCO, wider")
    assert own["color"] == pictures.look("DROCO")["color"] and own["ls"] != "-"


def test_every_arm_has_a_look_of_its_own():
    looks = {label: (pictures.look(label)["color"], pictures.look(label)["ls"]) for label in ORDER}
    assert len(set(looks.values())) == len(ORDER)


# What is committed ------------------------------------------------------------------------------


@pytest.fixture
def book(small, tmp_path):
    """Chapters that show every table they owe."""
    chapters = {}
    for name, where in report.SHOWN.items():
        for chapter in where:
            chapters.setdefault(chapter, {})[name] = report.text(name, [small])
    for chapter, tables in chapters.items():
        outputs = [
            {"output_type": "stream", "name": "stdout", "text": (text + "\n").splitlines(True)}
            for text in tables.values()
        ]
        cells = [{"cell_type": "code", "source": [], "outputs": [output]} for output in outputs]
        (tmp_path / f"{chapter}.ipynb").write_text(json.dumps({"cells": cells}))
    return tmp_path


def test_check_passes_pages_that_print_what_the_results_give(book):
    assert report.check(book, SMALL) == []


def test_check_names_the_table_that_went_stale(book, folder):
    path = folder / "hopper-medium.csv"
    table = pd.read_csv(path, keep_default_na=False)
    where = (table["label"] == "IGDF") & (table["shift"] == "morph-torso-hard")
    table.loc[where, ["return_mean", "score"]] *= 2
    table.to_csv(path, index=False)
    wrong = report.check(book, folder)
    assert any("scorecard.ipynb: the table 'scorecard'" in line for line in wrong)
    assert any("deploying.ipynb: the table 'degradation'" in line for line in wrong)
    assert not any("'beside-paper'" in line for line in wrong)  # clean scores did not change


def test_check_names_a_chapter_that_is_missing(book):
    (book / "deploying.ipynb").unlink()
    assert report.check(book, SMALL) == ["deploying.ipynb: the chapter is missing"]


def test_the_committed_chapters_match_the_committed_results():
    listed = str(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    chapters = {chapter for shown in report.SHOWN.values() for chapter in shown}
    if report.tasks():
        assert report.check(ROOT / "book") == []
    else:
        assert not any(f"book/{chapter}'" in listed for chapter in chapters)


def test_the_command_fails_where_a_page_is_stale(book):
    assert run("--check", "--book", str(book)).exit_code == 0
    (book / "scorecard.ipynb").unlink()
    stale = run("--check", "--book", str(book))
    assert stale.exit_code == 1 and "scorecard.ipynb: the chapter is missing" in stale.output


def stopped(small, label, step):
    """The results with an arm that is still under way: no line of the table, a shorter curve."""
    curves = small.curves[(small.curves["label"] != label) | (small.curves["step"] <= step)]
    return replace(small, table=small.table[small.table["label"] != label], curves=curves)


def test_an_arm_that_stopped_early_says_so_wherever_curves_are_grouped(small):
    steps = sorted(small.curves["step"].unique())
    assert len(steps) >= 3
    pd.testing.assert_frame_equal(report.mark_stopped(small.curves), small.curves)
    part = stopped(small, "IQL*", steps[-2])
    found = report.mark_stopped(part.curves)
    mark = f"IQL* ({steps[-2]:,} steps)"
    grouped = found.groupby("label")["return_mean"].last()
    assert mark in grouped.index and "IQL*" not in grouped.index
    assert set(grouped.index) - {mark} == set(small.labels) - {"IQL*"}
    assert sorted(grouped.index, key=place)[0] == mark  # in the arm's own place

    table = report.ends(part, looks=2)
    assert mark in table.index and not {"IQL*", "IQL*: not run"} & set(table.index)
    early = report.ends(stopped(small, "IQL*", steps[0]), looks=2)
    assert "IQL*: not run" in early.index and early.loc["IQL*: not run"].isna().all()


def test_an_arm_has_had_the_steps_that_each_of_its_seeds_has_had(small):
    steps = sorted(small.curves["step"].unique())
    late = (small.curves["label"] == "DROCO") & (small.curves["seed"] == 1)
    curves = small.curves[~late | (small.curves["step"] < steps[-1])]
    assert f"DROCO ({steps[-2]:,} steps)" in set(report.mark_stopped(curves)["label"])


@pytest.mark.parametrize("where", ["study", "long", "matrix", "study/100k"])
def test_what_committed_curves_say_is_what_their_records_say(where):
    """OTDF on Walker2d stopped at 16,000 of 40,000 steps when this was written."""
    for task in report.tasks(results_file(where)):
        each = report.read(task, results_file(where))
        reached = each.about.get("reached") or {}
        labels = set(report.mark_stopped(each.curves)["label"])
        for label, step in reached.items():
            mark = f"{label} ({step:,} steps)"
            assert (mark in labels, label in labels) == (step < each.steps, step >= each.steps)


def test_ends_are_means_of_the_last_looks_seed_by_seed(small):
    """By hand: the last two looks of one arm and seed; an arm that was not run has no number."""
    table = report.ends(small, looks=2)
    steps = sorted(small.curves["step"].unique())[-2:]
    one = small.curves[(small.curves["label"] == "DROCO") & (small.curves["seed"] == 1)]
    by_hand = one[one["step"].isin(steps)]["return_mean"].mean()
    assert table.loc["DROCO", 1] == pytest.approx(by_hand, abs=0.51)
    assert table.loc["DROCO", "mean"] == pytest.approx(table.loc["DROCO"].iloc[:-1].mean(), abs=1)
    assert table.loc[[f"{label}: not run" for label in small.missing]].isna().all(axis=None)
