"""Drawings of distributions on a line and of the windy cliff, for Matplotlib axes."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from droco_lite.figures.colors import COLORS, INK
from droco_lite.tabular.worlds import ACTIONS, WindyCliff

_NIGHT, _PAPER, _ROCK = (
    "#14181d",
    "#fafafa",
    "#3a2f2a",
)  # on filled cells, where the page's own ink may not show
_CENTRED: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10.5}


def draw_landing(
    ax: Axes,
    positions: ArrayLike,
    nominal: ArrayLike,
    moved: ArrayLike | None = None,
    color: str = COLORS["worst"],
    names: tuple[str, str] = ("nominal P", "worst Q"),
) -> None:
    """Draw one distribution as an outline and, over it, another as filled bars.

    Args:
        ax: where.
        positions: places on the line, [S], in metres.
        nominal, moved: probabilities, [S].
        color: of the filled bars.
        names: of the two, written at the top left.
    """
    positions, nominal = np.asarray(positions), np.asarray(nominal)
    if moved is not None:
        ax.bar(positions, moved, width=0.72, color=color, alpha=0.85, linewidth=0)
        ax.text(0.01, 0.86, names[1], color=color, weight="bold", transform=ax.transAxes)
    seen = nominal > 0
    ax.bar(
        positions[seen], nominal[seen], width=0.86, facecolor="none", edgecolor=INK, linewidth=1.2
    )
    ax.text(0.01, 0.97, names[0], color=INK, weight="bold", transform=ax.transAxes)
    ax.set_xlim(positions.min() - 0.6, positions.max() + 0.6)
    ax.set_xticks(np.arange(positions.min(), positions.max() + 1, 3))
    ax.set_ylim(0, 1.0)
    ax.set_xlabel("landing place (m)")
    ax.set_ylabel("probability")


def draw_moves(
    ax: Axes, positions: ArrayLike, coupling: ArrayLike, color: str, top: float = 0.9
) -> None:
    """Draw what a coupling [S, S] moves as arcs up to height ``top``, thicker for more mass."""
    positions, coupling = np.asarray(positions), np.asarray(coupling)
    longest = np.ptp(positions)
    for start, end in zip(*np.nonzero(coupling > 1e-9), strict=True):
        if start == end:
            continue
        here, there = positions[start], positions[end]
        lift = top * (0.25 + 0.75 * abs(there - here) / longest)
        t = np.linspace(0, 1, 16)
        height = 3 * lift * t * (1 - t)  # a Bezier arch with both handles at `lift`
        along = here + (there - here) * (3 - 2 * t) * t**2
        arc = np.stack([along, height], 1)
        ax.plot(*arc.T, color=color, linewidth=0.8 + 9 * coupling[start, end], alpha=0.8)
        ax.plot(*arc[-1], marker="v", color=color, markersize=5)


def draw_cliff(
    ax: Axes,
    world: WindyCliff,
    values: ArrayLike,
    policy: ArrayLike | None = None,
    limits: tuple[float, float] = (-1.0, 1.0),
    cmap: str = "viridis",
    numbers: bool | str = False,
) -> None:
    """Draw a value per cell of the windy cliff, the greedy action as arrows, and the calm path.

    Args:
        ax: where; it gets no ticks.
        world: the geometry.
        values: [S], the colour of the cells. The cliff itself is left dark.
        policy: actions, [S], or None for no arrows.
        limits: the values at the two ends of the colours.
        cmap: a Matplotlib colour map whose order also shows in grey.
        numbers: also write each value at the bottom of its cell, with two digits or in the format
            given, such as ``"{:.0f}"``.
    """
    values = np.asarray(values, dtype=float)
    colors, scale = matplotlib.colormaps[cmap], Normalize(*limits)
    faces = [colors(scale(value)) for value in values]
    reach, lift = (0.2, 0.16) if numbers else (0.3, 0.0)  # arrows leave room for the numbers
    form = "{:.2f}" if numbers is True else numbers
    for state, (row, column) in enumerate(world.cells):
        if state in world.cliff:
            continue
        ink = _ink(faces[state])
        ax.add_patch(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=faces[state]))
        if form:
            number = form.format(values[state]).replace("-0.00", "0.00").replace("-", "−")
            ax.text(column, row + 0.27, number, color=ink, **_CENTRED)
        if state == world.goal:
            ax.plot(column, row - lift, marker="*", markersize=10, color=ink)
    ax.add_patch(Rectangle((0.52, row - 0.48), world.width - 2.04, 0.96, facecolor=_ROCK))
    if policy is not None:
        _draw_arrows(ax, world, np.asarray(policy), faces, reach, lift)
    _draw_names(ax, world)
    ax.set_xlim(-0.55, world.width - 0.45)
    ax.set_ylim(world.height - 0.0, -0.55)
    ax.set_aspect("equal")
    ax.axis("off")


def _ink(face: tuple[float, ...]) -> str:
    """The colour of what is written on a cell of colour ``face``."""
    # Relative luminance (WCAG 2); 0.18 contrasts equally with black and white.
    luminance = np.dot(np.power(face[:3], 2.2), (0.21, 0.72, 0.07))
    return _PAPER if luminance < 0.18 else _NIGHT


def _draw_arrows(
    ax: Axes,
    world: WindyCliff,
    policy: np.ndarray,
    faces: Sequence[tuple[float, ...]],
    reach: float,
    lift: float,
) -> None:
    """The greedy action of every cell; those on the calm path from the start stand out."""
    step = {"up": (0, -1), "right": (1, 0), "down": (0, 1), "left": (-1, 0)}
    walk = set(world.path(policy))
    for state, (row, column) in enumerate(world.cells):
        if state in world.cliff or state == world.goal:
            continue
        dx, dy = step[ACTIONS[policy[state]]]
        on_path = state in walk
        ax.annotate(
            "",
            (column + reach * dx, row - lift + reach * dy),
            (column - reach * dx, row - lift - reach * dy),
            arrowprops={
                "arrowstyle": "-|>" if on_path else "->",
                "color": _ink(faces[state]),
                "linewidth": 2.2 if on_path else 0.8,
                "mutation_scale": 11 if on_path else 7,
                "alpha": 1.0 if on_path else 0.55,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


def _draw_names(ax: Axes, world: WindyCliff) -> None:
    """Start, goal and cliff, by name."""
    for state, name in ((world.start, "start"), (world.goal, "goal")):
        row, column = world.cells[state]
        ax.text(column, row + 0.72, name, color=INK, **_CENTRED)
    ax.text((world.width - 1) / 2, row, "c l i f f", color=_PAPER, **_CENTRED)
