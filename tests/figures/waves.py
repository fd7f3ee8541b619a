"""A small figure, and the pictures behind sliders, for the tests of this room."""

import ipywidgets as widgets
import numpy as np

from droco_lite.explore import COLORS, Explorer, figure


def wave(phase=0.0, scale=1.0):
    fig, ax = figure()
    x = np.linspace(0, 1, 40)
    ax.plot(x, scale * np.sin(3 * x + phase), color=COLORS["droco"], label="DROCO")
    ax.set(xlabel="time", ylabel="value", title="A wave")
    return fig


def pictures(explorer: Explorer) -> list[str]:
    """Every picture, in the order of the grid."""

    def walk(widget):
        if isinstance(widget, widgets.HTML):
            return [widget.value]
        return [value for child in widget.children for value in walk(child)]

    return walk(explorer.children[-1])
