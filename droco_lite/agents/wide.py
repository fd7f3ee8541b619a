"""DROCO with sets on target rows too: what could make worn robots keep the gain, tried.

Prop. 4.5 of the paper protects a deployed robot whose next states lie in the sets that training
backed up over.  DROCO has such sets on source rows alone, and they are as wide as its ensemble
disagrees: hardly at all where the policy walks (``droco-lite data widths``).  Here a target row is
backed up robustly as well,

    y = r + gamma (1 - d) clip(V(s') - beta u, floor, ceiling),    u = V(s') - min_i V(s'_i),

and ``sets`` says what s'_1 ... s'_N are, around the true next state s' of the row.  With mu_i and
sigma_i of member i, and mu the mean over the members:

    radius   s' + radius x the direction of mu_i - mu, with lengths in usual steps of the target
             data (root mean square over columns)
    samples  s' + (a draw from N(mu_i, sigma_i) - mu), one draw for each row and member
    scaled   s' + k (mu_i - mu), where k >= 1 is error / spread of the models on held-out rows

Samples and scaled sets stand on source rows too, around mu in place of s'.  And ``shifts`` puts in
place of a target row's set where the robots under these shifts go from the same state with the same
action: exact, from the simulator.  A yardstick, as it knows what the robot will meet.

Ours, not the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.coverage import rms, row_figures, step_scale
from droco_lite.agents.droco import DROCO, DROCOSettings
from droco_lite.agents.ensemble import EnsembleSettings, split_rows
from droco_lite.agents.settings import setting


@dataclass(frozen=True)
class WideDROCOSettings(DROCOSettings):
    """DROCO's settings, and the sets of target rows."""

    method: ClassVar[str] = "droco-wide"

    sets: str = setting(
        "radius", among=("radius", "samples", "scaled"), help="what a row's set holds, see above"
    )
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

    def predict(self, source, target) -> np.ndarray:
        """The states of every source row's set ``[n_source, N S]``."""
        means = super().predict(source, target)
        self.draws = torch.Generator(self.device).manual_seed(self.shared.ensemble_seed)
        if self.shared.sets == "radius":
            return means
        if self.shared.sets == "scaled":
            self.factor = self.error_over_spread(target)
        centre = np.tile(
            means.reshape(len(means), -1, self.n_obs).mean(1), means.shape[1] // self.n_obs
        )
        return centre + self.moves(source)

    def around(self, target) -> np.ndarray:
        """The states of every target row's set ``[n, N S]``."""
        moves = self.moves(target)
        return np.tile(target.next_observations, moves.shape[1] // self.n_obs) + moves

    def moves(self, data) -> np.ndarray:
        """How far each state of a row's set lies from its centre ``[n, N S]``."""
        scale = torch.as_tensor(step_scale(self.models), device=self.device)

        def of_members(mean: Tensor, std: Tensor, reward: Tensor) -> Tensor:
            away = mean - mean.mean(0)
            if self.shared.sets == "samples":
                away = away + std * torch.randn(std.shape, generator=self.draws, device=std.device)
            elif self.shared.sets == "scaled":
                away = self.factor * away
            else:
                length = (away / scale).square().mean(-1, keepdim=True).sqrt()
                away = self.shared.radius * away / length.clamp(min=1e-12)
            return away.transpose(0, 1).flatten(1)

        return self.models.predict_in_chunks(data.observations, data.actions, of_members)

    def error_over_spread(self, target) -> float:
        """k: root mean square error over that of the spread, on rows that no member learnt from."""
        settings = EnsembleSettings(seed=self.shared.ensemble_seed)
        rng = np.random.default_rng(settings.seed)
        held = target.take(split_rows(len(target), settings, rng)[0])
        found = row_figures(held, target, self.models, held.next_observations)
        return max(1.0, float(rms(found.error) / rms(found.spread)))

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
