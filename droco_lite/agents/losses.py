"""The losses of the IQL family, one function each.

Both forms of the step use these: the readable one (:meth:`droco_lite.agents.iql.IQL.losses`, which
autograd differentiates) and the one by hand (:mod:`droco_lite.agents.fast.gradients`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def expectile_loss(advantage: Tensor, expectile: Tensor | float) -> Tensor:
    """|tau - 1{A < 0}| A^2, element by element (IQL, Kostrikov et al., ICLR 2022, eq. 5).

    Args:
        advantage: A ``[..., 1]``, in units of return.
        expectile: tau in (0, 1), one number or a tensor that broadcasts, such as ``[R, 1, 1]``.

    Returns:
        The loss, of the shape of ``advantage``; no mean is taken.
    """
    return (expectile - (advantage < 0).float()).abs() * advantage**2


def huber(error: Tensor, delta: Tensor | float) -> Tensor:
    """e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2) (Huber, 1964).

    Args:
        error: e of any shape, in units of return.
        delta: positive, in the same units; one number or a tensor that broadcasts, such as
            ``[R, 1, 1]``.  With inf the loss is e^2 / 2 everywhere.

    Returns:
        The loss, of the shape of ``error``; no mean is taken.
    """
    clipped = huber_slope(error, delta)
    return clipped * (error - 0.5 * clipped)


def huber_slope(error: Tensor, delta: Tensor | float) -> Tensor:
    """The derivative of :func:`huber` by the error: the error, clipped to [-delta, delta].

    Args:
        error: e of any shape.
        delta: as :func:`huber` takes it.

    Returns:
        The slope, of the shape of ``error``.
    """
    return torch.clamp(error, -delta, delta)  # type: ignore[arg-type]


def pooled_mean(source: Tensor, target: Tensor, weights: tuple[float, float]) -> Tensor:
    """Weighted sum of both halves' means over rows; an empty half adds nothing.

    Args:
        source: losses of source rows ``[..., R, n_source, 1]``.
        target: losses of target rows ``[..., R, n_target, 1]``.
        weights: of the source half and of the target half.

    Returns:
        One number a run, ``[..., R]``.
    """
    halves = zip(weights, (source, target), strict=True)
    first, *other = [weight * half.mean((-1, -2)) for weight, half in halves if half.shape[-2]]
    return sum(other, first)


def advantage_weight(advantage: Tensor, temperature: Tensor | float, max_weight: float) -> Tensor:
    """min(exp(A / lambda), max_weight) with temperature = 1 / lambda (IQL, eq. 7).

    Args:
        advantage: A ``[R, rows, 1]``, in units of return.
        temperature: 1 / lambda, per unit of return; one number or ``[R, 1, 1]``.
        max_weight: the largest weight.

    Returns:
        Weights ``[R, rows, 1]``, between 0 and ``max_weight``.
    """
    return torch.exp(temperature * advantage).clamp(max=max_weight)


def by_actions_alone(term: Callable[[Tensor], Tensor], actions: Tensor) -> Tensor:
    """A loss of actions, differentiable by the actions alone.

    The networks that ``term`` uses get no gradient.

    Args:
        term: maps actions ``[R, rows, A]`` to a loss ``[R]``.
        actions: ``[R, rows, A]``.

    Returns:
        The loss ``[R]``.
    """
    by_actions, value = torch.func.grad(  # by hand too, the term is differentiated like this
        lambda x: (lambda loss: (loss.sum(), loss))(term(x)), has_aux=True
    )(actions.detach())
    return value.detach() + (by_actions.detach() * (actions - actions.detach())).sum((1, 2))


def cosine(rate: float, progress: Tensor | float) -> Tensor:
    """The learning rate, decayed to zero by half a cosine (Loshchilov and Hutter, ICLR 2017).

    Args:
        rate: the rate at the start.
        progress: share of the training that is done, in [0, 1]; a number or a tensor of any shape.

    Returns:
        The rate now, of the shape of ``progress``.
    """
    return 0.5 * rate * (1 + torch.cos(torch.pi * torch.as_tensor(progress)))
