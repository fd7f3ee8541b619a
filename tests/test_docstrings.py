"""Docstrings speak one dialect, Google's, and begin with a summary on one line."""

import ast
import importlib
import inspect
import re
from types import ModuleType

import pytest

from tests.test_rooms import PACKAGE, sources

#: A heading of NumPy's dialect: a word with a line of dashes under it.
NUMPY_HEADING = re.compile(r"^[ \t]*\w[\w ]*\n[ \t]*-{3,}[ \t]*$", re.M)
#: Google's headings; a name with a space before its colon is NumPy's way.
SECTION = re.compile(r"^(Args|Attributes|Raises):\n((?:    .*\n?|\n(?=    ))+)", re.M)
ENTRY = re.compile(r"^    (?! )(.*)$", re.M)

NAMES = [path.relative_to(PACKAGE).as_posix() for path in sources()]


def docstrings(name: str) -> list[tuple[str, str]]:
    """Of the file itself and of every class and function in it, with its name."""
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    found = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    said = [(getattr(node, "name", "the file"), ast.get_docstring(node)) for node in found]
    return [(name, text) for name, text in said if text]


def faults(text: str) -> list[str]:
    """What keeps a docstring from being of the dialect."""
    found = []
    if NUMPY_HEADING.search(text):
        found.append("a heading of NumPy's dialect; write Args:, Returns: or Raises:")
    if "\n" in text.split("\n\n")[0]:
        found.append("a summary over several lines; say it in one, and the rest after a blank line")
    for heading, body in SECTION.findall(text):
        for entry in ENTRY.findall(body):
            if not re.match(r"[\w.*, ]*[\w*](?: \([^)]*\))?: ", entry):
                found.append(f"{heading}: {entry!r} is not `name: text`")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_docstrings_are_of_one_dialect(name):
    wrong = [(of, found) for of, text in docstrings(name) if (found := faults(text))]
    assert not wrong


@pytest.mark.parametrize(
    "text",
    [
        "Sum.\n\nParameters\n----------\nx : a number.",
        "Sum of two\nnumbers.",
        "Sum.\n\nArgs:\n    x : a number.",
    ],
)
def test_other_dialects_are_found(text):
    assert faults(text)


def raised(node: ast.AST) -> list[ast.Raise]:
    """The errors that a function raises itself, not those of functions in it."""
    found = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        found += [child] if isinstance(child, ast.Raise) and child.exc else []
        found += raised(child)
    return found


def without_raises(tree: ast.AST, of: str = "") -> list[str]:
    """Public functions, and classes, that raise an error their docstrings do not speak of."""
    found, said = [], ast.get_docstring(tree) or ""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found += without_raises(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and raised(node):
            # Settings refuse values by one rule, which their base states.
            bases = [ast.unparse(base) for base in getattr(tree, "bases", ())]
            settings = any(base.endswith("Settings") for base in bases)
            builds = bool(of) and node.name in ("__init__", "__post_init__") and not settings
            setter = any(getattr(d, "attr", "") == "setter" for d in node.decorator_list)
            text = (ast.get_docstring(node) or "") + (said if builds else "")
            if (builds or not node.name.startswith("_")) and "Raises:" not in text and not setter:
                found.append(of + node.name)
    return found


#: The text of a command is its help.
LIBRARY = [name for name in NAMES if not name.startswith("cli/")]


@pytest.mark.parametrize("name", LIBRARY)
def test_public_functions_name_the_errors_that_they_raise(name):
    missing = without_raises(ast.parse((PACKAGE / name).read_text(encoding="utf-8")))
    assert not missing, f"add Raises: to {missing}"


def test_an_error_that_is_not_named_is_found():
    code = '''
class Box:
    """A box."""
    def __init__(self, size):
        if size < 0:
            raise ValueError("size")
    def _check(self):
        raise ValueError("private")
    def open(self):
        """Open it.

        Raises:
            OSError: it is locked.
        """
        raise OSError("locked")
def shut(box):
    """Shut it."""
    with box:
        raise OSError("jammed")
'''
    assert without_raises(ast.parse(code)) == ["Box.__init__", "shut"]


def silent(module: ModuleType) -> set[str]:
    """Public functions, classes and methods of a module that have and inherit no docstring."""
    found = set()
    for name, thing in vars(module).items():
        ours = getattr(thing, "__module__", "") == module.__name__
        if name.startswith("_") or not ours:
            continue
        if inspect.isfunction(thing) and not thing.__doc__:
            found.add(f"{module.__name__}.{name}")
        elif inspect.isclass(thing):
            found |= {f"{module.__name__}.{name}{of}" for of in silent_parts(thing)}
    return found


def silent_parts(kind: type) -> set[str]:
    """The class itself as "", and each method as ".name"."""
    found = set() if kind.__doc__ else {""}
    for name, thing in vars(kind).items():
        written = inspect.isfunction(getattr(thing, "__func__", thing))
        if name.startswith("_") or not (written or isinstance(thing, property)):
            continue
        overridden = (vars(base).get(name) for base in kind.__mro__)
        if not any(getattr(one, "__doc__", "") for one in overridden):
            found.add(f".{name}")
    return found


def module_of(name: str) -> ModuleType:
    parts = ["droco_lite", *name.removesuffix(".py").split("/")]
    return importlib.import_module(".".join(parts).removesuffix(".__init__"))


def test_public_functions_have_or_inherit_a_docstring():
    names = [name for name in NAMES if not name.endswith("__main__.py")]
    found = set().union(*(silent(module_of(name)) for name in names))
    assert len(names) > 100 and not found, f"say what they do: {sorted(found)}"


def test_a_function_without_a_docstring_is_found():
    code = '''
class Base:
    """A base."""
    def said(self):
        """Said."""
    @property
    def size(self): ...
    def _own(self): ...
class Heir(Base):
    """An heir."""
    def said(self): ...
    @classmethod
    def made(cls): ...
def loud():
    """Loud."""
def quiet(): ...
'''
    module = ModuleType("silence")
    exec(code, vars(module))
    assert silent(module) == {"silence.Base.size", "silence.Heir.made", "silence.quiet"}
