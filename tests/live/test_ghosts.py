"""DROCO's worst states in Chromium, from the disk with the network cut off, against Python."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch

from droco_lite.agents.trained_policies import load_policy
from droco_lite.live.export import recorded
from droco_lite.robots import NOMINAL, BatchedRobot, get_robot
from tests.live.lab_page import in_chromium, opened

pytestmark = in_chromium

STEP = 37


def expected(name: str) -> dict:
    """V of the seven models' next states at one recorded step, and of both true ones."""
    found, robot = load_policy(f"walker2d-{name}"), get_robot("walker2d")
    rows = {
        key: np.frombuffer(base64.b64decode(x["data"]), f"<{x['dtype']}").reshape(x["shape"])[STEP]
        for key, x in recorded("walker2d").items()
    }
    actions = rows["actions"][None].astype(np.float32)
    seen = robot.observation(rows["qpos"][None], rows["qvel"][None]).astype(np.float32)
    predicted = found.ensemble.predict(torch.from_numpy(seen), torch.from_numpy(actions))[0].numpy()
    true = {}
    for key, shift in (("target", NOMINAL), ("source", robot.source_shifts["kinematic"])):
        robots = BatchedRobot("walker2d", [shift], [0], dtype=np.float64)
        robots.set_state(rows["qpos"][None], rows["qvel"][None])
        true[key] = float(found.value(robots.step(actions)[0].astype(np.float32))[0])
    return {"values": [float(found.value(each)[0]) for each in predicted], **true}


@pytest.mark.parametrize("views", [["ghosts"], ["race", "ghosts"]])
def test_the_ghosts_are_pythons_and_move_by_keyboard(browser, site, views):
    name = "droco-0.5"
    with opened(browser, site, views=views) as page:
        assert page.evaluate("lab.ghosts.chosen") == name
        step = page.get_by_role("slider", name="Step of the episode")
        step.press("Home")
        for _ in range(STEP - 1):
            step.press("ArrowRight")
        page.get_by_role("button", name="Step on").press("Enter")
        assert page.evaluate("lab.ghosts.step") == STEP
        wanted, seen = expected(name), "lab.ghosts.seen"
        values = page.evaluate(f"{seen}.predicted.map(({{ value }}) => value)")
        assert values == pytest.approx(wanted["values"], abs=1e-3)
        assert page.evaluate(f"{seen}.worst") == int(np.argmin(wanted["values"]))
        for key in ("source", "target"):
            assert page.evaluate(f"{seen}.truth.{key}.value") == pytest.approx(
                wanted[key], abs=1e-2
            )
        penalty = wanted["source"] - min(wanted["values"])
        assert page.evaluate(f"{seen}.penalty") == pytest.approx(penalty, abs=1e-2)
        beta = page.get_by_role("slider", name="β", exact=True)
        beta.press("End")
        assert page.evaluate(f"{seen}.charged") == pytest.approx(penalty, abs=1e-2)
        # A floor above every value holds where it is on, and only there.
        page.evaluate("lab.ghosts.facts.policies['droco-0.5'].floor = 1e6; lab.ghosts.show()")
        floor, backed = page.get_by_role("checkbox", name="Floor"), f"{seen}.backed"
        assert page.evaluate(backed) == 1e6
        floor.press(" ")
        assert page.evaluate(backed) == page.evaluate(f"{seen}.unbounded") < 1e6
        floor.press(" ")
        assert page.evaluate(backed) == 1e6
        page.evaluate("lab.ghosts.facts.policies['droco-0.5'].floor = 0; lab.ghosts.show()")
        beta.press("Home")
        assert page.evaluate(f"{seen}.charged") == 0
        if "race" in views:
            page.get_by_label("State and action from").select_option("race")
            assert page.evaluate("lab.ghosts.where") == "race"
            assert not page.evaluate("lab.race.running")
