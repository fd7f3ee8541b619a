"""Folded sections: a heading after a line ``{.folded}`` opens and closes all that stands under it.

    {.folded}
    ## The tables in full

A page then shows its claim, its figure and its answer, and the rest stands one click away, cells of
code and their outputs included.  The heading stays a heading, so the contents beside the page,
links and the search find it; ``book.js`` opens a fold that an address leads into.  Notebooks made
for Colab and JupyterLab hold the same sections, collapsed (:func:`sections`).
"""

from __future__ import annotations

import re

import nbformat
from docutils import nodes

OPEN, CLOSE = '<details class="droco-fold"><summary>', "</details>"
CLASS = "folded"


def fold(section: nodes.section) -> None:
    """Put the section's heading into a summary, and what follows into its details.

    Raises:
        ValueError: the section has no heading, so that nothing would say what is folded.
    """
    at = section.first_child_matching_class(nodes.title)
    if at is None:
        raise ValueError("a folded section needs a heading")
    title = section[at]
    raw = [nodes.raw("", html, format="html") for html in (OPEN, "</summary>", CLOSE)]
    section[at : at + 1] = [raw[0], title, raw[1]]
    section.append(raw[2])


def fold_all(_app, doctree: nodes.document, _page: str) -> None:
    """Every section of the page that asks for it, inner ones first."""
    asked = [s for s in doctree.findall(nodes.section) if CLASS in s["classes"]]
    for section in reversed(asked):
        fold(section)


def sections(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cell; a Markdown cell with one part for each heading below the title.

    JupyterLab and Colab collapse a section from a cell that begins with its heading to the next
    such cell.  Where the page folds the section, both are told to.
    """
    cell = nbformat.from_dict(cell)
    if cell.cell_type != "markdown":
        return [cell]
    parts, fence = [[]], ""
    for line in cell.source.splitlines():
        opening = re.match(r" *(`{3,}|:{3,})", line)
        if opening and not fence:
            fence = opening[1]
        elif opening and line.strip() == fence:
            fence = ""
        begins = re.match(r"#{2,3} ", line) and not fence
        if begins:
            lead = parts[-1]
            moved = [lead.pop()] if lead and re.fullmatch(r"\{\.folded\}", lead[-1]) else []
            while lead and re.fullmatch(r"\([\w:-]+\)=", lead[-1]):
                moved.insert(0, lead.pop())
            parts.append(moved)
        parts[-1].append(line)
    made = []
    for number, lines in enumerate(part for part in parts if any(part)):
        part = nbformat.from_dict(cell)
        part.id = cell.id if not number else f"{cell.id}-{number}"
        folded = "{.folded}" in lines
        part.source = "\n".join(line for line in lines if line != "{.folded}")
        if folded:
            part.metadata["jp-MarkdownHeadingCollapsed"] = True
            part.metadata["id"] = part.id
        made.append(part)
    return made


def setup(app) -> dict[str, bool]:
    app.connect("doctree-resolved", fold_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
