"""From two files of one's own to an exported policy by commands, with no simulator."""

import re

import h5py
import onnxruntime
import pytest
import yaml
from typer.testing import CliRunner

from droco_lite import cli
from droco_lite.data.transitions import concatenate
from droco_lite.training.experiment import Experiment
from droco_lite.training.export import restore
from tests.agents.toy import transitions

ONE = ("--steps", "2", "--set", "hidden=8", "--set", "batch_size=8", "--set", "ensemble_epochs=1")
KEYS = {"terminals": "terminations", "timeouts": "truncations"}
KEYS |= {key: key for key in ("observations", "actions", "rewards", "next_observations")}


def write(path, rows):
    with h5py.File(path, "w") as file:
        for key, name in KEYS.items():
            file[key] = getattr(rows, name)


def run(*words):
    result = CliRunner().invoke(cli.app, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with source, target, and target rows that were laid aside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    for name, (count, seed) in {"worn": (300, 0), "whole": (90, 1), "aside": (60, 2)}.items():
        write(f"{name}.hdf5", transitions(count, seed))
    return tmp_path


OWN = ("train", "--source", "worn.hdf5", "--target", "whole.hdf5")


def test_two_files_become_a_policy_and_what_was_laid_aside_ranks_it(place):
    trained = run(*OWN, "--beta", "0", "--beta", "1", *ONE, "--target-size", "80", "--out", "run")
    assert trained.exit_code == 0, trained.output
    assert "droco-lite export run" in trained.stdout and "v_target" in trained.stdout
    said = yaml.safe_load((place / "run/experiment.yaml").read_text())["task"]
    assert said == {"source": "worn.hdf5", "target": "whole.hdf5", "target_size": 80, "seed": 0}
    data = Experiment.read("run/experiment.yaml").data()
    assert (len(data.source), len(data.target), data.task.robot) == (300, 80, None)

    assert run("export", "run", "--run", "1").exit_code == 0
    policy = onnxruntime.InferenceSession("run/policy1.onnx")
    rows = transitions(3, 5).observations
    assert policy.run(None, {"observations": rows})[0].shape == (3, 2)

    missing = run("select", "run")
    assert missing.exit_code == 1 and "--held-out-data is missing" in missing.stderr
    seen = run("select", "run", "--held-out-data", "./whole.hdf5")
    assert seen.exit_code == 1 and "whole.hdf5 is one of the training's own sets" in seen.stderr
    ranked = run("select", "run", "--held-out-data", "aside.hdf5", "--iterations", "1")
    assert ranked.exit_code == 0, ranked.output
    assert re.search(r"prefers beta [01]\.0, seed 0", ranked.stdout)


def test_a_folder_stands_for_a_file_and_the_same_command_goes_on(place):
    transitions(300, 0).save(place / "worn")
    words = ("train", "--source", "worn", "--target", "whole.hdf5", "--method", "iql", *ONE[:-2])
    first = run(*words, "--stop-after", "1")
    assert first.exit_code == 0, first.output
    (folder,) = (place / "runs").iterdir()
    assert folder.name.startswith("whole-iql-")
    assert run(*words).exit_code == 0 and len(list((place / "runs").iterdir())) == 1


@pytest.mark.parametrize("name", ["worn", "whole"])
@pytest.mark.parametrize(
    ("key", "spoil", "said"),
    [
        ("rewards", lambda a: a * float("nan"), "rewards holds nan at row 0"),
        ("actions", lambda a: 30 * a, "actions holds"),
        ("actions", lambda a: a[:, :1], "worn.hdf5: actions has"),
        ("next_observations", lambda a: a[:5], "next_observations has 5 rows"),
        ("rewards", None, "no rewards; the file holds"),
    ],
)
def test_bad_rows_are_refused_by_file_and_key_before_anything_trains(place, name, key, spoil, said):
    with h5py.File(f"{name}.hdf5", "a") as file:
        rows = file.pop(key)[:] if spoil is None else spoil(file.pop(key)[:])
        if spoil is not None:
            file[key] = rows
    refused = run(*OWN, *ONE, "--out", "run")
    assert refused.exit_code == 1
    assert f"{name}.hdf5" in refused.stderr and said in refused.stderr
    assert not (place / "run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--source", "worn.hdf5"), "--target is missing"),
        (("--target", "whole.hdf5"), "--source is missing"),
        ((*OWN[1:], "--robot", "hopper"), "whole.hdf5: hopper has 11 observation"),
        ((*OWN[1:], "--robot", "hoper"), "'hoper' is not one of"),
        ((*OWN[1:], "--source-size", "301"), "worn.hdf5: holds 300 rows"),
        (("--source", "wrn.hdf5", *OWN[3:]), "wrn.hdf5: no such file"),
        (("--source", "recordings", *OWN[3:]), "recordings: no such file or folder"),
        (("hopper-medium", "--robot", "hopper"), "--robot belongs to --source"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(place, words, said):
    refused = run("train", *words, *ONE, "--out", "run")
    assert refused.exit_code == 1 and said in refused.stderr, refused.output
    assert "Traceback" not in refused.stderr and not (place / "run").exists()


@pytest.mark.parametrize(
    "words", [(), ("hopper-medium", *OWN[1:]), ("--config", "one.yaml", *OWN[1:])]
)
def test_data_come_from_one_place(place, words):
    refused = run("train", *words)
    assert refused.exit_code == 2 and "--source DATA and --target DATA" in refused.stderr


def test_what_a_file_decides_is_not_taken_from_the_command_line(place):
    refused = run("train", "--config", "one.yaml", "--source-size", "3", "--data-seed", "4")
    assert refused.exit_code == 1
    assert "--data-seed, --source-size: write it into the file" in refused.stderr


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("{source: worn.hdf5}", "task: the key 'target' is missing"),
        ("{source: worn.hdf5, target: 3}", "task: target: name a file"),
        ("{source: worn.hdf5, target: whole.hdf5, name: hopper-medium}", "not both"),
        ("{source: worn.hdf5, target: whole.hdf5, robt: hopper}", "unknown key 'robt'"),
        ("{source: worn.hdf5, target: whole.hdf5, target_size: 0}", "target_size must be at least"),
        ("{source: worn.hdf5, target: whole.hdf5, source_size: many}", "must be a number"),
    ],
)
def test_a_wrong_task_of_a_file_is_refused_by_key(place, task, said):
    (place / "one.yaml").write_text(f"task: {task}\nmethod: iql\nruns: [{{steps: 2}}]\n")
    with pytest.raises(ValueError, match=f"one.yaml: .*{said}"):
        Experiment.read("one.yaml")


def test_one_target_file_is_enough_to_rank_policies(place):
    """`train --hold-out` lays rows aside that the training does not see, `select` finds them."""
    words = (*OWN, "--beta", "0", "--beta", "1", *ONE, "--hold-out", "0.2", "--out", "run")
    trained = run(*words)
    assert trained.exit_code == 0, trained.output
    assert "droco-lite select run\n" in trained.stdout
    data = Experiment.read("run/experiment.yaml").data()
    whole = transitions(90, 1)
    assert len(data.target) + len(data.held_out) == 90 and len(data.held_out) >= 18
    both = concatenate([data.target, data.held_out]).observations
    assert sorted(map(tuple, both)) == sorted(map(tuple, whole.observations))
    seen = {tuple(row) for row in data.target.observations}
    assert not any(tuple(row) in seen for row in data.held_out.observations)
    assert trained_rows("run") == len(data.target)

    ranked = run("select", "run", "--iterations", "1")
    assert ranked.exit_code == 0, ranked.output
    assert "prefers beta" in ranked.stdout
    own = run("select", "run", "--held-out-data", str(place / "whole.hdf5"))
    assert own.exit_code == 1 and "is one of the training's own sets" in own.stderr
    write("whole.hdf5", transitions(90, 7))
    changed = run("select", "run", "--iterations", "1")
    assert changed.exit_code == 1 and "whole.hdf5: the rows are not those" in changed.stderr


def trained_rows(folder):
    """How many target rows a training read."""
    return restore(folder)[1].target["rows"]


def test_a_training_without_a_simulator_is_plotted_by_its_values(place):
    assert run(*OWN, *ONE, "--evaluate-every", "1", "--out", "run").exit_code == 0
    done = run("plot", "run", "--to", "c.svg")
    assert done.exit_code == 0, done.output
    assert "no return was measured, so v_source is drawn" in done.stdout
    assert "v source" in (place / "c.svg").read_text()
    assert run("plot", "run", "--to", "c.html").exit_code == 0
    wrong = run("plot", "run", "--column", "return_mean")
    assert wrong.exit_code == 1 and "no return was measured" in wrong.stderr
    assert "they hold" in wrong.stderr and "v_source" in wrong.stderr
    assert "expectile" not in wrong.stderr  # a setting is nothing to draw


def test_a_method_without_v_is_plotted_by_q(place):
    small = tuple(x if x != "ensemble_epochs=1" else "steps=2" for x in ONE[:-2])
    trained = run(*OWN, "--method", "cql", *small, "--out", "run")
    assert trained.exit_code == 0, trained.output
    done = run("plot", "run", "--to", "c.svg")
    assert done.exit_code == 0 and "so q_source is drawn" in done.stdout, done.output


@pytest.mark.parametrize("share", ["0.6", "1", "-0.1", "nan"])
def test_a_share_that_cannot_be_laid_aside_is_refused(place, share):
    refused = run(*OWN, *ONE, "--hold-out", share, "--out", "run")
    assert refused.exit_code == 1 and "hold_out must be a share" in refused.stderr
    assert not (place / "run").exists()


def test_a_task_lays_no_rows_aside(place):
    refused = run("train", "hopper-medium", *ONE, "--hold-out", "0.1")
    assert refused.exit_code == 1 and "--hold-out belongs to --source" in refused.stderr
