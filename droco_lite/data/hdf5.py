"""D4RL-style HDF5 files in: one flat table of arrays per file.

The layout is D4RL's (Fu et al., 2020), also that of OTDF's and ODRL's target files and of DROCO's
source files: ``observations``, ``actions``, ``rewards`` and ``terminals`` (or ``terminations``),
and sometimes ``next_observations`` and ``timeouts`` (or ``truncations``).  Files differ in what
they keep about the ends of episodes; see :func:`read_hdf5`.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from droco_lite.data.chunks import chunks
from droco_lite.data.contacts import needed_weight, with_contacts, without_contacts
from droco_lite.data.ends import MAX_EPISODE_STEPS, close_episodes
from droco_lite.data.transitions import (
    CHUNK,
    DataError,
    Transitions,
    check_columns,
    empty,
    refuse_no_flags,
)
from droco_lite.robots import get_robot
from droco_lite.robots.robot import Robot

_ALIASES = {
    "observations": ("observations",),
    "actions": ("actions",),
    "rewards": ("rewards",),
    "terminations": ("terminals", "terminations"),
    "next_observations": ("next_observations",),
    "truncations": ("timeouts", "truncations"),
}
_OPTIONAL = ("next_observations", "truncations")
_MAX_BYTES = 64 * 2**30


def read_hdf5(
    path: str | os.PathLike,
    robot: str | None = None,
    *,
    max_episode_steps: int | None = None,
    contact_cost_weight: float | None = None,
) -> Transitions:
    """Read a D4RL-style HDF5 file, in chunks, and check it.

    Where episodes end:

    ======== ======== =======================================================================
    next     timeouts rule
    ======== ======== =======================================================================
    yes      yes      as stored, and where ``next_observations[i]`` is far from
                      ``observations[i + 1]``
    yes      no       an episode also ends where ``next_observations[i]`` is not
                      ``observations[i + 1]``
    no       yes      the next row is the next observation; a row at a timeout has none and is
                      dropped, and the row before it becomes a truncation
    no       no       the same, a timeout being ``max_episode_steps`` rows without a terminal
    ======== ======== =======================================================================

    The last row always ends an episode.  Where more than ``max_episode_steps`` rows follow without
    an end, the time limit was not marked: a row at the limit whose next observation is the next
    episode's first is dropped, and a warning names it.
    A terminal row without ``next_observations`` stays, since its reward and flag count; its next
    observation is unknown and set to its own observation, which no learner bootstraps from.

    Args:
        path: the file.
        robot: refuse any other robot's columns.  Ant files of 105 or 111 columns are turned into
            27, see :func:`ant_without_contacts`; so are files of no known robot, unless these are
            the columns of some other robot of ``ROBOTS``.
        max_episode_steps: time limit of the episodes; by default the robot's, else 1,000.
        contact_cost_weight: see :func:`ant_without_contacts`.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is empty, cut short or not HDF5; a key is missing, of the wrong kind,
            shape or length, or kept in another file; a flag is neither 0 nor 1; values are refused
            by :meth:`Transitions.check`.
        ValueError: ``max_episode_steps`` is no positive whole number.

    Warns:
        DataWarning: time limits are not marked, or values are none that the robot can have.
    """
    path = Path(path)
    limit = _limit(max_episode_steps, robot)
    with _opened(path) as file:
        found = {name: _find(file, name, path) for name in _ALIASES}
        data = {name: dataset for name, dataset in found.items() if dataset is not None}
        rows, columns, actions = _check_shapes(data, path)
        spec = with_contacts(robot, columns, actions)
        kept = columns if spec is None else spec.observation_size
        if robot is not None:
            check_columns(robot, kept, actions, str(path))
        try:
            out = empty(rows, kept, actions)
        except MemoryError as error:
            raise DataError(f"{path}: {rows:,} rows do not fit into memory") from error
        for name, dataset in data.items():
            _read_into(getattr(out, name), dataset, path)
        if spec is not None:
            _remove_contact_cost(spec, out, data, contact_cost_weight, path)
        out.check(robot, str(path))  # before rows are dropped: an error names the file's own row
        stored_next, stored_ends = (name in data for name in _OPTIONAL)
    return close_episodes(
        out, stored_next=stored_next, stored_ends=stored_ends, limit=limit, where=str(path)
    )


def _limit(given: int | None, robot: str | None) -> int:
    if given is None:
        return MAX_EPISODE_STEPS if robot is None else get_robot(robot).max_episode_steps
    if isinstance(given, bool) or int(given) != given or given < 1:
        raise ValueError(f"max_episode_steps must be a whole number of at least 1, not {given!r}")
    return int(given)


def ant_without_contacts(
    observations: np.ndarray,
    next_observations: np.ndarray,
    rewards: np.ndarray,
    contact_cost_weight: float | None = None,
    where: str = "ant",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn Ant's 105 (Gymnasium v5) or 111 (D4RL) observation columns into this package's 27.

    The first 27 columns are the same in all three; the rest are contact forces, clipped to [-1, 1].
    They enter the reward as a cost, ``weight * sum(forces**2)`` of the state reached, which this
    package's Ant does not have.  D4RL's v2 files hold zeros there, so dropping them is exact.
    Elsewhere the cost is added back, exactly (up to rounding) if the weight is the one used.

    Args:
        observations, next_observations: ``[n, 27]`` (returned as they are), ``[n, 105]`` or
            ``[n, 111]``.
        rewards: ``[n]``.
        contact_cost_weight: the weight in the rewards: 5e-4 is Gymnasium's default, 0 if the
            rewards hold no such cost.  Needed only where forces are not all zero.
        where: the file or data set, named in the error.

    Returns:
        Observations ``[n, 27]``, next observations ``[n, 27]`` and rewards ``[n]``.

    Raises:
        DataError: another number of columns, or forces without a weight.
    """
    return without_contacts(
        get_robot("ant"), observations, next_observations, rewards, contact_cost_weight, where
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file, open; whatever h5py raises while it is used becomes a DataError with its name."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes); fetch it again")
    try:
        file = h5py.File(path, "r")
    except Exception as error:  # h5py reports damage as OSError, RuntimeError, KeyError, ...
        kind = "cut short or damaged" if _has_signature(path) else "not an HDF5 file"
        raise DataError(f"{path}: {kind} ({error}); fetch it again") from error
    with file:
        yield file


def _has_signature(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def _find(file: h5py.File, name: str, path: Path) -> h5py.Dataset | None:
    """The dataset of ``name`` under one of its aliases; None if it is optional and absent."""
    for key in _ALIASES[name]:
        try:
            found = file.get(key)
        except Exception as error:  # a dangling link, a damaged header
            raise DataError(f"{path}: {key} cannot be opened ({error}); fetch it again") from error
        if found is None:
            continue
        if not isinstance(found, h5py.Dataset):
            raise DataError(f"{path}: {key} is a group, expected an array")
        refuse_other_files(file, found, key, path)
        return found
    if name in _OPTIONAL:
        return None
    try:
        listed = sorted(file)
    except Exception:
        listed = ["an unreadable table of contents"]
    keys, hint = ", ".join(listed) or "nothing", ""
    if set(listed) & set(_ALIASES[name]):
        hint = "; that key is a link that leads nowhere"
    elif "episode_0" in listed:
        hint = "; this is the inside of a Minari data set: load it by its id"
    raise DataError(f"{path}: no {' or '.join(_ALIASES[name])}; the file holds {keys}{hint}")


def refuse_other_files(file: h5py.File, found: h5py.Dataset, key: str, path: Path) -> None:
    """Refuse an array whose numbers lie in another file: any file of the reader's, say.

    Raises:
        DataError: it is reached by an external link, in external storage, or virtual.
    """
    if found.file.filename != file.filename:
        how = "a link into another file"
    elif found.external:
        how = "kept in another file"
    elif found.is_virtual:
        how = "assembled from other files"
    else:
        return
    raise DataError(f"{path}: {key} is {how}; copy it into this one")


def _check_shapes(data: dict[str, h5py.Dataset], path: Path) -> tuple[int, int, int]:
    """Rows, observation columns and action columns; refuses anything else than one row each."""
    shapes = {}
    for name, dataset in data.items():
        key = dataset.name.lstrip("/")
        try:
            shape, dtype = dataset.shape, dataset.dtype
        except Exception as error:
            raise DataError(f"{path}: {key} has no readable type ({error})") from error
        if shape is None or dtype.kind not in "fiub" or dtype.subdtype is not None:
            raise DataError(f"{path}: {key} holds {dtype} values, expected numbers")
        dimensions = 2 if name in ("observations", "actions", "next_observations") else 1
        if dimensions == 1 and len(shape) == 2 and shape[1] == 1:
            shape = shape[:1]
        if len(shape) != dimensions or 0 in shape[1:]:
            expected = "[rows, columns]" if dimensions == 2 else "[rows]"
            raise DataError(f"{path}: {key} has shape {dataset.shape}, expected {expected}")
        shapes[name] = shape
        if name not in ("terminations", "truncations"):
            _check_written(dataset, key, path)
        if dataset.size * 4 > _MAX_BYTES:
            raise DataError(f"{path}: {key} claims {dataset.size * 4 / 2**30:,.0f} GiB; damaged?")
    rows = shapes["observations"][0]
    if rows == 0:
        raise DataError(f"{path}: observations is empty (0 rows)")
    for name, shape in shapes.items():
        if shape[0] != rows:
            key = data[name].name.lstrip("/")
            raise DataError(
                f"{path}: {key} has {shape[0]:,} rows where observations has {rows:,}; the file "
                "was cut while it was written, or holds several tables"
            )
    columns = shapes["observations"][1]
    if "next_observations" in shapes and shapes["next_observations"][1] != columns:
        raise DataError(
            f"{path}: next_observations has {shapes['next_observations'][1]} columns where "
            f"observations has {columns}"
        )
    return rows, columns, shapes["actions"][1]


def _check_written(dataset: h5py.Dataset, key: str, path: Path) -> None:
    """Refuse an array of which parts were never written: HDF5 would read zeros there."""
    if dataset.size == 0:
        return
    try:
        if dataset.chunks:
            written = dataset.id.get_num_chunks()
            pairs = zip(dataset.shape, dataset.chunks, strict=True)
            expected = math.prod(-(-size // chunk) for size, chunk in pairs)
        else:
            written, expected = int(dataset.id.get_storage_size() > 0), 1
    except Exception as error:
        raise DataError(f"{path}: {key} is damaged ({error}); fetch it again") from error
    if written < expected:
        raise DataError(
            f"{path}: only {written:,} of {expected:,} parts of {key} were ever written; the file "
            "was cut while it was made, fetch or make it again"
        )


def _chunks(dataset: h5py.Dataset, path: Path) -> Iterator[tuple[slice, np.ndarray]]:
    for rows in chunks(dataset.shape[0], CHUNK):
        try:
            yield rows, dataset[rows]
        except Exception as error:  # a chunk that the file lacks, a filter that is not installed
            key = dataset.name.lstrip("/")
            raise DataError(
                f"{path}: {key} cannot be read from row {rows.start:,} on ({error}); the file is "
                "cut short or damaged, fetch it again"
            ) from error


def _read_into(out: np.ndarray, dataset: h5py.Dataset, path: Path) -> None:
    for rows, chunk in _chunks(dataset, path):
        if chunk.ndim == 2 and out.ndim == 1:
            chunk = chunk[:, 0]
        if out.dtype == np.bool_:
            refuse_no_flags(chunk, f"{path}: {dataset.name.lstrip('/')}", rows.start)
        with np.errstate(over="ignore"):
            out[rows] = chunk[:, : out.shape[1]] if out.ndim == 2 else chunk


def _remove_contact_cost(
    spec: Robot,
    out: Transitions,
    data: dict[str, h5py.Dataset],
    weight: float | None,
    path: Path,
) -> None:
    """Add the cost of a robot's dropped contact forces back to the rewards, chunk by chunk."""
    stored_next = "next_observations" in data
    reached = data["next_observations" if stored_next else "observations"]
    for rows, chunk in _chunks(reached, path):
        squared = np.square(chunk[:, spec.observation_size :].astype(np.float64)).sum(1)
        if not np.isfinite(squared).all():
            row, key = int(np.argmin(np.isfinite(squared))), reached.name.lstrip("/")
            raise DataError(
                f"{path}: {key} holds a contact force that is not finite at row "
                f"{rows.start + row:,}; drop the episode around that row, or make the file again"
            )
        used = needed_weight(spec, bool(squared.any()), chunk.shape[1], weight, str(path))
        if used and not stored_next:
            raise DataError(
                f"{path}: the contact cost of an episode's last step cannot be known without "
                "next_observations; use a file that has them"
            )
        if used:
            out.rewards[rows] += (used * squared).astype(np.float32)
