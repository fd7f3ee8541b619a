"""Whether a training may go on: it ends at what is not finite, and warns of impossible values."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.soundness import (
    PLAINLY_OUTSIDE,
    WARN_ABOVE,
    extreme_rewards,
    range_of,
    value_figures,
)
from droco_lite.training import checkpoint

#: Values may leave the range by :data:`AS_BORN` times the largest value of the untrained network,
#: and by :data:`LEAST_MARGIN` in any case.  Where rewards are small or 0, the first steps move
#: values by about that much.
AS_BORN, LEAST_MARGIN = 2.0, 1.0

TOO_FAR = "Lower the learning rate, or look for extreme rewards in the data"


class TrainingError(RuntimeError):
    """Training had to stop; the message says where and what can be done."""


def refuse_not_finite(figures: Mapping[str, Sequence[float]], step: int, out) -> None:
    """Refuse diagnostics of which one is a loss, by its name, and is not finite.

    Args:
        figures: by name, a number for each run. Those whose names end in ``_loss`` have to be
            finite; others may be NaN, where a figure has no value.
        step: at which they were taken.
        out: the training's folder, or None.

    Raises:
        TrainingError: the message names the first such run and figure.
    """
    losses = [name for name in figures if name.endswith("_loss")]
    losses.sort(key="q_loss".__ne__)  # the critics first: what runs away there spoils the others
    for run in range(max((len(figures[name]) for name in losses), default=0)):
        for name in losses:
            if not np.isfinite(value := figures[name][run]):
                raise TrainingError(
                    f"{name} of run {run} is {value} at step {step}{last_good(out)}. {TOO_FAR}"
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


class Watch:
    """Whether each run's values stay in the range that returns can have.

    Args:
        agent: prepared and not trained yet; values of the size that it gives now are not warned of.
        probe: the rows whose values are checked.
        source, target: both data sets, whose rewards span the range.
    """

    def __init__(self, agent, probe, source, target):
        self.agent, self.probe = agent, probe
        self.low, self.high = extreme_rewards(source, target)
        size = agent.values(probe)[0].abs().amax((1, 2), keepdim=True)
        self.born = (AS_BORN * size).clamp(min=LEAST_MARGIN)
        self.warned: set[int] = set()
        self.before: dict[int, float] = {}

    def possible(self) -> tuple[Tensor, Tensor]:
        """The least and the greatest possible return of each run, two tensors ``[R, 1, 1]``.

        The range is wider by as much as the run's method may move rewards.
        """
        down, up = (
            torch.as_tensor(part).cpu().double().expand(len(self.agent.runs), 1, 1)
            for part in self.agent.reward_slack(self.probe)
        )
        return range_of(self.agent.shared.discount, self.low - down, self.high + up)

    def figures(self) -> dict[str, Tensor]:
        """``kappa`` and ``outside`` of each run now, ``[R]``."""
        return value_figures(self.agent, self.probe, self.possible(), self.born)

    def seen(self, lines: list[dict]) -> None:
        """Take over the lines of an earlier part of the curve, in a training that goes on."""
        self.before |= {line["run"]: line["outside"] for line in lines if "outside" in line}

    def warn(self, lines: list[dict]) -> None:
        """Warn of each run whose values have left its range, once.

        A run is warned of in two cases: more than half of its values are outside, or more than 1 %
        are in two evaluations in a row and the share does not shrink.  A smaller share in a single
        evaluation may go away by itself.
        """
        for line, low, high in zip(lines, *(end.flatten() for end in self.possible()), strict=True):
            run, share = line["run"], line["outside"]
            stays = share > WARN_ABOVE and share >= self.before.get(run, 0.0) > WARN_ABOVE
            self.before[run] = share
            if run in self.warned or not (stays or share > PLAINLY_OUTSIDE):
                continue
            self.warned.add(run)
            warnings.warn(
                f"run {run} ({line['method']}): {share:.0%} of its values lie "
                f"outside {low:.4g} to {high:.4g} at step {line['step']}, the range that returns "
                f"can have (kappa {line['kappa']:.3g}); no policy can earn what it learns from",
                stacklevel=4,
            )
