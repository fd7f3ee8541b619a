"""The recipe "Add a rival" of CONTRIBUTING.md does what it says: its edits are made and tried."""

import pytest

from tests import recipes

CHECK = """
import dataclasses
import numpy as np
import torch
from droco_lite.agents import CRR, METHODS
from droco_lite.agents.settings import describe
from droco_lite.cli.settings import parse
from droco_lite.evaluation.arms import METHOD_NAMES, place
from droco_lite.report import check, with_missing
from droco_lite.training import LoopSettings, train
from tests.agents.toy import transitions

source, target = transitions(200, 0, 0.1), transitions(100, 1)
points, _ = parse(["margin=0", "margin=1e9"], CRR.Settings, LoopSettings)
runs = [CRR.Settings(steps=20, hidden=8, batch_size=16, **point) for point in points]
result = train(runs, source, target, loop=LoopSettings(episodes=0, evaluate_every=20))
assert set(result.curve["method"]) == {"crr"}
assert np.isfinite(result.curve["policy_loss"]).all()
weight = result.agent.policy_weight(torch.tensor([-1.0, 2.0]).reshape(1, 2, 1))
assert weight.flatten().tolist() == [0.0, 1.0, 0.0, 0.0]  # nothing beats a margin of 1e9
assert result.policy()(source.observations[:3]).shape == (3, source.action_size)
assert METHODS["crr"] is CRR and set(METHOD_NAMES) == set(METHODS)
assert place("MICRO") < place("CRR") < place("cloning, both")
assert check("book") == []  # no chapter shows what is not there yet
"""

#: What holds every method, its settings, its colour and its place to the house's promises.
TESTS = (
    "tests/agents/test_rivals.py", "tests/training/test_export.py", "tests/book/test_api_page.py",
    "tests/book/test_settings_table.py", "tests/figures", "tests/cli/test_runs.py",
    "tests/report/test_tables.py",
)  # fmt: skip


@pytest.mark.slow
def test_a_rival_is_one_file_and_its_name_in_five(tmp_path):
    edits = recipes.block("Add a rival", "diff")
    edited = [*recipes.hunks(edits), "droco_lite/agents/crr.py"]
    recipes.copy(tmp_path)
    (tmp_path / "droco_lite/agents/crr.py").write_text(recipes.block("Add a rival"))
    recipes.apply(edits, tmp_path)
    recipes.run(tmp_path, "-m", "ruff", "check", *[n for n in edited if n.endswith(".py")])
    recipes.run(tmp_path, "-c", CHECK)
    chosen = "crr or settings or face or page or colour or looks or paper or names"
    said = recipes.run(
        tmp_path, "-m", "pytest", *TESTS, "-q", "-n", "0", "-k", chosen,
        "-m", "not slow and not browser", "-p", "no:cacheprovider",
    )  # fmt: skip
    assert "passed" in said and "failed" not in said
