"""Sizes and reference returns of the robots."""

import dataclasses

import gymnasium
import numpy as np
import pytest

from droco_lite.robots import REFERENCE_RETURNS, ROBOTS, get_robot, reference_returns


@pytest.mark.parametrize("robot", ROBOTS)
def test_sizes_are_gymnasiums(robot):
    spec = ROBOTS[robot]
    space = gymnasium.spec(spec.gym_id)
    assert spec.max_episode_steps == space.max_episode_steps
    from droco_lite.robots import BatchedRobot

    rows = BatchedRobot(robot, ["nominal"] * 2, [0, 1])
    assert rows.observations().shape == (2, spec.observation_size)
    assert rows.observations().dtype == np.float32
    assert rows.step(np.zeros((2, spec.action_size)))[0].shape == (2, spec.observation_size)


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_score_is_0_at_random_and_100_at_expert(robot):
    spec = ROBOTS[robot]
    np.testing.assert_allclose(spec.score([spec.min_return, spec.max_return]), [0, 100])


def test_references():
    assert reference_returns("ant") == (-325.6, 3879.7)
    assert reference_returns("ant", "odrl") == (-325.6, 5139.832)
    assert reference_returns("hopper", "otdf-kinematic")[1] == 2842.73
    assert reference_returns("walker2d", "odrl-gravity-0.5")[1] == 5194.7
    assert reference_returns("halfcheetah", "odrl-friction-0.1")[1] == 41696.5
    # The same Ant return is 1.30 times larger in D4RL's points.
    spans = [np.subtract(*reference_returns("ant", s)[::-1]) for s in ("odrl", "d4rl")]
    assert spans[0] / spans[1] == pytest.approx(1.30, abs=0.005)
    for source, table in REFERENCE_RETURNS.items():
        others = {robot for robot in ROBOTS if ROBOTS[robot].references}  # who has one, has all
        assert set(table) == (set(ROBOTS) if source == "d4rl" else others)
        assert all(low < high for low, high in table.values())


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="robot: 'spot' is not one of hopper, walker2d"):
        get_robot("spot")
    with pytest.raises(ValueError, match="source: 'mine' is not one of d4rl, odrl"):
        reference_returns("ant", "mine")


def test_a_missing_gymnasium_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"hopper\.xml is in gymnasium, which is not"):
        _ = dataclasses.replace(ROBOTS["hopper"]).xml_path
