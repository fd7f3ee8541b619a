"""What the tests of CONTRIBUTING.md's recipes share: their text, and a copy of the house to try it.

A recipe shows its edits as a diff. Each hunk begins with ``@@`` and holds lines to find (`` `` and
``-``) and lines to put there (`` `` and ``+``); a hunk has to fit one place of its file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = ROOT / "CONTRIBUTING.md"


def block(heading: str, language: str = "python") -> str:
    """The first block of code under a heading."""
    if not TEXT.exists():
        pytest.skip("no checkout")
    parts = re.split(r"^#+ ", TEXT.read_text(encoding="utf-8"), flags=re.M)
    (section,) = [text for text in parts if text.startswith(f"{heading}\n")]
    return re.search(rf"^```{language}\n(.*?)^```", section, re.S | re.M)[1]


def hunks(diff: str) -> dict[str, list[tuple[str, str]]]:
    """File -> (text to find, text to put there) of each of its hunks."""
    found: dict[str, list[tuple[str, str]]] = {}
    for part in re.split(r"^\+\+\+ ", diff, flags=re.M)[1:]:
        name, *pieces = re.split(r"^@@\n", part, flags=re.M)
        for piece in pieces:
            lines = piece.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -")
            new = "".join(line[1:] for line in lines if line[0] in " +")
            found.setdefault(name.strip(), []).append((old, new))
    return found


def apply(diff: str, folder: Path) -> None:
    """Edit the files below ``folder`` as the diff says."""
    for name, changes in hunks(diff).items():
        text = (folder / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, f"{name}: {text.count(old)} places are as the recipe says"
            text = text.replace(old, new)
        (folder / name).write_text(text, encoding="utf-8")


def copy(to: Path) -> None:
    """A checkout in which a recipe's edits can be made: text is copied, all else is linked."""

    def place(source: str, destination: str) -> None:
        if source.endswith((".py", ".md", ".pyi")):
            shutil.copyfile(source, destination)
        else:
            os.symlink(source, destination)

    for entry in ROOT.iterdir():
        if entry.name in ("droco_lite", "tests", "book"):
            ignored = shutil.ignore_patterns("__pycache__", "vendor")
            shutil.copytree(entry, to / entry.name, copy_function=place, ignore=ignored)
        elif entry.is_file() or entry.name in ("results", "benchmarks", "lab"):
            (to / entry.name).symlink_to(entry)


def run(folder: Path, *words: str, **environment: str) -> str:
    """What ``python WORDS`` prints in a copy of the house, whose package comes first.

    Raises:
        AssertionError: it failed; the message is what it printed.
    """
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(folder), "MUJOCO_GL": "off"} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
