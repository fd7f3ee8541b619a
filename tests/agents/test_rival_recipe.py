"""The recipe "Add a rival" of CONTRIBUTING.md does what it says: its edits are made and tried."""

import re

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
from droco_lite.report.results import TABLE_LABELS
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
assert "CRR" not in TABLE_LABELS  # no chapter has a row for what has no results yet
"""

#: What holds every method, its settings, its colours and its place to the house's promises.
TESTS = (
    "tests/agents/test_rivals.py", "tests/book/test_settings_table.py",
    "tests/figures/test_style.py", "tests/report/test_tables.py",
)  # fmt: skip
CHOSEN = "(crr and refused) or every_methods or colours or look_of_its_own or paper_s"


@pytest.mark.slow
def test_a_rival_is_one_file_and_its_name_in_five(tmp_path):
    edits = recipes.block("Add a rival", "diff")
    files = [*recipes.hunks(edits), "droco_lite/agents/crr.py"]
    recipes.copy(tmp_path)
    (tmp_path / "droco_lite/agents/crr.py").write_text(recipes.block("Add a rival"))
    recipes.apply(edits, tmp_path)
    recipes.run(tmp_path, "-m", "ruff", "check", *[n for n in files if n.endswith(".py")])
    recipes.run(tmp_path, "-c", CHECK)
    quick = ("-n", "0", "-p", "no:cacheprovider")
    said = recipes.run(tmp_path, "-m", "pytest", *TESTS, *quick, "-k", CHOSEN)
    assert re.search(r"^\d+ passed", said, re.M)
