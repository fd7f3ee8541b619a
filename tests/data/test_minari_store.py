"""Minari in and out, imports, and a cache that never holds half a set."""

import errno
import json
import os

import gymnasium
import h5py
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from droco_lite.data import DataError, Transitions, load, minari_store
from droco_lite.data.minari_store import import_file, read_minari, write_minari

from .hdf5_files import episodes, write

NAME = "droco-lite/hopper/test-v0"
CARD = {"robot": "hopper", "shift": "kinematic-footjnt-hard", "algorithm": "by hand"}


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    folder = tmp_path / "minari"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    return folder


@pytest.fixture
def data():
    arrays = episodes([4, 3, 5], [True, False, False])
    return Transitions(*(arrays[key] for key in KEYS))


KEYS = ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts")


def assert_same(a, b):
    for name in Transitions.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)


def left_behind(root):
    """Everything in Minari's folder but namespaces, which are empty folders with a note."""
    return [p for p in root.rglob("*") if p.is_file() and p.name != "namespace_metadata.json"]


def test_round_trip(data):
    write_minari(NAME, data, CARD)
    assert_same(read_minari(NAME, "hopper"), data)
    assert_same(load(NAME), data)
    assert len(load(NAME, size=0.5, seed=1)) == 6
    assert len(load(NAME, size=50, replace=True)) == 50


def test_minaris_own_tools_read_it(data):
    write_minari(NAME, data, CARD)
    assert list(minari.list_local_datasets()) == [NAME]
    dataset = minari.load_dataset(NAME)
    assert (dataset.total_episodes, dataset.total_steps) == (3, 12)
    assert dataset[0].observations.shape == (5, 11)
    assert "EpisodeData" in repr(dataset[0])
    environment = dataset.recover_environment()
    assert environment.unwrapped.shift.variant == "footjnt"
    assert dataset.recover_environment(eval_env=True).unwrapped.shift.family == "nominal"
    assert dataset.observation_space.shape == environment.observation_space.shape
    metadata = minari.list_local_datasets()[NAME]
    assert metadata["algorithm_name"] == "by hand"
    assert metadata["code_permalink"].startswith(f"{minari_store.CODE}/tree/")
    assert (metadata["ref_min_score"], metadata["ref_max_score"]) == (-20.272305, 3234.3)
    expert = minari.get_normalized_score(dataset, np.array([3234.3]))
    np.testing.assert_allclose(expert, 1.0)
    assert metadata["droco_lite"] == CARD
    assert metadata["requirements"][0].startswith("droco-lite==")


def test_the_specification_is_what_minaris_pages_list(data, root):
    folder = write_minari(NAME, data, CARD)
    shown = minari_store.specification(NAME)
    dataset = minari.load_dataset(NAME)
    assert shown["total steps"] == "12" and shown["total episodes"] == "3"
    assert shown["observation space"] == str(dataset.observation_space)
    assert shown["action space"] == "Box(-1.0, 1.0, (3,), float32)"
    assert shown["Minari version"] == minari.__version__
    assert shown["environment"] == "droco_lite/Hopper-v0" and shown["step limit"] == "1000"
    assert shown["keyword arguments"] == "robot='hopper', shift='kinematic-footjnt-hard'"
    assert shown["evaluation environment"] == "droco_lite/Hopper-v0 robot='hopper'"
    assert shown["reference returns"] == "-20.2723 (score 0), 3234.3 (score 100)"
    assert shown["author"] == "The droco-lite contributors"
    write_minari(NAME, data, {"algorithm": "by hand"})  # of an unknown robot
    assert minari_store.specification(NAME)["environment"] == ""
    metadata = folder / "data/metadata.json"
    (folder / "data/SHA256SUMS").unlink()
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"action_space": "{}"}))
    with pytest.raises(DataError, match=r"metadata\.json: no readable spaces"):
        minari_store.specification(NAME)


def test_other_peoples_sets(tmp_path):
    """A set as Minari's users make them: float64, an environment of its own, no card."""
    rng = np.random.default_rng(0)
    buffers = [
        EpisodeBuffer(
            observations=rng.normal(size=(steps + 1, 11)),
            actions=rng.uniform(-1, 1, (steps, 3)).astype(np.float32),
            rewards=rng.normal(size=steps).tolist(),
            terminations=[False] * (steps - 1) + [fall],
            truncations=[False] * (steps - 1) + [not fall],
            infos={},
        )
        for steps, fall in ((3, True), (2, False))
    ]
    minari.create_dataset_from_buffers(
        "mujoco/hopper/medium-v0",
        buffers,
        env="Hopper-v5",
        code_permalink="https://example.org",
        author="somebody",
        author_email="a@example.org",
        algorithm_name="SAC",
        description="two episodes",
        eval_env="Hopper-v5",
    )
    data = load("mujoco/hopper/medium-v0", "hopper")
    assert data.episode_lengths().tolist() == [3, 2]
    assert np.flatnonzero(data.terminations).tolist() == [2]
    np.testing.assert_array_equal(
        data.next_observations[2], buffers[0].observations[3].astype("f4")
    )
    assert minari_store.robot_of("mujoco/hopper/medium-v0") == "hopper"
    assert minari_store.card_of("mujoco/hopper/medium-v0") == {}
    with pytest.raises(DataError, match=r"hopper/medium-v0: walker2d has 17"):
        load("mujoco/hopper/medium-v0", "walker2d")


def ant_set(environment, name="mujoco/ant/medium-v0"):
    env = gymnasium.make(environment)
    states, actions, rewards = [env.reset(seed=0)[0]], [], []
    rng = np.random.default_rng(0)
    for _ in range(12):
        actions.append(rng.uniform(-1, 1, 8).astype(np.float32))
        state, reward, *_ = env.step(actions[-1])
        states.append(state)
        rewards.append(reward)
    buffer = EpisodeBuffer(
        observations=np.array(states),
        actions=np.array(actions),
        rewards=rewards,
        terminations=[False] * 12,
        truncations=[False] * 11 + [True],
        infos={},
    )
    with pytest.warns(UserWarning):
        minari.create_dataset_from_buffers(name, [buffer], env=environment)
    return np.array(states), np.array(rewards)


def test_ant_with_contact_forces_uses_its_environments_weight():
    states, rewards = ant_set("Ant-v5")
    data = load("mujoco/ant/medium-v0", "ant")
    assert data.observation_size == 27
    cost = 5e-4 * np.square(states[1:, 27:]).sum(1)
    np.testing.assert_allclose(data.rewards, rewards + cost, rtol=1e-6)
    kept = load("mujoco/ant/medium-v0", "ant", contact_cost_weight=0.0)
    np.testing.assert_allclose(kept.rewards, rewards, rtol=1e-6)


def test_large_sets_become_memory_mapped_once(data, monkeypatch):
    for module in ("minari_write", "minari_read", "transitions"):
        monkeypatch.setattr(f"droco_lite.data.{module}.MEMORY_MAP_ABOVE", 100)
    folder = write_minari(NAME, data, CARD)
    arrays = folder / minari_store.ARRAYS
    assert arrays.is_dir()
    back = read_minari(NAME)
    assert isinstance(back.observations.base, np.memmap)
    assert_same(back, data)
    # Arrays of another state of the set are not used, and arrays that are gone are made anew.
    (folder / "data/SHA256SUMS").unlink()
    with h5py.File(folder / "data/main_data.hdf5", "a") as file:
        file["episode_0/rewards"][0] = 7.0
    os.utime(folder / "data/main_data.hdf5", ns=(1, 1))
    assert read_minari(NAME).rewards[0] == 7.0
    for path in arrays.iterdir():
        path.unlink()
    arrays.rmdir()
    assert_same(read_minari(NAME), read_minari(NAME))
    assert isinstance(read_minari(NAME).observations.base, np.memmap)


def test_replacing_a_set(data):
    write_minari(NAME, data, CARD)
    write_minari(NAME, data.take(slice(0, 4)), CARD)
    assert len(read_minari(NAME)) == 4


def test_single_transitions_have_no_place_in_minari(data, root):
    with pytest.raises(DataError, match=r"row \d+ does not lead to row .*Transitions\.save"):
        write_minari(NAME, data.sample(12, seed=1), CARD)
    shuffled = episodes([1] * 1200, [False] * 1200)
    with pytest.raises(DataError, match="most episodes have one step"):
        write_minari(NAME, Transitions(*(shuffled[key] for key in KEYS)), CARD)
    assert left_behind(root) == []


# --- Nothing half-written ------------------------------------------------------------------------


def full_disk(*arguments, **keywords):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "function",
    [
        "os.replace",
        "numpy.save",
        "h5py.Group.create_dataset",
        "minari.dataset.minari_storage.MinariStorage.update_metadata",
    ],
)
def test_a_full_disk_leaves_nothing_and_a_second_run_mends_it(data, root, monkeypatch, function):
    for module in ("minari_write", "minari_read", "transitions"):
        monkeypatch.setattr(f"droco_lite.data.{module}.MEMORY_MAP_ABOVE", 100)
    with monkeypatch.context() as patch:
        patch.setattr(function, full_disk)
        with pytest.raises(OSError, match=r"disk is full.*test-v0.*MINARI_DATASETS_PATH"):
            write_minari(NAME, data, CARD)
    assert left_behind(root) == []
    assert minari.list_local_datasets() == {}
    write_minari(NAME, data, CARD)
    assert_same(read_minari(NAME), data)


def test_an_interrupt_leaves_nothing(data, root, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("minari.create_dataset_from_buffers", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_minari(NAME, data, CARD)
    assert left_behind(root) == []
    assert os.environ["MINARI_DATASETS_PATH"] == str(root)


def test_a_read_only_disk_still_reads(data, monkeypatch):
    write_minari(NAME, data, CARD)
    for module in ("minari_write", "minari_read", "transitions"):
        monkeypatch.setattr(f"droco_lite.data.{module}.MEMORY_MAP_ABOVE", 100)
    monkeypatch.setattr("os.mkdir", full_disk)
    assert_same(read_minari(NAME), data)


# --- Damage --------------------------------------------------------------------------------------


def test_damaged_sets_are_refused_with_the_mend(data, root):
    folder = write_minari(NAME, data, CARD)
    main = folder / "data/main_data.hdf5"
    whole = main.read_bytes()
    (folder / "data/SHA256SUMS").unlink()  # as in sets of others
    for content in (b"", whole[: len(whole) // 2], b"not hdf5"):
        main.write_bytes(content)
        with pytest.raises(DataError, match=rf"{NAME}: cannot be .*move .*{NAME} away"):
            read_minari(NAME)
    main.write_bytes(whole)
    assert_same(read_minari(NAME), data)
    with h5py.File(main, "a") as file:
        file["episode_1/actions"].resize((2, 3))
    with pytest.raises(DataError, match=r"episode 1.*move .* away"):
        read_minari(NAME)
    main.write_bytes(whole)
    with h5py.File(main, "a") as file:
        file["episode_2/observations"][3, 4] = np.nan
    with pytest.raises(DataError, match=rf"{NAME}: observations holds nan at row 10"):
        read_minari(NAME)
    main.write_bytes(whole)
    metadata = folder / "data/metadata.json"
    stored = json.loads(metadata.read_text())
    metadata.write_text(json.dumps(stored | {"total_steps": 13}))
    with pytest.raises(DataError, match="12 transitions where its metadata promises 13"):
        read_minari(NAME)
    metadata.write_text("{")
    with pytest.raises(DataError, match=r"metadata\.json: not JSON"):
        read_minari(NAME)


def test_observations_that_are_not_a_vector():
    buffer = EpisodeBuffer(
        observations=np.arange(3),
        actions=np.zeros(2, int),
        rewards=[0.0, 1.0],
        terminations=[False, True],
        truncations=[False, False],
        infos={},
    )
    with pytest.warns(UserWarning):
        minari.create_dataset_from_buffers(
            "toy-v0",
            [buffer],
            observation_space=gymnasium.spaces.Discrete(4),
            action_space=gymnasium.spaces.Discrete(2),
        )
    with pytest.raises(DataError, match=r"toy-v0: observations are Discrete\(4\)"):
        load("toy-v0")


# --- Fetching ------------------------------------------------------------------------------------


def test_what_is_not_there(root):
    with pytest.raises(FileNotFoundError, match="droco-lite data import mujoco/hopper/medium-v0"):
        load("mujoco/hopper/medium-v0", download=False)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), TimeoutError(), Exception()])
def test_an_interrupted_download_leaves_nothing(root, monkeypatch, error, data):
    def download(dataset_id, **keywords):
        half = minari_store.datasets_root() / dataset_id / "data"
        half.mkdir(parents=True)
        (half / "main_data.hdf5").write_bytes(b"half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("minari.download_dataset", download)
        with pytest.raises(ConnectionError, match=r"could not be fetched .* nothing was kept"):
            load("mujoco/hopper/medium-v0")
    assert left_behind(root) == []

    def second(dataset_id, **keywords):
        source = write_minari("copy/of/it-v0", data, CARD)
        target = minari_store.datasets_root() / dataset_id
        target.parent.mkdir(parents=True)
        os.replace(source, target)

    monkeypatch.setattr("minari.download_dataset", second)
    assert_same(load("mujoco/hopper/medium-v0"), data)


def test_the_package_that_fetches_is_not_installed(root, monkeypatch):
    def download(dataset_id, **keywords):
        raise ImportError('please install it using `pip install "minari[hf]"`')

    monkeypatch.setattr("minari.download_dataset", download)
    with pytest.raises(ConnectionError, match=r"not here .*minari\[hf\]"):
        load("mujoco/hopper/medium-v0")
    assert left_behind(root) == []


def test_an_id_that_the_server_lacks(root, monkeypatch):
    def download(dataset_id, **keywords):
        raise ValueError("Couldn't find any version for dataset")

    monkeypatch.setattr("minari.download_dataset", download)
    with pytest.raises(FileNotFoundError, match="mujoco/hopper/none-v0: Couldn't find"):
        load("mujoco/hopper/none-v0")
    assert left_behind(root) == []


# --- Importing files -----------------------------------------------------------------------------


def test_import_of_an_otdf_file(tmp_path):
    arrays = episodes([4, 3, 5], [False] * 3)
    path = write(tmp_path / "hopper_kinematic_medium.hdf5", arrays, drop=["timeouts"])
    name = import_file(path, shift="otdf-kinematic-thighfootjnt-hard")
    assert name == "droco-lite/imported/hopper_kinematic_medium-v0"
    data = load(name, "hopper")
    assert (len(data), len(data.episode_ends())) == (12, 3)
    card = minari_store.card_of(name)
    assert card["robot"] == "hopper"
    assert (card["rows"], card["episodes"]) == (12, 3)
    assert card["imported_from"] == "hopper_kinematic_medium.hdf5"
    assert minari_store.specification(name)["author"] == "unknown"  # not us
    environment = minari.load_dataset(name).recover_environment()
    assert str(environment.unwrapped.shift) == "otdf-kinematic-thighfootjnt-hard"


def test_import_needs_to_know_the_robot(tmp_path):
    path = write(tmp_path / "set.hdf5", episodes([4], [True], 17, 6))
    with pytest.raises(DataError, match=r"17 observation and 6 .*--robot walker2d"):
        import_file(path)
    assert minari_store.card_of(import_file(path, "walker2d"))["robot"] == "walker2d"
    named = write(tmp_path / "halfcheetah-morph-expert.hdf5", episodes([4], [True], 17, 6))
    assert minari_store.card_of(import_file(named))["robot"] == "halfcheetah"
    lying = write(tmp_path / "ant-morph-expert.hdf5", episodes([4], [True], 17, 6))
    with pytest.raises(DataError, match=r"ant has 27 .* fit walker2d and halfcheetah"):
        import_file(lying)
    with pytest.raises(ValueError, match="shift: cannot read 'magnetism'"):
        import_file(path, "walker2d", shift="magnetism")


def test_load_of_files_and_folders(tmp_path, data):
    path = write(tmp_path / "set.h5", episodes([4, 3, 5], [True, False, False]))
    assert_same(load(path), data)
    assert_same(load(data.save(tmp_path / "folder"), "hopper"), data)
    with pytest.raises(FileNotFoundError, match=r"gone\.hdf5: no such file"):
        load(tmp_path / "gone.hdf5")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_observations_that_are_a_dictionary_are_refused_with_the_way_out():
    box = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    space = gymnasium.spaces.Dict({"observation": box, "desired_goal": box})
    episode = EpisodeBuffer(
        id=0,
        observations={key: np.zeros((5, 3), np.float32) for key in space},
        actions=np.zeros((4, 3), np.float32),
        rewards=[0.0] * 4,
        terminations=[False] * 4,
        truncations=[False] * 3 + [True],
    )
    minari.create_dataset_from_buffers(
        "me/goals-v0", [episode], observation_space=space, action_space=box
    )
    with pytest.raises(DataError, match=r"me/goals-v0: observations are Dict.*spaces\.flatten"):
        load("me/goals-v0")
