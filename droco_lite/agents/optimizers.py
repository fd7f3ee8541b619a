"""Adam and its state, for all methods.

Methods whose gradients come by autograd have torch's Adam, and its state by name
(:func:`adam`, :func:`adam_state`); TD3, whose gradients are written out, moves plain tensors
(:func:`adam_`) with moments that its own state names (:func:`zero_moments`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

#: Group name -> the optimiser that moves it, and its leaves in a fixed order.
Groups = Mapping[str, tuple[Adam, Sequence[Tensor]]]

#: Adam's first and second moments, in the order of the tensors that they belong to.
Moments = tuple[list[Tensor], list[Tensor]]


def adam(groups: Sequence[Mapping[str, Any]], device: torch.device) -> Adam:
    """Adam with torch's other defaults, fused where it can be, ready for a CUDA graph on a card.

    Args:
        groups: dictionaries of ``params`` and ``lr``, as torch takes them.
        device: where the parameters live.
    """
    return Adam(
        list(map(dict, groups)), fused=device.type in ("cpu", "cuda"),
        capturable=device.type == "cuda",
    )  # fmt: skip


def fill_gradients(leaves: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Hand each leaf its gradient."""
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = gradient


def adam_state(groups: Groups) -> dict[str, Tensor]:
    """Moments and counts as ``adam.<group>.<k>.<name>``; empty before the first step."""
    return {
        f"adam.{group}.{k}.{name}": tensor
        for group, (optimizer, leaves) in groups.items()
        for k, leaf in enumerate(leaves)
        for name, tensor in optimizer.state.get(leaf, {}).items()
    }


def load_adam_state(groups: Groups, state: Mapping[str, Tensor]) -> None:
    """Put back what :func:`adam_state` returned; other names in ``state`` do not matter."""
    for group, (optimizer, leaves) in groups.items():
        for k, leaf in enumerate(leaves):
            prefix = f"adam.{group}.{k}."
            saved = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
            if saved:
                optimizer.state[leaf] = {
                    n: t.clone().to(t.device if n == "step" else leaf.device)
                    for n, t in saved.items()
                }


def zero_moments(tensors: Sequence[Tensor]) -> Moments:
    """Moments of tensors that have not moved yet."""
    return [torch.zeros_like(t) for t in tensors], [torch.zeros_like(t) for t in tensors]


def adam_(
    tensors: list[Tensor],
    gradients: list[Tensor],
    moments: Moments,
    count: Tensor,
    learning_rate: float,
) -> None:
    """Adam's ``count``-th move (from 1, on the device), in place on ``tensors`` and ``moments``."""
    torch._fused_adam_(
        tensors, gradients, *moments, [], [count] * len(tensors), lr=learning_rate, beta1=0.9,
        beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
    )  # fmt: skip
