"""TD3, the twin delayed deterministic policy gradient (Fujimoto, van Hoof, Meger 2018).

Online it trains the behaviour policies that make the data sets; offline it is the core of BOSA.

Every tensor has the run dimension ``R`` first, so one update moves ``R`` independent runs; the two
critics of a run are networks ``r`` and ``R + r`` of one stack of ``2R``.  The losses stand twice:
:func:`critic_loss` and :func:`actor_loss` read like the paper and are differentiated by autograd,
:func:`critic_gradients` and :func:`actor_gradients` are the same derivatives written out, which
on one CPU core is what the speed comes from.  The tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from droco_lite.agents.networks import (
    Layers,
    copy_of,
    init_mlp,
    mlp,
    parameters,
    polyak_,
    repeat_rows,
    seeded_generators,
)

HIDDEN = (256, 256)


@dataclass(frozen=True)
class TD3Settings:
    """Algorithm 1 of the paper, with the step sizes used here.

    Attributes:
        discount: γ.
        tau: share by which target networks move at each policy update.
        policy_delay: critic updates per policy update, d.
        target_noise: standard deviation σ̃ of the target action's smoothing noise.
        target_noise_clip: its bound c.
        learning_rate: Adam's step size, actor and critics.
        normalise_q: divide the policy loss by the batch mean of |Q₁| (Fujimoto & Gu 2021), as BOSA
            does; the online algorithm does not.
    """

    discount: float = 0.99
    tau: float = 0.005
    policy_delay: int = 2
    target_noise: float = 0.2
    target_noise_clip: float = 0.5
    learning_rate: float = 3e-4
    normalise_q: bool = False


class Batch(NamedTuple):
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
    """Everything an update reads and moves: networks, their targets, Adam's moments, counters."""

    actor: Layers
    critic: Layers
    target_actor: Layers
    target_critic: Layers
    actor_moments: tuple[list[Tensor], list[Tensor]]
    critic_moments: tuple[list[Tensor], list[Tensor]]
    updates: int = 0

    @property
    def runs(self) -> int:
        return self.actor[0][0].shape[0]

    def to(self, device: torch.device | str) -> TD3State:
        """The same state with its tensors on ``device``."""
        stacks = (self.actor, self.critic, self.target_actor, self.target_critic)
        moved = [[(w.to(device), b.to(device)) for w, b in stack] for stack in stacks]
        pairs = (self.actor_moments, self.critic_moments)
        moments = [tuple([t.to(device) for t in part] for part in pair) for pair in pairs]
        return TD3State(*moved, *moments, self.updates)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, in a fixed order, for a checkpoint."""
        groups = {
            "actor": parameters(self.actor),
            "critic": parameters(self.critic),
            "target_actor": parameters(self.target_actor),
            "target_critic": parameters(self.target_critic),
            "actor_mean": self.actor_moments[0],
            "actor_square": self.actor_moments[1],
            "critic_mean": self.critic_moments[0],
            "critic_square": self.critic_moments[1],
        }
        return {f"{group}.{i}": t for group, ts in groups.items() for i, t in enumerate(ts)}

    def load_(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Copy a checkpoint's tensors in.

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
        self.updates = updates


def init_td3(
    observation_size: int, action_size: int, seeds: Sequence[int], hidden: Sequence[int] = HIDDEN
) -> TD3State:
    """Fresh networks for ``len(seeds)`` runs; a run's weights depend on its own seed alone."""
    actor = init_mlp([observation_size, *hidden, action_size], seeded_generators(seeds, "actor"))
    sizes = [observation_size + action_size, *hidden, 1]
    twins = [init_mlp(sizes, seeded_generators(seeds, name)) for name in ("critic1", "critic2")]
    critic = [
        (torch.cat([w1, w2]), torch.cat([b1, b2]))
        for (w1, b1), (w2, b2) in zip(*twins, strict=True)
    ]
    return TD3State(
        actor=actor,
        critic=critic,
        target_actor=copy_of(actor),
        target_critic=copy_of(critic),
        actor_moments=_zero_moments(actor),
        critic_moments=_zero_moments(critic),
    )


def act(actor: Layers, observations: Tensor) -> Tensor:
    """Deterministic actions ``[R, n, A]`` in [-1, 1]: π(s) = tanh(μ(s))."""
    return torch.tanh(mlp(actor, observations))


@torch.no_grad()
def bellman_target(state: TD3State, batch: Batch, noise: Tensor, settings: TD3Settings) -> Tensor:
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
    first, second = _forward(state.target_critic, inputs)[-1].chunk(2)
    return torch.minimum(first, second)


# ----------------------------------------------------------------- the losses, as in the paper


def critic_loss(
    critic: Layers, batch: Batch, target: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Σ over runs of mean w·½[(Q₁ - y)² + (Q₂ - y)²]; ``weights`` w ``[R, B, 1]``, 1 if None."""
    inputs = repeat_rows(torch.cat([batch.observations, batch.actions], -1), 2)
    errors = (mlp(critic, inputs) - target.repeat(2, 1, 1)).square()
    if weights is not None:
        errors = errors * weights.repeat(2, 1, 1)
    return 0.5 * errors.mean((1, 2)).sum()


def actor_loss(
    actor: Layers, critic: Layers, observations: Tensor, normalise_q: bool = False
) -> Tensor:
    """Σ over runs of -mean Q₁(s, π(s)), divided by mean |Q₁| (held fixed) if ``normalise_q``."""
    runs = observations.shape[0]
    first = [(weight[:runs], bias[:runs]) for weight, bias in critic]
    q = mlp(first, torch.cat([observations, act(actor, observations)], -1))
    scale = q.detach().abs().mean((1, 2), keepdim=True) if normalise_q else 1.0
    return -(q / scale).mean((1, 2)).sum()


# ------------------------------------------------------ the same derivatives, written out by hand


@torch.no_grad()
def critic_gradients(
    critic: Layers,
    batch: Batch,
    target: Tensor,
    weights: Tensor | None = None,
    push_down: Tensor | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Gradient of :func:`critic_loss` in the order of ``parameters(critic)``, and Q ``[2R, B, 1]``.

    ``push_down`` ``[R, B, 1]``, if given, adds Σ mean push_down·(Q₁ + Q₂): BOSA's conservative
    term.
    """
    inputs = repeat_rows(torch.cat([batch.observations, batch.actions], -1), 2)
    activations = _forward(critic, inputs)
    q = activations[-1]
    slope = q - target.repeat(2, 1, 1)
    if weights is not None:
        slope *= weights.repeat(2, 1, 1)
    if push_down is not None:
        slope += push_down.repeat(2, 1, 1)
    slope /= q.shape[1]
    return _weight_gradients(critic, activations, slope), q


@torch.no_grad()
def actor_gradients(
    actor: Layers,
    critic: Layers,
    observations: Tensor,
    normalise_q: bool = False,
    extra: Callable[[Tensor], Tensor] | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Gradient of :func:`actor_loss` in the order of ``parameters(actor)``, and Q₁ ``[R, B, 1]``.

    ``extra``, if given, maps the actions ``[R, B, A]`` to the gradient of a further loss with
    respect to them, such as BOSA's support term.
    """
    runs, rows, _ = observations.shape
    first = [(weight[:runs], bias[:runs]) for weight, bias in critic]
    activations = _forward(actor, observations)
    actions = activations[-1].tanh_()
    critic_activations = _forward(first, torch.cat([observations, actions], -1))
    q = critic_activations[-1]
    scale = q.abs().mean((1, 2), keepdim=True) if normalise_q else 1.0
    slope = torch.full_like(q, -1.0 / rows) / scale
    for (weight, _), hidden in zip(first[:0:-1], critic_activations[-2:0:-1], strict=True):
        slope = torch.ops.aten.threshold_backward(_times(slope, weight), hidden, 0)
    action_rows = first[0][0][:, observations.shape[-1] :]
    slope = torch.bmm(slope, action_rows.transpose(1, 2))
    if extra is not None:
        slope += extra(actions)
    slope = torch.ops.aten.tanh_backward(slope, actions)
    return _weight_gradients(actor, activations, slope), q


def _forward(layers: Layers, x: Tensor) -> list[Tensor]:
    """The input, every hidden activation after its ReLU, and the output."""
    activations = [x]
    for weight, bias in layers[:-1]:
        activations.append(torch.baddbmm(bias, activations[-1], weight).relu_())
    weight, bias = layers[-1]
    if weight.shape[-1] == 1:  # as below: BLAS is slow at products with one column
        outputs = (activations[-1] * weight.transpose(1, 2)).sum(-1, keepdim=True) + bias
    else:
        outputs = torch.baddbmm(bias, activations[-1], weight)
    return [*activations, outputs]


def _times(slope: Tensor, weight: Tensor) -> Tensor:
    """∂loss/∂input of a layer from ∂loss/∂output: slope · weightᵀ, ``[n, B, in]``."""
    across = weight.transpose(1, 2)
    return slope * across if slope.shape[-1] == 1 else torch.bmm(slope, across)


def _weight_gradients(layers: Layers, activations: list[Tensor], slope: Tensor) -> list[Tensor]:
    """Back-propagate ``slope`` = ∂loss/∂output ``[n, B, out]`` to all weights and biases."""
    gradients: list[Tensor] = []
    for depth in range(len(layers) - 1, -1, -1):
        below = activations[depth]
        gradients.append(slope.sum(1, keepdim=True))
        if slope.shape[-1] == 1:
            gradients.append(torch.bmm(slope.transpose(1, 2), below).transpose(1, 2))
        else:
            gradients.append(torch.bmm(below.transpose(1, 2), slope))
        if depth:
            slope = _times(slope, layers[depth][0])
            slope = torch.ops.aten.threshold_backward(slope, below, 0)
    return gradients[::-1]


# --------------------------------------------------------------------------------- one update


def adam_(
    tensors: list[Tensor],
    gradients: list[Tensor],
    moments: tuple[list[Tensor], list[Tensor]],
    step: int,
    learning_rate: float,
) -> None:
    """Adam's ``step``-th move (counted from 1), in place on ``tensors`` and ``moments``."""
    counters = [torch.tensor(float(step), device=tensors[0].device)] * len(tensors)
    torch._fused_adam_(
        tensors, gradients, *moments, [], counters, lr=learning_rate, beta1=0.9, beta2=0.999,
        weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
    )  # fmt: skip


@torch.no_grad()
def td3_update_(
    state: TD3State,
    batch: Batch,
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
    adam_(parameters(state.critic), gradients, state.critic_moments, state.updates, rate)
    if state.updates % settings.policy_delay == 0:
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
    step = state.updates // settings.policy_delay
    rate = settings.learning_rate
    adam_(parameters(state.actor), gradients, state.actor_moments, step, rate)
    polyak_(state.target_actor, state.actor, settings.tau)
    polyak_(state.target_critic, state.critic, settings.tau)
    return q


def _zero_moments(layers: Layers) -> tuple[list[Tensor], list[Tensor]]:
    zeros = [torch.zeros_like(t) for t in parameters(layers)]
    return zeros, [t.clone() for t in zeros]
