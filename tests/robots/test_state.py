"""What a user's functions see and begin with: places, sensors, keyframes and goals."""

import copy

import gymnasium
import mujoco
import numpy as np
import pytest

from droco_lite.data.collect import collect
from droco_lite.robots import ROBOTS, BatchedRobot, make_model, register_robot, unregister_robot
from droco_lite.robots.robot import Start

# A two-link arm with a target that a mocap body carries, two keyframes and a position servo whose
# actuator has a state of its own.
XML = """
<mujoco model="reach">
  <compiler angle="radian"/>
  <option timestep="0.01"/>
  <worldbody>
    <body name="upper"><joint name="shoulder" axis="0 1 0" range="-2 2" damping="0.2"/>
      <geom name="u" type="capsule" fromto="0 0 0 0.3 0 0" size="0.03"/>
      <body name="lower" pos="0.3 0 0"><joint name="elbow" axis="0 1 0" range="-2 2" damping="0.2"/>
        <geom name="l" type="capsule" fromto="0 0 0 0.2 0 0" size="0.02"/>
        <site name="tip" pos="0.2 0 0"/>
      </body>
    </body>
    <body name="goal" mocap="true" pos="0.2 0 0.2">
      <geom size="0.02" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
  <actuator>
    <motor joint="shoulder" gear="2" ctrlrange="-1 1"/>
    <general joint="elbow" dyntype="filter" dynprm="0.05" gainprm="2" ctrlrange="-1 1"/>
  </actuator>
  <sensor>
    <framepos name="where" objtype="site" objname="tip"/>
    <jointvel name="rate" joint="elbow"/>
  </sensor>
  <keyframe>
    <key name="up" qpos="0 -1.5" act="0.1"/>
    <key name="down" qpos="1 0.5" qvel="0.1 0"/>
  </keyframe>
</mujoco>
"""


def to_goal(s):
    return s.site("tip") - s.mocap_pos[:, 0]


def begin(start, rng):
    start.keyframe("up" if rng.random() < 0.5 else "down")
    start.qpos += rng.uniform(-0.1, 0.1, 2)
    start.mocap_pos[0, [0, 2]] = rng.uniform(-0.3, 0.3, 2)


ARM = {
    "xml": XML,
    "observation": lambda s: np.concatenate(
        [s.qpos, s.qvel, to_goal(s), s.sensor("where"), s.sensor("rate"), s.act], axis=1
    ),
    "reward": lambda s, a, after: -np.linalg.norm(to_goal(after), axis=1),
    "frame_skip": 3,
    "reset": begin,
    "max_episode_steps": 40,
    "shifts": {"kinematic": {"elbow": {"elbow": 0.3}}, "morph": {"lower": {"lower": 1.4}}},
}


@pytest.fixture(autouse=True)
def no_trace():
    yield
    for name in [name for name in ROBOTS if ROBOTS[name].own]:
        unregister_robot(name)


@pytest.fixture
def arm():
    return register_robot("arm", **ARM)


def actions(seed, steps, rows, size):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, rows, size)).astype(np.float32)


@pytest.mark.parametrize("shift", ["nominal", "morph-lower-hard"])
def test_places_and_sensors_belong_to_the_state_reached(arm, shift):
    """Row by row what a plain MuJoCo loop with mj_forward after each step says."""
    rows = BatchedRobot("arm", [shift] * 2, [3, 4], dtype=np.float64)
    model = make_model("arm", shift)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = rows.qpos[0], rows.qvel[0]
    data.act[:] = rows._batch.bind("act")[0]
    data.mocap_pos[:] = rows._batch.bind("mocap_pos")[0]
    seen = rows.observations()
    for action in actions(0, 60, 2, 2):
        mujoco.mj_forward(model, data)
        to_target = data.site("tip").xpos - data.mocap_pos[0]
        parts = (data.qpos, data.qvel, to_target, data.site("tip").xpos, data.qvel[1:], data.act)
        np.testing.assert_array_equal(seen[0], np.concatenate(parts))
        data.ctrl[:] = action[0]
        mujoco.mj_step(model, data, nstep=3)
        seen, rewards, *_ = rows.step(action)
        forward = mujoco.MjData(model)
        forward.qpos[:], forward.mocap_pos[:] = data.qpos, data.mocap_pos
        mujoco.mj_kinematics(model, forward)
        distance = np.linalg.norm(forward.site("tip").xpos - data.mocap_pos[0])
        assert rewards[0] == pytest.approx(-distance, abs=1e-15)


def test_what_is_read_is_found_out(arm):
    assert set(arm.reads) == {"site_xpos", "mocap_pos", "sensordata", "act"}
    assert arm.shapes["site_xpos"] == (1, 3)
    assert arm.ids["site"] == {"tip": 0} and arm.ids["sensor"]["rate"] == slice(3, 4)
    assert arm.hidden_positions == -1
    plain = {**ARM, "observation": lambda s: np.concatenate([s.qpos, s.qvel], axis=1)}
    assert register_robot("arm", **plain).hidden_positions == 0


def test_starts_are_keyframes_and_goals_of_the_rows_own_seed(arm):
    rows = BatchedRobot("arm", ["nominal"] * 40, range(40), dtype=np.float64)
    up = np.abs(rows.qpos - [0, -1.5]).max(1) <= 0.1
    down = np.abs(rows.qpos - [1, 0.5]).max(1) <= 0.1
    assert (up ^ down).all() and 8 < up.sum() < 32
    np.testing.assert_array_equal(rows.qvel[:, 0], np.where(down, 0.1, 0.0))
    np.testing.assert_array_equal(rows._batch.bind("act")[:, 0], np.where(up, 0.1, 0.0))
    goals = rows._batch.bind("mocap_pos")[:, 0].copy()
    assert len(np.unique(goals[:, 0])) == 40
    again = BatchedRobot("arm", ["nominal"], [7], dtype=np.float64)
    np.testing.assert_array_equal(again.observations()[0], rows.observations()[7])
    rows.reset(np.arange(3))  # the others keep their goals
    np.testing.assert_array_equal(rows._batch.bind("mocap_pos")[3:, 0], goals[3:])
    assert not (rows._batch.bind("mocap_pos")[:3, 0] == goals[:3]).all(axis=1).any()


def test_the_oracle_takes_the_goal_along(arm):
    policy = lambda o: np.tanh(o[:, :2])  # noqa: E731
    data = collect("arm", "morph-lower-hard", policy, 80, seed=0, oracle="morph-lower-hard")
    np.testing.assert_array_equal(data.next_observations, data.next_observations_target)


def changed(**given):
    return {**ARM, **given}


def late(s):
    return s.qpos if len(s.qpos) == 3 or len(s.qpos) == 1 else s.xpos[:, 1]


def grown(start, rng):
    start.qpos = np.zeros(3)


def lost(start, rng):
    start.qvel[:] = np.nan


@pytest.mark.parametrize(
    "given, error, message",
    [
        (changed(observation=lambda s: s.cfrc_ext), AttributeError, "State has no 'cfrc_ext'; it"),
        (changed(observation=late), AttributeError, "read it in every call, not under a condition"),
        (changed(observation=lambda s: s.site("toe")), ValueError, "site: 'toe' is not one of tip"),
        (changed(observation=lambda s: s.body("x")), ValueError, "'x' is not one of world, upper"),
        (changed(reset=lambda s, rng: s.keyframe("left")), ValueError, r"model's \(up, down\)"),
        (changed(reset=grown), ValueError, r"reset left qpos of shape \(3,\), it has \(2,\)"),
        (changed(reset=lost), ValueError, r"reset left qvel \[nan, nan\]"),
    ],
)
def test_refusals(given, error, message):
    with pytest.raises(error, match=message):
        register_robot("arm", **given)
    assert "arm" not in ROBOTS


def test_places_are_for_reading(arm):
    def push(s):
        s.site_xpos[:] = 0
        return s.qpos

    with pytest.raises(ValueError, match="read-only"):
        register_robot("arm", **changed(observation=push))


# Gymnasium's Reacher: random goals, places of bodies in observation and reward ------------------


def reacher_begin(start, rng):
    """The order of Gymnasium's draws."""
    start.qpos += rng.uniform(low=-0.1, high=0.1, size=4)
    while True:
        goal = rng.uniform(low=-0.2, high=0.2, size=2)
        if np.linalg.norm(goal) < 0.2:
            break
    start.qpos[2:] = goal
    start.qvel += rng.uniform(low=-0.005, high=0.005, size=4)
    start.qvel[2:] = 0


def reacher_sees(s):
    angle, way = s.qpos[:, :2], s.body("fingertip") - s.body("target")
    parts = [np.cos(angle), np.sin(angle), s.qpos[:, 2:], s.qvel[:, :2], way[:, :2]]
    return np.concatenate(parts, axis=1)


def reacher_earns(s, a, after):
    way = after.body("fingertip") - after.body("target")
    distance = np.array([np.linalg.norm(row) for row in way])  # a row's norm is Gymnasium's
    return -distance + -np.sum(np.square(a), axis=1)


def test_a_reset_that_looks_for_the_model_is_told_how_goals_are_placed():
    start = Start.of(mujoco.MjModel.from_xml_string("<mujoco/>"))
    with pytest.raises(AttributeError, match=r"no 'model'.*mocap_pos places"):
        start.model.geom("target").pos[:] = 0.1
    assert copy.deepcopy(start).qpos.shape == start.qpos.shape


def test_reacher_is_gymnasiums_to_the_last_bit():
    register_robot(
        "reacher",
        ROBOTS["hopper"].xml_path.replace("hopper", "reacher"),
        observation=reacher_sees,
        reward=reacher_earns,
        reset=reacher_begin,
        frame_skip=2,
        max_episode_steps=50,
        fields_current=False,  # Gymnasium's places are those of the step before the last
    )
    for seed in (0, 5):
        env = gymnasium.make("Reacher-v5")
        rows = BatchedRobot("reacher", ["nominal"] * 3, range(seed, seed + 3), dtype=np.float64)
        np.testing.assert_array_equal(rows.observations()[0], env.reset(seed=seed)[0])
        for action in actions(seed, 50, 3, 2):
            observation, reward, _, truncated, _ = env.step(action[0])
            observations, rewards, _, over = rows.step(action)
            np.testing.assert_array_equal(observations[0], observation)
            assert rewards[0] == reward
        assert truncated and over.all()
