"""Many small networks of one shape, evaluated in one batched matrix product.

A *stack* is a list of layers, each a pair ``(weight [n, in, out], bias [n, 1, out])`` that holds
the same layer of ``n`` independent multilayer perceptrons.  The networks of a stack
never see one another: gradients of a sum of losses stay with the network that made them.  That is
what lets one loop train ``R`` runs at once, with ``R = 1`` being the same code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

Layers = list[tuple[Tensor, Tensor]]

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0


def seeded_generators(seeds: Sequence[int], stream: str) -> list[torch.Generator]:
    """One CPU generator per seed.

    Each network is drawn from a generator of its own.  So a run's numbers do not depend on the runs
    that are stacked beside it.

    Args:
        seeds: one for each generator.
        stream: a name such as "init" or "noise", so that two uses of one seed draw other numbers.
    """
    tag = int.from_bytes(stream.encode(), "little") % (2**61 - 1)
    states = (np.random.SeedSequence([seed, tag]).generate_state(1, np.uint64) for seed in seeds)
    return [torch.Generator().manual_seed(int(state[0]) % 2**63) for state in states]


def divisor(std: np.ndarray) -> np.ndarray:
    """Standard deviations to divide columns by: 1 for a column that never moves.

    Args:
        std: of each column ``[k]``; changed in place.
    """
    std[std < 1e-6] = 1.0
    return std


def per_run_column(runs: Sequence, name: str, device) -> Tensor:
    """A per-run setting as ``[R, 1, 1]``, to broadcast over rows; NaN where it is None.

    Args:
        runs: the settings of R runs.
        name: of the setting; its values are numbers or None.
        device: of the result.
    """
    given = [getattr(run, name) for run in runs]
    values = [math.nan if value is None else float(value) for value in given]
    return torch.tensor(values, device=device).reshape(-1, 1, 1)


def init_mlp(sizes: Sequence[int], generators: Sequence[torch.Generator]) -> Layers:
    """A stack of ``len(generators)`` perceptrons with layer widths ``sizes``.

    Weights and biases are uniform in ``±1/sqrt(fan_in)``, as in ``torch.nn.Linear``.

    Args:
        sizes: widths of all layers, the input's first and the output's last.
        generators: one for each of the n networks, see :func:`seeded_generators`.

    Returns:
        ``len(sizes) - 1`` layers ``(weight [n, in, out], bias [n, 1, out])`` on the CPU, float32.
    """
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        bound = fan_in**-0.5
        draws = [torch.rand(fan_in + 1, fan_out, generator=g) for g in generators]
        both = torch.stack(draws).mul_(2 * bound).sub_(bound)
        layers.append((both[:, :fan_in].contiguous(), both[:, fan_in:].contiguous()))
    return layers


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W + b of every network in a stack.

    Args:
        x: inputs ``[n, rows, in]``.
        weight: W ``[n, in, out]``.
        bias: b ``[n, 1, out]``.

    Returns:
        ``[n, rows, out]``.
    """
    if torch.compiler.is_compiling():  # the sum then costs nothing: it joins the activation
        return torch.bmm(x, weight) + bias
    return torch.baddbmm(bias, x, weight)


def last_hidden(layers: Layers, x: Tensor, activation=torch.relu) -> Tensor:
    """The input ``[n, rows, width]`` of a stack's last layer, for inputs x ``[n, rows, in]``."""
    for weight, bias in layers[:-1]:
        x = activation(affine(x, weight, bias))
    return x


def mlp(layers: Layers, x: Tensor, activation=torch.relu) -> Tensor:
    """Outputs ``[n, rows, out]`` of every network in the stack for inputs ``[n, rows, in]``."""
    return affine(last_hidden(layers, x, activation), *layers[-1])


def scalar_mlp(layers: Layers, x: Tensor) -> Tensor:
    """:func:`mlp` of networks with one output, ``[n, rows, 1]``.

    The last product is computed as a sum.  A matrix of one column leaves most of a CPU unused where
    there are many rows (12 % of CQL*'s step with ten candidates).
    """
    weight, bias = layers[-1]
    return (last_hidden(layers, x) * weight.mT).sum(-1, keepdim=True) + bias


def parameters(layers: Layers) -> list[Tensor]:
    """The stack's tensors in a flat list, each layer's weight before its bias."""
    return [tensor for layer in layers for tensor in layer]


def trainable(layers: Layers, device: torch.device | str) -> Layers:
    """The stack on ``device``, as leaves that collect gradients."""
    return [
        (w.detach().to(device).requires_grad_(), b.detach().to(device).requires_grad_())
        for w, b in layers
    ]


def copy_of(layers: Layers) -> Layers:
    """A frozen copy: a target network starts as one."""
    return [(w.detach().clone(), b.detach().clone()) for w, b in layers]


@torch.no_grad()
def polyak_(target: Layers, online: Layers, tau: float) -> None:
    """Move ``target`` a share ``tau`` of the way to ``online``, in place.

    Args:
        target: the stack that moves.
        online: a stack of the same shape.
        tau: in [0, 1].
    """
    torch._foreach_lerp_(parameters(target), parameters(online), tau)


def twins(layers: Layers, observations: Tensor, actions: Tensor, activation=torch.relu) -> Tensor:
    """Both critics' values of (s, a), for R runs.

    Args:
        layers: a stack of 2R critics, first the R of Q1, then the R of Q2.
        observations: s ``[R, rows, S]``.
        actions: a ``[R, rows, A]``.
        activation: between the layers.

    Returns:
        ``[2, R, rows, 1]``.
    """
    inputs = repeat_rows(torch.cat([observations, actions], -1), 2)
    return mlp(layers, inputs, activation).unflatten(0, (2, -1))


def repeat_rows(x: Tensor, times: int) -> Tensor:
    """``[R, rows, k]`` for ``times`` networks a run: ``[times * R, rows, k]``, network-major."""
    return x.expand(times, *x.shape).reshape(times * x.shape[0], *x.shape[1:])
