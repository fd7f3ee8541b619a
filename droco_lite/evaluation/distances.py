"""How far trained policies go; where standing is rewarded, a return does not tell."""

from __future__ import annotations

import mujoco
import numpy as np
import pandas as pd

from droco_lite.agents.snapshots import Policies, refuse_other_robot
from droco_lite.robots import NOMINAL, make_model, rollout_runs
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


def distances(
    agent: Policies, robot: str, starts: int = 30, seed: int = FIRST_START
) -> pd.DataFrame:
    """Metres that every run of an agent goes on the nominal robot, from each start.

    Args:
        agent: R runs.
        robot: the robot to run on.
        starts: episodes of each run.
        seed: of the first start.

    Returns:
        A row for each run and start: ``label, seed, start, metres, steps, return``.  ``metres`` is
        how far the robot is along x when its episode ends, and ``steps`` when that is.

    Raises:
        ValueError: the robot is not known, does not move along x, or has other columns.
    """
    if not goes_forwards(robot):
        raise ValueError(f"robot: {robot!r} does not move along x, so it goes no distance")
    refuse_other_robot(agent, robot)
    runs = len(agent.runs)
    found = rollout_runs(robot, [NOMINAL], numpy_act(agent), runs=runs, episodes=starts, seed=seed)
    return pd.DataFrame(
        {
            "label": np.repeat([run.label for run in agent.runs], starts),
            "seed": np.repeat([run.seed for run in agent.runs], starts),
            "start": np.tile(np.arange(seed, seed + starts), runs),
            "metres": found.moved.ravel(),
            "steps": found.lengths.ravel(),
            "return": found.returns.ravel(),
        }
    )
