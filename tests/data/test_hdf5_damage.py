"""Every damage that a D4RL-style HDF5 file can have: refused, with file and key named."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from droco_lite.data.hdf5 import read_hdf5
from droco_lite.data.transitions import DataError

from .hdf5_files import episodes, write


def refused(path, message, **options):
    with pytest.raises(DataError, match=message) as caught:
        read_hdf5(path, **options)
    assert str(path) in str(caught.value)


def test_no_file_and_foreign_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_hdf5(tmp_path / "none.hdf5")
    path = tmp_path / "set.hdf5"
    path.write_bytes(b"")
    refused(path, "the file is empty")
    path.write_text("<html>404</html>")
    refused(path, "not an HDF5 file")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_a_truncated_file(tmp_path, three, share):
    path = write(tmp_path / "set.hdf5", three)
    os.truncate(path, int(share * path.stat().st_size))
    refused(path, "cut short or damaged")


@pytest.mark.parametrize("key", ["observations", "actions", "rewards", "terminals"])
def test_a_missing_key_is_named_beside_what_is_there(tmp_path, three, key):
    path = write(tmp_path / "set.hdf5", three, drop=[key])
    refused(path, rf"no {key}.*; the file holds .*next_observations")


def test_an_empty_table_of_contents(tmp_path):
    refused(write(tmp_path / "set.hdf5", {}), "the file holds nothing")


def test_minari_storage_is_recognised(tmp_path, three):
    path = tmp_path / "main_data.hdf5"
    with h5py.File(path, "w") as file:
        file["episode_0/observations"] = three["observations"]
    refused(path, "inside of a Minari data set")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("rewards", np.zeros(11), "rewards has 11 rows where observations has 12"),
        ("observations", np.zeros(12), r"observations has shape \(12,\), expected \[rows, columns"),
        ("actions", np.zeros((12, 0)), r"actions has shape \(12, 0\)"),
        ("rewards", np.zeros((12, 2)), r"rewards has shape \(12, 2\), expected \[rows\]"),
        ("rewards", 3.0, r"rewards has shape \(\)"),
        ("terminals", np.full(12, np.bytes_("no")), r"terminals holds \|S2 values"),
        ("terminals", np.full(12, np.nan), "terminals holds nan at row 0"),
        ("actions", np.full((12, 3), 2.0), "actions holds 2 at row 0"),
        ("next_observations", np.zeros((12, 5)), "next_observations has 5 columns"),
        ("next_observations", np.full((12, 11), np.inf), "next_observations holds inf at row 0"),
        ("observations", np.zeros((0, 11)), r"observations is empty \(0 rows\)"),
    ],
)
def test_wrong_arrays(tmp_path, three, key, value, message):
    three[key] = value
    refused(write(tmp_path / "set.hdf5", three), message)


def test_a_row_beyond_the_first_chunk_is_named(tmp_path, three, monkeypatch):
    monkeypatch.setattr("droco_lite.data.hdf5.CHUNK", 4)
    monkeypatch.setattr("droco_lite.data.transitions.CHUNK", 4)
    three["observations"][9, 2] = np.nan
    refused(write(tmp_path / "set.hdf5", three), "observations holds nan at row 9")


@pytest.mark.parametrize("drop", [[], ["timeouts"], ["next_observations"]])
@pytest.mark.parametrize("key", ["observations", "actions", "rewards"])
def test_the_row_named_is_the_files_own(tmp_path, three, key, drop):
    """Row 9 stays row 9, also where rows before it have no successor and are dropped."""
    three[key][9] = np.nan
    refused(write(tmp_path / "set.hdf5", three, drop), f"{key} holds nan at row 9;")
    three[key][9] = 0.0
    three["actions"][10, 1] = -1.5
    refused(write(tmp_path / "set.hdf5", three, drop), "actions holds -1.5 at row 10,")


def test_a_contact_force_that_is_not_finite_is_named(tmp_path):
    arrays = episodes([4, 3], [True, False], 105, 8)
    arrays["next_observations"][5, 60] = np.nan
    path = write(tmp_path / "ant.hdf5", arrays)
    for weight in (None, 5e-4):
        refused(
            path, "next_observations holds a contact force .* row 5", contact_cost_weight=weight
        )


def test_ragged_groups_links_and_types(tmp_path, three):
    path = tmp_path / "set.hdf5"

    def replaced(change):
        write(path, three, drop=["rewards"])
        with h5py.File(path, "a") as file:
            change(file)
        return path

    def ragged(file):
        file.create_dataset("rewards", (12,), h5py.vlen_dtype(np.float32))

    def external(file):
        file["rewards"] = h5py.ExternalLink("gone.hdf5", "rewards")

    def dangling(file):
        file["rewards"] = h5py.SoftLink("/gone")

    def loop(file):
        file["rewards"] = h5py.SoftLink("/rewards")

    refused(replaced(ragged), "rewards holds object values")
    refused(replaced(lambda file: file.create_group("rewards")), "rewards is a group")
    refused(replaced(lambda file: file.create_dataset("rewards", data=h5py.Empty("f"))), "rewards")
    for change in (external, dangling, loop):
        refused(replaced(change), "rewards.*(leads nowhere|cannot be opened)")


@pytest.mark.parametrize("rows", [12, 10**12])
def test_an_array_that_was_declared_but_not_written(tmp_path, three, rows):
    """HDF5 reads such an array as zeros, however large it claims to be."""
    path = write(tmp_path / "set.hdf5", three, drop=["observations"])
    with h5py.File(path, "a") as file:
        made = file.create_dataset("observations", (rows, 11), "f4", chunks=(4, 11))
        made[:4] = 1.0
    refused(path, r"only 1 of .* parts of observations were ever written")
    write(path, three, drop=["rewards"])
    with h5py.File(path, "a") as file:
        file.create_dataset("rewards", (12,), "f4")
    refused(path, r"only 0 of 1 parts of rewards")


def test_flags_that_were_never_written_are_false(tmp_path, three):
    path = write(tmp_path / "set.hdf5", three, drop=["terminals"])
    with h5py.File(path, "a") as file:
        file.create_dataset("terminals", (12,), bool)
    assert not read_hdf5(path).terminations.any()


def test_a_table_that_claims_too_much(tmp_path, three):
    path = write(tmp_path / "set.hdf5", three, drop=["terminals"])
    with h5py.File(path, "a") as file:
        file.create_dataset("terminals", (10**12,), "f4", chunks=(1000,))
    refused(path, "terminals claims .* GiB")


def test_a_virtual_array(tmp_path, three):
    path = write(tmp_path / "set.hdf5", three, drop=["observations"])
    layout = h5py.VirtualLayout((12, 11), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "gone.hdf5"), "observations", (12, 11))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("observations", layout)
    refused(path, "observations is assembled from other files")


def test_a_foreign_robot(tmp_path, three):
    path = write(tmp_path / "set.hdf5", three)
    refused(path, "walker2d has 17 .* they fit hopper", robot="walker2d")


# --- Fuzz ----------------------------------------------------------------------------------------

# The same examples in every run: a longer search is a matter of max_examples and a random seed.
FUZZ = settings(
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WHOLE = None


def whole_file(folder: Path) -> bytes:
    global WHOLE
    if WHOLE is None:
        WHOLE = write(folder / "whole", episodes([4, 3], [True, False], 11, 3)).read_bytes()
    return WHOLE


@settings(FUZZ, max_examples=150)
@given(st.data())
def test_damaged_bytes_are_refused_or_harmless(tmp_path, data):
    """Whatever bytes change, the reader returns checked transitions or names the file."""
    content = bytearray(whole_file(tmp_path))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    read_or_refuse(tmp_path / "set.hdf5", content)


def read_or_refuse(path, content):
    path.write_bytes(bytes(content))
    try:
        found = read_hdf5(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert found.check() is found
        assert found.episode_lengths().sum() == len(found)


@settings(FUZZ, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=6),
    st.sets(st.sampled_from(["next_observations", "timeouts"])),
    st.sampled_from([1, 2, 65_536]),
)
@example([(1, False), (1, True)], {"next_observations"}, 1)
def test_every_kept_transition_was_in_the_file(tmp_path, shapes, drop, chunk):
    """No layout may invent a transition: s, a, r, s' come from one row of the true episodes."""
    arrays = episodes(*zip(*shapes, strict=True), 4, 2)
    path = write(tmp_path / "set.hdf5", arrays, drop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("droco_lite.data.hdf5.CHUNK", chunk)
        patch.setattr("droco_lite.data.ends.STEP", chunk)
        try:
            data = read_hdf5(path, max_episode_steps=6)
        except DataError as error:
            assert "no row has a successor" in str(error)
            return
    truth = {row.tobytes(): i for i, row in enumerate(arrays["observations"])}
    rows = [truth[row.tobytes()] for row in data.observations]
    np.testing.assert_array_equal(data.rewards, arrays["rewards"][rows])
    np.testing.assert_array_equal(data.terminations, arrays["terminals"][rows])
    alive = ~data.terminations
    if "next_observations" not in drop:
        assert len(data) == len(arrays["rewards"])
        alive[:] = True
    if len(drop) < 2:  # with neither key an unmarked end may be passed over, as documented
        np.testing.assert_array_equal(
            data.next_observations[alive], arrays["next_observations"][rows][alive]
        )
