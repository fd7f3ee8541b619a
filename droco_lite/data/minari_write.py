"""Minari data sets out: ours and imported ones, as any Minari user reads them."""

from __future__ import annotations

import functools
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from droco_lite import __version__, files
from droco_lite.data.behaviour import CONTROLLER
from droco_lite.data.chunks import chunks
from droco_lite.data.hdf5 import read_hdf5
from droco_lite.data.minari_metadata import (
    ARRAYS,
    CARD_KEY,
    MEND_DISK,
    datasets_path,
    datasets_root,
    guess_robot,
    named_robot,
    stamp,
)
from droco_lite.data.plausible import DataWarning
from droco_lite.data.transitions import CHUNK, MEMORY_MAP_ABOVE, ORACLE, DataError, Transitions

CODE = "https://github.com/droco-lite/droco-lite"
AUTHOR = "The droco-lite contributors"


def write_minari(dataset_id: str, data: Transitions, card: dict[str, Any]) -> Path:
    """Keep transitions as a Minari data set, episode by episode: the whole set or nothing.

    Args:
        dataset_id: such as ``droco-lite/hopper/nominal-medium-100000-seed0-v0``.
        data: rows in time order.
        card: what is known of the set, see :func:`droco_lite.data.tasks.make_dataset`; ``robot``
            and ``shift`` give the environment, unless the shift is None (not known).

    Returns:
        The folder of the set.  A set of the same id is replaced.  Its checksums lie in
        ``data/SHA256SUMS``.  A set of a robot of the user's own is theirs: it names neither an
        author nor code.

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
    with files.atomic_folder(
        root / dataset_id, MEND_DISK, data.nbytes * (2 if large else 1)
    ) as partial:
        # Minari writes in place, so it gets a root of its own inside the hidden folder.
        staging = partial / "staging"
        staging.mkdir()
        keywords = _environment(card, data)
        ours = not card.get("imported_from")
        if card.get("robot"):
            spec = get_robot(card["robot"])
            ours &= not spec.own
            keywords |= {"ref_min_score": spec.min_return, "ref_max_score": spec.max_return}
        with datasets_path(staging), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # no e-mail, author, eval_env: meant
            made = minari.create_dataset_from_buffers(
                dataset_id,
                _buffers(data),
                algorithm_name=_algorithm(card),
                author="unknown" if card.get("imported_from") else AUTHOR if ours else None,
                code_permalink=_permalink() if ours else None,
                description=_description(card),
                requirements=[f"droco-lite=={__version__}"],
                **keywords,
            )
            made.storage.update_metadata({CARD_KEY: card})
        os.replace(staging / dataset_id / "data", partial / "data")
        shutil.rmtree(staging)
        files.seal(partial / "data")
        if large:
            data.save(partial / ARRAYS, stamp(partial / "data"))
        if namespace and namespace not in list_local_namespaces():
            create_namespace(namespace)
    return root / dataset_id


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
        FileNotFoundError: there is no such file.
        DataError: the file is refused by :func:`~droco_lite.data.hdf5.read_hdf5` or
            :func:`write_minari`, or the robot has to be named.
        OSError: the disk is full or not writable; nothing half-written stays.
    """
    from droco_lite.robots import Shift, get_robot

    path = Path(path)
    shift = None if shift is None else str(Shift.parse(shift))
    robot = robot or named_robot(path.stem)  # before reading: Ant's contact forces are cut off
    data = read_hdf5(path, robot, contact_cost_weight=contact_cost_weight)
    if robot is None:  # else the reading has checked the columns
        robot = guess_robot(path.stem, data)
        if robot is None:
            raise DataError(
                f"{path}: {data.observation_size} observation and {data.action_size} action "
                "columns fit no robot, or several; name it (--robot walker2d)"
            )
        data.check(robot, str(path))
    if shift is None:
        warnings.warn(
            f"{path}: the dynamics it was recorded under are not known, so no environment is kept "
            "with the set; name them if you know them (--shift gravity-down-0.3)",
            DataWarning,
            stacklevel=2,
        )
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


_NO_PLACE = (
    "single transitions have no place in Minari, which stores episodes: read the file with "
    "droco_lite.load each time, or keep the rows with Transitions.save"
)


def _check_chain(data: Transitions, where: str) -> None:
    """Minari keeps one more observation than steps, so rows of an episode have to follow on."""
    ends = np.zeros(len(data), bool)
    ends[data.episode_ends()] = True
    for rows in chunks(len(data) - 1, CHUNK):
        following = data.observations[1:][rows]
        broken = (data.next_observations[rows] != following).any(1) & ~ends[rows]
        if broken.any():
            row = rows.start + int(broken.argmax())
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
    from gymnasium.spaces import Box

    from droco_lite.robots import environment_id

    spaces = {
        "observation_space": Box(-np.inf, np.inf, (data.observation_size,), np.float32),
        "action_space": Box(-1.0, 1.0, (data.action_size,), np.float32),
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
    one = f"one policy, trained for {steps} steps"
    if policies[0].get("algorithm") == CONTROLLER:
        one = CONTROLLER
    source = sources.get(card["quality"], one)
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
