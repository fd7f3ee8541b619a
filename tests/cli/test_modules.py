"""Commands that are run as modules: every option says what it is, robot files go anywhere."""

import argparse
import importlib

import pytest

from droco_lite.robots import ROBOTS, unregister_robot

MODULES = ("training.online", "live.release", "live.export", "live.clips", "live.short_runs")
ROBOT = '''
import numpy as np
from droco_lite.robots import register_robot
XML = """<mujoco><worldbody><body><joint name="hinge" axis="0 1 0"/>
<geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.05"/></body></worldbody>
<actuator><motor joint="hinge" ctrlrange="-1 1"/></actuator></mujoco>"""
register_robot("rod", XML, observation=lambda s: np.concatenate([s.qpos, s.qvel], axis=1),
               reward=lambda s, a, after: np.cos(after.qpos[:, 0]))
'''


class Asked(Exception):
    """Raised in place of reading the command line, with its parser."""


@pytest.fixture
def parser(monkeypatch):
    """name of a module -> the parser of its command."""

    def keep(self, *arguments):
        raise Asked(self)

    def of(name):
        module = importlib.import_module(f"droco_lite.{name}")
        with monkeypatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "parse_args", keep)
            with pytest.raises(Asked) as caught:
                module.main()
        return caught.value.args[0]

    return of


def options(parser):
    """Every option of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from options(inner)
        else:
            yield action


@pytest.mark.parametrize("name", MODULES)
def test_every_option_says_what_it_is(name, parser):
    bare = [a.dest for a in options(parser(name)) if len((a.help or "").split("(")[0]) < 8]
    assert bare == []
    parser(name).format_help()  # no stray % in a text


@pytest.fixture
def rod(tmp_path, monkeypatch):
    monkeypatch.setenv("DROCO_LITE_ROBOT_FILES", "")
    path = tmp_path / "rod.py"
    path.write_text(ROBOT)
    yield str(path)
    if "rod" in ROBOTS:
        unregister_robot("rod")


@pytest.mark.parametrize(
    "words",
    [
        "--robot-file {} train --robot rod --steps 1",
        "train --robot rod --steps 1 --robot-file {}",
        "release --robot-file {} --robot rod",
    ],
)
def test_a_robot_file_may_stand_before_and_after_the_command(words, rod, parser):
    read = parser("training.online").parse_args(words.format(rod).split())
    assert read.robot == "rod" and "rod" in ROBOTS and not hasattr(read, "robot_file")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("live.release", "study.yaml"),
        ("live.export", "folder"),
        ("live.clips", "rod folder"),
        ("live.short_runs", "rod"),
    ],
)
def test_every_command_of_the_lab_takes_a_robot_file(name, words, rod, parser):
    parser(name).parse_args([*words.split(), "--robot-file", rod])
    assert "rod" in ROBOTS


def test_a_robot_file_that_fails_is_the_command_line_s_error(tmp_path, parser, capsys):
    with pytest.raises(SystemExit):
        parser("training.online").parse_args(["--robot-file", str(tmp_path / "none.py"), "train"])
    assert "--robot-file: robot file:" in capsys.readouterr().err
