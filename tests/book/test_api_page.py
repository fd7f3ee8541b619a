"""Whatever a chapter imports from the package, the API page describes."""

import ast
import builtins
import importlib.util
import inspect
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType

import nbformat

import droco_lite

BOOK = Path(__file__).parents[2] / "book"
#: A module of the page, the members that are named, and whether it shows what it imports.
ENTRY = re.compile(r"automodule:: (\S+)\n((?:   :.*\n)*)")


def described() -> set:
    """Classes and functions on the API page."""
    found = set()
    for name, options in ENTRY.findall((BOOK / "api.md").read_text(encoding="utf-8")):
        module = importlib.import_module(name)
        if named := re.search(r":members: (.+)", options):
            names = named[1].split(", ")
        elif ":imported-members:" in options:
            names = module.__all__
        else:
            things = {n: getattr(module, n) for n in dir(module) if not n.startswith("_")}
            names = [n for n, one in things.items() if getattr(one, "__module__", "") == name]
        found |= {id(getattr(module, one)) for one in names}
    return found


def imported(path: Path) -> list[tuple[str, str]]:
    """(module, name) of each import from the package in a chapter's cells."""
    cells = nbformat.read(path, 4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    code = [one for one in code if not one.startswith("%%")]  # a file that the cell writes
    lines = "\n".join(re.sub(r"^([%!].*)$", "", one, flags=re.M) for one in code)
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(lines))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("droco_lite")
        for alias in node.names
    ]


def test_what_chapters_import_is_on_the_api_page():
    known, missing = described(), {}
    for path in sorted(BOOK.glob("*.ipynb")):
        for module, name in imported(path):
            thing = getattr(importlib.import_module(module), name, None)  # None: a file of it
            callable_ = inspect.isclass(thing) or inspect.isfunction(thing)
            if callable_ and id(thing) not in known:
                missing.setdefault(f"{module}.{name}", path.stem)
    assert not missing, f"add them to book/api.md: {missing}"


ROOMS = ("tabular", "robots", "data", "agents", "training", "evaluation", "report", "files")


def test_every_name_of_the_package_and_of_its_rooms_is_on_the_api_page():
    page, known = (BOOK / "api.md").read_text(encoding="utf-8"), described()
    missing = []
    for name in ("droco_lite", *(f"droco_lite.{room}" for room in ROOMS), "droco_lite.explore"):
        module = importlib.import_module(name)
        for one in module.__all__:
            thing = getattr(module, one)
            shown = f"automodule:: {name}.{one}\n" in page  # a room
            if not shown and id(thing) not in known:
                missing.append(f"{name}.{one}")
    assert not missing, f"add them to book/api.md: {missing}"


#: Modules whose ``__all__`` is for other rooms of the package. Their names may only become fewer.
INSIDE = {
    "data.minari_store", "live.export", "live.model_tables", "robots.drawing",
    "robots.edits", "robots.gym_ids", "robots.registry", "robots.robot_file",
    "robots.trial", "robots.viewer", "training.options",
}  # fmt: skip


def unknown(module: str, names: list[str], known: set) -> list[str]:
    """Names of a module that are classes or functions and not on the page."""
    things = {name: getattr(importlib.import_module(module), name) for name in names}
    return [
        f"{module}.{name}"
        for name, thing in things.items()
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and id(thing) not in known
    ]


def test_every_name_that_a_module_offers_is_on_the_api_page():
    known, missing, inside = described(), [], set()
    for found in pkgutil.walk_packages(droco_lite.__path__, "droco_lite."):
        if found.name.endswith("__main__"):
            continue
        names = getattr(importlib.import_module(found.name), "__all__", [])
        lacking = unknown(found.name, names, known)
        short = found.name.removeprefix("droco_lite.")
        if short in INSIDE and lacking:
            inside.add(short)
        else:
            missing += lacking
    assert not missing, f"add them to book/api.md: {missing}"
    assert inside == INSIDE, f"all on the page; take out of the list: {INSIDE - inside}"


def test_what_the_recipes_import_is_on_the_api_page():
    text = (BOOK.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```\w+\n(.*?)^```", text, re.M | re.S))
    known, missing, seen = described(), [], set()
    for module, names in re.findall(r"^[ +]?\s*from (droco_lite[\w.]*) import (.+)$", blocks, re.M):
        if importlib.util.find_spec(module):  # a recipe's own file is none
            seen.add(module)
            missing += unknown(module, names.split(", "), known)
    assert {"droco_lite.agents.settings", "droco_lite.robots.robot"} <= seen
    assert not missing, f"add them to book/api.md: {missing}"


def test_what_the_recipes_name_is_on_the_api_page():
    text = (BOOK.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    run = set(re.findall(r"python -m (droco_lite[\w.]+)", text))
    page = (BOOK / "api.md").read_text(encoding="utf-8")
    assert "droco_lite.training.online" in run
    for module in run - {"droco_lite.live.release"}:  # its command is all that there is to say
        assert f"automodule:: {module}\n" in page
    from droco_lite.live.widget import Lab
    from droco_lite.robots.families import Family
    from droco_lite.training import online
    from droco_lite.training.release import release

    assert {id(Lab), id(Family), id(online.train), id(release)} <= described()


def test_a_name_that_the_page_lacks_is_found():
    from droco_lite.agents.preparation import Scaler
    from droco_lite.tabular import WassersteinBall

    assert id(WassersteinBall) in described()
    assert id(Scaler) not in described()


#: A link in a docstring: its role, and the name that it leads to.
ROLE = re.compile(r":(func|class|meth|attr|mod|data):`~?([\w.]+)`")


def shown() -> list[tuple[ModuleType, str]]:
    """The docstrings on the page, each with the module that it stands in."""
    found = []
    for name, options in ENTRY.findall((BOOK / "api.md").read_text(encoding="utf-8")):
        module = importlib.import_module(name)
        found.append((module, module.__doc__ or ""))
        if listed := re.search(r":members: (.+)", options):
            names = listed[1].split(", ")
        else:
            names = getattr(module, "__all__", dir(module)) if ":members:" in options else []
        for thing in (getattr(module, one) for one in names):
            home = sys.modules.get(getattr(thing, "__module__", None) or "")
            if home is None or not home.__name__.startswith("droco_lite"):
                continue  # a constant, or a library's
            public = [one for key, one in vars(thing).items() if not key.startswith("_")]
            parts = [thing, *(public if inspect.isclass(thing) else [])]
            found += [(home, one.__doc__) for one in parts if isinstance(one.__doc__, str)]
    return found


def named(module: ModuleType, name: str) -> object:
    """What a name means: of a module, or in full; of a class's member it is the class."""
    first, *rest = name.split(".")
    if first != "droco_lite":
        return getattr(module, first, getattr(builtins, first, None))
    found = droco_lite
    for part in rest:
        full = f"{found.__name__}.{part}"
        if not hasattr(found, "__path__") or not importlib.util.find_spec(full):
            return getattr(found, part, None)
        found = importlib.import_module(full)
    return found


def dead_links(docstrings: list[tuple[ModuleType, str]], known: set[int]) -> set[str]:
    """Links to what is not there, and to functions and classes that the page does not show."""
    titles = {}
    for name, _ in ENTRY.findall((BOOK / "api.md").read_text(encoding="utf-8")):
        module = importlib.import_module(name)
        titles |= {key: one for key, one in vars(module).items() if id(one) in known}
    found = set()
    for module, text in docstrings:
        for role, name in ROLE.findall(text):
            if role in ("meth", "attr") and "." not in name:
                continue  # a member of the class that is described
            thing = named(module, name)
            thing = titles.get(name.split(".")[0]) if thing is None else thing
            ours = str(getattr(thing, "__module__", "")).startswith("droco_lite")
            written = inspect.isclass(thing) or inspect.isfunction(thing)
            if thing is None or (ours and written and id(thing) not in known):
                found.add(f"{module.__name__}: {role} {name}")
    return found


def test_links_in_docstrings_lead_to_the_page_or_to_a_library():
    docstrings = shown()
    assert len(docstrings) > 300
    dead = dead_links(docstrings, described())
    assert not dead, f"add them to book/api.md, or write ``name``: {sorted(dead)}"


def test_a_link_that_leads_nowhere_is_found():
    from droco_lite.training import loop

    text = ":func:`train`, :func:`trian`, :func:`returns_of`, :class:`Path`, :meth:`Result.policy`"
    dead = {"droco_lite.training.loop: func trian", "droco_lite.training.loop: func returns_of"}
    assert dead_links([(loop, text)], described()) == dead
