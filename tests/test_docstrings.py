"""Docstrings speak one dialect, Google's, and begin with a summary on one line."""

import ast
import re

import pytest

from tests.test_rooms import PACKAGE, sources

#: A heading of NumPy's dialect: a word with a line of dashes under it.
NUMPY_HEADING = re.compile(r"^[ \t]*\w[\w ]*\n[ \t]*-{3,}[ \t]*$", re.M)
#: Google's headings; a name with a space before its colon is NumPy's way.
SECTION = re.compile(r"^(Args|Attributes|Raises):\n((?:    .*\n?|\n(?=    ))+)", re.M)
ENTRY = re.compile(r"^    (?! )(.*)$", re.M)

NAMES = [path.relative_to(PACKAGE).as_posix() for path in sources()]


def docstrings(name: str) -> list[tuple[str, str]]:
    """Of the file itself and of every class and function in it, with its name."""
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    found = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    said = [(getattr(node, "name", "the file"), ast.get_docstring(node)) for node in found]
    return [(name, text) for name, text in said if text]


def faults(text: str) -> list[str]:
    """What keeps a docstring from being of the dialect."""
    found = []
    if NUMPY_HEADING.search(text):
        found.append("a heading of NumPy's dialect; write Args:, Returns: or Raises:")
    if "\n" in text.split("\n\n")[0]:
        found.append("a summary over several lines; say it in one, and the rest after a blank line")
    for heading, body in SECTION.findall(text):
        for entry in ENTRY.findall(body):
            if not re.match(r"[\w.*, ]*[\w*](?: \([^)]*\))?: ", entry):
                found.append(f"{heading}: {entry!r} is not `name: text`")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_docstrings_are_of_one_dialect(name):
    wrong = [(of, found) for of, text in docstrings(name) if (found := faults(text))]
    assert not wrong


@pytest.mark.parametrize(
    "text",
    [
        "Sum.\n\nParameters\n----------\nx : a number.",
        "Sum of two\nnumbers.",
        "Sum.\n\nArgs:\n    x : a number.",
    ],
)
def test_other_dialects_are_found(text):
    assert faults(text)
