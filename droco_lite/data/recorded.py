"""Recordings of the reader's own in place of a task: one set of the source, one of the target.

Nothing has to be known of the robot but these rows, so no simulator is needed::

    data = load_recordings(Recordings("worn.hdf5", "whole.hdf5"))
    data.source, data.target           # Transitions
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    contact_cost_weight: float | None = None,
) -> CrossDomainData:
    """Both sets, checked, so that nothing is trained on rows that do not fit.

    Args:
        recordings: where they lie.
        source_size, target_size: draw that many rows; by default all, in order.
        seed: of the draws.
        contact_cost_weight: for Ant with contact forces, see :func:`droco_lite.data.load`.

    Raises:
        FileNotFoundError: there is no such file, folder or set.
        DataError: a set must not be trained on, or the two do not belong together; the message
            names the file and the key.
        ValueError: more rows are asked for than a set holds.
    """
    sizes = {"target": target_size, "source": source_size}
    sets: dict[str, Transitions] = {}
    for name, size in sizes.items():  # the target first: it is the smaller one
        place = getattr(recordings, name)
        rows = load(place, recordings.robot, contact_cost_weight=contact_cost_weight)
        if size is not None and size > len(rows):
            raise ValueError(
                f"{place}: holds {len(rows):,} rows, and {name}_size asks for {size:,}; ask for "
                "fewer, or leave it out for all"
            )
        sets[name] = rows if size is None else rows.sample(size, seed)
    _refuse_others(recordings, sets["source"], sets["target"])
    cards = ({"place": place} for place in (recordings.source, recordings.target))
    return CrossDomainData(sets["source"], sets["target"], recordings, *cards)


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
