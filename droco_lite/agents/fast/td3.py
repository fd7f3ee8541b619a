"""TD3's gradients, written out by hand.

The derivatives of :func:`droco_lite.agents.td3.critic_loss` and ``actor_loss``; the tests hold them
to autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from droco_lite.agents.networks import Layers, repeat_rows


class Pairs(Protocol):
    """Anything with observations ``[R, B, S]`` and actions ``[R, B, A]``."""

    @property
    def observations(self) -> Tensor:
        """s ``[R, B, S]``."""
        ...

    @property
    def actions(self) -> Tensor:
        """a ``[R, B, A]``."""
        ...


@torch.no_grad()
def critic_gradients(
    critic: Layers,
    batch: Pairs,
    target: Tensor,
    weights: Tensor | None = None,
    push_down: Tensor | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Gradient of ``critic_loss``, in the order of ``parameters(critic)``, and Q ``[2R, B, 1]``.

    The arguments are those of :func:`droco_lite.agents.td3.critic_loss`.
    """
    inputs = repeat_rows(torch.cat([batch.observations, batch.actions], -1), 2)
    outputs = layer_outputs(critic, inputs)
    q = outputs[-1]
    slope = q - target.repeat(2, 1, 1)
    if weights is not None:
        slope *= weights.repeat(2, 1, 1)
    if push_down is not None:
        slope += push_down.repeat(2, 1, 1)
    slope /= q.shape[1]
    return _weight_gradients(critic, outputs, slope), q


@torch.no_grad()
def actor_gradients(
    actor: Layers,
    critic: Layers,
    observations: Tensor,
    normalise_q: bool = False,
    extra: Callable[[Tensor], Tensor] | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Gradient of ``actor_loss``, in the order of ``parameters(actor)``, and Q₁ ``[R, B, 1]``.

    ``extra``, if given, maps the actions ``[R, B, A]`` to the gradient of a further loss with
    respect to them, such as BOSA's support term.
    """
    runs, rows, _ = observations.shape
    first = [(weight[:runs], bias[:runs]) for weight, bias in critic]
    activations = layer_outputs(actor, observations)
    actions = activations[-1].tanh_()
    critic_activations = layer_outputs(first, torch.cat([observations, actions], -1))
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


def layer_outputs(layers: Layers, x: Tensor) -> list[Tensor]:
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
