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

from droco_lite.robots import ROBOTS, SHIFTS, Shift, VectorRobot, environment_id, make_model
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
