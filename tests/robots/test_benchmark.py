"""The benchmark's command runs, and what it wrote is whole."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_benchmark_runs():
    done = subprocess.run(
        [sys.executable, "benchmarks/simulation.py", "--quick"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| hopper | 16 |" in done.stdout


def test_the_committed_table_has_its_provenance():
    path = ROOT / "results" / "benchmarks" / "simulation.json"
    if not path.exists():
        pytest.skip("benchmarks/simulation.py has not been run in this checkout")
    result = json.loads(path.read_text())
    assert {"command", "commit", "seeds", "cpu", "versions"} <= result["provenance"].keys()
    assert {(row["robot"], row["rows"]) for row in result["rows"]} == {
        (robot, n) for robot in ("hopper", "walker2d", "halfcheetah", "ant") for n in (16, 64, 256)
    }
    for row in result["rows"]:
        assert {"sync", "batch", "floor"} <= row["steps_per_second"].keys()
        assert ("async" in row["steps_per_second"]) == (row["rows"] <= 64)
