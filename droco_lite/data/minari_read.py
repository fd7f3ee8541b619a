"""Minari data sets in: everybody's, by id, checked and fetched if need be."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from droco_lite import files
from droco_lite.data.contacts import of_environment, weight_in, with_contacts, without_contacts
from droco_lite.data.hdf5 import refuse_other_files
from droco_lite.data.minari_metadata import (
    ARRAYS,
    MEND_DISK,
    datasets_path,
    datasets_root,
    describe,
    is_current,
    is_local,
    mend,
    named_robot,
    stamp,
)
from droco_lite.data.transitions import (
    MEMORY_MAP_ABOVE,
    ORACLE,
    DataError,
    Transitions,
    empty,
    refuse_no_flags,
)
from droco_lite.robots import ROBOTS
from droco_lite.robots.robot import Robot


def read_minari(
    dataset_id: str,
    robot: str | None = None,
    *,
    download: bool = False,
    contact_cost_weight: float | None = None,
) -> Transitions:
    """Read a Minari data set into the package's schema, and check it.

    Args:
        dataset_id: such as ``mujoco/hopper/medium-v0``.
        robot: refuse any other robot's columns; by default the set's own robot, as far as our card
            or its environment says it, decides whether contact forces are cut off.
        download: fetch the set from Minari's server if it is not on disk.
        contact_cost_weight: for Ant with contact forces, see
            :func:`droco_lite.data.hdf5.ant_without_contacts`; by default what the set's own
            environment says.

    Raises:
        FileNotFoundError: the set is not on disk, and was not to be fetched.
        ConnectionError: it could not be fetched; nothing half-fetched stays.
        DataError: the set is damaged, has no flat observations, or is refused by
            :meth:`Transitions.check`.
    """
    if not is_local(dataset_id):
        place = datasets_root() / dataset_id / "data"
        if place.is_dir():
            raise DataError(f"{place / 'metadata.json'} is missing; {mend(dataset_id)}")
        if not download:
            raise FileNotFoundError(
                f"{dataset_id} is not among the Minari data sets in {datasets_root()}; fetch it "
                f"with 'droco-lite data import {dataset_id}', or make ours with 'droco-lite data "
                "make TASK'"
            )
        _download(dataset_id)
    folder = datasets_root() / dataset_id
    arrays = folder / ARRAYS
    data = None
    if arrays.is_dir() and is_current(arrays, folder / "data"):
        with contextlib.suppress(DataError):  # damaged arrays are made anew
            data = Transitions.load(arrays, memory_map=True)
    if data is not None:
        return data.check(robot, dataset_id)
    data = _read_episodes(dataset_id, robot, contact_cost_weight).check(robot, dataset_id)
    if data.nbytes > MEMORY_MAP_ABOVE:
        with contextlib.suppress(OSError):  # a disk that is full or read-only: slower, no worse
            data.save(arrays, stamp(folder / "data"))
            data = Transitions.load(arrays, memory_map=True)
    return data


def fetch(dataset_id: str) -> None:
    """Fetch a Minari data set from its server unless it is on disk.

    Raises:
        FileNotFoundError: the server has no such set.
        ConnectionError: it could not be fetched; nothing half-fetched stays.
    """
    if not is_local(dataset_id):
        _download(dataset_id)


def _read_episodes(
    dataset_id: str, robot: str | None, contact_cost_weight: float | None
) -> Transitions:
    """All rows of a set; once more where it was replaced while it was read."""
    folder = datasets_root() / dataset_id / "data"
    while True:
        before = files.version(folder)
        try:
            found = _read_episodes_once(dataset_id, robot, contact_cost_weight)
        except DataError:
            if files.version(folder) == before:
                raise
        else:
            if files.version(folder) == before:
                return found


def _with_contacts(
    dataset_id: str, robot: str | None, about: dict[str, Any], columns: int, actions: int
) -> Robot | None:
    """The robot whose contact forces a set holds, see :func:`with_contacts`."""
    if robot is None:
        environment = about["environment"]
        named = of_environment(environment) if environment else named_robot(dataset_id)
        robot = about["card"].get("robot") or named
    if robot not in ROBOTS:  # nobody says that some of these columns are contact forces
        return None
    return with_contacts(robot, columns, actions)


def _read_episodes_once(
    dataset_id: str, robot: str | None, contact_cost_weight: float | None
) -> Transitions:
    import minari

    about, folder = describe(dataset_id), datasets_root() / dataset_id / "data"
    try:
        files.check_seal(folder, mend(dataset_id))
    except files.DamagedFile as error:
        raise DataError(f"{dataset_id}: {error}") from None
    _refuse_links(folder / "main_data.hdf5", dataset_id)
    try:
        dataset = minari.load_dataset(dataset_id)
        spaces = (dataset.observation_space, dataset.action_space)
        rows = int(dataset.total_steps)
    except Exception as error:  # whatever a damaged file makes Minari and h5py raise
        raise DataError(f"{dataset_id}: cannot be opened ({error}); {mend(dataset_id)}") from error
    for kind, space in zip(("observations", "actions"), spaces, strict=True):
        if space.shape is None or len(space.shape) != 1:
            raise DataError(
                f"{dataset_id}: {kind} are {space}, expected one flat vector; write a set whose "
                f"{kind} are flat (gymnasium.spaces.flatten(space, each) makes them so) and read "
                "that"
            )
    columns, actions = spaces[0].shape[0], spaces[1].shape[0]
    spec = _with_contacts(dataset_id, robot, about, columns, actions)
    if spec is not None and contact_cost_weight is None:
        contact_cost_weight = weight_in(spec, about)
    oracle = bool(about["card"].get("oracle"))
    if about["rows"] != rows:
        raise DataError(f"{dataset_id}: replaced while it was read; run it again")
    try:
        kept = columns if spec is None else spec.observation_size
        out = empty(rows, kept, actions, oracle=oracle)
    except MemoryError as error:
        raise DataError(f"{dataset_id}: {rows:,} steps do not fit into memory") from error
    start = 0
    episodes = iter(dataset.iterate_episodes())
    while True:
        try:
            episode = next(episodes, None)
        except Exception as error:
            raise DataError(
                f"{dataset_id}: cannot be read from transition {start:,} on ({error}); "
                f"{mend(dataset_id)}"
            ) from error
        if episode is None:
            break
        start = _copy_episode(out, start, episode, columns, spec, contact_cost_weight, dataset_id)
    if start != rows:
        raise DataError(
            f"{dataset_id}: {start:,} transitions where its metadata promises {rows:,}; "
            f"{mend(dataset_id)}"
        )
    return out


def _refuse_links(path: Path, dataset_id: str) -> None:
    """Refuse a file whose arrays lie in other files: any file of the reader's, say."""
    if not path.is_file():  # Minari has other formats
        return
    try:
        with h5py.File(path, "r") as file:
            groups = [file]
            while groups:
                group = groups.pop()
                for name in group:
                    key = f"{group.name.rstrip('/')}/{name}"
                    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                        raise DataError(f"{path}: {key} is a link; copy what it leads to")
                    if isinstance(found := group[name], h5py.Group):
                        groups.append(found)
                    else:
                        refuse_other_files(file, found, key, path)
    except DataError:
        raise
    except Exception as error:  # whatever a damaged file makes h5py raise
        raise DataError(f"{dataset_id}: cannot be opened ({error}); {mend(dataset_id)}") from error


def _copy_episode(
    out: Transitions,
    start: int,
    episode: Any,
    columns: int,
    spec: Robot | None,
    weight: float | None,
    where: str,
) -> int:
    place = f"{where}, episode {episode.id}"
    observations = np.asarray(episode.observations)
    if observations.ndim != 2 or len(observations) == 0:
        raise DataError(f"{place}: observations have shape {observations.shape}; {mend(where)}")
    steps = len(observations) - 1
    stop = start + steps
    if stop > len(out):
        raise DataError(
            f"{place}: {stop:,} steps and more where the metadata promise {len(out):,}; "
            f"{mend(where)}"
        )
    if observations.shape[1] != columns:
        raise DataError(
            f"{place}: {observations.shape[1]} observation columns where the set's space has "
            f"{columns}; {mend(where)}"
        )
    # NumPy would copy one value to all the rows.
    shapes: dict[str, tuple[int, ...]] = {"actions": (steps, out.action_size)}
    shapes |= dict.fromkeys(("rewards", "terminations", "truncations"), (steps,))
    for name, expected in shapes.items():
        array = np.asarray(getattr(episode, name))
        if array.shape != expected:
            raise DataError(
                f"{place}: {name} has shape {array.shape} for {steps} steps; {mend(where)}"
            )
        if name in ("terminations", "truncations"):
            refuse_no_flags(array, f"{place}: {name}")
    following, rewards = observations[1:], episode.rewards
    if spec is not None:
        observations, following, rewards = without_contacts(
            spec, observations[:-1], following, rewards, weight, place
        )
    try:
        out.observations[start:stop] = observations[:steps]
        out.next_observations[start:stop] = following
        out.actions[start:stop] = episode.actions
        out.rewards[start:stop] = rewards
        if out.next_observations_target is not None:
            elsewhere = np.asarray(episode.infos[ORACLE])
            if elsewhere.shape != observations.shape:
                raise ValueError(f"{ORACLE} has shape {elsewhere.shape} for {steps} steps")
            out.next_observations_target[start:stop] = elsewhere[1:]
        out.terminations[start:stop] = episode.terminations
        out.truncations[start:stop] = episode.truncations
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{place}: {error}; {mend(where)}") from error
    if steps:
        out.truncations[stop - 1] |= not out.terminations[stop - 1]
    return stop


def _download(dataset_id: str) -> None:
    """Fetch a set into a hidden root and move it in when it is whole."""
    import minari
    from minari.namespace import create_namespace, list_local_namespaces

    root = datasets_root()
    with files.atomic_folder(root / dataset_id, MEND_DISK) as partial:
        staging = partial / "staging"
        staging.mkdir()
        try:
            with datasets_path(staging), contextlib.redirect_stdout(None):
                minari.download_dataset(dataset_id)
            if not (staging / dataset_id / "data" / "metadata.json").is_file():
                raise ConnectionError("the server sent no metadata")
        except OSError as error:
            if error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
                raise  # the disk, not the net
            raise _unreachable(dataset_id, error) from error
        except ImportError as error:
            raise ConnectionError(
                f"{dataset_id} could not be fetched: Minari's server is reached through a package "
                f"that is not here ({error})"
            ) from error
        except ValueError as error:  # Minari's answer for an id that its server lacks
            raise FileNotFoundError(f"{dataset_id}: {error}") from error
        except Exception as error:
            raise _unreachable(dataset_id, error) from error
        os.replace(staging / dataset_id / "data", partial / "data")
        shutil.rmtree(staging)
        namespace = dataset_id.rpartition("/")[0]
        if namespace and namespace not in list_local_namespaces():
            create_namespace(namespace)


def _unreachable(dataset_id: str, error: Exception) -> ConnectionError:
    return ConnectionError(
        f"{dataset_id} could not be fetched ({type(error).__name__}: {str(error)[:200]}); nothing "
        "was kept. Check the network and run it again, or copy the set into "
        f"{datasets_root()} from a machine that has it"
    )
