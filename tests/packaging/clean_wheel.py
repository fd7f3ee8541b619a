"""Install the built wheel, with its own dependencies and nothing else, and use it as README does.

    python -m tests.packaging.clean_wheel [--python python3.12] [--keep]

An empty environment, another folder, an empty home: what comes by luck elsewhere is missing here.
Every module is imported, README's Python example runs at a small size, and so does each command of
"The package alone". The exit status is the number of steps that failed.

The wheel's requirement of torch is held to the exact version of requirements.txt, since a newer one
may bring gigabytes of GPU libraries.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.packaging.readme import ROOT, commands, example

IMPORT_ALL = """
import importlib, pkgutil, droco_lite
for module in pkgutil.walk_packages(droco_lite.__path__, "droco_lite."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(droco_lite.__file__)
"""
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "OMP_NUM_THREADS", "PIP_INDEX_URL", "PIP_FIND_LINKS")


class Check:
    """Runs steps one by one and remembers which failed."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.failed = 0
        self.outside = folder / "elsewhere"
        self.outside.mkdir()
        home = folder / "home"
        home.mkdir()
        kept = {key: os.environ[key] for key in os.environ if key in KEPT or key.startswith("PIP_")}
        self.environment = {**kept, "HOME": str(home), "COLUMNS": "100"}

    def run(self, title: str, *command: object) -> bool:
        """Run one command in the other folder; print a line, and its output where it fails."""
        began = time.perf_counter()
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.outside,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=1800,
        )
        ok = done.returncode == 0
        self.failed += not ok
        print(
            f"{'ok  ' if ok else 'FAIL'} {time.perf_counter() - began:6.1f} s  {title}", flush=True
        )
        if not ok:
            print((done.stdout + done.stderr)[-4000:], flush=True)
        return ok


def pinned(*packages: str) -> list[str]:
    """The exact versions of these packages in requirements.txt, as pip takes them."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return [re.search(rf"^{package}==\S+", text, re.M)[0] for package in packages]


def environment(check: Check, python: object, title: str, *more: object) -> Path | None:
    """A fresh environment's folder of scripts, or None where it could not be made.

    Args:
        check: runs the steps, in its folder.
        python: the interpreter that the environment is of.
        title: what is installed beside the wheel, in words.
        more: the same as pip takes it.
    """
    env, wheels = check.folder / "env", check.folder / "wheels"
    pip = (env / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    build = ("wheel", "--no-deps", "--wheel-dir", wheels, ROOT)
    if not (
        check.run(f"an empty environment of {python}", python, "-m", "venv", env)
        and check.run("build the wheel", *pip, *build)
    ):
        return None
    (wheel,) = wheels.glob("*.whl")
    installed = check.run(f"install {wheel.name} {title}", *pip, "install", wheel, *more)
    return env / "bin" if installed else None


def install(check: Check, python: str) -> Path | None:
    """An environment of the wheel and its own dependencies alone."""
    constraint = check.folder / "constraint.txt"
    constraint.write_text("\n".join(pinned("torch")) + "\n")
    return environment(check, python, "and its dependencies", "-c", constraint)


def use(check: Check, scripts: Path) -> None:
    """What README shows, at small sizes, and that nothing of the checkout was found."""
    python = scripts / "python"
    check.run("dependencies agree", python, "-m", "pip", "check")
    inside = f"{IMPORT_ALL}\nassert {str(scripts.parent)!r} in droco_lite.__file__"
    check.run("import every module", python, "-c", inside)
    check.run("README's Python example", python, "-c", example())
    for words in commands():
        check.run(f"droco-lite {shlex.join(words)}", scripts / "droco-lite", *words)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="the interpreter to try")
    parser.add_argument(
        "--keep", type=Path, help="make the environment in this new folder, keep it"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clean-wheel-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(exist_ok=True, parents=True)
        check = Check(folder.resolve())
        scripts = install(check, arguments.python)
        if scripts:
            use(check, scripts)
    print(f"{check.failed} failed" if check.failed else "The wheel works alone.")
    return check.failed


if __name__ == "__main__":
    sys.exit(main())
