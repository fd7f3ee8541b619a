"""Plotly figures to hover, zoom or turn, in the built page, in JupyterLab and on Colab."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from droco_lite.figures.style import STYLE

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
