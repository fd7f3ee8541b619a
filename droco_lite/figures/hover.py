"""Plotly figures to hover, zoom or turn, in the built page, in JupyterLab and on Colab."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from droco_lite.figures.sliders import as_png, as_row
from droco_lite.figures.style import STYLE

if TYPE_CHECKING:
    import plotly.graph_objects as go

# The still picture stays until plotly.js has been loaded, and for good where it cannot be.
_PLOTLY = """
(() => {{
  const box = document.getElementById("{name}");
  const [plot, still] = ["plot", "still"].map(part => box.querySelector(".droco-" + part));
  const select = box.querySelector("select");
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
    const figures = {figures};
    const options = {{responsive: true, displayModeBar: false, scrollZoom: false}};
    const show = () => {{
      const {{data, layout}} = structuredClone(figures[select ? select.selectedIndex : 0]);
      layout.font.color = getComputedStyle(box).color;
      return Plotly.react(plot, data, layout, options);
    }};
    still.remove();
    plot.hidden = false;
    if (select) {{
      select.closest("label").hidden = false;
      select.addEventListener("change", show);
    }}
    show();
    new MutationObserver(show)
      .observe(document.documentElement, {{attributeFilter: ["data-theme"]}});
  }}, () => {{ if (!still.innerHTML) still.textContent = "This figure needs plotly.js, " +
    "which could not be loaded."; }});
}})();
"""
_CHOICE = (
    "<label hidden>{name} "
    '<select style="font:inherit;max-width:100%;margin:.3rem 0">{options}</select></label>'
)


class Hover:
    """A Plotly figure that shows in the built page, in JupyterLab and on Colab.

    Beside its markup the output holds the still picture as PNG, for places that run no script.
    """

    def __init__(self, markup: str, summary: str, still: bytes | None = None):
        self._markup, self._summary, self._still = markup, summary, still

    def __repr__(self) -> str:
        return self._summary

    def _repr_mimebundle_(self, **_kwargs: Any) -> dict[str, str]:
        still = {"image/png": base64.b64encode(self._still).decode()} if self._still else {}
        return {"text/plain": self._summary, "text/html": self._markup, **still}


def hover(
    figure: go.Figure | Mapping[str, go.Figure],
    label: str,
    height: int = 380,
    digits: int = 4,
    still: Figure | Sequence[Figure] | None = None,
    choice: str = "show",
) -> Hover:
    """A Plotly figure worth hovering, zooming or turning, in the page's own colours.

    The output holds the figure's data alone; plotly.js comes once per site from the site itself,
    or from its CDN where there is no site (JupyterLab, Colab). Numbers keep ``digits`` significant
    digits, so that the saved output is small and the same on every machine::

        import plotly.graph_objects as go

        fig = go.Figure(go.Scatter(x=steps, y=score, name="DROCO"))
        hover(fig, "Score over training steps")

    Args:
        figure: a ``plotly.graph_objects.Figure``, or several by name, of which the reader chooses
            one. Paper and plot backgrounds are made transparent.
        label: what the figure shows, for a reader who does not see it; its id comes from it, so
            no two figures of a chapter may share one.
        height: CSS pixels, where the figure's own layout states none.
        digits: significant digits kept of each number.
        still: the same as a Matplotlib figure, or several side by side, for readers without
            scripts, and until plotly.js has been loaded. It is closed.
        choice: what is chosen, where there are several figures.

    Raises:
        TypeError: a figure is none of Plotly's.
    """
    from plotly.offline import get_plotlyjs_version

    several = figure if isinstance(figure, Mapping) else {"": figure}
    if not several:
        raise TypeError("hover: needs a plotly Figure, got none")
    made = [_significant(_plain(_styled(each, height)), digits) for each in several.values()]
    name = "hover-" + hashlib.sha1(label.encode()).hexdigest()[:10]
    data = json.dumps(made, separators=(",", ":")).replace("</", "<\\/")
    script = _PLOTLY.format(name=name, figures=data, version=get_plotlyjs_version())
    options = "".join(f"<option>{html.escape(each)}</option>" for each in several)
    select = _CHOICE.format(name=html.escape(choice), options=options) if len(several) > 1 else ""
    picture, png = _still(still, label)
    markup = (
        f'<div class="droco-figure droco-plotly" id="{name}" role="figure" '
        f'aria-label="{html.escape(label, quote=True)}" style="width:100%">{select}'
        f'<div class="droco-plot" hidden></div>\n<div class="droco-still">{picture}</div></div>\n'
        f"<script>{script}</script>"
    )
    return Hover(markup, label, png)


def _styled(figure: Any, height: int) -> dict[str, Any]:
    """The figure as JSON, in the page's colours."""
    import plotly.graph_objects as go

    if not isinstance(figure, go.Figure):
        raise TypeError(f"hover: needs a plotly Figure, got {type(figure).__name__}")
    own = go.Figure(figure).layout
    figure = go.Figure(figure)
    margin = {"l": 56, "r": 16, "t": 40 if own.title.text else 16, "b": 48}
    figure.update_layout(
        template="none",
        height=own.height or height,
        margin=margin | own.margin.to_plotly_json(),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "inherit", "size": 13, "color": "#808890"},
        colorway=[color["color"] for color in STYLE["axes.prop_cycle"]],
        dragmode=False,  # a finger scrolls the page
        uirevision="keep",  # what the legend shows outlives another choice
    )
    figure.update_layout(legend_bgcolor="rgba(0,0,0,0)")
    figure.update_xaxes(gridcolor="rgba(128,136,144,.25)", zerolinecolor="rgba(128,136,144,.5)")
    figure.update_yaxes(gridcolor="rgba(128,136,144,.25)", zerolinecolor="rgba(128,136,144,.5)")
    return figure.to_plotly_json()


def _still(figures: Figure | Sequence[Figure] | None, label: str) -> tuple[str, bytes | None]:
    """Markup and PNG of the still picture."""
    if figures is None:
        return "", None
    figures = [figures] if isinstance(figures, Figure) else list(figures)
    try:
        with plt.rc_context(dict(STYLE)):  # type: ignore[arg-type]
            return as_row(figures, label), as_png(figures)
    finally:
        for fig in figures:
            plt.close(fig)


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
