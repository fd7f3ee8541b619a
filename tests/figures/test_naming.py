"""Sliders have names for screen readers in notebooks too, where the notebook asks for it."""

import pytest

from droco_lite.figures import naming
from droco_lite.figures.naming import SCRIPT, name_sliders
from droco_lite.figures.sliders import explore


@pytest.fixture
def shown(monkeypatch):
    """What was displayed while a cell's value was being shown."""
    displayed = []
    monkeypatch.setattr(naming, "display", lambda data, **_: displayed.append(data))
    yield displayed
    name_sliders(False)


def test_nothing_is_shown_unasked(shown):
    explore(lambda a: "<p>x</p>", a=[1, 2])._repr_mimebundle_()
    assert shown == []


def test_the_script_stands_beside_each_explorer(shown):
    name_sliders()
    for _ in range(2):  # on Colab every output is a document of its own
        explore(lambda a: "<p>x</p>", a=[1, 2])._repr_mimebundle_()
    assert shown == [{"application/javascript": SCRIPT}] * 2
    assert "aria-label" in SCRIPT and "aria-valuetext" in SCRIPT
