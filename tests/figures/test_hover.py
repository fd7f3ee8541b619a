"""Plotly figures: the numbers without the library."""

import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from droco_lite.explore import hover


def plotly_data(shown) -> dict:
    return json.loads(
        re.search(r"const figure = (.*);\n", shown._repr_mimebundle_()["text/html"])[1]
    )


def test_hover_holds_the_numbers_and_not_the_library():
    surface = np.arange(12.0).reshape(3, 4) / 7
    shown = hover(go.Figure([go.Surface(z=surface), go.Scatter(y=[1, np.nan])]), "A surface")
    mesh, line = plotly_data(shown)["data"]
    assert np.allclose(mesh["z"], surface, rtol=1e-3)
    assert line["y"] == [1, None]
    text = shown._repr_mimebundle_()["text/html"]
    assert len(text) < 4_000
    assert "_static/plotly.min.js" in text
    assert 'aria-label="A surface"' in text


def test_hover_writes_the_same_text_each_time_and_hides_last_digits():
    texts = {
        hover(go.Figure(go.Scatter(y=[1 / 3 + noise])), "x")._repr_mimebundle_()["text/html"]
        for noise in (0, 0, 1e-9)
    }
    assert len(texts) == 1


def test_hover_cannot_end_its_script_early():
    text = hover(go.Figure(layout={"title": "</script><b>"}), "x")._repr_mimebundle_()["text/html"]
    assert text.count("</script>") == 1


def test_hover_wants_a_plotly_figure():
    with pytest.raises(TypeError, match="plotly Figure"):
        hover({}, "x")
