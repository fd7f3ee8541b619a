"""Recordings of the reader's own in place of a task: one set of the source, one of the target.

Nothing has to be known of the robot but these rows, so no simulator is needed::

    data = load_recordings(Recordings("worn.hdf5", "whole.hdf5"), hold_out=0.05)
    data.source, data.target           # Transitions
    data.held_out                      # target rows for choosing between policies, not trained on
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from droco_lite.data.reading import load
from droco_lite.data.tasks import CrossDomainData
from droco_lite.data.transitions import DataError, Transitions


@dataclass(frozen=True)
class Recordings:
    """Where both sets lie, and whose they are.

    Attributes:
        source, target: each a file, a folder or a Minari id, see :func:`droco_lite.data.load`.
        robot: both must have its columns, and policies are evaluated in its simulator; None where
            there is no simulator.

    Raises:
        ValueError: no place is named, or the robot is not known.
    """

    source: str
    target: str
    robot: str | None = None

    def __post_init__(self) -> None:
        for name in ("source", "target"):
            place = getattr(self, name)
            if not isinstance(place, str) or not place.strip():
                raise ValueError(f"{name}: name a file, a folder or a Minari id, not {place!r}")
        if self.robot is not None:
            from droco_lite.robots import get_robot

            get_robot(self.robot)

    def __str__(self) -> str:
        """The target's own name, without folders and suffix."""
        return Path(self.target).stem or "recordings"


def load_recordings(
    recordings: Recordings,
    *,
    source_size: int | None = None,
    target_size: int | None = None,
    seed: int = 0,
    hold_out: float = 0.0,
    contact_cost_weight: float | None = None,
) -> CrossDomainData:
    """Both sets, checked, so that nothing is trained on rows that do not fit.

    Args:
        recordings: where they lie.
        source_size, target_size: draw that many rows; by default all, in order.
        seed: of the draws.
        hold_out: the share of the target's rows to lay aside (:func:`lay_aside`) before any are
            drawn; they are ``held_out`` of the result.
        contact_cost_weight: for Ant with contact forces, see :func:`droco_lite.data.load`.

    Raises:
        FileNotFoundError: there is no such file, folder or set.
        DataError: a set must not be trained on, or the two do not belong together; the message
            names the file and the key.
        ValueError: more rows are asked for than a set holds, or a share that cannot be laid aside.
    """
    aside: Transitions | None = None
    sizes = {"target": target_size, "source": source_size}
    sets: dict[str, Transitions] = {}
    for name, size in sizes.items():  # the target first: it is the smaller one
        place = getattr(recordings, name)
        rows = load(place, recordings.robot, contact_cost_weight=contact_cost_weight)
        if name == "target" and hold_out:
            rows, aside = lay_aside(rows, hold_out, seed, place)
        if size is not None and size > len(rows):
            kept = " besides those laid aside" if name == "target" and hold_out else ""
            raise ValueError(
                f"{place}: holds {len(rows):,} rows{kept}, and {name}_size asks for {size:,}; ask "
                "for fewer, or leave it out for all"
            )
        sets[name] = rows if size is None else rows.sample(size, seed)
    _refuse_others(recordings, sets["source"], sets["target"])
    cards = [{"place": place} for place in (recordings.source, recordings.target)]
    return CrossDomainData(
        sets["source"], sets["target"], recordings, cards[0], cards[1], held_out=aside
    )


def check_share(share: float, where: str) -> None:
    """Refuse a share of rows to lay aside that leaves too few, or none, on one side.

    Args:
        share: of the target's rows.
        where: what the message begins with.

    Raises:
        ValueError: it is not between 0 and a half.
    """
    if not 0 < share <= 0.5:
        raise ValueError(f"{where} must be a share above 0 and at most 0.5, got {share!r}")


def lay_aside(
    rows: Transitions, share: float, seed: int = 0, where: str = "rows"
) -> tuple[Transitions, Transitions]:
    """Split a set by whole episodes, since neighbouring rows of one are nearly the same.

    Args:
        rows: in the order in which they were recorded.
        share: the least share of the rows to lay aside. Episodes are drawn until it is reached, but
            one is left. Of a single episode its last rows are laid aside.
        seed: of the draw.
        where: the file, named in errors.

    Returns:
        The rows that are left, and those laid aside, both in the order in which they were recorded.

    Raises:
        ValueError: the share is out of range, or there are too few rows to split.
    """
    check_share(share, "hold_out")
    wanted = max(1, round(share * len(rows)))
    if len(rows) - wanted < 1:
        raise ValueError(f"{where}: {len(rows)} rows are too few to lay some aside")
    lengths = rows.episode_lengths()
    if len(lengths) == 1:
        return rows.take(slice(None, -wanted)), rows.take(slice(-wanted, None))
    drawn = np.random.default_rng(seed).permutation(len(lengths))[:-1]
    count = 1 + np.searchsorted(np.cumsum(lengths[drawn]), wanted)
    chosen = np.repeat(np.isin(np.arange(len(lengths)), drawn[:count]), lengths)
    return rows.take(~chosen), rows.take(chosen)


def _refuse_others(recordings: Recordings, source: Transitions, target: Transitions) -> None:
    """Refuse two sets whose columns differ."""
    for key, size in (("observations", "observation_size"), ("actions", "action_size")):
        ours, others = getattr(source, size), getattr(target, size)
        if ours != others:
            raise DataError(
                f"{recordings.source}: {key} has {ours} columns where {recordings.target} has "
                f"{others}; both robots must be read by the same sensors and moved by the same "
                "motors, in the same order"
            )
