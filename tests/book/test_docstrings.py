"""Formulas in docstrings reach the API page as written."""

import pytest

from book.docstrings import escape


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("sup |Q - Q*| <= gamma", r"sup \|Q - Q\*\| <= gamma"),
        ("name x_ and x_1", r"name x\_ and x_1"),
        ("a ``|b|`` and `c*`", "a ``|b|`` and `c*`"),
        ("* a bullet with a*b", r"* a bullet with a\*b"),
        (":class:`A` * 2", r":class:`A` \* 2"),
    ],
)
def test_escape(written, read):
    assert escape([written]) == [read]


def test_code_blocks_stay():
    lines = ["Use::", "", "    a * b | c", "", "then a * b"]
    assert escape(lines) == [*lines[:4], r"then a \* b"]


def test_blocks_of_another_language_stay():
    lines = [".. code-block:: yaml", "", "    label: IQL*", "", "then a * b"]
    assert escape(lines) == [*lines[:4], r"then a \* b"]
