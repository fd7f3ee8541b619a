"""From ``results/matrix`` and ``results/long`` to every table and figure of the results chapters.

The first holds all arms after a short training, the second those that have been trained longer.
``droco-lite report`` writes them all; a chapter prints the same tables (:data:`TABLES`) and draws
the same figures (:mod:`droco_lite.evaluation.pictures`), and :func:`check` compares what the
committed chapters show with what the results give now.  Numbers of steps, seeds and episodes stand
in every table's caption and come from the files.

The paper's own figures are in ``results/paper``, each with the table it is from; they are never
mixed with ours in one column.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from droco_lite.data import TASKS, Task
from droco_lite.evaluation import statistics
from droco_lite.evaluation.matrix import (
    COLUMNS,
    CONTROLS,
    CURVE_COLUMNS,
    ORDER,
    file_name,
    place,
    read_table,
)
from droco_lite.provenance import results_file, write_text_atomic
from droco_lite.robots import LEVELS, NOMINAL, Shift
from droco_lite.robots.shifts import shift_values

DROCO = "DROCO"
EQUAL = 0.1  # clean returns closer than this share of the reference's count as equal
CLAIM_STEPS = 200_000  # fewer say nothing about final returns: "first results"
FULL_STEPS, FULL_SEEDS = 1_000_000, 5  # the paper's steps; its seeds are not known to us
RUN_AGAIN = "run `droco-lite matrix run results/matrix/study.yaml`"

#: (family, level) -> column of a table.
CELLS = {
    (family, level): f"{family} {level}" for family in ("kinematic", "morph") for level in LEVELS
}


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

    def only(self, labels: Sequence[str]) -> Results:
        """These arms alone.

        Raises
        ------
        KeyError : an arm without results.
        """
        missing = set(labels) - set(self.labels)
        if missing:
            raise KeyError(f"no results of {sorted(missing)}; there are {self.labels}")
        table, curves = (x[x["label"].isin(labels)] for x in (self.table, self.curves))
        return replace(self, table=table, curves=curves)

    @property
    def source_shift(self) -> Shift:
        return Shift.parse(self.task.source_shift)

    @property
    def under_shift(self) -> pd.DataFrame:
        """Lines without an attack, the nominal robot's among them."""
        return self.table[self.table["attack"] == "none"]

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
        lines = self.under_shift[self.under_shift["family"] != NOMINAL.family]
        return list(dict.fromkeys(zip(lines["family"], lines["variant"], strict=True)))

    def foreign(self) -> pd.DataFrame:
        """Lines of the nominal robot and of shifts that are not the source's own."""
        lines = self.under_shift
        own = [v for v in self.variants() if self.is_own(*v)]
        pairs = pd.Series(list(zip(lines["family"], lines["variant"], strict=True)), lines.index)
        return lines[~pairs.isin(own)]


# ----------------------------------------------------------------------------------- the files


def results_folder() -> Path:
    """``results/matrix`` of the checkout, or of the installed package."""
    return results_file("matrix")


def tasks(folder: str | Path | None = None) -> list[str]:
    """Names of the tasks that have results, in the order of the paper's 32; a task with a source
    of its own stands beside the paper's."""
    folder = results_folder() if folder is None else Path(folder)
    tried = [p for p in sorted(folder.glob("*.json")) if p.with_suffix(".csv").exists()]
    found = [json.loads(path.read_text())["task"] for path in tried]  # the rest has curves alone
    order = {(task.robot, task.quality, task.family): k for k, task in enumerate(TASKS)}

    def rank(name: str) -> tuple[int, str]:
        task = Task.parse(name)
        return order[task.robot, task.quality, task.family], name

    return sorted(found, key=rank)


def read(task: str | Task, folder: str | Path | None = None) -> Results:
    """A task's files.

    Raises
    ------
    FileNotFoundError : one is missing.
    ValueError : a column is missing, a line stands twice, or a number is not finite; the message
        names the file and what it lacks.
    """
    folder = results_folder() if folder is None else Path(folder)
    task = Task.parse(task)
    path = folder / f"{file_name(str(task))}.csv"
    table = read_table(folder, str(task))
    curve_path = path.with_name(f"{path.stem}-curves.csv")
    curves = pd.read_csv(curve_path)
    for where, lines, columns in ((path, table, COLUMNS), (curve_path, curves, CURVE_COLUMNS)):
        missing = [name for name in columns if name not in lines]
        if missing:
            raise ValueError(f"{where}: the column {missing[0]!r} is missing; {RUN_AGAIN}")
    keys = ["label", "seed", "shift", "attack", "scale"]
    twice = table.duplicated(keys)
    if twice.any():
        line = table.loc[twice, keys].iloc[0].tolist()
        raise ValueError(f"{path}: {', '.join(map(str, line))} stands twice; {RUN_AGAIN}")
    numbers = table[["return_mean", "score"]].apply(pd.to_numeric, errors="coerce")
    bad = ~np.isfinite(numbers).all(axis=1)
    if bad.any():
        raise ValueError(f"{path}: line {int(np.flatnonzero(bad)[0]) + 2} holds no finite return")
    about = json.loads(path.with_suffix(".json").read_text())
    arms = list(about["arms"])
    unknown = set(table["label"]) - set(arms)
    if unknown:
        raise ValueError(f"{path}: the label {sorted(unknown)[0]!r} is none of {', '.join(arms)}")
    return Results(task, table, curves, about)


def read_all(folder: str | Path | None = None) -> list[Results]:
    """Results of every task on which DROCO has been trained: without it there is no comparison.

    Raises
    ------
    FileNotFoundError : there are none.
    """
    found = [each for each in (read(t, folder) for t in tasks(folder)) if DROCO in each.labels]
    if not found:
        raise FileNotFoundError(f"results/matrix holds no results yet: {RUN_AGAIN}")
    return found


def paper(name: str) -> pd.DataFrame:
    """The paper's ``scores`` or ``losses``, as ``results/paper`` holds them; the column ``table``
    names the source."""
    return pd.read_csv(results_file(f"paper/{name}.csv"), dtype={"level": str})


# ---------------------------------------------------------------------------------- the tables


def level_of(strength: float) -> str | None:
    """``easy``, ``medium`` or ``hard``, if the strength is one of theirs (to six digits)."""
    return next((name for name, s in LEVELS.items() if abs(s - strength) < 1e-4), None)


def means(
    lines: pd.DataFrame, by: Sequence[str] = (), column: str = "score"
) -> pd.DataFrame | pd.Series:
    """Mean over seeds of the mean over conditions, for each label (and value of ``by``)."""
    per_seed = lines.groupby(["label", *by, "seed"], sort=False)[column].mean()
    return per_seed.groupby(level=["label", *by], sort=False).mean()


def cells(lines: pd.DataFrame, column: str = "score") -> pd.DataFrame:
    """A column for every family and level of :data:`CELLS` that was tried, a row for each label."""
    lines = lines.assign(level=lines["strength"].map(level_of))
    wide = means(lines[lines["level"].notna()], ["family", "level"], column).unstack([1, 2])
    return pd.DataFrame({name: wide[cell] for cell, name in CELLS.items() if cell in wide})


def scorecard(results: Results) -> pd.DataFrame:
    """Scores of every arm: clean with its interval, then under kinematic and morphology shifts.

    Columns ``clean, low, high`` (interquartile mean over seeds, 95 % stratified bootstrap), then
    means over the variants that are not the source's own.
    """
    clean = statistics.aggregate(statistics.matrix(results.clean, across=["shift"]))
    clean = clean.set_index("label")[["iqm", "low", "high"]].rename(columns={"iqm": "clean"})
    return clean.join(cells(results.foreign())).loc[results.labels]


def by_variant(results: Results) -> pd.DataFrame:
    """Mean score over the strengths of every variant; the source's own have a ``°``."""
    lines = results.under_shift
    wide = means(lines[lines["family"] != NOMINAL.family], ["family", "variant"]).unstack([1, 2])
    columns = {
        f"{family} {variant}{'°' if results.is_own(family, variant) else ''}": wide[family, variant]
        for family, variant in results.variants()
    }
    clean = means(results.clean)
    return pd.DataFrame({"clean": clean, **columns}).loc[results.labels]


def attacked(results: Results, column: str = "return_mean") -> pd.DataFrame:
    """Mean under every attack, columns ``(kind, scale)``; scale 0 is the clean run of the same
    policies, or, where none was tried with the attack, that of the table's clean lines."""
    wide = means(results.attacked, ["attack", "scale"], column).unstack([1, 2])
    wide.columns = pd.MultiIndex.from_tuples(wide.columns, names=["attack", "scale"])
    start = [name for name in wide if name[1] == 0]
    clean = wide[start[0]] if start else means(results.clean, column=column)
    for kind in dict.fromkeys(wide.columns.get_level_values(0)):
        wide[kind, 0.0] = clean
    return wide.sort_index(axis=1, ascending=[False, True]).loc[
        [label for label in results.labels if label in wide.index]
    ]


def returns(results: Results) -> pd.DataFrame:
    """Absolute mean returns: clean, then the paper's perturbations (foreign shifts only)."""
    columns = cells(results.foreign(), "return_mean")
    table = pd.DataFrame({"clean": means(results.clean, column="return_mean")}).join(columns)
    strongest = results.attacked[results.attacked["attack"] == "min-q"]["scale"].max()
    if strongest > 0:
        table[f"min-q {strongest:g}"] = attacked(results)["min-q", strongest]
    return table.loc[results.labels]


def degradation(results: Results, reference: str = DROCO, equal: float = EQUAL) -> pd.DataFrame:
    """Loss of return in percent of an arm's own clean return, where that may be compared.

    Columns ``clean`` (absolute) and then losses.  A loss in percent is empty for arms whose clean
    return differs from the reference's by more than the share ``equal``: of two arms the one that
    had learnt less has less to lose.  The min-Q column compares with the same policies' clean
    return.

    Raises
    ------
    ValueError : the reference has no results.
    """
    table = returns(results)
    if reference not in table.index:
        raise ValueError(f"reference: {reference!r} has no results; {', '.join(table.index)} have")
    clean = table["clean"]
    loss = 100 * (1 - table.drop(columns="clean").div(clean, axis=0))
    for name in loss:
        if name.startswith("min-q"):
            start = attacked(results)["min-q", 0.0]
            loss[name] = 100 * (1 - table[name] / start)
    comparable = (clean - clean[reference]).abs() <= equal * abs(clean[reference])
    return table[["clean"]].join(loss.where(comparable & (clean > 0)))


def improvement(results: Results, over: str = DROCO) -> pd.DataFrame:
    """P(DROCO > arm) of a seed against a seed: clean, and over all foreign shifts, with
    intervals."""
    found = {}
    for name, lines in (("clean", results.clean), ("shifted", _shifted(results))):
        scores = statistics.matrix(lines, across=["shift"])
        if over not in scores:
            raise ValueError(f"{over} has no results in {results.task}")
        for label in results.labels:
            if label != over:
                low, high = statistics.improvement_interval(scores[over], scores[label])
                chance = statistics.probability_of_improvement(scores[over], scores[label])
                found.setdefault(label, {}).update(
                    {name: chance, f"{name} low": low, f"{name} high": high}
                )
    return pd.DataFrame(found).T


def _shifted(results: Results) -> pd.DataFrame:
    lines = results.foreign()
    return lines[lines["family"] != NOMINAL.family]


def rank_agreement(results: Results) -> pd.Series:
    """Spearman's rank correlation, over arms, of clean return and return under each family's
    foreign shifts: 1 if whoever is best on the nominal robot is best on the worn one."""
    clean, lines = means(results.clean, column="return_mean"), _shifted(results)
    shifted = means(lines, ["family"], "return_mean").unstack("family")
    return pd.Series(
        {name: stats.spearmanr(clean, shifted[name].loc[clean.index])[0] for name in shifted}
    )


def beside_paper(results: Sequence[Results]) -> pd.DataFrame:
    """Clean scores of ours and the paper's for the same robot and quality, under columns
    ``(task, "ours")`` and ``(task, "paper")``; controls are not in the paper."""
    theirs = paper("scores").pivot(index="label", columns="task", values="score")
    columns = {}
    for each in results:
        cell = f"{each.task.robot}-{each.task.quality}"
        columns[cell, "ours"] = means(each.clean)
        columns[cell, "paper"] = theirs[cell] if cell in theirs else pd.Series(np.nan, theirs.index)
    table = pd.DataFrame(columns)
    return table.loc[sorted(table.index, key=place)]


def losses_of_paper() -> pd.DataFrame:
    """The paper's losses as text such as ``> 50``, a column for each perturbation."""
    table = paper("losses")
    table["perturbation"] += " " + table["level"]
    shown = table["loss_percent"].map("{:g}".format)
    table["loss"] = table["relation"].replace("=", "") + shown
    wide = table.pivot(index="label", columns="perturbation", values="loss")
    return wide[list(dict.fromkeys(table["perturbation"]))]


def costs(results: Sequence[Results]) -> pd.DataFrame:
    """What each task took: ``arms, seeds, steps, hours``, one process at a time."""
    lines = []
    for each in results:
        lines.append(
            {"task": str(each.task), "arms": len(each.labels), "seeds": each.seeds}
            | {"steps": each.steps, "hours": each.about["wall_time_seconds"] / 3600}
        )
    return pd.DataFrame(lines).set_index("task")


# ------------------------------------------------------------------------------ printed tables


def caption(results: Results) -> str:
    """Task, source, and how much training and trying stands behind a table's numbers."""
    lines, seeds, steps = results.clean, results.seeds, results.steps
    checkpoints, episodes = int(lines["checkpoints"].min()), int(lines["episodes"].min())
    first = steps < CLAIM_STEPS or seeds < statistics.ENOUGH_SEEDS
    return (
        f"{results.task.robot}-{results.task.quality}, source {results.task.source_shift}\n"
        f"{'first results at ' if first else ''}{steps:,} steps, {seeds} seeds; "
        f"mean of the last {checkpoints} checkpoints x {episodes} episodes"
    )


def printed(table: pd.DataFrame, digits: int = 1) -> str:
    """Two-line headers where a name has two words, blanks where there is nothing to compare."""
    if table.columns.nlevels == 1:
        heads = [(*str(name).split(" ", 1), "")[:2] for name in table.columns]
        table = table.set_axis(pd.MultiIndex.from_tuples(heads), axis=1)
    return table.rename_axis(index=None, columns=[None] * table.columns.nlevels).to_string(
        float_format=f"{{:.{digits}f}}".format, na_rep="-"
    )


def _each(make: Callable[[Results], str]) -> Callable[[Sequence[Results]], str]:
    """A text for every task, one below the other, with captions."""
    return lambda results: "\n\n".join(f"{caption(each)}\n\n{make(each)}" for each in results)


def _own_note(results: Results) -> str:
    own = [" ".join(v) for v in results.variants() if results.is_own(*v)]
    return ", ".join(own) or "none"


def _scorecard(results: Results) -> str:
    note = f"left out as the source's own: {_own_note(results)}"
    return f"{printed(scorecard(results))}\n{note}"


def _by_variant(results: Results) -> str:
    note = "° moves what the source's shift moves: no test of robustness"
    return f"{printed(by_variant(results))}\n{note}"


def _returns(results: Results) -> str:
    note = f"left out as the source's own: {_own_note(results)}"
    if len(results.attacked):
        count = int(results.attacked["checkpoints"].max())
        note += f"\nattacks: last {count} checkpoint{'s' * (count > 1)} only"
    return f"{printed(returns(results), 0)}\n{note}"


def _degradation(results: Results) -> str:
    note = f"- : clean return more than {EQUAL:.0%} away from {DROCO}'s, not comparable"
    return f"{printed(degradation(results), 0)}\n{note}"


def _improvement(results: Results) -> str:
    table = improvement(results)
    columns = {}
    for name in ("clean", "shifted"):
        columns[name, f"P({DROCO} > arm)"] = table[name].map("{:.2f}".format)
        low, high = (table[f"{name} {end}"].map("{:.2f}".format) for end in ("low", "high"))
        columns[name, "95 %"] = low + " to " + high
    return printed(pd.DataFrame(columns))


def _rank_agreement(results: Results) -> str:
    found = rank_agreement(results)
    count = len(results.labels)
    lines = [f"{name:10s} {value:5.2f}" for name, value in found.items()]
    return "\n".join([f"rank correlation of clean and shifted return, {count} arms", *lines])


def _verdict(results: Results) -> str:
    """Where DROCO stands, said by the numbers: counts of arms, and the controls by name."""
    lines = []
    for name, table in (("clean", results.clean), ("under foreign shifts", _shifted(results))):
        scores = means(table)
        if DROCO not in scores:
            continue
        above = [label for label in results.labels if scores[label] > scores[DROCO]]
        controls = [label for label in above if label in CONTROLS]
        lines.append(
            f"{name}: {DROCO} {scores[DROCO]:.1f}, "
            f"{len(above)} of {len(scores) - 1} arms above it"
            + (f", controls: {'; '.join(controls)}" if controls else ", no control among them")
        )
    return "\n".join(lines)


def _beside_paper(results: Sequence[Results]) -> str:
    said = "\n".join(
        f"{each.task.robot}-{each.task.quality}, ours: {each.steps:,} steps, {each.seeds} "
        f"seeds, source {each.task.source_shift}"
        for each in results
    )
    note = "paper: 1M steps, its own data and source; kinematic shift, clean target"
    return f"{said}\n{note}\n\n{printed(beside_paper(results))}"


def _losses_of_paper(results: Sequence[Results]) -> str:
    return "the paper's, percent of the clean return\n\n" + printed(losses_of_paper())


def _remaining(results: Sequence[Results]) -> str:
    table = costs(results)
    reached = {(each.task.robot, each.task.quality) for each in results}
    cells_16 = {(task.robot, task.quality) for task in TASKS}
    work = (table["arms"] * table["seeds"] * table["steps"]).sum()
    hours = table["hours"].sum() / work * len(ORDER) * FULL_SEEDS * FULL_STEPS
    shown = printed(table.assign(hours=table["hours"].map("{:.1f}".format)), 0)
    left = len(cells_16 - reached)
    return (
        f"{shown}\n\n"
        f"of the paper's {len(cells_16)} tasks {len(cells_16 & reached)} begun, {left} not\n"
        f"one task at full size ({len(ORDER)} arms x {FULL_SEEDS} seeds x "
        f"{FULL_STEPS:,} steps),\nat the rate measured here: {_about(hours)} processor hours; "
        f"all {len(cells_16)}: {_about(len(cells_16) * hours)}"
    )


def _about(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.0f}"


#: Name -> (chapter that prints it, maker of its text from all results).
TABLES: dict[str, tuple[str, Callable[[Sequence[Results]], str]]] = {
    "scorecard": ("scorecard", _each(_scorecard)),
    "verdict": ("scorecard", _each(_verdict)),
    "beside-paper": ("scorecard", _beside_paper),
    "improvement": ("scorecard", _each(_improvement)),
    "remaining": ("scorecard", _remaining),
    "variants": ("deploying", _each(_by_variant)),
    "returns": ("deploying", _each(_returns)),
    "degradation": ("deploying", _each(_degradation)),
    "losses-of-paper": ("deploying", _losses_of_paper),
    "ranks": ("deploying", _each(_rank_agreement)),
}


#: Tables that are made of ``results/long`` as well, and the chapter that prints each.
LONG = {
    "scorecard": "scorecard", "verdict": "scorecard", "improvement": "scorecard",
    "beside-paper": "scorecard", "remaining": "scorecard",
    "returns": "deploying", "degradation": "deploying",
}  # fmt: skip
LONG_FIGURES = ("learning", "values", "over-strength")


def text(name: str, results: Sequence[Results]) -> str:
    """A table as the chapters print it.

    Raises
    ------
    KeyError : no such table.
    """
    return TABLES[name][1](results)


# ---------------------------------------------------------------------------- all of it, again


def read_long() -> list[Results]:
    """Results of ``results/long``, none if there are none."""
    try:
        return read_all(results_file("long"))
    except FileNotFoundError:
        return []


def studies(folder: str | Path | None = None) -> Iterator[tuple[str, list[Results], dict, tuple]]:
    """What is made of what: a suffix of file names, results, ``{table: chapter}``, figures."""
    from droco_lite.evaluation.pictures import FIGURES

    chapters = {name: chapter for name, (chapter, _) in TABLES.items()}
    yield "", read_all(folder), chapters, tuple(FIGURES)
    long = read_long() if folder is None else []
    if long:
        yield "-long", long, LONG, LONG_FIGURES


def write(out: str | Path, folder: str | Path | None = None) -> list[Path]:
    """Make every table (``.txt``) and figure (``.svg``) of the results chapters; returns the
    paths."""
    from droco_lite.evaluation.pictures import draw_all
    from droco_lite.explore import svg

    out, written = Path(out), []
    for suffix, results, tables, figures in studies(folder):
        for name in tables:
            content = text(name, results) + "\n"
            written.append(write_text_atomic(out / f"{name}{suffix}.txt", content))
        for name in figures:
            for which, fig in draw_all(name, results):
                written.append(write_text_atomic(out / f"{name}{suffix}{which}.svg", svg(fig)))
    return written


def check(book: str | Path, folder: str | Path | None = None) -> list[str]:
    """What the committed chapters print otherwise than the results say; empty if nothing.

    Parameters
    ----------
    book : the folder of the chapters' notebooks.
    """
    wrong = []
    shown = {chapter: _shown(Path(book) / f"{chapter}.ipynb") for chapter, _ in TABLES.values()}
    for suffix, results, tables, _ in studies(folder):
        for name, chapter in tables.items():
            if shown[chapter] is None:
                wrong.append(f"{chapter}.ipynb: the chapter is missing")
            elif text(name, results) not in shown[chapter]:
                wrong.append(
                    f"{chapter}.ipynb: the table {name + suffix!r} is not what the results give "
                    f"now; run `make chapter NAME={chapter}`"
                )
    return list(dict.fromkeys(wrong))


def _shown(path: Path) -> str | None:
    """Everything that a notebook's cells printed."""
    if not path.is_file():
        return None
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs: Iterable[dict] = (o for c in notebook["cells"] for o in c.get("outputs", []))
    return "\n".join("".join(o["text"]) for o in outputs if o.get("name") == "stdout")
