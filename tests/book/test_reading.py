"""Reading time counts what stands open on a page, and nothing that is folded."""

import json

import pytest
from reading import open_text, reading

PROSE = "one two $x + y$ three"
FOLDED = """:::{solution} some-exercise
:class: dropdown

many words that nobody has to read
:::"""


def words(markdown: str) -> int:
    return len([word for word in open_text(markdown).split() if word[0].isalnum()])


def test_a_formula_in_a_line_is_one_word():
    assert words(PROSE) == 4


@pytest.mark.parametrize(
    "folded",
    [
        FOLDED,
        FOLDED.replace(":::", "````"),
        FOLDED.replace("{solution} some-exercise", "{admonition} A side matter"),
        FOLDED.replace("{solution} some-exercise", "{dropdown} A side matter"),
        "$$\nV(s) = r + \\gamma V(t)\n$$ (a-label)",
        "## References\n\nA list of many works.\n",
    ],
)
def test_what_is_folded_or_an_equation_is_not_counted(folded):
    assert words(f"{PROSE}\n\n{folded}\n\n## Next\n\nfour") == words(f"{PROSE}\n\n## Next\n\nfour")


def test_an_open_block_and_an_exercise_are():
    assert words(f"{PROSE}\n\n:::{{exercise}}\n:label: a\n\nfive more words to read\n:::") == 9


def test_minutes_add_up(tmp_path):
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": ""}
    code = "import numpy as np\nfrom a import (\n    b,\n)\n" + "x = 1\n" * 40
    page = {
        "metadata": {},
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": "word " * 400},
            cell | {"source": code},
            cell | {"source": "x = 1\n" * 99, "metadata": {"tags": ["hide-input"]}},
            cell | {"source": "explore(draw, n=[1, 2])", "metadata": {"tags": ["hide-input"]}},
        ],
    }
    path = tmp_path / "page.ipynb"
    path.write_text(json.dumps(page))
    assert reading(path)[:3] == (400, 40, 1)
    assert reading(path).minutes == 2 + 2 + 1
