"""Folded sections: what a page shows of them, and what is refused."""

import pytest
from docutils import nodes

from book.folds import CLASS, fold, fold_all


def section(title: str, *children: nodes.Node, folded: bool = True) -> nodes.section:
    made = nodes.section("", nodes.title(text=title), *children, ids=[title.lower()])
    made["classes"] += [CLASS] * folded
    return made


def kinds(node: nodes.Element) -> list[str]:
    return [child.astext() if isinstance(child, nodes.raw) else child.tagname for child in node]


def test_the_heading_becomes_the_handle_and_the_rest_its_content():
    one = section("One", nodes.paragraph(text="a"), nodes.paragraph(text="b"))
    fold(one)
    opened, title, closed, *content, end = kinds(one)
    assert opened.startswith("<details") and opened.endswith("<summary>")
    assert (title, closed, end) == ("title", "</summary>", "</details>")
    assert content == ["paragraph", "paragraph"]


def test_only_sections_that_ask_are_folded_inner_ones_too():
    inner = section("Inner")
    outer = section("Outer", inner)
    plain = section("Plain", nodes.paragraph(text="a"), folded=False)
    page = nodes.section("", outer, plain)
    fold_all(None, page, "page")
    assert kinds(plain) == ["title", "paragraph"]
    assert kinds(outer)[3] == "section" and "</details>" in kinds(inner)


def test_a_fold_without_a_heading_is_refused():
    with pytest.raises(ValueError, match="needs a heading"):
        fold(nodes.section("", nodes.paragraph(text="a")))
