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
def reference(tmp_path_factory) -> Path:
    """A folder with the robots' files and Python's own results."""
    from reference import main

    folder = tmp_path_factory.mktemp("reference")
    main(folder)
    return folder
