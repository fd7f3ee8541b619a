"""What the chapters say of the live lab's policies and models is so."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch

from droco_lite.agents.trained_policies import load_policy
from droco_lite.data.behaviour import load_behaviour
from droco_lite.live.export import deviation, recorded
from droco_lite.robots import NOMINAL, BatchedRobot, Shift, get_robot, rollout

SOURCE = "kinematic-thighjnt-hard"


def numbers(facts):
    values = np.frombuffer(base64.b64decode(facts["data"]), f"<{facts['dtype']}")
    return values.reshape(facts["shape"])


@pytest.mark.slow
def test_two_kinds_the_source_policy_leads_from_medium_on():
    shifts = [Shift("kinematic", "thighjnt", s) for s in (1 / 3, 0.5, 2 / 3, 1.0)]
    target, source = (
        rollout("halfcheetah", shifts, load_behaviour("halfcheetah", shift, "medium"),
                episodes=10, seed=0).returns
        for shift in (NOMINAL, SOURCE)
    )  # fmt: skip
    assert target[0].mean() > 1.5 * source[0].mean()
    assert target[1].mean() > source[1].mean()
    assert source[2].mean() > target[2].mean()
    assert (np.diff(source.mean(axis=1)) > 0).all()


def test_ensembles_the_models_share_more_error_than_they_spread():
    robot = get_robot("walker2d")
    found = load_policy("walker2d-droco-0.5")
    rows = {name: numbers(values) for name, values in recorded("walker2d").items()}
    actions = rows["actions"].astype(np.float32)
    count = len(actions)
    qpos, qvel = rows["qpos"][:count], rows["qvel"][:count]
    robots = BatchedRobot("walker2d", [NOMINAL] * count, [0] * count, dtype=np.float64)
    robots.set_state(qpos, qvel)
    truth = robots.step(actions)[0].astype(np.float32)
    seen = robot.observation(qpos, qvel).astype(np.float32)
    predicted = found.ensemble.predict(torch.from_numpy(seen), torch.from_numpy(actions))[0].numpy()
    scale = found.ensemble.output_std.numpy()[: seen.shape[1]]

    def size(x):  # root mean square over models and columns, one a step
        return np.sqrt(((x / scale) ** 2).mean(axis=(0, 2)))

    ratio = size(predicted - truth) / size(predicted - predicted.mean(0))
    assert (ratio > 1).all()
    assert 1.5 < np.median(ratio) < 3
    worst = np.min([found.value(member) for member in predicted], axis=0)
    assert 0.6 < (worst < found.value(truth)).mean() < 0.99


def test_training_droco_the_floor_holds_at_step_4():
    robot, found = get_robot("walker2d"), load_policy("walker2d-droco-0.5")
    rows = {name: numbers(values)[4:5] for name, values in recorded("walker2d").items()}
    actions = rows["actions"].astype(np.float32)
    source = BatchedRobot("walker2d", [robot.source_shifts["kinematic"]], [0], dtype=np.float64)
    source.set_state(rows["qpos"], rows["qvel"])
    value = found.value(source.step(actions)[0].astype(np.float32))[0]
    seen = robot.observation(rows["qpos"], rows["qvel"]).astype(np.float32)
    predicted = found.ensemble.predict(torch.from_numpy(seen), torch.from_numpy(actions))[0].numpy()
    worst = min(found.value(member)[0] for member in predicted)
    assert value - found.card["settings"]["beta"] * (value - worst) < found.card["floor"] == 0


@pytest.mark.slow
def test_deploying_gravity_fells_more_than_friction_and_noise():
    expert, unit = load_behaviour("walker2d", NOMINAL, "expert"), deviation("walker2d")

    def fallen(shift, noise=0.0):
        rng = np.random.default_rng(0)
        result = rollout(
            "walker2d", [shift], expert, episodes=30, seed=0,
            observation_filter=lambda s: (s + noise * unit * rng.uniform(-1, 1, s.shape)).astype(
                np.float32
            ),
        )  # fmt: skip
        return int((result.lengths < 1000).sum())

    assert fallen("gravity-up-0.3") == 30
    assert 8 <= fallen("friction-down-0.6") <= 16
    assert fallen("nominal", 0.2) <= 6
    assert fallen("nominal", 0.3) > 15
