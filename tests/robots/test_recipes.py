"""The recipes of CONTRIBUTING.md do what they say: their own text is run."""

import re
from dataclasses import replace

import numpy as np
import pytest

from droco_lite.data import Task
from droco_lite.evaluation import grid
from droco_lite.robots import (
    SHIFTS,
    Shift,
    environment_id,
    families,
    make_model,
    register_robot,
    registry,
    unregister_robot,
)
from tests import recipes
from tests.recipes import block

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

#: The policies that a robot of the lab needs, without their training.
POLICIES = """
import sys
import torch
from droco_lite import files
from droco_lite.data.behaviour import POLICIES, read_card
card = read_card(POLICIES / "hopper-nominal-medium.json")
for shift in ("nominal", "kinematic-frontjnt-hard"):
    path = POLICIES / f"swimmer-{shift}-medium.safetensors"
    files.save_tensors(path, {"weight.0": torch.zeros(1, 8, 2), "bias.0": torch.zeros(1, 1, 2)})
    about = {"robot": "swimmer", "shift": shift, "observation_size": 8, "action_size": 2}
    about |= {"hidden": [], "sha256": files.digest(path)}
    files.write_json(path.with_suffix(".json"), card | about)
"""

IN_THE_LAB = """
import json
from pathlib import Path
from droco_lite.live import clips
from droco_lite.live.export import LAB_ROBOTS, write_scripts

assert LAB_ROBOTS[-1] == "swimmer"
(path,) = write_scripts("out", ["swimmer"])
facts = json.loads(path.read_text().partition(" = ")[2].removesuffix(";\\n"))
assert len(facts["policies"]) == 2 and not facts["planar"]  # it is seen from above
clips.SECONDS = 0.1
assert clips.make("swimmer", Path("clips")).is_file()
"""

#: What holds every robot to Gymnasium, and its shifts, tasks and facts to its record.
TESTS = (
    "tests/robots/test_batch.py", "tests/robots/test_registry.py", "tests/robots/test_shifts.py",
    "tests/robots/test_gym_ids.py", "tests/data/test_tasks.py", "tests/live/test_robot_export.py",
)  # fmt: skip


@pytest.mark.slow
def test_a_robot_of_the_package_is_one_file(tmp_path):
    name = "droco_lite/robots/models/swimmer.py"
    recipes.copy(tmp_path)
    (tmp_path / name).write_text(block("Add a robot"))
    recipes.run(tmp_path, "-c", CHECK)
    recipes.run(tmp_path, "-c", POLICIES)
    recipes.run(tmp_path, "-c", IN_THE_LAB)
    said = recipes.run(
        tmp_path, "-m", "pytest", *TESTS, "-n", "0", "-k", "swimmer or references or papers_tasks",
        "-p", "no:cacheprovider",
    )  # fmt: skip
    assert re.search(r"^\d\d passed", said, re.M)
    assert "swimmer" not in registry.ROBOTS


@pytest.fixture
def own_families():
    """Families that a test may add to."""
    before = dict(families.FAMILIES)
    yield families.FAMILIES
    families.FAMILIES.clear()
    families.FAMILIES.update(before)


def test_a_family_of_shifts_is_one_entry(own_families):
    exec(block("Add a shift"), {**vars(families)})
    for robot in registry.ROBOTS:
        assert SHIFTS[robot]["damping"] == ["up"]
        hard, nominal = make_model(robot, "damping-up-hard"), make_model(robot)
        np.testing.assert_allclose(hard.dof_damping, 5 * nominal.dof_damping)
        assert Shift("damping", "up", 1.0) in grid(robot)
    assert environment_id("hopper", "damping") == "droco_lite/HopperDamping-v0"
    assert str(Shift.parse("damping-up-0.5")) == "damping-up-0.5"
    del own_families["damping"]
    with pytest.raises(ValueError, match="cannot read 'damping-up-hard'"):
        Shift.parse("damping-up-hard")


PENDULUM = """
<mujoco><worldbody><body><joint name="hinge" axis="0 1 0" damping="0.2"/>
<geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.05"/></body></worldbody>
<actuator><motor joint="hinge" ctrlrange="-1 1"/></actuator></mujoco>
"""


def pendulum(**more):
    """A robot of one's own with these shifts."""
    return register_robot(
        "pendulum", PENDULUM, observation=lambda s: np.concatenate([s.qpos, s.qvel], axis=1),
        reward=lambda s, a, after: np.cos(after.qpos[:, 0]), **more,
    )  # fmt: skip


def test_a_robot_of_ones_own_has_variants_of_a_family_that_was_added(own_families):
    exec(block("Add a shift"), {**vars(families)})
    own_families["damping"] = replace(own_families["damping"], everywhere={}, task="damping")
    try:
        pendulum(
            shifts={"damping": {"worn": {"factor": 0.25}, "stiff": {"factor": (1.0, 2.0, 8.0)}}},
            source_shifts={"damping": "damping-worn-hard"},
        )
        assert SHIFTS["pendulum"]["damping"] == ["worn", "stiff"]
        for shift, damping in (("worn-hard", 0.05), ("worn-0.5", 0.1), ("stiff-0.5", 0.4)):
            model = make_model("pendulum", f"damping-{shift}")
            np.testing.assert_allclose(model.dof_damping, damping)
        assert Shift("damping", "worn", 1.0) in grid("pendulum")
        assert Task.parse("pendulum-medium-damping").source_shift == "damping-worn-hard"
        for wrong, said in (
            ({"factor": (1.0, -2.0)}, "should be the numbers from strength 0 on, .* all positive"),
            ({"factor": (1.0,)}, "at least two"),
            (5.0, "should map quantities to numbers"),
        ):
            with pytest.raises(ValueError, match=said):
                pendulum(shifts={"damping": {"worn": wrong}})
        with pytest.raises(ValueError, match="give kinematic or morphology or damping"):
            pendulum(source_shifts={"rust": "damping-worn-hard"})
        own_families["damping"] = replace(own_families["damping"], geometric=False)
        with pytest.raises(ValueError, match="from strength 0 on, at least two"):
            pendulum(shifts={"damping": {"worn": {"factor": 0.25}}})
    finally:
        unregister_robot("pendulum")
