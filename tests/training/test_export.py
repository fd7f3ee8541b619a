"""Exported policies: one ONNX file a run, for every method, that needs nothing of this package."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from droco_lite.agents import METHODS
from droco_lite.provenance import as_json
from droco_lite.training import LoopSettings, train
from droco_lite.training.export import _returns, export_policy, onnx_model, restore
from tests.agents.rivals import PLANE, TINY, tiny

ROOT = Path(__file__).resolve().parents[2]
QUIET = LoopSettings(device="cpu", episodes=0, evaluate_every=10, save_every=10)


def trained(folder, method, **changes):
    """Two runs of ``method``, trained for a moment."""
    own = {} if method in TINY else {"members": 2, "ensemble_epochs": 1}
    shuffled = [{"shuffled": False}, {}] if method == "droco-shuffled" else [{}, {}]
    base = {"hidden": 16, "batch_size": 16, "steps": 10} | TINY.get(method, own)
    runs = [
        METHODS[method].Settings(**base | changes | {"seed": 5 if own else s} | extra)
        for s, extra in enumerate(shuffled)
    ]
    return train(runs, PLANE.source, PLANE.target, loop=QUIET, out=folder)


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("method", [name for name in METHODS if name != "droco-oracle"])
def test_every_method_is_exported_and_acts_as_it_was_trained(method, tmp_path):
    result = trained(tmp_path, method)
    seen = np.random.default_rng(0).standard_normal((9, 2)).astype(np.float32)
    for run in (0, 1):
        path, _ = export_policy(tmp_path, run)
        (actions,) = session(path).run(None, {"observations": seen})
        assert actions.dtype == np.float32
        np.testing.assert_allclose(actions, result.policy(run)(seen), atol=1e-6)
        assert np.abs(actions).max() > 1e-4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_row_and_many_rows_give_the_same_actions(dtype, tmp_path):
    trained(tmp_path, "iql")
    path, _ = export_policy(tmp_path, dtype=dtype, to=tmp_path / f"{dtype}.onnx")
    policy = session(path)
    rows = np.random.default_rng(1).standard_normal((6, 2)).astype(dtype)
    (many,) = policy.run(None, {"observations": rows})
    assert many.shape == (6, 2) and many.dtype == np.float32
    for row, action in zip(rows, many, strict=True):
        (one,) = policy.run(None, {"observations": row[None]})
        np.testing.assert_allclose(one[0], action, atol=1e-6)


def test_the_file_loads_where_neither_droco_lite_nor_torch_is(tmp_path):
    result = trained(tmp_path, "droco")
    export_policy(tmp_path, 0)
    code = (
        "import sys, numpy, onnxruntime\n"
        "policy = onnxruntime.InferenceSession('policy0.onnx')\n"
        "print(policy.run(None, {'observations': numpy.float32([[0.3, -0.2]])})[0].tolist())\n"
        "assert not {'droco_lite', 'torch'} & set(sys.modules)\n"
    )
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=bare, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    expected = result.policy(0)(np.float32([[0.3, -0.2]]))
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-6)


def test_the_card_says_what_it_is_and_what_it_returned(tmp_path):
    trained(tmp_path, "cql")
    returns = pd.DataFrame(
        {
            "run": [0, 1, 1], "shift": ["nominal", "nominal", "gravity-up-1"],
            "return_mean": [1.0, 2345.0, 678.0], "return_std": [0.0, 12.0, 34.0],
            "score": [0.1, 56.7, 8.9], "episodes": [5, 5, 5],
        }
    )  # fmt: skip
    path, card = export_policy(tmp_path, 1, dtype="float64", returns=returns)
    text = card.read_text()
    assert text.startswith("# CQL, policy 1 (robot not named)\n")
    assert "| method | cql |" in text and "| seed | 1 |" in text
    assert "| nominal | 2345 ± 12 | 56.7 | 5 |" in text and "gravity-up-1" in text
    assert "float64" in text and "| 1 ± 0 |" not in text
    kept = session(path).get_modelmeta().custom_metadata_map["droco_lite"]
    assert json.loads(kept)["settings"] == as_json(restore(tmp_path)[0].runs[1].to_dict())


def test_a_robot_without_reference_returns_has_no_column_of_scores(tmp_path):
    trained(tmp_path, "cql")
    returns = pd.DataFrame(
        {
            "run": [1, 1], "shift": ["nominal", "gravity-up-1"], "return_mean": [45.0, -6.0],
            "return_std": [1.0, 2.0], "score": [float("nan")] * 2, "episodes": [5, 5],
        }
    )  # fmt: skip
    text = export_policy(tmp_path, 1, returns=returns)[1].read_text()
    assert "| robot | return | episodes |\n|---|---|---|\n| nominal | 45 ± 1 | 5 |\n" in text
    assert "nan" not in text
    returns.score = [86.0, 5.0]  # by whichever references the robot has: not D4RL's for all
    text = export_policy(tmp_path, 1, returns=returns)[1].read_text()
    assert "| robot | return | score | episodes |\n|---|---|---|---|\n" in text
    assert "D4RL" not in text


def test_an_evaluation_without_a_score_is_told_without_one():
    last = {"run": 0, "step": 800, "return_mean": 45.0, "return_std": 1.0, "score": float("nan")}
    assert _returns([last], 0, None) == [
        "Nominal robot, at step 800: 45 ± 1.  Robots that changed were not tried."
    ]
    assert " (score 86.0)." in _returns([last | {"score": 86.0}], 0, None)[0]


def test_a_policy_without_measured_returns_says_so(tmp_path):
    trained(tmp_path, "iql")
    assert "None was measured." in export_policy(tmp_path)[1].read_text()


def test_wrong_names_are_refused(tmp_path):
    trained(tmp_path, "iql")
    with pytest.raises(ValueError, match=r"end in \.onnx"):
        export_policy(tmp_path, to=tmp_path / "policy.pt")
    with pytest.raises(ValueError, match="dtype must be one of float32, float64, got 'float16'"):
        export_policy(tmp_path, dtype="float16")


def test_readmes_lines_run_a_policy_in_gymnasium(tmp_path, monkeypatch):
    code = re.search(
        r"## An exported policy.*?```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S
    ).group(1)
    agent = METHODS["iql"]([tiny("iql")], 17, 6)
    layers = [(w[0].detach(), b[0].detach()) for w, b in agent.policy_layers()]
    (tmp_path / "my-run").mkdir()
    model = onnx_model(layers, "float32", {})
    (tmp_path / "my-run" / "policy0.onnx").write_bytes(model.SerializeToString())
    monkeypatch.chdir(tmp_path)
    space = {}
    exec(code, space)
    assert space["done"] and space["actions"].shape == (1, 6)
    seen = torch.tensor(space["observation"], dtype=torch.float32).expand(1, 1, -1)
    (last,) = space["policy"].run(None, {"observations": seen[0].numpy()})
    np.testing.assert_allclose(last[0], agent.act(seen)[0, 0].numpy(), atol=1e-6)
