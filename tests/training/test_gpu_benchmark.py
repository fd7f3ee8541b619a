"""The command for the one chance at a card, run whole on a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gpu
import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"


def test_studies_are_run_in_the_order_of_priority_then_by_name(tmp_path):
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.yaml").touch()
    (tmp_path / "priority.txt").write_text("# the floor first\nc.yaml\n\nb.yaml  # then these\n")
    assert [path.stem for path in gpu.by_priority(tmp_path)] == ["c", "b", "a", "d"]
    (tmp_path / "priority.txt").write_text("e.yaml\n")
    with pytest.raises(SystemExit, match=r"priority\.txt: no study e\.yaml"):
        gpu.by_priority(tmp_path)


def test_every_study_of_the_list_can_be_read():
    from droco_lite.evaluation.matrix import Study

    studies = gpu.by_priority(gpu.STUDIES)
    listed = (gpu.STUDIES / "priority.txt").read_text().split()
    assert [path.name for path in studies[: len(listed)]] == listed
    assert all(Study.read(path).arms for path in studies)


def words(out, root) -> list[str]:
    return ["--rehearse", "--minutes", "5", "--out", str(out), "--root", str(root)]


def test_workers_are_told_how_many_of_them_train(tmp_path, monkeypatch):
    told = []

    def again(*given, cores=()):
        told.append([str(word) for word in given])
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(gpu, "again", again)
    few = ["--parts", "studies", "--trainers", "0", "--workers", "2"]
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words(tmp_path / "out", tmp_path / "jobs"), *few])
    gpu.main()
    assert len(told) == 2
    for given in told:
        monkeypatch.setattr(sys, "argv", ["gpu.py", *given])
        args = gpu.options()
        assert (args.workers, args.trainers) == (2, 0)


@pytest.mark.slow
def test_all_three_parts_run_leave_small_files_and_go_on_where_they_were(
    tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu.py"), *words(out, tmp_path / "jobs")],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
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
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words(out, tmp_path / "other jobs")])
    gpu.main()
    said = capsys.readouterr().out
    assert "done" in said and "(a)" not in said and "(b)" not in said
    assert before == {path: path.read_bytes() for path in out.rglob("*.json")}
