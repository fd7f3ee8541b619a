"""The batched simulator against Gymnasium's own environments, to the last bit."""

import gymnasium
import numpy as np
import pytest

from droco_lite.robots import (
    ROBOTS,
    SHIFTS,
    BatchedRobot,
    Shift,
    make_model,
    one_step,
    record,
    rollout,
)


def hard(robot):
    """The nominal robot, then the first variant of every family at its hardest level."""
    return ["nominal", *(f"{f}-{variants[0]}-hard" for f, variants in SHIFTS[robot].items())]


def gymnasium_environment(robot, shift):
    """Gymnasium's own class, its only change being the model it simulates."""
    import mujoco

    model = make_model(robot, shift)

    class Injected(ROBOTS[robot].gymnasium_class()):
        def _initialize_simulation(self):
            return model, mujoco.MjData(model)

    return gymnasium.wrappers.TimeLimit(Injected(**ROBOTS[robot].gym_kwargs), 1000)


@pytest.mark.parametrize("robot", ROBOTS)
def test_parity_with_gymnasium(robot):
    shifts = hard(robot)
    rows = BatchedRobot(robot, shifts, range(11, 11 + len(shifts)), dtype=np.float64)
    environments = [gymnasium_environment(robot, shift) for shift in shifts]
    expected = [env.reset(seed=11 + i)[0] for i, env in enumerate(environments)]
    np.testing.assert_array_equal(rows.observations(), expected)
    rng = np.random.default_rng(1)
    falls = 0
    for _ in range(200):
        actions = rng.uniform(-1, 1, (len(rows), rows.spec.action_size)).astype(np.float32)
        observations, rewards, terminated, truncated = rows.step(actions)
        for i, env in enumerate(environments):
            observation, reward, fell, late, _ = env.step(actions[i])
            np.testing.assert_array_equal(observations[i], observation)
            assert rewards[i] == reward
            assert (terminated[i], truncated[i]) == (fell, late)
            if fell:
                falls += 1
                np.testing.assert_array_equal(rows.reset([i])[i], env.reset()[0])
    assert (falls > 0) == ROBOTS[robot].can_fall  # resets were compared too


def test_gymnasiums_registered_environment_is_the_same():
    # Through make(), with Gymnasium's own model file: HalfCheetah's mass is set another way there.
    env = gymnasium.make("Hopper-v5")
    rows = BatchedRobot("hopper", ["nominal"], [4], dtype=np.float64)
    np.testing.assert_array_equal(env.reset(seed=4)[0], rows.observations()[0])
    action = np.full(3, 0.3, dtype=np.float32)
    for _ in range(20):
        observation, reward, *_ = env.step(action)
        observations, rewards, *_ = rows.step(action[None])
        np.testing.assert_array_equal(observation, observations[0])
        assert reward == rewards[0]


def test_rows_do_not_depend_on_their_company_or_on_threads():
    shifts = ["nominal", "morph-thigh-hard", "gravity-up-hard"]
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (60, 3, 6)).astype(np.float32)
    together = BatchedRobot("halfcheetah", shifts, [0, 1, 2], threads=2)
    alone = [BatchedRobot("halfcheetah", [s], [i], threads=1) for i, s in enumerate(shifts)]
    for step in actions:
        observations, rewards, *_ = together.step(step)
        for i, one in enumerate(alone):
            observation, reward, *_ = one.step(step[i : i + 1])
            np.testing.assert_array_equal(observation[0], observations[i])
            assert reward[0] == rewards[i]


def test_rows_that_are_over_stand_still():
    rows = BatchedRobot("hopper", ["nominal"] * 3, [0, 1, 2])
    alive = np.array([True, False, True])
    before = rows.observations()
    actions = np.full((3, 3), 0.5)
    actions[1] = np.nan  # not even read
    observations, rewards, terminated, truncated = rows.step(actions, alive)
    np.testing.assert_array_equal(observations[1], before[1])
    assert rewards[1] == 0
    assert not terminated[1]
    assert not truncated[1]
    assert (observations[alive] != before[alive]).any()
    assert rows.steps.tolist() == [1, 0, 1]


def test_actions_beyond_the_range_are_clipped_before_the_cost():
    inside = BatchedRobot("halfcheetah", ["nominal"], [0])
    beyond = BatchedRobot("halfcheetah", ["nominal"], [0])
    a, b = inside.step(np.ones((1, 6))), beyond.step(np.full((1, 6), 7.0))
    np.testing.assert_array_equal(a[0], b[0])
    assert a[1] == b[1]


def test_episodes_are_truncated():
    rows = BatchedRobot("halfcheetah", ["nominal"], [0], max_steps=3)
    ends = [rows.step(np.zeros((1, 6)))[3][0] for _ in range(3)]
    assert ends == [False, False, True]
    rows.reset()
    assert rows.steps[0] == 0


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="shifts: needs at least one row"):
        BatchedRobot("ant", [], [])
    with pytest.raises(ValueError, match="seeds: 1 for 2 shifts"):
        BatchedRobot("ant", ["nominal"] * 2, [0])
    rows = BatchedRobot("hopper", ["nominal"] * 3, [0, 1, 2])
    with pytest.raises(ValueError, match=r"actions: expected shape \(3, 3\), got \(3, 6\)"):
        rows.step(np.zeros((3, 6)))
    actions = np.zeros((3, 3))
    actions[2, 1] = np.inf
    with pytest.raises(ValueError, match="actions: row 2 is not finite"):
        rows.step(actions)
    with pytest.raises(ValueError, match="actions: row 2 is not finite"):
        rows.step(actions, np.array([False, True, True]))
    with pytest.raises(ValueError, match="episodes: needs at least 1"):
        rollout("ant", ["nominal"], lambda o: o, episodes=0, seed=0)


def policy(observations):
    return np.tanh(3 * observations[:, 2:5])


def test_rollout_adds_up_what_single_environments_pay():
    shifts = ["nominal", Shift("kinematic", "footjnt", 0.5)]
    calls = []

    def counted(observations):
        calls.append(len(observations))
        return policy(observations)

    result = rollout("hopper", shifts, counted, episodes=3, seed=5)
    for i, shift in enumerate(shifts):
        for episode in range(3):
            env = gymnasium_environment("hopper", shift)
            observation, _ = env.reset(seed=5 + episode)
            total, length, over = 0.0, 0, False
            while not over:
                action = policy(observation.astype(np.float32)[None])[0]
                observation, reward, fell, late, _ = env.step(action)
                total, length, over = total + reward, length + 1, fell or late
            assert result.lengths[i, episode] == length
            assert result.returns[i, episode] == total
    # Nothing is computed for an episode that is over.
    assert sum(calls) == result.lengths.sum()
    assert len(calls) == result.lengths.max()


def test_an_observation_filter_stands_between_robot_and_policy():
    def run(**filtered):
        return rollout(
            "hopper", ["nominal"], policy, episodes=2, seed=0, max_steps=50, **filtered
        ).returns

    np.testing.assert_array_equal(run(), run(observation_filter=lambda o: o))
    assert (run() != run(observation_filter=lambda o: o + 0.1)).all()


def test_a_recorded_episode_is_the_one_rolled_out():
    episode = record("hopper", "gravity-up-easy", policy, seed=7)
    result = rollout("hopper", ["gravity-up-easy"], policy, episodes=1, seed=7)
    assert episode.rewards.sum() == pytest.approx(result.returns[0, 0], abs=1e-9)
    assert len(episode.qpos) == result.lengths[0, 0] + 1
    assert episode.qvel.shape == (len(episode.qpos), 6)
    assert episode.actions.shape == (len(episode.rewards), 3)


@pytest.mark.parametrize("robot", ROBOTS)
def test_one_step_from_an_episodes_states_leads_to_its_next_ones(robot):
    rng = np.random.default_rng(0)
    size = ROBOTS[robot].action_size
    episode = record(robot, "nominal", lambda o: rng.uniform(-1, 1, (1, size)), seed=0, steps=40)
    shifts = hard(robot)
    following = one_step(robot, shifts, episode.qpos[:-1], episode.qvel[:-1], episode.actions)
    expected = ROBOTS[robot].observation(episode.qpos[1:], episode.qvel[1:])
    assert following.shape == (len(shifts), *expected.shape)
    np.testing.assert_allclose(following[0], expected, atol=2e-3)
    assert np.abs(following[1:] - expected).max() > 0.01


def test_states_of_the_wrong_shape_are_refused():
    rows = BatchedRobot("hopper", ["nominal"] * 2, [0, 1])
    with pytest.raises(ValueError, match=r"qvel: expected shape \(2, 6\), got \(2, 5\)"):
        rows.set_state(np.zeros((2, 6)), np.zeros((2, 5)))
