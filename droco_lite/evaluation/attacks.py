"""Disturbed observations: random noise, and noise picked by the policy's own critic.

The robot stays as it is; only what the policy sees moves, to a point of the box::

    B(s) = { s~ : |s~_i - s_i| <= scale * deviation_i for every column i }

where ``deviation`` is the standard deviation of each observation column in the target's data, so
that a scale means the same for a joint's angle and for its velocity.  Two attacks::

    noise   s~ uniform in B(s)
    min-q   s~ = argmin over candidates of  min_j Q_j(s, pi(s~)),
            candidates: s itself and K uniform points of B(s)

The second is the *min-Q attack* of RORL (Yang et al., NeurIPS 2022; there with the mean over the
critics), as MICRO's and, it seems, the DROCO paper's experiments use it, with K = 50 and scales up
to 0.2.  Three things to know about it:

* It asks the *attacked agent's own* online critics, at the true state.  What an agent believes is
  its worst action need not be the worst one: a poor critic makes a weak attack.
* Behaviour cloning in this package is IQL with ``temperature = 0``: its policy ignores the critics,
  yet they are trained on the data's own actions, and they are what the attack asks.
* A handful of uniform points in 11 to 111 dimensions searches the box badly: what it finds is a
  lower bound on the damage.  RORL also follows gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.agent import Agent
from droco_lite.agents.snapshots import Policies

KINDS = ("none", "noise", "min-q")
CANDIDATES = 50  # RORL's and MICRO's
STREAM = 6  # keeps these draws apart from others of the same seed
ROWS_AT_ONCE = 4096  # of a network's input, so that activations stay in the cache

Critic = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Attack:
    """What is done to observations, and how far it may move them.

    Attributes:
        kind: one of ``none``, ``noise``, ``min-q``.
        scale: half the width of the box in standard deviations of each column, 0 to 1; the paper
            goes up to 0.2.

    Raises:
        ValueError: another kind, a scale outside [0, 1], or a scale where there is no attack.
    """

    kind: str = "none"
    scale: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"attack {self.kind!r} is none of {', '.join(KINDS)}")
        if not (math.isfinite(self.scale) and 0 <= self.scale <= 1):
            raise ValueError(f"attack {self.kind}: scale must lie in [0, 1], got {self.scale}")
        if self.kind == "none" and self.scale:
            raise ValueError(f"attack none has no scale, got {self.scale}")

    @classmethod
    def parse(cls, text: Attack | str) -> Attack:
        """The attack that ``str(attack)`` names: ``none``, ``noise-0.05``, ``min-q-0.1``.

        Raises:
            ValueError: the text names no attack, or a scale outside of [0, 1].
        """
        if isinstance(text, Attack):
            return text
        if text == "none":
            return cls()
        kind, _, scale = text.rpartition("-")
        try:
            return cls(kind, float(scale))
        except ValueError as error:
            raise ValueError(
                f"{text!r} is no attack; write none, noise-SCALE or min-q-SCALE with a scale in "
                "[0, 1]"
            ) from error

    def __str__(self) -> str:
        return "none" if self.kind == "none" else f"{self.kind}-{self.scale:g}"


NO_ATTACK = Attack()


def smaller_critic(agent: Policies) -> Critic:
    """min_j Q_j of the agent's online critics, as they are now.

    Returns:
        Observations ``[R, rows, S]`` and actions ``[R, rows, A]`` to values ``[R, rows, 1]``.

    Raises:
        ValueError: no agent.
    """
    if not isinstance(agent, Agent):
        raise ValueError(
            f"min-q: {type(agent).__name__} has no critics that the attack knows of; give the "
            "agent itself (droco_lite.training.export.restore(FOLDER) returns it), or attack with "
            "noise"
        )
    return agent.min_q


@torch.no_grad()
def worst_of(
    act: Callable[[Tensor], Tensor], critic: Critic, observations: Tensor, offsets: Tensor
) -> Tensor:
    """For every row the candidate that the critic values least, ``[R, rows, S]``.

    Args:
        act: observations ``[R, n, S]`` to actions ``[R, n, A]``.
        observations: the true ones, ``[R, rows, S]``, at which the critic is asked.
        offsets: candidates less the true observation, ``[rows, K, S]``; the true observation itself
            is always one more.
    """
    runs, rows, size = observations.shape
    offsets = torch.cat([torch.zeros_like(offsets[:, :1]), offsets], 1)
    count = offsets.shape[1]
    at_once, parts = max(1, ROWS_AT_ONCE // (runs * count)), []
    for k in range(0, rows, at_once):
        clean = observations[:, k : k + at_once, None]
        seen = clean + offsets[k : k + at_once]  # [R, part, K + 1, S]
        actions = act(seen.flatten(1, 2))
        values = critic(clean.expand_as(seen).flatten(1, 2), actions)
        worst = values.reshape(runs, -1, count).argmin(-1)
        index = worst[..., None, None].expand(-1, -1, 1, size)
        parts.append(seen.gather(2, index).squeeze(2))
    return torch.cat(parts, 1)


class Disturbance:
    """An ``observation_filter`` for :func:`droco_lite.robots.rollout_runs`; make one a roll-out.

    The draws of an episode depend on its own seed and its step alone: policies, shifts and kinds
    of attack meet the same numbers, and the order of episodes changes nothing.  The noise is the
    first candidate of the min-Q attack's first step.

    Args:
        agent: R stacked policies.
        episodes, seed: as given to ``rollout_runs``; episode e draws from ``seed + e``.
        deviation: ``[S]``, the unit of each observation column.
        candidates: K of the min-Q attack.

    Raises:
        ValueError: ``deviation`` of another shape, negative or not finite; no candidates.
    """

    def __init__(
        self,
        agent: Policies,
        attack: Attack,
        *,
        episodes: int,
        seed: int,
        deviation: np.ndarray,
        candidates: int = CANDIDATES,
    ):
        deviation = np.asarray(deviation, dtype=np.float32)
        if deviation.shape != (agent.n_obs,):
            raise ValueError(
                f"deviation: expected shape ({agent.n_obs},), one unit for each observation "
                f"column, got {deviation.shape}"
            )
        if not np.isfinite(deviation).all() or (deviation < 0).any():
            raise ValueError("deviation: must be finite and not negative in every column")
        if candidates < 1:
            raise ValueError(f"candidates: needs at least 1, got {candidates}")
        self.agent, self.attack = agent, attack
        self.radius = np.float32(attack.scale) * deviation
        self.count = candidates if attack.kind == "min-q" else 1
        self.rngs = [np.random.default_rng([seed + e, STREAM]) for e in range(episodes)]
        self.critic = smaller_critic(agent) if attack.kind == "min-q" else None

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """What the policies see in place of observations ``[R, shifts * episodes, S]``."""
        if self.attack.kind == "none":
            return observations
        shape = (self.count, observations.shape[-1])
        drawn = np.stack([rng.random(shape, dtype=np.float32) for rng in self.rngs])
        offsets = (2 * drawn - 1) * self.radius  # [episodes, K, S]
        offsets = np.tile(offsets, (observations.shape[1] // len(self.rngs), 1, 1))
        if self.critic is None:  # noise
            return observations + offsets[:, 0]
        seen, device = torch.tensor(observations), self.agent.device
        return (
            worst_of(
                self.agent.act, self.critic, seen.to(device), torch.from_numpy(offsets).to(device)
            )
            .cpu()
            .numpy()
        )
