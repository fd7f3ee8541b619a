"""How far trained policies go: a return is not a walk where standing is paid for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import mujoco
import numpy as np
import pandas as pd

from droco_lite.robots import BatchedRobot, make_model
from droco_lite.robots.rollouts import play
from droco_lite.training.export import restore, trained_on
from droco_lite.training.loop import numpy_act

FIRST_START = 30_000  # seed of the first start; no other evaluation uses it


def goes_forwards(robot: str) -> bool:
    """Whether the first entry of ``qpos`` is the place along x, as a walker's is."""
    model = make_model(robot)
    kind = model.jnt_type[0]
    along_x = bool(np.allclose(model.jnt_axis[0], (1, 0, 0)))
    return bool(
        kind == mujoco.mjtJoint.mjJNT_FREE or (kind == mujoco.mjtJoint.mjJNT_SLIDE and along_x)
    )


def _stacked(act: Callable[[np.ndarray], np.ndarray], runs: int):
    """Stacked policies on rows that belong to one run after another, ``[R m, S]``."""

    def choose(observations: np.ndarray, alive: np.ndarray) -> np.ndarray:
        seen = observations.reshape(runs, -1, observations.shape[-1])
        return act(seen).reshape(len(observations), -1)

    return choose


def distances(
    folders: Sequence[str | Path], robot: str = "", starts: int = 30, seed: int = FIRST_START
) -> pd.DataFrame:
    """Metres that every run of some trained folders goes on the nominal robot, from each start.

    Args:
        folders: of checkpoints.
        robot: the robot to run on; empty: the one that a folder was evaluated on.
        starts: episodes of each run.
        seed: of the first start.

    Returns:
        A row for each run and start: ``label, seed, start, metres, steps, return``.  ``metres`` is
        how far the robot is along x when its episode ends, and ``steps`` when that is.

    Raises:
        FileNotFoundError: a folder holds no checkpoint.
        ValueError: the robot is not known, or does not move along x.
    """
    found = []
    for folder in folders:
        agent, facts = restore(folder)
        name = robot or trained_on(facts)
        if not name:
            raise ValueError(f"robot: {folder} was trained without one; name it, such as walker2d")
        if not goes_forwards(name):
            raise ValueError(f"robot: {name!r} does not move along x, so it goes no distance")
        runs, seeds = len(agent.runs), [*range(seed, seed + starts)]
        robots = BatchedRobot(name, ["nominal"] * (runs * starts), seeds * runs)
        begin = robots.qpos[:, 0].copy()
        returns = play(robots, _stacked(numpy_act(agent), runs))
        metres = robots.qpos[:, 0] - begin
        for k, run in enumerate(agent.runs):
            part = slice(k * starts, (k + 1) * starts)
            lines = {"start": seeds, "metres": metres[part], "steps": robots.steps[part],
                     "return": returns[part]}  # fmt: skip
            found.append(pd.DataFrame({"label": run.label, "seed": run.seed, **lines}))
    return pd.concat(found, ignore_index=True)
