"""DROCO with its penalties on the wrong rows: a control that shows whether *which rows* matters.

Every shuffled run is the twin of a DROCO run beside it in the same stack: same seed, same settings,
same batches.  At each step it has the partner's penalties of that step, moved by one row:

    u'_k = u_{k-1} of the partner

Rows of a batch are drawn independently, so the row before is any other row.  Size and spread of
the pessimism are the partner's at every step, and only the rows differ.  What the two learn from it
may differ, so that the twin's own values can drift from the partner's.  Ours, not the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.droco import DROCO, DROCOSettings
from droco_lite.agents.settings import Settings, per_run


@dataclass(frozen=True)
class ShuffledDROCOSettings(DROCOSettings):
    """DROCO's settings, and whether a run is DROCO itself or its shuffled twin."""

    method: ClassVar[str] = "droco-shuffled"

    shuffled: bool = per_run(True, help="the twin; False: the DROCO run that it belongs to")

    @classmethod
    def completed(cls, runs: Sequence[Any]) -> list[Settings]:
        """The runs, and the DROCO runs that twins among them belong to; each run once."""
        own = [replace(run, shuffled=False) for run in runs if run.shuffled]
        return list(dict.fromkeys([*own, *runs]))

    @classmethod
    def check_together(cls, runs: Sequence[Any]) -> None:
        """Refuse a twin whose DROCO run is not in the stack, before anything is made for it."""
        partners(runs)


class ShuffledDROCO(DROCO):
    """R runs, DROCO's and their twins', side by side."""

    Settings = ShuffledDROCOSettings

    def __init__(self, runs, n_obs, n_act, device="cpu", ensemble=None):
        super().__init__(runs, n_obs, n_act, device, ensemble)
        self.partner = torch.tensor(partners(self.runs), device=self.device)
        self.shuffled = self.column("shuffled").bool()

    def penalty(self, batch: Batch, next_value: Tensor) -> Tensor:
        """u of DROCO's runs, u' of their twins', ``[R, n_source, 1]``."""
        u = super().penalty(batch, next_value)
        return torch.where(self.shuffled, u[self.partner].roll(1, dims=1), u)


def partners(runs: Sequence[ShuffledDROCOSettings]) -> list[int]:
    """For each run, which DROCO run's penalties it is charged: its own, or its partner's.

    Raises:
        ValueError: a twin whose DROCO run is not in the stack.
    """
    own = {replace(run, label=""): r for r, run in enumerate(runs) if not run.shuffled}
    found = []
    for r, run in enumerate(runs):
        wanted = replace(run, label="", shuffled=False)
        if run.shuffled and wanted not in own:
            raise ValueError(
                f"run {r} is shuffled, and its DROCO run is not among the runs: add "
                f"ShuffledDROCOSettings(shuffled=False) with seed {run.seed}, beta {run.beta} and "
                "otherwise the same settings (in a file of an experiment, under runs: the same "
                "with shuffled: false)"
            )
        found.append(own[wanted] if run.shuffled else r)
    return found
