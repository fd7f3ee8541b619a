"""The repository's address: stated in pyproject.toml, repeated where tools need it, all agreeing.

python book/address.py                                  print it and every place that repeats it
python book/address.py https://github.com/OWNER/REPO    state another one, everywhere
python book/address.py --version                        print the version, for a release's tag
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: The branch that the workflow puts the notebooks made for Colab on.
NOTEBOOKS = "colab"
_ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+?(?=\.git\b|[/\"'\s)>\]\\}@,#]|$)")


def stated(root: Path = ROOT) -> str:
    """The one statement: ``[project.urls] Repository`` in pyproject.toml."""
    with open(root / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["urls"]["Repository"]


def version(root: Path = ROOT) -> str:
    """The package's version, which names its released wheel."""
    with open(root / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["version"]


def setup_cell(address: str, release: str) -> str:
    """A chapter's first code cell; where the package is installed it does nothing.

    On Colab it installs the released wheel, or the repository where there is no such release.
    """
    return f'''\
# Where the package is installed this does nothing; on Colab it fetches the package.
import importlib.util
import subprocess
import sys

HOME = "{address}"
WHEEL = HOME + "/releases/download/v{release}/droco_lite-{release}-py3-none-any.whl"
if "google.colab" in sys.modules and not importlib.util.find_spec("droco_lite"):
    for place in (WHEEL, "droco-lite @ git+" + HOME):
        if not subprocess.run([sys.executable, "-m", "pip", "install", "-q", place]).returncode:
            break
    importlib.invalidate_caches()
if not importlib.util.find_spec("droco_lite"):
    raise ModuleNotFoundError(
        "This chapter needs the package droco_lite, which is not installed here and, on Colab, "
        f'could not be fetched; in a terminal: pip install "droco-lite @ git+{{HOME}}"'
    )'''


def colab(address: str, page: str) -> str:
    """Where Colab opens a chapter's notebook, made from ``book/the_loop`` by book/colab.py."""
    path = address.removeprefix("https://github.com/")
    name = page.removesuffix(".ipynb").rsplit("/", 1)[-1]
    return f"https://colab.research.google.com/github/{path}/blob/{NOTEBOOKS}/{name}.ipynb"


def pages_address(address: str) -> str:
    """Where GitHub Pages shows the built book."""
    owner, name = address.removeprefix("https://github.com/").split("/")
    return f"https://{owner.lower()}.github.io/{name}"


def files(root: Path = ROOT) -> list[Path]:
    """Every file that may repeat the address."""
    patterns = ("*.toml", "*.md", "*.cff", "_config.yml", "book/*.md", "book/*.ipynb")
    found = [path for pattern in patterns for path in root.glob(pattern)]
    return sorted([*found, *root.glob("droco_lite/**/*.py"), *root.glob(".github/**/*.yml")])


def places(root: Path = ROOT) -> list[tuple[str, int, str]]:
    """``(file, line, address)`` of each mention of this project's address.

    Other projects are mentioned too; ours is told by its name, the last part of the address.
    """
    ours = stated(root)
    name = ours.rsplit("/", 1)[1]
    mentions = []
    for path in files(root):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for found in _ADDRESS.findall(line):
                if found == ours or found.rsplit("/", 1)[1] == name:
                    mentions.append((path.relative_to(root).as_posix(), number, found))
    return mentions


def restate(address: str, root: Path = ROOT) -> list[str]:
    """Rewrite the address everywhere; returns the files changed.

    Raises:
        ValueError: the new address is not of the form ``https://github.com/OWNER/REPO``.
    """
    from droco_lite.files import write_text  # the version is asked for without the package, too

    address = address.removesuffix("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        raise ValueError(f"address must look like https://github.com/OWNER/REPO, got {address!r}")
    old = stated(root)
    # Colab's links name owner and repository without the host.
    pairs = [
        (old, address),
        tuple(colab(a, "").split("/blob/")[0] for a in (old, address)),
        tuple(pages_address(a) for a in (old, address)),
    ]
    changed = []
    for path in files(root):
        text = new = path.read_text(encoding="utf-8")
        for before, after in pairs:
            new = re.sub(re.escape(before) + r"(?![\w-])", lambda _, a=after: a, new)
        if new != text:
            write_text(path, new)
            changed.append(path.relative_to(root).as_posix())
    return changed


def main(arguments: list[str]) -> None:
    if len(arguments) > 1:
        sys.exit(__doc__)
    if arguments == ["--version"]:
        print(version())
        return
    if arguments:
        try:
            for name in restate(arguments[0]):
                print(f"rewrote {name}")
        except ValueError as error:
            sys.exit(str(error))
    print(stated())
    for name, line, found in places():
        print(f"  {name}:{line}" + ("" if found == stated() else f"  says {found}"))


if __name__ == "__main__":
    main(sys.argv[1:])
