"""Gymnasium's interfaces: registered ids and the vector environment."""

import os
import pickle
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from droco_lite.robots import (
    ROBOTS,
    SHIFTS,
    BatchedRobot,
    Shift,
    VectorRobot,
    environment_id,
    make_model,
)
from droco_lite.robots.drawing import backend

IDS = [environment_id(robot, family) for robot in ROBOTS for family in (None, *SHIFTS[robot])]


@pytest.mark.parametrize("name", IDS)
def test_gymnasiums_checker_passes(name):
    family = {} if name in map(environment_id, ROBOTS) else {"strength": 0.5}
    env = gymnasium.make(name, **family)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Gymnasium's own four say the same: an unbounded observation is what they have.
        warnings.filterwarnings("ignore", message=".*A Box observation space m.*")
        check_env(env.unwrapped, skip_render_check=True)


def test_the_strength_reaches_the_model():
    env = gymnasium.make("droco_lite/HopperKinematic-v0", strength=0.5)
    assert env.unwrapped.shift == Shift("kinematic", "legjnt", 0.5)
    expected = make_model("hopper", "kinematic-legjnt-0.5").jnt_range
    np.testing.assert_array_equal(env.unwrapped.model.jnt_range, expected)
    env = gymnasium.make("droco_lite/Ant-v0", shift="morph-halflegs-easy")
    assert str(env.unwrapped.shift) == "morph-halflegs-easy"
    assert env.observation_space.shape == (27,)


def test_the_spec_survives_json_and_the_environment_a_pickle():
    env = gymnasium.make("droco_lite/HalfCheetahMorph-v0", variant="thigh", strength=0.25)
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.shift == env.unwrapped.shift
    copy = pickle.loads(pickle.dumps(env.unwrapped))
    assert copy.shift == env.unwrapped.shift
    np.testing.assert_array_equal(copy.model.body_pos, env.unwrapped.model.body_pos)


def test_keywords_of_the_other_kind_of_id_are_refused():
    with pytest.raises(ValueError, match="droco_lite/Hopper-v0 takes shift="):
        gymnasium.make("droco_lite/Hopper-v0", strength=0.5)
    with pytest.raises(ValueError, match="takes variant and strength"):
        gymnasium.make("droco_lite/HopperMorph-v0", shift="morph-torso-easy")
    with pytest.raises(ValueError, match="family: 'wing' is not one of"):
        environment_id("ant", "wing")


def test_rendering():
    if backend() == "sticks":
        pytest.skip("no OpenGL here: Gymnasium's renderer needs it")
    # In a process of its own: Gymnasium reads MUJOCO_GL, and a wrong one cannot be undone.
    code = (
        "import gymnasium, droco_lite.robots\n"
        "env = gymnasium.make('droco_lite/HopperMorph-v0', strength=0.5, render_mode='rgb_array',"
        " width=64, height=48)\n"
        "env.reset(seed=0)\n"
        "picture = env.render()\n"
        "assert picture.shape == (48, 64, 3) and picture.std() > 1"
    )
    environment = {**os.environ, "MUJOCO_GL": backend()}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_vector_environment_is_gymnasiums_synchronous_one(mode):
    kwargs = {"variant": "torso", "strength": 1.0}
    ours = gymnasium.make_vec(
        "droco_lite/HopperMorph-v0", num_envs=3, autoreset_mode=mode, **kwargs
    )
    assert isinstance(ours, VectorRobot)
    theirs = gymnasium.vector.SyncVectorEnv(
        [lambda: gymnasium.make("droco_lite/HopperMorph-v0", **kwargs)] * 3, autoreset_mode=mode
    )
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] == mode
    np.testing.assert_array_equal(ours.reset(seed=5)[0], theirs.reset(seed=5)[0])
    ours.action_space.seed(0)
    ends = 0
    for _ in range(150):
        actions = ours.action_space.sample()
        *a, info_a = ours.step(actions)
        *b, info_b = theirs.step(actions)
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
            assert x.dtype == y.dtype
        ends += a[2].sum()
        assert ("final_obs" in info_a) == ("final_obs" in info_b)
        if "final_obs" in info_a:
            for row in np.flatnonzero(info_b["_final_obs"]):
                np.testing.assert_array_equal(info_a["final_obs"][row], info_b["final_obs"][row])
    assert ends > 3


def test_the_time_limit_truncates_in_the_vector_environment():
    envs = VectorRobot("halfcheetah", 2, max_episode_steps=4)
    envs.reset(seed=0)
    actions = np.zeros((2, 6), dtype=np.float32)
    flags = [envs.step(actions)[3].tolist() for _ in range(5)]
    assert flags == [[False] * 2] * 3 + [[True] * 2, [False] * 2]


def test_without_autoreset_the_caller_resets():
    envs = VectorRobot("halfcheetah", 2, max_episode_steps=2, autoreset_mode="Disabled")
    envs.reset(seed=0)
    actions = np.zeros((2, 6), dtype=np.float32)
    envs.step(actions)
    envs.step(actions)
    with pytest.raises(ValueError, match=r"rows \[0, 1\] are over"):
        envs.step(actions)
    envs.reset(options={"reset_mask": np.array([True, True])})
    assert not envs.step(actions)[3].any()


def test_one_shift_for_all_rows_or_one_each():
    envs = VectorRobot("ant", 2, ["nominal", "gravity-up-easy"])
    assert envs.reset(seed=1)[0].shape == (2, 27)
    with pytest.raises(ValueError, match="shifts: 2 for num_envs=3"):
        VectorRobot("ant", 3, ["nominal", "gravity-up-easy"])


@pytest.mark.parametrize(
    "robot, settings",
    [
        ("hopper", {"healthy_reward": 2.0, "ctrl_cost_weight": 0.01}),
        ("ant", {"healthy_reward": 0.5, "forward_reward_weight": 3.0}),
        ("halfcheetah", {"forward_reward_weight": 0.5, "reset_noise_scale": 0.2}),
    ],
)
def test_the_batch_takes_the_settings_of_the_single_environment(robot, settings):
    name = environment_id(robot)
    ours = gymnasium.make_vec(name, num_envs=2, **settings)
    theirs = gymnasium.make_vec(name, num_envs=2, vectorization_mode="sync", **settings)
    assert isinstance(ours, VectorRobot) and not isinstance(theirs, VectorRobot)
    np.testing.assert_array_equal(ours.reset(seed=1)[0], theirs.reset(seed=1)[0])
    ours.action_space.seed(0)
    for _ in range(20):
        actions = ours.action_space.sample()
        for mine, other in zip(ours.step(actions)[:4], theirs.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(mine, other)
    plain = gymnasium.make_vec(name, num_envs=2)
    plain.reset(seed=1)
    assert (plain.step(actions)[1] != ours.step(actions)[1]).all()


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"healthy_z_range": (0.5, 2.0)}, "vectorization_mode='sync', healthy_z_range="),
        ({"colour": 1}, "colour: the batch of hopper has no such setting; a batch takes healthy_r"),
    ],
)
def test_settings_that_a_batch_cannot_have_name_the_way(settings, says):
    with pytest.raises(TypeError, match=says):
        gymnasium.make_vec("droco_lite/Hopper-v0", num_envs=2, **settings)
    with pytest.raises(TypeError, match="healthy_reward: the batch of halfcheetah has no such"):
        gymnasium.make_vec("droco_lite/HalfCheetah-v0", num_envs=2, healthy_reward=1.0)
    gymnasium.make_vec(
        "droco_lite/Hopper-v0", num_envs=1, vectorization_mode="sync", healthy_z_range=(0.5, 2.0)
    )


def test_a_vector_environment_draws_its_rows():
    envs = gymnasium.make_vec(
        "droco_lite/HopperMorph-v0", num_envs=2, render_mode="rgb_array", width=64, height=48
    )
    assert envs.render_mode == "rgb_array" and envs.metadata["render_fps"] == 125
    envs.reset(seed=0)
    for _ in range(30):
        envs.step(np.array([[1, 1, 1], [-1, -1, -1]], np.float32))
    first, second = envs.render()
    assert first.shape == (48, 64, 3) and first.dtype == np.uint8
    assert not np.array_equal(first, second)
    assert VectorRobot("hopper").render() is None
    with pytest.raises(ValueError, match="render_mode: 'human' is neither"):
        VectorRobot("hopper", render_mode="human")


@pytest.mark.parametrize(
    "mask, error",
    [
        ([True, False], TypeError),
        (np.array([1, 0]), TypeError),
        (np.array([True]), ValueError),
        (np.array([[True, False]]), ValueError),
        (np.array([False, False]), ValueError),
    ],
)
def test_a_bad_reset_mask_is_refused_as_gymnasium_does(mask, error):
    name = "droco_lite/HalfCheetah-v0"
    for kind in ("vector_entry_point", "sync"):
        envs = gymnasium.make_vec(name, num_envs=2, vectorization_mode=kind)
        before = envs.reset(seed=0)[0].copy()
        with pytest.raises(error, match="reset_mask"):
            envs.reset(options={"reset_mask": mask})
        if kind != "sync":
            np.testing.assert_array_equal(envs._robots.observations(), before)


# Pickles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_record_survives_a_pickle(robot):
    copy = pickle.loads(pickle.dumps(ROBOTS[robot]))
    assert copy.gym_kwargs == ROBOTS[robot].gym_kwargs and copy.shifts == ROBOTS[robot].shifts
    state = np.ones((3, 20)), np.ones((3, 20))
    np.testing.assert_array_equal(copy.healthy(*state), ROBOTS[robot].healthy(*state))


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_batch_goes_on_after_a_pickle_as_if_nothing_had_been(robot):
    family = "morph" if "morph" in SHIFTS[robot] else "kinematic"
    shifts = ["nominal", "gravity-up-easy", f"{family}-{SHIFTS[robot][family][0]}-hard"]
    rows = BatchedRobot(robot, shifts, [0, 1, 2], max_steps=30, dtype=np.float64)
    rng = np.random.default_rng(0)
    size = rows.spec.action_size
    for _ in range(10):
        rows.step(rng.uniform(-1, 1, (3, size)))
    copy = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(copy.observations(), rows.observations())
    for _ in range(30):  # over ends and new starts
        actions = rng.uniform(-1, 1, (3, size))
        results = [one.step(actions) for one in (rows, copy)]
        for mine, other in zip(*results, strict=True):
            np.testing.assert_array_equal(mine, other)
        over = results[0][2] | results[0][3]
        starts = [one.reset(over) for one in (rows, copy)]
        np.testing.assert_array_equal(*starts)


def test_a_vector_environment_goes_on_after_a_pickle():
    envs = gymnasium.make_vec("droco_lite/Ant-v0", num_envs=2, healthy_reward=2.0)
    envs.reset(seed=3)
    actions = np.full((2, 8), 0.3, np.float32)
    envs.step(actions)
    copy = pickle.loads(pickle.dumps(envs))
    for mine, other in zip(envs.step(actions)[:4], copy.step(actions)[:4], strict=True):
        np.testing.assert_array_equal(mine, other)
