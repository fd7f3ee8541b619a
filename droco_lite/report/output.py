"""Every table and figure of the results chapters as files, and whether the chapters match them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from droco_lite.figures.svg import svg
from droco_lite.files import write_text
from droco_lite.report.figures import FIGURES, draw_all
from droco_lite.report.printing import SHOWN, TABLES, text
from droco_lite.report.results import (
    Results,
    read_all,
    read_evidence,
    read_long,
    read_longer,
    read_short,
    read_study,
)


def studies(folder: str | Path | None = None) -> Iterator[tuple[str, list[Results]]]:
    """A suffix of file names, and the results that these files are made of.

    Args:
        folder: one folder of tables; by default all that are committed.
    """
    if folder is not None:
        yield "", read_all(folder)
        return
    every = {"": read_short, "-long": read_long, "-study": read_study, "-100k": read_longer}
    for suffix, read in every.items():
        if results := read():
            yield suffix, results


def write(out: str | Path, folder: str | Path | None = None) -> list[Path]:
    """Make every table (``.txt``) and figure (``.svg``) of the results.

    Returns:
        The paths.
    """
    out, written = Path(out), []
    for suffix, results in studies(folder):
        for name in TABLES:
            content = text(name, results) + "\n"
            written.append(write_text(out / f"{name}{suffix}.txt", content))
        for name in FIGURES:
            for which, fig in draw_all(name, results):
                written.append(write_text(out / f"{name}{suffix}{which}.svg", svg(fig)))
    return written


def check(book: str | Path, folder: str | Path | None = None) -> list[str]:
    """What the committed chapters show otherwise than the results say; empty if nothing.

    Args:
        book: the folder of the chapters' notebooks.
        folder: the tables that the chapters speak of; by default what ``read_evidence`` chooses.
    """
    results = read_evidence() if folder is None else read_all(folder)
    chapters = dict.fromkeys(chapter for shown in SHOWN.values() for chapter in shown)
    shown = {chapter: _shown(Path(book) / f"{chapter}.ipynb") for chapter in chapters}
    wrong = [f"{name}.ipynb: the chapter is missing" for name in chapters if shown[name] is None]
    for name, where in SHOWN.items():
        content = text(name, results)
        wrong += [
            f"{chapter}.ipynb: the table {name!r} is not what the results give now; run "
            f"`make chapter NAME={chapter}`"
            for chapter in where
            if (there := shown[chapter]) is not None and content not in there
        ]
    return wrong


def _shown(path: Path) -> str | None:
    """Everything that a notebook's cells printed or showed as Markdown."""
    if not path.is_file():
        return None
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs: Iterable[dict] = (o for c in notebook["cells"] for o in c.get("outputs", []))
    texts = (o.get("text") or o.get("data", {}).get("text/markdown") or "" for o in outputs)
    return "\n".join("".join(text) for text in texts)
