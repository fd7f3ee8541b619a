"""Formulas as plain text, for descriptions of pages, where nothing typesets them.

What the book writes in its first paragraphs, not all of LaTeX: Greek letters, relations, accents,
fractions and named operators. A command that is not known leaves its name.
"""

from __future__ import annotations

import re
import unicodedata

SIGNS = {
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "sim": "~",
    "propto": "∝", "in": "∈", "to": "→", "mapsto": "↦", "mid": "|", "cdot": "·", "times": "×",
    "pm": "±", "infty": "∞", "dots": "…", "ldots": "…", "cdots": "…", "sum": "∑", "prod": "∏",
    "lVert": "‖", "rVert": "‖", "|": "‖", "lvert": "|", "rvert": "|", "langle": "⟨",
    "rangle": "⟩", "cup": "∪", "cap": "∩", "wedge": "∧", "top": "⊤", "square": "□", "nabla": "∇",
    "partial": "∂", "leftarrow": "←", "{": "{", "}": "}", "%": "%", "_": "_",
}  # fmt: skip
#: Commands that change how their argument looks, or how large a bracket is.
LOOKS = (
    "text", "mathrm", "mathbf", "mathcal", "mathbb", "operatorname", "hat", "bar", "tilde", "vec",
    "underline", "overline", "boldsymbol", "left", "right", "big", "Big", "bigl", "bigr", "Bigl",
    "Bigr", "displaystyle", "textstyle", "limits", "nolimits",
)  # fmt: skip
SPACES = (",", ";", ":", " ", "quad", "qquad")
_SMALL = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_GREEK = {"lambda": "LAMDA", "Lambda": "LAMDA"}  # as Unicode spells them
_PART = r"(\{[^{}]*\}|[^\\{}\s])"


def plain_math(tex: str) -> str:
    r"""The formula as plain text: ``r + \gamma \min_i V`` is ``r + γ min_i V``.

    Args:
        tex: LaTeX, without the dollars around it.
    """
    text = re.sub(r"\\[{}]", lambda found: {"\\{": "\0", "\\}": "\1"}[found[0]], tex)
    text = re.sub(rf"\\[dt]?frac\s*{_PART}\s*{_PART}", _fraction, text)
    text = re.sub(rf"\\sqrt\s*{_PART}", lambda found: f"√{_bare(found[1], group=True)}", text)
    text = re.sub(r"\\([A-Za-z]+|.)", _command, text)
    text = re.sub(r"\^\{?(\d+)\}?", lambda found: found[1].translate(_SMALL), text)
    text = text.replace("{", "").replace("}", "").replace("\0", "{").replace("\1", "}")
    return re.sub(r"\s+", " ", text).strip()


def _command(found: re.Match) -> str:
    name = found[1]
    if name in SPACES:
        return " "
    if name in LOOKS or name == "!":
        return ""
    return SIGNS.get(name) or _greek(name) or name


def _greek(name: str) -> str:
    """The letter of that name, or nothing."""
    size = "CAPITAL" if name[0].isupper() else "SMALL"
    bare = name.removeprefix("var")
    letter = _GREEK.get(bare, bare.upper())
    try:
        return unicodedata.lookup(f"GREEK {size} LETTER {letter}")
    except KeyError:
        return ""


def _fraction(found: re.Match) -> str:
    return "/".join(_bare(part, group=True) for part in found.groups())


def _bare(part: str, group: bool) -> str:
    """What stands in the braces, in brackets where it has several terms."""
    inner = part.removeprefix("{").removesuffix("}")
    return f"({inner})" if group and re.search(r"[ +\-/]", inner.strip()) else inner
