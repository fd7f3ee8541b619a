"""The glossary's hover text, and the terms that chapters link."""

import re

from chapters import ROOT, cells, notebooks, source
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Parser
from docutils.utils import new_document
from sphinx import addnodes

from book.glossary import meanings

TEXT = (ROOT / "book/glossary.md").read_text(encoding="utf-8")
TERMS = set(re.findall(r"(?m)^(\S.*)\n  \S", TEXT))


def test_terms_are_in_order_and_defined_once():
    terms = re.findall(r"(?m)^(\S.*)\n  \S", TEXT)
    assert len(terms) == len(set(terms)) > 30
    assert terms == sorted(terms, key=str.lower)


def test_chapters_link_terms_that_exist():
    linked = set()
    for path in notebooks():
        for cell in cells(path, "markdown"):
            for inside in re.findall(r"\{term\}`([^`]+)`", source(cell)):
                linked.add(re.sub(r".*<(.*)>", r"\1", inside, flags=re.S))
    assert len(linked) >= 10
    assert linked <= TERMS


def test_the_text_of_a_term_is_read_from_its_definition():
    document = new_document("x", get_default_settings(Parser))
    glossary = addnodes.glossary()
    from docutils import nodes

    term = nodes.term("", "ball", ids=["term-ball"])
    body = nodes.definition("", nodes.paragraph("", "All  within\na radius."))
    glossary += nodes.definition_list("", nodes.definition_list_item("", term, body))
    document += glossary
    assert meanings(document) == {"term-ball": "All within a radius."}
