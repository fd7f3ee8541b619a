"""The recipes of CONTRIBUTING.md do what they say: their own text is run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import droco_lite
from droco_lite.evaluation import grid
from droco_lite.robots import SHIFTS, Shift, environment_id, families, make_model, registry

TEXT = Path(__file__).parents[2] / "CONTRIBUTING.md"


def block(heading, language="python"):
    """The first block of code under a heading."""
    if not TEXT.exists():
        pytest.skip("no checkout")
    part = re.split(r"^#+ ", TEXT.read_text(encoding="utf-8"), flags=re.M)
    (section,) = [text for text in part if text.startswith(f"{heading}\n")]
    return re.search(rf"```{language}\n(.*?)```", section, re.S)[1]


CHECK = """
import gymnasium
import numpy as np
from droco_lite.data import TASKS, Task
from droco_lite.evaluation import grid
from droco_lite.robots import ROBOTS, BatchedRobot, make_model, render

assert list(ROBOTS)[-1] == "swimmer"
env, rows = gymnasium.make("Swimmer-v5"), BatchedRobot("swimmer", ["nominal"], [3], dtype=float)
np.testing.assert_array_equal(env.reset(seed=3)[0], rows.observations()[0])
ours = gymnasium.make("droco_lite/SwimmerKinematic-v0", strength=0.0)
ours.reset(seed=3)
rng = np.random.default_rng(0)
for _ in range(100):
    action = rng.uniform(-1, 1, 2).astype(np.float32)
    observation, reward, *_ = env.step(action)
    batch, rewards, *_ = rows.step(action[None])
    np.testing.assert_array_equal(observation, batch[0])
    assert reward == rewards[0]
    np.testing.assert_array_equal(ours.step(action)[0], observation)
hard, nominal = make_model("swimmer", "kinematic-frontjnt-hard"), make_model("swimmer")
np.testing.assert_allclose(hard.joint("motor1_rot").range, 0.2 * nominal.joint("motor1_rot").range)
assert Task.parse("swimmer-medium") in TASKS
assert len(grid("swimmer")) == 1 + 3 * (1 + 2 + 2)
assert render("swimmer", width=64, height=48).std() > 1
"""


def linked(source, to, apart):
    """The package with every entry linked but those on the way to ``apart``, which are copied."""
    to.mkdir()
    for entry in source.iterdir():
        if entry.name != apart[0]:
            (to / entry.name).symlink_to(entry)
        elif len(apart) > 1:
            linked(entry, to / entry.name, apart[1:])
        else:
            shutil.copytree(entry, to / entry.name, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.mark.slow
def test_a_robot_of_the_package_is_one_file(tmp_path):
    linked(Path(droco_lite.__file__).parent, tmp_path / "droco_lite", ("robots", "models"))
    (tmp_path / "droco_lite/robots/models/swimmer.py").write_text(block("Add a robot"))
    done = subprocess.run(
        [sys.executable, "-c", CHECK], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "MUJOCO_GL": "off"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "swimmer" not in registry.ROBOTS


def test_a_family_of_shifts_is_one_entry():
    before = dict(families.FAMILIES)
    try:
        exec(block("Add a shift"), {**vars(families)})
        for robot in registry.ROBOTS:
            assert SHIFTS[robot]["damping"] == ["up"]
            hard, nominal = make_model(robot, "damping-up-hard"), make_model(robot)
            np.testing.assert_allclose(hard.dof_damping, 5 * nominal.dof_damping)
            assert Shift("damping", "up", 1.0) in grid(robot)
        assert environment_id("hopper", "damping") == "droco_lite/HopperDamping-v0"
        assert str(Shift.parse("damping-up-0.5")) == "damping-up-0.5"
    finally:
        families.FAMILIES.clear()
        families.FAMILIES.update(before)
    with pytest.raises(ValueError, match="cannot read 'damping-up-hard'"):
        Shift.parse("damping-up-hard")
