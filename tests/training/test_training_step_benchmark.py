"""The benchmark of a step measures what a reader gets who sets nothing."""

import numpy as np
import torch
import training_step
from random_data import N, S, random_transitions

from droco_lite.training import steps


def test_the_default_is_what_auto_takes_for_a_long_run_with_bounds(monkeypatch):
    monkeypatch.setattr(steps, "compiler_found", lambda: True)
    source, target = random_transitions(40, 0), random_transitions(20, 1)
    predictions = np.zeros((60, N * S), np.float32)
    device = torch.device("cpu")
    default = training_step.Ours(source, target, predictions, device, "auto", floor=None)
    assert training_step.TO_COME == 100_000 and default.stepper.mode == "compiled"
    agent = default.stepper.agent
    floor, ceiling = agent.backup_bounds()
    lowest, highest = (float(end(target.rewards)) for end in (np.min, np.max))
    assert floor.item() == np.float32(lowest / (1 - agent.shared.discount))
    assert ceiling.item() == np.float32(highest / (1 - agent.shared.discount))
    released = training_step.Ours(source, target, predictions, device, "manual")
    assert [end.item() for end in released.stepper.agent.backup_bounds()] == [-np.inf, np.inf]


def test_the_table_holds_a_row_of_the_default(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["training_step.py", "--quick"])
    monkeypatch.setattr(training_step, "choose_precision", lambda *_: "highest")
    args = training_step.options()
    args.rows = 100
    found = training_step.variants_of(args, torch.device("cpu"), "highest", str(tmp_path))
    assert found["default"].precision == "highest" and "compiled" in found
