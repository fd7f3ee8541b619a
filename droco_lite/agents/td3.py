"""TD3, the twin delayed deterministic policy gradient (Fujimoto, van Hoof, Meger 2018).

Online it trains the behaviour policies that make the data sets; offline it is the core of BOSA.

Every tensor has the run dimension ``R`` first, so one update moves ``R`` independent runs; the two
critics of a run are networks ``r`` and ``R + r`` of one stack of ``2R``.  :func:`critic_loss` and
:func:`actor_loss` read like the paper and are what BOSA logs; an update takes their derivatives
from :mod:`droco_lite.agents.fast.td3`, where they are written by hand, which is faster on a CPU.
The tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.fast.td3 import (
    Pairs,
    actor_gradients,
    critic_gradients,
    layer_outputs,
)
from droco_lite.agents.networks import (
    Layers,
    copy_of,
    init_mlp,
    mlp,
    parameters,
    polyak_,
    repeat_rows,
    seeded_generators,
    twins,
)
from droco_lite.agents.optimizers import Moments, adam_, zero_moments
from droco_lite.agents.settings import Settings, setting

HIDDEN = (256, 256)


@dataclass(frozen=True)
class TD3Settings(Settings):
    """Algorithm 1 of the paper, with the step sizes used here."""

    discount: float = setting(0.99, low=0.0, high=1.0, help="gamma")
    tau: float = setting(
        0.005, low=0.0, high=1.0, help="share that target networks move at each policy update"
    )
    policy_delay: int = setting(2, low=1, help="d, critic updates for each policy update")
    target_noise: float = setting(
        0.2, low=0.0, help="standard deviation of the noise that smooths the target action"
    )
    target_noise_clip: float = setting(0.5, low=0.0, help="c, the bound of that noise")
    learning_rate: float = setting(3e-4, low=0.0, help="Adam's step size, actor and critics")
    normalise_q: bool = setting(
        False,
        help="divide the policy loss by the batch mean of abs(Q_1) (Fujimoto & Gu 2021), as BOSA "
        "does; the online algorithm does not",
    )


class TD3Batch(NamedTuple):
    """One batch per run; ``continues`` is 1 where the episode goes on (not at a termination).

    Shapes: observations and next_observations ``[R, B, S]``, actions ``[R, B, A]``, rewards and
    continues ``[R, B, 1]``.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    continues: Tensor


@dataclass
class TD3State:
    """Everything an update reads and moves: networks, their targets, Adam's moments, a count."""

    actor: Layers
    critic: Layers
    target_actor: Layers
    target_critic: Layers
    actor_moments: Moments
    critic_moments: Moments
    updates: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.long))
    """Updates taken so far, counted in place on the device: a CUDA graph goes on counting, where a
    number from the host would be the same at every replay."""
    counter: Tensor = field(default_factory=lambda: torch.zeros(()))
    """Room for the count that Adam reads, which is no integer."""

    @property
    def runs(self) -> int:
        """How many runs are stacked."""
        return self.actor[0][0].shape[0]

    def to(self, device: torch.device | str) -> TD3State:
        """The same state with its tensors on ``device``."""

        def stack(layers: Layers) -> Layers:
            return [(w.to(device), b.to(device)) for w, b in layers]

        def moments(pair: Moments) -> Moments:
            mean, square = pair
            return [t.to(device) for t in mean], [t.to(device) for t in square]

        return TD3State(
            stack(self.actor), stack(self.critic), stack(self.target_actor),
            stack(self.target_critic), moments(self.actor_moments), moments(self.critic_moments),
            self.updates.to(device), self.counter.to(device),
        )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        """Networks and moments by name, in a fixed order, for a checkpoint."""
        return self.networks() | self.moments()

    def networks(self) -> dict[str, Tensor]:
        """The networks and their targets, by name."""
        stacks = {
            "actor": self.actor,
            "critic": self.critic,
            "target_actor": self.target_actor,
            "target_critic": self.target_critic,
        }
        return _numbered({name: parameters(layers) for name, layers in stacks.items()})

    def moments(self) -> dict[str, Tensor]:
        """Adam's moments, by name."""
        groups = {
            "actor_mean": self.actor_moments[0],
            "actor_square": self.actor_moments[1],
            "critic_mean": self.critic_moments[0],
            "critic_square": self.critic_moments[1],
        }
        return _numbered(groups)

    def load_(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Copy a checkpoint's tensors in, and the number of its updates.

        Raises:
            ValueError: a tensor is missing or has another shape.
        """
        for name, mine in self.tensors().items():
            if name not in tensors:
                raise ValueError(f"the checkpoint has no tensor {name!r}")
            if tensors[name].shape != mine.shape:
                raise ValueError(
                    f"tensor {name!r} has shape {tuple(tensors[name].shape)},"
                    f" these networks need {tuple(mine.shape)}"
                )
            mine.copy_(tensors[name])
        self.updates.fill_(updates)


def _numbered(groups: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    """``<group>.<i>`` of the tensors in each group."""
    return {f"{group}.{i}": t for group, ts in groups.items() for i, t in enumerate(ts)}


def init_td3(
    observation_size: int, action_size: int, seeds: Sequence[int], hidden: Sequence[int] = HIDDEN
) -> TD3State:
    """Fresh networks for ``len(seeds)`` runs; a run's weights depend on its own seed alone."""
    actor = init_mlp([observation_size, *hidden, action_size], seeded_generators(seeds, "actor"))
    sizes = [observation_size + action_size, *hidden, 1]
    both = [init_mlp(sizes, seeded_generators(seeds, name)) for name in ("critic1", "critic2")]
    critic = [
        (torch.cat([w1, w2]), torch.cat([b1, b2])) for (w1, b1), (w2, b2) in zip(*both, strict=True)
    ]
    return TD3State(
        actor=actor,
        critic=critic,
        target_actor=copy_of(actor),
        target_critic=copy_of(critic),
        actor_moments=zero_moments(parameters(actor)),
        critic_moments=zero_moments(parameters(critic)),
    )


def act(actor: Layers, observations: Tensor) -> Tensor:
    """Deterministic actions ``[R, n, A]`` in [-1, 1]: π(s) = tanh(μ(s))."""
    return torch.tanh(mlp(actor, observations))


@torch.no_grad()
def bellman_target(
    state: TD3State, batch: TD3Batch | Batch, noise: Tensor, settings: TD3Settings
) -> Tensor:
    """y = r + γ·continues·:func:`next_value`, shape ``[R, B, 1]``."""
    value = next_value(state, batch.next_observations, noise, settings)
    return batch.rewards + settings.discount * batch.continues * value


@torch.no_grad()
def next_value(
    state: TD3State, next_observations: Tensor, noise: Tensor, settings: TD3Settings
) -> Tensor:
    """min Q′(s′, clip(π′(s′) + clip(σ̃ε, ±c), ±1)), shape ``[R, B, 1]``.

    ``noise`` ε is standard normal, ``[R, B, A]``.
    """
    bound = settings.target_noise_clip
    smoothing = (noise * settings.target_noise).clamp_(-bound, bound)
    next_actions = (act(state.target_actor, next_observations) + smoothing).clamp_(-1, 1)
    inputs = repeat_rows(torch.cat([next_observations, next_actions], -1), 2)
    first, second = layer_outputs(state.target_critic, inputs)[-1].chunk(2)
    return torch.minimum(first, second)


# ----------------------------------------------------------------- the losses, as in the paper


def critic_loss(
    critic: Layers,
    batch: Pairs,
    target: Tensor,
    weights: Tensor | None = None,
    push_down: Tensor | None = None,
) -> Tensor:
    """mean w·½[(Q₁ - y)² + (Q₂ - y)²] of each run, ``[R]``.

    Args:
        critic: both critics, ``2R`` networks.
        batch: observations and actions.
        target: y ``[R, B, 1]``.
        weights: w ``[R, B, 1]``; 1 if None.
        push_down: ``[R, B, 1]``; if given, adds mean push_down·(Q₁ + Q₂), BOSA's conservative term.
    """
    q = twins(critic, batch.observations, batch.actions)
    loss = 0.5 * (q - target) ** 2
    loss = loss if weights is None else weights * loss
    return (loss if push_down is None else loss + push_down * q).mean((2, 3)).sum(0)


def actor_loss(
    actor: Layers, critic: Layers, observations: Tensor, normalise_q: bool = False
) -> Tensor:
    """-mean Q₁(s, π(s)) of each run ``[R]``, over mean |Q₁| (held fixed) if ``normalise_q``."""
    runs = observations.shape[0]
    first = [(weight[:runs], bias[:runs]) for weight, bias in critic]
    q = mlp(first, torch.cat([observations, act(actor, observations)], -1))
    loss = -q.mean((1, 2))
    return loss / q.detach().abs().mean((1, 2)) if normalise_q else loss


# --------------------------------------------------------------------------------- one update


@torch.no_grad()
def td3_update_(
    state: TD3State,
    batch: TD3Batch | Batch,
    noise: Tensor,
    settings: TD3Settings,
    *,
    move_policy: bool = True,
) -> dict[str, Tensor]:
    """One TD3 update in place; the policy and the targets move on every ``policy_delay``-th.

    Args:
        move_policy: False holds the policy, and moves the target critics alone.
        noise: standard normal ``[R, B, A]``; the update draws nothing itself.

    Returns:
        Per run: ``q`` (mean over batch and critics) and ``td_error`` (mean absolute).
    """
    state.updates += 1
    target = bellman_target(state, batch, noise, settings)
    gradients, q = critic_gradients(state.critic, batch, target)
    rate = settings.learning_rate
    count = state.counter.copy_(state.updates)
    adam_(parameters(state.critic), gradients, state.critic_moments, count, rate)
    if int(state.updates) % settings.policy_delay == 0:
        if move_policy:
            move_policy_(state, batch.observations, settings)
        else:
            polyak_(state.target_critic, state.critic, settings.tau)
    runs = state.runs
    errors = (q - target.repeat(2, 1, 1)).abs().mean((1, 2)).view(2, runs).mean(0)
    return {"q": q.mean((1, 2)).view(2, runs).mean(0), "td_error": errors}


@torch.no_grad()
def move_policy_(
    state: TD3State,
    observations: Tensor,
    settings: TD3Settings,
    extra: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The delayed half of an update: the policy's step, then all targets. Returns Q₁ ``[R, B, 1]``.

    ``extra`` as in :func:`actor_gradients`.
    """
    gradients, q = actor_gradients(
        state.actor, state.critic, observations, settings.normalise_q, extra
    )
    # Rounded up, for a graph is tried from any state: Adam's first move is its move number 1.
    moves = (state.updates + (settings.policy_delay - 1)) // settings.policy_delay
    count = state.counter.copy_(moves)
    adam_(
        parameters(state.actor), gradients, state.actor_moments, count, settings.learning_rate
    )  # fmt: skip
    polyak_(state.target_actor, state.actor, settings.tau)
    polyak_(state.target_critic, state.critic, settings.tau)
    return q
