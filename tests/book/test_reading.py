"""Reading time counts what stands open on a page, and nothing that is folded."""

import json

import pytest
from reading import open_text, reading, without_folded_sections

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


def test_a_folded_section_is_left_out_up_to_the_next_open_one():
    page = "a\n\n{.folded}\n## B\n\nb\n\n### inner\n\nb\n\n"
    assert without_folded_sections(page) == ("a\n\n", 2)
    assert without_folded_sections("b\n\n## C\n\nc", 2) == ("## C\n\nc", 0)
    assert without_folded_sections("{.folded}\n## D\nd", 2) == ("", 2)


def test_a_folded_part_of_a_section_ends_with_the_next_part_or_section():
    page = "## A\na\n{.folded}\n### B\nb\n### C\nc\n{.folded}\n### D\nd\n## E\ne"
    assert without_folded_sections(page) == ("## A\na\n### C\nc\n## E\ne", 0)


def test_code_in_a_folded_section_is_not_counted(tmp_path):
    def cell(kind, text):
        return {"cell_type": kind, "metadata": {}, "outputs": [], "source": text}

    cells = [cell("markdown", "## A"), cell("code", "x = 1"), cell("markdown", "{.folded}\n## B")]
    page = {"metadata": {}, "cells": [*cells, cell("code", "explore(draw, n=[1, 2])\ny = 2")]}
    path = tmp_path / "folded.ipynb"
    path.write_text(json.dumps(page))
    assert reading(path)[:3] == (1, 1, 0)
