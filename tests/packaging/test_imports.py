"""Every import of the package and of its chapters is declared, and nothing else is."""

import ast
import importlib
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def name(requirement: str) -> str:
    """A distribution's normal name: ``minari[hdf5,hf]>=0.5.4`` is ``minari``."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def declared() -> set[str]:
    return {name(line) for line in PROJECT["dependencies"]}


def optional() -> set[str]:
    return {name(line) for lines in PROJECT["optional-dependencies"].values() for line in lines}


found_distributions = cache(packages_distributions)  # it reads every installed package


@cache
def distributions(module: str) -> frozenset[str]:
    return frozenset(name(d) for d in found_distributions().get(module, [module]))


def imported(code: str) -> set[tuple[str, bool]]:
    """``(module, lazy)`` of each import of another project; lazy ones stand within a function."""
    tree = ast.parse(code)
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module]
        else:
            continue
        for module in modules:
            top = module.split(".")[0]
            if top not in sys.stdlib_module_names and top != "droco_lite":
                found.add((module if module.startswith("torch.utils") else top, node in inside))
    return found


def sources() -> list[Path]:
    return sorted((ROOT / "droco_lite").rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_import_is_declared(path):
    for module, lazy in imported(path.read_text(encoding="utf-8")):
        if module == "torch.utils.tensorboard":
            assert lazy and "tensorboard" in optional()
            continue
        top = module.split(".")[0]
        if lazy and distributions(top) & optional():
            continue
        assert distributions(top) & declared(), (
            f"{module} is imported and not declared in pyproject.toml's dependencies"
        )


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_import_of_a_chapter_comes_with_the_package(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "%pip" not in cell.source:
            written = re.match(r"%%writefile .*\.(\w+)", cell.source)
            if written and written[1] != "py":
                continue
            code = re.sub(r"(?m)^[!%].*$", "", cell.source)  # commands of the notebook
            for module, _lazy in imported(code):
                top = module.split(".")[0]
                if top not in ("IPython", "google"):  # the notebook's own host
                    assert distributions(top) & declared(), f"{module} comes by luck"


def test_nothing_is_declared_in_vain():
    used = {
        distribution
        for path in sources()
        for module, _lazy in imported(path.read_text(encoding="utf-8"))
        for distribution in distributions(module.split(".")[0])
    }
    assert declared() - used == set()


def test_gymnasiums_robots_are_asked_for_with_what_they_import():
    """``gymnasium.envs.mujoco`` needs imageio, which plain gymnasium does not require."""
    (line,) = [r for r in PROJECT["dependencies"] if name(r) == "gymnasium"]
    assert "[mujoco]" in line
    extra = [r for r in requires("gymnasium") if 'extra == "mujoco"' in r]
    assert {"mujoco", "imageio"} <= {name(r) for r in extra}
    assert importlib.import_module("gymnasium.envs.mujoco")


def test_the_exact_versions_satisfy_the_loose_ones():
    from packaging.requirements import Requirement

    exact = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", line):
            exact[name(found[1])] = found[2]
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        assert name(line) in exact, f"{line}: requirements.txt pins no version"
        assert requirement.specifier.contains(exact[name(line)]), line


def test_the_checked_pythons_are_the_declared_ones():
    said = {c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    workflow = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert said == {"3.11", "3.12", "3.13"}
    assert PROJECT["requires-python"] == ">=3.11"
    for version in said:
        assert f'"{version}"' in workflow
