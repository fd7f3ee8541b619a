"""The transition schema: what it refuses, how it samples, that its folders are whole or absent."""

import errno
import json
import os
import shutil
import time

import numpy as np
import pytest

from droco_lite.data.transitions import DataError, Transitions, concatenate, empty, rows_of
from droco_lite.files import atomic_folder


def make(rows=12, observations=11, actions=3, seed=0, episode=4):
    """A small valid set: episodes of ``episode`` rows, every other one terminating."""
    rng = np.random.default_rng(seed)
    ends = np.arange(rows) % episode == episode - 1
    falls = ends & (np.arange(rows) // episode % 2 == 0)
    return Transitions(
        rng.normal(size=(rows, observations)),
        rng.uniform(-1, 1, (rows, actions)),
        rng.normal(size=rows),
        rng.normal(size=(rows, observations)),
        falls,
        ends & ~falls,
    )


def with_array(data, **changes):
    arrays = {name: getattr(data, name) for name in Transitions.__dataclass_fields__}
    return Transitions(**{**arrays, **changes})


def test_arrays_are_float32_contiguous_and_flags_bool():
    data = make()
    fortran = np.asfortranarray(np.ones((12, 11)))
    data = with_array(data, observations=fortran, rewards=np.ones((12, 1), np.float64))
    assert data.observations.dtype == data.rewards.dtype == np.float32
    assert data.observations.flags.c_contiguous
    assert data.rewards.shape == (12,)
    assert data.terminations.dtype == data.truncations.dtype == np.bool_
    assert data.nbytes == 12 * ((11 + 3 + 1 + 11) * 4 + 2)


def test_no_copy_of_arrays_that_fit():
    data = make()
    assert np.shares_memory(with_array(data).observations, data.observations)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observations": [[1.0, 2.0], [3.0]]}, "observations is ragged"),
        ({"rewards": np.zeros(11)}, "rewards has 11 rows where observations has 12"),
        ({"actions": np.zeros(12)}, r"actions has shape \(12,\), expected \[n, columns\]"),
        ({"rewards": np.zeros((12, 2))}, r"rewards has shape \(12, 2\), expected \[n\]"),
        ({"next_observations": np.zeros((12, 10))}, "next_observations has 10 columns"),
        ({"actions": np.full((12, 3), "left")}, "actions holds <U4 values"),
        ({"actions": np.zeros((12, 3), complex)}, "actions holds complex128"),
        ({"terminations": np.full(12, np.nan)}, "terminations holds nan at row 0"),
        ({"observations": np.array([[1.0], [1.0, 2.0]], dtype=object)}, "observations holds obj"),
    ],
)
def test_wrong_shapes_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        with_array(make(), **changes)


@pytest.mark.parametrize("key", ["observations", "actions", "rewards", "next_observations"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_check_names_the_row_that_is_not_finite(key, value):
    data = make(100_000, 2, 1)  # more than one chunk
    getattr(data, key)[70_001] = value
    with pytest.raises(DataError, match=rf"file\.hdf5: {key} holds -?(nan|inf) at row 70,001"):
        data.check(where="file.hdf5")


def test_check_refuses_float64_values_beyond_float32():
    data = with_array(make(), rewards=np.full(12, 1e300))
    with pytest.raises(DataError, match="rewards holds inf at row 0"):
        data.check()


@pytest.mark.parametrize("value", [1.01, -2.0])
def test_check_names_row_and_value_of_an_action_out_of_range(value):
    data = make()
    data.actions[7, 1] = value
    with pytest.raises(DataError, match=rf"actions holds {value:g} at row 7, outside \[-1, 1\]"):
        data.check()


def test_check_allows_rounding_at_the_bound_and_returns_itself():
    data = make()
    data.actions[7, 1] = np.float32(1 + 5e-7)
    assert data.check() is data


def test_check_refuses_an_empty_set():
    with pytest.raises(DataError, match="empty"):
        make(0).check()


def test_check_names_both_robots():
    assert make().check("hopper")
    with pytest.raises(DataError, match=r"walker2d has 17 observation and 6 .* fit hopper"):
        make().check("walker2d")
    with pytest.raises(DataError, match=r"ant has 27 .* the data has 111 .*ant_without_contacts"):
        make(4, 111, 8).check("ant")
    with pytest.raises(ValueError, match="'humanoid' is not one of hopper"):
        make().check("humanoid")


def test_episodes():
    data = make(10)  # rows 0-3 end by falling, 4-7 by the time limit, 8-9 where the file ends
    assert data.episode_ends().tolist() == [3, 7, 9]
    assert data.episode_lengths().tolist() == [4, 4, 2]
    expected = [data.rewards[:4].sum(), data.rewards[4:8].sum(), data.rewards[8:].sum()]
    np.testing.assert_allclose(data.episode_returns(), expected, rtol=1e-6)
    assert [len(episode) for episode in data.episodes()] == [4, 4, 2]
    assert make(0).episode_returns().tolist() == []


def test_sample_draws_rows_with_and_without_replacement():
    data = make(1000)
    once = data.sample(0.1, seed=1)
    assert len(once) == 100
    assert len(np.unique(once.observations, axis=0)) == 100
    twice = data.sample(1000, seed=1, replace=True)
    assert len(np.unique(twice.observations, axis=0)) < 1000
    np.testing.assert_array_equal(once.rewards, data.sample(100, seed=1).rewards)
    assert not np.array_equal(once.rewards, data.sample(100, seed=2).rewards)
    row = np.flatnonzero((data.observations == once.observations[0]).all(1))
    np.testing.assert_array_equal(once.actions[0], data.actions[row[0]])
    with pytest.raises(ValueError, match=r"1,001 of 1,000 .* without replacement"):
        data.sample(1001)


@pytest.mark.parametrize(("size", "rows"), [(5, 5), (0.5, 10), (1.0, 20), (0.001, 1), (30, 30)])
def test_rows_of(size, rows):
    assert rows_of(size, 20) == rows


@pytest.mark.parametrize("size", [0, -3, 0.0, 1.5])
def test_rows_of_refuses(size):
    with pytest.raises(ValueError, match="size must be"):
        rows_of(size, 20)


def test_concatenate_ends_the_episode_of_each_part():
    both = concatenate([make(6), make(7, seed=1)])
    assert both.episode_ends().tolist() == [3, 5, 9, 12]
    assert not (both.terminations & both.truncations).any()
    with pytest.raises(DataError, match=r"\(11, 3\) and \(17, 6\)"):
        concatenate([make(), make(4, 17, 6)])
    with pytest.raises(DataError, match="nothing"):
        concatenate([])


@pytest.mark.parametrize("memory_map", [None, True, False])
def test_save_and_load_round_trip(tmp_path, memory_map):
    data = make()
    data.save(tmp_path / "set", {"robot": "hopper"})
    back = Transitions.load(tmp_path / "set", memory_map)
    for name in Transitions.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(back, name), getattr(data, name))
    assert json.loads((tmp_path / "set/metadata.json").read_text()) == {
        "robot": "hopper",
        "rows": 12,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_large_sets_are_memory_mapped_and_never_written_through(tmp_path, monkeypatch):
    monkeypatch.setattr("droco_lite.data.transitions.MEMORY_MAP_ABOVE", 100)
    make().save(tmp_path / "set")
    data = Transitions.load(tmp_path / "set")
    assert isinstance(data.observations.base, np.memmap)
    data.observations[0] = 99
    assert Transitions.load(tmp_path / "set").observations[0, 0] != 99


def test_a_broken_folder_is_refused_by_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        Transitions.load(tmp_path / "nothing")
    folder = make().save(tmp_path / "set")
    whole = (folder / "rewards.npy").read_bytes()
    (folder / "SHA256SUMS").unlink()  # as in sets of earlier versions
    for content in (whole[:-8], whole[:20], b"", b"not numpy"):
        (folder / "rewards.npy").write_bytes(content)
        for memory_map in (True, False):
            with pytest.raises(DataError, match=r"rewards\.npy cannot be read .* again"):
                Transitions.load(folder, memory_map)
    (folder / "rewards.npy").unlink()
    with pytest.raises(DataError, match=r"rewards\.npy is missing; make or import"):
        Transitions.load(folder)


def test_a_flipped_bit_in_any_file_of_a_set_is_refused(tmp_path):
    folder = make().save(tmp_path / "set")
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for at in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
            with pytest.raises(DataError, match=r"(is not what was written|is missing).*again"):
                Transitions.load(folder)
        path.write_bytes(whole)
    assert len(Transitions.load(folder)) == 12


def test_a_folder_that_is_no_set_is_only_called_one(tmp_path):
    (tmp_path / "letters").mkdir()
    with pytest.raises(DataError, match=r"holds no transitions") as error:
        Transitions.load(tmp_path)
    said = str(error.value).replace(str(tmp_path), "")
    assert "delete" not in said and "remove" not in said


def full_disk(*arguments, **keywords):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("function", ["numpy.save", "os.replace", "os.mkdir"])
def test_a_full_disk_leaves_nothing_and_a_second_run_mends_it(tmp_path, monkeypatch, function):
    with monkeypatch.context() as patch:
        patch.setattr(function, full_disk)
        with pytest.raises(OSError, match=r"disk is full; nothing was kept of .*set") as caught:
            make().save(tmp_path / "set")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []
    assert len(Transitions.load(make().save(tmp_path / "set"))) == 12


def test_a_failed_replacement_keeps_the_old_set(tmp_path, monkeypatch):
    make(12).save(tmp_path / "set")
    real, calls = os.replace, []
    monkeypatch.setattr("droco_lite.files.atomic._exchange", lambda *names: False)

    def fail_on_second(source, target):
        calls.append(target)
        if len(calls) == 3:  # the seal, the old set out of the way, the new one in its place
            full_disk()
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fail_on_second)
        with pytest.raises(OSError, match="disk is full"):
            make(8).save(tmp_path / "set")
    assert len(Transitions.load(tmp_path / "set")) == 12
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert len(Transitions.load(make(8).save(tmp_path / "set"))) == 8


def test_an_interrupt_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "set") as partial:
        (partial / "half").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_after_an_hour(tmp_path):
    old, young = tmp_path / ".set.partial-old", tmp_path / ".set.partial-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "half").write_text("half")
    for path in (old / "half", old):
        os.utime(path, (time.time() - 4000,) * 2)
    make().save(tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "set"]


def test_empty_is_writable():
    data = empty(3, 11, 3)
    data.rewards[:] = 1
    assert data.episode_returns().tolist() == [3.0]


def no_room(path):
    return shutil._ntuple_diskusage(total=10**9, used=10**9, free=1000)


def test_a_disk_without_room_is_refused_before_writing(tmp_path, monkeypatch):
    """HDF5 can take the whole process down when it meets a full disk half-way."""
    monkeypatch.setattr("shutil.disk_usage", no_room)
    with pytest.raises(OSError, match=r"disk is full; nothing was kept") as caught:
        make().save(tmp_path / "set")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError("9 requested and 4 written"), RuntimeError("flush")])
def test_a_disk_that_fills_up_is_known_without_an_error_number(tmp_path, monkeypatch, error):
    with (
        pytest.raises(OSError, match=r"disk is full; nothing was kept"),
        atomic_folder(tmp_path / "set"),
    ):
        monkeypatch.setattr("shutil.disk_usage", no_room)
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_may_not_be_written_is_named(tmp_path, monkeypatch):
    def forbidden(*arguments, **keywords):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("os.mkdir", forbidden)
    with pytest.raises(OSError, match=r"set could not be written \(Permission denied\); choose"):
        make().save(tmp_path / "set")
