"""DROCO with its penalties dealt to the wrong rows: the control that asks *which rows* matter.

The same step as :mod:`droco_lite.agents.droco`, except that a source row is charged the penalty of
another source row of its batch, moved so that the batch mean is what DROCO's own was:

    u'_k = u_{k-1} + (m - mean_k u_k)

Rows of a batch are drawn independently, so the row before is any other row.  Without the shift by m
the control would charge less than DROCO does, because in DROCO low values feed higher penalties,
and a difference between the two could be one of size only.  Ours, not the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from droco_lite.agents.droco import DROCO, DROCOSettings
from droco_lite.agents.iql import Batch
from droco_lite.agents.settings import per_run


@dataclass(frozen=True)
class ShuffledDROCOSettings(DROCOSettings):
    """DROCO's settings, and the mean penalty to match."""

    method: ClassVar[str] = "droco-shuffled"

    penalty_mean: float = per_run(
        0.0, help="m: the mean penalty u of the DROCO run that this one is the control of"
    )


class ShuffledDROCO(DROCO):
    """R runs whose penalties have the right size and the wrong rows."""

    Settings = ShuffledDROCOSettings

    def __init__(self, runs, n_obs, n_act, device="cpu", ensemble=None):
        super().__init__(runs, n_obs, n_act, device, ensemble)
        self.penalty_mean = self.column("penalty_mean")

    def penalty(self, batch: Batch, next_value: Tensor) -> Tensor:
        """u' of source rows, ``[R, n_source, 1]``."""
        u = super().penalty(batch, next_value).roll(1, dims=1)
        return u + (self.penalty_mean - u.mean(1, keepdim=True))
