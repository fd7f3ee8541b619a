"""Adam for stacked leaves, and its state by name: the one place where optimiser state is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

#: Group name -> the optimiser that moves it, and its leaves in a fixed order.
Groups = Mapping[str, tuple[Adam, Sequence[Tensor]]]


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
