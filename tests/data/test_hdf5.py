"""D4RL-style HDF5 files: layouts, ends of episodes and Ant's columns."""

import h5py
import numpy as np
import pytest

from droco_lite.data.hdf5 import ant_without_contacts, read_hdf5
from droco_lite.data.plausible import DataWarning
from droco_lite.data.transitions import DataError, Transitions

from .hdf5_files import episodes, write


def test_all_keys(tmp_path, three):
    data = read_hdf5(write(tmp_path / "set.hdf5", three), "hopper")
    assert data.episode_lengths().tolist() == [4, 3, 5]
    assert np.flatnonzero(data.terminations).tolist() == [3]
    assert np.flatnonzero(data.truncations).tolist() == [6, 11]
    np.testing.assert_array_equal(data.observations, three["observations"])
    np.testing.assert_array_equal(data.next_observations, three["next_observations"])
    np.testing.assert_array_equal(data.rewards, three["rewards"])


def test_without_timeouts_episodes_end_where_the_chain_breaks(tmp_path, three):
    data = read_hdf5(write(tmp_path / "set.hdf5", three, drop=["timeouts"]))
    assert data.episode_lengths().tolist() == [4, 3, 5]
    assert np.flatnonzero(data.truncations).tolist() == [6, 11]


def test_otdf_layout(tmp_path, three):
    """Rewards and terminals as one column, terminals as floats, a metadata group, no timeouts."""
    three["rewards"] = three["rewards"][:, None]
    three["terminals"] = three["terminals"][:, None].astype(np.float64)
    del three["timeouts"]
    path = write(tmp_path / "hopper_kinematic_medium.hdf5", three)
    with h5py.File(path, "a") as file:
        file["metadata/algorithm"] = np.bytes_("SAC")
    data = read_hdf5(path, "hopper")
    assert (len(data), len(data.episode_ends())) == (12, 3)
    assert data.rewards.shape == (12,)


def test_without_next_observations(tmp_path, three):
    """Rows at a timeout have no successor in the file; the row before them closes the episode."""
    data = read_hdf5(write(tmp_path / "set.hdf5", three, drop=["next_observations"]))
    kept = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]
    np.testing.assert_array_equal(data.observations, three["observations"][kept])
    np.testing.assert_array_equal(data.rewards, three["rewards"][kept])
    assert data.episode_lengths().tolist() == [4, 2, 4]
    assert np.flatnonzero(data.terminations).tolist() == [3]
    alive = ~data.terminations
    expected = three["next_observations"][kept]
    np.testing.assert_array_equal(data.next_observations[alive], expected[alive])
    # The state a fall led to is not in the file: nothing of the next episode may stand there.
    np.testing.assert_array_equal(data.next_observations[3], three["observations"][3])


def test_with_neither_key_time_limits_are_counted(tmp_path):
    arrays = episodes([6, 2, 6, 3], [False, True, False, False])
    path = write(tmp_path / "set.hdf5", arrays, drop=["next_observations", "timeouts"])
    data = read_hdf5(path, max_episode_steps=6)
    assert data.episode_lengths().tolist() == [5, 2, 5, 2]
    alive = ~data.terminations
    kept = [*range(5), *range(6, 13), 14, 15]
    np.testing.assert_array_equal(data.observations, arrays["observations"][kept])
    np.testing.assert_array_equal(
        data.next_observations[alive], arrays["next_observations"][kept][alive]
    )


def test_an_episode_of_one_row_and_no_successor_is_dropped_whole(tmp_path):
    arrays = episodes([3, 1, 1, 2], [True, False, False, False])
    data = read_hdf5(write(tmp_path / "set.hdf5", arrays, drop=["next_observations"]))
    assert data.episode_lengths().tolist() == [3, 1]
    assert np.flatnonzero(data.truncations).tolist() == [3]


def overlapping(lengths, falls=None, **options):
    """As some public sets: the row at a time limit leads to the next episode's first state."""
    arrays = episodes(lengths, falls or [False] * len(lengths), **options)
    arrays["next_observations"][:-1] = arrays["observations"][1:]
    return arrays


@pytest.mark.parametrize("drop", [["timeouts"], []])
@pytest.mark.parametrize("marked", [[], [0], [1]])
def test_time_limits_that_no_flag_marks(tmp_path, drop, marked):
    """With a timeouts key that misses some, and without one."""
    arrays = overlapping([6, 6, 6])
    arrays["timeouts"][:] = False
    ends = [] if drop else [[5, 11][k] for k in marked]
    arrays["timeouts"][ends] = True
    path = write(tmp_path / "set.hdf5", arrays, drop=drop)
    with pytest.warns(DataWarning, match=rf"not marked, at row {11 if ends == [5] else 5}"):
        data = read_hdf5(path, max_episode_steps=6)
    assert data.episode_lengths().tolist() == [6 if 5 in ends else 5, 6 if 11 in ends else 5, 6]
    lost = [row for row in (5, 11) if row not in ends]
    np.testing.assert_array_equal(data.rewards, np.delete(arrays["rewards"], lost))
    assert len(data) == 18 - len(lost)


def test_a_missed_time_limit_after_a_fall(tmp_path):
    arrays = overlapping([3, 6, 6, 2], [True, False, False, False])
    path = write(tmp_path / "set.hdf5", arrays, drop=["timeouts"])
    with pytest.warns(DataWarning, match="2 time limits are not marked, at row 8 first"):
        data = read_hdf5(path, max_episode_steps=6)
    assert data.episode_lengths().tolist() == [3, 5, 5, 2]
    assert np.flatnonzero(data.terminations).tolist() == [2]


def test_a_timeouts_key_that_misses_one_without_next_observations(tmp_path):
    arrays = episodes([6, 6, 4], [False] * 3)
    arrays["timeouts"][5] = False
    path = write(tmp_path / "set.hdf5", arrays, drop=["next_observations"])
    with pytest.warns(DataWarning, match="a time limit is not marked, at row 5"):
        data = read_hdf5(path, max_episode_steps=6)
    assert data.episode_lengths().tolist() == [5, 5, 3]


def test_an_end_that_flags_miss_is_seen_by_the_break(tmp_path, three):
    three["timeouts"][6] = False
    data = read_hdf5(write(tmp_path / "set.hdf5", three), "hopper")
    assert data.episode_lengths().tolist() == [4, 3, 5]


def test_rounded_next_observations_end_no_episode(tmp_path, three):
    three["next_observations"] = three["next_observations"] * np.float32(1 + 1e-6)
    data = read_hdf5(write(tmp_path / "set.hdf5", three))
    assert data.episode_lengths().tolist() == [4, 3, 5]


@pytest.mark.filterwarnings("error::droco_lite.data.DataWarning")
def test_whole_episodes_at_the_limit_need_no_warning(tmp_path):
    for drop in ([], ["timeouts"], ["next_observations"]):
        path = write(tmp_path / "set.hdf5", episodes([6, 6], [False, False]), drop=drop)
        assert len(read_hdf5(path, max_episode_steps=6).episode_lengths()) == 2


@pytest.mark.parametrize("steps", [0, -5, 1.5, True])
def test_a_time_limit_that_is_none_is_refused(tmp_path, three, steps):
    with pytest.raises(ValueError, match="max_episode_steps must be a whole number of at least 1"):
        read_hdf5(write(tmp_path / "set.hdf5", three), max_episode_steps=steps)


@pytest.mark.parametrize("key", ["terminals", "timeouts"])
@pytest.mark.parametrize("value", [0.5, -1, 39, np.nan])
def test_a_flag_that_is_none_is_refused(tmp_path, three, key, value):
    three[key] = three[key].astype(np.float64)
    three[key][7] = value
    with pytest.raises(DataError, match=rf"{key} holds {value:g} at row 7, not a flag"):
        read_hdf5(write(tmp_path / "set.hdf5", three))


def test_no_array_of_another_file_is_read(tmp_path, three):
    """A file may not make its reader open others: by links, external storage or virtual arrays."""
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(12, dtype=np.float32).tobytes())
    write(tmp_path / "other.hdf5", three)
    path = write(tmp_path / "set.hdf5", three, drop=["rewards", "terminals"])
    with h5py.File(path, "a") as file:
        file["terminals"] = h5py.ExternalLink("other.hdf5", "terminals")
        file["rewards"] = three["rewards"]
    with pytest.raises(DataError, match="terminals is a link into another file; copy it"):
        read_hdf5(path)
    with h5py.File(path, "a") as file:
        del file["terminals"]
        file["terminals"] = three["terminals"]
        del file["rewards"]
        external = [(str(secret), 0, secret.stat().st_size)]
        file.create_dataset("rewards", (12,), "f4", external=external)
    with pytest.raises(DataError, match="rewards is kept in another file; copy it"):
        read_hdf5(path)


def test_what_the_robot_cannot_have_is_warned_of_by_row(tmp_path):
    arrays = episodes([4, 5], [False, True], 17, 6)
    arrays["rewards"][3] = 1e30
    path = write(tmp_path / "set.hdf5", arrays)
    with pytest.warns(DataWarning) as told:
        read_hdf5(path, "halfcheetah")
    said = [str(warning.message) for warning in told]
    assert len(said) == 2
    assert "a reward beyond 100, at row 3; is it" in said[0]
    assert "a fall flagged where the halfcheetah stands, at row 8; is it" in said[1]
    with pytest.warns(DataWarning, match=r"a reward beyond 1e\+06, at row 3"):
        read_hdf5(path)


def test_a_hoppers_falls_are_compared_with_their_flags(tmp_path):
    arrays = episodes([4, 5, 3], [True, False, True])
    for key in ("observations", "next_observations"):
        arrays[key][:] = 0
        arrays[key][:, 0] = 1.2  # it stands
        arrays[key][:, 5] = np.arange(12) + (key != "observations")
    arrays["next_observations"][11, 0] = 0.5  # as its flag says
    arrays["next_observations"][5:7, 0] = 0.5  # no flag says so
    path = write(tmp_path / "set.hdf5", arrays)
    with pytest.warns(DataWarning) as told:
        read_hdf5(path, "hopper")
    said = [str(warning.message) for warning in told]
    assert len(said) == 2
    assert "a fall flagged where the hopper stands, at row 3; is it" in said[0]
    assert "a fall of the hopper that no flag marks, at row 5 and 1 more; is it" in said[1]


def test_no_successor_at_all(tmp_path):
    arrays = episodes([1, 1], [False, False])
    path = write(tmp_path / "set.hdf5", arrays, drop=["next_observations"])
    with pytest.raises(DataError, match=r"set\.hdf5: no row has a successor"):
        read_hdf5(path)


@pytest.mark.parametrize("drop", [[], ["timeouts"], ["next_observations"]])
def test_chunks_make_no_difference(tmp_path, three, monkeypatch, drop):
    path = write(tmp_path / "set.hdf5", three, drop)
    whole = read_hdf5(path)
    monkeypatch.setattr("droco_lite.data.hdf5.CHUNK", 2)
    monkeypatch.setattr("droco_lite.data.ends.STEP", 2)
    monkeypatch.setattr("droco_lite.data.transitions.CHUNK", 2)
    pieces = read_hdf5(path)
    for name in Transitions.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))


def test_a_row_that_ends_both_ways_is_a_termination(tmp_path, three):
    three["timeouts"][3] = True
    data = read_hdf5(write(tmp_path / "set.hdf5", three))
    assert data.terminations[3]
    assert not data.truncations[3]


# --- Ant -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [27, 105, 111])
def test_ant_without_contact_forces_becomes_27_columns_exactly(tmp_path, columns):
    arrays = episodes([4, 3], [True, False], columns, 8)
    for key in ("observations", "next_observations"):
        arrays[key][:, 27:] = 0
    data = read_hdf5(write(tmp_path / "ant.hdf5", arrays), "ant")
    np.testing.assert_array_equal(data.observations, arrays["observations"][:, :27])
    np.testing.assert_array_equal(data.rewards, arrays["rewards"])


def test_ant_with_contact_forces_needs_their_weight(tmp_path):
    arrays = episodes([4, 3], [True, False], 105, 8)
    path = write(tmp_path / "ant.hdf5", arrays)
    with pytest.raises(DataError, match=r"105 observation columns.*contact_cost_weight=0\.0005"):
        read_hdf5(path, "ant")
    cost = 5e-4 * (arrays["next_observations"][:, 27:] ** 2).sum(1)
    data = read_hdf5(path, "ant", contact_cost_weight=5e-4)
    np.testing.assert_allclose(data.rewards, arrays["rewards"] + cost, rtol=1e-6)
    np.testing.assert_array_equal(read_hdf5(path, contact_cost_weight=0).rewards, arrays["rewards"])
    write(path, arrays, drop=["next_observations"])
    with pytest.raises(DataError, match="without next_observations"):
        read_hdf5(path, "ant", contact_cost_weight=5e-4)


def test_ant_conversion_agrees_with_gymnasium():
    """Rewards of v5's Ant with 105 columns, its contact cost removed, are those of the 27 one."""
    import gymnasium

    wide = gymnasium.make("Ant-v5")
    narrow = gymnasium.make(
        "Ant-v5", include_cfrc_ext_in_observation=False, contact_cost_weight=0.0
    )
    states, rewards, expected = [wide.reset(seed=0)[0]], [], []
    assert narrow.reset(seed=0)[0].shape == (27,)
    rng = np.random.default_rng(0)
    for _ in range(40):
        action = rng.uniform(-1, 1, 8).astype(np.float32)
        state, reward, *_ = wide.step(action)
        states.append(state)
        rewards.append(reward)
        expected.append(narrow.step(action)[1])
    states, rewards = np.array(states), np.array(rewards)
    assert np.square(states[1:, 27:]).sum() > 0
    observations, following, converted = ant_without_contacts(
        states[:-1], states[1:], rewards, contact_cost_weight=5e-4
    )
    assert observations.shape == following.shape == (40, 27)
    assert np.abs(converted - rewards).max() > 1e-4
    np.testing.assert_allclose(converted, expected, atol=1e-12)


def test_ant_of_another_width():
    with pytest.raises(DataError, match="27, 105 or 111 observation columns, not 30"):
        ant_without_contacts(np.zeros((2, 30)), np.zeros((2, 30)), np.zeros(2))
