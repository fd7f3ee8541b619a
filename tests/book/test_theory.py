"""What the theory chapters claim in words, checked on more than the picture beside the words."""

import ast
import contextlib
import functools
import io
import os
import re
from typing import Any
from unittest import mock

import fits
import pytest
from chapters import ROOT, SOLVED, WITH_SOLUTIONS, cells, read, solutions, source, tags
from chapters import THEORY as PAGES
from reading import reading

from droco_lite.agents import fit_ensemble

NEEDS_ROBOTS = ("two_kinds_of_robustness",)  # its solutions import what they need
each = pytest.mark.parametrize("name", PAGES)
each_and_public = pytest.mark.parametrize("name", SOLVED)
each_with_solutions = pytest.mark.parametrize("name", WITH_SOLUTIONS)


def path(name: str):
    return ROOT / "book" / f"{name}.ipynb"


@functools.cache
def namespace(name: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the chapter's code cells leave behind, without the cells that draw or run robots.

    Nor does it make what ``without`` names, and what is made of that: long computations that the
    caller does not look at. The chapter's own run does.
    """
    names: dict[str, Any] = {"__name__": name}
    if name in NEEDS_ROBOTS:
        return names
    absent = set(without)
    for cell in cells(path(name), "code"):
        if {"hide-input", "remove-cell"} & set(tags(cell)):
            continue
        code = leave_out(ast.parse(source(cell)), set(without), absent)
        with contextlib.redirect_stdout(io.StringIO()), kept_fits():
            exec(compile(code, f"{name}: {cell['id']}", "exec"), names)
        for gone in absent & set(names):  # an older value under the same name
            del names[gone]
    return names


@contextlib.contextmanager
def kept_fits():
    """Ensembles that the chapter's own run has fitted are not fitted again."""
    if folder := fits.place():
        with mock.patch("droco_lite.agents.fit_ensemble", fits.taking(fit_ensemble, folder)):
            yield
    else:
        yield


def leave_out(code: ast.Module, never: set[str], absent: set[str]) -> ast.Module:
    """The statements that make nothing of ``never`` and use nothing of ``absent``.

    What a statement would have made is absent where it is left out, and no more where it stays.
    """
    kept = []
    for statement in code.body:
        named = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        made = {node.id for node in named if not isinstance(node.ctx, ast.Load)}
        own = made | {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            made = {statement.name}
        if made & never or ({node.id for node in named} - own) & absent:
            absent |= made
        else:
            absent -= made
            kept.append(statement)
    return ast.Module(kept, type_ignores=[])


# Form ---------------------------------------------------------------------------------------------


@each_with_solutions
def test_code_fits_its_column_folded_or_not(name):
    for cell in cells(path(name), "code"):
        if "remove-cell" not in tags(cell):
            wide = [line for line in source(cell).splitlines() if len(line) > 88]
            assert not wide, wide


@each_with_solutions
def test_a_page_takes_a_quarter_of_an_hour_to_read(name):
    """What is counted stands in reading.py; solving the exercises comes on top."""
    asked = reading(path(name))
    assert asked.minutes < 15.5, asked


@each_with_solutions
def test_code_that_draws_is_folded(name):
    for cell in cells(path(name), "code"):
        if re.search(r"(?m)^explore\(|\bfigure\(", source(cell)):
            assert "hide-input" in tags(cell), source(cell)[:80]


@each_with_solutions
def test_every_prediction_is_answered_under_its_slider(name):
    waiting = 0
    for cell in read(path(name))["cells"]:
        text = source(cell)
        if cell["cell_type"] != "markdown":
            continue
        for found in re.finditer(r"\*\*Answer\.\*\*|\{admonition\} Predict", text):
            if found[0].startswith("**"):
                waiting -= 1
                assert waiting == 0, f"an answer without a question: {text[:80]}"
            else:
                waiting += 1
                assert waiting == 1, f"no answer before the next question: {text[:80]}"
    assert waiting == 0


@each_with_solutions
def test_two_exercises_or_more_ask_to_change_code(name):
    text = "\n".join(source(cell) for cell in cells(path(name), "markdown"))
    assert len(re.findall(r"Change the code", text)) >= 2


# Solutions ----------------------------------------------------------------------------------------

# `make test` runs them at the end of each chapter's rehearsal, where all that they need stands.
REHEARSED = bool(os.environ.get("COLAB_PLACE"))


@each_and_public
def test_there_are_solutions_in_code(name):
    assert solutions(path(name))


if not REHEARSED:

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "number"),
        [(name, i) for name in WITH_SOLUTIONS for i in range(len(solutions(path(name))))],
    )
    def test_solutions_run(name, number):
        code = solutions(path(name))[number]
        names = dict(namespace(name))
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(code, f"{name}: solution {number}", "exec"), names)
