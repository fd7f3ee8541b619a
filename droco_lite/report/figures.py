"""The figures of the results chapters, each drawn from one task's results.

Returns are absolute and every seed is shown: as a point, or as the edge of a band from the lowest
to the highest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from droco_lite.evaluation.arms import file_name
from droco_lite.figures.colors import COLORS, INK
from droco_lite.figures.style import STYLE, figure, name_lines, spread
from droco_lite.report import statistics
from droco_lite.report.results import DROCO, Results, paper
from droco_lite.report.tables import (
    CELLS,
    NOT_RUN,
    attacked,
    by_shift,
    improvement,
    loss_of_seeds,
    means,
    scorecard,
)
from droco_lite.robots import LEVELS, NOMINAL

#: Label -> colour's name and dash; a method's colour is its own name.
LOOKS: Mapping[str, tuple[str, Any]] = {
    "cloning, both": ("cloning", "--"),
    "cloning, target": ("cloning", ":"),
    "IQL, target": ("iql", ":"),
    "DROCO, shuffled": ("droco", "--"),
    "DROCO, as printed": ("droco", (0, (6, 1, 1, 1, 1, 1))),
    "DROCO, oracle": ("droco", (0, (2, 1))),
    "DROCO, β = 0.1": ("droco", ":"),
    "DROCO, β = 0.5": ("droco", "-."),
}
BOLD = (DROCO, "IQL*", "cloning, both")  # drawn with bands, where with all nothing would be seen
#: What a reader compares first; the other arms stay grey until they are chosen.
LIT = ("IQL*", "IQL, target", "cloning, target", DROCO)
GREY = "#b3b9c0"
#: A heat map's colours from low to high, here and in Plotly. They end where the ink of a cell's
#: number still has a contrast of 4.5 (WCAG 2).
SHADES = ("#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6")
CELL_INK = "#1b1f25"
PER_ROBOT = "colours are per robot"
FEW = 6  # so many bands can be told apart
BENT_ABOVE = 10_000  # values whose axis is logarithmic beyond 1,000: other curves stay readable
OWN = "moves what the source's shift moves: no test of robustness"


def look(label: str) -> dict[str, Any]:
    """Colour and dash of an arm."""
    own = (label.split(",")[0], "-." if "," in label else "-")  # a study's own: "DARA, wider"
    name, dash = LOOKS.get(label, own)
    color = COLORS.get(name.rstrip("*").lower(), COLORS["muted"])
    return {"color": color, "ls": dash, "lw": 2.2 if label in BOLD else 1.3}


def per_seed(lines: pd.DataFrame, column: str, by: Sequence[str] = ()) -> pd.DataFrame:
    """Means of each seed: rows (label, *by), a column for each seed."""
    return lines.groupby(["label", *by, "seed"], sort=False)[column].mean().unstack("seed")


def curve(ax: Axes, x: Sequence[float], seeds: np.ndarray, label: str, band: bool) -> None:
    """Mean over seeds ``[len(x), seeds]`` and, with a band, the range of the seeds."""
    style = look(label)
    if band:
        low, high = seeds.min(1), seeds.max(1)
        ax.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)
    ax.plot(x, seeds.mean(1), label=label, **style)


def curves(
    parts: Mapping[str, pd.DataFrame],
    title: str,
    xlabel: str,
    ylabel: str,
    *,
    linear: float | None = None,
    colored: bool = False,
    from_zero: bool = False,
) -> Figure:
    """A curve of each arm; rows of a part are x, its columns seeds.

    :data:`LIT` are in colour, named at their ends, in a band from lowest to highest seed; with
    ``colored`` a few all are.  ``linear``, a power of ten, bends the vertical axis beyond it.
    """
    fig, ax = figure(4.6, 3.6)
    if linear is not None:
        ax.set_yscale("symlog", linthresh=linear)
    for label in sorted(parts, key=lambda each: each in LIT):
        seeds = parts[label].dropna(axis=1, how="all")  # other arms may have more seeds
        if label in LIT or (colored and len(parts) <= FEW):
            curve(ax, seeds.index, seeds.to_numpy(), label, band=True)
        else:
            ax.plot(seeds.index, seeds.mean(axis=1), color=GREY, lw=1)
    if linear is not None:
        low, high = ax.get_ylim()
        powers = 10.0 ** np.arange(np.log10(linear), np.log10(max(-low, high)))
        ticks = [tick for tick in (*-powers[::-1], 0.0, *powers) if low <= tick <= high]
        ax.set_yticks(ticks, [statistics.in_print(tick, ",.0f") for tick in ticks])
    elif from_zero:  # before names are placed, which must not meet
        ax.set_ylim(min(0.0, *(float(part.min(axis=None)) for part in parts.values())), None)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(title)
    name_lines(ax)
    return fig


def title_of(results: Results, family: str, variant: str) -> str:
    """The variant's name, and a warning where it is the source's own."""
    own = f"\n{OWN}" if results.is_own(family, variant) else ""
    return f"{results.robot}, {family} {variant}{own}"


def strengths(results: Results, family: str, variant: str) -> pd.DataFrame:
    """Returns per seed over strength, 0 for the nominal robot: rows (label, strength)."""
    lines = results.under_shift
    chosen = (lines["family"] == family) & (lines["variant"] == variant)
    lines = lines[chosen | (lines["family"] == NOMINAL.family)]
    return per_seed(lines, "return_mean", ["strength"]).sort_index(level="strength")


def at_strength(results: Results, variant: str, strength: float) -> Figure:
    """Every seed of every arm under one shift, and its mean."""
    family, name = variant.split(" ", 1)
    table = strengths(results, family, name)
    fig, ax = figure(4.6, 0.8 + 0.27 * len(results.labels))
    for row, label in enumerate(reversed(results.labels)):
        at = table.loc[label]
        values = at.loc[at.index[np.abs(at.index - strength).argmin()]]
        color = look(label)["color"]
        ax.plot(values, np.full(len(values), row), "o", color=color, alpha=0.5, mew=0)
        ax.plot([values.mean()], [row], "|", color=color, ms=13, mew=2.5)
    everything = results.under_shift["return_mean"]
    ax.set(
        yticks=range(len(results.labels)), yticklabels=results.labels[::-1], xlabel="return",
        xlim=_padded(everything.min(), everything.max()), ylim=(-0.6, len(results.labels) - 0.4),
        title=title_of(results, family, name),
    )  # fmt: skip
    ax.grid(axis="x")
    return fig


def over_strength(results: Results, variant: str) -> Figure:
    """Absolute return over the strength of one variant, from 0 on."""
    family, name = variant.split(" ", 1)
    table = strengths(results, family, name)
    parts = {label: table.loc[label] for label in results.labels}
    title = title_of(results, family, name)
    return curves(parts, title, "strength (0: as it comes, 1: hard)", "return", from_zero=True)


def clean_against_shifted(results: Results, family: str) -> Figure:
    """Return under a family's shifts over clean return; rays are equal losses in percent.

    All strengths count; variants that are the source's own are left out.
    """
    lines = results.foreign()
    shifted = means(lines[lines["family"] == family], column="return_mean")
    clean = means(results.clean, column="return_mean")
    fig, ax = figure(height=4.0)
    most = 1.05 * max(clean.max(), shifted.max(), 1.0)
    for share in (1.0, 0.75, 0.5, 0.25):
        ax.plot([0, most], [0, share * most], color=COLORS["muted"], lw=0.8, ls=":")
        said = f"−{1 - share:.0%}" if share < 1 else "no loss"
        ax.annotate(said, (0.97 * most, share * 0.97 * most), color=COLORS["muted"], fontsize=8,
                    ha="right")  # fmt: skip
    for label in results.labels:
        style = {"color": look(label)["color"], "mfc": "none" if label in LOOKS else None}
        ax.plot([clean[label]], [shifted[label]], "o", **style)
    low = min(clean.min(), shifted.min(), 0.0)
    ax.set(
        xlabel="clean return", ylabel=f"mean return, {family}", xlim=(low, most), ylim=(low, most)
    )
    name_points(ax, {label: (clean[label], shifted[label]) for label in results.labels})
    return fig


def name_points(ax: Axes, points: Mapping[str, tuple[float, float]], step: float = 0.07) -> None:
    """Each point's name at the right edge, with a thin line to it.

    ``step`` is the least distance between names as a share of the height.
    """
    low, high = ax.get_ylim()
    ordered = sorted(points, key=lambda label: points[label][1])
    heights = [(points[label][1] - low) / (high - low) for label in ordered]
    for label, height in zip(ordered, spread(heights, step, 0.0, 1.0), strict=True):
        color = look(label)["color"]
        ax.annotate(
            label, points[label], xytext=(1.04, height), textcoords="axes fraction",
            color=color, va="center", fontsize=9, fontweight="bold", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.5, "alpha": 0.6},
        )  # fmt: skip


def over_scale(results: Results, attack: str) -> Figure:
    """Absolute return over the scale of an attack on observations."""
    lines, start, parts = results.attacked, attacked(results), {}
    table = per_seed(lines[lines["attack"] == attack], "return_mean", ["scale"])
    zero = per_seed(lines[lines["scale"] == 0], "return_mean")
    if zero.empty:
        zero = per_seed(results.clean, "return_mean")
    for label in start.index:
        seeds = pd.concat([zero.loc[[label]].set_axis([0.0]), table.loc[label]])
        parts[label] = seeds[~seeds.index.duplicated()].sort_index()
    title = f"{results.robot}, {attack} attack on observations"
    return curves(parts, title, "scale, in standard deviations of observations", "return")


def over_steps(
    results: Results, column: str, title: str, ylabel: str, linear: float | None = None
) -> Figure:
    """A column of the training curves, of the arms that log it."""
    lines = results.curves[results.curves[column].notna()]
    table = per_seed(lines, column, ["step"]).sort_index(level="step")
    parts = {label: table.loc[label] for label in results.labels if label in table.index}
    title = f"{results.robot}, {title}"
    fig = curves(parts, title, "gradient steps", ylabel, linear=linear, colored=True)
    fig.axes[0].xaxis.set_major_locator(MaxNLocator(4))
    fig.axes[0].xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return fig


def learning(results: Results) -> Figure:
    """Clean returns while training."""
    return over_steps(results, "return_mean", "nominal robot", "return in the target")


def has_values(results: Results) -> bool:
    """Whether V was logged."""
    return "v_source" in results.curves and bool(results.curves["v_source"].notna().any())


def values(results: Results) -> Figure:
    """Mean V over source next states while training, of the arms that have a V.

    Where some have run off, the axis is logarithmic on both sides of 0.
    """
    drawn = results.curves["label"].isin(results.labels)  # the others are not at their end
    sizes = results.curves.loc[drawn, "v_source"].abs()
    linear = 1000.0 if sizes.max() > BENT_ABOVE else None
    return over_steps(results, "v_source", "V on source next states", "mean V(s')", linear)


def scores(results: Results) -> Figure:
    """Clean scores with intervals, ours left, the paper's for the same robot and quality right."""
    ours, theirs = scorecard(results), paper("scores")
    cell = f"{results.task.robot}-{results.task.quality}"
    theirs = theirs[theirs["task"] == cell].set_index("label")["score"]
    fig, (left, right) = figure(height=0.8 + 0.27 * len(ours), ncols=2, sharex=True, sharey=True)
    for row, label in enumerate(reversed(results.labels)):
        line, color = ours.loc[label], look(label)["color"]
        left.plot([line["low"], line["high"]], [row, row], color=color, lw=2)
        left.plot([line["clean"]], [row], "o", color=color)
        if label in theirs:
            right.plot([theirs[label]], [row], "D", color=color, mfc="none")
    left.set(yticks=range(len(ours)), yticklabels=results.labels[::-1], xlabel="score")
    left.set_ylim(-0.6, len(ours) - 0.4)
    left.set_title(f"ours, {results.steps:,} steps")
    right.set(xlabel="score")
    right.set_title("paper, 1M steps" if len(theirs) else "paper: not at hand")
    for ax in (left, right):
        ax.grid(axis="x")
    return fig


def profiles(results: Results, family: str = "all") -> Figure:
    """Share of seeds and foreign shifts above each score.

    Of one family or, with the nominal robot, of all.
    """
    lines = results.foreign()
    lines = lines if family == "all" else lines[lines["family"] == family]
    found = statistics.scores_by_seed(lines, across=["shift"])
    everything = np.concatenate([values.ravel() for values in found.values()])
    at = np.linspace(everything.min(), everything.max(), 41)
    fig, ax = figure(4.6, 3.6)
    for label in sorted(results.labels, key=lambda each: each in LIT):
        heights = statistics.performance_profile(found[label], at)
        if label not in LIT:
            ax.plot(at, heights, color=GREY, lw=1)
            continue
        style = look(label)
        low, high = statistics.profile_band(found[label], at)
        ax.fill_between(at, low, high, color=style["color"], alpha=0.15, lw=0)
        ax.plot(at, heights, label=label, **style)
    ax.set(xlabel="score τ", ylabel="share of runs above τ", ylim=(0, 1.02))
    said = "clean and foreign shifts" if family == "all" else f"foreign {family} shifts"
    ax.set_title(f"{results.robot}, {said}")
    ax.legend()
    return fig


def heat_map(results: Results) -> Figure:
    """Score of every arm, clean and under each variant; darker is higher, on a scale per robot."""
    lines = by_shift(results)
    table = lines.pivot(index="label", columns="shift", values="mean")
    table = table[list(dict.fromkeys(lines["shift"]))]
    table = table.reindex([*results.labels, NOT_RUN] if results.missing else results.labels)
    fig, ax = figure(4.6, 1.6 + 0.22 * len(table))
    written = table.map(statistics.in_print)
    shade(ax, table, written)
    for row in np.flatnonzero(table.isna().all(axis=1)):
        # One name alone would be taken for that of a curve, in a curve's colour.
        names = ", ".join(results.missing) + " only" * (len(results.missing) == 1)
        ax.text(0.1, row + 0.5, names, va="center", color=COLORS["muted"])
    ax.set_xticks(np.arange(table.shape[1]) + 0.5, table.columns, rotation=90)
    ax.set_yticks(np.arange(len(table)) + 0.5, table.index)
    for name in ax.get_yticklabels():
        name.set_fontweight("bold" if name.get_text() == DROCO else "normal")
    ax.invert_yaxis()
    ax.set_title(f"{results.robot}, score; {PER_ROBOT}")
    return fig


def shade(ax: Axes, table: pd.DataFrame, written: pd.DataFrame) -> None:
    """A cell for each number, darker where it is higher; what has no number stays empty.

    Args:
        ax: where to draw; rows go upwards from 0, columns to the right.
        table: numbers, or NaN.
        written: the texts of the cells, of the same shape.
    """
    top, shades = max(1.0, float(np.nanmax(table))), LinearSegmentedColormap.from_list("", SHADES)
    ax.pcolormesh(np.ma.masked_invalid(table), cmap=shades, vmin=0, vmax=top, edgecolor="none")
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        if np.isfinite(value):
            said = written.iloc[row, column]
            ax.text(column + 0.5, row + 0.5, said, ha="center", va="center", color=CELL_INK)
    ax.tick_params(length=0)


def chances(results: Results) -> Figure:
    """P(DROCO > arm) with intervals: filled over foreign shifts, hollow on the nominal robot."""
    table = improvement(results)
    fig, ax = figure(4.6, 1.0 + 0.27 * len(table))
    for row, label in enumerate(reversed(table.index)):
        _chance(ax, row, table.loc[label], look(label)["color"])
    _chance_axes(ax, list(table.index[::-1]))
    ax.set_title(results.robot)
    return fig


def chances_by_robot(table: pd.DataFrame) -> Figure:
    """The same beside a few arms on every robot; rows of :func:`tables.improvement` in order."""
    fig, ax = figure(4.6, 1.0 + 0.27 * len(table))
    for row, (_, line) in enumerate(table.iloc[::-1].iterrows()):
        _chance(ax, row, line, look(line["arm"])["color"])
    names = (table["arm"] + ", " + table["robot"]).iloc[::-1]
    _chance_axes(ax, list(names))
    ax.set_title("●: under shifts, ○: clean")
    return fig


def _chance(ax: Axes, row: int, line: pd.Series, color: str) -> None:
    for name, up, face in (("shifted", 0.12, color), ("clean", -0.16, "none")):
        ends = [line[f"{name} low"], line[f"{name} high"]]
        ax.plot(ends, [row + up] * 2, color=color, lw=2 if name == "shifted" else 1)
        ax.plot([line[name]], [row + up], "o", color=color, mfc=face)


def _chance_axes(ax: Axes, names: Sequence[str]) -> None:
    ax.axvline(0.5, color=COLORS["muted"], lw=1, ls=":")
    ax.set(xlim=(-0.03, 1.03), xlabel=f"P({DROCO} > arm)")
    ax.set(yticks=range(len(names)), yticklabels=names, ylim=(-0.6, len(names) - 0.4))


def losses(results: Results, family: str, level: str) -> Figure:
    """Loss of return in percent, a bar an arm and a dot a seed, of arms that may be compared."""
    table = loss_of_seeds(results, family, level)
    fig, ax = figure(4.6, 1.0 + 0.27 * len(table))
    rows = np.arange(len(table))[::-1]
    colors = [look(label)["color"] if label in LIT else GREY for label in table.index]
    ax.barh(rows, table.mean(axis=1), color=colors, height=0.62, alpha=0.75)
    for row, label in zip(rows, table.index, strict=True):
        ax.plot(table.loc[label], [row] * table.shape[1], "o", color=INK, ms=3.5)
    every = [loss_of_seeds(results, family, name).to_numpy() for name in LEVELS]
    ax.set_xlim(min(0.0, 1.05 * np.nanmin(every)), 1.05 * np.nanmax(every))
    ax.set_yticks(rows, table.index)
    ax.set_xlabel("loss of its own clean return, %")
    ax.set_title(f"{results.robot}, {family}, {level}")
    return fig


def variant_names(results: Results) -> list[str]:
    """``family variant`` of everything tried."""
    return [f"{family} {variant}" for family, variant in results.variants()]


def families(results: Results) -> list[str]:
    """Families with a variant that is not the source's own."""
    return list(dict.fromkeys(f for f, v in results.variants() if not results.is_own(f, v)))


def level_families(results: Results) -> list[str]:
    """Families that easy, medium and hard speak of: joints and limbs."""
    return [family for family in families(results) if (family, "hard") in CELLS]


def attack_kinds(results: Results) -> list[str]:
    """Names of the attacks on observations that were tried, in the table's order."""
    return list(dict.fromkeys(results.attacked["attack"]))


#: Name -> (drawing, what it may be drawn for: its arguments' choices, or None for no picture).
FIGURES: dict[str, tuple[Callable[..., Figure], Callable[[Results], dict[str, list] | None]]] = {
    "learning": (learning, lambda _: {}),
    "values": (values, lambda r: {} if has_values(r) else None),
    "scores": (scores, lambda _: {}),
    "profiles": (profiles, lambda r: {"family": ["all", *families(r)]}),
    "heat-map": (heat_map, lambda _: {}),
    "chances": (chances, lambda _: {}),
    "losses": (losses, lambda r: {"family": level_families(r), "level": list(LEVELS)}),
    "over-strength": (over_strength, lambda r: {"variant": variant_names(r)}),
    "clean-against-shifted": (clean_against_shifted, lambda r: {"family": families(r)}),
    "over-scale": (over_scale, lambda r: {"attack": attack_kinds(r)}),
}


def draw_all(name: str, results: Sequence[Results]) -> Iterator[tuple[str, Figure]]:
    """Every picture of a figure, with what tells its file apart; each is closed afterwards."""
    draw, choices = FIGURES[name]
    for each in results:
        axes = choices(each)
        if axes is None:
            continue
        for point in itertools.product(*axes.values()):
            words = [file_name(str(each.task)), *point]
            with plt.rc_context(dict(STYLE)):  # type: ignore[arg-type]
                fig = draw(each, **dict(zip(axes, point, strict=True)))
            yield "-" + "-".join(word.replace(" ", "-") for word in words), fig
            plt.close(fig)


def _padded(low: float, high: float) -> tuple[float, float]:
    gap = 0.04 * (high - low or 1.0)
    return low - gap, high + gap
