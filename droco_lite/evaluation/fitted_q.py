"""Fitted Q evaluation: the value of a policy from transitions alone (Le et al., 2019).

All arrays carry the run axis R of the stack first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.agent import Agent
from droco_lite.agents.networks import (
    copy_of,
    init_mlp,
    mlp,
    parameters,
    seeded_generators,
    trainable,
)
from droco_lite.agents.settings import Settings, setting
from droco_lite.agents.snapshots import refuse_others
from droco_lite.data.collect import one_torch_thread
from droco_lite.data.transitions import Transitions

__all__ = ["FQE", "FQESettings", "fitted_q_evaluation", "logged_values", "start_observations"]

CHUNK = 512  # rows of each run evaluated at a time
SET = "this data set"  # in errors


@dataclass(frozen=True)
class FQESettings(Settings):
    """Size and length of fitted Q evaluation.

    ``iterations`` backups of ``steps`` gradient steps each.  What lies beyond ``iterations`` steps
    of the future keeps the weight discount^iterations (0.13 for 200 at 0.99).
    """

    iterations: int = setting(200, low=1, help="backups, each with the targets held fixed")
    steps: int = setting(20, low=1, help="gradient steps of each backup")
    batch_size: int = setting(256, low=1, help="rows of a gradient step, equal for all policies")
    hidden: int = setting(128, low=1, help="width of both hidden layers of Q")
    learning_rate: float = setting(1e-3, low=0.0, help="Adam's step size")
    seed: int = setting(0, low=0, help="initial weights and batches")


@dataclass(frozen=True)
class FQE:
    """What fitted Q evaluation found.

    Attributes:
        values: the start-state value after each backup, ``[iterations, R]``.
    """

    values: np.ndarray

    @property
    def estimate(self) -> np.ndarray:
        """The mean over the last fifth of the backups, ``[R]``."""
        return self.values[-max(1, len(self.values) // 5) :].mean(0)


def logged_values(data: Transitions, discount: float) -> np.ndarray:
    """Discounted returns of the logged episodes, ``[episodes]``.

    They are Monte-Carlo start-state values of the behaviour policy. Episodes cut where more than
    1 % of the weight was still to come are left out, unless all were.
    """
    values, whole = [], []
    for episode in data.episodes():
        values.append(np.sum(discount ** np.arange(len(episode)) * episode.rewards))
        whole.append(episode.terminations[-1] or discount ** len(episode) < 0.01)
    return np.array(values)[whole] if any(whole) else np.array(values)


def start_observations(data: Transitions) -> np.ndarray:
    """First observation of every logged episode, ``[episodes, S]``."""
    return data.observations[np.concatenate([[0], data.episode_ends()[:-1] + 1])]


@one_torch_thread()
def fitted_q_evaluation(
    agent: Agent,
    data: Transitions,
    starts: np.ndarray,
    *,
    discount: float | None = None,
    settings: FQESettings = FQESettings(),
) -> FQE:
    """The value of every policy of ``agent`` at ``starts [n, S]``, from transitions alone.

    Backup k regresses, for each policy pi on the same batches of (s, a, r, d, s'),

        Q_k(s, a)  on  r + gamma (1 - d) Q_{k-1}(s', pi(s')),     Q_0 = the behaviour's value,

    and the value of pi is the mean of Q_k(s_0, pi(s_0)) over the starts.  All policies begin with
    the same weights and see the same batches, so that differences are theirs.  Targets stay within
    what any policy can earn, which keeps a diverging regression finite.

    Args:
        agent: R stacked policies with ``runs``, ``device`` and ``act``.
        discount: gamma; the agent's own unless given.

    Raises:
        ValueError: rows or starts of other columns than the policies'.
    """
    refuse_others(agent, SET, data.observation_size, data.action_size)
    refuse_others(agent, "this set of starts", np.shape(starts)[-1], data.action_size)
    gamma = agent.shared.discount if discount is None else discount
    runs, device = len(agent.runs), agent.device

    def tensor(array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, np.float32), device=device)

    s, a, s2, s0 = map(tensor, (data.observations, data.actions, data.next_observations, starts))
    r, continues = tensor(data.rewards)[:, None], tensor(1.0 - data.terminations)[:, None]
    a2, a0 = actions_of(agent, s2), actions_of(agent, s0)  # constant: pi does not move
    mean, scale = s.mean(0), s.std(0) + 1e-3

    # Q = base + unit f: differences between policies are small beside the value itself.
    base = float(logged_values(data, gamma).mean())
    unit = float(data.rewards.std()) / (1 - gamma) ** 0.5 or 1.0
    low, high = (float(f(data.rewards)) / (1 - gamma) for f in (np.min, np.max))
    low, high = min(low, 0.0), max(high, 0.0)
    sizes = (s.shape[1] + a.shape[1], settings.hidden, settings.hidden, 1)
    drawn = init_mlp(sizes, seeded_generators([settings.seed], "fqe"))
    last_weight, last_bias = drawn[-1]
    drawn[-1] = torch.zeros_like(last_weight), torch.zeros_like(last_bias)
    layers = trainable([(w.repeat(runs, 1, 1), b.repeat(runs, 1, 1)) for w, b in drawn], device)
    adam = torch.optim.Adam(parameters(layers), lr=settings.learning_rate, fused=True)

    def q(stack, observations: Tensor, actions: Tensor) -> Tensor:
        inputs = torch.cat([(observations - mean) / scale, actions], -1)
        return base + unit * mlp(stack, inputs.expand(runs, *inputs.shape[-2:]))

    rng = np.random.default_rng(settings.seed)
    values = np.empty((settings.iterations, runs))
    for k in range(settings.iterations):
        frozen = copy_of(layers)
        for index in rng.integers(0, len(data), (settings.steps, settings.batch_size)):
            index = torch.from_numpy(index).to(device)
            with torch.no_grad():
                after = q(frozen, s2[index].expand(runs, -1, -1), a2[:, index])
                y = (r[index] + gamma * continues[index] * after).clamp(low, high)
            adam.zero_grad(set_to_none=True)
            error = (q(layers, s[index], a[index]) - y) / unit
            error.square().mean((1, 2)).sum().backward()
            adam.step()
        with torch.no_grad():
            values[k] = q(layers, s0.expand(runs, -1, -1), a0).mean((1, 2)).cpu().numpy()
    return FQE(values)


def actions_of(agent: Agent, observations: Tensor) -> Tensor:
    """Every policy's actions ``[R, n, A]`` at the same observations ``[n, S]``."""
    parts = observations.split(CHUNK)
    return torch.cat([agent.act(p.expand(len(agent.runs), -1, -1)) for p in parts], 1)
