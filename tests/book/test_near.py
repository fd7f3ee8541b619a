"""The comparator of saved outputs: what it lets pass, and above all what it does not."""

import subprocess
import sys

import nbformat
import pytest
from chapters import ROOT
from near import near, settle_outputs, settled, tolerance

SAME = [
    ("gain +0.04", "gain +0.03"),  # one unit in the last digit
    ("-0.00 and  1.5", "0.00 and 1.5"),  # a sign shifts a column
    ("−0.35", "−0.34"),  # a true minus sign
    ("1.23e-05", "1.24e-05"),
    ("error 4.4e-16", "error 2.2e-16"),  # the noise itself
    ("0.30000000000000004", "0.3"),
    ("0.0999", "0.1"),  # :g drops the zeros of 0.100
    ("1,234.5 steps/s", "1,234.6 steps/s"),
    ("score 3.2s", "score 3.3s"),
]
DIFFERENT = [
    ("gain +0.05", "gain +0.03"),
    ("+0.03", "-0.03"),
    ("12 epochs", "13 epochs"),  # a count
    ("best arm: iql", "best arm: droco"),
    ("walker2d", "walker3d"),  # a digit within a name is no number
    ("1.0 2.0", "1.0"),
    ("a 1.0\nb 2.0", "a 1.0 b 2.0"),  # lines are words
    ("#1b1f24", "#1b1f25"),
    ("0.1", "0.3"),
    ("1.0e-3", "1.0e-2"),
    ("nan", "0.5"),
    ("v1.2.3", "v1.2.4"),
]


@pytest.mark.parametrize(("new", "saved"), SAME)
def test_near_numbers_pass(new, saved):
    assert settled(new, saved) == saved
    assert settled(saved, new) == new


@pytest.mark.parametrize(("new", "saved"), DIFFERENT)
def test_other_numbers_and_any_other_word_fail(new, saved):
    assert settled(new, saved) != saved
    assert settled(saved, new) != new


def test_what_differs_is_told_without_what_is_near():
    assert settled("a 0.04 b 7.1", "a 0.03 b 7.9") == "a 0.03 b 7.1"


def test_a_cell_may_state_its_own_tolerance():
    assert tolerance(["hide-input"]) is None
    assert tolerance(["near-3"]) == (3, 0)
    assert near("12", "15", tolerance(["near-3"]))
    assert not near("12", "16", tolerance(["near-3"]))
    assert near("102", "100", tolerance(["x", "near-2%"]))
    assert not near("103", "100", tolerance(["near-2%"]))
    assert not near("0.52", "0.50", tolerance(["near-0.01"]))
    with pytest.raises(ValueError, match=r"near-0\.5"):
        tolerance(["near-five"])


def outputs(text, plain):
    printed = nbformat.v4.new_output("stream", name="stdout", text=text)
    shown = nbformat.v4.new_output("display_data", {"text/plain": plain, "image/png": "AA=="})
    return [printed, shown]


def test_outputs_are_settled_kind_by_kind():
    saved = outputs("loss 0.50\n", "Figure at 0.1")
    assert settle_outputs(outputs("loss 0.51\n", "Figure at 0.2"), saved) == saved
    assert settle_outputs(outputs("loss 0.53\n", "Figure at 0.1"), saved) != saved
    assert settle_outputs(outputs("loss 0.50\n", "Figure at 0.1")[:1], saved) != saved


def test_a_script_beside_a_slider_is_no_result():
    saved = outputs("loss 0.50\n", "Figure at 0.1")
    script = nbformat.v4.new_output("display_data", {"application/javascript": "0"})
    assert settle_outputs([script, *outputs("loss 0.51\n", "Figure at 0.1")], saved) == saved


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "saved", "code"),
    [("near", "gain 0.33", 0), ("far", "gain 0.36", 1), ("word", "loss 0.33", 1)],
)
def test_nbval_uses_it(tmp_path, name, saved, code):
    """A notebook whose saved output is one digit off passes; two digits off, or a word, fails."""
    cell = nbformat.v4.new_code_cell("print(f'gain {0.337:.2f}')", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=saved + "\n")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=kernel)
    nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "tests.book.near", "-p", "no:xdist"]
    command += ["--nbval", "--nbval-current-env", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("Cell outputs differ" in done.stdout) == bool(code)
