"""The tables as the chapters print them, each below a caption.

Numbers of steps, seeds and episodes stand in every caption and come from the files. Ours and the
paper's never share a column.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from droco_lite.data import TASKS
from droco_lite.data.names import PAPER_ROBOTS
from droco_lite.evaluation.arms import CONTROLS
from droco_lite.report import statistics
from droco_lite.report.answers import lead, longer
from droco_lite.report.results import (
    DROCO,
    TABLE_LABELS,
    Results,
    read_long,
    read_longer,
    read_study,
)
from droco_lite.report.tables import (
    EQUAL,
    beside_paper,
    by_variant,
    costs,
    degradation,
    improvement,
    losses_of_paper,
    means,
    rank_agreement,
    returns,
    scorecard,
    shifted,
    with_missing,
)
from droco_lite.report.verdicts import (
    claim,
    losses,
    not_run,
    seeds_of,
    standings,
    verdicts,
    which_droco,
)

_MINUS = re.compile(r"(?<=>)-(?=\d)")
CLAIM_STEPS = 200_000  # fewer say nothing about final returns: "first results"
FULL_STEPS, FULL_SEEDS = 1_000_000, 5  # the paper's steps; its seeds are not known to us


def caption(results: Results) -> str:
    """Task, source, and how many steps, seeds and episodes a table's numbers are from."""
    steps = results.steps
    first = steps < CLAIM_STEPS or results.seeds < statistics.ENOUGH_SEEDS
    return (
        f"{results.task.robot}-{results.task.quality}, source {results.task.source_shift}\n"
        f"{'first results at ' if first else ''}{steps:,} steps, {seeds_of(results)}; "
        f"{averaged([results])}"
    )


def averaged(results: Sequence[Results]) -> str:
    """What a score is the mean of, on the robot as it is and under shifts."""
    clean, under = (
        " or ".join(dict.fromkeys(_looks(lines) for lines in parts))
        for parts in ([r.clean for r in results], [r.changed for r in results])
    )
    if under in ("", clean):
        return f"mean over {clean}"
    return f"clean: mean over {clean}; under shifts: over {under}"


def _looks(lines: pd.DataFrame) -> str:
    """So many policies and episodes, of the lines of a table that have the most policies."""
    if lines.empty:
        return ""
    checkpoints = int(lines["checkpoints"].max())
    episodes = int(lines.loc[lines["checkpoints"] == checkpoints, "episodes"].min())
    which = "the last policy" if checkpoints == 1 else f"each of the last {checkpoints} policies"
    return f"{episodes} episodes of {which}"


def printed(table: pd.DataFrame, digits: int = 1) -> str:
    """Two-line headers where a name has two words, blanks where there is nothing to compare."""
    if table.columns.nlevels == 1:
        heads = [(*str(name).split(" ", 1), "")[:2] for name in table.columns]
        table = table.set_axis(pd.MultiIndex.from_tuples(heads), axis=1)
    rows = [None] * table.index.nlevels if table.index.nlevels > 1 else None
    return table.rename_axis(index=rows, columns=[None] * table.columns.nlevels).to_string(
        float_format=f"{{:.{digits}f}}".format, na_rep="-"
    )


@dataclass(frozen=True)
class Shown:
    """A table that a page shows styled, and a terminal as text."""

    table: pd.DataFrame
    caption: str
    digits: int = 1

    def __repr__(self) -> str:
        return f"{self.caption}\n\n{printed(self.table, self.digits)}"

    def _repr_html_(self) -> str:
        form = {"na_rep": "–", "border": 0, "index_names": False, "justify": "right"}
        body = self.table.to_html(float_format=f"{{:,.{self.digits}f}}".format, **form)
        return (
            f'<div style="overflow-x:auto" tabindex="0"><p>{html.escape(self.caption)}</p>'
            f"{_MINUS.sub('−', body)}</div>"
        )


def shown(table: pd.DataFrame, caption: str, digits: int = 1) -> Shown:
    """A table below its caption, for a page.

    Args:
        table: numbers, a row for each arm.
        caption: what they are.
        digits: after the point.
    """
    return Shown(table, caption, digits)


def standing(results: Mapping[str, Results], caption: str) -> Shown:
    """How DROCO stands to the other arms of some studies, on the robot as it is and on others.

    Args:
        results: studies by the name that their rows have.
        caption: what they are.

    Returns:
        In each cell a verdict's word, and points with the 95 % interval.
    """
    places = {"clean": "as it is", "shifted": "under foreign shifts"}
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for name, each in results.items():
        for where, words in places.items():
            for found in verdicts(each, where):
                row = lines.setdefault((name, found.second), {})
                row[words] = f"{found.word} ({found.size})"
    return Shown(pd.DataFrame.from_dict(lines, orient="index"), caption)


def _each(make: Callable[[Results], str]) -> Callable[[Sequence[Results]], str]:
    """A text for every task, one below the other, with captions."""
    return lambda results: "\n\n".join(f"{caption(each)}\n\n{make(each)}" for each in results)


def _whole(table: pd.DataFrame, results: Results, digits: int = 1) -> str:
    """The table as text, with a row for every method that was not run."""
    return printed(with_missing(table, results.missing), digits)


def _own_note(results: Results) -> str:
    own = [" ".join(v) for v in results.variants() if results.is_own(*v)]
    return ", ".join(own) or "none"


def _scorecard(results: Results) -> str:
    note = f"left out as the source's own: {_own_note(results)}"
    return f"{_whole(scorecard(results), results)}\n{note}"


def _by_variant(results: Results) -> str:
    note = "° moves what the source's shift moves: no test of robustness"
    return f"{_whole(by_variant(results), results)}\n{note}"


def _returns(results: Results) -> str:
    note = f"left out as the source's own: {_own_note(results)}"
    if len(results.attacked):
        count = int(results.attacked["checkpoints"].max())
        note += f"\nattacks: last {count} checkpoint{'s' * (count > 1)} only"
    return f"{_whole(returns(results), results, 0)}\n{note}"


def _degradation(results: Results) -> str:
    note = f"- : clean return more than {EQUAL:.0%} away from {DROCO}'s, not comparable"
    return f"{_whole(degradation(results), results, 0)}\n{note}"


def _improvement(results: Results) -> str:
    table = improvement(results)
    columns = {}
    for name in ("clean", "shifted"):
        if table[name].isna().all():  # no shift was tried that is not the source's own
            continue
        columns[name, f"P({DROCO} > arm)"] = table[name].map("{:.2f}".format)
        low, high = (table[f"{name} {end}"].map("{:.2f}".format) for end in ("low", "high"))
        columns[name, "95 %"] = low + " to " + high
    return _whole(pd.DataFrame(columns), results)


def _rank_agreement(results: Results) -> str:
    found = rank_agreement(results)
    count = len(results.labels)
    lines = [f"{name:10s} {value:5.2f}" for name, value in found.items()]
    return "\n".join([f"rank correlation of clean and shifted return, {count} arms", *lines])


def _verdict(results: Results) -> str:
    """Where DROCO stands, said by the numbers: counts of arms, and the controls by name."""
    lines = []
    for name, table in (("clean", results.clean), ("under foreign shifts", shifted(results))):
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
    note = (
        "paper: 1M steps, its own data and source; kinematic shift, clean target\n"
        "- : not run by us, or not in the paper's table"
    )
    return f"{said}\n{note}\n\n{printed(beside_paper(results))}"


def _losses_of_paper(results: Sequence[Results]) -> str:
    return "the paper's, percent of the clean return\n\n" + printed(losses_of_paper())


def _remaining(results: Sequence[Results]) -> str:
    table = costs(results)
    reached = {(each.task.robot, each.task.quality) for each in results}
    cells_16 = {(task.robot, task.quality) for task in TASKS if task.robot in PAPER_ROBOTS}
    work = (table["arms"] * table["seeds"] * table["steps"]).sum()
    arms = len((*TABLE_LABELS, *CONTROLS))
    hours = table["hours"].sum() / work * arms * FULL_SEEDS * FULL_STEPS
    shown = printed(table.assign(hours=table["hours"].map("{:.1f}".format)), 0)
    left = len(cells_16 - reached)
    return (
        f"{shown}\n\nGPU: arms trained on one; all policies were tried on CPUs\n"
        f"of the paper's {len(cells_16)} tasks {len(cells_16 & reached)} begun, {left} not\n"
        f"one task at full size ({arms} arms x {FULL_SEEDS} seeds x {FULL_STEPS:,} steps),\n"
        f"at the rate measured here: {_about(hours)} hours of one process; "
        f"all {len(cells_16)}: {_about(len(cells_16) * hours)}"
    )


def _about(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.0f}"


def _lead(results: Sequence[Results]) -> str:
    return lead(results, read_study(), read_long())


def _not_run(results: Sequence[Results]) -> str:
    return not_run(results, [*read_study(), *read_long()])


def _longer(results: Sequence[Results]) -> str:
    return longer(results, read_longer())


#: Name -> maker of the table's text from all results.
TABLES: dict[str, Callable[[Sequence[Results]], str]] = {
    "lead": _lead,
    "longer": _longer,
    "claim": claim,
    "standings": standings,
    "losses": losses,
    "which-droco": which_droco,
    "not-run": _not_run,
    "scorecard": _each(_scorecard),
    "verdict": _each(_verdict),
    "beside-paper": _beside_paper,
    "improvement": _each(_improvement),
    "remaining": _remaining,
    "variants": _each(_by_variant),
    "returns": _each(_returns),
    "degradation": _each(_degradation),
    "losses-of-paper": _losses_of_paper,
    "ranks": _each(_rank_agreement),
}
#: The chapters that show a table, made of the results that :func:`read_evidence` chooses.
SHOWN: dict[str, tuple[str, ...]] = {
    "lead": ("scorecard",),
    "longer": ("training_droco",),
    "claim": ("scorecard",),
    "standings": ("scorecard",),
    "losses": ("deploying",),
    "which-droco": ("scorecard", "deploying"),
    "not-run": ("scorecard", "rivals"),
    "scorecard": ("scorecard",),
    "improvement": ("scorecard",),
    "beside-paper": ("scorecard",),
    "remaining": ("scorecard",),
    "returns": ("deploying",),
    "degradation": ("deploying",),
    "losses-of-paper": ("deploying",),
}


def text(name: str, results: Sequence[Results]) -> str:
    """A table as files and chapters hold it.

    Raises:
        KeyError: no such table.
    """
    return TABLES[name](results)
