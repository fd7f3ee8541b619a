"""Who has recordings and no simulator reads one section of a chapter: it stands by itself."""

import json
import os
import subprocess
import sys

import pytest
from chapters import ROOT, read, source

CHAPTER = ROOT / "book/bring_your_own_robot.ipynb"
BEGINS, ENDS = "(own-no-simulator)=", "## Robots that others have made"


def section() -> list[dict]:
    cells = read(CHAPTER)["cells"]
    first, end = (
        next(k for k, cell in enumerate(cells) if mark in source(cell)) for mark in (BEGINS, ENDS)
    )
    return cells[first:end]


def code(cells: list[dict]) -> list[str]:
    return [source(cell) for cell in cells if cell["cell_type"] == "code"]


def test_its_commands_come_first_in_their_order():
    """Training that lays rows aside, the choice among its policies, the export."""
    text = "\n".join(code(section()))
    places = [text.index(f'"droco-lite {name} ') for name in ("train", "select", "export")]
    assert places == sorted(places) and places[-1] < text.index("= train(")
    assert "--hold-out" in text and "ensemble=" not in text


#: The chapter's ``command`` begins a process each time, and seconds pass until PyTorch is there.
#: The chapter itself is run elsewhere; here the commands run in the one process.
AT_ONCE = """
from typer.testing import CliRunner
from droco_lite import cli

def command(line):
    program, *words = shlex.split(line)
    assert program == "droco-lite"
    done = CliRunner().invoke(cli.app, words)
    print(f"$ {line}\\n{done.output}")
    assert done.exit_code == 0, (line, done.output, done.exception)
"""


@pytest.mark.slow
def test_it_runs_after_the_imports_alone(tmp_path):
    """Nothing of the simulator's half: no robot, no data, no models of the sections above."""
    (imports,) = (c for c in code(read(CHAPTER)["cells"]) if "from droco_lite import report" in c)
    last = 'print("score", earns(controller), earns(deployed), still)'
    script = "\n\n".join([imports, AT_ONCE, *code(section()), "os.chdir(home)", last])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said, _, scores = done.stdout.rpartition("score ")
    assert "policy0.onnx and policy0.md" in said
    for command in ("train", "select", "export"):
        assert f"$ droco-lite {command} " in said
    controller, deployed, still = json.loads(f"[{scores.strip().replace(' ', ', ')}]")
    assert deployed > still / 2, "the exported policy goes to its goals"
    assert deployed > controller + 0.2 * controller
