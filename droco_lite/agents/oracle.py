"""DROCO with a perfect model, as if its ensemble knew the target robot.

The same step as :mod:`droco_lite.agents.droco` with N = 1 and s'_1 the true next state of the
target robot, which the simulator wrote beside each source row.  Only made data have that column, so
this is a yardstick and no method: the distance between it and DROCO is what the model's error
costs.  Ours, not the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from droco_lite.agents.droco import DROCO, DROCOSettings


@dataclass(frozen=True)
class OracleDROCOSettings(DROCOSettings):
    """DROCO's settings; those of the ensemble have no effect."""

    method: ClassVar[str] = "droco-oracle"


class OracleDROCO(DROCO):
    """R runs of DROCO whose only prediction is the truth."""

    Settings = OracleDROCOSettings

    def predict(self, source, target) -> np.ndarray:
        """The target robot's next state from every source row, ``[n_source, S]``.

        Raises:
            ValueError: the source data do not say where the target robot would have gone.
        """
        if source.next_observations_target is None:
            raise ValueError(
                "source: next_observations_target is missing, so there is no oracle; make the data "
                "with droco_lite.data.make_task, whose simulator knows where the target robot goes"
            )
        return source.next_observations_target
