"""The evidence pages' Plotly figures, each with a still Matplotlib one for pages without scripts.

Every function takes the results of all tasks and returns what shows itself in a page, in
JupyterLab and on Colab.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from droco_lite.figures.colors import COLORS
from droco_lite.figures.hover import Hover, hover
from droco_lite.report import figures
from droco_lite.report.figures import CELL_INK, GREY, LIT, PER_ROBOT, SHADES, look
from droco_lite.report.results import DROCO, Results
from droco_lite.report.tables import NOT_RUN, by_shift, improvement
from droco_lite.report.verdicts import ASKED

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROW = 21  # CSS pixels of a row of arms
LEFT = 122  # and of the names beside it
#: The robot that a figure opens on: its pair of data sets came first, and has the most arms.
OPENED = "Walker2d"
ASKS = "beside {}"
#: Kind of condition -> what it is called, its mark, and how far that is off the row's middle.
MARKS = {"shifted": ("under shifts", "circle", -0.14), "clean": ("clean", "circle-open", 0.14)}
_DASHES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}


def heat_map(results: Sequence[Results]) -> Hover:
    """Arm x shift, clean first; the colour is the score, the interval shows on hover.

    One robot at a time, which the reader chooses: each has its own scale of colours, from 0 to its
    highest score.
    """
    results = _opened(results)
    shown = {f"{each.robot}, {each.steps:,} steps": _cells(each) for each in results}
    return hover(
        shown, f"Score of every arm, clean and under each shift: {'; '.join(shown)}",
        still=[figures.heat_map(each) for each in results], choice="robot",
    )  # fmt: skip


def forest(results: Sequence[Results]) -> Hover:
    """P(DROCO > arm) with its interval on every robot, a panel for each arm that the answer needs.

    Filled: over shifts that no learner saw; hollow: clean.
    """
    table = _chances(results)
    arms = list(dict.fromkeys(table["arm"]))
    counts = [int((table["arm"] == arm).sum()) for arm in arms]
    rows = [ROW * count for count in counts]
    fig = _stacked([ASKS.format(arm) for arm in arms], rows, gap=44, top=66, bottom=54)
    for number, arm in enumerate(arms, 1):
        lines = table[table["arm"] == arm]
        for name, (said, symbol, lift) in MARKS.items():
            chance, low, high = (lines[f"{name}{end}"] for end in ("", " low", " high"))
            points = _scatter(chance, low, high, lines["robot"], look(arm)["color"], symbol, lift)
            fig.add_scatter(
                **points, name=said, legendgroup=name, showlegend=number == 1, row=number, col=1,
                hovertemplate=f"%{{text}}: {DROCO} above {arm}, {said}: %{{x:.2f}}<br>"
                "95 %: %{customdata[0]:.2f} to %{customdata[1]:.2f}<extra></extra>",
            )  # fmt: skip
        fig.update_yaxes(
            tickvals=list(range(len(lines))), ticktext=list(lines["robot"]), row=number, col=1,
            range=[len(lines) - 0.4, -0.6],
        )  # fmt: skip
        fig.add_vline(0.5, line={"color": COLORS["muted"], "dash": "dot"}, row=number, col=1)
        fig.update_xaxes(showticklabels=number == len(arms), row=number, col=1)
    fig.update_xaxes(range=[-0.03, 1.03], zeroline=False)
    fig.update_xaxes(title_text=f"P({DROCO} > arm)", row=len(arms), col=1)
    fig.update_yaxes(zeroline=False)
    fig.update_layout(
        legend={"orientation": "h", "yref": "container", "y": 1.0, "yanchor": "top", "x": 0}
    )
    label = "Probability that a seed of DROCO is above a seed of another arm, by arm and robot"
    return hover(fig, label, still=figures.chances_by_robot(table))


def over_strength(results: Sequence[Results]) -> Hover:
    """Absolute return over strength; the reader chooses robot and shift, and which arms are lit.

    It opens on a shift that no learner saw; the source's own come last.
    """
    shown: dict[str, go.Figure] = {}
    results = _opened(results)
    for each in results:
        for family, variant in sorted(each.variants(), key=lambda v: each.is_own(*v)):
            mark = "° (the source's own: no test)" if each.is_own(family, variant) else ""
            shown[f"{each.robot}, {family} {variant}{mark}"] = _strengths(each, family, variant)
    foreign = [next(v for v in each.variants() if not each.is_own(*v)) for each in results]
    opened = [
        figures.over_strength(each, " ".join(variant))
        for each, variant in zip(results, foreign, strict=True)
    ]
    label = "Return over the strength of a shift"
    return hover(shown, label, height=490, still=opened, choice="robot, shift")


def _opened(results: Sequence[Results]) -> list[Results]:
    """The same with the robot in front that a figure opens on."""
    return sorted(results, key=lambda each: each.robot != OPENED)


def _cells(results: Results) -> go.Figure:
    """One robot's heat map."""
    import plotly.graph_objects as go

    table = by_shift(results)
    shifts = list(dict.fromkeys(table["shift"]))
    labels = [*results.labels, NOT_RUN] if results.missing else results.labels
    wide = table.pivot(index="label", columns="shift").reindex(labels)
    mean, low, high = (wide[name][shifts].to_numpy() for name in ("mean", "low", "high"))
    fig, top, bottom = go.Figure(), 34, 116
    fig.add_heatmap(
        z=mean, x=shifts, y=labels, zmin=0, zmax=max(1.0, float(np.nanmax(mean))),
        xgap=1, ygap=1, hoverongaps=False,
        colorscale=list(SHADES), showscale=False, texttemplate="%{z:.0f}",
        textfont={"color": CELL_INK},
        customdata=np.stack([low, high], -1),
        hovertemplate="%{y}, %{x}<br>score %{z:.1f}, "
        "95 %: %{customdata[0]:.1f} to %{customdata[1]:.1f}<extra></extra>",
    )  # fmt: skip
    if results.missing:
        fig.add_annotation(
            x=-0.5, y=NOT_RUN, text=", ".join(results.missing), showarrow=False, xanchor="left",
            font={"color": COLORS["muted"], "size": 12},
        )  # fmt: skip
    fig.update_yaxes(
        tickvals=labels, ticktext=_bold(labels), autorange="reversed", showgrid=False,
        zeroline=False,
    )  # fmt: skip
    fig.update_xaxes(tickangle=-90, showgrid=False)
    fig.update_layout(
        title={"text": f"{results.robot}, score; {PER_ROBOT}", "font": {"size": 14}, "x": 0,
               "xref": "container", "y": 1, "yanchor": "top", "pad": {"t": 8}},
        height=ROW * len(labels) + top + bottom,
        margin={"l": LEFT, "r": 4, "t": top, "b": bottom},
    )  # fmt: skip
    return fig


def _chances(results: Sequence[Results]) -> pd.DataFrame:
    """P(DROCO > arm) with its interval, a row for each of :data:`ASKED` and each robot with it."""
    parts = []
    for each in results:
        there = each.only([arm for arm in (*ASKED, DROCO) if arm in each.labels])
        parts.append(improvement(there).rename_axis("arm").reset_index().assign(robot=each.robot))
    table = pd.concat(parts, ignore_index=True)
    order = table["arm"].map({arm: k for k, arm in enumerate(ASKED)})
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)


def _scatter(
    chance: pd.Series,
    low: pd.Series,
    high: pd.Series,
    robots: pd.Series,
    color: str,
    symbol: str,
    lift: float,
) -> dict:
    """Marks with bars, a row for each robot."""
    return {
        "x": chance, "y": np.arange(len(chance)) + lift, "mode": "markers",
        "marker": {"color": color, "symbol": symbol, "size": 9},
        "error_x": {"type": "data", "symmetric": False, "array": high - chance,
                    "arrayminus": chance - low, "width": 0, "thickness": 1.5,
                    "color": COLORS["muted"]},
        "customdata": np.stack([low, high], -1), "text": list(robots),
    }  # fmt: skip


def _bold(labels: Sequence[str]) -> list[str]:
    return [f"<b>{label}</b>" if label == DROCO else label for label in labels]


def _strengths(results: Results, family: str, variant: str) -> go.Figure:
    """One robot's curves under one shift: a grey one for each arm, a coloured one to choose."""
    import plotly.graph_objects as go

    table, fig = figures.strengths(results, family, variant), go.Figure()
    order = sorted(results.labels, key=lambda label: label not in LIT)
    for label in order:
        fig.add_scatter(
            x=table.loc[label].index, y=table.loc[label].mean(axis=1), name=label, mode="lines",
            line={"color": GREY, "width": 1}, showlegend=False,
            hovertemplate=f"{label}: %{{y:.0f}}<extra></extra>",
        )  # fmt: skip
    for label in order:
        fig.add_scatter(**_lit(label, table.loc[label]))
    fig.update_xaxes(title_text="strength (0: as it comes, 1: hard)", zeroline=False)
    fig.update_yaxes(title_text="return", rangemode="tozero")
    fig.update_layout(
        legend={"orientation": "h", "y": -0.22, "x": 0, "entrywidth": 104, "font": {"size": 11}},
        margin={"l": 50, "r": 4, "b": 205},
    )
    return fig


def _lit(label: str, seeds: pd.DataFrame) -> dict:
    """An arm's coloured curve, whose bars reach from the lowest to the highest seed."""
    style = look(label)
    mean = seeds.mean(axis=1)
    dash = _DASHES.get(style["ls"], "longdashdot") if isinstance(style["ls"], str) else "longdash"
    return {
        "x": seeds.index, "y": mean, "name": label, "mode": "lines+markers",
        "line": {"color": style["color"], "dash": dash, "width": 2.5},
        "error_y": {"type": "data", "symmetric": False, "array": seeds.max(axis=1) - mean,
                    "arrayminus": mean - seeds.min(axis=1), "width": 3, "thickness": 1},
        "visible": True if label in LIT else "legendonly",
        "customdata": np.stack([seeds.min(axis=1), seeds.max(axis=1)], -1),
        "hovertemplate": f"{label}: %{{y:.0f}}<br>seeds %{{customdata[0]:.0f}} to "
        "%{customdata[1]:.0f}<extra></extra>",
    }  # fmt: skip


def _stacked(
    titles: Sequence[str], rows: Sequence[int], gap: int, top: int, bottom: int
) -> go.Figure:
    """A panel for each title, one below the other, ``rows`` pixels high and ``gap`` apart."""
    from plotly.subplots import make_subplots

    height = sum(rows) + gap * (len(rows) - 1)
    fig = make_subplots(
        rows=len(rows), cols=1, row_heights=list(rows),
        vertical_spacing=gap / height if len(rows) > 1 else 0.0, subplot_titles=list(titles),
    )  # fmt: skip
    fig.update_layout(
        height=height + top + bottom, margin={"l": LEFT, "r": 4, "t": top, "b": bottom}
    )
    fig.update_annotations(font_size=14, x=0, xanchor="left")  # the panels' titles
    return fig
