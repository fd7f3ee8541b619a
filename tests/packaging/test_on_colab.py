"""Two notebooks run whole on a Python as new as Colab's: which one, and that a job does so."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.packaging import on_colab
from tests.packaging.on_colab import LIKE_COLAB, MISSING, NOTEBOOKS, interpreter, newest, pinned
from tests.packaging.readme import ROOT


def test_the_newest_python_is_taken_wherever_it_is(tmp_path):
    for version in ("3.11.7", "3.12.1", "3.13.0", "2.7.18", "miniconda3"):
        python = tmp_path / f"versions/{version}/bin/python"
        python.parent.mkdir(parents=True)
        python.touch()
    assert newest([], tmp_path) == tmp_path / "versions/3.13.0/bin/python"
    assert newest([Path("/a/python3.14")], tmp_path) == Path("/a/python3.14")
    assert newest([Path("/a/python3.13")], tmp_path) == tmp_path / "versions/3.13.0/bin/python"
    assert newest([Path("/a/python3.11"), Path("/a/python3")], tmp_path / "none") is None


def test_where_there_is_none_it_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(on_colab, "interpreter", lambda: None)
    monkeypatch.setattr(sys, "argv", ["on_colab", "_build/colab"])
    assert on_colab.main() == 0
    assert MISSING in capsys.readouterr().out


def test_an_older_python_is_refused():
    first = LIKE_COLAB.partition("import droco_lite")[0].replace("sys.version_info", "(3, 11, 9)")
    done = subprocess.run([sys.executable, "-c", first], capture_output=True, text=True)
    assert done.returncode and "AssertionError" in done.stderr


def test_the_python_that_is_found_is_new_enough():
    python = interpreter()
    if python is None:
        pytest.skip(MISSING)
    first = LIKE_COLAB.partition("import droco_lite")[0]
    subprocess.run([python, "-c", first], check=True, timeout=60)


def test_both_notebooks_and_what_runs_them_exist():
    for name in NOTEBOOKS:
        assert (ROOT / f"book/{name}.ipynb").is_file()
    assert all("==" in line for line in pinned("ipykernel", "nbclient", "nbformat"))


def test_a_job_of_a_new_python_runs_them():
    path = ROOT / ".github/workflows/test.yml"
    job = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["package"]
    (step,) = (s for s in job["steps"] if "make test-colab" in s.get("run", ""))
    assert step["if"] == "matrix.python == '3.13'"
    assert "3.13" in job["strategy"]["matrix"]["python"]
