"""The record beside every result says enough and gives nothing away."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from droco_lite import provenance as module
from droco_lite.provenance import provenance

ROOT = Path(__file__).resolve().parent.parent


def test_the_record_is_json_and_has_what_a_rerun_needs():
    record = json.loads(json.dumps(provenance("make it", seeds=[0, 1])))
    assert record["command"] == "make it"
    assert record["seeds"] == [0, 1]
    assert record["versions"]["numpy"]
    assert record["cpu"] and record["device"] and record["python"] == platform.python_version()


def test_it_tells_no_host_name_and_no_absolute_path():
    text = json.dumps(provenance())
    assert platform.node() not in text or platform.node() in ("", "localhost")
    assert str(Path.home()) + "/" not in text
    assert str(ROOT) not in text


def test_the_running_command_has_paths_relative_to_the_repository(tmp_path):
    script = tmp_path / "some_table.py"
    script.write_text(
        "from droco_lite.provenance import provenance\nprint(provenance()['command'])\n"
    )
    words = [sys.executable, str(script), "--out", str(ROOT / "results" / "a b.json")]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    assert shown == "python some_table.py --out 'results/a b.json'"


@pytest.mark.parametrize(("word", "shown"), [
    (f"--out={ROOT / 'results'}", "--out=results"),
    ("study.yaml::/data/jobs/ant::results", "study.yaml::ant::results"),
    ("--shifts=a,b:1", "--shifts=a,b:1"),
    ("https://example.org/a/b", "https://example.org/a/b"),
])  # fmt: skip
def test_a_path_within_a_word_is_made_relative_too(word, shown, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["table.py", word])
    assert provenance()["command"] == f"python table.py {shown}"


def test_a_named_commit_wins_where_there_is_no_git(monkeypatch):
    monkeypatch.setenv("DROCO_LITE_COMMIT", "abc123")
    assert provenance()["commit"] == "abc123"


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A clean checkout with one line of code and one released policy."""
    for name in ("droco_lite/code.py", "droco_lite/agents/weights/hopper-iql.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "begin"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    assert provenance()["dirty"] is False
    return tmp_path


def test_a_policy_that_was_released_again_is_no_change_of_code(checkout):
    (checkout / "droco_lite/agents/weights/hopper-iql.json").write_text("2\n")
    assert provenance()["dirty"] is False
    (checkout / "droco_lite/code.py").write_text("2\n")
    assert provenance()["dirty"] is True
