"""How long a page takes to read, counted in one way for all pages.

Minutes = words / 200 + lines of code / 20 + 1 for each picture with sliders and each live lab.
Words are those that stand open: titles, prose, questions and exercises, with a formula in a line
as one word.  Left out are displayed equations, folded sections and blocks, solutions, references,
folded code and imports.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from chapters import cells, controls, read, source, tags

WORDS_A_MINUTE, LINES_A_MINUTE = 200, 20
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
IMPORT = re.compile(r"(?m)^(from \S+ import \([^)]*\)|from \S+ import .*|import .*)$")


class Reading(NamedTuple):
    """What a page asks of its reader."""

    words: int
    lines: int
    pictures: int  # with sliders, or a live lab
    sliders: int  # and drop-downs
    exercises: int

    @property
    def minutes(self) -> float:
        return self.words / WORDS_A_MINUTE + self.lines / LINES_A_MINUTE + self.pictures


def reading(path: Path) -> Reading:
    written, code = [], []
    inside = False  # in a solution of several cells
    folded = 0  # the level of the folded section that goes on
    draws = []
    for cell in read(path)["cells"]:
        text = source(cell)
        if cell["cell_type"] == "markdown":
            text, folded = without_folded_sections(text, folded)
            text, inside = without_long_solutions(text, inside)
            written.append(text)
            continue
        if not folded:
            draws.append(text)
        if not inside and not folded and not FOLDED & set(tags(cell)):
            code.append(IMPORT.sub("", text))
    everything = "\n".join(source(cell) for cell in cells(path, "markdown"))
    return Reading(
        words=len(re.findall(r"\w[^\s]*", open_text("\n\n".join(written)))),
        lines=sum(bool(line.strip()) for text in code for line in text.splitlines()),
        pictures=sum(bool(re.search(r"(?m)^explore\(\s*\w+\s*,", text)) for text in draws)
        + "\n".join(written).count("{live-lab}"),
        sliders=len(controls(path)),
        exercises=len(re.findall(r"\{exercise(?:-start)?\}", everything)),
    )


def without_folded_sections(text: str, folded: int = 0) -> tuple[str, int]:
    """The text outside of folded sections, and the level of the one that goes on, or 0."""
    kept = []
    for part in re.split(
        r"(?m)^(?=\{\.folded\}\n#|#{2,3} (?<!^\{\.folded\}\n## )(?<!^\{\.folded\}\n### ))", text
    ):
        heading = re.match(r"(\{\.folded\}\n)?(#{2,3}) ", part)
        if heading and (not folded or len(heading[2]) <= folded):
            folded = len(heading[2]) if heading[1] else 0
        if not folded:
            kept.append(part)
    return "".join(kept), folded


def without_long_solutions(text: str, inside: bool) -> tuple[str, bool]:
    """The text outside of solution-start and solution-end, and whether a solution goes on."""
    kept = []
    for part in re.split(r"(?m)^`{3}\{(solution-start|solution-end)\}", text):
        if part in ("solution-start", "solution-end"):
            inside = part == "solution-start"
        elif not inside:
            kept.append(part)
    return "\n".join(kept), inside


def open_text(markdown: str) -> str:
    """What of it stands open on the page and is read in a row."""
    text = re.sub(r"(?ms)^## References.*?(?=^## |\Z)", "", markdown)
    text = re.sub(r"(?ms)^(:{3,}|`{3,})\{solution\}.*?^\1$", "", text)
    text = re.sub(r"(?ms)^(:{3,}|`{3,})\{(dropdown|toggle)\}.*?^\1$", "", text)
    text = re.sub(
        r"(?ms)^(:{3,}|`{3,})\{[\w:-]+\}[^\n]*\n(:[\w-]+:[^\n]*\n)*:class: [^\n]*dropdown.*?^\1$",
        "",
        text,
    )
    text = re.sub(r"(?s)\$\$.*?\$\$( *\([\w-]+\))?", "", text)
    text = re.sub(r"\$[^$]+\$", "x", text)
    return re.sub(r"(?m)^(:{3,}.*|`{3,}.*|:[\w-]+:.*|\([\w-]+\)=)$", "", text)
