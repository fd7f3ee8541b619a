"""Slim SVG: what is left out, what must stay, and that it reads on any page."""

import re
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pytest

from droco_lite.explore import COLORS, INK, explore, figure, picture, svg
from tests.figures.waves import pictures, wave


def test_svg_is_wellformed_slim_and_takes_the_pages_ink():
    text = svg(wave())
    ET.fromstring(text)
    assert len(text) < 5_000
    assert "currentColor" in text
    assert INK not in text and "#000000" not in text
    assert "<style" not in text and "metadata" not in text and "DejaVu" not in text
    assert COLORS["droco"] in text
    plt.close("all")


def test_ids_are_unique_in_the_page_and_every_reference_is_met():
    texts = [*pictures(explore(wave, phase=[0, 1], scale=[1, 2])), svg(wave()), svg(wave())]
    ids = [name for text in texts for name in re.findall(r' id="([^"]+)"', text)]
    assert ids and len(ids) == len(set(ids))
    for text in texts:
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
        assert used <= set(re.findall(r' id="([^"]+)"', text))
    plt.close("all")


def test_coordinates_are_rounded_but_stay_in_place():
    fig, ax = figure(layout=None)
    ax.plot([0, 1], [0, 1], color=COLORS["droco"])
    ax.set(xlim=(0, 2), ylim=(0, 3))
    text = svg(fig)
    assert not re.search(r"\d\.\d{3,}", text)
    found = re.search(rf'd="M[^"]+L([\d.]+) ([\d.]+)"[^>]+{COLORS["droco"]}', text)
    x, y = ax.transData.transform((1, 1)) * 72 / fig.dpi
    wanted = (x, 72 * fig.get_figheight() - y)
    assert np.allclose([float(v) for v in found.groups()], wanted, atol=0.051)
    plt.close(fig)


@pytest.mark.parametrize("formula", [r"value $V_\epsilon(s)$ after", r"$\frac{a}{b}$", r"$x_i^2$"])
def test_formulas_keep_their_letters(formula):
    fig, ax = figure()
    ax.set_xlabel(formula)
    text = re.sub(r"<[^>]+>", "", svg(fig))
    for letter in re.sub(r"\\frac|\\epsilon|[${}_^\\() ]", "", formula):
        assert letter in text
    plt.close(fig)


def test_picture_is_small_and_described():
    image = np.zeros((60, 80, 3), np.uint8)
    text = picture(image, 'a "robot"', width=160)
    assert 'alt="a &quot;robot&quot;"' in text and "width:160px" in text
    assert len(text) < 2_000
    with pytest.raises(ValueError, match="uint8"):
        picture(image / 255, "floats")
