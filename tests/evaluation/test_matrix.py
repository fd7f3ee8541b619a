"""The matrix runner: nothing lost, nothing done twice, nothing mixed up."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from droco_lite import files
from droco_lite.cli import app
from droco_lite.evaluation import arms, matrix
from droco_lite.evaluation.matrix import ARMS, Evaluation, Study, file_name
from droco_lite.training.health import TrainingError

SMALL = {"hidden": 16, "batch_size": 16}
ENSEMBLE = {**SMALL, "ensemble_epochs": 2, "members": 2}
STUDY = Study(
    tasks=["hopper-medium"],  # an untrained hopper falls soon
    steps=30,
    seeds=(0, 1),
    arms=("IQL*", "cloning, target", "DROCO, shuffled", "DROCO"),
    data={"source_size": 600, "target_size": 300, "cache": False},
    settings={
        "IQL*": SMALL, "cloning, target": SMALL, "DROCO": ENSEMBLE, "DROCO, shuffled": ENSEMBLE,
    },
    evaluation=Evaluation(
        every=10, episodes=2, families=("kinematic",), strengths=(1.0,),
        attacks=("noise-0", "min-q-0.1"),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study run to its end in one go: its folder and its table."""
    root = tmp_path_factory.mktemp("matrix")
    assert matrix.work(STUDY, root, say=lambda line: None) == 3
    matrix.collect(STUDY, root, root / "tables")
    return root, matrix.read_table(root / "tables", "hopper-medium")


def test_one_line_for_each_arm_seed_and_shift(whole):
    table = whole[1]
    keys = ["label", "seed", "shift", "attack", "scale"]
    assert not table.duplicated(keys).any()
    assert len(table) == 4 * 2 * (3 + 2)
    assert list(table.columns) == list(matrix.COLUMNS)
    assert list(dict.fromkeys(table["label"])) == [x for x in arms.ORDER if x in STUDY.arms]
    assert (table["checkpoints"] == np.where(table["attack"] == "none", 3, 1)).all()


def test_returns_are_means_of_the_last_three_checkpoints(whole):
    root, table = whole
    parts = [
        pd.read_csv(root / "hopper-medium" / "iql" / f"shifts-{step}.csv") for step in (10, 20, 30)
    ]
    mean = sum(part["return_mean"] for part in parts) / 3
    ours = table[(table["label"] == "IQL*") & (table["attack"] == "none")]["return_mean"]
    assert ours.tolist() == pytest.approx(mean.tolist(), rel=1e-5)


def test_a_finished_study_has_nothing_left_to_do(whole):
    root = whole[0]
    assert matrix.work(STUDY, root, say=pytest.fail) == 0
    state = matrix.progress(STUDY, root)
    assert (state["state"] == "done").all()
    assert (state["seconds_left"] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 60}, "steps is 30, asked for 60"),
        ({"seeds": (0, 1, 2)}, r"seeds is \[0, 1\], asked for \[0, 1, 2\]"),
        ({"data": {**STUDY.data, "seed": 1}}, "data.seed is None, asked for 1"),
        (
            {"evaluation": replace(STUDY.evaluation, episodes=3)},
            "evaluation.episodes is 2, asked for 3",
        ),
        (
            {"settings": {**STUDY.settings, "IQL*": {**SMALL, "polyak": 0.9}}},
            r"settings.IQL\*.polyak is 0.005, asked for 0.9",
        ),
    ],
)
def test_results_of_other_settings_are_neither_gone_on_with_nor_collected(whole, change, message):
    root, other = whole[0], replace(STUDY, **change)
    for use in (matrix.work, partial(matrix.collect, to=root / "elsewhere")):
        with pytest.raises(ValueError, match=message) as error:
            use(other, root)
        assert "job.json" in str(error.value)
    assert not (root / "elsewhere").exists()


@pytest.mark.slow
def test_a_begun_study_takes_more_arms_in_another_order(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "more")
    more = replace(
        STUDY,
        arms=("DROCO", "quicker", *STUDY.arms[:3]),
        settings={**STUDY.settings, "quicker": {**SMALL, "method": "iql", "learning_rate": 1e-3}},
        loop=replace(STUDY.loop, device="cpu"),
    )
    assert matrix.work(more, tmp_path / "more", say=lambda line: None) == 1


@pytest.mark.slow
def test_stacked_jobs_give_the_same_table(whole, tmp_path):
    assert [len(job.labels) for job in STUDY.jobs(stacked=True)] == [2, 2]
    matrix.work(STUDY, tmp_path, stacked=True, say=lambda line: None)
    matrix.collect(STUDY, tmp_path, tmp_path)
    stacked = matrix.read_table(tmp_path, "hopper-medium")
    pd.testing.assert_frame_equal(stacked, whole[1], rtol=1e-3)


def test_a_control_trains_beside_its_partner_and_both_keep_their_names(whole):
    job = next(job for job in STUDY.jobs() if "DROCO, shuffled" in job.labels)
    assert job.labels == ("DROCO", "DROCO, shuffled")
    shuffled = {run.label: run.shuffled for run in job.runs()}
    assert shuffled == {"DROCO": False, "DROCO, shuffled": True}
    methods = whole[1].groupby("label")["method"].unique().map(list).to_dict()
    assert methods["DROCO"] == ["droco"]
    assert methods["DROCO, shuffled"] == ["droco-shuffled"]


@pytest.mark.slow
def test_killed_and_resumed_no_row_is_lost_or_doubled(whole, tmp_path):
    STUDY.write(tmp_path / "study.yaml")
    command = [
        sys.executable, "-m", "droco_lite.cli", "matrix", "run", str(tmp_path / "study.yaml"),
        "--root", str(tmp_path),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    begun = tmp_path / "hopper-medium" / "droco+droco-shuffled" / "shifts-10.csv"
    while not begun.exists():
        assert process.poll() is None, "finished before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.read_bytes() for path in tmp_path.glob("hopper-medium/*/shifts-*.csv")}
    matrix.work(STUDY, tmp_path, say=lambda line: None)
    assert all(path.read_bytes() == content for path, content in before.items())
    matrix.collect(STUDY, tmp_path, tmp_path)
    table = matrix.read_table(tmp_path, "hopper-medium")
    pd.testing.assert_frame_equal(table, whole[1])


def test_a_job_that_died_between_two_writes_is_finished(whole, tmp_path):
    """The last checkpoint was saved; the process died before the curve was written."""
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    job = tmp_path / "hopper-medium" / "droco+droco-shuffled"
    curve = pd.read_csv(job / "curve.csv")
    files.write_csv(job / "curve.csv", curve[curve["step"] < 30], checksum=True)
    for path in (*job.glob("shifts-30.csv"), *job.glob("attacks.csv")):
        path.unlink()
    assert matrix.work(STUDY, tmp_path, say=lambda line: None) == 1
    matrix.collect(STUDY, tmp_path, tmp_path / "again")
    pd.testing.assert_frame_equal(matrix.read_table(tmp_path / "again", "hopper-medium"), whole[1])
    pd.testing.assert_frame_equal(pd.read_csv(job / "curve.csv"), curve)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["job.json", "seconds.json", "shifts-20.csv", "attacks.csv"])
def test_a_flipped_bit_in_a_jobs_file_is_refused_with_the_way_out(whole, tmp_path, name):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    job = tmp_path / "hopper-medium" / "iql"
    content = bytearray((job / name).read_bytes())
    content[-3] ^= 1
    (job / name).write_bytes(content)
    with pytest.raises(files.DamagedFile, match=rf"iql/{name} is not what.*move the folder .*iql"):
        matrix.collect(STUDY, tmp_path, tmp_path / "again")
    shutil.rmtree(job)
    matrix.work(STUDY, tmp_path, say=lambda line: None)
    matrix.collect(STUDY, tmp_path, tmp_path / "again")
    pd.testing.assert_frame_equal(matrix.read_table(tmp_path / "again", "hopper-medium"), whole[1])


def test_a_damaged_curve_is_made_again(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "hopper-medium" / "droco+droco-shuffled" / "curve.csv"
    good = path.read_bytes()
    path.write_bytes(good.replace(b"30", b"31"))
    assert (matrix.progress(STUDY, tmp_path)["step"] == 30).all()
    assert path.read_bytes() == good


def test_flipped_bits_in_collected_tables_are_refused(whole, tmp_path):
    shutil.copytree(whole[0] / "tables", tmp_path / "tables")
    for suffix in (".csv", "-curves.csv", ".json"):
        path = tmp_path / "tables" / f"hopper-medium{suffix}"
        good = path.read_bytes()
        path.write_bytes(good[:-5] + bytes([good[-5] ^ 1]) + good[-4:])
        with pytest.raises(files.DamagedFile, match=rf"hopper-medium{suffix} is not what"):
            matrix.finish_from_tables(STUDY, tmp_path / "new", tmp_path / "tables")
        path.write_bytes(good)


def test_later_policies_are_not_tried_in_the_place_of_earlier_ones(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "hopper-medium" / "iql" / "shifts-20.csv").unlink()
    with pytest.raises(ValueError, match=r"shifts-20\.csv is missing.*gone on to step 30; move"):
        matrix.work(STUDY, tmp_path, say=lambda line: None)


def test_arms_that_would_share_a_folder_are_refused():
    own = {"method": "iql", **SMALL}
    with pytest.raises(ValueError, match=r"'a b' and 'a-b' would share the folder 'a-b'; rename"):
        replace(STUDY, arms=("a b", "a-b"), settings={"a b": own, "a-b": own})


@pytest.mark.slow
@pytest.mark.parametrize("stacked", [False, True])
def test_a_study_goes_on_from_its_tables_alone(whole, tmp_path, stacked):
    first, tables = replace(STUDY, arms=("IQL*", "cloning, target")), tmp_path / "tables"
    matrix.collect(first, whole[0], tables)
    before = json.loads((tables / "hopper-medium.json").read_text())
    new = tmp_path / "another machine"
    matrix.finish_from_tables(STUDY, new, tables)
    state = matrix.progress(STUDY, new, stacked).set_index("arms")["state"]
    assert (state[["IQL*", "cloning, target"]] == "done").all()
    assert matrix.work(STUDY, new, stacked=stacked, say=lambda line: None) == 1
    matrix.collect(STUDY, new, tables)
    table = matrix.read_table(tables, "hopper-medium")
    pd.testing.assert_frame_equal(table, whole[1], rtol=1e-3)
    kept = [part["label"].isin(first.arms) for part in (table, whole[1])]
    pd.testing.assert_frame_equal(table[kept[0]], whole[1][kept[1]])  # to the last digit
    after = json.loads((tables / "hopper-medium.json").read_text())
    (earlier,) = after["earlier"]
    assert earlier["arms"] == ["IQL*", "cloning, target"]
    assert earlier["date"] == before["date"]
    # A third machine has nothing to do and changes nothing.
    assert matrix.collect(STUDY, tmp_path / "third", tables) == []
    assert matrix.work(STUDY, tmp_path / "third", say=pytest.fail) == 0
    again = matrix.collect(STUDY, tmp_path / "third", tmp_path / "copy")
    told = json.loads(again[-1].read_text())["earlier"]
    others = ["DROCO", "DROCO, shuffled"]
    assert [each["arms"] for each in told] == [earlier["arms"], others]
    assert [each["date"] for each in told] == [before["date"], after["date"]]


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_a_study_goes_on_without_its_card_and_back(tmp_path, first):
    study = replace(STUDY, arms=("IQL*", "cloning, target"))
    assert matrix.work(study, tmp_path / "jobs", stacked=first, say=lambda line: None)
    assert matrix.work(study, tmp_path / "jobs", stacked=not first, say=pytest.fail) == 0
    for stacked in (True, False):
        assert set(matrix.progress(study, tmp_path / "jobs", stacked)["state"]) == {"done"}
    for _ in range(2):  # what was collected is not taken for new work
        matrix.collect(study, tmp_path / "jobs", tmp_path / "tables")
        table = matrix.read_table(tmp_path / "tables", "hopper-medium")
        assert not table.duplicated(["label", "seed", "shift", "attack"]).any()
        assert set(table["label"]) == set(study.arms)
    about = json.loads((tmp_path / "tables" / "hopper-medium.json").read_text())
    assert about["earlier"] == []


def test_one_arm_that_diverges_does_not_end_the_study(tmp_path):
    wild = {**STUDY.settings["IQL*"], "learning_rate": 1e30}
    study = replace(
        STUDY, arms=("IQL*", "cloning, target"), settings={**STUDY.settings, "IQL*": wild}
    )
    for _ in range(2):  # nor does it the second time, when it is not tried again
        with pytest.raises(
            TrainingError, match=r"1 of 2 jobs .*hopper-medium, IQL\*: .*step"
        ) as told:
            matrix.work(study, tmp_path, say=lambda line: None)
        assert "failed.json" in str(told.value) and "move its folder away" in str(told.value)
    states = matrix.progress(study, tmp_path).set_index("arms")["state"]
    assert states.to_dict() == {"IQL*": "failed", "cloning, target": "done"}
    matrix.collect(study, tmp_path, tmp_path / "tables")
    assert set(matrix.read_table(tmp_path / "tables", "hopper-medium")["label"]) == {
        "cloning, target"
    }


def test_a_record_keeps_the_settings_that_an_arm_was_made_with(whole, tmp_path):
    study, tables = replace(STUDY, arms=("IQL*",)), tmp_path / "tables"
    record = matrix.collect(study, whole[0], tables)[-1]
    about = json.loads(record.read_text())
    del about["arms"]["IQL*"]["max_weight"]  # as if this setting had come since
    files.write_json(record, about, checksum=True)
    matrix.finish_from_tables(study, tmp_path / "new", tables)
    later = matrix.collect(study, tmp_path / "new", tmp_path / "later")[-1]
    assert json.loads(later.read_text())["arms"] == about["arms"]


def test_tables_of_other_settings_are_not_gone_on_from(whole, tmp_path):
    other = replace(STUDY, settings={**STUDY.settings, "IQL*": {**SMALL, "polyak": 0.9}})
    with pytest.raises(ValueError, match=r"hopper-medium.json: settings.IQL\*.polyak is 0.005"):
        matrix.finish_from_tables(other, tmp_path, whole[0] / "tables")


@pytest.mark.slow
def test_two_ray_workers_share_the_jobs(whole, tmp_path):
    ray = pytest.importorskip("ray", reason="needs the extra 'cluster'")
    arms = ("IQL*", "cloning, target")
    study = replace(STUDY, arms=arms)
    try:
        assert matrix.work_on_ray(study, tmp_path, workers=2) == 2
    finally:
        ray.shutdown()  # its processes would work on beside the other tests
    matrix.collect(study, tmp_path, tmp_path)
    table = matrix.read_table(tmp_path, "hopper-medium")
    expected = whole[1][whole[1]["label"].isin(arms)].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, expected, rtol=1e-3)


def test_a_job_that_somebody_holds_is_left_alone(tmp_path):
    jobs = STUDY.jobs()
    with files.claimed(tmp_path / jobs[0].name) as mine:
        assert mine
        with files.claimed(tmp_path / jobs[0].name) as second:
            assert not second
        only = replace(STUDY, arms=("IQL*",))
        assert matrix.work(only, tmp_path, say=pytest.fail) == 0


def test_the_study_survives_its_file(tmp_path):
    STUDY.write(tmp_path / "study.yaml")
    again = Study.read(tmp_path / "study.yaml")
    assert [run for label in again.arms for run in again.runs(label)] == [
        run for label in STUDY.arms for run in STUDY.runs(label)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: 30", "'tasks' is missing"),
        ("tasks: [hopper-medium]\nsteps: 300000\nseed: 1", "unknown key 'seed'"),
        ("tasks: [hopper-medium]\nsteps: 300000\narms: [SAC]", "'SAC' is none of"),
        ("tasks: [hopper]\nsteps: 300000", "'hopper' is not ROBOT-QUALITY"),
        ("tasks: [hopper-medium]\nsteps: 300000\nseeds: [1, 1]", "none of them twice"),
        ("tasks: [hopper-medium]\nsteps: 25000", "multiple of evaluation.every"),
        ('tasks: [hopper-medium]\nsteps: 300000\narms: ["DROCO, shuffled"]', "add that"),
        (
            "tasks: [hopper-medium]\nsteps: 300000\nsettings: {DROCO: {betta: 1}}",
            "unknown key 'betta'",
        ),
        ("tasks: [hopper-medium]\nsteps: 300000\ndata: {more_shifts: gravity}", "list of shifts"),
        ("tasks: [hopper-medium]\nsteps: 300000\ndata: {more_shifts: [up]}", "data: more_shifts: "),
        ("- a list", "holds no keys"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        Study.read(path)
    assert "study.yaml" in str(error.value)


def test_a_missing_table_says_what_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="study run"):
        matrix.read_table(tmp_path, "hopper-medium")


def test_a_study_may_have_arms_of_its_own_in_its_own_order(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "tasks: [hopper-medium]\nsteps: 30000\narms: ['DROCO, β = 0.1', DROCO, 'IQL*']\n"
        "settings: {'DROCO, β = 0.1': {method: droco, beta: 0.1}}"
    )
    study = Study.read(path)
    folders = [job.name for job in study.jobs()]
    assert folders == [f"hopper-medium/{x}" for x in ("droco-beta-0.1", "droco", "iql")]
    assert [study.runs(label)[0].beta for label in study.arms[:2]] == [0.1, 1.0]
    assert sorted(study.arms, key=matrix.place) == ["IQL*", "DROCO", "DROCO, β = 0.1"]


def test_curves_of_what_is_under_way_are_collected_too(whole, tmp_path):
    root = tmp_path / "matrix"
    shutil.copytree(whole[0], root)
    for late in (root / "hopper-medium" / "droco+droco-shuffled").glob("shifts-30.csv"):
        late.unlink()
    matrix.collect(STUDY, root, root / "so far")
    assert "DROCO" not in set(matrix.read_table(root / "so far", "hopper-medium")["label"])
    curves = pd.read_csv(root / "so far" / "hopper-medium-curves.csv")
    assert set(curves["label"]) == set(STUDY.arms)
    assert curves.loc[curves["label"] == "DROCO", list(matrix.LOGGED)].notna().all(axis=None)


def test_every_task_and_arm_has_a_file_name_of_its_own():
    names = [file_name(label) for label in ARMS]
    assert len(set(names)) == len(names)
    assert file_name("hopper-medium@gravity-up-0.5") == "hopper-medium--gravity-up-0.5"


@pytest.mark.slow
def test_compare_trains_resumes_and_prints_one_table(tmp_path):
    command = (
        f"compare hopper-medium --methods IQL*;cloning,\\ target --seeds 1 --steps 6 "
        f"--source-size 600 --target-size 300 --episodes 1 --out {tmp_path}"
    ).replace("\\ ", "\0")
    words = [word.replace("\0", " ") for word in command.split(" ")]
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.output
    assert "cloning, target" in first.output
    table = (tmp_path / "hopper-medium.csv").read_bytes()
    second = CliRunner().invoke(app, words)
    assert second.exit_code == 0, second.output
    assert "shifts" not in second.output  # nothing was done again
    assert (tmp_path / "hopper-medium.csv").read_bytes() == table
    other = CliRunner().invoke(app, [*words[:-4], "--episodes", "2", "--out", str(tmp_path)])
    assert other.exit_code != 0
    assert "evaluation" in other.output


def test_arms_of_equal_seeds_share_a_loop_on_a_card():
    labels = ("IQL*", "IQL, target", "cloning, target", "cloning, both")
    more = {"IQL, target": (7, 8), "cloning, both": (7, 8)}
    study = replace(STUDY, arms=labels, more_seeds=more)
    assert {job.labels for job in study.jobs(stacked=True)} == {
        labels[:1] + labels[2:3],
        labels[1::2],
    }


@pytest.mark.slow
def test_an_arm_may_have_further_seeds_and_many_last_episodes(tmp_path):
    study = replace(
        STUDY, arms=("IQL*", "cloning, target"), more_seeds={"IQL*": (7,)},
        evaluation=replace(STUDY.evaluation, final_episodes=5, attacks=()),
    )  # fmt: skip
    matrix.work(study, tmp_path, say=lambda line: None)
    matrix.collect(study, tmp_path, tmp_path / "tables")
    table = matrix.read_table(tmp_path / "tables", "hopper-medium")
    seeds = table.groupby("label")["seed"].unique().map(sorted).to_dict()
    assert seeds == {"IQL*": [0, 1, 7], "cloning, target": [0, 1]}
    clean = table["shift"] == "nominal"
    assert (table.loc[clean, "episodes"] == 5).all() and (table.loc[~clean, "episodes"] == 2).all()
    assert (table.loc[clean, "checkpoints"] == 1).all()
    copied = tmp_path / "another machine"
    matrix.finish_from_tables(study, copied, tmp_path / "tables")
    assert matrix.work(study, copied, say=pytest.fail) == 0
    with pytest.raises(ValueError, match="more_seeds: 'DROCO' is no arm"):
        replace(study, more_seeds={"DROCO": (7,)})
    with pytest.raises(ValueError, match=r"IQL\*: give at least one seed, none of them twice"):
        replace(study, more_seeds={"IQL*": (0,)})
