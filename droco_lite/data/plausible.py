"""Values that can be read, but that the robot can hardly have had: warned of, by row."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from droco_lite.data.chunks import chunks

if TYPE_CHECKING:
    from droco_lite.data.transitions import Transitions
    from droco_lite.robots.robot import Robot

#: Rewards of one step beyond which no robot of the package comes, and any other one hardly.
LARGEST_REWARD, LARGEST_OTHER_REWARD = 1e2, 1e6
#: A float32 may stand on the other side of the edge at which a robot has fallen.
EDGE = 1e-5
_CHUNK = 4096  # small: they are copied in double precision


class DataWarning(UserWarning):
    """Data that can be read, but hardly mean what they say; the message names place and row."""


def warn_of_the_impossible(data: Transitions, robot: str | None, place: str) -> None:
    """Warn of rewards and falls that the robot cannot have.

    Args:
        data: any set.
        robot: whose it is; None asks of rewards only.
        place: beginning of the message.
    """
    spec = None  # of a robot of the package
    if robot is not None:
        from droco_lite.robots import get_robot

        spec = None if get_robot(robot).own else get_robot(robot)
    largest = LARGEST_OTHER_REWARD if spec is None else LARGEST_REWARD
    found = [_found(f"a reward beyond {largest:g}", lambda d: np.abs(d.rewards) > largest, data)]
    if spec is not None:
        found += [
            _found(f"a fall flagged where the {robot} stands", lambda d: _stands(d, spec), data),
            _found(f"a fall of the {robot} that no flag marks", lambda d: _lies(d, spec), data),
        ]
    for text in filter(None, found):
        warnings.warn(f"{place}{text}; is it this robot's data?", DataWarning, stacklevel=4)


def _stands(data: Transitions, spec: Robot) -> np.ndarray:
    """Rows [n] whose flag says that the robot fell where it has not."""
    wrong = data.terminations.copy()
    rows = np.flatnonzero(wrong)
    if len(rows):
        reached = data.next_observations[rows].astype(np.float64)
        fallen = spec.terminated_from(reached * (1 - EDGE))
        fallen |= spec.terminated_from(reached * (1 + EDGE))
        if spec.is_healthy is not None:  # files without next observations repeat the last one
            fallen |= (data.next_observations[rows] == data.observations[rows]).all(1)
        wrong[rows] = ~fallen
    return wrong


def _lies(data: Transitions, spec: Robot) -> np.ndarray:
    """Rows [n] after which the robot has fallen, though no flag says that an episode ended."""
    if spec.is_healthy is None:
        return np.zeros(len(data), bool)
    reached = data.next_observations.astype(np.float64)
    fallen = spec.terminated_from(reached * (1 - EDGE))
    fallen &= spec.terminated_from(reached * (1 + EDGE))
    return fallen & ~data.terminations


def _found(what: str, rule: Callable[[Transitions], np.ndarray], data: Transitions) -> str:
    """``what`` with the first row and the number of others; empty if there is none."""
    count, first = 0, -1
    for rows in chunks(len(data), _CHUNK):
        bad = rule(data.take(rows))
        if count == 0 and bad.any():
            first = rows.start + int(bad.argmax())
        count += int(bad.sum())
    if not count:
        return ""
    return f"{what}, at row {first:,}" + (f" and {count - 1:,} more" if count > 1 else "")
