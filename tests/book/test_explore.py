"""The slider helper: what it draws, what it refuses, and that its pictures read anywhere."""

import itertools
import json
import re
import xml.etree.ElementTree as ET

import ipywidgets as widgets
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import pytest

from droco_lite.explore import (
    COLORS,
    INK,
    Explorer,
    explore,
    figure,
    hover,
    name_lines,
    picture,
    svg,
)
from droco_lite.explore import _draw as draw_point


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


def test_every_point_of_the_grid_is_drawn_once_in_order():
    seen = []

    def draw(beta, robot):
        seen.append((beta, robot))
        return f"{beta} {robot}"

    explorer = explore(draw, beta=("β", [0, 0.5, 1]), robot=["hopper", "ant"])
    assert seen == list(itertools.product([0, 0.5, 1], ["hopper", "ant"]))
    assert [re.sub("<[^>]+>", "", p) for p in pictures(explorer)] == [f"{b} {r}" for b, r in seen]


def test_start_chooses_slider_and_picture():
    explorer = explore(lambda a, b: f"{a}{b}", {"b": 30}, a=[1, 2], b=[10, 20, 30])
    first, second, view = explorer.children
    assert (first.index, second.index) == (0, 2)
    assert view.selected_index == 0
    assert view.children[0].selected_index == 2


def test_sliders_show_their_label_and_values():
    slider = explore(lambda e: "x", e=("ε, radius", np.array([-1.0, 0.25]))).children[0]
    assert slider.description == "ε, radius"
    assert [shown for shown, _ in slider.options] == ["−1", "0.25"]


def test_values_without_a_short_decimal_are_rounded_and_others_are_not():
    slider = explore(lambda e: "x", e=("level", [-1 / 3, 2 / 3, 0.9995, 200_000])).children[0]
    assert [shown for shown, _ in slider.options] == ["−0.333", "0.667", "0.9995", "200000"]


def test_no_axes_show_one_picture():
    explorer = explore(wave)
    assert len(explorer.children) == 1
    assert len(pictures(explorer)) == 1


@pytest.mark.parametrize("with_stack", [True, False])
def test_an_axis_of_one_value_gets_no_slider(monkeypatch, with_stack):
    if not with_stack:
        monkeypatch.delattr(widgets, "Stack")
    explorer = explore(lambda a, b: f"{a} and {b}", a=["only"], b=[1, 2])
    slider, _view = explorer.children
    assert slider.description == "b"
    assert ">only and 1<" in pictures(explorer)[0]


def test_links_need_no_kernel(monkeypatch):
    linked = []
    monkeypatch.setattr(widgets, "jsdlink", lambda source, target: linked.append((source, target)))
    explorer = explore(lambda a, b: "x", a=[1, 2, 3], b=[1, 2])
    first, second, view = explorer.children
    wanted = [((first, "index"), (view, "selected_index"))]
    wanted += [((second, "index"), (stack, "selected_index")) for stack in view.children]
    assert sorted(linked, key=str) == sorted(wanted, key=str)


def test_without_stack_the_kernel_draws_on_each_move(monkeypatch):
    monkeypatch.delattr(widgets, "Stack")
    drawn = []

    def draw(beta):
        drawn.append(beta)
        return f"β is {beta}"

    explorer = explore(draw, beta=[0, 1, 2])
    assert drawn == [0]
    explorer.children[0].index = 2
    assert drawn == [0, 2]
    assert "β is 2" in explorer.children[1].value


def test_figures_are_closed_even_when_draw_fails():
    plt.close("all")
    kept = plt.figure()

    def broken(a):
        figure()
        raise RuntimeError("no data")

    with pytest.raises(RuntimeError, match="no data"):
        explore(broken, a=[1])
    explore(wave, phase=[0, 1])
    assert plt.get_fignums() == [kept.number]
    plt.close(kept)


@pytest.mark.parametrize(
    ("axes", "start", "message"),
    [
        ({"a": []}, None, "axis 'a' has no values"),
        ({"a": ("α", [])}, None, "axis 'a' has no values"),
        ({"a": 3}, None, "axis 'a' needs a list"),
        ({"a": "hopper"}, None, "axis 'a' needs a list"),
        ({"a": [1, 1.0]}, None, "axis 'a' shows one value twice"),
        ({"a": range(30), "b": range(30)}, None, "30 x 30 = 900 pictures"),
        ({"a": [1]}, {"b": 1}, "start names no axis"),
        ({"a": [1]}, {"a": 2}, "not on its axis"),
    ],
)
def test_refuses_a_bad_grid_and_names_the_axis(axes, start, message):
    with pytest.raises(ValueError, match=message):
        explore(lambda **point: "x", start, **axes)


def test_refuses_what_is_no_picture_and_says_what_may_be_missing():
    with pytest.raises(TypeError, match=r"got NoneType at β = 1.*return fig"):
        explore(lambda b: None, b=("β", [1]))


def test_refuses_pictures_too_heavy_for_a_page():
    with pytest.raises(ValueError, match="too much for one page"):
        explore(lambda a: "x" * 600_000, a=[1, 2, 3, 4])


def test_svg_is_wellformed_slim_and_takes_the_pages_ink():
    text = svg(wave())
    ET.fromstring(text)
    assert len(text) < 5_000
    assert "currentColor" in text
    assert INK not in text and "#000000" not in text
    assert "<style" not in text and "metadata" not in text and "DejaVu" not in text
    assert COLORS["droco"] in text
    plt.close("all")


def test_svg_says_what_it_shows():
    text = pictures(explore(wave, phase=("φ", [0.5])))[0]
    assert 'role="img"' in text
    assert 'aria-label="φ = 0.5. A wave; value over time; lines: DROCO"' in text


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


def luminance(color: str) -> float:
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("paper", ["#ffffff", "#121212"])
@pytest.mark.parametrize("name", [name for name in COLORS if name != "ink"])
def test_colours_read_on_light_and_dark_pages(name, paper):
    """WCAG 2: 3:1 for graphics and bold text."""
    light, dark = sorted((luminance(COLORS[name]), luminance(paper)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_picture_is_small_and_described():
    image = np.zeros((60, 80, 3), np.uint8)
    text = picture(image, 'a "robot"', width=160)
    assert 'alt="a &quot;robot&quot;"' in text and "width:160px" in text
    assert len(text) < 2_000
    with pytest.raises(ValueError, match="uint8"):
        picture(image / 255, "floats")


def test_output_holds_a_still_and_a_stable_text():
    bundle = explore(wave, phase=("φ", [0, 1]))._repr_mimebundle_()
    assert bundle["text/plain"] == "2 pictures: φ in 0, 1"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["image/png"].startswith("iVBOR")


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


def test_a_list_of_figures_is_a_row_that_wraps():
    def both(scale):
        return [wave(scale), wave(2 * scale)]

    bundle = explore(both, scale=[1.0, 2.0])._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBOR")
    made, still = draw_point(both, {"scale": 1.0}, "scale = 1", wants_still=True)
    assert made.count("<svg") == 2 and "flex-wrap:wrap" in made
    assert made.count('aria-label="scale = 1') == 2
    alone = draw_point(wave, {"scale": 1.0}, "", wants_still=True)[1]
    width = [int.from_bytes(png[16:20], "big") for png in (alone, still)]
    assert width[1] == 2 * width[0]


def test_a_list_of_something_else_is_refused():
    with pytest.raises(TypeError, match="list"):
        explore(lambda: [1, 2])
