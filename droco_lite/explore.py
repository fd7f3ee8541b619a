"""What a chapter draws with: figures of one style, and sliders that need no kernel.

One call makes a figure that answers to sliders::

    from droco_lite.explore import COLORS, explore, figure, name_lines

    def draw(beta):
        fig, ax = figure()
        ax.plot(q, backup(q, beta), color=COLORS["droco"], label="DROCO")
        name_lines(ax)
        return fig

    explore(draw, beta=("β", [0, 0.1, 0.5, 1]))

Numbers get a slider, and names a drop-down.

``draw`` is called for every point of the grid while the cell runs; in the page the sliders only
choose among the finished pictures. So what a reader sees was computed, and the page needs neither
a kernel nor a network. Where ipywidgets is older than 8 (Colab) the kernel draws instead.

This module only gathers names: they live in :mod:`droco_lite.figures`.
"""

from droco_lite.figures.colors import COLORS, INK
from droco_lite.figures.hover import Hover, hover
from droco_lite.figures.sliders import MOST_BYTES, MOST_POINTS, Explorer, explore
from droco_lite.figures.style import STYLE, figure, name_lines, spread
from droco_lite.figures.svg import describe, picture, svg

__all__ = [
    "COLORS",
    "INK",
    "MOST_BYTES",
    "MOST_POINTS",
    "STYLE",
    "Explorer",
    "Hover",
    "describe",
    "explore",
    "figure",
    "hover",
    "name_lines",
    "picture",
    "spread",
    "svg",
]
