"""The book's style: colours, figures of one look, names of lines beside their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from scipy.optimize import isotonic_regression

from droco_lite.figures.colors import COLORS, INK

STYLE: Mapping[str, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(
        color=[COLORS[k] for k in ("droco", "iql", "target", "dara", "deployed", "igdf", "value")]
    ),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.dpi": 96,
    "font.size": 10.5,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "grid.linewidth": 0.8,
    "image.cmap": "viridis",
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 2.0,
    "lines.markersize": 5,
    "mathtext.fontset": "dejavusans",
    "path.simplify_threshold": 0.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "droco-lite",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 10.5,
    "xtick.major.size": 3,
    "ytick.color": INK,
    "ytick.labelsize": 10.5,
    "ytick.major.size": 3,
}


def figure(width: float = 6.4, height: float = 3.2, **subplots_kw: Any) -> tuple[Figure, Any]:
    """A figure in the book's style: inches in, ``(fig, ax)`` out, as ``plt.subplots`` gives them.

    Text scales with the page: on a phone 350 pixels wide a figure of 4.6 inches shows its text at
    11 pixels, one of 6.4 inches at 8. Let ``draw`` return a list of 3.3-inch figures instead of
    one wide figure of two axes: they stand side by side, and one below the other on a phone.

    Args:
        width, height: in inches.
        subplots_kw: go to ``plt.subplots``.
    """
    with plt.rc_context(dict(STYLE)):  # type: ignore[arg-type]
        subplots_kw.setdefault("layout", "constrained")
        return plt.subplots(figsize=(width, height), **subplots_kw)


def name_lines(ax: Axes, gap: float = 1.25, pad: float = 6.0) -> None:
    """Write each labelled line's name beside its last point, in its colour: no legend to decode.

    Names that would overlap are moved apart.

    Args:
        ax: axes whose lines have labels.
        gap: from one name to the next, in heights of their text.
        pad: from a line's last point to its name, in points.

    Raises:
        ValueError: the axes hold no labelled line, or are in no figure.
    """
    lines = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    if not lines:
        raise ValueError("name_lines: the axes hold no labelled line; pass label=... to ax.plot")
    fig = ax.get_figure(root=True)
    if fig is None:
        raise ValueError("name_lines: the axes were removed from their figure; call it before")
    fig.draw_without_rendering()
    size = STYLE["legend.fontsize"]
    step = gap * size / 72 * fig.dpi
    ends = []
    for line in lines:
        x, y = (np.asarray(values, dtype=float) for values in line.get_data())
        keep = np.isfinite(x) & np.isfinite(y)
        if keep.any():
            ends.append((ax.transData.transform((x[keep][-1], y[keep][-1])), line))
    ends.sort(key=lambda end: end[0][1])
    heights = spread([y for (_, y), _ in ends], step, ax.bbox.y0, ax.bbox.y1)
    for ((x, y), line), height in zip(ends, heights, strict=True):
        ax.annotate(
            str(line.get_label()),
            tuple(ax.transData.inverted().transform((x, y))),
            xytext=(pad, (height - y) * 72 / fig.dpi),
            textcoords="offset points",
            va="center",
            color=line.get_color(),
            fontsize=size,
            fontweight="bold",
            annotation_clip=False,
        )


def spread(heights: Sequence[float], step: float, low: float, high: float) -> np.ndarray:
    """Rising ``heights`` moved to be at least ``step`` apart and within ``low`` to ``high``.

    Each stays as near as can be to its own, in squares.  Where there is no room for all, ``low``
    holds and ``high`` does not.

    Args:
        heights: in rising order ``[n]``.
        step: smallest distance of two.
        low, high: the range, in the same units.

    Returns:
        Their new places ``[n]``.
    """
    belong, room = np.asarray(heights, dtype=float), step * np.arange(len(heights))
    if not len(belong):
        return belong
    apart = isotonic_regression(belong - room).x + room
    return np.maximum(np.minimum(apart, high - room[::-1]), low + room)
