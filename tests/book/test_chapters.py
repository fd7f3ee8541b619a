"""What every chapter owes its reader, whoever wrote it; nbval compares the outputs themselves."""

import re

import pytest
from chapters import (
    DROPDOWN,
    ROOT,
    SOLVED,
    cells,
    controls,
    notebooks,
    pages,
    read,
    solutions,
    source,
    tags,
    views,
)
from chapters import widget_state as state_of

from book.address import setup_cell, stated, version

chapters = pytest.mark.parametrize(
    "path", [p for p in notebooks() if p.stem != "intro"], ids=lambda path: path.stem
)
anything = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)


def text(path) -> str:
    return "\n\n".join(source(cell) for cell in cells(path, "markdown"))


def test_every_page_of_the_contents_exists_once():
    listed = pages()
    assert len(listed) == len(set(listed))
    for page in listed:
        found = [s for s in (".md", ".ipynb") if (ROOT / f"{page}{s}").is_file()]
        assert len(found) == 1, f"{page}: found {found or 'no file'}"


def test_every_notebook_of_the_book_is_in_the_contents():
    written = {path.stem for path in (ROOT / "book").glob("*.ipynb")}
    assert written == {path.stem for path in notebooks()}


@anything
def test_it_ran_from_top_to_bottom(path):
    code = [cell for cell in cells(path, "code") if source(cell).strip()]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))


@anything
def test_no_output_is_an_error_or_a_warning(path):
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                assert "raises-exception" in tags(cell), output["evalue"]
            assert output.get("name") != "stderr", "".join(output.get("text", ""))


@anything
def test_outputs_name_no_place_on_one_machine(path):
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            shown = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            shown += str(output.get("traceback", ""))
            found = re.search(r"/(root|home|tmp|work|Users)/\S+", shown)
            assert not found, found[0]


@anything
def test_each_slider_was_saved_with_its_pictures(path):
    state = state_of(path)
    for view in views(path):
        assert view in state, "run the chapter with `make chapter NAME=...` to save its widgets"
    if "explore(" in "".join(source(cell) for cell in cells(path, "code")):
        assert views(path)


@anything
def test_each_figure_to_hover_has_an_id_of_its_own(path):
    """Else the second one is drawn in the first one's place."""
    outputs = [out for cell in cells(path, "code") for out in cell["outputs"]]
    markup = ["".join(out.get("data", {}).get("text/html", "")) for out in outputs]
    ids = [found for text in markup for found in re.findall(r'id="(hover-\w+)"', text)]
    assert len(ids) == len(set(ids))


@anything
def test_slider_labels_are_plain_text(path):
    for _kind, label in controls(path):
        assert label and not re.search(r"[$\\]", label), label


@anything
def test_names_stand_in_a_drop_down_and_numbers_on_a_slider(path):
    """A slider of names would hide them, and say that they have an order."""
    for model in state_of(path).values():
        shown = model["state"].get("_options_labels", ())
        number = [bool(re.search(r"\d|∞|none", label)) for label in shown]
        if shown and not any(number):
            assert model["model_name"] == DROPDOWN, shown


def said(code: str) -> list[str]:
    """Lines without blank ones: a formatter puts one after imports."""
    return [line for line in code.splitlines() if line.strip()]


@anything
def test_the_setup_cell_comes_first_and_hides(path):
    first = cells(path, "code")[0]
    assert said(source(first)) == said(setup_cell(stated(), version()))
    assert "remove-cell" in tags(first)


@anything
def test_the_notebook_is_in_the_format_that_all_tools_read(path):
    notebook = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(names) == len(set(names))


@anything
def test_the_first_cell_is_the_title(path):
    first = read(path)["cells"][0]
    assert first["cell_type"] == "markdown"
    assert re.match(r"(\([\w-]+\)=\n)?# \S", source(first))


@chapters
def test_objectives_come_first_and_a_summary_and_references_last(path):
    written = text(path)
    opening = "\n".join(source(cell) for cell in cells(path, "markdown")[:3])
    assert re.search(r"(?i)objectives|you will|after this chapter", opening)
    assert re.search(r"(?mi)^#+ .*summary", written)
    assert re.search(r"\{cite(:\w)?\}`", written)
    assert re.search(r"(?mi)^#+ .*(references|further reading)", written)


@chapters
def test_there_are_exercises_and_their_solutions_are_folded(path):
    written = text(path)
    exercises = re.findall(r"\{exercise(?:-start)?\}", written)
    solutions = re.findall(r"\{solution(?:-start)?\}[^\n]*\n((?::[\w-]+:[^\n]*\n)*)", written)
    assert len(exercises) >= 2
    assert len(solutions) == len(exercises)
    for options in solutions:
        assert re.search(r":class:.*dropdown", options), "a solution stands open"


@chapters
def test_a_question_comes_before_each_slider(path):
    asked = False
    for cell in read(path)["cells"]:
        if cell["cell_type"] == "markdown":
            asked = asked or "?" in source(cell)
        elif re.search(r"\bexplore\(\s*\w+\s*,", source(cell)) and "=" in source(cell):
            assert asked, f"no question before:\n{source(cell)}"
            asked = False


#: Columns of code that fit beside the contents at a width of 1280 pixels, and within a solution.
COLUMNS, IN_A_SOLUTION = 88, 80


@anything
def test_no_line_of_code_runs_off_the_page(path):
    hidden = {"remove-cell", "remove-input"}
    code = [source(cell) for cell in cells(path, "code") if not hidden & set(tags(cell))]
    code += re.findall(r"(?ms)^```\w+\n(.*?)^```$", text(path))
    wide = [line for block in code for line in block.splitlines() if len(line) > COLUMNS]
    if path.stem in SOLVED:
        solved = "\n".join(solutions(path)).splitlines()
        wide += [line for line in solved if len(line) > IN_A_SOLUTION]
    assert not wide
