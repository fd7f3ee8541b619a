"""The colour table of the book: one colour, one meaning, in every figure.

A name in :data:`MEANINGS` says what may be drawn in its colour. Tell two lines of one meaning apart
by their dashes and by the name written at their end, not by a second colour. Each colour has a
contrast of at least 3:1 against the white and against the dark page (#121212).
"""

from collections.abc import Mapping

#: Ink of axes and text. In an SVG it becomes ``currentColor``, the page's own text colour.
INK = "#1b1f24"

#: What each colour stands for, by name.
MEANINGS: Mapping[str, str] = {
    "ink": "axes, text, the nominal distribution P, the truth that an estimate is compared with",
    "muted": "whatever stands back: a baseline, a bound, a second reading of the same picture",
    "value": "a value function, or the value a learner promises itself",
    "worst": "what the adversary does inside a ball: a worst case and the mass it moves",
    "source": "the source world, its data, its policy",
    "target": "the target world, its data, its policy",
    "deployed": "the deployed world, and returns in it",
    "cloning": "behaviour cloning",
    "droco": "DROCO, and the robust cross-domain operator it is made of",
    "iql": "IQL",
    "cql": "CQL",
    "bosa": "BOSA",
    "dara": "DARA",
    "igdf": "IGDF",
    "otdf": "OTDF",
    "micro": "MICRO",
}

#: The colours themselves, as ``#rrggbb``.
COLORS: Mapping[str, str] = {
    "ink": INK,
    "muted": "#7d8590",
    "value": "#b7791f",
    "worst": "#c53030",
    "source": "#8b5cf6",
    "target": "#0e8f6e",
    "deployed": "#d6336c",
    "cloning": "#857c70",
    "droco": "#2a7de1",
    "iql": "#d55e00",
    "cql": "#4d8f2c",
    "bosa": "#a17a00",
    "dara": "#a34fd0",
    "igdf": "#0b8fa8",
    "otdf": "#d6449c",
    "micro": "#8a6d3b",
}

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
    "IQL": "iql",
    "IQL*": "iql",
    "CQL": "cql",
    "BOSA": "bosa",
    "DARA": "dara",
    "IGDF": "igdf",
    "OTDF": "otdf",
    "MICRO": "micro",
}
