"""Which of several trained policies to deploy, decided without the target's simulator.

beta and delta change a policy, and nobody may try policies on the target robot.  What may be used
are target transitions, some of them kept from training.  Each rule here turns them into one number
a run (Paine et al., 2020):

==================  ================================================================================
rule                prefers
==================  ================================================================================
``fqe``             a high start-state value by fitted Q evaluation (Le et al., 2019)
``bellman_error``   a small squared Bellman error of the run's own Q and V
``coverage``        u >= 0 on target rows as often as N + 1 exchangeable draws would make it
``noise_share``     a penalty that is small on target rows, where there is no shift to find
``imitation``       actions close to those of the target's data
``own_value``       a high V at the starts: what a run believes of itself
==================  ================================================================================

The last two are controls.  :func:`judge` then compares choices with true returns, which only an
exam has.  All arrays carry the run axis R of the stack first.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from droco_lite.agents.agent import Agent
from droco_lite.agents.settings import per_run_values
from droco_lite.agents.snapshots import refuse_other_robot, refuse_others
from droco_lite.data.chunks import chunks
from droco_lite.data.transitions import Transitions, concatenate
from droco_lite.evaluation.fitted_q import (
    CHUNK,
    SET,
    FQESettings,
    fitted_q_evaluation,
    logged_values,
    start_observations,
)
from droco_lite.evaluation.held_out import held_out_rows, laid_aside, refuse_other_rows
from droco_lite.evaluation.judging import RULES, judge
from droco_lite.robots import NOMINAL, BatchedRobot
from droco_lite.training.loop import numpy_act

__all__ = [
    "RULES", "FQESettings", "evidence", "examine", "fitted_q_evaluation", "held_out_rows", "judge",
    "laid_aside", "logged_values", "refuse_other_rows", "start_observations",
]  # fmt: skip


@torch.no_grad()
def bellman_error(agent: Agent, data: Transitions) -> np.ndarray:
    """Mean over rows and both critics of (r + gamma (1 - d) V(s') - Q_j(s, a))^2, ``[R]``.

    The squared error of *one* next state a row; where dynamics are noisy it also holds the
    variance of V(s').  It grows with the square of the values themselves.
    """

    def errors(part: Transitions) -> Tensor:
        s, a, r, continues, s2 = _tensors(agent, part)
        y = r + agent.shared.discount * continues * agent.v(s2)
        return (y - agent.twin_q(s, a)).square().mean(0)[..., 0]

    return _over_rows(errors, data).mean(1)


@torch.no_grad()
def penalties(agent: Agent, data: Transitions) -> np.ndarray:
    """u = V(s') - min_i V(s'_i) of every row, ``[R, rows]``, without any clamp."""

    def u(part: Transitions) -> Tensor:
        s, a, _, _, s2 = _tensors(agent, part)
        predicted = agent.models.predict(s[0], a[0])[0]  # [N, rows, S]
        members, rows, size = predicted.shape
        values = agent.v(predicted.reshape(1, -1, size).expand(len(agent.runs), -1, -1))
        worst = values.unflatten(1, (members, rows)).amin(1)
        return (agent.v(s2) - worst)[..., 0]

    return _over_rows(u, data)


def coverage(agent: Agent, data: Transitions) -> np.ndarray:
    """Share of rows whose V(s') is not below all N predicted ones, ``[R]``.

    Were the next state and the N predictions exchangeable, each of the N + 1 values would be the
    smallest equally often and the share N / (N + 1): the rank histogram's first bar
    (Hamill, 2001).  Members predict means, so less is to be expected.
    """
    return (penalties(agent, data) >= 0).mean(1)


def noise_share(agent: Agent, target: Transitions, source: Transitions) -> np.ndarray:
    """Mean positive penalty on target rows over that on source rows, ``[R]``.

    Target rows have no shift: what u says there is the ensemble's error.  1 means that the penalty
    cannot tell the two domains apart.
    """
    floor, found = (np.maximum(penalties(agent, d), 0).mean(1) for d in (target, source))
    return floor / np.maximum(found, 1e-12)


def imitation(agent: Agent, data: Transitions) -> np.ndarray:
    """Mean squared distance of the policy's action to the data's, per action column, ``[R]``.

    Raises:
        ValueError: rows of other columns than the policies'.
    """
    refuse_others(agent, SET, data.observation_size, data.action_size)
    act = numpy_act(agent)

    def apart(part: Transitions) -> Tensor:
        seen = np.broadcast_to(part.observations, (len(agent.runs), *part.observations.shape))
        return torch.as_tensor(((act(seen) - part.actions) ** 2).mean(-1))

    return _over_rows(apart, data).mean(1)


def own_value(agent: Agent, starts: np.ndarray) -> np.ndarray:
    """Mean of the run's own V at ``starts``, ``[R]``."""
    refuse_others(agent, "this set of starts", np.shape(starts)[-1], agent.n_act)
    seen = torch.as_tensor(starts, device=agent.device).expand(len(agent.runs), -1, -1)
    return agent.v(seen).mean((1, 2)).cpu().numpy()


def evidence(
    agent: Agent,
    target: Transitions,
    held_out: Transitions,
    source: Transitions,
    *,
    fqe: FQESettings = FQESettings(),
    rows: int = 4000,
) -> pd.DataFrame:
    """Every rule's number for every run: one line a run, with its per-run settings.

    Args:
        agent: a stack of DROCO runs, as :func:`droco_lite.training.export.restore` returns it.
        target: the target rows of the training; fitted Q evaluation uses them with ``held_out``.
        held_out: target rows that no training saw.
        source: source rows, of which ``rows`` are drawn.

    Raises:
        ValueError: the agent is not of DROCO's family, and has no V or no ensemble.
    """
    if agent.ensemble is None:
        raise ValueError(
            f"{agent.shared.method} has no ensemble of target models; these rules need DROCO runs"
        )
    few = source.sample(min(rows, len(source)), seed=0)
    both = concatenate([target, held_out])
    starts = start_observations(both)
    believed = own_value(agent, starts)  # first: it refuses a method that learns no V
    numbers = {
        "fqe": fitted_q_evaluation(agent, both, starts, settings=fqe).estimate,
        "bellman_error": bellman_error(agent, held_out),
        "coverage": coverage(agent, held_out),
        "noise_share": noise_share(agent, held_out, few),
        "imitation": imitation(agent, held_out),
        "own_value": believed,
    }
    lines = [
        {"run": r, "method": run.method, **per_run_values(run), "members": agent.ensemble.members}
        for r, run in enumerate(agent.runs)
    ]
    return pd.DataFrame(lines).assign(**numbers)


def examine(
    agent: Agent,
    robot: str,
    *,
    episodes: int = 20,
    seed: int = 30_000,
    max_steps: int | None = None,
) -> pd.DataFrame:
    """True returns from the target's simulator, which no rule may use.

    Returns:
        One line a run: ``return_mean`` and ``return_std`` over episodes (undiscounted),
        ``episodes``, and ``true_value``, the mean discounted return, which is what fitted Q
        evaluation estimates.

    Raises:
        ValueError: an unknown robot, or policies of other columns than the robot's.
    """
    refuse_other_robot(agent, robot)
    runs = len(agent.runs)
    seeds = [seed + e for _ in range(runs) for e in range(episodes)]
    robots = BatchedRobot(robot, [NOMINAL] * len(seeds), seeds, max_steps=max_steps)
    act, gamma, weight = numpy_act(agent), agent.shared.discount, 1.0
    seen, alive = robots.observations(), np.ones(len(robots), bool)
    returns, values = np.zeros((2, len(robots)))
    while alive.any():
        actions = act(seen.reshape(runs, episodes, -1)).reshape(len(robots), -1)
        seen, rewards, terminated, truncated = robots.step(actions, alive)
        returns += rewards
        values += weight * rewards
        weight *= gamma
        alive &= ~(terminated | truncated)
    returns, values = returns.reshape(runs, episodes), values.reshape(runs, episodes)
    return pd.DataFrame(
        {
            "return_mean": returns.mean(1),
            "return_std": returns.std(1, ddof=min(1, episodes - 1)),
            "true_value": values.mean(1),
            "episodes": episodes,
        }
    )


def _tensors(agent: Agent, part: Transitions) -> tuple[Tensor, ...]:
    """s, a, r, 1 - d and s' of the rows, the same for every run: ``[R, rows, k]`` views.

    Raises:
        ValueError: rows of other columns than the policies'.
    """
    refuse_others(agent, SET, part.observation_size, part.action_size)
    arrays = (
        part.observations,
        part.actions,
        part.rewards[:, None],
        1.0 - part.terminations[:, None],
        part.next_observations,
    )
    return tuple(
        torch.as_tensor(np.asarray(x, np.float32), device=agent.device).expand(
            len(agent.runs), -1, -1
        )
        for x in arrays
    )


def _over_rows(function, data: Transitions) -> np.ndarray:
    """``function(part) -> [R, rows]`` over chunks of rows, joined."""
    parts = map(data.take, chunks(len(data), CHUNK))
    return np.concatenate([function(part).cpu().numpy() for part in parts], 1)
