"""The recipe "Add a rival" of CONTRIBUTING.md does what it says: its own text is run."""

import dataclasses
import sys
import types

import numpy as np
import pytest
import torch

from droco_lite.agents import METHODS
from droco_lite.agents.settings import describe
from droco_lite.cli.settings import parse
from droco_lite.training import LoopSettings, train
from tests.agents.toy import transitions
from tests.robots.test_recipes import block


@pytest.fixture
def crr(monkeypatch):
    """The recipe's class, as if its file stood in the package."""
    module = types.ModuleType("droco_lite.agents.crr")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block("Add a rival"), "crr.py", "exec"), module.__dict__)
    monkeypatch.setitem(METHODS, "crr", module.CRR)
    return module.CRR


def test_the_recipes_rival_trains_and_imitates_only_what_looks_better(crr):
    source, target = transitions(200, 0, 0.1), transitions(100, 1)
    runs = [
        crr.Settings(steps=20, hidden=8, batch_size=16, seed=0, margin=margin)
        for margin in (0.0, 1e9)
    ]
    result = train(runs, source, target, loop=LoopSettings(episodes=0, evaluate_every=20))
    assert set(result.curve["method"]) == {"crr"}
    assert np.isfinite(result.curve["policy_loss"]).all()
    weight = result.agent.policy_weight(torch.tensor([-1.0, 2.0]).reshape(1, 2, 1))
    assert weight.flatten().tolist() == [0.0, 1.0, 0.0, 0.0]  # nothing beats a margin of 1e9
    assert result.policy()(source.observations[:3]).shape == (3, source.action_size)


def test_its_settings_are_listed_and_set_like_any_other(crr):
    rows = {row["name"]: row for row in describe(crr.Settings)}
    assert rows["margin"]["help"] == "an action counts if A exceeds this"
    points, _ = parse(["margin=0.1", "margin=0.2"], crr.Settings, LoopSettings)
    assert points == [{"margin": 0.1}, {"margin": 0.2}]
    assert dataclasses.replace(crr.Settings(), **points[0]).margin == 0.1
