"""Matplotlib figures and images as slim markup that reads on light and dark pages."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import itertools
import re
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from droco_lite.figures.colors import INK
from droco_lite.figures.style import STYLE

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"
_pictures = itertools.count()


def svg(fig: Figure, label: str = "") -> str:
    """The figure as a slim inline SVG, for light and dark pages.

    Ink becomes ``currentColor``, the background is left out, text takes the page's font,
    coordinates keep one decimal, and ids are unlike those of any other picture in the page.

    Args:
        fig: a Matplotlib figure. It is left open.
        label: what a screen reader says; by default titles and axis labels.
    """
    source = _written(fig)
    root = ET.fromstring(source)
    named = set(re.findall(r'(?:href="#|url\(#)([^")]+)', source))
    mark = hashlib.sha1(source.encode()).hexdigest()[:5] + f"{next(_pictures):x}"
    names = {name: f"{mark}{i:x}" for i, name in enumerate(sorted(named))}
    body = "".join(_slim(child, names, inside_defs=False) for child in root)
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    label = html.escape(label or describe(fig), quote=True)
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_number(width)} {_number(height)}" '
        f'style="display:block;width:100%;max-width:{_widest(width * 4 / 3):.0f}px;height:auto" '
        'fill="currentColor" font-family="inherit" stroke-linejoin="round">'
        f"{body}</svg>"
    )


def _written(fig: Figure) -> str:
    """What ``fig.savefig(..., format="svg", transparent=True)`` writes, drawn once.

    ``savefig`` draws a figure with a layout twice, the first time for the layout alone, which a
    draw makes itself.
    """
    buffer, nothing = io.StringIO(), dict.fromkeys(("Creator", "Date", "Format", "Type"))
    canvas, dpi = fig.canvas, fig.dpi
    patches = [fig.patch, *(ax.patch for ax in fig.axes)]
    colors = [(patch.get_facecolor(), patch.get_edgecolor()) for patch in patches]
    try:
        for patch in patches:
            patch.set(facecolor="none", edgecolor="none")
        with plt.rc_context(dict(STYLE)):  # type: ignore[arg-type]
            FigureCanvasSVG(fig).print_svg(buffer, metadata=nothing)
    finally:
        fig.set_canvas(canvas)
        fig.dpi = dpi
        for patch, (face, edge) in zip(patches, colors, strict=True):
            patch.set(facecolor=face, edgecolor=edge)
    return buffer.getvalue()


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
        lines = [str(line.get_label()) for line in ax.get_lines()]
        lines = [name for name in lines if not name.startswith("_")]
        if lines:
            parts.append("lines: " + ", ".join(lines))
        if any(parts):
            said.append("; ".join(p for p in parts if p))
    return re.sub(r"[$\\{}]", "", ". ".join(said)) or "Figure"


def picture(image: np.ndarray, label: str, width: int | None = None, quality: int = 80) -> str:
    """An image (a rendered robot) as one HTML element, for ``draw`` to return alone or in a row.

    Args:
        image: uint8 ``[height, width, 3]``.
        label: what it shows, for a reader who does not see it.
        width: shown width in CSS pixels; by default the image's own. It never leaves its column.
        quality: WebP quality; 80 keeps a 320 x 240 robot near 5 KB.

    Raises:
        ValueError: the image is of another type or shape.
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
    found = {key.replace(_XLINK, ""): value for key, value in node.attrib.items()}
    slimmed = {key: _attribute(tag, key, v, names, inside_defs) for key, v in found.items()}
    attributes = {key: value for key, value in slimmed.items() if value}
    formula = tag == "text" and len(node) > 0
    if formula:
        children = _formula(node)
    else:
        children = "".join(_slim(child, names, inside_defs) for child in node)
    text = "" if formula else node.text or ""
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


def _attribute(tag: str, key: str, value: str, names: dict[str, str], inside_defs: bool) -> str:
    """An attribute's slim value; nothing where it can be left out."""
    if key == "id":
        return names.get(value, "")
    if key == "href" and value.startswith("#"):
        return "#" + names[value[1:]]
    if key == "clip-path":
        return re.sub(r"#([^)]+)", lambda found: "#" + names[found[1]], value)
    if key == "d":
        return _path(value, 2 if inside_defs else 1)
    if key == "style":
        # A marker's own style would shut out that of its <use>, which says the same.
        return "" if inside_defs and tag == "path" else _style(value, tag == "tspan")
    if key == "transform":
        return "" if value.startswith("rotate(-0 ") else _round(value, 2)
    if key in ("x", "y", "width", "height"):
        return _place(tag, key, value)
    return value


def _place(tag: str, key: str, value: str) -> str:
    """A coordinate or a size with one decimal; a tspan has one of each letter."""
    if tag == "tspan":
        return _round(value, 1) if key in ("x", "y") else value
    return _number(float(value)) if re.fullmatch(r"-?[\d.]+(e-?\d+)?", value) else value


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
