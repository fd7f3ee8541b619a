"""The lab in a kernel: traits, messages and the page's half of the widget."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from traitlets import TraitError

import droco_lite
from book.address import pages_address, stated
from droco_lite.agents import DROCO, IQL, METHODS, DROCOSettings, IQLSettings
from droco_lite.agents.ensemble import Ensemble
from droco_lite.agents.networks import init_mlp, seeded_generators
from droco_lite.figures.colors import COLORS
from droco_lite.live import export, widget
from droco_lite.live.widget import Lab, facts_of, script_path
from droco_lite.training import Result

MEDIUM = "behaviour-target-medium"


@pytest.fixture(autouse=True)
def no_tables(monkeypatch):
    """What shifts change takes seconds to tabulate; test_kernel and test_robot_export do it."""
    monkeypatch.setattr(export, "all_shifts", lambda robot: {})


@pytest.fixture
def lab_widget(monkeypatch, tmp_path):
    (tmp_path / "lab.js").write_text("globalThis.DrocoLab = {};")
    monkeypatch.setattr(widget, "script_path", lambda: tmp_path / "lab.js")
    return Lab("hopper", family="kinematic", variant="legjnt", strength=0.7)


def answer(lab, what):
    sent = []
    lab.send = lambda content, buffers: sent.append((content, buffers))
    lab._answer(lab, {"ask": what}, None)
    ((content, (buffer,)),) = sent
    assert content == {"answer": what}
    return buffer


def test_the_package_has_it_by_its_short_name(monkeypatch, tmp_path):
    (tmp_path / "lab.js").write_text("")
    monkeypatch.setattr(widget, "script_path", lambda: tmp_path / "lab.js")
    assert isinstance(droco_lite.live("hopper"), Lab)


def test_settings_are_checked(lab_widget):
    lab_widget.strength = 4 / 3
    for name, value in (("strength", 2.0), ("family", "weather"), ("gravity", 3.0), ("seed", 99)):
        with pytest.raises((ValueError, TraitError)):
            setattr(lab_widget, name, value)
    with pytest.raises(ValueError, match="reacher"):
        Lab("reacher")


def test_sliders_are_tied_in_both_directions(lab_widget):
    first = lab_widget.controls().children[0]
    first.value = 0.5
    assert lab_widget.strength == 0.5
    lab_widget.strength = 1.0
    assert first.value == 1.0


def test_the_kernel_answers_with_script_robot_and_policies(lab_widget):
    assert answer(lab_widget, "script").startswith(b"globalThis.DrocoLab")
    assert json.loads(answer(lab_widget, "robot"))["robot"] == "hopper"
    assert json.loads(answer(lab_widget, "policies")) == {}


def test_a_policy_that_was_just_trained_races(lab_widget):
    agent = IQL([IQLSettings(seed=0), IQLSettings(seed=1)], 11, 3)
    lab_widget.policies = {"mine": Result(agent, pd.DataFrame(), 0.0, 0.0, "eager")}
    assert lab_widget.racing == ["mine"]
    facts = json.loads(answer(lab_widget, "policies"))["mine"]
    weight = facts["policy"][0]["weight"]
    held = np.frombuffer(base64.b64decode(weight["data"]), "<f2").reshape(weight["shape"])
    own = agent.networks.policy[0][0][0].detach().numpy()
    assert np.allclose(held, own, atol=1e-3)
    second = facts["critics"][1][0]["weight"]
    held = np.frombuffer(base64.b64decode(second["data"]), "<f2").reshape(second["shape"])
    assert np.allclose(held, agent.networks.critics[0][0][2].detach().numpy(), atol=1e-3)
    lab_widget.policies = ["mine", MEDIUM]
    with pytest.raises(ValueError, match="nobody"):
        lab_widget.policies = ["nobody"]


def test_a_droco_that_was_just_trained_brings_its_models():
    layers = init_mlp((14, 8, 24), seeded_generators(range(2), "ensemble"))
    zero, one = (torch.full((n,), v) for n, v in ((14, 0.0), (14, 1.0)))
    models = Ensemble(layers, zero, one, zero[:12], one[:12], torch.ones(2), (0, 1), 1)
    run = DROCOSettings(beta=0.25, delta=7.0, members=2, hidden=8)
    facts = facts_of(DROCO([run], 11, 3, ensemble=models))
    assert (facts["beta"], facts["delta"], facts["alongBeta"]) == (0.25, 7.0, 0.25)
    assert len(facts["models"]["members"]) == 2
    assert "floor" not in facts and "ceiling" not in facts
    run = replace(run, floor=-1.0, ceiling=2.0)
    facts = facts_of(DROCO([run], 11, 3, ensemble=models))
    assert (facts["floor"], facts["ceiling"]) == (-1.0, 2.0)


class Bounded(IQL):
    """Another method that bounds what it backs up, as a rival of the reader's own may."""

    def backup_bounds(self):
        return torch.full((1, 1, 1), -3.0), torch.full((1, 1, 1), torch.inf)


def test_the_bounds_of_any_method_are_asked_by_the_contract():
    facts = facts_of(Bounded([IQLSettings(hidden=8)], 11, 3))
    assert facts["floor"] == -3.0 and "ceiling" not in facts


@pytest.mark.parametrize("method", ["cql", "bosa", "dara", "igdf", "otdf", "micro"])
def test_a_policy_of_any_method_races(lab_widget, method):
    agent = METHODS[method]([METHODS[method].Settings(hidden=8, seed=s) for s in (0, 1)], 11, 3)
    lab_widget.policies = {"mine": (agent, 1)}
    facts = json.loads(answer(lab_widget, "policies"))["mine"]
    assert facts["color"] == method in COLORS and lab_widget.racing == ["mine"]
    layers = [{k: decoded(v) for k, v in layer.items()} for layer in facts["policy"]]
    rows = torch.randn(5, 11, generator=torch.Generator().manual_seed(0))
    x = rows.numpy()
    for depth, layer in enumerate(layers):
        x = x @ layer["weight"] + layer["bias"]
        x = np.maximum(x, 0) if depth < len(layers) - 1 else np.tanh(x)
    assert np.allclose(x, agent.act(rows.expand(2, -1, -1))[1], atol=2e-3)


def decoded(value):
    return np.frombuffer(base64.b64decode(value["data"]), "<f2").reshape(value["shape"])


def test_what_is_no_policy_of_this_robot_is_refused(lab_widget):
    with pytest.raises(TypeError, match="int"):
        facts_of(3)
    agent = IQL([IQLSettings(hidden=8)], 17, 6)
    with pytest.raises(ValueError, match="runs 0 to 0"):
        lab_widget.policies = {"mine": (agent, 1)}
    before = lab_widget.racing
    with pytest.raises(ValueError, match=r"'mine' takes 17 observations.*hopper has 11"):
        lab_widget.policies = {"mine": agent}
    assert lab_widget.racing == before and "mine" not in lab_widget.policies


def test_a_missing_script_says_how_to_build_it(monkeypatch, tmp_path):
    monkeypatch.setattr(widget, "_HERE", tmp_path / "a" / "b")
    with pytest.raises(FileNotFoundError, match="make book") as refused:
        script_path()
    # Where it was installed from the repository, as on Colab without a release, nobody can build.
    assert f"{stated()}/releases" in str(refused.value)
    assert f"{pages_address(stated())}/book/deploying.html#live-lab" in str(refused.value)
