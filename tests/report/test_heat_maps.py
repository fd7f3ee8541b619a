"""Heat maps: every number reads on its colour, and the reader is told whose scale it is."""

import re
from pathlib import Path

import numpy as np
import pytest

from droco_lite import report
from droco_lite.report.figures import CELL_INK, PER_ROBOT, SHADES
from tests.contrast import contrast


@pytest.fixture(scope="module")
def small():
    return report.read("hopper-medium", Path(__file__).parent / "small_matrix")


def test_every_number_reads_on_its_cell(small):
    (ax,) = report.figures.heat_map(small).axes
    (cells,) = ax.collections
    numbers = [text for text in ax.texts if re.fullmatch(r"−?\d+", text.get_text())]
    faces = cells.to_rgba(cells.get_array().compressed())
    assert len(numbers) == len(faces) > 10
    assert min(contrast(n.get_color(), f) for n, f in zip(numbers, faces, strict=True)) >= 4.5
    everything = cells.cmap(np.linspace(0, 1, 101))
    assert min(contrast(CELL_INK, color) for color in everything) >= 4.5


def test_the_one_to_hover_has_the_same_colours(small):
    markup = report.interactive.heat_map([small])._repr_mimebundle_()["text/html"]
    assert f'"textfont":{{"color":"{CELL_INK}"}}' in markup
    assert all(f'"{shade}"]' in markup for shade in SHADES)


def test_it_says_that_each_robot_has_its_own_scale(small):
    (ax,) = report.figures.heat_map(small).axes
    assert PER_ROBOT in ax.get_title()
    assert PER_ROBOT in report.interactive.heat_map([small])._repr_mimebundle_()["text/html"]
