"""What Python computes, for the lab's own tests in Node.

``python reference.py FOLDER [PART ...]`` writes parts: a robot's name, or ``networks``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from book.assets import VENDOR, facts_are_current
from droco_lite.agents import DROCO, DROCOSettings
from droco_lite.agents.ensemble import Ensemble
from droco_lite.agents.networks import init_mlp, seeded_generators
from droco_lite.agents.trained_policies import load_policy, release_policy
from droco_lite.data.behaviour import load_behaviour
from droco_lite.live.export import (
    START_SEEDS,
    array,
    ensemble_facts,
    policy_facts,
    script,
)
from droco_lite.live.model_tables import model_fields
from droco_lite.robots import BatchedRobot, Shift, get_robot, make_model, rollout
from droco_lite.robots.shifts import SHIFT_TABLE

STEPS = 300
#: Nominal and three shifts of different kinds, each at a strength between the published levels too.
PATHS = {
    "walker2d": ("nominal", "kinematic-footjnt-hard", "morph-torso-0.25", "friction-down-0.5"),
    "halfcheetah": ("nominal", "kinematic-thighjnt-hard", "morph-thigh-0.25", "gravity-up-0.5"),
    "hopper": ("nominal", "kinematic-footjnt-hard", "morph-foot-0.25", "gravity-down-0.5"),
    "ant": ("nominal", "kinematic-hipjnt-hard", "morph-alllegs-0.25", "friction-up-0.5"),
}


#: Shifts of whole episodes: here the medium behaviour policy falls before small roundings have
#: grown. Ant's stands, and its returns hardly differ from start to start.
EPISODES = {"walker2d": "gravity-up-0.5", "hopper": "gravity-up-0.5", "ant": "kinematic-hipjnt-0.5"}


def described(shift: Shift) -> list[dict]:
    if shift.family == "nominal":
        return []
    return [{"family": shift.family, "variant": shift.variant, "strength": shift.strength}]


def path(robot: str, text: str, steps: int = STEPS) -> dict:
    """States along one roll-out of the behaviour policy with noise, its observations and rewards.

    Episodes do not end here: after a fall the robots go on lying. A twin starts 1e-14 rad off, so
    that ``twin``, the twins' distance, says how far two exact simulators could agree.
    """
    shift = Shift.parse(text)
    robots = BatchedRobot(robot, [shift, shift], [0, 0], threads=1, dtype=np.float64)
    nudged = robots.qpos.copy()
    nudged[1, 2] += 1e-14
    robots.set_state(nudged, robots.qvel.copy())
    policy = load_behaviour(robot).with_noise(0.2, seed=7)
    qpos, qvel = [robots.qpos[0].copy()], [robots.qvel[0].copy()]
    observations, rewards, fallen, actions, twin = [robots.observations()[0]], [], [], [], []
    for _ in range(steps):
        actions.append(policy(observations[-1][None].astype(np.float32)))
        seen, reward, terminated, _ = robots.step(np.repeat(actions[-1], 2, axis=0))
        twin.append(np.abs(seen[0] - seen[1]).max())
        qpos.append(robots.qpos[0].copy())
        qvel.append(robots.qvel[0].copy())
        observations.append(seen[0])
        rewards.append(reward[0])
        fallen.append(terminated[0])
    return {
        "shift": text, "shifts": described(shift), "qpos": array(qpos), "qvel": array(qvel),
        "observations": array(observations), "rewards": array(rewards),
        "fallen": array(fallen, "u1"), "actions": array(np.concatenate(actions), "f4"),
        "twin": array(twin),
    }  # fmt: skip


def fields(robot: str) -> list[dict]:
    """Compiled fields of every variant at six strengths."""
    found = []
    for family, variants in SHIFT_TABLE[robot].items():
        for variant in variants:
            for strength in (0.01, 0.25, 1 / 3, 0.43, 2 / 3, 1.0):
                shift = Shift(family, variant, strength)
                values = model_fields(make_model(robot, shift))
                found.append({
                    "shifts": described(shift),
                    "fields": {name: array(x) for name, x in values.items()},
                })  # fmt: skip
    return found


def networks(folder: Path) -> dict:
    """A DROCO run with random weights, released and loaded; what it makes of random states."""
    robot, size = "walker2d", get_robot("walker2d")
    n_obs, n_act = size.observation_size, size.action_size
    run = DROCOSettings(beta=0.5, delta=0.02, floor=-0.05, ceiling=0.05)
    sizes = (n_obs + n_act, *[run.hidden] * 2, 2 * (n_obs + 1))
    rng = np.random.default_rng(3)
    scales = [rng.uniform(0.5, 2, n).astype(np.float32) for n in (n_obs + n_act, n_obs + 1)]
    ensemble = Ensemble(
        init_mlp(sizes, seeded_generators(range(7), "ensemble")),
        torch.from_numpy(0.1 * scales[0]), torch.from_numpy(scales[0]),
        torch.from_numpy(0.1 * scales[1]), torch.from_numpy(scales[1]),
        torch.ones(7), (0, 1, 2, 3, 4), 1,
    )  # fmt: skip
    agent = DROCO([run], n_obs, n_act, ensemble=ensemble)
    release_policy(agent, 0, folder / f"{robot}-droco", robot=robot, kind="random", returns={})
    loaded = load_policy(f"{robot}-droco", folder)
    s = rng.normal(0, 1, (50, n_obs)).astype(np.float32)
    a = rng.uniform(-1, 1, (50, n_act)).astype(np.float32)
    after = s + rng.normal(0, 0.1, s.shape).astype(np.float32)
    r = rng.normal(0, 0.1, 50)
    predicted = loaded.ensemble.predict(torch.from_numpy(s), torch.from_numpy(a))[0].numpy()
    values = np.stack([loaded.value(member) for member in predicted])
    # DROCO's own equations, from the docstring of agents/droco.py.
    penalty = loaded.value(after) - values.min(0)
    backed = np.clip(loaded.value(after) - run.beta * penalty, run.floor, run.ceiling)
    assert (backed == run.floor).any() and (backed == run.ceiling).any()
    error = r + run.discount * backed - loaded.critic(s, a)
    return {
        "policy": policy_facts(loaded), "ensemble": ensemble_facts(loaded.ensemble),
        "settings": {k: getattr(run, k) for k in ("beta", "delta", "floor", "ceiling", "discount")},
        "observations": array(s), "actions": array(a), "after": array(after), "rewards": array(r),
        "acted": array(loaded.policy(s)), "value": array(loaded.value(s)),
        "critic": array(loaded.critic(s, a)), "predicted": array(predicted),
        "values": array(values), "penalty": array(penalty), "backed": array(backed),
        "error": array(error), "worst": array(values.argmin(0), "i4"),
        "kept": array(np.minimum(1, run.delta / np.abs(error))),
    }  # fmt: skip


def episodes(robot: str, shift: str) -> dict:
    """Returns and lengths of the medium behaviour policy from the first starts, under a shift."""
    result = rollout(robot, [shift], load_behaviour(robot), episodes=5, seed=START_SEEDS[0])
    return {
        "shifts": described(Shift.parse(shift)), "returns": result.returns[0].tolist(),
        "lengths": result.lengths[0].tolist(),
    }  # fmt: skip


def robot_script(robot: str) -> str:
    """A robot's file: the one that ``make book`` made, where nothing has changed since."""
    made = VENDOR / f"lab-{robot}.js"
    return made.read_text(encoding="utf-8") if facts_are_current() else script(robot)


def make(folder: Path, part: str) -> None:
    """Write one part: a robot's facts and what Python makes of them, or the networks."""
    folder.mkdir(parents=True, exist_ok=True)

    def keep(name: str, content: str) -> None:
        (folder / f"{name}.json").write_text(content, encoding="utf-8")

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # policies of one robot: more threads wait for one another
    try:
        if part == "networks":
            keep(part, json.dumps(networks(folder / "weights")))
            return
        texts = PATHS[part]
        found = {"paths": [path(part, text) for text in texts], "fields": fields(part)}
        if part in EPISODES:
            found["episodes"] = episodes(part, EPISODES[part])
        keep(f"{part}-reference", json.dumps(found))
        keep(f"{part}-facts", robot_script(part).partition(" = ")[2].removesuffix(";\n"))
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    for name in sys.argv[2:] or [*PATHS, "networks"]:
        make(Path(sys.argv[1]), name)
