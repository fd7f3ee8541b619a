"""The oracle's column: where the target robot goes from the state of a source row."""

import dataclasses

import numpy as np
import pytest

from droco_lite.data import OracleTransitions, Transitions, concatenate
from droco_lite.data.collect import collect
from droco_lite.data.minari_store import read_minari, write_minari
from droco_lite.data.transitions import ORACLE, DataError
from droco_lite.robots import ROBOTS, one_step

SHIFTS = {
    "hopper": "morph-foot-hard",
    "walker2d": "kinematic-thighjnt-hard",
    "halfcheetah": "kinematic-thighjnt-hard",
    "ant": "kinematic-hipjnt-hard",
}
ROWS = 700


def lively(robot):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(ROBOTS[robot].observation_size, ROBOTS[robot].action_size))
    return lambda seen: np.tanh(seen @ weights)


def collected(robot, shift, **options):
    return collect(robot, shift, lively(robot), ROWS, noise=0.3, seed=1, threads=1, **options)


@pytest.mark.parametrize("robot", SHIFTS)
def test_on_its_own_dynamics_the_oracle_is_the_next_state_to_the_last_bit(robot):
    data = collected(robot, SHIFTS[robot], oracle=SHIFTS[robot])
    np.testing.assert_array_equal(data.next_observations_target, data.next_observations)


@pytest.mark.parametrize("robot", SHIFTS)
def test_the_source_s_episodes_are_as_without_the_oracle(robot):
    with_oracle = collected(robot, SHIFTS[robot], oracle="nominal")
    alone = collected(robot, SHIFTS[robot])
    assert type(alone) is Transitions and isinstance(with_oracle, OracleTransitions)
    for name, array in alone.arrays().items():
        np.testing.assert_array_equal(array, getattr(with_oracle, name), name)
    moved = np.abs(with_oracle.next_observations_target - with_oracle.next_observations).max(1)
    assert (moved > 1e-3).mean() > 0.1  # the shift does matter


def test_the_oracle_agrees_with_a_step_from_the_observed_state():
    """An independent way: rebuild the state from the observation, and step there."""
    data = collected("halfcheetah", "kinematic-thighjnt-hard", oracle="nominal")
    rows = np.flatnonzero(np.abs(data.observations[:, 8:]).max(1) < 10)[:50]
    qpos = np.concatenate([np.zeros((len(rows), 1)), data.observations[rows, :8]], 1)
    (after,) = one_step(
        "halfcheetah", ["nominal"], qpos, data.observations[rows, 8:], data.actions[rows]
    )
    np.testing.assert_allclose(after, data.next_observations_target[rows], atol=2e-3)


def test_it_travels_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    data = collected("hopper", "kinematic-legjnt-hard", oracle="nominal")
    picked = data.take(np.arange(5, 50))
    np.testing.assert_array_equal(
        picked.next_observations_target, data.next_observations_target[5:50]
    )
    data.save(tmp_path / "set")
    name = "droco-lite/test-v0"
    write_minari(name, data, {"shift": None, "oracle": True})
    both = concatenate([data, data]).take(slice(0, ROWS))
    for again in (Transitions.load(tmp_path / "set"), read_minari(name), both):
        for field in dataclasses.fields(OracleTransitions):
            if field.name != "truncations":  # concatenate closes each part
                np.testing.assert_array_equal(
                    getattr(again, field.name), getattr(data, field.name), field.name
                )
    assert concatenate([data, data.without_oracle()]).next_observations_target is None


def test_a_wrong_oracle_is_refused():
    data = collected("hopper", "kinematic-legjnt-hard", oracle="nominal")
    with pytest.raises(DataError, match=f"{ORACLE} has 10 columns"):
        dataclasses.replace(data, next_observations_target=data.observations[:, :10])
    with pytest.raises(DataError, match=f"{ORACLE} has 699 rows"):
        dataclasses.replace(data, next_observations_target=data.observations[:-1])
    broken = data.next_observations_target.copy()
    broken[3, 1] = np.nan
    with pytest.raises(DataError, match=f"{ORACLE} holds nan at row 3"):
        dataclasses.replace(data, next_observations_target=broken).check("hopper")
    with pytest.raises(DataError, match=ORACLE):
        OracleTransitions(**data.without_oracle().arrays())
