"""The evidence pages' Plotly figures, each with a still one by Matplotlib for who runs no script.

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

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROW = 21  # CSS pixels of a row of arms
_DASHES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}


def heat_map(results: Sequence[Results]) -> Hover:
    """Arm x shift, clean first; the colour is the score, the interval shows on hover.

    Each robot has its own scale of colours, from 0 to its highest score.
    """
    rows = [ROW * (len(each.labels) + bool(each.missing)) for each in results]
    fig = _stacked(results, rows, gap=152, top=62, bottom=116)
    for title in fig.layout.annotations:
        title.update(text=f'{title.text}<br><span style="font-size:12px">{PER_ROBOT}</span>')
        title.update(align="left")
    for number, each in enumerate(results, 1):
        table = by_shift(each)
        shifts = list(dict.fromkeys(table["shift"]))
        labels = [*each.labels, NOT_RUN] if each.missing else each.labels
        wide = table.pivot(index="label", columns="shift").reindex(labels)
        mean, low, high = (wide[name][shifts].to_numpy() for name in ("mean", "low", "high"))
        fig.add_heatmap(
            z=mean, x=shifts, y=labels, zmin=0, zmax=max(1.0, float(np.nanmax(mean))),
            xgap=1, ygap=1, hoverongaps=False,
            colorscale=list(SHADES), showscale=False, texttemplate="%{z:.0f}",
            textfont={"color": CELL_INK},
            customdata=np.stack([low, high], -1),
            hovertemplate="%{y}, %{x}<br>score %{z:.1f}, "
            "95 %: %{customdata[0]:.1f} to %{customdata[1]:.1f}<extra></extra>",
            row=number, col=1,
        )  # fmt: skip
        if each.missing:
            fig.add_annotation(
                x=-0.5, y=NOT_RUN, text=", ".join(each.missing), showarrow=False, xanchor="left",
                font={"color": COLORS["muted"], "size": 12}, row=number, col=1,
            )  # fmt: skip
        fig.update_yaxes(tickvals=labels, ticktext=_bold(labels), row=number, col=1)
    fig.update_yaxes(autorange="reversed", showgrid=False, zeroline=False)
    fig.update_xaxes(tickangle=-90, showgrid=False)
    of = ", ".join(f"{each.robot} {each.steps:,} steps" for each in results)  # two in one chapter
    return hover(
        fig, f"Score of every arm, clean and under each shift: {of}",
        still=[figures.heat_map(each) for each in results],
    )  # fmt: skip


def forest(results: Sequence[Results]) -> Hover:
    """P(DROCO > arm) with its interval: over shifts that no learner saw, and clean."""
    rows = [ROW * (len(each.labels) - 1) for each in results]
    fig = _stacked(results, rows, gap=58, top=74, bottom=70)
    marks = {"shifted": ("under shifts", "circle"), "clean": ("clean", "circle-open")}
    for number, each in enumerate(results, 1):
        table = improvement(each)
        colors = [look(label)["color"] for label in table.index]
        for name, (said, symbol) in marks.items():
            chance, low, high = (table[f"{name}{end}"] for end in ("", " low", " high"))
            lift = 0.14 if name == "clean" else -0.14
            fig.add_scatter(
                x=chance, y=np.arange(len(table)) + lift, mode="markers", name=said,
                marker={"color": colors, "symbol": symbol, "size": 9}, legendgroup=name,
                error_x={"type": "data", "symmetric": False, "array": high - chance,
                         "arrayminus": chance - low, "width": 0, "thickness": 1.5,
                         "color": COLORS["muted"]},
                customdata=np.stack([low, high], -1), text=list(table.index),
                hovertemplate=f"{DROCO} above %{{text}}, {said}: %{{x:.2f}}<br>"
                "95 %: %{customdata[0]:.2f} to %{customdata[1]:.2f}<extra></extra>",
                showlegend=number == 1, row=number, col=1,
            )  # fmt: skip
        fig.update_yaxes(
            tickvals=list(range(len(table))), ticktext=list(table.index), row=number, col=1,
            range=[len(table) - 0.4, -0.6],
        )  # fmt: skip
        fig.add_vline(0.5, line={"color": COLORS["muted"], "dash": "dot"}, row=number, col=1)
    fig.update_xaxes(range=[-0.03, 1.03], zeroline=False)
    fig.update_xaxes(title_text=f"P({DROCO} > arm)", row=len(results), col=1)
    fig.update_yaxes(zeroline=False)
    fig.update_layout(
        legend={"orientation": "h", "yref": "container", "y": 1.0, "yanchor": "top", "x": 0}
    )
    return hover(
        fig, "Probability that a seed of DROCO is above a seed of another arm",
        still=[figures.chances(each) for each in results],
    )  # fmt: skip


def over_strength(results: Sequence[Results]) -> Hover:
    """Absolute return over strength; the reader chooses robot and shift, and which arms are lit.

    It opens on a shift that no learner saw; the source's own come last.
    """
    shown: dict[str, go.Figure] = {}
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
        legend={"orientation": "h", "y": -0.22, "x": 0, "entrywidth": 86, "font": {"size": 11}},
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
    results: Sequence[Results],
    rows: Sequence[int],
    gap: int,
    top: int = 46,
    bottom: int | None = None,
) -> go.Figure:
    """A panel for each task, one below the other, ``rows`` pixels high and ``gap`` apart."""
    from plotly.subplots import make_subplots

    height = sum(rows) + gap * (len(rows) - 1)
    bottom = gap - 20 if bottom is None else bottom
    fig = make_subplots(
        rows=len(results), cols=1, row_heights=list(rows),
        vertical_spacing=gap / height if len(rows) > 1 else 0.0,
        subplot_titles=[f"{each.robot}, {each.steps:,} steps" for each in results],
    )  # fmt: skip
    fig.update_layout(
        height=height + top + bottom, margin={"l": 122, "r": 4, "t": top, "b": bottom}
    )
    fig.update_annotations(font_size=14, x=0, xanchor="left")  # the panels' titles
    return fig
