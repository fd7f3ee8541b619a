"""The colour table of the book: one colour, one meaning, in every figure.

A name in :data:`MEANINGS` says what may be drawn in its colour. Tell two lines of one meaning apart
by their dashes and by the name written at their end, not by a second colour. Each colour has a
contrast of at least 3:1 against the white and against the dark page (#121212).
"""

from collections.abc import Mapping

#: Ink of axes and text. In an SVG it becomes ``currentColor``, the page's own text colour.
INK = "#1b1f24"

#: Name -> (colour as ``#rrggbb``, what it stands for).  A method's name is written as its meaning.
_TABLE: Mapping[str, tuple[str, str]] = {
    "ink": (
        INK,
        "axes, text, the nominal distribution P, the truth that an estimate is compared with",
    ),
    "muted": (
        "#7d8590",
        "whatever stands back: a baseline, a bound, a second reading of the same picture",
    ),
    "value": ("#b7791f", "a value function, or the value a learner promises itself"),
    "worst": (
        "#c53030",
        "what the adversary does inside a ball: a worst case and the mass it moves",
    ),
    "source": ("#8b5cf6", "the source world, its data, its policy"),
    "target": ("#0e8f6e", "the target world, its data, its policy"),
    "deployed": ("#d6336c", "the deployed world, and returns in it"),
    "cloning": ("#857c70", "behaviour cloning"),
    "droco": ("#2a7de1", "DROCO, and the robust cross-domain operator it is made of"),
    "iql": ("#d55e00", "IQL"),
    "cql": ("#4d8f2c", "CQL"),
    "bosa": ("#a17a00", "BOSA"),
    "dara": ("#a34fd0", "DARA"),
    "igdf": ("#0b8fa8", "IGDF"),
    "otdf": ("#d6449c", "OTDF"),
    "micro": ("#8a6d3b", "MICRO"),
}

#: The colours themselves, as ``#rrggbb``.
COLORS: Mapping[str, str] = {name: color for name, (color, _) in _TABLE.items()}
#: What each colour stands for, by name.
MEANINGS: Mapping[str, str] = {name: meaning for name, (_, meaning) in _TABLE.items()}

#: Names as figures write them, and the entry of the table whose colour they must have.
WRITTEN: Mapping[str, str] = {
    "source": "source",
    "source policy": "source",
    "target": "target",
    "target policy": "target",
    "deployed": "deployed",
    "promised": "value",
    "TV": "worst",
    "KL": "worst",
    "W₁": "worst",
    "W∞": "worst",
    "DROCO": "droco",
    "IQL*": "iql",
    **{meaning: name for name, meaning in MEANINGS.items() if meaning == name.upper()},
}
