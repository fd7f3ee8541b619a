"""Notebooks made for Colab and JupyterLab: plain Markdown, and how they find the package.

``make test`` also runs each of them once, from the wheel, with Colab's pins, in a place of its own
(``rehearsal.py``), and compares what they print.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from chapters import ROOT, THEORY, notebooks, solutions

from book.address import setup_cell, stated, version
from book.colab import NAMES, Chapter, UnknownMarkup, convert, make
from book.live_lab import LAB_ID, split
from book.references import References
from droco_lite.live.export import policies as lab_policies
from tests.book.rehearsal import MOVE_EVERY_SLIDER, add_solutions

ADDRESS = "https://github.com/someone/a-fork"
PAGES = "https://someone.github.io/a-fork/book"


def work(*people: str, **fields: str) -> SimpleNamespace:
    authors = [SimpleNamespace(prelast_names=[], last_names=[name]) for name in people]
    return SimpleNamespace(persons={"author": authors}, fields=fields)


@pytest.fixture
def chapter() -> Chapter:
    references = References(
        equations={"here": ("3", "book/a"), "there": ("7", "book/b")},
        numbered={"t": ("Theorem 2", "book/b"), "ex": ("Exercise 5", "book/a")},
        sections={"s": ("The end", "book/b")},
        terms={"robust": ("term-robust", "book/b")},
        titles={"book/a": "First", "book/b": "Second"},
        works={
            "x": work("Qiao", "Ma", "Hu", title="T", year="2026", eprint="2512.02486"),
            "y": work("Nilim", "El Ghaoui", title="U", year="2005"),
        },
        substitutions={"best": "DROCO"},
        address=ADDRESS,
    )
    return Chapter("book/a", references)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("see {eq}`here`", "see (3)"),
        ("see {eq}`there`", f"see [(7)]({PAGES}/b.html#equation-there)"),
        ("by {prf:ref}`t`", f"by [Theorem 2]({PAGES}/b.html#t)"),
        ("{ref}`s`", f"[“The end”]({PAGES}/b.html#s)"),
        ("{term}`hard <robust>`", f"[hard]({PAGES}/b.html#term-robust)"),
        ("{doc}`b`, {doc}`this <b>`", f"[Second]({PAGES}/b.html), [this]({PAGES}/b.html)"),
        (
            "{cite}`x,y`",
            "([Qiao et al., 2026](https://arxiv.org/abs/2512.02486); Nilim and El Ghaoui, 2005)",
        ),
        ("{cite:t}`y`", "Nilim and El Ghaoui (2005)"),
        ("{class}`~a.b.C`, {py:func}`f`", "`C`, `f`"),
        ("{{ best }} wins", "DROCO wins"),
        ("(label)=\n## Title", "## Title"),
        ("% a comment\ntext", "text"),
        ("So. <!-- page: -->Slide\nit.<!-- elsewhere:\nRun it. -->", "So. Run it."),
        (
            "<!-- page: -->Here<!-- elsewhere: {doc}`b` --> is more",
            f"[Second]({PAGES}/b.html) is more",
        ),
        ("a<!-- page: --> b<!-- elsewhere: -->, c<!-- page: --> d<!-- elsewhere: e -->", "a, ce"),
        ("$$\na\n$$ (here)\nso", "$$\na\n\\tag{3}\n$$\nso"),
        ("```python\nx = {eq}`here`\n```", "```python\nx = {eq}`here`\n```"),
        (":::{admonition} Look\n:class: tip\nat {eq}`here`\n:::", "> **Look**\n>\n> at (3)"),
        ("```{note}\n$$\na\n=b\n$$\n```", "> **Note**\n>\n> $$ a =b $$"),
        ("```{exercise}\n:label: ex\nWhy?\n```", "**Exercise 5.** Why?"),
        (
            "````{solution} ex\n:class: dropdown\n```python\n1\n```\n````",
            "<details><summary>Solution to exercise 5</summary>\n\n```python\n1\n```\n\n</details>",
        ),
    ],
)
def test_markup_becomes_plain(chapter, written, read):
    assert chapter.markdown(written) == read


def test_the_lab_opens_with_what_the_page_asks_for_and_links_to_it(chapter):
    asked = (
        "```{live-lab} walker2d\n:views: race, ghosts\n:policies: droco-1, iql\n"
        ":shift: kinematic-thighjnt-easy\n:robots: hopper, ant\n```"
    )
    told = chapter.markdown(asked)
    assert f"[the built page]({PAGES}/a.html#{LAB_ID})" in told
    tree = ast.parse(re.search(r"```python\n(.*?)```", told, re.S)[1])
    call = tree.body[-1].value
    assert ast.unparse(call.func) == "droco_lite.live"
    assert [ast.literal_eval(given) for given in call.args] == ["walker2d"]
    assert {key.arg: ast.literal_eval(key.value) for key in call.keywords} == {
        "policies": ["droco-1", "iql"], "views": ["race", "ghosts"], "family": "kinematic",
        "variant": "thighjnt", "strength": 0.333,
    }  # fmt: skip
    assert "hopper, ant" in told
    own = chapter.markdown("```{live-lab} own\n:example: crawler.xml\n```")
    assert f"({PAGES}/a.html#{LAB_ID})" in own and "droco_lite.live" not in own


LAB = re.compile(r"^```\{live-lab\} (\w+)\n(.*?)```", re.M | re.S)


def test_every_labs_policies_are_in_the_lab():
    """So the call that a notebook shows is not refused."""
    seen = 0
    for path in notebooks():
        for cell in nbformat.read(path, as_version=4).cells:
            for robot, lines in LAB.findall(cell.source):
                if policies := re.search(r":policies: (.*)", lines):
                    assert set(split(policies[1])) <= set(lab_policies(robot)), path.name
                    seen += 1
    assert seen >= 4


@pytest.mark.parametrize(
    "written",
    [
        "{magic}`x`",
        "{eq}`gone`",
        "```{video} a\n```",
        "{{ gone }}",
        "{cite}`gone`",
        "$$\na\n$$ (gone)",
        "```{note}\nx",
        "<!-- page: -->x",
        "x<!-- elsewhere: y -->",
        "<!-- page: -->x <!-- page: -->y<!-- elsewhere: z -->",
    ],
)
def test_what_has_no_plain_form_is_an_error(chapter, written):
    with pytest.raises(UnknownMarkup):
        chapter.markdown(written)


def test_a_solution_that_spans_cells_folds_in_each(chapter):
    cells = [
        nbformat.v4.new_code_cell("setup"),
        nbformat.v4.new_markdown_cell("```{solution-start} ex\n:class: dropdown\n```\nFirst."),
        nbformat.v4.new_code_cell("1 + 1"),
        nbformat.v4.new_markdown_cell("Then.\n```{solution-end}\n```\nAfter."),
        nbformat.v4.new_code_cell("2"),
    ]
    made = convert(nbformat.v4.new_notebook(cells=cells), "book/a", chapter.references)
    _setup, first, code, last, open_code = made.cells
    assert (
        first.source == "<details><summary>Solution to exercise 5</summary>\n\nFirst.\n\n</details>"
    )
    assert code.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
    assert code.metadata.collapsed and code.metadata.cellView == "form"
    assert last.source.endswith("Then.\n\n</details>\n\nAfter.")
    assert "jupyter" not in open_code.metadata


def test_a_folded_cell_that_writes_a_file_begins_with_what_does_so(chapter):
    cells = [
        nbformat.v4.new_code_cell("setup"),
        nbformat.v4.new_code_cell("%%writefile a.py\n1", metadata={"tags": ["hide-input"]}),
    ]
    made = convert(nbformat.v4.new_notebook(cells=cells), "book/a", chapter.references)
    assert made.cells[1].source == "%%writefile a.py\n1"
    assert made.cells[1].metadata.jupyter == {"source_hidden": True}


@pytest.mark.parametrize(
    ("tag", "hidden"),
    [
        ("hide-input", {"source_hidden"}),
        ("hide-output", {"outputs_hidden"}),
        ("hide-cell", {"source_hidden", "outputs_hidden"}),
        ("near-1", set()),
    ],
)
def test_a_cell_folds_what_the_page_folds(chapter, tag, hidden):
    cells = [nbformat.v4.new_code_cell(code, metadata={"tags": [tag]}) for code in ("setup", "1")]
    made = convert(nbformat.v4.new_notebook(cells=cells), "book/a", chapter.references)
    nbformat.validate(made)
    cell = made.cells[1]
    assert set(cell.metadata.get("jupyter", {})) == hidden
    assert ("cellView" in cell.metadata) == ("source_hidden" in hidden)
    assert cell.metadata.get("collapsed", False) == ("outputs_hidden" in hidden)


def test_a_folded_section_is_collapsed_from_its_heading_on(chapter):
    cells = [
        nbformat.v4.new_code_cell("setup"),
        nbformat.v4.new_markdown_cell(
            "Open.\n\n```sh\n## no heading\n```\n\n(label)=\n{.folded}\n## Details\n\nMore."
        ),
        nbformat.v4.new_code_cell("1"),
        nbformat.v4.new_markdown_cell("And more.\n\n## Open again\n\nText."),
    ]
    made = convert(nbformat.v4.new_notebook(cells=cells), "book/a", chapter.references)
    nbformat.validate(made)
    _setup, before, folded, _code, rest, after = made.cells
    assert before.source == "Open.\n\n```sh\n## no heading\n```"
    assert folded.source == "## Details\n\nMore."
    assert folded.metadata["jp-MarkdownHeadingCollapsed"]
    assert made.metadata.colab.collapsed_sections == [folded.metadata.id]
    assert (rest.source, after.source) == ("And more.", "## Open again\n\nText.")
    assert "jp-MarkdownHeadingCollapsed" not in after.metadata


@pytest.fixture(scope="module")
def made(built_site, tmp_path_factory) -> list[Path]:
    place = os.environ.get("COLAB_PLACE")
    if place:  # make test has made them for the rehearsal, with solutions behind some
        return sorted(Path(place, "chapters").glob("*.ipynb"))
    return make(built_site, tmp_path_factory.mktemp("colab"))


RAW = re.compile(
    r"^\{\.\w+\}$|\{[\w:+-]+\}`|^[`:]{3,}\{|\{\{|^\([\w:-]+\)=|\$\$ *\([\w:-]+\)$", re.M
)


def test_no_raw_role_reaches_a_reader(made):
    assert [path.name for path in made] == sorted(path.name for path in notebooks())
    for path in made:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                text = re.sub(r"^```(?!\{).*?^```", "", cell.source, flags=re.M | re.S)
                assert not (found := RAW.search(text)), f"{path.name}: {found[0]!r} in {text[:300]}"


#: What only the built page can do, in its words.
ON_THE_PAGE = re.compile(r"<!--|this page as it is|the rocket|The page's viewer", re.I)


def test_nothing_is_said_that_is_true_of_the_page_alone(made):
    said = 0
    for path in made:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                assert not (found := ON_THE_PAGE.search(cell.source)), f"{path.name}: {found[0]!r}"
        said += "<!-- page: -->" in (ROOT / f"book/{path.name}").read_text(encoding="utf-8")
    assert said >= 2


def test_the_answer_of_an_exercise_does_not_stand_open_under_it(made):
    """A solution's cells come after its question: nothing of them shows before a click."""
    folded = 0
    for path in made:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and cell.source.startswith("# @title Solution to"):
                assert cell.metadata.jupyter.outputs_hidden and cell.metadata.jupyter.source_hidden
                folded += bool(cell.outputs)
    assert folded >= 3


def test_made_notebooks_ask_for_a_gpu_and_hold_no_widgets(made):
    for path in made:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert notebook.metadata.accelerator == "GPU"
        assert "widgets" not in notebook.metadata
        assert "widget-view" not in path.read_text(encoding="utf-8")


def test_the_set_up_cell_comes_first_and_is_folded(made):
    for path in made:
        first = next(c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
        assert (
            first.source
            == "# @title Set-up: run this first\n" + setup_cell(stated(), version()) + NAMES
        )
        assert first.metadata.cellView == "form"


# The set-up cell ------------------------------------------------------------------------------


@pytest.fixture
def set_up(monkeypatch):
    """Runs the set-up cell where the package is missing; returns what pip was asked for."""

    def run(on_colab: bool, works: str = "nothing", installed: bool = False) -> list[str]:
        asked = []

        def install(command, **_):
            asked.append(command[-1])
            return SimpleNamespace(returncode=int(works not in command[-1]))

        found = [installed]

        def find_spec(name):
            return object() if found[0] or any(works in place for place in asked) else None

        monkeypatch.setattr(subprocess, "run", install)
        monkeypatch.setattr(importlib.util, "find_spec", find_spec)
        if on_colab:
            monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
        try:
            exec(compile(setup_cell(ADDRESS, "0.1.0"), "cell", "exec"), {})
        except ModuleNotFoundError as error:
            asked.append(str(error))
        return asked

    return run


WHEEL = f"{ADDRESS}/releases/download/v0.1.0/droco_lite-0.1.0-py3-none-any.whl"


def test_where_the_package_is_installed_nothing_happens(set_up):
    assert set_up(on_colab=False, installed=True) == []
    assert set_up(on_colab=True, installed=True) == []


def test_colab_takes_the_released_wheel_else_the_repository(set_up):
    assert set_up(on_colab=True, works="releases") == [WHEEL]
    assert set_up(on_colab=True, works="git+") == [WHEEL, f"droco-lite @ git+{ADDRESS}"]


def test_where_neither_is_there_one_sentence_says_so(set_up):
    *_, said = set_up(on_colab=True)
    assert said.count(".") <= 2 and f'pip install "droco-lite @ git+{ADDRESS}"' in said


def test_outside_colab_a_missing_package_is_told_with_its_command(set_up):
    (said,) = set_up(on_colab=False)
    assert f'pip install "droco-lite @ git+{ADDRESS}"' in said


# The rehearsal --------------------------------------------------------------------------------


def test_the_rehearsal_ends_with_the_solutions(tmp_path):
    """So a chapter is not run a second time for them."""
    path = tmp_path / f"{THEORY[0]}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), path)
    add_solutions(path)
    _chapter, *added = nbformat.read(path, as_version=4).cells
    written = solutions(ROOT / f"book/{THEORY[0]}.ipynb")
    assert len(written) == 3 and [cell.source for cell in added] == written
    assert all("nbval-ignore-output" in cell.metadata.tags for cell in added)


def told_by_the_rehearsal(code: str, folder: Path) -> tuple[str, Path]:
    """What its Python prints, started in ``folder``; and where its environment is."""
    place = os.environ.get("COLAB_PLACE")
    if not place:
        pytest.skip("make test prepares the rehearsal")
    env = Path(place) / "env"
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [env / "bin/python", "-c", code]
    return subprocess.check_output(command, cwd=folder, env=clean, text=True), env


@pytest.mark.slow
def test_the_wheel_and_colabs_pins_are_what_the_rehearsal_imports(tmp_path):
    code = (
        "import json, droco_lite as d, ipywidgets as w, numpy as n;"
        "print(json.dumps([d.__file__, w.__version__, hasattr(w, 'Stack'), n.__version__]))"
    )
    told, env = told_by_the_rehearsal(code, tmp_path)
    where, widgets, has_stack, numpy = json.loads(told)
    assert Path(where).is_relative_to(env)
    assert not Path(where).is_relative_to(ROOT)
    assert (widgets, has_stack, numpy) == ("7.7.1", False, "2.1.3")


@pytest.mark.slow
def test_the_wheel_holds_the_live_lab_where_it_was_built(tmp_path):
    built = ROOT / "book/vendor/lab.js"
    if not built.is_file():
        pytest.skip("no npm on this machine, so no live lab")
    code = (
        "import droco_lite; from droco_lite.live import export;"
        "export.all_shifts = lambda robot: {};"  # seconds of work, and another test's
        "lab = droco_lite.live('hopper');"
        "print(lab._script); print(lab._script.stat().st_size)"
    )
    told, env = told_by_the_rehearsal(code, tmp_path)
    where, size = told.split()
    assert Path(where).is_relative_to(env)
    assert int(size) == built.stat().st_size


@pytest.mark.parametrize("stand", [[(1, 2), (4, 5), (0, 2), (2, 4)], [(3, 7)], []])
def test_a_rehearsal_moves_one_slider_at_a_time_through_all_places(stand):
    """Once each: on Colab every move draws a picture."""
    source = MOVE_EVERY_SLIDER[: MOVE_EVERY_SLIDER.index("def _moving")]
    names: dict = {}
    exec(source, names)
    handles = [SimpleNamespace(index=index, options=range(count)) for index, count in stand]
    places = list(names["_places"](handles))
    assert places[0] == tuple(index for index, _count in stand)
    assert len(set(places)) == len(places) == math.prod(count for _index, count in stand)
    for one, next_ in pairwise(places):
        assert sum(a != b for a, b in zip(one, next_, strict=True)) == 1
