"""Every command takes a robot of the user's own from a file."""

import json
import os

import click
import pytest
import typer
from typer.testing import CliRunner

from droco_lite import cli
from droco_lite.robots import ROBOTS, unregister_robot
from droco_lite.robots.robot_file import ROBOT_FILES, _loaded
from tests.data.test_contacts import FILE as WIDE
from tests.robots.test_robot_file import FILE, XML

# Every run is one update of a small network: what is tested is the way through the commands.
SMALL = (
    "--steps", "10", "--source-size", "300", "--target-size", "200", "--evaluate-every", "10",
    "--set", "hidden=16", "--set", "batch_size=16", "--set", "ensemble_epochs=1",
    "--set", "episodes=2",
)  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("DROCO_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(ROBOT_FILES, "")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pendulum.xml").write_text(XML)
    (tmp_path / "robot.py").write_text(FILE)
    yield tmp_path
    forget()


def forget():
    """As in a new process."""
    for name in [name for name in ROBOTS if ROBOTS[name].own]:
        unregister_robot(name)
    _loaded.clear()
    os.environ[ROBOT_FILES] = ""


def run(*arguments, file="robot.py"):
    forget()
    result = CliRunner().invoke(cli.app, [*arguments, "--robot-file", file])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def commands(command, name=()):
    if isinstance(command, click.Group) or hasattr(command, "commands"):
        for key, child in command.commands.items():
            yield from commands(child, (*name, key))
    else:
        yield " ".join(name), command


def test_no_command_is_without_the_option():
    found = dict(commands(typer.main.get_command(cli.app)))
    assert len(found) > 12
    for name, command in found.items():
        assert any("--robot-file" in parameter.opts for parameter in command.params), name


def test_data_commands(place):
    assert "pendulum-medium " in run("data", "list").stdout
    made = run("data", "make", "pendulum-medium", "--source-size", "300", "--target-size", "100")
    assert made.exit_code == 0, made.output
    assert "by its own references" in made.stdout
    name = "droco-lite/pendulum/nominal-medium-100-seed0-v0"
    assert "pendulum" in run("data", "info", name).stdout
    sizes = ("--target-size", "200", "--source-size", "400")
    efforts = ("--episodes", "2", "--clone-steps", "20", "--ensemble-epochs", "2")
    gate = run("data", "gate", "pendulum-medium", *sizes, *efforts)
    assert gate.exit_code == 0 and "clone of the target data" in gate.stdout


@pytest.mark.slow
def test_from_training_to_an_exported_policy(place):
    trained = run("train", "pendulum-medium", "--beta", "0", "--beta", "1", "--out", "run", *SMALL)
    assert trained.exit_code == 0, trained.output
    table = json.loads(
        run("evaluate", "run", "--family", "kinematic", "--episodes", "2", "--json").stdout
    )
    assert {row["shift"] for row in table} >= {"nominal", "kinematic-range-hard"}
    assert run("export", "run").exit_code == 0
    film = run("watch", "run", "--shift", "gravity-up-0.2", "--seconds", "0.5", "--to", "clip.webp")
    assert film.exit_code == 0, film.output
    assert (place / "clip.webp").stat().st_size > 500
    chosen = run("select", "run", "--iterations", "2", "--episodes", "2")
    assert chosen.exit_code == 0, chosen.output


def compare(*options):
    """A tiny comparison of the own robot, in the folder ``out``."""
    sizes = SMALL[: SMALL.index("--set")][2:-2]
    small = ("--steps", "10", *sizes, "--episodes", "1", "--out", "out")
    done = run("compare", "pendulum-medium", *options, *small)
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.slow
def test_a_comparison_in_worker_processes(place):
    done = compare("--methods", "cloning, both", "--seeds", "1", "--workers", "2")
    assert "cloning, both" in done.stdout


@pytest.mark.slow
def test_a_comparison_and_its_report(place):
    compare("--methods", "IQL*;DROCO", "--seeds", "3")
    told = run("report", "--results", "out", "--out", "told")
    assert told.exit_code == 0, told.output
    assert "IQL*" in (place / "told" / "improvement.txt").read_text()


@pytest.mark.parametrize(
    "file, says",
    [
        ("nowhere.py", "nowhere.py does not exist"),
        ("pendulum.xml", "should be a Python file (.py)"),
    ],
)
def test_a_wrong_file_is_one_message(place, file, says):
    result = run("data", "list", file=file)
    assert result.exit_code == 1 and says in result.stderr.replace("\n", "")
    assert "Traceback" not in result.stderr


def test_without_the_option_the_message_names_it(place):
    forget()
    result = CliRunner().invoke(cli.app, ["train", "pendulum-medium"])
    assert result.exit_code == 1 and "--robot-file FILE" in result.stderr.replace("\n", "")


def test_a_robot_with_as_many_columns_as_ant_with_contact_forces(place):
    (place / "wide.py").write_text(WIDE.replace("COLUMNS", "105"))
    sizes = ("--source-size", "60", "--target-size", "40")
    made = run("data", "make", "wide-medium", *sizes, file="wide.py")
    assert made.exit_code == 0, made.output
    name = "droco-lite/wide/nominal-medium-40-seed0-v0"
    assert "105 observation" in run("data", "info", name, file="wide.py").stdout
    trained = run("train", "wide-medium", "--beta", "0", "--out", "run", *SMALL, file="wide.py")
    assert trained.exit_code == 0, trained.output


def test_the_gates_of_all_tasks_know_it(place, monkeypatch):
    asked = []

    def refused(task, seed):
        asked.append(str(task))
        raise FileNotFoundError("no policy")

    monkeypatch.setattr("droco_lite.agents.gates.all_gates", refused)
    assert run("data", "gates", "gates").exit_code == 0
    assert {"pendulum-medium", "pendulum-medium-tuned", "hopper-medium"} <= set(asked)
