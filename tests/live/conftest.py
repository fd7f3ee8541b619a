"""The lab's packages and what Python computes for its tests, each made once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "lab"
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from tests.chromium import CHROMIUM, playwright  # noqa: E402
from tests.live.reference import robot_script  # noqa: E402


@pytest.fixture(scope="session")
def lab() -> Path:
    """The lab's folder with its npm packages, as the lock file says."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    if not (LAB / "node_modules/@mujoco/mujoco/mujoco.wasm").is_file():
        done = subprocess.run(
            ["npm", "ci", "--silent"], cwd=LAB, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            pytest.skip(f"npm could not fetch the lab's packages: {done.stderr.strip()[-200:]}")
    return LAB


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """Function from parts to a folder that holds them: a robot's file with Python's own results."""
    from tests.live.reference import make

    made: dict[str, Path] = {}

    def folder_of(*parts: str) -> Path:
        folder = tmp_path_factory.mktemp("reference")
        for part in parts:
            if part not in made:
                made[part] = tmp_path_factory.mktemp(part)
                make(made[part], part)
            shutil.copytree(made[part], folder, dirs_exist_ok=True)
        return folder

    return folder_of


@pytest.fixture(scope="session")
def site(lab, tmp_path_factory) -> Path:
    """The lab's script, one robot's file and what stands around them in a page of the book."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        ["node", "build.mjs", str(folder / "lab.js")], cwd=lab, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("live_lab.js", "book.css"):
        shutil.copy(ROOT / "book/_static" / name, folder)
    shutil.copytree(ROOT / "book/_static/clips", folder / "clips")
    for robot in ("walker2d", "ant"):
        (folder / f"lab-{robot}.js").write_text(robot_script(robot), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def browser():
    with playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
