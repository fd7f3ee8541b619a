"""The command for the one chance at a card, run whole on a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def rehearse(out, root):
    return subprocess.run(
        [
            sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--rehearse", "--minutes", "5",
            "--out", str(out), "--root", str(root),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_all_three_parts_run_leave_small_files_and_go_on_where_they_were(tmp_path):
    out, root = tmp_path / "out", tmp_path / "jobs"
    done = rehearse(out, root)
    assert done.returncode == 0, done.stderr
    methods = json.loads((out / "agreement.json").read_text())["methods"]
    assert {"droco", "iql", "cql", "bosa"} <= set(methods)
    assert all(found["agrees"] for found in methods.values()), methods
    rates = json.loads((out / "rates.json").read_text())["rates"]
    assert {found["runs"] for found in rates.values()} == {1, 2}
    assert all(found["run_steps_per_second"] > 0 for found in rates.values()), rates
    table = (out / "studies" / "tiny" / "hopper-medium.csv").read_text()
    assert "DROCO" in table and "IQL*" in table
    assert sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) < 1e6
    assert not list(out.rglob("*.safetensors"))

    before = {path: path.read_bytes() for path in out.rglob("*.json")}
    again = rehearse(out, tmp_path / "other jobs")
    assert again.returncode == 0, again.stderr
    assert "(a)" not in again.stdout and "(b)" not in again.stdout
    assert before == {path: path.read_bytes() for path in out.rglob("*.json")}
