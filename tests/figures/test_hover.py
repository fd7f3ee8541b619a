"""Plotly figures: the numbers without the library."""

import base64
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import pytest

from droco_lite.explore import hover


def plotly_figures(shown) -> list[dict]:
    return json.loads(
        re.search(r"const figures = (.*);\n", shown._repr_mimebundle_()["text/html"])[1]
    )


def plotly_data(shown) -> dict:
    (figure,) = plotly_figures(shown)
    return figure


def test_hover_holds_the_numbers_and_not_the_library():
    surface = np.arange(12.0).reshape(3, 4) / 7
    shown = hover(go.Figure([go.Surface(z=surface), go.Scatter(y=[1, np.nan])]), "A surface")
    mesh, line = plotly_data(shown)["data"]
    assert np.allclose(mesh["z"], surface, rtol=1e-3)
    assert line["y"] == [1, None]
    text = shown._repr_mimebundle_()["text/html"]
    assert len(text) < 4_500
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


def test_without_scripts_a_still_picture_is_shown():
    fig, ax = plt.subplots()
    ax.plot([0, 1], [2, 3])
    shown = hover(go.Figure(go.Scatter(y=[2, 3])), "A line", still=fig)._repr_mimebundle_()
    still = shown["text/html"].split('<div class="droco-still">')[1]
    assert still.startswith("<svg") and 'aria-label="A line' in still
    assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG")
    assert not plt.fignum_exists(fig.number)


def test_of_several_figures_the_reader_chooses_one_by_name():
    by_name = {name: go.Figure(go.Scatter(y=[k])) for k, name in enumerate(("stiff <feet>", "up"))}
    shown = hover(by_name, "Shifts", choice="shift")
    text = shown._repr_mimebundle_()["text/html"]
    assert [figure["data"][0]["y"] for figure in plotly_figures(shown)] == [[0], [1]]
    assert "<option>stiff &lt;feet&gt;</option><option>up</option>" in text
    assert "shift <select" in text


def test_one_figure_needs_no_choice():
    assert "<select" not in hover(go.Figure(), "x")._repr_mimebundle_()["text/html"]
