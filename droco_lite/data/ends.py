"""Where the episodes of a flat table end: as its flags say, and where they say nothing."""

from __future__ import annotations

import warnings
from dataclasses import fields

import numpy as np

from droco_lite.data.chunks import chunks
from droco_lite.data.plausible import DataWarning
from droco_lite.data.transitions import DataError, Transitions

#: Time limit of a table whose robot is not known: that of every robot in the package.
MAX_EPISODE_STEPS = 1000
#: Difference between a next observation and the row that follows, as a share of their size, above
#: which another episode begins there although the file has flags and none marks it.
BREAK = 1e-3
#: Rows handled at a time, so that nothing here needs a second copy of a large set.
STEP = 8192


def close_episodes(
    data: Transitions, *, stored_next: bool, stored_ends: bool, limit: int, where: str
) -> Transitions:
    """Mark every end of an episode and drop rows whose successor is not in the table.

    Args:
        data: the table, changed in place; its rows in time order.
        stored_next: whether ``next_observations`` were in the file.
        stored_ends: whether truncations were.
        limit: steps after which the robot's episodes are truncated.
        where: the file, named in warnings and errors.

    Raises:
        DataError: no row has a successor.
    """
    if stored_next:
        _mark_breaks(data, stored_ends)
    data.truncations[-1] = True
    unmarked = _past_the_limit(data, limit)
    if stored_next:
        if len(unmarked):
            _warn_of_resets(unmarked, limit, where)
            data = _without(data, unmarked)
    else:
        if stored_ends and len(unmarked):
            _warn_of_resets(unmarked, limit, where)
        data.truncations[unmarked] = True
        data = _next_from_following_row(data, where)
    data.truncations[:] &= ~data.terminations
    return data


def _warn_of_resets(rows: np.ndarray, limit: int, where: str) -> None:
    what = f"{len(rows):,} time limits are" if len(rows) > 1 else "a time limit is"
    warnings.warn(
        f"{where}: {what} not marked, at row {rows[0]:,}{' first' if len(rows) > 1 else ''}: more "
        f"than {limit:,} rows follow each other without an end. What follows a limit was read as "
        "another episode, and the row at the limit, whose next observation is that episode's "
        "first, was left out; if episodes are longer, pass max_episode_steps",
        DataWarning,
        stacklevel=4,
    )


def _mark_breaks(data: Transitions, flags: bool) -> None:
    """Close episodes where a row does not lead to the next one.

    Where flags mark ends, a rounding of the stored next observation is not one.
    """
    for rows in chunks(len(data) - 1, STEP):
        reached = data.next_observations[rows]
        follows = data.observations[1:][rows]
        if flags:
            other = np.abs(reached - follows) > BREAK * (1 + np.abs(follows))
            data.truncations[rows] |= other.any(1)
        else:
            data.truncations[rows] = (reached != follows).any(1)


def _past_the_limit(data: Transitions, limit: int) -> np.ndarray:
    """Rows of unmarked time limits: every ``limit``-th since the last end of an episode."""
    ends = np.flatnonzero(data.terminations | data.truncations)
    starts = np.concatenate([[0], ends + 1])
    stops = np.concatenate([ends, [len(data)]])
    long = np.flatnonzero(stops - starts >= limit)
    found = [np.arange(starts[i] + limit - 1, stops[i], limit) for i in long]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _next_from_following_row(data: Transitions, where: str) -> Transitions:
    """Take row ``i + 1`` as the next observation; drop rows whose successor is not in the file."""
    data.next_observations[:-1] = data.observations[1:]
    falls = data.terminations
    data.next_observations[falls] = data.observations[falls]
    dropped = data.truncations & ~falls
    dropped[-1] = not falls[-1]
    if dropped.all():
        raise DataError(f"{where}: no row has a successor; the file needs next_observations")
    return _without(data, np.flatnonzero(dropped))


def _without(data: Transitions, dropped: np.ndarray) -> Transitions:
    """Drop rows; the row before each closes the episode, unless it closed an earlier one itself."""
    if not len(dropped):
        return data
    before = dropped - 1
    before = before[before >= 0]
    data.truncations[before] |= ~data.terminations[before]
    kept = np.ones(len(data), bool)
    kept[dropped] = False
    return _keep_rows(data, np.flatnonzero(kept))


def _keep_rows(data: Transitions, kept: np.ndarray) -> Transitions:
    """The rows ``kept`` (ascending), moved forward in place so that no second set is needed."""
    for field in fields(data):
        array = getattr(data, field.name)
        for part in chunks(len(kept), STEP):
            array[part] = array[kept[part]]
    return data.take(slice(0, len(kept)))
