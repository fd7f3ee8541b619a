"""All three gates of a task in one record.  They are checked before anything is trained.

The first two (:mod:`droco_lite.data.gate`) ask whether the shift matters and whether the target's
data can be imitated; the third (:mod:`droco_lite.agents.coverage`) whether source and target data
overlap.  Pairs for a study are chosen by them, before any return of a method is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from droco_lite.agents.coverage import Coverage, coverage
from droco_lite.agents.ensemble import EnsembleSettings, ensemble_of
from droco_lite.data.gate import Gate, clone, gate
from droco_lite.data.tasks import Task, make_dataset
from droco_lite.files import DamagedFile, read_json

RETURNS = ("at_home", "on_target", "target_data", "clone", "shift_matters", "can_be_cloned")


@dataclass(frozen=True)
class Gates:
    """Verdicts of one task."""

    returns: Gate
    coverage: Coverage

    @property
    def passed(self) -> int:
        """How many of the three gates it passes."""
        return self.returns.shift_matters + self.returns.can_be_cloned + self.coverage.covered

    def record(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {**self.returns.record(), "coverage": self.coverage.record(), "passed": self.passed}


def gates_table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One line a task: the figures of :meth:`Gates.record`, flat, those that pass most first."""
    lines = []
    for record in records:
        plain = {k: record[k] for k in ("task", "source_shift", "passed", *RETURNS)}
        lines.append(plain | dict(record["coverage"]))
    table = pd.DataFrame(lines)
    return table.sort_values(["passed", "within"], ascending=False, kind="stable")


def read_record(path: Path, seed: int) -> dict[str, Any]:
    """The record that ``data gates`` wrote of one task.

    Raises:
        DamagedFile: the file is no such record.
        ValueError: it was made with another seed.
    """
    mend = f"move {path} away and run this again"
    record = read_json(path, mend)
    try:
        gates_table([record])
        made_with = int(record.get("seed", seed))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"{path}: not the record of a task's gates ({type(error).__name__}: {error}); {mend}"
        raise DamagedFile(said) from None
    if made_with != seed:
        raise ValueError(f"{path} was made with --seed {made_with}, asked for {seed}; {mend}")
    return record


def all_gates(
    name: Task | str,
    *,
    target_size: int = 10_000,
    source_size: int = 20_000,
    held_out_size: int = 2_000,
    episodes: int = 20,
    seed: int = 0,
    clone_steps: int = 5_000,
    ensemble_epochs: int = 60,
    on_epoch: Callable[[int, Any], None] | None = None,
) -> Gates:
    """Run all gates of a task.

    Args:
        name: the task.
        target_size: target rows, to be cloned and to fit the ensemble on.
        source_size: source rows, as they are collected.
        held_out_size: rows of other target episodes, the yardstick.
        episodes: evaluation episodes for each return.
        seed: of everything random.
        clone_steps: updates of the clone of the target's data.
        ensemble_epochs: most passes of the ensemble over the target rows.
        on_epoch: called after each of them.

    Raises:
        FileNotFoundError: a behaviour policy is not in the package.
    """
    task = Task.parse(name)

    def made(shift: str, rows: int, seed: int):
        return make_dataset(
            task.robot, shift, task.quality, rows, seed=seed, cache=False, progress=False
        )

    target, card = made("nominal", target_size, seed)
    cloner = partial(clone, steps=clone_steps)
    returns = gate(task, episodes=episodes, seed=seed, cloner=cloner, made=(target, card))
    source, _ = made(task.source_shift, source_size, seed)
    held_out, _ = made("nominal", held_out_size, seed + 1)
    settings = EnsembleSettings(seed=seed, max_epochs=ensemble_epochs)
    fitted = ensemble_of(target, settings, on_epoch=on_epoch)
    return Gates(returns, coverage(source, target, held_out, fitted))
