"""The study's grid of beta and delta with a sound floor, as far as it has been run.

Two pages stand on older runs of the printed formula until it has: they show :func:`note`, and
:func:`claim` with :func:`picture` as soon as ``results/study/grid`` holds a table.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure
from scipy import stats

from droco_lite.figures.style import figure
from droco_lite.provenance import results_file
from droco_lite.report.figures import shade
from droco_lite.report.results import read
from droco_lite.report.tables import shifted

TASK, FOLDER, PLAN = "walker2d-medium", "study/grid", "results/study/walker2d-grid.yaml"
ARM = re.compile(r"β = (?P<beta>[\d.]+), δ = (?P<delta>[\d.]+|∞)")
SHUFFLES = 9_999  # of the settings, to tell what chance explains
LIKELY = 0.05  # what so few shuffles explain as well is called an effect
NEXT_TO_NOTHING = 0.005  # a share of clipped errors that makes hardly another training

#: What a heat map can show: its name, the column, and how a cell is written.
SHOWN = {
    "return": ("return_mean", "{:,.0f}"),
    "return under foreign shifts": ("shifted", "{:,.0f}"),
    "clipped errors": ("beyond_delta", "{:.0%}"),
    "V of source states": ("v_source", "{:,.0f}"),
}


def read_grid(folder: str | Path | None = None) -> pd.DataFrame | None:
    """The end of every run of the grid; None if none has been run.

    Args:
        folder: where the tables are; ``results/study/grid`` by default.

    Returns:
        Columns ``beta, delta, seed, steps, return_mean`` (of the last policy, over the episodes of
        the final evaluation, as everywhere in the book), ``shifted`` (mean return under shifts that
        the source does not have), ``v_source`` and ``beyond_delta`` (share of source errors that
        Huber's loss clips) at the last evaluation, and ``most_beyond``, the largest such share
        of any evaluation.

    Raises:
        ValueError: an arm's label names no beta and delta.
    """
    try:
        folder = Path(folder) if folder else results_file(FOLDER)
        results = read(TASK, folder)
    except FileNotFoundError:
        return None
    earned = results.clean.groupby(["label", "seed"]).return_mean.mean()
    under_shifts = shifted(results).groupby(["label", "seed"]).return_mean.mean()
    lines = []
    for (label, seed), run in results.curves.groupby(["label", "seed"], sort=False):
        found = ARM.fullmatch(label)
        if not found:
            raise ValueError(f"{folder}: the label {label!r} is not of the form 'β = 1, δ = 30'")
        run = run.sort_values("step")
        lines.append(
            {
                "beta": float(found["beta"]),
                "delta": float(found["delta"].replace("∞", "inf")),
                "seed": seed,
                "steps": int(run["step"].iloc[-1]),
                "return_mean": earned[label, seed],
                "shifted": under_shifts.get((label, seed), float("nan")),
                "v_source": run["v_source"].iloc[-1],
                "beyond_delta": run["beyond_delta"].iloc[-1],
                "most_beyond": run["beyond_delta"].max(),
            }
        )
    return pd.DataFrame(lines)


def planned() -> int:
    """How many settings the study's file asks for."""
    plan = results_file(PLAN.removeprefix("results/")).read_text(encoding="utf-8")
    return len(yaml.safe_load(plan)["arms"])


def note(grid: pd.DataFrame | None) -> str:
    """Which DROCO a page's older numbers are of, and how far the grid with a floor has come."""
    said = (
        "> **Which DROCO?** The older runs of this page are of the formula as the paper prints it, "
        "without a floor, and `halfcheetah-medium` fails the book's own first gate: the source's "
        "policy keeps more than a third of its return in the target. Walker2d's pair passes that "
        "gate and fails the third: its source rows lie far from the target's. "
    )
    if grid is None:
        return said + f"The same grid with the floor, on Walker2d (`{PLAN}`), has not been run."
    done, asked = grid.groupby(["beta", "delta"]).ngroups, planned()
    far = "has been run" if done >= asked else f"has been run in part: {done} of {asked} settings"
    return said + f"The same grid with the floor, on Walker2d (`{PLAN}`), {far}."


def explained(table: pd.DataFrame, column: str, by: str) -> float:
    """Share of a column's variance that lies between the groups (eta squared).

    NaN where nothing varies, or there is one group.
    """
    values, groups = table[column], table.groupby(by)[column]
    whole = float(((values - values.mean()) ** 2).sum())
    if groups.ngroups < 2 or whole == 0:
        return float("nan")
    return float(((groups.transform("mean") - values.mean()) ** 2).sum()) / whole


def by_chance(table: pd.DataFrame, column: str, by: str) -> float:
    """Share of :data:`SHUFFLES` of the rows in which ``by`` explains as much as it does."""
    groups = (table[by].to_numpy()[:, None] == table[by].unique()).astype(float)

    def between(values: np.ndarray, axis: int) -> np.ndarray:
        """What :func:`explained` divides by the whole, which no shuffle changes."""
        return ((values @ groups) ** 2 / groups.sum(0)).sum(axis)

    values = (table[column] - table[column].mean()).to_numpy()
    return float(
        stats.permutation_test(
            (values,), between, permutation_type="pairings", vectorized=True,
            n_resamples=SHUFFLES, alternative="greater", rng=0,
        ).pvalue
    )  # fmt: skip


def claim(grid: pd.DataFrame) -> str:
    """What the grid with the floor says of beta and delta, as one short paragraph."""
    cells = grid.groupby(["beta", "delta"], as_index=False)[["return_mean", "shifted"]].mean()
    seeds = grid.groupby(["beta", "delta"]).return_mean.std().mean()
    low, high = cells.return_mean.min(), cells.return_mean.max()
    said = (
        f"**With the floor, on Walker2d** ({grid.steps.min():,} steps, "
        f"{grid.seed.nunique()} seeds, {len(cells)} settings): returns lie between {low:,.0f} and "
        f"{high:,.0f}"
    )
    if np.isfinite(seeds):
        said += f"; the seeds of one setting differ by {seeds:,.0f} (standard deviation)"
    said += ". "
    for column, where in (("return_mean", ""), ("shifted", " under foreign shifts")):
        names = {"beta": "β", "delta": "δ"}
        found = {by: explained(cells, column, by) for by in names}
        if all(map(np.isfinite, found.values())):
            said += f"Of the variance between settings{where} " if not where else f"And{where} "
            said += " and ".join(_effect(cells, column, by, names[by]) for by in names) + ". "
    return said + clipping(grid)


def _effect(cells: pd.DataFrame, column: str, by: str, name: str) -> str:
    """How much of a column is explained by beta or delta, and whether chance explains as much."""
    chance = by_chance(cells, column, by)
    how = "an effect" if chance < LIKELY else "not shown to be more than chance"
    return f"{name} explains {explained(cells, column, by):.1f} ({how}, p = {chance:.2f})"


def clipping(grid: pd.DataFrame) -> str:
    """What Huber's loss clips at the largest finite delta, and what that makes of delta = inf."""
    largest = grid.delta[grid.delta < np.inf].max()  # NaN if there is none
    if not np.isfinite(largest):
        return ""
    clipped = grid[grid.delta == largest].most_beyond.max()
    said = f"At δ = {largest:g} Huber's loss clips at most {clipped:.1%} of source errors"
    ends = grid.pivot_table(index="beta", columns="delta", values="return_mean")
    if clipped >= NEXT_TO_NOTHING or np.inf not in ends:
        return said + "."
    apart = (ends[largest] - ends[np.inf]).abs().max()
    return (
        f"{said}, so that δ = {largest:g} and δ = ∞ are all but one method here. "
        f"Still their returns are up to {apart:,.0f} apart: so much is chance."
    )


def picture(grid: pd.DataFrame, shown: str = "return") -> Figure:
    """One of :data:`SHOWN` for every setting as a heat map: beta upwards, delta to the right."""
    column, form = SHOWN[shown]
    table = grid.pivot_table(index="beta", columns="delta", values=column)
    written = table.map(form.format)
    for (beta, delta), runs in grid.groupby(["beta", "delta"])[column]:
        written.loc[beta, delta] += "\n± " + form.format((runs.max() - runs.min()) / 2)
    fig, ax = figure(4.6, 0.9 + 0.5 * len(table))
    shade(ax, table, written)
    deltas = ["∞" if np.isinf(d) else f"{d:g}" for d in table.columns]
    ax.set_xticks(np.arange(len(deltas)) + 0.5, deltas)
    ax.set_yticks(np.arange(len(table)) + 0.5, [f"{beta:g}" for beta in table.index])
    ax.set(xlabel="δ", ylabel="β", title=f"{shown}; ± half the range of the seeds")
    return fig
