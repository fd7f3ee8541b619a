"""The one schema for offline data: transitions ``(s, a, r, s', termination, truncation)``.

Every loader and generator of this package ends in a :class:`Transitions`, and every learner
starts from one.  *Termination* is an end of the task itself (the robot fell; no value follows),
*truncation* an end of the recording (time limit, cut file; the value of ``s'`` still counts), as in
Gymnasium.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from droco_lite import files
from droco_lite.data.chunks import chunks
from droco_lite.data.plausible import warn_of_the_impossible

#: Arrays of a set above this many bytes are memory-mapped by :meth:`Transitions.load`.
MEMORY_MAP_ABOVE = 64 * 2**20
#: Rounding that actions may show beyond their bounds [-1, 1].
ACTION_TOLERANCE = 1e-6
#: Rows handled at a time, so that no check needs a second copy of a large set.
CHUNK = 65_536

_FLOATS = {"observations": 2, "actions": 2, "rewards": 1, "next_observations": 2}
#: The one column that a set may lack: where the target robot would have gone.
ORACLE = "next_observations_target"
#: A field's default that is refused: without one the property of this name would be the default.
_REQUIRED: Any = None
_FLAGS = ("terminations", "truncations")
_METADATA = "metadata.json"
_MEND = "make or import the set again, or put a copy of the file in its place"


class DataError(ValueError):
    """Data that must not be trained on; the message names place, key, row and mend."""


@dataclass(frozen=True, eq=False)
class Transitions:
    """``n`` transitions of one robot in float32, C-contiguous arrays.

    Attributes:
        observations: ``[n, S]``, in the simulator's units (metres, radians and their rates).
        actions: ``[n, A]``, torques as shares of the actuators' limits, within [-1, 1].
        rewards: ``[n]``.
        next_observations: ``[n, S]``.
        terminations: ``[n]`` bool; True where no value follows ``next_observations``.
        truncations: ``[n]`` bool; True where an episode was cut for any other reason.
        next_observations_target: None; see :class:`OracleTransitions`.

    Rows of an episode stand in time order unless rows were drawn with :meth:`sample`.

    Raises:
        DataError: an array is ragged, not numeric, or of the wrong shape or length.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    next_observations: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray

    @property
    def next_observations_target(self) -> np.ndarray | None:
        """None: only :class:`OracleTransitions` have the column."""
        return None

    def __post_init__(self) -> None:
        for name, dimensions in _FLOATS.items():
            array = _as_array(getattr(self, name), np.float32, name, dimensions)
            object.__setattr__(self, name, array)
        for name in _FLAGS:
            array = _as_array(getattr(self, name), np.bool_, name, 1)
            object.__setattr__(self, name, array)
        if isinstance(self, OracleTransitions):
            array = _as_array(self.next_observations_target, np.float32, ORACLE, 2)
            object.__setattr__(self, ORACLE, array)
        rows = len(self.observations)
        for name, array in self.arrays().items():
            if len(array) != rows:
                raise DataError(
                    f"{name} has {len(array):,} rows where observations "
                    f"has {rows:,}: every array needs one row per transition"
                )
            if name.startswith("next_") and array.shape != self.observations.shape:
                raise DataError(
                    f"{name} has {array.shape[1]} columns where "
                    f"observations has {self.observations.shape[1]}"
                )

    def __len__(self) -> int:
        return len(self.observations)

    def __repr__(self) -> str:
        return (
            f"Transitions({len(self):,} rows, {self.observation_size} observation and "
            f"{self.action_size} action columns, {self.nbytes / 2**20:.1f} MiB)"
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Name to array, in the order of the fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def without_oracle(self) -> Transitions:
        """The same rows as a recorded set would have them: without the oracle's column."""
        return Transitions(**{f.name: getattr(self, f.name) for f in fields(Transitions)})

    @property
    def observation_size(self) -> int:
        """S, the number of observation columns."""
        return self.observations.shape[1]

    @property
    def action_size(self) -> int:
        """A, the number of action columns."""
        return self.actions.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together, on disk or in memory."""
        return sum(array.nbytes for array in self.arrays().values())

    def check(self, robot: str | None = None, where: str = "") -> Transitions:
        """Refuse data that would poison training; return ``self`` if all is well.

        Args:
            robot: a key of :data:`droco_lite.robots.ROBOTS` whose dimensions the data must have.
            where: the file or data set, named in the error.

        Raises:
            DataError: the set is empty, is not this robot's, holds NaN or an infinity, or has an
                action outside [-1, 1]; the message names the key, the row and the value.

        Warns:
            DataWarning: a reward that no step earns, a fall of a robot that stands (or cannot
                fall), or one that no flag marks, by row.
        """
        place = f"{where}: " if where else ""
        if len(self) == 0:
            raise DataError(f"{place}the set is empty (0 transitions); make or fetch it again")
        if robot is not None:
            check_columns(robot, self.observation_size, self.action_size, where)
        for name, array in self.arrays().items():
            if name in _FLAGS:
                continue
            for rows in chunks(len(self), CHUNK):
                chunk = array[rows]
                if not np.isfinite(chunk).all():
                    row, value = _first(chunk, ~np.isfinite(chunk))
                    raise DataError(
                        f"{place}{name} holds {value} at row {rows.start + row:,}; drop the "
                        "episode around that row, or make the file again"
                    )
                if name == "actions" and np.abs(chunk).max(initial=0.0) > 1 + ACTION_TOLERANCE:
                    row, value = _first(chunk, np.abs(chunk) > 1 + ACTION_TOLERANCE)
                    raise DataError(
                        f"{place}actions holds {value:g} at row {rows.start + row:,}, outside "
                        "[-1, 1]; divide actions by the actuator's limit, or clip them if the "
                        "simulator did"
                    )
        warn_of_the_impossible(self, robot, place)
        return self

    def take(self, index: Any) -> Transitions:
        """The rows that ``index`` (integers, a mask or a slice) names, as a new set."""
        return type(self)(**{name: array[index] for name, array in self.arrays().items()})

    def sample(self, size: int | float, seed: int = 0, replace: bool = False) -> Transitions:
        """Draw single transitions uniformly, so that rows no longer form episodes.

        Args:
            size: a number of rows, or a float in (0, 1] as the share of all rows.  The target sets
                of DROCO's released code are ``sample(0.1, seed, replace=True)`` of a D4RL set.
            seed: of the draw.
            replace: draw with replacement (a row may then appear twice).

        Raises:
            ValueError: more rows than there are were asked for without replacement.
        """
        count = rows_of(size, len(self))
        if count > len(self) and not replace:
            raise ValueError(
                f"{count:,} of {len(self):,} transitions cannot be drawn without replacement; "
                "pass replace=True or ask for fewer"
            )
        return self.take(np.random.default_rng(seed).choice(len(self), count, replace=replace))

    def episode_ends(self) -> np.ndarray:
        """Row of each episode's last transition ``[episodes]``; the last row always ends one."""
        ends = np.flatnonzero(self.terminations | self.truncations)
        if len(self) and (len(ends) == 0 or ends[-1] != len(self) - 1):
            ends = np.append(ends, len(self) - 1)
        return ends

    def episode_lengths(self) -> np.ndarray:
        """Steps of each episode ``[episodes]``."""
        return np.diff(self.episode_ends(), prepend=-1)

    def episode_returns(self) -> np.ndarray:
        """Undiscounted return of each episode ``[episodes]`` in float64, cut ones included."""
        if len(self) == 0:
            return np.zeros(0)
        starts = np.concatenate([[0], self.episode_ends()[:-1] + 1])
        return np.add.reduceat(self.rewards.astype(np.float64), starts)

    def episodes(self) -> Iterator[Transitions]:
        """Each episode in turn, as views."""
        start = 0
        for end in self.episode_ends():
            yield self.take(slice(start, end + 1))
            start = end + 1

    def save(self, folder: str | os.PathLike, metadata: dict[str, Any] | None = None) -> Path:
        """Write one ``.npy`` per array and a ``metadata.json``: all of them or, on an error, none.

        ``SHA256SUMS`` holds their checksums.

        Raises:
            OSError: the disk is full or the folder cannot be written; nothing half-written remains.
        """
        folder = Path(folder)
        with files.atomic_folder(folder, needed=self.nbytes) as partial:
            for name, array in self.arrays().items():
                np.save(partial / f"{name}.npy", array, allow_pickle=False)
            content = {**(metadata or {}), "rows": len(self)}
            (partial / _METADATA).write_text(json.dumps(content, indent=2), encoding="utf-8")
            files.seal(partial)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike, memory_map: bool | None = None) -> Transitions:
        """Read a folder written by :meth:`save`.

        Args:
            folder: the folder.
            memory_map: leave the arrays on disk and read pages as they are used; by default only
                for sets above :data:`MEMORY_MAP_ABOVE` bytes.  Writing to such an array changes
                this process's copy, never the file.

        Raises:
            FileNotFoundError: there is no such folder.
            PermissionError: a file may not be read.
            DataError: a file is missing, damaged or of another shape, by name; or the folder is
                none that :meth:`save` made.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder of transitions")
        while True:  # once, but for a set that is replaced while it is read
            before = files.version(folder)
            try:
                files.check_seal(folder, _MEND)
                loaded = cls._loaded(folder, memory_map)
            except (files.DamagedFile, DataError) as error:
                if files.version(folder) == before:
                    raise DataError(str(error)) from error
            else:
                if files.version(folder) == before:
                    return loaded

    @classmethod
    def _loaded(cls, folder: Path, memory_map: bool | None) -> Transitions:
        kind = OracleTransitions if (folder / f"{ORACLE}.npy").is_file() else Transitions
        paths = {field.name: folder / f"{field.name}.npy" for field in fields(kind)}
        missing = [path for path in paths.values() if not path.is_file()]
        if len(missing) == len(paths):
            raise DataError(f"{folder} holds no transitions: {missing[0].name} is not there")
        if missing:
            raise DataError(f"{missing[0]} is missing; {_MEND}")
        if memory_map is None:
            memory_map = sum(path.stat().st_size for path in paths.values()) > MEMORY_MAP_ABOVE
        mode: Literal["c"] | None = "c" if memory_map else None
        arrays = {}
        for name, path in paths.items():
            try:
                arrays[name] = np.load(path, mmap_mode=mode, allow_pickle=False)
            except PermissionError:
                raise
            except (ValueError, OSError, EOFError) as error:
                raise DataError(f"{path} cannot be read ({error}); {_MEND}") from error
        try:
            return kind(**arrays)
        except DataError as error:
            raise DataError(f"{folder}: {error}") from error


@dataclass(frozen=True, eq=False)
class OracleTransitions(Transitions):
    """Transitions of a shifted robot whose steps the target robot took too, in the simulator.

    No method may learn from the extra column, which no recorded data have.  The oracle arm and the
    diagnostics read it: what DROCO would be with a perfect model, and how far off its model is.

    Attributes:
        next_observations_target: ``[n, S]``, where the *target* robot goes from the same state with
            the same action, exact to the last bit.
    """

    next_observations_target: np.ndarray = _REQUIRED


def concatenate(parts: Sequence[Transitions]) -> Transitions:
    """Stack sets of the same robot; the last row of each part ends its episode.

    ``next_observations_target`` stays only where every part has it.

    Raises:
        DataError: the parts differ in their columns, or there is none.
    """
    if not parts:
        raise DataError("nothing to concatenate: pass at least one set of transitions")
    columns = {(part.observation_size, part.action_size) for part in parts}
    if len(columns) > 1:
        raise DataError(
            "sets of different robots cannot be concatenated: (observation, action) columns are "
            + " and ".join(str(pair) for pair in sorted(columns))
        )
    oracles = all(isinstance(part, OracleTransitions) for part in parts)
    kind = OracleTransitions if oracles else Transitions
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(kind)
    }
    last = np.cumsum([len(part) for part in parts if len(part)]) - 1
    joined["truncations"][last] |= ~joined["terminations"][last]
    return kind(**joined)


def empty(
    rows: int, observation_size: int, action_size: int, *, oracle: bool = False
) -> Transitions:
    """A set of ``rows`` transitions to be filled in place, chunk by chunk.

    Args:
        rows: transitions.
        observation_size: S.
        action_size: A.
        oracle: make them :class:`OracleTransitions`.
    """
    seen, chosen = (rows, observation_size), (rows, action_size)
    arrays = {
        "observations": np.zeros(seen, np.float32),
        "actions": np.zeros(chosen, np.float32),
        "rewards": np.zeros(rows, np.float32),
        "next_observations": np.zeros(seen, np.float32),
        "terminations": np.zeros(rows, np.bool_),
        "truncations": np.zeros(rows, np.bool_),
    }
    if not oracle:
        return Transitions(**arrays)
    return OracleTransitions(**arrays, next_observations_target=np.zeros(seen, np.float32))


def rows_of(size: int | float, total: int) -> int:
    """The number of rows that ``size`` asks for: itself, or that share of ``total`` if a float.

    Raises:
        ValueError: ``size`` is not positive, or is a share above 1.
    """
    share = isinstance(size, float | np.floating)
    if size <= 0 or (share and size > 1):
        raise ValueError(f"size must be a positive number of rows or a share in (0, 1], not {size}")
    return max(1, round(size * total)) if share else int(size)


def check_columns(robot: str, observation_size: int, action_size: int, where: str = "") -> None:
    """Refuse data of a foreign robot by its numbers of columns.

    Raises:
        DataError: the columns are not ``robot``'s; says which robot they would fit.
        ValueError: there is no such robot.
    """
    from droco_lite.robots import ROBOTS, get_robot

    spec = get_robot(robot)
    if (observation_size, action_size) == (spec.observation_size, spec.action_size):
        return
    fits = [
        name
        for name, other in ROBOTS.items()
        if (observation_size, action_size) == (other.observation_size, other.action_size)
    ]
    hint = f"; they fit {' and '.join(fits)}" if fits else ""
    if observation_size in spec.column_hints:
        hint = f"; {spec.column_hints[observation_size]}"
    raise DataError(
        f"{where + ': ' if where else ''}{robot} has {spec.observation_size} observation and "
        f"{spec.action_size} action columns, the data has {observation_size} and "
        f"{action_size}{hint}"
    )


def _as_array(value: Any, dtype: type, name: str, dimensions: int) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{name} is ragged: its rows differ in length") from error
    if array.dtype == object or array.dtype.kind not in "fiub":
        raise DataError(f"{name} holds {array.dtype} values, not numbers, or its rows are ragged")
    if dimensions == 1 and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]  # files often keep rewards and flags as one column
    if array.ndim != dimensions:
        shape = "[n, columns]" if dimensions == 2 else "[n]"
        raise DataError(f"{name} has shape {array.shape}, expected {shape}")
    if dtype is np.bool_:
        refuse_no_flags(array, name)
    with np.errstate(over="ignore"):  # beyond float32 becomes inf, which check() refuses by row
        return np.ascontiguousarray(array, dtype=dtype)


def refuse_no_flags(array: np.ndarray, name: str, first: int = 0) -> None:
    """Refuse flags other than 0 and 1.

    Args:
        array: ``[n]``, of any type.
        name: of the key, for the message.
        first: row number of the array's first.

    Raises:
        DataError: names the row and the value.
    """
    if array.dtype.kind == "b":
        return
    bad = (array != 0) & (array != 1)  # NaN is neither
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{name} holds {array[row]:g} at row {first + row:,}, not a flag: expected 0 or 1"
        )


def _first(chunk: np.ndarray, bad: np.ndarray) -> tuple[int, float]:
    position = np.unravel_index(np.argmax(bad), bad.shape)
    return int(position[0]), float(chunk[position])
