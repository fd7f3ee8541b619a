"""Target rows that no training has seen, which rules of choice need."""

from __future__ import annotations

from pathlib import Path

from droco_lite.data import Task, load
from droco_lite.data.tasks import make_dataset
from droco_lite.data.transitions import Transitions
from droco_lite.training.checkpoint import Facts, fingerprint

__all__ = ["held_out_rows", "laid_aside", "refuse_other_rows"]


def held_out_rows(experiment, rows: int = 5000, seed: int = 1000) -> Transitions:
    """Target rows that the experiment's training never saw, logged by the same policies.

    They stand for rows laid aside before a training.  ``seed`` is added to that of the data.
    """
    task = Task.parse(experiment.task["name"])
    seed += experiment.task.get("seed", 0)
    return make_dataset(
        task.robot, "nominal", task.quality, rows, seed=seed, cache=False, progress=False
    )[0]


def laid_aside(experiment, place: str, held_out: Transitions | None = None) -> Transitions:
    """Target rows that were kept from a training on recordings.

    Args:
        experiment: the training's.
        place: of rows that the reader kept: a file, folder or Minari id; or "".
        held_out: rows that the training itself laid aside, for where no place is named.

    Raises:
        ValueError: there are no such rows, or the training has seen them; or rows are refused.
    """
    if not experiment.recorded:
        raise ValueError("--held-out-data: a task's rows are made; say how many with --held-out")
    if not place and held_out is not None:
        return held_out
    if not place:
        raise ValueError(
            "--held-out-data is missing: the rules need target rows that no training has seen, and "
            "of recordings none can be made; name a file that you laid aside, or train again with "
            "--hold-out 0.05, which lays rows of the target's file aside"
        )
    own = [Path(experiment.task[name]).resolve() for name in ("source", "target")]
    if Path(place).resolve() in own:
        raise ValueError(f"--held-out-data: {place} is one of the training's own sets")
    return load(place, experiment.task.get("robot"))


def refuse_other_rows(facts: Facts, target: Transitions, place: str) -> None:
    """Refuse recordings that changed after a training read them; other rows may be held out now.

    Args:
        facts: of the training's checkpoint, as :func:`droco_lite.training.export.restore` has them.
        target: the target's rows as they are read now.
        place: where they lie.

    Raises:
        ValueError: they are not those that were trained on.
    """
    now, then = fingerprint(target), facts.target
    if now != then:
        raise ValueError(
            f"{place}: the rows are not those that were trained on ({now['rows']:,} now, "
            f"{then['rows']:,} then, or other values); bring that file back, or train again into "
            "another folder"
        )
