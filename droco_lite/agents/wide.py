"""DROCO with sets on target rows too: what could make worn robots keep the gain, tried.

Prop. 4.5 of the paper protects a deployed robot whose next states lie in the sets that training
backed up over.  DROCO has such sets on source rows alone, and they are as wide as its ensemble
disagrees: hardly at all where the policy walks (``droco-lite data widths``).  Here a target row is
backed up robustly as well,

    y = r + gamma (1 - d) clip(V(s') - beta u, floor, ceiling),    u = V(s') - min_i V(s'_i),

and two settings say what s'_1 ... s'_N are, around the true next state s' of the row:

    radius   s' + radius x the direction in which member i differs from the members' mean, with
             lengths in usual steps of the target data (root mean square over columns)
    shifts   where the robots under these shifts go from the same state with the same action: exact,
             from the simulator.  A yardstick, as it knows what the robot will meet

Ours, not the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.coverage import step_scale
from droco_lite.agents.droco import DROCO, DROCOSettings
from droco_lite.agents.settings import setting


@dataclass(frozen=True)
class WideDROCOSettings(DROCOSettings):
    """DROCO's settings, and the sets of target rows."""

    method: ClassVar[str] = "droco-wide"

    radius: float = setting(0.5, low=0.0, help="of a target row's set, in usual steps")
    robot: str = setting("", help="whose shifts are known; needed with shifts")
    shifts: str = setting("", help="known shifts with spaces between, as gravity-up-hard; or none")


class WideDROCO(DROCO):
    """R runs of DROCO that back target rows up robustly too."""

    Settings = WideDROCOSettings

    def prepare(self, source, target) -> dict[str, np.ndarray]:
        """Set both bounds, predict every source row, and lay a set around every target row."""
        known = self.known(target) if self.shared.shifts else None  # may refuse, so it comes first
        predictions = super().prepare(source, target)["predictions"][: len(source)]
        around = self.around(target) if known is None else known
        width = max(predictions.shape[1], around.shape[1])
        # Fewer states than columns: the first ones again, which changes no minimum.
        wide = [np.resize(states.T, (width, len(states))).T for states in (predictions, around)]
        return {"predictions": np.concatenate(wide)}

    def around(self, target) -> np.ndarray:
        """``[n, N S]``: s' moved by ``radius`` usual steps, once along each member's deviation."""
        scale = torch.as_tensor(step_scale(self.models), device=self.device)

        def directions(mean: Tensor, std: Tensor, reward: Tensor) -> Tensor:
            away = (mean - mean.mean(0)) / scale
            unit = away / away.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-12)
            return (unit * scale).transpose(0, 1).flatten(1)

        moved = self.models.predict_in_chunks(target.observations, target.actions, directions)
        copies = moved.shape[1] // self.n_obs
        return np.tile(target.next_observations, (1, copies)) + self.shared.radius * moved

    def known(self, target) -> np.ndarray:
        """``[n, K S]``: where the robot goes under each of the K known shifts.

        Raises:
            ValueError: ``robot`` is not given, or a shift is not of the robot.
        """
        from droco_lite.robots import ROBOTS, one_step

        name = self.shared.robot
        if name not in ROBOTS:
            raise ValueError(
                f"robot: {name!r} is none of {', '.join(ROBOTS)}; known shifts need the robot that "
                "the target data are of"
            )
        qpos, qvel = ROBOTS[name].state_from(target.observations.astype(np.float64))
        moved = one_step(name, self.shared.shifts.split(), qpos, qvel, target.actions)
        return moved.transpose(1, 0, 2).reshape(len(target), -1).astype(np.float32)

    def target_value(self, batch: Batch, next_value: Tensor) -> Tensor:
        """What DROCO backs up for source rows, over the sets of target rows."""
        sets = batch.columns["predictions"][:, batch.n_source :]
        as_source = replace(batch, columns={"predictions": sets}, n_source=sets.shape[1])
        return self.source_value(as_source, next_value)
