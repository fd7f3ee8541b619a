"""The lab's own tests, in Node, against what Python computes."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

PARTS = {
    "beta": (), "networks": ("networks",), "session": ("walker2d", "hopper", "ant"),
    **{f"physics-{robot}": (robot,) for robot in ("walker2d", "halfcheetah", "hopper", "ant")},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_the_lab_agrees_with_python(name, lab, reference, record_property):
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", f"test/{name.partition('-')[0]}.test.mjs"],
        cwd=lab, env={**os.environ, "LAB_REFERENCE": str(reference(*PARTS[name]))},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = int(re.search(r"^# pass (\d+)", done.stdout, re.M)[1])
    skipped = int(re.search(r"^# skipped (\d+)", done.stdout, re.M)[1])
    assert passed >= 2
    assert skipped == 0
    record_property("measured", f"lab, {name}: {passed} checks in Node")
    for line in re.findall(r"^# (.*: .*(?:steps|median).*)$", done.stdout, re.M):
        record_property("measured", f"lab, {name}: {line}")
