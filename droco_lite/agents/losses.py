"""The losses of the IQL family, one function each, and the only place where Huber's loss stands.

Both forms of the step use these: the readable one (:meth:`droco_lite.agents.iql.IQL.losses`, which
autograd differentiates) and the one by hand (:mod:`droco_lite.agents.fast.gradients`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def expectile_loss(advantage: Tensor, expectile: Tensor | float) -> Tensor:
    """|tau - 1{A < 0}| A^2 (IQL, eq. 5)."""
    return (expectile - (advantage < 0).float()).abs() * advantage**2


def huber(error: Tensor, delta: Tensor | float) -> Tensor:
    """e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2) (Huber, 1964); delta may be inf."""
    clipped = huber_slope(error, delta)
    return clipped * (error - 0.5 * clipped)


def huber_slope(error: Tensor, delta: Tensor | float) -> Tensor:
    """The derivative of :func:`huber` by the error: the error, clipped to [-delta, delta]."""
    return torch.clamp(error, -delta, delta)  # type: ignore[arg-type]


def pooled_mean(source: Tensor, target: Tensor, weights: tuple[float, float]) -> Tensor:
    """Weighted sum of both halves' means over rows, ``[..., R]``; an empty half adds nothing."""
    halves = zip(weights, (source, target), strict=True)
    first, *other = [weight * half.mean((-1, -2)) for weight, half in halves if half.shape[-2]]
    return sum(other, first)


def advantage_weight(advantage: Tensor, temperature: Tensor | float, max_weight: float) -> Tensor:
    """min(exp(A / lambda), max_weight) with temperature = 1 / lambda (IQL, eq. 7)."""
    return torch.exp(temperature * advantage).clamp(max=max_weight)


def by_actions_alone(term: Callable[[Tensor], Tensor], actions: Tensor) -> Tensor:
    """A loss of actions, whose gradient reaches the actions and no network that it asks.

    Args:
        term: a loss ``[R]`` of actions.
        actions: ``[R, rows, A]``.
    """
    by_actions, value = torch.func.grad(  # by hand too, the term is differentiated like this
        lambda x: (lambda loss: (loss.sum(), loss))(term(x)), has_aux=True
    )(actions.detach())
    return value.detach() + (by_actions.detach() * (actions - actions.detach())).sum((1, 2))


def cosine(rate: float, progress: Tensor | float) -> Tensor:
    """The rate, decayed to zero by half a cosine as ``progress`` goes from 0 to 1."""
    return 0.5 * rate * (1 + torch.cos(torch.pi * torch.as_tensor(progress)))
