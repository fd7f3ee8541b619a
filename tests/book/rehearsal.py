"""A rehearsal of Colab: an environment with its pins, the wheel, and the made notebooks.

    python -m tests.book.rehearsal environment PLACE
    python -m tests.book.rehearsal chapters _build/html PLACE

PLACE lies outside the checkout, so nothing of it can be found. The first command needs no built
book, and gives it

* ``env``: an environment that borrows this one's large libraries by path, behind its own; on top
  stand the wheel and what Colab pins otherwise (``PINS``);
* ``share/jupyter``: a kernel of that environment, named ``rehearsal``. At its start a hook moves
  every slider through all its places, as a reader would, and keeps the ensembles that are fitted,
  for the tests of the chapters' claims (``fits.py``).

The second makes ``chapters``: the notebooks of ``make colab``. ``make test`` runs each once, there.
Behind the chapters whose solutions are blocks of code stand those, as a reader would try them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat

from book.assets import package_lab
from book.colab import make
from tests.book.chapters import WITH_SOLUTIONS, solutions

ROOT = Path(__file__).resolve().parents[2]
KERNEL = "rehearsal"

#: As Colab's image of August 2026 has them, where they differ from requirements.txt in kind. Its
#: Python is 3.13; here it is the one that runs the tests, whose large libraries are borrowed. On a
#: Python of Colab's age `make test-colab` runs two notebooks.
PINS = (
    "ipywidgets==7.7.1",
    "widgetsnbextension==3.6.10",
    "jupyterlab-widgets==1.1.11",
    "numpy==2.1.3",
)
#: What the kernel side of the old widgets needs beyond this environment.
LEGACY = ("ipython-genutils==0.2.0",)

MOVE_EVERY_SLIDER = '''
"""Each explorer's sliders go through all their places while the cell runs."""
import droco_lite.explore
import droco_lite.figures.sliders


def _places(handles):
    """Every place once, the first where the sliders stand; each differs from the last in one."""
    if not handles:
        yield ()
        return
    *others, last = handles
    start, count = last.index, len(last.options)
    values = [(start + k) % count for k in range(count)]
    for number, front in enumerate(_places(others)):
        for place in reversed(values) if number % 2 else values:
            yield (*front, place)


def _moving(explore):
    def moved(*arguments, **keywords):
        explorer = explore(*arguments, **keywords)
        *handles, view = explorer.children
        for place in list(_places(handles)):  # a generator would read where they have moved to
            for handle, index in zip(handles, place):
                handle.index = index
            assert "droco-figure" in view.value, place
        return explorer

    return moved


droco_lite.explore.explore = _moving(droco_lite.explore.explore)
droco_lite.figures.sliders.explore = droco_lite.explore.explore
del _moving, droco_lite
'''

KEEP_FITS = '''
"""Ensembles that a chapter fits are kept for the tests of what it claims."""
from pathlib import Path as _Path

import rehearsal_fits as _fits

_fits.keep_those_of(get_ipython(), _Path({folder!r}))
'''


def run(*command: object, cwd: Path | None = None) -> str:
    """A command's output; what it said is in the error where it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=900
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-6000:])
    return done.stdout


def environment(place: Path) -> Path:
    """The fresh environment's interpreter, with the wheel and Colab's pins."""
    venv.create(place / "env", with_pip=False)
    python = place / "env/bin/python"
    purelib = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(purelib) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    package_lab()  # as make wheel does
    run(*pip, "wheel", "--no-deps", "--wheel-dir", place / "wheels", ROOT, cwd=place)
    (wheel,) = (place / "wheels").glob("*.whl")
    run(*pip, "install", "--no-deps", "--target", purelib, *PINS, *LEGACY, wheel)
    shutil.copy(Path(__file__).with_name("fits.py"), Path(purelib) / "rehearsal_fits.py")
    return python


def kernel(place: Path, python: Path) -> None:
    """The kernel's description, and what runs at its start."""
    startup = place / "ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "move_every_slider.py").write_text(MOVE_EVERY_SLIDER, encoding="utf-8")
    keep = KEEP_FITS.format(folder=str(place / "fits"))
    (startup / "keep_fits.py").write_text(keep, encoding="utf-8")
    folder = place / f"share/jupyter/kernels/{KERNEL}"
    folder.mkdir(parents=True)
    described = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Rehearsal of Colab",
        "language": "python",
        "env": {"IPYTHONDIR": str(place / "ipython"), "PYTHONPATH": ""},
    }
    (folder / "kernel.json").write_text(json.dumps(described), encoding="utf-8")


def add_solutions(path: Path) -> None:
    """Put the chapter's solutions behind its last cell; that they run is all that is asked."""
    notebook = nbformat.read(path, as_version=4)
    for code in solutions(ROOT / "book" / path.name):
        tags = {"tags": ["nbval-ignore-output", "solution"]}
        notebook.cells.append(nbformat.v4.new_code_cell(code, metadata=tags))
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


def outside(place: Path) -> Path:
    place = place.resolve()
    if place.is_relative_to(ROOT):
        raise SystemExit(f"{place} lies in the checkout; a rehearsal needs another place")
    return place


def main(what: str, *folders: str) -> None:
    place = outside(Path(folders[-1]))
    if what == "environment":
        kernel(place, environment(place))
        return
    written = make(Path(folders[0]), place / "chapters")
    for path in written:
        if path.stem in WITH_SOLUTIONS:
            add_solutions(path)
    print(f"A rehearsal of Colab with {len(written)} notebooks stands in {place}")


if __name__ == "__main__":
    main(*sys.argv[1:])
