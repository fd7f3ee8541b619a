"""Adam and its state: the one place for optimisers.

Methods whose gradients come by autograd have :class:`Adam`, and its state by name
(:func:`adam`, :func:`adam_state`); TD3, whose gradients are written out, moves plain tensors
(:func:`adam_`) with moments that its own state names (:func:`zero_moments`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

#: Devices for which torch has Adam as one call.
FUSED = ("cpu", "cuda")


class Adam:
    """``torch.optim.Adam(..., fused=True)``, bit for bit, without torch's compiler.

    Torch's own imports the compiler when it is made, which takes every process that trains a second
    or more.  A step reads nothing from the device, so a CUDA graph may record it.

    Attributes:
        defaults: what a group has that does not say otherwise.
        param_groups: dictionaries of ``params``, ``lr`` (a number or a tensor on their device) and
            ``weight_decay``.
        state: parameter to ``step``, ``exp_avg`` and ``exp_avg_sq``; empty before the first step.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], lr: float = 1e-3):
        self.defaults: dict[str, Any] = {
            "lr": lr, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0,
        }  # fmt: skip
        self.param_groups: list[dict[str, Any]] = [{**self.defaults, **group} for group in groups]
        self.state: dict[Tensor, dict[str, Tensor]] = defaultdict(dict)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for leaf in group["params"]:
                leaf.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            leaves = [leaf for leaf in group["params"] if leaf.grad is not None]
            if not leaves:
                continue
            states = [self._begun(leaf) for leaf in leaves]
            first, second, steps = (
                [state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step")
            )
            torch._foreach_add_(steps, 1)
            beta1, beta2 = group["betas"]
            torch._fused_adam_(
                leaves, [leaf.grad for leaf in leaves], first, second, [], steps, lr=group["lr"],
                beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"],
                amsgrad=False, maximize=False,
            )  # fmt: skip

    def _begun(self, leaf: Tensor) -> dict[str, Tensor]:
        state = self.state[leaf]
        if not state:
            state["step"] = torch.zeros((), device=leaf.device)
            state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(leaf) for _ in range(2))
        return state


#: Group name -> the optimiser that moves it, and its leaves in a fixed order.
Groups = Mapping[str, tuple[Adam, Sequence[Tensor]]]

#: Adam's first and second moments, in the order of the tensors that they belong to.
Moments = tuple[list[Tensor], list[Tensor]]


def adam(groups: Sequence[Mapping[str, Any]], device: torch.device, lr: float = 1e-3) -> Adam:
    """Adam with torch's other defaults: one fused call where there is one, else torch's own.

    Args:
        groups: dictionaries of ``params``, and ``lr`` or ``weight_decay``, as torch takes them.
        device: where the parameters live.
        lr: the rate of groups that have none.
    """
    if device.type in FUSED:
        return Adam(groups, lr)
    return cast(Adam, torch.optim.Adam(list(map(dict, groups)), lr))


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
