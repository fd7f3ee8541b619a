"""Three robots that Gymnasium does not have: dm_control's finger, ball in cup and fish.

Their files are read as dm_control ships them (its 1.0.50 itself does not run with MuJoCo 4.0). A
plain MuJoCo loop in dm_control's order, which computes places and sensors anew after the last step,
is matched bit for bit: touch sensors, sites, a tendon and orientations included.
"""

import importlib.util
from pathlib import Path

import mujoco
import numpy as np
import pytest

from droco_lite.evaluation import grid
from droco_lite.robots import (
    ROBOTS,
    SHIFTS,
    BatchedRobot,
    make_model,
    register_robot,
    render,
    rollout,
    unregister_robot,
)

found = importlib.util.find_spec("dm_control")
if found is None:
    pytest.skip("dm_control's files: pip install dm-control", allow_module_level=True)
FOLDER = Path(found.origin).parent / "suite"


# The tasks for many rows, after dm_control's suite (Tassa et al., 2018), then for one MjData.


def finger_sees(s):
    tip = s.sensor("tip")[:, [0, 2]] - s.sensor("spinner")[:, [0, 2]]
    touch = np.log1p(np.concatenate([s.sensor("touchtop"), s.sensor("touchbottom")], axis=1))
    rates = ("proximal_velocity", "distal_velocity", "hinge_velocity")
    angles = (s.sensor("proximal"), s.sensor("distal"))
    return np.concatenate([*angles, tip, *map(s.sensor, rates), touch], axis=1)


def finger_earns(s, a, after):
    return (after.sensor("hinge_velocity")[:, 0] <= -15).astype(float)


def ball_sees(s):
    return np.concatenate([s.qpos, s.qvel], axis=1)


def ball_earns(s, a, after):
    way = np.abs(after.site("target") - after.body("ball"))[:, [0, 2]]
    return (way < 0.05 - 0.025).all(axis=1).astype(float)  # target's and ball's radius


def fish_sees(s):
    return np.concatenate([s.qpos[:, 7:], s.xmat[:, 1, 8:9], s.qvel], axis=1)


def fish_earns(s, a, after):
    return np.exp(np.log(0.1) * (1 - after.xmat[:, 1, 8]) ** 2)  # 1 upright, 0.1 on its side


def fish_begins(start, rng):
    quaternion = rng.standard_normal(4)
    start.qpos[3:7] = quaternion / np.linalg.norm(quaternion)
    start.qpos[7:] = rng.uniform(-0.2, 0.2, 7)


def ball_begins(start, rng):
    start.qpos[2:] = rng.uniform((-0.2, 0.2), (0.2, 0.5))


def finger_begins(start, rng):
    start.qpos[:] = rng.uniform((-1.5, -1.9, -np.pi), (1.5, 1.9, np.pi))


def finger_of(data):
    tip = (data.sensor("tip").data - data.sensor("spinner").data)[[0, 2]]
    names = ("proximal_velocity", "distal_velocity", "hinge_velocity")
    rates = [data.sensor(name).data[0] for name in names]
    touch = np.log1p([data.sensor(name).data[0] for name in ("touchtop", "touchbottom")])
    angles = [data.sensor(name).data[0] for name in ("proximal", "distal")]
    return np.concatenate([angles, tip, rates, touch]), float(rates[2] <= -15)


def ball_of(data):
    way = np.abs(data.site("target").xpos - data.body("ball").xpos)[[0, 2]]
    return np.concatenate([data.qpos, data.qvel]), float((way < 0.025).all())


def fish_of(data):
    upright = data.body("torso").xmat[8]
    seen = np.concatenate([data.qpos[7:], [upright], data.qvel])
    return seen, np.exp(np.log(0.1) * (1 - upright) ** 2)


# robot, observation, reward, reset, of one MjData, physics steps in a step, a part to lengthen
TASKS = [
    ("finger", finger_sees, finger_earns, finger_begins, finger_of, 2, "distal"),
    ("ball_in_cup", ball_sees, ball_earns, ball_begins, ball_of, 10, "cup"),
    ("fish", fish_sees, fish_earns, fish_begins, fish_of, 10, "tail1"),
]


@pytest.fixture(params=TASKS, ids=lambda task: task[0])
def case(request):
    name, sees, earns, begins, reference, substeps, part = request.param
    robot = register_robot(
        name,
        FOLDER / f"{name}.xml",
        observation=sees,
        reward=earns,
        reset=begins,
        frame_skip=substeps,
        max_episode_steps=200,
        shifts={"morph": {"part": {part: 1.2}}},
    )
    yield robot, reference
    unregister_robot(name)


@pytest.mark.slow
@pytest.mark.parametrize("shift", ["nominal", "morph-part-hard"])
def test_every_number_is_a_plain_mujoco_loops(case, shift):
    robot, reference = case
    rows = BatchedRobot(robot.name, [shift, "gravity-up-0.2"], [3, 4], dtype=np.float64)
    file = mujoco.MjModel.from_xml_path(str(FOLDER / f"{robot.name}.xml"))
    model = file if shift == "nominal" else make_model(robot.name, shift)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = rows.qpos[0], rows.qvel[0]
    mujoco.mj_forward(model, data)
    np.testing.assert_array_equal(rows.observations()[0], reference(data)[0])
    low, high = model.actuator_ctrlrange.T
    constraints, rng = 0, np.random.default_rng(0)
    for action in rng.uniform(-1, 1, (200, 2, robot.action_size)):
        data.ctrl[:] = (low + high) / 2 + (high - low) / 2 * action[0]
        mujoco.mj_step(model, data, nstep=robot.frame_skip)
        mujoco.mj_step1(model, data)
        seen, rewards, *_ = rows.step(action)
        expected, earned = reference(data)
        np.testing.assert_array_equal(rows.qpos[0], data.qpos)
        np.testing.assert_array_equal(seen[0], expected)
        assert rewards[0] == earned
        constraints += data.nefc
    assert constraints or robot.name == "fish"  # it swims freely; the others touch something


def test_it_is_a_robot_like_any_other(case):
    robot, _ = case
    assert SHIFTS[robot.name]["morph"] == ["part"]
    shifts = grid(robot.name, strengths=(0.5,))
    assert {shift.family for shift in shifts} == {"nominal", "morph", "gravity", "friction"}
    idle = lambda o: np.zeros((len(o), robot.action_size))  # noqa: E731
    result = rollout(robot.name, shifts, idle, episodes=2, seed=0, max_steps=30)
    assert np.isfinite(result.returns).all()
    assert render(robot.name, "morph-part-0.5", width=64, height=48).std() > 1
    assert ROBOTS[robot.name] is robot
