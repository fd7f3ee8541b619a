"""Sphinx: a glossary term's text when the pointer rests on its link, and the table of colours.

The text is the link's ``title``, written when the site is built, so the page needs no script.
"""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes

from droco_lite.figures.colors import COLORS, MEANINGS

GLOSSARY = "book/glossary"


def meanings(doctree: nodes.document) -> dict[str, str]:
    """Each term's id, and its text on one line."""
    found = {}
    for glossary in doctree.findall(addnodes.glossary):
        for item in glossary.findall(nodes.definition_list_item):
            text = " ".join(n.astext() for n in item.findall(nodes.definition))
            for term in item.findall(nodes.term):
                found.update(dict.fromkeys(term["ids"], " ".join(text.split())))
    return found


def add_titles(app, doctree: nodes.document, docname: str) -> None:
    """Give links to the glossary their text."""
    if GLOSSARY not in app.env.found_docs:
        return
    texts = None
    for link in doctree.findall(nodes.reference):
        place = link.get("refid") or link.get("refuri", "").partition("#")[2]
        if not place.startswith("term-"):
            continue
        texts = texts or meanings(app.env.get_doctree(GLOSSARY))
        if place in texts:
            link["reftitle"] = texts[place]


class ColourTable(Directive):
    """The table of ``droco_lite.figures.colors``, each colour beside its meaning."""

    def run(self) -> list[nodes.Node]:
        rows = "".join(
            f"<tr><td><span style='display:inline-block;width:3em;height:1em;"
            f"background:{'currentColor' if name == 'ink' else COLORS[name]}'></span></td>"
            f"<td><code>{name}</code></td><td>{meaning}</td></tr>"
            for name, meaning in MEANINGS.items()
        )
        head = "<tr><th>colour</th><th>name</th><th>meaning</th></tr>"
        table = f"<table class='table'><thead>{head}</thead><tbody>{rows}</tbody></table>"
        return [nodes.raw("", f"<div class='table-wrapper'>{table}</div>", format="html")]


def setup(app) -> dict[str, bool]:
    app.connect("doctree-resolved", add_titles)
    app.add_directive("colour-table", ColourTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
