"""Training curves of one's own runs: read from folders, drawn with the spread of their seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import yaml

from droco_lite.figures.colors import COLORS
from droco_lite.files import atomic_file, write_text

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

#: Columns of a curve that say which run a line is of, and are never drawn.
KEYS = ("step", "run", "method", "label", "seed")
#: What is drawn if nothing is named: the first of these that was measured.  Values, where a
#: training had no simulator.
USUAL = ("return_mean", "v_source", "q_source")
_HUES = ("droco", "iql", "target", "dara", "deployed", "igdf", "value", "cql", "source")
_DASHES = ("-", "--", "-.", ":")


def read_curves(paths: Sequence[str | Path], column: str | None = "return_mean") -> pd.DataFrame:
    """Read the curves of some runs and name each run after what tells it apart.

    Args:
        paths: folders that hold a ``curve.csv``, or such files.
        column: what will be drawn; None: the return, or a value where no return was measured.

    Returns:
        One line an evaluation: ``run`` (of all files together), ``name`` (the same for runs that
        differ in their seed alone), ``seed``, ``step`` and, last, the column.

    Raises:
        FileNotFoundError: a folder holds no curve.
        ValueError: a file is no curve, or none of them has the column; the message lists those
            there are.
    """
    if not paths:
        raise ValueError("paths: give at least one folder of a training")
    parts, settings = [], {"folder", "method"}
    for path in map(Path, paths):
        curve = path / "curve.csv" if path.is_dir() else path
        parts.append(_read(curve).assign(folder=str(path)))
        settings |= _settings_in(curve.with_name("experiment.yaml"))
    table = pd.concat(parts, ignore_index=True)
    table["run"] = table.groupby(["folder", "run"], sort=False).ngroup()
    numbers = [c for c in table.select_dtypes("number") if c not in (*KEYS, *settings)]
    have = [c for c in numbers if table[c].notna().any()]
    if column is None:
        column = next((c for c in (*USUAL, *have) if c in have), USUAL[0])
    if column not in have:
        raise ValueError(_no_column(column, have))
    own = [name for name in table if name in settings and differs(table[name])]
    table["name"] = _names(table, own)
    table = table[table[column].notna()]
    return table[["run", "name", "seed", "step", column]].sort_values(["run", "step"])


def _no_column(column: str, have: Sequence[str]) -> str:
    """What to say of a column that the curves do not hold."""
    none = column.startswith("return_") and "return_mean" not in have
    why = " (no return was measured, since the training had no simulator)" if none else ""
    there = ", ".join(have) or "no measured numbers"
    return f"column: the curves hold no {column!r}{why}; they hold {there}"


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; `droco-lite train` writes a curve.csv")
    try:
        table = pd.read_csv(path, keep_default_na=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is not a curve: {error}") from error
    missing = [name for name in ("step", "run", "seed") if name not in table]
    if missing:
        raise ValueError(f"{path}: is not a curve, the column {missing[0]!r} is missing")
    return table


def _settings_in(experiment: Path) -> set[str]:
    """Names of the settings that a training's own file tells of; a seed is none."""
    if not experiment.is_file():
        return set()
    content = yaml.safe_load(experiment.read_text(encoding="utf-8")) or {}
    runs = [content.get("shared") or {}, *(content.get("runs") or [])]
    return {name for run in runs for name in run} - {"seed", "label"}


def differs(values: pd.Series) -> bool:
    """Whether a column holds more than one value."""
    return values.nunique(dropna=False) > 1


def _names(table: pd.DataFrame, settings: Sequence[str]) -> pd.Series:
    """The label where a run has one, else method and the settings that differ."""
    short = [name for name in settings if name not in ("method", "folder")]

    def name_of(line: pd.Series) -> str:
        label = line.get("label")
        if isinstance(label, str) and label:
            return label
        said = [str(line.get("method", "run"))]
        said += [f"{name} {line[name]:g}" if isinstance(line[name], float) else
                 f"{name} {line[name]}" for name in short if pd.notna(line[name])]  # fmt: skip
        return ", ".join(said)

    once = table.drop_duplicates("run").set_index("run")
    named = once.apply(name_of, axis=1)
    if "folder" in settings:  # the same name in two folders: they differ in something unseen
        folders = once.groupby(named)["folder"].nunique()
        shared = named.map(folders) > 1
        named[shared] = named[shared] + " (" + once.loc[shared, "folder"].map(
            lambda path: Path(path).name
        ) + ")"  # fmt: skip
    return table["run"].map(named)


def spreads(table: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """Mean, lowest and highest over seeds at every step, and their number, for each name."""
    found = {}
    for name, lines in table.groupby("name", sort=False):
        by_step = lines.groupby("step")[column]
        found[str(name)] = by_step.agg(["mean", "min", "max", "count"])
    return found


def _looks(count: int) -> list[tuple[str, str]]:
    """Colour and dash of each curve; no two alike up to 36."""
    return [
        (COLORS[_HUES[k % len(_HUES)]], _DASHES[k // len(_HUES) % len(_DASHES)])
        for k in range(count)
    ]


def draw(table: pd.DataFrame, column: str = "return_mean") -> Figure:
    """The curves as a Matplotlib figure, each named at its end where ten or fewer fit."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    from droco_lite.figures.style import figure, name_lines

    parts = spreads(table, column)
    fig, ax = figure(height=4.0)
    for (name, part), (color, dash) in zip(parts.items(), _looks(len(parts)), strict=True):
        if part["count"].max() > 1:
            ax.fill_between(part.index, part["min"], part["max"], color=color, alpha=0.15, lw=0)
        mark = "o" if len(part) == 1 else None
        ax.plot(part.index, part["mean"], color=color, ls=dash, marker=mark, label=name)
    ax.set(xlabel="gradient steps", ylabel=column.replace("_", " "))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    seeds = int(table.groupby("name")["seed"].nunique().max())
    ax.set_title(f"mean and range of {seeds} seeds" if seeds > 1 else "one seed each")
    if len(parts) <= 10:
        name_lines(ax)
    else:
        ax.legend(fontsize=8, ncols=2)
    return fig


def write(path: str | Path, fig: Figure) -> Path:
    """Write the figure as PNG or as slim SVG, whole or not at all.

    Raises:
        ValueError: the path ends in something else.
    """
    import matplotlib.pyplot as plt

    path = Path(path)
    if path.suffix == ".svg":
        from droco_lite.figures.svg import svg

        text = svg(fig).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        write_text(path, text + "\n")
    elif path.suffix == ".png":
        with atomic_file(path) as temporary:
            fig.savefig(temporary, format="png", dpi=160, facecolor="white")
    else:
        plt.close(fig)
        raise ValueError(f"{path.name} should end in .png, .svg or .html")
    plt.close(fig)
    return path


def write_html(path: str | Path, table: pd.DataFrame, column: str = "return_mean") -> Path:
    """Write the curves as one page to hover and zoom, which needs no network."""
    page = plotly_figure(table, column).to_html(include_plotlyjs=True, full_html=True)
    return write_text(path, page)


def plotly_figure(table: pd.DataFrame, column: str = "return_mean") -> go.Figure:
    """The curves as a Plotly figure."""
    import plotly.graph_objects as go

    fig, parts = go.Figure(), spreads(table, column)
    for (name, part), (color, dash) in zip(parts.items(), _looks(len(parts)), strict=True):
        steps = part.index.to_numpy()
        band = np.concatenate([part["max"], part["min"][::-1]])
        red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        fig.add_scatter(
            x=np.concatenate([steps, steps[::-1]]), y=band, fill="toself", mode="lines",
            line={"width": 0}, fillcolor=f"rgba({red},{green},{blue},0.15)", hoverinfo="skip",
            showlegend=False, legendgroup=name,
        )  # fmt: skip
        styles = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}
        fig.add_scatter(
            x=steps, y=part["mean"], name=name, mode="lines+markers", legendgroup=name,
            line={"color": color, "dash": styles[dash]},
        )  # fmt: skip
    fig.update_layout(
        template="plotly_white", xaxis_title="gradient steps", yaxis_title=column.replace("_", " ")
    )
    return fig
