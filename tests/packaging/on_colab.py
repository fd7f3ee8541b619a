"""Run two notebooks made for Colab whole, on a Python as new as Colab's, with its pins.

    make test-colab
    python -m tests.packaging.on_colab [--python python3.13] [--keep FOLDER] _build/colab

``make test`` runs every notebook, but on the Python of the tests, whose libraries it borrows
(``tests/book/rehearsal.py``). Here nothing is borrowed: an empty environment of Python 3.12 or
newer, the wheel with its own dependencies, what Colab pins (``PINS``), and two notebooks, whose
sliders go through all their places. Downloads take minutes, so ``make test`` does without. Where
there is no such Python this says so, and checks nothing. The exit status is the number of steps
that failed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tests.book.rehearsal import MOVE_EVERY_SLIDER, PINS
from tests.packaging.clean_wheel import Check, environment, pinned

OLDEST = (3, 12)
#: Two whose sliders compute. Not bring_your_own_robot: on 3.13 its kernel died, and why is not
#: known yet.
NOTEBOOKS = ("worst_states", "intro")
MISSING = "Python 3.12 or newer is neither on the PATH nor among pyenv's versions"

#: In the new environment: is it what Colab has?
LIKE_COLAB = f"""
import sys
assert sys.version_info >= {OLDEST}, sys.version
import droco_lite, ipywidgets, numpy
assert droco_lite.__file__.startswith(sys.prefix), droco_lite.__file__
assert ipywidgets.__version__ == "7.7.1", ipywidgets.__version__
assert numpy.__version__.startswith("2."), numpy.__version__
"""
RUN_WHOLE = """
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=1200, kernel_name="python3").execute()
"""


def version(python: Path) -> tuple[int, int]:
    """A version by the interpreter's name or pyenv's folder: (0, 0) where neither says it."""
    for name in (python.name, python.parent.parent.name):
        if found := re.fullmatch(r"(?:python)?(\d)\.(\d+)(?:\.\d+)?", name):
            return int(found[1]), int(found[2])
    return 0, 0


def newest(on_path: list[Path], pyenv: Path) -> Path | None:
    """The newest interpreter that is new enough, pyenv's own before its shims, which may fail."""
    there = [*pyenv.glob("versions/*/bin/python"), *on_path]
    enough = [python for python in there if version(python) >= OLDEST]
    return max(enough, key=version, default=None)


def interpreter() -> Path | None:
    """This one, where it is new enough; else the newest of the machine."""
    if sys.version_info >= OLDEST:
        return Path(sys.executable)
    names = (shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 20))
    return newest([Path(name) for name in names if name], Path.home() / ".pyenv")


def install(check: Check, python: Path) -> Path | None:
    """An environment as on Colab, with what runs a notebook."""
    runs = pinned("torch", "ipykernel", "nbclient", "nbformat")
    return environment(check, python, "with Colab's pins", *PINS, *runs)


def use(check: Check, scripts: Path, notebooks: Path) -> None:
    """That it is as on Colab, and that both notebooks come to their end."""
    python = scripts / "python"
    check.run("Python, NumPy and ipywidgets are as on Colab", python, "-c", LIKE_COLAB)
    startup = check.folder / "home/.ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "move_every_slider.py").write_text(MOVE_EVERY_SLIDER, encoding="utf-8")
    for name in NOTEBOOKS:
        path = (notebooks / f"{name}.ipynb").resolve()
        check.run(f"{name}, whole", python, "-c", RUN_WHOLE, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", type=Path, help="the folder that make colab wrote")
    parser.add_argument("--python", type=Path, help="the interpreter to try")
    parser.add_argument(
        "--keep", type=Path, help="make the environment in this new folder, keep it"
    )
    arguments = parser.parse_args()
    python = arguments.python or interpreter()
    if python is None:
        print(f"Skipped: {MISSING}.")
        return 0
    with tempfile.TemporaryDirectory(prefix="on-colab-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(exist_ok=True, parents=True)
        check = Check(folder.resolve())
        if scripts := install(check, python):
            use(check, scripts, arguments.notebooks)
    print(f"{check.failed} failed" if check.failed else "Both notebooks run as on Colab.")
    return check.failed


if __name__ == "__main__":
    sys.exit(main())
