"""Sliders and drop-downs that work with a kernel, and in the built page without one."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

from droco_lite.figures.naming import show_script
from droco_lite.figures.style import STYLE
from droco_lite.figures.svg import describe, svg

#: What a reader moves.
Control: TypeAlias = widgets.SelectionSlider | widgets.Dropdown

VIEW = "application/vnd.jupyter.widget-view+json"

#: More pictures than this make a page that nobody wants to load.
MOST_POINTS = 400
MOST_BYTES = 2_000_000


class Explorer(widgets.VBox):
    """Sliders and drop-downs over pictures; what :func:`explore` returns.

    Beside the widget its output holds the start picture as PNG, for places that show no widgets.
    """

    def __init__(self, children: Sequence[widgets.Widget], summary: str, still: bytes | None):
        super().__init__(children, layout=widgets.Layout(width="100%"))
        self._summary, self._still = summary, still

    def __repr__(self) -> str:
        return self._summary

    def _beside(self) -> dict[str, str]:
        """What the output holds beside the widget; and, where asked for, the names of sliders."""
        show_script()
        still = {"image/png": base64.b64encode(self._still).decode()} if self._still else {}
        return {"text/plain": self._summary, **still}

    if hasattr(widgets.VBox, "_repr_mimebundle_"):

        def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any] | None:
            bundle = super()._repr_mimebundle_(**kwargs)
            return bundle if bundle is None else {**bundle, **self._beside()}

    else:  # ipywidgets 7, on Colab, displays itself and would cut the summary

        def _ipython_display_(self, **kwargs: Any) -> None:
            view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
            display({VIEW: view, **self._beside()}, raw=True)
            self._handle_displayed(**kwargs)


def explore(
    draw: Callable[..., Figure | list[Figure] | str],
    start: Mapping[str, Any] | None = None,
    **axes: Sequence[Any] | tuple[str, Sequence[Any]],
) -> Explorer:
    """Sliders over a grid of parameters, and what ``draw`` makes of each point.

    Numbers get a slider. An axis whose values are all strings gets a drop-down: names have no
    order, and a reader can see all of them. Every point is drawn now, so keep grids to about 7 x 7
    and curves to about 50 points. With no axes it shows the one picture, and an axis of one value
    gets no slider. Figures that ``draw`` opened are closed.

    Args:
        draw: called as ``draw(**point)``; returns a Matplotlib figure, a list of figures that stand
            side by side where there is room for them, or a string of HTML.
        start: where the sliders stand first, for example ``{"beta": 0.5}``; by default each
            axis's first value.
        axes: for each argument of ``draw`` its values, or ``(label, values)``. Write labels in
            Unicode (β), since sliders do not typeset LaTeX.

    Raises:
        ValueError: an axis has no values or one twice, ``start`` is not on the grid, or the grid
            makes more than ``MOST_POINTS`` pictures or ``MOST_BYTES`` bytes.
        TypeError: ``draw`` returned something else than figures or a string.
    """
    labels, grid = _grid(axes)
    start = _start(start or {}, grid)
    longest = max((len(label) for label in labels.values()), default=0)
    width = f"{min(0.5 * longest + 0.5, 16):.1f}em"  # of the labels, so that tracks line up
    sliders = {
        name: _control(labels[name], values, start[name], width)
        for name, values in grid.items()
        if len(values) > 1
    }
    stills: list[bytes] = []

    def markup(where: Mapping[str, int]) -> str:
        point = {name: grid[name][i] for name, i in where.items()}
        said = ", ".join(f"{labels[name]} = {_shown(v)}" for name, v in point.items())
        wants_still = not stills and where == start
        made, still = _draw(draw, point, said, wants_still)
        stills.extend([still] if still else [])
        return made

    if hasattr(widgets, "Stack"):
        view = _stacked(markup, grid, sliders)
    else:
        view = widgets.HTML()

        def redraw(_change: Any = None) -> None:
            view.value = markup({**start, **{name: s.value for name, s in sliders.items()}})

        for slider in sliders.values():
            slider.observe(redraw, "value")
        redraw()
    count = int(np.prod([len(values) for values in grid.values()])) if grid else 1
    ranges = "; ".join(
        f"{labels[name]} in {', '.join(map(_shown, values))}" for name, values in grid.items()
    )
    summary = f"{count} pictures: {ranges}" if grid else "1 picture"
    return Explorer([*sliders.values(), view], summary, stills[0] if stills else None)


def _control(label: str, values: Sequence[Any], index: int, width: str) -> Control:
    """A drop-down for names, else a slider; both hold the value's index, which Stacks follow."""
    names = all(isinstance(value, str) for value in values)
    kind = widgets.Dropdown if names else widgets.SelectionSlider
    return kind(
        options=[(_shown(value), i) for i, value in enumerate(values)],
        index=index,
        description=label,
        style={"description_width": width},
        layout=widgets.Layout(width="auto", max_width="20rem" if names else "34rem"),
    )


def _stacked(
    markup: Callable[[Mapping[str, int]], str],
    grid: Mapping[str, Sequence[Any]],
    sliders: Mapping[str, Control],
) -> widgets.Widget:
    """One Stack per axis, inside the one before; the browser itself links sliders to Stacks."""
    layout, style = widgets.Layout(width="100%"), widgets.HTML().style  # one model, not hundreds
    size = 0

    def level(where: dict[str, int], names: Sequence[str]) -> widgets.Widget:
        nonlocal size
        if not names:
            made = markup(where)
            size += len(made.encode())
            if size > MOST_BYTES:
                raise ValueError(
                    f"explore: the pictures together are over {MOST_BYTES / 1e6:g} MB, too much "
                    "for one page; take fewer values an axis, fewer points a curve, or smaller "
                    "images"
                )
            return widgets.HTML(made, layout=layout, style=style)
        name, *rest = names
        stack = widgets.Stack(
            [level({**where, name: i}, rest) for i in range(len(grid[name]))],
            selected_index=sliders[name].index,
            layout=layout,
        )
        widgets.jsdlink((sliders[name], "index"), (stack, "selected_index"))
        return stack

    return level({name: 0 for name in grid if name not in sliders}, list(sliders))


def _grid(axes: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, list[Any]]]:
    """Labels and values of each axis."""
    labels, grid = {}, {}
    for name, axis in axes.items():
        labels[name] = name
        if (
            isinstance(axis, tuple)
            and len(axis) == 2
            and isinstance(axis[0], str)
            and not isinstance(axis[1], str)
        ):
            labels[name], axis = axis
        if isinstance(axis, str) or not hasattr(axis, "__iter__"):
            raise ValueError(
                f"explore: axis {name!r} needs a list of values or (label, values), got {axis!r}"
            )
        values = axis.tolist() if isinstance(axis, np.ndarray) else list(axis)
        if not values:
            raise ValueError(f"explore: axis {name!r} has no values")
        shown = [_shown(v) for v in values]
        if len(set(shown)) < len(shown):
            raise ValueError(f"explore: axis {name!r} shows one value twice: {', '.join(shown)}")
        grid[name] = values
    points = int(np.prod([len(values) for values in grid.values()])) if grid else 1
    if points > MOST_POINTS:
        sizes = " x ".join(str(len(values)) for values in grid.values())
        raise ValueError(
            f"explore: {sizes} = {points} pictures, more than {MOST_POINTS}; take fewer values"
        )
    return labels, grid


def _start(start: Mapping[str, Any], grid: Mapping[str, list[Any]]) -> dict[str, int]:
    """The index on each axis at which the sliders stand first."""
    unknown = set(start) - set(grid)
    if unknown:
        raise ValueError(f"explore: start names no axis {sorted(unknown)}; axes are {list(grid)}")
    where = dict.fromkeys(grid, 0)
    for name, value in start.items():
        if value not in grid[name]:
            raise ValueError(
                f"explore: start[{name!r}] = {value!r} is not on its axis {grid[name]}"
            )
        where[name] = grid[name].index(value)
    return where


def _shown(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return str(value)
    exact = f"{value:g}".replace("inf", "∞")
    if "∞" in exact:
        return exact.replace("-", "−")
    return (exact if float(exact) == value else f"{value:.3g}").replace("-", "−")  # a third: 0.333


def as_png(figures: Sequence[Figure]) -> bytes:
    """The figures side by side, as one PNG."""
    from PIL import Image

    images = []
    for fig in figures:
        buffer = io.BytesIO()
        fig.savefig(buffer, format="png", dpi=80, facecolor="white")
        if len(figures) == 1:
            return buffer.getvalue()
        images.append(Image.open(buffer))
    size = sum(image.width for image in images), max(image.height for image in images)
    both, left = Image.new("RGB", size, "white"), 0
    for image in images:
        both.paste(image, (left, 0))
        left += image.width
    buffer = io.BytesIO()
    both.save(buffer, "PNG")
    return buffer.getvalue()


def as_row(figures: Sequence[Figure], said: str) -> str:
    """The figures as SVG; several share a row as far as each keeps nearly its own width."""
    made = [svg(fig, ". ".join(filter(None, (said, describe(fig))))) for fig in figures]
    if len(made) == 1:
        return made[0]
    boxes = "".join(
        f'<div style="flex:1 1 {84 * fig.get_figwidth():.0f}px;min-width:0;'
        f'max-width:{115 * fig.get_figwidth():.0f}px">{text}</div>'
        for fig, text in zip(figures, made, strict=True)
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:.5rem 1rem">{boxes}</div>'


def _draw(
    draw: Callable[..., Figure | list[Figure] | str],
    point: Mapping[str, Any],
    said: str,
    wants_still: bool,
) -> tuple[str, bytes | None]:
    """One point's HTML, and its PNG where wanted; whatever figures ``draw`` opened are closed."""
    before = set(plt.get_fignums())
    still = None
    try:
        with plt.rc_context(dict(STYLE)):  # type: ignore[arg-type]
            made = draw(**point)
            if isinstance(made, Figure):
                made = [made]
            if isinstance(made, list) and made and all(isinstance(m, Figure) for m in made):
                still = as_png(made) if wants_still else None
                made = as_row(made, said)
            elif not isinstance(made, str):
                at = f" at {said}" if said else ""
                raise TypeError(
                    "explore: draw must return a Matplotlib figure or a string of HTML, got "
                    f"{type(made).__name__}{at}; is a `return fig` missing?"
                )
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
    return f'<div class="droco-figure">{made}</div>', still
