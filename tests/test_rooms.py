"""The plan of the house: data flow one way, files and functions stay small, imports stay light."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import droco_lite
from tests import recipes

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "droco_lite"
FILE_LINES, FUNCTION_LINES = 450, 60

#: Files and functions that are longer. The numbers may only fall; a name leaves once it is short.
LONG_FILES = {}
LONG_FUNCTIONS = {}


def sources():
    return sorted(PACKAGE.rglob("*.py"))


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    said = ast.get_docstring(function, clean=False)
    return lines - (len(said.splitlines()) if said else 0)


def longer_than(found: dict[str, int], most: int) -> dict[str, int]:
    return {name: lines for name, lines in found.items() if lines > most}


def check_ratchet(found: dict[str, int], allowed: dict[str, int]) -> None:
    grown = {name: n for name, n in found.items() if n > allowed.get(name, 0)}
    assert not grown, f"too long; split them: {grown}"
    short = set(allowed) - set(found)
    assert not short, f"short now; take them out of the list: {short}"


def everything() -> list[Path]:
    """The package's files, the book's and the benchmarks'."""
    return sources() + [p for room in ("book", "benchmarks") for p in (ROOT / room).glob("*.py")]


def test_files_do_not_grow():
    found = {p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines()) for p in everything()}
    check_ratchet(longer_than(found, FILE_LINES), LONG_FILES)


def test_droco_fits_on_three_screens():
    assert len((PACKAGE / "agents/droco.py").read_text().splitlines()) < 150


def test_functions_do_not_grow():
    found = {}
    for path in everything():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                found[f"{name}:{node.name}"] = code_lines(node)
    check_ratchet(longer_than(found, FUNCTION_LINES), LONG_FUNCTIONS)


def test_rooms_import_in_one_direction(capsys):
    """The contracts of pyproject.toml, which ``lint-imports`` checks by hand."""
    from importlinter.cli import lint_imports

    passed = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert passed == 0, capsys.readouterr().out


#: A file, an import that it must not have, and the contract that says so.
BROKEN = (
    ("figures/style.py", "from droco_lite.robots import ROBOTS", "Figures know the cliff, and no"),
    ("tabular/checks.py", "import torch", "Finite MDPs stand alone"),
    ("robots/edits.py", "import minari", "Robots learn nothing"),
    ("report/curves.py", "import mujoco", "Reports build no model"),
    ("report/tables.py", "import droco_lite.agents.iql", "Reports load no trainer"),
    ("training/rows.py", "from droco_lite.live import clips", "Rooms, from the last to the first"),
    ("files/text.py", "import book.colab", "The package knows neither its book"),
)


def test_each_contract_is_broken_by_an_import_that_it_forbids(tmp_path):
    recipes.copy(tmp_path)
    for name, line, _ in BROKEN:
        path = tmp_path / "droco_lite" / name
        first, future, rest = path.read_text().partition("from __future__ import annotations\n")
        path.write_text(f"{first}{future}{line}\n{rest}")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports as l; l(no_cache=True)"],
        cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    for name, line, contract in BROKEN:
        assert re.search(rf"^{contract}.* BROKEN$", done.stdout, re.M), (name, line, done.stdout)


def within(node: ast.AST, late: bool) -> Iterator[ast.AST]:
    """Nodes below, without what is for types only, and without functions' own unless ``late``."""
    for below in ast.iter_child_nodes(node):
        for_types = isinstance(below, ast.If) and ast.unparse(below.test) == "TYPE_CHECKING"
        if for_types or (isinstance(below, ast.FunctionDef) and not late):
            continue
        yield below
        yield from within(below, late)


def imports_of(path: Path, late: bool) -> set[str]:
    """Modules of this package that a file loads at once, or ``late``, within functions, too."""
    found = set()
    for node in within(ast.parse(path.read_text()), late):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names if one.name.startswith("droco_lite.")}
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("droco_lite"):
            for alias in node.names:
                inner = ROOT / node.module.replace(".", "/") / f"{alias.name}.py"
                found.add(f"{node.module}.{alias.name}" if inner.exists() else node.module)
    return found


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of files of which each waits for all others."""

    def reached(name: str) -> set[str]:
        seen, open_ = set(), [name]
        while open_:
            new = graph.get(open_.pop(), set()) - seen
            seen |= new
            open_ += new
        return seen

    after = {name: reached(name) for name in graph}
    each = {frozenset(b for b in after[a] if a in after.get(b, ())) for a in graph}
    return [set(one) for one in each if one]


@pytest.mark.parametrize("late", [False, True])
def test_no_file_waits_for_itself(late):
    """No circle among what files load at once, nor among what their functions load."""
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): imports_of(path, late)
        for path in sources()
        if path.name != "__init__.py"
    }
    assert circles(graph) == []


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}) in (
        [{"b", "c"}, {"d"}], [{"d"}, {"b", "c"}],
    )  # fmt: skip


HEAVY = ("torch", "mujoco", "ot", "h5py", "minari", "matplotlib")


def loaded_by(code: str) -> list[str]:
    """Which of the heavy libraries a fresh interpreter holds after ``code``."""
    tail = f"\nimport sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return ast.literal_eval(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize(
    "code",
    [
        "import droco_lite, droco_lite.cli, droco_lite.report, droco_lite.evaluation",
        "import droco_lite; droco_lite.WassersteinBall, droco_lite.Shift, droco_lite.Task",
        "from droco_lite import report; results = report.read_all(); report.scorecard(results[0])",
        "import droco_lite.report.curves; from droco_lite.studies import overview; overview()",
    ],
)
def test_what_needs_no_trainer_loads_neither_torch_nor_mujoco(code):
    assert set(loaded_by(code)) <= {"matplotlib"}


def test_the_package_itself_loads_nothing_until_it_is_asked():
    code = "import sys, droco_lite; assert 'numpy' not in sys.modules"
    assert loaded_by(code) == []


def test_every_name_of_the_face_is_there():
    assert {"make_task", "load", "train", "evaluate", "METHODS", "register_robot"} <= set(
        droco_lite.__all__
    )
    for name in droco_lite.__all__:
        assert getattr(droco_lite, name) is not None, name
