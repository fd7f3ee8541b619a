"""Minari data sets in and out: the cache of made sets, and everybody else's sets by id.

Sets live where Minari keeps them (``MINARI_DATASETS_PATH``, by default ``~/.minari/datasets``), so
``minari list`` shows ours and any Minari user can read them.  A large set is turned into
memory-mapped arrays once, in a folder beside Minari's own file, and used from there.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from droco_lite import __version__
from droco_lite.data.hdf5 import (
    ANT_CONTACT_COLUMNS,
    ANT_CONTACT_COST_WEIGHT,
    ant_without_contacts,
    read_hdf5,
)
from droco_lite.data.transitions import MEMORY_MAP_ABOVE, ORACLE, DataError, Transitions, empty
from droco_lite.files import atomic_folder

CODE = "https://github.com/droco-lite/droco-lite"
AUTHOR = "The droco-lite contributors"
#: Key of our card inside Minari's metadata, and of the arrays' folder beside Minari's ``data``.
CARD_KEY, ARRAYS = "droco_lite", "droco_lite_arrays"
_MEND_DISK = "set MINARI_DATASETS_PATH to a folder on a larger disk"


def datasets_root() -> Path:
    """The folder of the user's Minari data sets."""
    from minari.storage import get_dataset_path

    return get_dataset_path()


def is_local(dataset_id: str) -> bool:
    """Whether Minari has this set on disk."""
    return (datasets_root() / dataset_id / "data" / "metadata.json").is_file()


def list_local() -> dict[str, dict[str, Any]]:
    """Minari's metadata of every set on disk, by id."""
    import minari

    return minari.list_local_datasets()


def card_of(dataset_id: str) -> dict[str, Any]:
    """Our card of a set on disk, empty if this package did not make it."""
    return _metadata(dataset_id).get(CARD_KEY, {})


def write_minari(dataset_id: str, data: Transitions, card: dict[str, Any]) -> Path:
    """Keep transitions as a Minari data set, episode by episode: the whole set or nothing.

    Args:
        dataset_id: such as ``droco-lite/hopper/nominal-medium-100000-seed0-v0``.
        data: rows in time order.
        card: what is known of the set, see :func:`droco_lite.data.tasks.make_dataset`; ``robot``
            and ``shift`` give the environment, unless the shift is None (not known).

    Returns:
        The folder of the set.  A set of the same id is replaced.

    Raises:
        DataError: the rows do not form episodes, or too many of one step.
        OSError: the disk is full or not writable; nothing half-written stays.
    """
    import minari
    from minari.namespace import create_namespace, list_local_namespaces

    from droco_lite.robots import get_robot

    data.check(card.get("robot"), dataset_id)
    _check_chain(data, dataset_id)
    root = datasets_root()
    namespace = dataset_id.rpartition("/")[0]
    large = data.nbytes > MEMORY_MAP_ABOVE
    with atomic_folder(root / dataset_id, _MEND_DISK, data.nbytes * (2 if large else 1)) as partial:
        # Minari writes in place, so it gets a root of its own inside the hidden folder.
        staging = partial / "staging"
        staging.mkdir()
        keywords = _environment(card, data)
        if card.get("robot"):
            spec = get_robot(card["robot"])
            keywords |= {"ref_min_score": spec.min_return, "ref_max_score": spec.max_return}
        with _datasets_path(staging), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # no author's e-mail, no eval_env: meant
            made = minari.create_dataset_from_buffers(
                dataset_id,
                _buffers(data),
                algorithm_name=_algorithm(card),
                author="unknown" if card.get("imported_from") else AUTHOR,
                code_permalink=_permalink(),
                description=_description(card),
                requirements=[f"droco-lite=={__version__}"],
                **keywords,
            )
            made.storage.update_metadata({CARD_KEY: card})
        os.replace(staging / dataset_id / "data", partial / "data")
        shutil.rmtree(staging)
        if large:
            data.save(partial / ARRAYS, _stamp(partial / "data"))
        if namespace and namespace not in list_local_namespaces():
            create_namespace(namespace)
    return root / dataset_id


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
        robot: refuse any other robot's columns.
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
        if not download:
            raise FileNotFoundError(
                f"{dataset_id} is not among the Minari data sets in {datasets_root()}; fetch it "
                f"with 'droco-lite data import {dataset_id}', or make ours with 'droco-lite data "
                "make TASK'"
            )
        _download(dataset_id)
    folder = datasets_root() / dataset_id
    arrays = folder / ARRAYS
    if arrays.is_dir() and _is_current(arrays, folder / "data"):
        return Transitions.load(arrays, memory_map=True).check(robot, dataset_id)
    data = _read_episodes(dataset_id, contact_cost_weight).check(robot, dataset_id)
    if data.nbytes > MEMORY_MAP_ABOVE:
        with contextlib.suppress(OSError):  # a disk that is full or read-only: slower, no worse
            data.save(arrays, _stamp(folder / "data"))
            data = Transitions.load(arrays, memory_map=True)
    return data


def import_file(
    path: str | os.PathLike,
    robot: str | None = None,
    *,
    shift: str | None = None,
    dataset_id: str | None = None,
    contact_cost_weight: float | None = None,
) -> str:
    """Turn a D4RL-style HDF5 file into a Minari data set.

    Args:
        path: the file, see :func:`droco_lite.data.hdf5.read_hdf5`.
        robot: whose it is; by default as the file's name or its columns say.
        shift: the dynamics it was recorded under, if known, such as
            ``otdf-kinematic-thighfootjnt-hard``.
        dataset_id: by default ``droco-lite/imported/NAME-v0`` after the file's name.
        contact_cost_weight: for Ant with contact forces.

    Returns:
        The id.

    Raises:
        As :func:`~droco_lite.data.hdf5.read_hdf5` and :func:`write_minari`; DataError if the robot
        has to be named.
    """
    from droco_lite.robots import Shift, get_robot

    path = Path(path)
    shift = None if shift is None else str(Shift.parse(shift))
    data = read_hdf5(path, robot, contact_cost_weight=contact_cost_weight)
    robot = robot or guess_robot(path.stem, data)
    if robot is None:
        raise DataError(
            f"{path}: {data.observation_size} observation and {data.action_size} action columns "
            "fit no robot, or several; name it (--robot walker2d)"
        )
    data.check(robot, str(path))
    returns = data.episode_returns()
    card = {
        "robot": robot,
        "shift": shift,
        "imported_from": path.name,
        "rows": len(data),
        "episodes": len(returns),
        "return_mean": round(float(returns.mean()), 1),
        "return_sd": round(float(returns.std()), 1),
        "score": round(float(get_robot(robot).score(returns.mean())), 1),
    }
    name = re.sub(r"[^-\w]+", "_", path.stem)
    dataset_id = dataset_id or f"droco-lite/imported/{name}-v0"
    write_minari(dataset_id, data, card)
    return dataset_id


def fetch(dataset_id: str) -> None:
    """Fetch a Minari data set from its server unless it is on disk.

    Raises:
        FileNotFoundError: the server has no such set.
        ConnectionError: it could not be fetched; nothing half-fetched stays.
    """
    if not is_local(dataset_id):
        _download(dataset_id)


def describe(dataset_id: str) -> dict[str, Any]:
    """What Minari's metadata and our card say of a set on disk, as plain values."""
    metadata = _metadata(dataset_id)
    environment = json.loads(metadata.get("env_spec") or "{}")
    return {
        "id": dataset_id,
        "rows": metadata.get("total_steps"),
        "episodes": metadata.get("total_episodes"),
        "size": metadata.get("dataset_size"),
        "environment": environment.get("id"),
        "environment_kwargs": environment.get("kwargs", {}),
        "algorithm": metadata.get("algorithm_name"),
        "description": metadata.get("description"),
        "code": metadata.get("code_permalink"),
        "reference_returns": (metadata.get("ref_min_score"), metadata.get("ref_max_score")),
        "card": metadata.get(CARD_KEY, {}),
    }


def specification(dataset_id: str) -> dict[str, str]:
    """A set on disk as a page of Minari's documentation lists it: spaces, environment, versions.

    Returns:
        Row name to text, empty where the set does not say: ``total steps, total episodes,
        observation space, action space, algorithm, author, code, Minari version, requirements,
        environment, keyword arguments, entry point, step limit, evaluation environment, reference
        returns``.

    Raises:
        FileNotFoundError: the set is not on disk.
        DataError: its metadata are damaged.
    """
    from minari.serialization import deserialize_space

    stored, about = _metadata(dataset_id), describe(dataset_id)
    environment, evaluation = (
        json.loads(stored.get(key) or "{}") for key in ("env_spec", "eval_env_spec")
    )
    try:
        spaces = [deserialize_space(stored[f"{kind}_space"]) for kind in ("observation", "action")]
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        place = datasets_root() / dataset_id / "data" / "metadata.json"
        raise DataError(f"{place}: no readable spaces ({error}); {_mend(dataset_id)}") from error
    low, high = about["reference_returns"]
    return {
        "total steps": f"{stored.get('total_steps', 0):,}",
        "total episodes": f"{stored.get('total_episodes', 0):,}",
        "observation space": str(spaces[0]),
        "action space": str(spaces[1]),
        "algorithm": about["algorithm"] or "",
        "author": ", ".join(_listed(stored.get("author"))),
        "code": about["code"] or "",
        "Minari version": stored.get("minari_version", ""),
        "requirements": ", ".join(_listed(stored.get("requirements"))),
        "environment": environment.get("id", ""),
        "keyword arguments": _arguments(environment),
        "entry point": environment.get("entry_point", ""),
        "step limit": f"{environment.get('max_episode_steps') or '':}",
        "evaluation environment": " ".join(
            part for part in (evaluation.get("id", ""), _arguments(evaluation)) if part
        ),
        "reference returns": "" if low is None else f"{low:g} (score 0), {high:g} (score 100)",
    }


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _arguments(spec: dict[str, Any]) -> str:
    given = {k: v for k, v in spec.get("kwargs", {}).items() if v is not None}
    return ", ".join(f"{name}={value!r}" for name, value in given.items())


def robot_of(dataset_id: str) -> str | None:
    """The robot of a set on disk, by our card or its environment's name; None if unknown."""
    from droco_lite.robots import ROBOTS

    about = describe(dataset_id)
    if about["card"].get("robot"):
        return about["card"]["robot"]
    name = (about["environment"] or dataset_id).lower()
    found = [robot for robot in ROBOTS if re.search(rf"(^|[^a-z]){robot}", name)]
    return found[0] if len(found) == 1 else None


def guess_robot(name: str, data: Transitions) -> str | None:
    """The robot that a file's name or, where they fit only one, its columns say; else None."""
    from droco_lite.robots import ROBOTS

    sizes = (data.observation_size, data.action_size)
    fits = [r for r, s in ROBOTS.items() if (s.observation_size, s.action_size) == sizes]
    named = [robot for robot in ROBOTS if re.search(rf"(^|[^a-z]){robot}", name.lower())]
    if len(named) == 1:
        return named[0]  # the columns are checked against it
    return fits[0] if len(fits) == 1 else None


# --- Writing -------------------------------------------------------------------------------------


_NO_PLACE = (
    "single transitions have no place in Minari, which stores episodes: read the file with "
    "droco_lite.load each time, or keep the rows with Transitions.save"
)


def _check_chain(data: Transitions, where: str) -> None:
    """Minari keeps one more observation than steps, so rows of an episode have to follow on."""
    ends = np.zeros(len(data), bool)
    ends[data.episode_ends()] = True
    step = 65_536
    for start in range(0, len(data) - 1, step):
        stop = min(start + step, len(data) - 1)
        following = data.observations[start + 1 : stop + 1]
        broken = (data.next_observations[start:stop] != following).any(1) & ~ends[start:stop]
        if broken.any():
            row = start + int(broken.argmax())
            raise DataError(
                f"{where}: row {row:,} does not lead to row {row + 1:,}, though no episode ends "
                f"there; {_NO_PLACE}"
            )
    if len(data) > 1000 and len(data.episode_ends()) > len(data) / 2:
        raise DataError(
            f"{where}: most episodes have one step, as if rows had been shuffled; {_NO_PLACE}"
        )


def _buffers(data: Transitions) -> Iterator[Any]:
    """Episodes as Minari wants them, one at a time, so that no second copy of the set exists."""
    from minari.data_collector import EpisodeBuffer

    for episode in data.episodes():
        yield EpisodeBuffer(
            observations=np.concatenate([episode.observations, episode.next_observations[-1:]]),
            actions=episode.actions,
            rewards=episode.rewards,
            terminations=episode.terminations,
            truncations=_closed(episode),
            infos=_infos(episode),
        )


def _infos(episode: Transitions) -> dict[str, np.ndarray]:
    """The oracle's column as Minari's step infos, whose row 0 belongs to the reset."""
    if episode.next_observations_target is None:
        return {}  # Minari cannot print an episode without infos
    return {ORACLE: np.concatenate([episode.observations[:1], episode.next_observations_target])}


def _closed(episode: Transitions) -> np.ndarray:
    truncations = episode.truncations.copy()
    truncations[-1] = not episode.terminations[-1]
    return truncations


def _environment(card: dict[str, Any], data: Transitions) -> dict[str, Any]:
    """Spaces and environments for Minari: the set's own, and the nominal one to evaluate in."""
    import gymnasium

    from droco_lite.robots import environment_id

    spaces = {
        "observation_space": gymnasium.spaces.Box(-np.inf, np.inf, (data.observation_size,), "f4"),
        "action_space": gymnasium.spaces.Box(-1.0, 1.0, (data.action_size,), "f4"),
    }
    if not (card.get("robot") and card.get("shift")):
        return spaces
    name = environment_id(card["robot"])
    return spaces | {
        "env": gymnasium.make(name, shift=card["shift"]).spec,
        "eval_env": gymnasium.make(name).spec,
    }


def _algorithm(card: dict[str, Any]) -> str:
    if not card.get("behaviour"):
        return card.get("algorithm") or "unknown"
    names = sorted({policy.get("algorithm", "unknown") for policy in card["behaviour"]})
    return f"{' and '.join(names)} with Gaussian action noise of {card['action_noise']:g}"


def _description(card: dict[str, Any]) -> str:
    if not card.get("behaviour"):
        return f"Imported from {card.get('imported_from', 'elsewhere')} by droco-lite."
    policies = card["behaviour"]
    steps = ", ".join(f"{policy['steps']:,}" for policy in policies)
    sources = {
        "medium-replay": f"equal parts from {len(policies)} policies spread over one training "
        f"(after {steps} steps), not a replay buffer",
        "medium-expert": "one half from the expert policy, one half from the medium one",
    }
    source = sources.get(card["quality"], f"one policy, trained for {steps} steps")
    return (
        f"{card['robot']} under the shift {card['shift']!r}, {card['quality']}: {source}. Actions "
        f"carry Gaussian noise of standard deviation {card['action_noise']:g} and are clipped to "
        "[-1, 1]. An episode that the size cuts through ends in a truncation."
    )


@functools.cache
def _permalink() -> str:
    from droco_lite.provenance import provenance

    commit = provenance("")["commit"]
    return f"{CODE}/tree/{commit or 'v' + __version__}"


@contextlib.contextmanager
def _datasets_path(path: Path) -> Iterator[None]:
    """Point Minari elsewhere for a while; it has no other switch."""
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before


# --- Reading -------------------------------------------------------------------------------------


def _metadata(dataset_id: str) -> dict[str, Any]:
    path = datasets_root() / dataset_id / "data" / "metadata.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{dataset_id}: no such Minari data set ({path})") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not JSON ({error}); {_mend(dataset_id)}") from None


def _mend(dataset_id: str) -> str:
    return f"delete the set with 'minari delete {dataset_id}' and make or fetch it again"


def _read_episodes(dataset_id: str, contact_cost_weight: float | None) -> Transitions:
    import minari

    about = describe(dataset_id)
    try:
        dataset = minari.load_dataset(dataset_id)
        spaces = (dataset.observation_space, dataset.action_space)
        rows = int(dataset.total_steps)
    except Exception as error:  # whatever a damaged file makes Minari and h5py raise
        raise DataError(f"{dataset_id}: cannot be opened ({error}); {_mend(dataset_id)}") from error
    for kind, space in zip(("observations", "actions"), spaces, strict=True):
        if space.shape is None or len(space.shape) != 1:
            raise DataError(
                f"{dataset_id}: {kind} are {space}, expected one flat vector; this package reads "
                "the four robots' sets only"
            )
    wide = spaces[0].shape[0] in ANT_CONTACT_COLUMNS and spaces[1].shape[0] == 8
    if wide and contact_cost_weight is None:
        contact_cost_weight = about["environment_kwargs"].get("contact_cost_weight")
        if contact_cost_weight is None and (about["environment"] or "").startswith("Ant-v5"):
            contact_cost_weight = ANT_CONTACT_COST_WEIGHT  # which that environment used
    oracle = bool(about["card"].get("oracle"))
    out = empty(rows, 27 if wide else spaces[0].shape[0], spaces[1].shape[0], oracle=oracle)
    start = 0
    episodes = iter(dataset.iterate_episodes())
    while True:
        try:
            episode = next(episodes, None)
        except Exception as error:
            raise DataError(
                f"{dataset_id}: cannot be read from transition {start:,} on ({error}); "
                f"{_mend(dataset_id)}"
            ) from error
        if episode is None:
            break
        start = _copy_episode(out, start, episode, contact_cost_weight, dataset_id)
    if start != rows:
        raise DataError(
            f"{dataset_id}: {start:,} transitions where its metadata promises {rows:,}; "
            f"{_mend(dataset_id)}"
        )
    return out


def _copy_episode(
    out: Transitions, start: int, episode: Any, weight: float | None, where: str
) -> int:
    steps = len(episode.rewards)
    stop = start + steps
    place = f"{where}, episode {episode.id}"
    observations = np.asarray(episode.observations)
    if observations.ndim != 2 or len(observations) != steps + 1 or stop > len(out):
        raise DataError(
            f"{place}: {observations.shape} observations for {steps} steps; {_mend(where)}"
        )
    following, rewards = observations[1:], episode.rewards
    if observations.shape[1] != out.observation_size:
        observations, following, rewards = ant_without_contacts(
            observations[:-1], following, rewards, weight, place
        )
    try:
        out.observations[start:stop] = observations[:steps]
        out.next_observations[start:stop] = following
        out.actions[start:stop] = episode.actions
        out.rewards[start:stop] = rewards
        if out.next_observations_target is not None:
            out.next_observations_target[start:stop] = episode.infos[ORACLE][1:]
        out.terminations[start:stop] = episode.terminations
        out.truncations[start:stop] = episode.truncations
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{place}: {error}; {_mend(where)}") from error
    if steps:
        out.truncations[stop - 1] |= not out.terminations[stop - 1]
    return stop


def _download(dataset_id: str) -> None:
    """Fetch a set into a hidden root and move it in when it is whole."""
    import minari
    from minari.namespace import create_namespace, list_local_namespaces

    root = datasets_root()
    with atomic_folder(root / dataset_id, _MEND_DISK) as partial:
        staging = partial / "staging"
        staging.mkdir()
        try:
            with _datasets_path(staging), contextlib.redirect_stdout(None):
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


def _stamp(data: Path) -> dict[str, Any]:
    """What tells whether Minari's file is the one the arrays were made from."""
    stat = (data / "main_data.hdf5").stat()
    return {"source_bytes": stat.st_size, "source_time": stat.st_mtime_ns}


def _is_current(arrays: Path, data: Path) -> bool:
    try:
        stored = json.loads((arrays / "metadata.json").read_text(encoding="utf-8"))
        return all(stored.get(key) == value for key, value in _stamp(data).items())
    except (OSError, ValueError):
        return False
