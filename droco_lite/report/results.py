"""What a task's result files hold.

They are read from ``results/matrix``, ``results/long``, ``results/study`` and ``results/paper``.
The first holds all arms after a short training, the second those that were trained longer, with
DROCO as the paper prints it, the third DROCO with a sound floor and its controls, the fourth the
paper's own figures, each with the table that it is from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from droco_lite import files
from droco_lite.data import TASKS, Task
from droco_lite.evaluation.arms import (
    COLUMNS,
    CURVE_COLUMNS,
    PAPER,
    file_name,
    place,
    read_table,
)
from droco_lite.provenance import results_file
from droco_lite.robots import NOMINAL, ROBOTS, Shift
from droco_lite.robots.shifts import shift_values

DROCO = "DROCO"
#: The paper's methods, and MICRO: what a table of results has a row for.
TABLE_LABELS = (*PAPER, "MICRO")
RUN_AGAIN = "run `droco-lite study run results/matrix/study.yaml`"

OUTSIDE = 0.01  # share of values out of range from which on a page names it
FAR_OUTSIDE = 0.5  # and from which on they count as run away, as in droco_lite.agents.soundness


@dataclass(frozen=True)
class Results:
    """What one task's files hold.

    Attributes:
        task: the task.
        table: one line per (label, seed, shift, attack); columns of
            :data:`droco_lite.evaluation.matrix.COLUMNS`.
        curves: clean returns while training.
        about: the provenance.
    """

    task: Task
    table: pd.DataFrame
    curves: pd.DataFrame
    about: Mapping[str, Any]

    @property
    def labels(self) -> list[str]:
        """Arms that have results, methods first."""
        return sorted(set(self.table["label"]), key=place)

    @property
    def missing(self) -> list[str]:
        """The paper's methods, and MICRO, that have no results here."""
        return [label for label in TABLE_LABELS if label not in self.labels]

    def only(self, labels: Sequence[str]) -> Results:
        """These arms alone.

        Raises:
            KeyError: an arm without results.
        """
        missing = set(labels) - set(self.labels)
        if missing:
            raise KeyError(f"no results of {sorted(missing)}; there are {self.labels}")
        table, curves = (x[x["label"].isin(labels)] for x in (self.table, self.curves))
        return replace(self, table=table, curves=curves)

    def renamed(self, names: Mapping[str, str]) -> Results:
        """The same results, with other labels for some arms: old label -> new one."""
        table, curves = (
            x.assign(label=x["label"].replace(names)) for x in (self.table, self.curves)
        )
        arms = {names.get(label, label): own for label, own in self.about["arms"].items()}
        return replace(self, table=table, curves=curves, about={**self.about, "arms": arms})

    def beside(self, other: Results, *, other_data: bool = False) -> Results:
        """These arms, and another study's that are not among them.

        Args:
            other: the other study, of the same task and length.
            other_data: let the data differ too, where that is the question.

        Raises:
            ValueError: the two studies have another task, other data or another length.
        """
        for what in ("task", "steps") if other_data else ("task", "data", "steps"):
            mine, theirs = (each.about.get(what) for each in (self, other))
            if mine != theirs:
                raise ValueError(f"cannot compare: {what} is {mine!r} here and {theirs!r} there")
        new = [label for label in other.labels if label not in self.labels]
        more = other.only(new)
        pairs = ((self.table, more.table), (self.curves, more.curves))
        table, curves = (pd.concat(pair, ignore_index=True) for pair in pairs)
        arms = {**{label: other.about["arms"][label] for label in new}, **self.about["arms"]}
        return replace(self, table=table, curves=curves, about={**self.about, "arms": arms})

    @property
    def robot(self) -> str:
        """The robot's name as it is written, such as ``Walker2d``."""
        return ROBOTS[self.task.robot].title or self.task.robot

    @property
    def floored(self) -> bool:
        """Whether DROCO's backed-up values had a floor; the paper prints none."""
        return float(self.about["arms"][DROCO].get("floor") or 0.0) != -math.inf

    def values_of(self, label: str) -> pd.DataFrame:
        """An arm's curves, with two columns that say whether its values are out of range.

        There is one line for each evaluation and seed.  ``away`` is true where more than 1 % of the
        values are out of range.  ``far`` is true where their mean is beyond twice the value of an
        expert's mean reward earned for ever.  Older curves lack the share; there the mean decides
        both.
        """
        curves = self.curves[self.curves["label"] == label]
        if "v_source" not in curves:
            return curves.assign(away=False, far=False)
        robot, discount = ROBOTS[self.task.robot], self.about["arms"][label].get("discount", 0.99)
        most = 2 * robot.max_return / robot.max_episode_steps / (1 - discount)
        curves = curves.dropna(subset="v_source")
        far = away = curves["v_source"].abs() > most
        if "outside" in curves:
            away = away.where(curves["outside"].isna(), curves["outside"] > OUTSIDE)
        return curves.assign(away=away, far=far)

    @property
    def source_shift(self) -> Shift:
        """The shift that separates the source robot from the target, parsed from the task."""
        return Shift.parse(self.task.source_shift)

    @property
    def under_shift(self) -> pd.DataFrame:
        """Lines without an attack, the nominal robot's among them."""
        return self.table[self.table["attack"] == "none"]

    @property
    def changed(self) -> pd.DataFrame:
        """Lines without an attack, without the nominal robot's."""
        return self.under_shift[self.under_shift["family"] != NOMINAL.family]

    @property
    def clean(self) -> pd.DataFrame:
        """The nominal robot's lines."""
        return self.under_shift[self.under_shift["family"] == NOMINAL.family]

    @property
    def attacked(self) -> pd.DataFrame:
        """Lines under an attack on observations."""
        return self.table[self.table["attack"] != "none"]

    @property
    def steps(self) -> int:
        """Gradient steps that every arm has had."""
        return int(self.table["steps"].min())

    @property
    def seeds(self) -> int:
        """Seeds that every arm has had."""
        return int(self.clean.groupby("label")["seed"].nunique().min())

    def is_own(self, family: str, variant: str) -> bool:
        """Whether a shift moves what the source's shift moves, so that a learner has seen it.

        Same family (OTDF's counts as ODRL's) and at least one joint, limb or factor in common:
        doing well there is no sign of robustness.
        """
        source = self.source_shift
        if family != source.family.removeprefix("otdf-"):
            return False
        robot = self.task.robot
        moved = (shift_values(robot, s) for s in (Shift(family, variant, 1.0), source))
        return bool(set.intersection(*(set(values) for values in moved)))

    def variants(self) -> list[tuple[str, str]]:
        """(family, variant) of every shift tried, in the table's order."""
        lines = self.changed
        return list(dict.fromkeys(zip(lines["family"], lines["variant"], strict=True)))

    def foreign(self) -> pd.DataFrame:
        """Lines of the nominal robot and of shifts that are not the source's own."""
        lines = self.under_shift
        own = [v for v in self.variants() if self.is_own(*v)]
        pairs = pd.Series(list(zip(lines["family"], lines["variant"], strict=True)), lines.index)
        return lines[~pairs.isin(own)]


def results_folder() -> Path:
    """``results/matrix`` of the checkout, or of the installed package."""
    return results_file("matrix")


def tasks(folder: str | Path | None = None) -> list[str]:
    """Names of the tasks that have results, in the order of the paper's 32.

    A task with a source of its own stands beside the paper's.
    """
    folder = results_folder() if folder is None else Path(folder)
    tried = [p for p in sorted(folder.glob("*.json")) if p.with_suffix(".csv").exists()]
    named = {path: files.read_json(path, RUN_AGAIN)["task"] for path in tried}
    # What has curves alone has no results yet; what has another name holds other figures of a task.
    found = [name for path, name in named.items() if path.stem == file_name(name)]
    order = {(task.robot, task.quality, task.family): k for k, task in enumerate(TASKS)}

    def rank(name: str) -> tuple[int, str]:
        task = Task.parse(name)
        known = order.get((task.robot, task.quality, task.family), len(order))
        return known, name  # those of robots of one's own come last

    return sorted(found, key=rank)


def read(task: str | Task, folder: str | Path | None = None) -> Results:
    """A task's files.

    Raises:
        FileNotFoundError: one is missing.
        ValueError: a column is missing, there are two lines of one condition, or a number is not
            finite; the message names the file and what is wrong.
    """
    folder = results_folder() if folder is None else Path(folder)
    task = Task.parse(task)
    path = folder / f"{file_name(str(task))}.csv"
    table = read_table(folder, str(task))
    curve_path = path.with_name(f"{path.stem}-curves.csv")
    curves = files.read_csv(curve_path, RUN_AGAIN)
    for where, lines, columns in ((path, table, COLUMNS), (curve_path, curves, CURVE_COLUMNS)):
        missing = [name for name in columns if name not in lines]
        if missing:
            raise ValueError(f"{where}: the column {missing[0]!r} is missing; {RUN_AGAIN}")
    keys = ["label", "seed", "shift", "attack", "scale"]
    twice = table.duplicated(keys)
    if twice.any():
        line = table.loc[twice, keys].iloc[0].tolist()
        raise ValueError(f"{path}: {', '.join(map(str, line))} has two lines; {RUN_AGAIN}")
    numbers = table[["return_mean", "score"]].apply(pd.to_numeric, errors="coerce")
    bad = ~np.isfinite(numbers).all(axis=1)
    if bad.any():
        raise ValueError(f"{path}: line {int(np.flatnonzero(bad)[0]) + 2} holds no finite return")
    about = files.read_json(path.with_suffix(".json"), RUN_AGAIN)
    arms = list(about["arms"])
    unknown = set(table["label"]) - set(arms)
    if unknown:
        raise ValueError(f"{path}: the label {sorted(unknown)[0]!r} is none of {', '.join(arms)}")
    return Results(task, table, curves, about)


def read_all(folder: str | Path | None = None) -> list[Results]:
    """Results of every task on which DROCO has been trained: without it there is no comparison.

    Raises:
        FileNotFoundError: there are none.
    """
    found = [each for each in (read(t, folder) for t in tasks(folder)) if DROCO in each.labels]
    if not found:
        place = "results/matrix" if folder is None else folder
        raise FileNotFoundError(f"{place} holds no results of {DROCO} yet: {RUN_AGAIN}")
    return found


def read_short() -> list[Results]:
    """Results of ``results/matrix``, all arms after a short training; none if there are none."""
    return _committed("matrix")


def read_long() -> list[Results]:
    """Results of ``results/long``, none if there are none."""
    return _committed("long")


def read_study() -> list[Results]:
    """Results of ``results/study``, DROCO with a sound floor and its rivals; none if none."""
    return _committed("study")


def read_longer() -> list[Results]:
    """Longer trainings of the study's pairs, ``results/study/100k``; none if there are none.

    The arms of ``results/study/100k-betas``, trained as long on the same data, stand beside them.
    """
    more = results_file("study/100k-betas")
    further = {task: read(task, more) for task in tasks(more)}
    return [
        each.beside(further[str(each.task)]) if str(each.task) in further else each
        for each in _committed("study/100k")
    ]


def _committed(name: str) -> list[Results]:
    return _existing(results_file(name))


def _existing(folder: str | Path) -> list[Results]:
    """A folder's results, none if it holds none of DROCO."""
    try:
        return read_all(folder)
    except FileNotFoundError:
        return []


def read_evidence(*folders: str | Path) -> list[Results]:
    """The results that the evidence pages speak of: of each task those that were trained longest.

    Of the older long runs, whose DROCO may have no floor, the ones that no study has done again.

    Args:
        folders: of tables, where a later one counts more than an earlier one; by default
            ``results/long``, ``results/study`` and ``results/study/100k`` (:func:`read_longer`).

    Raises:
        FileNotFoundError: none holds results of DROCO.
    """
    read = [_existing(folder) for folder in folders] or [read_long(), read_study(), read_longer()]
    found = {str(each.task): _with_sound_controls(each) for results in read for each in results}
    if not found:
        raise FileNotFoundError(
            "neither results/study nor results/long holds results of DROCO: run "
            "`droco-lite study run results/study/walker2d.yaml`"
        )
    return list(found.values())


def _with_sound_controls(results: Results) -> Results:
    """Without the shuffled control of the older runs, which was charged too much early on."""
    if results.floored:
        return results
    return results.only([label for label in results.labels if label != "DROCO, shuffled"])


def paper(name: str) -> pd.DataFrame:
    """The paper's ``scores`` or ``losses``; the column ``table`` names the source of each."""
    return pd.read_csv(results_file(f"paper/{name}.csv"), dtype={"level": str})
