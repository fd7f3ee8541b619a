"""Whether the uncertainty set is as wide as the shifts: a measurement for Prop. 4.5.

The proposition protects the deployed robot where its next states lie within the set that training
backed up over: c <= eps.  Both can be measured here, on the same pairs (s, a), in units of a usual
step of the target data (root mean square over columns):

    c(s, a)   = distance from the nominal robot's next state to the shifted robot's
    eps(s, a) = distance from the members' mean to the member farthest from it

A set that is wide enough may still lie elsewhere: ``error`` is the distance from the nominal
robot's next state to the member next to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from droco_lite.agents.coverage import rms, step_scale
from droco_lite.agents.ensemble import Ensemble
from droco_lite.data.behaviour import load_behaviour
from droco_lite.data.names import Task
from droco_lite.robots import NOMINAL, Shift, one_step, record
from droco_lite.robots.batch import BatchedRobot


def widths(
    task: Task | str,
    ensemble: Ensemble,
    shifts: Sequence[Shift],
    *,
    episodes: int = 5,
    steps: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """c, eps and the ensemble's error, on the paths of the source's policy and of the target's.

    Args:
        task: whose behaviour policies run, the source's on the source robot and the target's on
            the nominal one.
        ensemble: fitted on the task's target data.
        shifts: of the deployed robot.
        episodes: of each policy.
        steps: most steps of an episode.
        seed: of their starts.

    Returns:
        A row for each of ``rows`` (source, target) and shift: ``c``, ``eps`` and ``error``, medians
        over the states, and ``covered``, the share of states with c <= eps.

    Raises:
        FileNotFoundError: a behaviour policy is not in the package.
    """
    task, lines = Task.parse(task), []
    for rows, shift in (("source", task.source_shift), ("target", NOMINAL)):
        policy = load_behaviour(task.robot, shift, task.quality)
        kept = [
            record(task.robot, shift, policy, seed=seed + k, steps=steps) for k in range(episodes)
        ]
        qpos, qvel = (np.concatenate([getattr(e, k)[:-1] for e in kept]) for k in ("qpos", "qvel"))
        actions = np.concatenate([episode.actions for episode in kept])
        truth, *moved = one_step(task.robot, [NOMINAL, *shifts], qpos, qvel, actions)
        radius, error = _of_members(task.robot, ensemble, qpos, qvel, actions, truth)
        scale = step_scale(ensemble)
        for deployed, after in zip(shifts, moved, strict=True):
            c = rms((after - truth) / scale)
            lines.append({
                "rows": rows, "shift": str(deployed), "family": deployed.family,
                "variant": deployed.variant, "strength": deployed.strength, "c": np.median(c),
                "eps": np.median(radius), "error": np.median(error),
                "covered": (c <= radius).mean(),
            })  # fmt: skip
    return pd.DataFrame(lines)


def _of_members(robot, ensemble, qpos, qvel, actions, truth) -> tuple[np.ndarray, np.ndarray]:
    """eps and the distance from the truth to the nearest member, ``[n]`` each."""
    robots = BatchedRobot(robot, [NOMINAL] * len(actions), [0] * len(actions))
    robots.set_state(qpos, qvel)
    observations = np.asarray(robots.observations(), np.float32)
    given = torch.from_numpy(observations), torch.as_tensor(actions, dtype=torch.float32)
    scale = step_scale(ensemble)
    predicted = ensemble.predict(*given)[0].cpu().numpy()
    radius = rms((predicted - predicted.mean(0)) / scale).max(0)
    return radius, rms((predicted - truth) / scale).min(0)
