"""Sliders that work with a kernel, and in the built page without one.

One call makes a figure that answers to sliders::

    from droco_lite.explore import COLORS, explore, figure

    def draw(beta):
        fig, ax = figure()
        ax.plot(q, backup(q, beta), color=COLORS["droco"], label="DROCO")
        name_lines(ax)
        return fig

    explore(draw, beta=("β", [0, 0.1, 0.5, 1]))

``draw`` is called for every point of the grid while the cell runs; in the page the sliders only
choose among the finished pictures. So what a reader sees was computed, and the page needs neither
a kernel nor a network. Where ipywidgets is older than 8 (Colab) the kernel draws instead.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from droco_lite.colors import COLORS, INK

STYLE: Mapping[str, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": matplotlib.cycler(
        color=[COLORS[k] for k in ("droco", "iql", "target", "dara", "deployed", "igdf", "value")]
    ),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.dpi": 96,
    "font.size": 10.5,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "grid.linewidth": 0.8,
    "image.cmap": "viridis",
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 2.0,
    "lines.markersize": 5,
    "mathtext.fontset": "dejavusans",
    "path.simplify_threshold": 0.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "droco-lite",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 10.5,
    "xtick.major.size": 3,
    "ytick.color": INK,
    "ytick.labelsize": 10.5,
    "ytick.major.size": 3,
}

#: More pictures than this make a page that nobody wants to load.
MOST_POINTS = 400
MOST_BYTES = 2_000_000

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"
_pictures = itertools.count()


# Figures ------------------------------------------------------------------------------------


def figure(width: float = 6.4, height: float = 3.2, **subplots_kw: Any) -> tuple[Figure, Any]:
    """A figure in the book's style: inches in, ``(fig, ax)`` out, as ``plt.subplots`` gives them.

    Text scales with the page: on a phone 350 pixels wide a figure of 4.6 inches shows its text at
    11 pixels, one of 6.4 inches at 8. Let ``draw`` return a list of 3.3-inch figures instead of
    one wide figure of two axes: they stand side by side, and one below the other on a phone.
    """
    with plt.rc_context(dict(STYLE)):
        subplots_kw.setdefault("layout", "constrained")
        return plt.subplots(figsize=(width, height), **subplots_kw)


def name_lines(ax: Axes, gap: float = 1.25, pad: float = 6.0) -> None:
    """Write each labelled line's name beside its last point, in its colour: no legend to decode.

    Names that would overlap are moved apart, ``gap`` text heights from one to the next.
    """
    lines = [line for line in ax.get_lines() if not line.get_label().startswith("_")]
    if not lines:
        raise ValueError("name_lines: the axes hold no labelled line; pass label=... to ax.plot")
    fig = ax.figure
    fig.draw_without_rendering()
    size = STYLE["legend.fontsize"]
    step = gap * size / 72 * fig.dpi
    ends = []
    for line in lines:
        x, y = (np.asarray(values, dtype=float) for values in line.get_data())
        keep = np.isfinite(x) & np.isfinite(y)
        if keep.any():
            ends.append((ax.transData.transform((x[keep][-1], y[keep][-1])), line))
    ends.sort(key=lambda end: end[0][1])
    heights = spread([y for (_, y), _ in ends], step, ax.bbox.y0, ax.bbox.y1)
    for ((x, y), line), height in zip(ends, heights, strict=True):
        ax.annotate(
            line.get_label(),
            ax.transData.inverted().transform((x, y)),
            xytext=(pad, (height - y) * 72 / fig.dpi),
            textcoords="offset points",
            va="center",
            color=line.get_color(),
            fontsize=size,
            fontweight="bold",
            annotation_clip=False,
        )


def spread(heights: Sequence[float], step: float, low: float, high: float) -> np.ndarray:
    """Rising ``heights`` moved to be at least ``step`` apart and within ``low`` to ``high``.

    Each stays as near as can be to its own, in squares.  Where there is no room for all, ``low``
    holds and ``high`` does not.
    """
    belong, room = np.asarray(heights, dtype=float), step * np.arange(len(heights))
    if not len(belong):
        return belong
    apart = isotonic_regression(belong - room).x + room
    return np.maximum(np.minimum(apart, high - room[::-1]), low + room)


def svg(fig: Figure, label: str = "") -> str:
    """The figure as a slim inline SVG, for light and dark pages.

    Ink becomes ``currentColor``, the background is left out, text takes the page's font,
    coordinates keep one decimal, and ids are unlike those of any other picture in the page.

    Args:
        fig: a Matplotlib figure. It is left open.
        label: what a screen reader says; by default titles and axis labels.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with plt.rc_context(dict(STYLE)):
        fig.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    source = buffer.getvalue()
    root = ET.fromstring(source)
    named = set(re.findall(r'(?:href="#|url\(#)([^")]+)', source))
    mark = hashlib.sha1(source.encode()).hexdigest()[:5] + f"{next(_pictures):x}"
    names = {name: f"{mark}{i:x}" for i, name in enumerate(sorted(named))}
    body = "".join(_slim(child, names, inside_defs=False) for child in root)
    width, height = (float(v) for v in root.get("viewBox").split()[2:])
    label = html.escape(label or describe(fig), quote=True)
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_number(width)} {_number(height)}" '
        f'style="display:block;width:100%;max-width:{_widest(width * 4 / 3):.0f}px;height:auto" '
        'fill="currentColor" font-family="inherit" stroke-linejoin="round">'
        f"{body}</svg>"
    )


def _widest(natural: float) -> float:
    """CSS pixels a figure may take: a small one a fifth more than its own, for a wide page."""
    return max(natural, min(1.2 * natural, 560.0))


def describe(fig: Figure) -> str:
    """Titles, axis labels and names of lines, as one sentence per axes."""
    said = []
    if fig.get_suptitle():
        said.append(fig.get_suptitle())
    for ax in fig.axes:
        if ax.get_label() == "<colorbar>":
            continue
        parts = [ax.get_title(loc) for loc in ("left", "center", "right")]
        if ax.get_ylabel() or ax.get_xlabel():
            parts.append(" over ".join(p for p in (ax.get_ylabel(), ax.get_xlabel()) if p))
        lines = [line.get_label() for line in ax.get_lines()]
        lines = [name for name in lines if not name.startswith("_")]
        if lines:
            parts.append("lines: " + ", ".join(lines))
        if any(parts):
            said.append("; ".join(p for p in parts if p))
    return re.sub(r"[$\\{}]", "", ". ".join(said)) or "Figure"


def _number(value: float, digits: int = 1) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _round(text: str, digits: int) -> str:
    return re.sub(r"-?\d+\.\d+(?:e-?\d+)?", lambda found: _number(float(found[0]), digits), text)


def _path(data: str, digits: int) -> str:
    data = re.sub(r"\s+", " ", _round(data, digits)).strip()
    return re.sub(r" ?([A-Za-z]) ?", r"\1", data)


def _style(text: str, keep_font: bool) -> str:
    kept = []
    for rule in text.split(";"):
        key, _, value = rule.partition(":")
        key, value = key.strip(), value.strip()
        if not key or (key == "font-family" and not keep_font):
            continue
        if key == "font":  # "bold 10px 'DejaVu Sans', ..." : keep all but the family
            found = re.match(r"(.*?)([\d.]+px)", value)
            kept += [f"font-size:{found[2]}"] if found else []
            kept += ["font-weight:bold"] if "bold" in value or " 700 " in value else []
            kept += ["font-style:italic"] if re.search(r"italic|oblique", value) else []
            continue
        if value in (INK, "#000000"):
            value = "currentColor"
        kept.append(f"{key}:{_round(value, 2)}")
    return ";".join(rule for rule in kept if rule != "fill:currentColor")


def _slim(node: ET.Element, names: dict[str, str], inside_defs: bool) -> str:
    """One element as text, without what no browser needs."""
    tag = node.tag.replace(_SVG, "")
    if tag in ("metadata", "style"):
        return ""
    inside_defs = inside_defs or tag in ("defs", "clipPath")
    attributes = {}
    for key, value in node.attrib.items():
        key = key.replace(_XLINK, "")
        if key == "id":
            if value not in names:
                continue
            value = names[value]
        elif key == "href" and value.startswith("#"):
            value = "#" + names[value[1:]]
        elif key == "clip-path":
            value = re.sub(r"#([^)]+)", lambda found: "#" + names[found[1]], value)
        elif key == "d":
            value = _path(value, 2 if inside_defs else 1)
        elif key == "style":
            # A marker's own style would shut out that of its <use>, which says the same.
            value = "" if inside_defs and tag == "path" else _style(value, tag == "tspan")
        elif key == "transform":
            if value.startswith("rotate(-0 "):
                continue
            value = _round(value, 2)
        elif key in ("x", "y", "width", "height") and tag != "tspan":
            value = _number(float(value)) if re.fullmatch(r"-?[\d.]+(e-?\d+)?", value) else value
        elif key in ("x", "y"):
            value = _round(value, 1)
        if value:
            attributes[key] = value
    if tag == "text" and len(node):
        children = _formula(node)
    else:
        children = "".join(_slim(child, names, inside_defs) for child in node)
    text = "" if tag == "text" and len(node) else node.text or ""
    text = html.escape(text if tag in ("text", "tspan") else text.strip(), quote=False)
    if tag == "g" and not attributes:
        return children
    if tag in ("g", "defs") and not children:
        return ""
    if tag == "path" and attributes.get("style") == "fill:none":  # the empty background
        return ""
    written = "".join(f' {k}="{html.escape(v, quote=True)}"' for k, v in attributes.items())
    if not children and not text:
        return f"<{tag}{written}/>"
    return f"<{tag}{written}>{text}{children}</{tag}>"


def _formula(node: ET.Element) -> str:
    """Mathtext as runs of text in reading order, not one placed element per letter.

    Runs flow in the page's font, so no gap opens where that font is not Matplotlib's. Stacked
    formulas (fractions, a sub- above a superscript) keep their places.
    """
    letters = []
    for span in node:
        text = span.text or ""
        xs, ys = ([float(v) for v in span.get(key, "0").split()] for key in "xy")
        xs, ys = (list(v) + [v[-1]] * (len(text) - len(v)) for v in (xs, ys))
        style = _style(span.get("style", ""), keep_font=False)
        letters += [(x, y, style, c) for x, y, c in zip(xs, ys, text, strict=False)]
    letters.sort(key=lambda letter: letter[0])
    stacked = any(b[0] - a[0] < 1 and a[1] != b[1] for a, b in itertools.pairwise(letters))
    runs, at = [], 0.0
    for key, group in itertools.groupby(
        letters, key=(lambda a: (a[0], a[1], a[2])) if stacked else (lambda a: (a[1], a[2]))
    ):
        run = "".join(letter[3] for letter in group)
        y, style = key[-2], key[-1]
        if stacked:
            place = f' x="{_number(key[0])}" y="{_number(y)}"'
        else:
            place = f' dy="{_number(y - at)}"' if abs(y - at) > 0.05 else ""
        at = y
        runs.append(f'<tspan{place} style="{style}">{html.escape(run, quote=False)}</tspan>')
    return "".join(runs)


def picture(image: np.ndarray, label: str, width: int | None = None, quality: int = 80) -> str:
    """An image (a rendered robot) as one HTML element, for ``draw`` to return alone or in a row.

    Args:
        image: uint8 ``[height, width, 3]``.
        label: what it shows, for a reader who does not see it.
        width: shown width in CSS pixels; by default the image's own. It never leaves its column.
        quality: WebP quality; 80 keeps a 320 x 240 robot near 5 KB.
    """
    from PIL import Image

    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4):
        raise ValueError(
            f"picture: image must be uint8 [height, width, 3], got {image.dtype} {image.shape}"
        )
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=quality, method=6)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img alt="{html.escape(label, quote=True)}" src="data:image/webp;base64,{data}" '
        f'style="width:{width or image.shape[1]}px;max-width:100%;height:auto">'
    )


# Sliders ------------------------------------------------------------------------------------


class Explorer(widgets.VBox):
    """Sliders over pictures; what :func:`explore` returns.

    Beside the widget its output holds the start picture as PNG, for places that show no widgets.
    """

    def __init__(self, children: Sequence[widgets.Widget], summary: str, still: bytes | None):
        super().__init__(children, layout=widgets.Layout(width="100%"))
        self._summary, self._still = summary, still

    def __repr__(self) -> str:
        return self._summary

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle["text/plain"] = self._summary
            if self._still:
                bundle["image/png"] = base64.b64encode(self._still).decode()
        return bundle


def explore(
    draw: Callable[..., Figure | list[Figure] | str],
    start: Mapping[str, Any] | None = None,
    **axes: Sequence[Any] | tuple[str, Sequence[Any]],
) -> Explorer:
    """Sliders over a grid of parameters, and what ``draw`` makes of each point.

    Every point is drawn now, so keep grids to about 7 x 7 and curves to about 50 points. With no
    axes it shows the one picture, and an axis of one value gets no slider. Figures that ``draw``
    opened are closed.

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
    sliders = {
        name: widgets.SelectionSlider(
            options=[(_shown(v), i) for i, v in enumerate(values)],
            index=start[name],
            description=labels[name],
            style={"description_width": f"{min(0.5 * longest + 0.5, 16):.1f}em"},  # tracks line up
            layout=widgets.Layout(width="auto", max_width="34rem"),
        )
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


def _stacked(
    markup: Callable[[Mapping[str, int]], str],
    grid: Mapping[str, Sequence[Any]],
    sliders: Mapping[str, widgets.SelectionSlider],
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
    exact = f"{value:g}"
    return (exact if float(exact) == value else f"{value:.3g}").replace("-", "−")  # a third: 0.333


def _still(figures: Sequence[Figure]) -> bytes:
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


def _row(figures: Sequence[Figure], said: str) -> str:
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
        with plt.rc_context(dict(STYLE)):
            made = draw(**point)
            if isinstance(made, Figure):
                made = [made]
            if isinstance(made, list) and made and all(isinstance(m, Figure) for m in made):
                still = _still(made) if wants_still else None
                made = _row(made, said)
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


# Figures to hover, zoom or turn ---------------------------------------------------------------

_PLOTLY = """
(() => {{
  const box = document.getElementById("{name}");
  const root = document.documentElement.dataset.content_root;
  const load = url => new Promise((done, failed) => {{
    const script = document.createElement("script");
    Object.assign(script, {{src: url, onload: done, onerror: failed}});
    document.head.append(script);
  }});
  window.drocoPlotly ??= window.Plotly ? Promise.resolve() : load(root !== undefined
    ? root + "_static/plotly.min.js"
    : "https://cdn.plot.ly/plotly-{version}.min.js");
  window.drocoPlotly.then(() => {{
    const figure = {figure};
    const ink = () => ({{"font.color": getComputedStyle(box).color}});
    Plotly.newPlot(box, figure.data, figure.layout, {{responsive: true, displaylogo: false}})
      .then(() => Plotly.relayout(box, ink()));
    new MutationObserver(() => Plotly.relayout(box, ink()))
      .observe(document.documentElement, {{attributeFilter: ["data-theme"]}});
  }}, () => {{ box.textContent = "This figure needs plotly.js, which could not be loaded."; }});
}})();
"""


class Hover:
    """A Plotly figure that shows in the built page, in JupyterLab and on Colab."""

    def __init__(self, markup: str, summary: str):
        self._markup, self._summary = markup, summary

    def __repr__(self) -> str:
        return self._summary

    def _repr_mimebundle_(self, **_kwargs: Any) -> dict[str, str]:
        return {"text/plain": self._summary, "text/html": self._markup}


def hover(figure: Any, label: str, height: int = 380, digits: int = 4) -> Hover:
    """A Plotly figure worth hovering, zooming or turning, in the page's own colours.

    The output holds the figure's data alone; plotly.js comes once per site from the site itself,
    or from its CDN where there is no site (JupyterLab, Colab). Numbers keep ``digits`` significant
    digits, so that the saved output is small and the same on every machine::

        import plotly.graph_objects as go

        hover(go.Figure(go.Scatter(x=steps, y=score, name="DROCO")), "Score over training steps")

    Args:
        figure: a ``plotly.graph_objects.Figure``. Paper and plot backgrounds are made transparent.
        label: what the figure shows, for a reader who does not see it; its id comes from it, so
            no two figures of a chapter may share one.
        height: CSS pixels.
        digits: significant digits kept of each number.
    """
    import plotly.graph_objects as go
    from plotly.offline import get_plotlyjs_version

    if not isinstance(figure, go.Figure):
        raise TypeError(f"hover: needs a plotly Figure, got {type(figure).__name__}")
    figure = go.Figure(figure)
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 56, "r": 16, "t": 40 if figure.layout.title.text else 16, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "inherit", "size": 13, "color": "#808890"},
        colorway=[color["color"] for color in STYLE["axes.prop_cycle"]],
        legend={"bgcolor": "rgba(0,0,0,0)"},
    )
    figure.update_xaxes(gridcolor="rgba(128,136,144,.25)", zerolinecolor="rgba(128,136,144,.5)")
    figure.update_yaxes(gridcolor="rgba(128,136,144,.25)", zerolinecolor="rgba(128,136,144,.5)")
    name = "hover-" + hashlib.sha1(label.encode()).hexdigest()[:10]
    data = json.dumps(_significant(_plain(figure.to_plotly_json()), digits), separators=(",", ":"))
    script = _PLOTLY.format(
        name=name, figure=data.replace("</", "<\\/"), version=get_plotlyjs_version()
    )
    said = html.escape(label, quote=True)
    markup = (
        f'<div class="droco-figure droco-plotly" id="{name}" role="figure" aria-label="{said}" '
        f'style="width:100%;min-height:{height}px"></div>\n<script>{script}</script>'
    )
    return Hover(markup, label)


def _plain(value: Any) -> Any:
    """Plotly's figure as lists, not as the base64 blocks that it makes of arrays."""
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    if isinstance(value, Mapping):
        if "bdata" in value:
            flat = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
            shape = [int(n) for n in str(value.get("shape", flat.size)).split(",")]
            return _plain(flat.reshape(shape))
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _significant(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _significant(v, digits) for key, v in value.items()}
    if isinstance(value, list):
        return [_significant(v, digits) for v in value]
    return value
