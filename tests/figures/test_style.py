"""The style: names of lines keep clear of each other, colours read on every page."""

import itertools

import matplotlib.pyplot as plt
import pytest

from droco_lite.explore import COLORS, figure, name_lines
from tests.contrast import contrast


def test_names_of_lines_do_not_overlap():
    fig, ax = figure()
    for i in range(4):
        ax.plot([0, 1], [0, i * 1e-3], label=f"line {i}")
    ax.set_ylim(0, 1)
    name_lines(ax)
    fig.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    plt.close(fig)


def test_a_crowd_of_names_leaves_others_in_their_places_and_stays_within_the_axes():
    fig, ax = figure()
    ax.plot([0, 1], [0, 0.1], label="alone")
    for i in range(8):
        ax.plot([0, 1], [0, 1 - i * 1e-3], label=f"line {i}")
    ax.set_ylim(0, 1)
    name_lines(ax)
    fig.draw_without_rendering()
    heights = {text.get_text(): text.get_window_extent() for text in ax.texts}
    alone = ax.transData.transform((1, 0.1))[1]
    middle = (heights["alone"].y0 + heights["alone"].y1) / 2
    assert abs(middle - alone) < 2
    half = (heights["line 0"].y1 - heights["line 0"].y0) / 2
    assert heights["line 0"].y1 - half <= ax.bbox.y1 + 1
    plt.close(fig)


def test_name_lines_wants_labels():
    fig, ax = figure()
    ax.plot([0, 1])
    with pytest.raises(ValueError, match="label="):
        name_lines(ax)
    plt.close(fig)


@pytest.mark.parametrize("paper", ["#ffffff", "#121212"])
@pytest.mark.parametrize("name", [name for name in COLORS if name != "ink"])
def test_colours_read_on_light_and_dark_pages(name, paper):
    """WCAG 2: 3:1 for graphics and bold text."""
    assert contrast(COLORS[name], paper) >= 3


def test_name_lines_wants_a_figure():
    fig, ax = figure()
    ax.plot([0, 1], [0, 1], label="a line")
    ax.remove()
    with pytest.raises(ValueError, match="removed from their figure"):
        name_lines(ax)
    plt.close(fig)
