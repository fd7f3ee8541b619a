"""Every table and figure of the results chapters as files, and whether the chapters match them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from droco_lite.figures.svg import svg
from droco_lite.files import write_text
from droco_lite.report.figures import FIGURES, draw_all
from droco_lite.report.printing import LONG, LONG_FIGURES, TABLES, text
from droco_lite.report.results import Results, read_all, read_long


def studies(folder: str | Path | None = None) -> Iterator[tuple[str, list[Results], dict, tuple]]:
    """What is made of what: a suffix of file names, results, ``{table: chapter}``, figures."""
    chapters = {name: chapter for name, (chapter, _) in TABLES.items()}
    yield "", read_all(folder), chapters, tuple(FIGURES)
    long = read_long() if folder is None else []
    if long:
        yield "-long", long, LONG, LONG_FIGURES


def write(out: str | Path, folder: str | Path | None = None) -> list[Path]:
    """Make every table (``.txt``) and figure (``.svg``) of the results chapters.

    Returns:
        The paths.
    """
    out, written = Path(out), []
    for suffix, results, tables, figures in studies(folder):
        for name in tables:
            content = text(name, results) + "\n"
            written.append(write_text(out / f"{name}{suffix}.txt", content))
        for name in figures:
            for which, fig in draw_all(name, results):
                written.append(write_text(out / f"{name}{suffix}{which}.svg", svg(fig)))
    return written


def check(book: str | Path, folder: str | Path | None = None) -> list[str]:
    """What the committed chapters print otherwise than the results say; empty if nothing.

    Args:
        book: the folder of the chapters' notebooks.
    """
    wrong = []
    shown = {chapter: _shown(Path(book) / f"{chapter}.ipynb") for chapter, _ in TABLES.values()}
    for suffix, results, tables, _ in studies(folder):
        for name, chapter in tables.items():
            if shown[chapter] is None:
                wrong.append(f"{chapter}.ipynb: the chapter is missing")
            elif text(name, results) not in shown[chapter]:
                wrong.append(
                    f"{chapter}.ipynb: the table {name + suffix!r} is not what the results give "
                    f"now; run `make chapter NAME={chapter}`"
                )
    return list(dict.fromkeys(wrong))


def _shown(path: Path) -> str | None:
    """Everything that a notebook's cells printed."""
    if not path.is_file():
        return None
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs: Iterable[dict] = (o for c in notebook["cells"] for o in c.get("outputs", []))
    return "\n".join("".join(o["text"]) for o in outputs if o.get("name") == "stdout")
