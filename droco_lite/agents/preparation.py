"""What networks that a method trains before its first step have in common.

Classifiers, encoders and autoencoders are small supervised problems on the two data sets.  They are
stacks as everywhere else, trained once for all runs of a loop and frozen afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.networks import Layers, divisor, parameters
from droco_lite.data.chunks import chunks
from droco_lite.data.transitions import DataError, Transitions

HELD_OUT, MOST_HELD_OUT = 0.1, 1000  # share of the rows that judge a fit, and the most of them
FEWEST_ROWS = 20  # below that a held-out part says nothing

T = TypeVar("T")


class Prepared(Generic[T]):
    """An attribute that an agent has once it is prepared, as in ``scaler = Prepared[Scaler]()``.

    Until ``prepare`` or ``load_frozen`` sets it, ``hasattr`` is false and reading it raises; from
    then on it is an attribute of the agent as any other.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, agent: object, owner: type) -> T:
        raise AttributeError(
            f"{owner.__name__}: {self.name} is not there yet; call prepare(source, target) or "
            "load_frozen(saved) first"
        )


@dataclass(frozen=True)
class Scaler:
    """Shift and scale of every column."""

    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, *parts: np.ndarray, device="cpu") -> Scaler:
        """Zero mean and unit variance; every part ``[n, k]`` has the same weight, however long."""
        means = np.stack([part.mean(0, dtype=np.float64) for part in parts])
        variances = np.stack([part.var(0, dtype=np.float64) for part in parts])
        std = np.sqrt(variances.mean(0) + means.var(0))
        return cls(
            torch.tensor(means.mean(0), dtype=torch.float32, device=device),
            torch.tensor(divisor(std), dtype=torch.float32, device=device),
        )

    @classmethod
    def identity(cls, columns: int, device="cpu") -> Scaler:
        """One that changes nothing."""
        return cls(torch.zeros(columns, device=device), torch.ones(columns, device=device))

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def tensors(self) -> dict[str, Tensor]:
        """Mean and standard deviation by name, for a checkpoint."""
        return {"mean": self.mean, "std": self.std}


def require_rows(data: Transitions, name: str, what: str, fewest: int = FEWEST_ROWS) -> None:
    """Refuse a data set that is too small to train and to judge ``what`` on it.

    Raises:
        DataError: fewer than ``fewest`` rows.
    """
    if len(data) < fewest:
        raise DataError(
            f"{what} needs at least {fewest} {name} rows for training and a held-out part, "
            f"got {len(data)}; give a larger {name} set"
        )


def hold_out(rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and indices to judge by: a tenth of the rows, 1,000 at most."""
    order = rng.permutation(rows)
    held = min(max(1, int(HELD_OUT * rows)), MOST_HELD_OUT)
    return order[held:], order[:held]


def fit(
    stacks: Sequence[Layers],
    loss: Callable[[], Tensor],
    held_out_loss: Callable[[], Tensor] | None,
    *,
    steps: int,
    rate: float,
    check_every: int = 250,
) -> Tensor | None:
    """``steps`` of Adam on ``loss() [n]``, one entry per network of the stacks.

    Every network ends with the weights at which its entry of ``held_out_loss() [n]`` was smallest
    among the evaluations, and those smallest losses are returned; without ``held_out_loss`` it
    ends with the last weights.
    """
    leaves = [tensor for stack in stacks for tensor in parameters(stack)]
    optimizer = torch.optim.Adam(leaves, lr=rate, fused=leaves[0].device.type in ("cpu", "cuda"))
    best, kept = None, [leaf.detach().clone() for leaf in leaves]
    for step in range(1, steps + 1):
        optimizer.zero_grad(set_to_none=True)
        loss().sum().backward()
        optimizer.step()
        if held_out_loss is not None and (step % check_every == 0 or step == steps):
            with torch.no_grad():
                now = held_out_loss()
                best = torch.full_like(now, float("inf")) if best is None else best
                better = now < best
                best = torch.where(better, now, best)
                for old, leaf in zip(kept, leaves, strict=True):
                    old[better] = leaf[better]
    for leaf, old in zip(leaves, kept, strict=True):
        leaf.requires_grad_(False)
        if best is not None:
            leaf.copy_(old)
    return best


@torch.no_grad()
def in_chunks(
    function: Callable[[Tensor, Tensor, Tensor], Tensor], data: Transitions, device, rows=8192
) -> np.ndarray:
    """``function(s, a, s')`` of every row, float32 ``[n, k]``, a chunk at a time."""
    done = [
        function(*tensors_of(data, part, device)).cpu().numpy() for part in chunks(len(data), rows)
    ]
    return np.concatenate(done, dtype=np.float32)


def tensors_of(data: Transitions, index, device) -> tuple[Tensor, Tensor, Tensor]:
    """(s, a, s') of the rows ``index`` on ``device``."""
    arrays = (data.observations[index], data.actions[index], data.next_observations[index])
    s, a, s2 = (torch.as_tensor(array, device=device) for array in arrays)
    return s, a, s2


def named(prefix: str, layers: Layers) -> dict[str, Tensor]:
    """A stack's tensors under names for a checkpoint; :func:`unnamed` takes them back."""
    return {f"{prefix}.{k}": tensor for k, tensor in enumerate(parameters(layers))}


def unnamed(prefix: str, saved: Mapping[str, Tensor]) -> Layers:
    """The stack that :func:`named` put under ``prefix``."""
    count = sum(name.startswith(f"{prefix}.") for name in saved)
    flat = [saved[f"{prefix}.{k}"] for k in range(count)]
    return list(zip(flat[::2], flat[1::2], strict=True))
