"""Docstrings hold formulas in plain text, |Q - Q*|, which the API page must not read as markup."""

from __future__ import annotations

import re

_LITERAL = re.compile(r"(``.*?``|:[\w:]+:`[^`]*`|`[^`]*`_*)")


def escape(lines: list[str]) -> list[str]:
    """The lines with bars, stars and closing underscores as themselves, except in literals.

    Bullets, and blocks after ``::``, stay as they are.
    """
    escaped, literal = [], None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        if literal is None:
            bullet = re.match(r"\s*\* |", line)[0]
            parts = _LITERAL.split(line[len(bullet) :])
            parts[::2] = [re.sub(r"[|*]|(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
            block = line.rstrip().endswith("::") or line.lstrip().startswith(".. code-block::")
            literal = indent if block else None
            line = bullet + "".join(parts)
        escaped.append(line)
    return escaped


def setup(app) -> dict[str, bool]:
    """Sphinx's hook: before napoleon writes markup of its own."""

    def process(_app, _what, _name, _object, _options, lines) -> None:
        lines[:] = escape(lines)

    app.connect("autodoc-process-docstring", process, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
