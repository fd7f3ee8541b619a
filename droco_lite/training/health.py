"""Whether a training may go on: what is not finite ends it, what cannot be is warned of."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from torch import Tensor

from droco_lite.agents.soundness import WARN_ABOVE
from droco_lite.training import checkpoint

TOO_FAR = "Lower the learning rate, or look for extreme rewards in the data"


class TrainingError(RuntimeError):
    """Training had to stop; the message says where and what can be done."""


def refuse_not_finite(lines: list[dict], out) -> None:
    """Refuse lines of a curve that hold a loss which is not finite.

    Raises:
        TrainingError: the message names the first such run and figure.
    """
    for line in lines:
        for name in ("q_loss", "value_loss", "policy_loss"):
            if name in line and not np.isfinite(line[name]):
                raise TrainingError(
                    f"{name} of run {line['run']} is {line[name]} at step {line['step']}"
                    f"{last_good(out)}. {TOO_FAR}"
                )


def refuse_not_finite_state(tensors: dict[str, Tensor], step: int, out) -> None:
    """Refuse a state before it is saved, if no training could go on from it.

    Raises:
        TrainingError: a tensor is not finite.
    """
    if name := checkpoint.not_finite(tensors):
        raise TrainingError(f"{name} is not finite at step {step}{last_good(out)}. {TOO_FAR}")


def last_good(out) -> str:
    """Where a training can go on from, if it can."""
    if out and (Path(out) / checkpoint.FILE).exists():
        return f"; the last good checkpoint is {Path(out) / checkpoint.FILE}"
    return "; no checkpoint was kept yet" if out else ""


def warn_outside(lines: list[dict], possible: tuple[float, float]) -> bool:
    """Warn of the first run whose values have left the range that returns can have."""
    for line in lines:
        if line["outside"] > WARN_ABOVE:
            low, high = possible
            warnings.warn(
                f"run {line['run']} ({line['method']}): {line['outside']:.0%} of its values lie "
                f"outside {low:.4g} to {high:.4g} at step {line['step']}, the range that returns "
                f"can have (kappa {line['kappa']:.3g}); no policy can earn what it learns from",
                stacklevel=4,
            )
            return True
    return False
