"""The lab's own tests, in Node, against what Python computes."""

from __future__ import annotations

import os
import re
import subprocess

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("name", ["networks", "physics", "session"])
def test_the_lab_agrees_with_python(name, lab, reference, record_property):
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", f"test/{name}.test.mjs"],
        cwd=lab, env={**os.environ, "LAB_REFERENCE": str(reference)},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = int(re.search(r"^# pass (\d+)", done.stdout, re.M)[1])
    skipped = int(re.search(r"^# skipped (\d+)", done.stdout, re.M)[1])
    assert passed >= 5
    assert skipped == 0
    record_property("measured", f"lab, {name}: {passed} checks in Node")
