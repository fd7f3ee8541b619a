"""Experiment files, and the commands that run and export them."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from droco_lite.agents import DROCOSettings
from droco_lite.cli import app
from droco_lite.training import CheckpointError, LoopSettings, experiment, train
from droco_lite.training.experiment import Experiment, default_folder
from droco_lite.training.export import export_policy, restore
from tests.agents.toy import transitions

FILE = """
task: {name: halfcheetah-medium, source_size: 300, target_size: 60}
method: droco
shared: {steps: 20, hidden: 16, ensemble_epochs: 1, members: 2, batch_size: 8}
runs:
  - {label: plain, beta: 0.0, delta: .inf}
  - {label: robust, beta: 1.0}
seeds: [3, 5]
loop: {evaluate_every: 10, save_every: 10, episodes: 0, device: cpu}
"""
TOML = """
method = "droco"
seeds = [3, 5]
task = {name = "halfcheetah-medium", source_size = 300, target_size = 60}
shared = {steps = 20, hidden = 16, ensemble_epochs = 1, members = 2, batch_size = 8}
runs = [{label = "plain", beta = 0.0, delta = inf}, {label = "robust", beta = 1.0}]
loop = {evaluate_every = 10, save_every = 10, episodes = 0, device = "cpu"}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture(autouse=True)
def toy_data(monkeypatch):
    """The commands' data, without a simulator."""

    def make_task(name, **options):
        sizes = options["source_size"], options["target_size"]
        source, target = transitions(sizes[0], 0, 0.3), transitions(sizes[1], 1)
        return SimpleNamespace(source=source, target=target, task=SimpleNamespace(robot=None))

    monkeypatch.setattr(experiment, "make_task", make_task)


def test_yaml_and_toml_say_the_same(file, tmp_path):
    one = Experiment.read(file)
    (tmp_path / "experiment.toml").write_text(TOML)
    assert one == Experiment.read(tmp_path / "experiment.toml")
    assert [run.seed for run in one.runs] == [3, 3, 5, 5]
    assert one.runs[2].label == "plain" and one.runs[2].delta == float("inf")


def test_written_and_read_again_is_the_same(file, tmp_path):
    one = Experiment.read(file)
    one.write(tmp_path / "again.yaml")
    assert Experiment.read(tmp_path / "again.yaml") == one
    assert default_folder(one) == default_folder(Experiment.read(tmp_path / "again.yaml"))
    assert default_folder(one) != default_folder(one.with_seeds([0]))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("beta: 1.0", "beta: -1", "runs: beta must be at least 0"),
        ("label: robust", "lable: robust", "unknown key 'lable'"),
        ("method: droco", "method: drocco", "method 'drocco' is none of"),
        ("runs:", "rnus:", "unknown key 'rnus'"),
        ("name: halfcheetah-medium, ", "", "task.name"),
        ("seeds: [3, 5]", "seeds: [[", "cannot be read"),
        ("device: cpu", "mode: fast", "yaml: loop: mode must be one of"),
    ],
)
def test_mistakes_name_the_file_and_the_key(file, old, new, message):
    file.write_text(FILE.replace(old, new))
    with pytest.raises(ValueError, match=message) as caught:
        Experiment.read(file)
    assert "experiment.yaml" in str(caught.value)


def test_command_trains_copies_its_results_and_goes_on(file, tmp_path):
    out, results = tmp_path / "out", tmp_path / "results" / "curve"
    command = ["train", "--config", str(file), "--out", str(out), "--results", str(results)]
    first = CliRunner().invoke(app, [*command, "--stop-after", "10"])
    assert first.exit_code == 0, first.output
    second = CliRunner().invoke(app, command)
    assert second.exit_code == 0, second.output
    curve = pd.read_csv(results.with_suffix(".csv"))
    assert sorted(set(curve.step)) == [10, 20] and len(curve) == 8
    facts = json.loads(results.with_suffix(".json").read_text())
    assert facts["rows"] == {"source": 300, "target": 60} and facts["experiment"]["runs"]
    assert {"command", "commit", "versions", "wall_time_seconds", "device"} <= set(facts)
    assert Experiment.read(out / "experiment.yaml") == Experiment.read(file)


def test_a_refused_training_changes_nothing(file, tmp_path):
    out = tmp_path / "out"
    command = ["train", "--config", str(file), "--out", str(out)]
    assert CliRunner().invoke(app, command).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    file.write_text(FILE.replace("beta: 1.0", "beta: 2.0"))
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 1 and "beta: 1.0 in the checkpoint" in refused.output
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_task_that_is_none_makes_no_folder(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    refused = CliRunner().invoke(app, ["train", "../../x", "--tensorboard", "--steps", "1"])
    assert refused.exit_code == 1 and "'../../x'" in refused.output
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["a", "b"]


def test_command_line_grid(tmp_path):
    command = ["train", "halfcheetah-medium", "--beta", "0.1", "--beta", "1", "--delta", "30"]
    sizes = ["--source-size", "300", "--target-size", "60", "--steps", "2", "--seeds", "2"]
    result = CliRunner().invoke(app, [*command, *sizes, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    runs = Experiment.read(tmp_path / "experiment.yaml").runs
    assert [(r.beta, r.delta, r.seed) for r in runs] == [
        (0.1, 30.0, 0), (1.0, 30.0, 0), (0.1, 30.0, 1), (1.0, 30.0, 1)
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [[], ["hopper-medium", "--method", "drocco"]])
def test_command_says_what_is_missing(arguments):
    result = CliRunner().invoke(app, ["train", *arguments])
    assert result.exit_code != 0


@pytest.fixture
def trained(tmp_path):
    runs = [
        DROCOSettings(hidden=16, steps=20, ensemble_epochs=1, members=2, seed=s) for s in (0, 1)
    ]
    loop = LoopSettings(device="cpu", evaluate_every=10)
    result = train(runs, transitions(300, 0, 0.3), transitions(60, 1), loop=loop, out=tmp_path)
    return tmp_path, result


def test_restored_agent_is_the_trained_one(trained):
    folder, result = trained
    agent, facts = restore(folder)
    assert facts.step == 20
    for mine, theirs in zip(agent.networks.weights, result.agent.networks.weights, strict=True):
        assert torch.equal(mine, theirs)


def test_export_names_what_is_missing(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        restore(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds runs 0 to 1"):
        export_policy(trained[0], run=7)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot read"):
        restore(tmp_path)
