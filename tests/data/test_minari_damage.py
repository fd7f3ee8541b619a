"""Minari sets that are damaged or of an unexpected shape: read right, or refused by key."""

import json
import shutil

import h5py
import numpy as np
import pytest

from droco_lite.data import DataError, DataWarning, Transitions, load, minari_store
from droco_lite.data.minari_store import import_file, read_minari, write_minari

from .hdf5_files import episodes, write
from .test_minari_store import CARD, KEYS, NAME, assert_same, root  # noqa: F401

pytestmark = pytest.mark.filterwarnings("ignore::droco_lite.data.DataWarning")


@pytest.fixture
def data():
    arrays = episodes([4, 3, 5], [True, False, False])
    return Transitions(*(arrays[key] for key in KEYS))


@pytest.fixture
def folder(data):
    return write_minari(NAME, data, CARD)


def unsealed(folder):
    """As a set that others made."""
    (folder / "data" / "SHA256SUMS").unlink(missing_ok=True)
    return folder


def test_no_flipped_bit_in_our_sets_is_read_as_other_data(folder, data):
    """The HDF5 file holds much that does not matter, such as times: that may be flipped too."""
    for name in ("main_data.hdf5", "metadata.json", "SHA256SUMS"):
        path = folder / "data" / name
        whole = path.read_bytes()
        for at in np.linspace(0, len(whole) - 1, 40).astype(int):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
            try:
                found = read_minari(NAME)
            except DataError as error:
                assert str(folder) in str(error) and "make or fetch the set again" in str(error)
            else:
                assert name == "SHA256SUMS"
                assert_same(found, data)
        path.write_bytes(whole)


def test_a_set_without_metadata_is_not_fetched_over(folder):
    (folder / "data" / "metadata.json").unlink()
    with pytest.raises(DataError, match=r"data/metadata\.json is missing; move .* away"):
        load(NAME)


def test_damaged_arrays_are_made_again(folder, data, monkeypatch):
    for module in ("minari_write", "minari_read", "transitions"):
        monkeypatch.setattr(f"droco_lite.data.{module}.MEMORY_MAP_ABOVE", 100)
    write_minari(NAME, data, CARD)
    path = folder / minari_store.ARRAYS / "rewards.npy"
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")
    assert_same(read_minari(NAME), data)
    assert_same(Transitions.load(path.parent), data)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("total_steps", 1e13, "total_steps is 1.*expected a whole number"),
        ("total_steps", -1, "total_steps is -1"),
        ("total_steps", None, "total_steps is None"),
        ("total_episodes", "3", "total_episodes is '3'"),
        ("dataset_size", "big", "dataset_size is 'big', expected a number"),
        ("ref_min_score", [1], r"ref_min_score is \[1\]"),
        ("env_spec", "junk", "env_spec is 'junk', expected an environment's specification"),
        ("env_spec", [1], "env_spec"),
        ("env_spec", '{"kwargs": 3}', "env_spec"),
        ("eval_env_spec", 7, "eval_env_spec is 7"),
        ("author", {"a": 1}, "author is"),
        ("requirements", [3], r"requirements is \[3\]"),
        ("description", 3, "description is 3, expected a text"),
        ("droco_lite", "a card", "droco_lite is 'a card', expected a card"),
        ("droco_lite", {"score": "high"}, "droco_lite.score is 'high', expected a number"),
        ("droco_lite", {"robot": ["hopper"]}, "droco_lite.robot is"),
        ("droco_lite", {"behaviour": "td3"}, "droco_lite.behaviour is 'td3'"),
    ],
)
def test_metadata_of_a_wrong_kind_are_refused_by_key(folder, key, value, message):
    path = unsealed(folder) / "data" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    for use in (minari_store.describe, minari_store.specification, read_minari, load):
        with pytest.raises(DataError, match=rf"metadata\.json: {message}"):
            use(NAME)
    with pytest.warns(DataWarning, match=rf"left out: .*{NAME}.*{key}"):
        assert minari_store.list_local() == {}


@pytest.mark.parametrize("content", ["[1, 2]", "3", "null", '"text"', "{"])
def test_metadata_that_are_no_keys_are_refused(folder, content):
    (unsealed(folder) / "data" / "metadata.json").write_text(content)
    with pytest.raises(DataError, match=r"metadata\.json: (holds no keys|not JSON)"):
        read_minari(NAME)


def test_an_environment_may_be_written_as_keys(folder, data):
    path = unsealed(folder) / "data" / "metadata.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"env_spec": json.loads(stored["env_spec"])}))
    assert minari_store.describe(NAME)["environment"] == "droco_lite/Hopper-v0"
    assert minari_store.robot_of(NAME) == "hopper"


def test_a_folder_without_a_version_is_named_and_left_out(folder):
    shutil.copytree(folder, folder.with_name("test"))
    with pytest.raises(DataError, match=r"hopper/test: the folder's name has no version; rename"):
        read_minari("droco-lite/hopper/test")
    with pytest.warns(DataWarning, match="left out: .*no version"):
        assert list(minari_store.list_local()) == [NAME]


@pytest.mark.parametrize("key", ["actions", "rewards", "terminations", "truncations"])
@pytest.mark.parametrize("rows", [1, 2])
def test_an_episode_whose_arrays_differ_in_length_is_refused(folder, key, rows):
    """One value for five steps would otherwise be copied to all of them."""
    with h5py.File(unsealed(folder) / "data" / "main_data.hdf5", "a") as file:
        group = file["episode_2"]
        kept = group[key][:rows]
        del group[key]
        group[key] = kept
    with pytest.raises(DataError, match=rf"episode 2: {key} has shape \({rows}.* for 5 steps"):
        read_minari(NAME)


def test_an_episode_of_other_columns_is_told_its_own(folder):
    with h5py.File(unsealed(folder) / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/observations"]
        file["episode_1/observations"] = np.zeros((4, 12), np.float32)
    with pytest.raises(DataError, match=r"episode 1: 12 observation columns where .* 11"):
        read_minari(NAME)


def test_flags_that_are_none_are_refused(folder):
    with h5py.File(unsealed(folder) / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/terminations"]
        file["episode_1/terminations"] = np.array([0, 0.5, 0])
    with pytest.raises(DataError, match=r"episode 1: terminations holds 0\.5 at row 1, not a flag"):
        read_minari(NAME)


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "group link"])
def test_no_array_of_another_file_is_read(folder, tmp_path, kind):
    secret = tmp_path / "secret.hdf5"
    shutil.copy(folder / "data" / "main_data.hdf5", secret)
    with h5py.File(unsealed(folder) / "data" / "main_data.hdf5", "a") as file:
        key = "episode_1" if kind == "group link" else "episode_1/rewards"
        del file[key]
        if kind == "external storage":
            file.create_dataset(key, (3,), "f8", external=[(str(secret), 0, 24)])
        elif kind == "soft link":
            file[key] = h5py.SoftLink("/episode_0/rewards")
        else:
            file[key] = h5py.ExternalLink(str(secret), key)
    with pytest.raises(DataError, match=rf"{key} is (a link|kept in another file); copy"):
        read_minari(NAME)


def test_an_imported_set_without_dynamics_says_so(tmp_path):
    path = write(tmp_path / "hopper.hdf5", episodes([4, 3], [False, False]))
    with pytest.warns(DataWarning, match=r"dynamics .* are not known.*--shift"):
        name = import_file(path)
    assert minari_store.describe(name)["environment"] is None
