"""The slider helper: what it draws, what it refuses, and what it leaves behind."""

import itertools
import re

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from droco_lite.explore import explore, figure
from droco_lite.figures.sliders import _draw as draw_point
from tests.figures.waves import pictures, wave


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


def test_names_get_a_drop_down_and_numbers_a_slider():
    explorer = explore(
        lambda a, b, c: f"{a}{b}{c}",
        {"a": "ant"},
        a=("robot", ["hopper", "ant"]),
        b=[1, 2],
        c=["oracle", 1],  # an order, of which the first place has a name
    )
    robot, number, mixed, view = explorer.children
    assert isinstance(robot, widgets.Dropdown)
    assert all(isinstance(each, widgets.SelectionSlider) for each in (number, mixed))
    assert robot.description == "robot" and [name for name, _ in robot.options] == ["hopper", "ant"]
    assert robot.index == view.selected_index == 1


@pytest.mark.parametrize("with_stack", [True, False])
def test_a_drop_down_chooses_the_picture(monkeypatch, with_stack):
    linked = []
    monkeypatch.setattr(widgets, "jsdlink", lambda source, target: linked.append((source, target)))
    if not with_stack:
        monkeypatch.delattr(widgets, "Stack")
    names, view = explore(lambda robot: f"a {robot}", robot=["hopper", "ant"]).children
    if with_stack:
        assert linked == [((names, "index"), (view, "selected_index"))]
    else:
        names.index = 1
        assert "a ant" in view.value


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


def test_svg_says_what_it_shows():
    text = pictures(explore(wave, phase=("φ", [0.5])))[0]
    assert 'role="img"' in text
    assert 'aria-label="φ = 0.5. A wave; value over time; lines: DROCO"' in text


def test_output_holds_a_still_and_a_stable_text():
    bundle = explore(wave, phase=("φ", [0, 1]))._repr_mimebundle_()
    assert bundle["text/plain"] == "2 pictures: φ in 0, 1"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["image/png"].startswith("iVBOR")


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
