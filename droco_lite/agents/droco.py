"""DROCO: robust backups for source rows, standard ones for target rows.

Qiao et al., "Dual-Robust Cross-Domain Offline Reinforcement Learning Against Dynamics Shifts", ICLR
2026.  The delta on :class:`~droco_lite.agents.iql.IQL`: an ensemble of N dynamics models, fitted on
*target* data, predicts where each *source* pair (s, a) would have led in the target.  With its
predictions s'_1 ... s'_N, frozen and computed once,

    u   = V(s') - min_i V(s'_i)                             value penalty, source rows only
    y   = r + gamma (1 - d) clip(V(s') - beta u, floor, ceiling)    source rows
    y   = r + gamma (1 - d) V(s')                                   target rows
    L_Q = E_src[ huber_delta(y - Q) ] + 1/2 E_tar[ (y - Q)^2 ]

beta = 0 gives the plain target, beta = 1 the worst predicted one, r + gamma min_i V(s'_i).

The bounds are ours, by default min(0, r_min) / (1 - gamma) and max(0, r_max) / (1 - gamma) of the
target's rows.  If no reward of the robot lies beyond these rows', no return lies beyond the bounds.
The paper prints none (``floor=-inf``): min_i V is the lowest of N extrapolations, and V can run
away, upwards where u < 0 (chapter "Why minima of models run away").  Switches: the public code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.ensemble import Ensemble, EnsembleSettings, ensemble_of
from droco_lite.agents.iql import IQL, IQLSettings
from droco_lite.agents.settings import per_run, setting
from droco_lite.agents.soundness import bounds_of, possible_returns


@dataclass(frozen=True)
class DROCOSettings(IQLSettings):
    """DROCO with sound bounds; beta and delta default to the public code's command line."""

    method: ClassVar[str] = "droco"

    beta: float = per_run(1.0, low=0.0, help="weight of the value penalty u")
    delta: float = per_run(50.0, low=0.0, help="Huber threshold on source rows; infinity is L2")
    floor: float | None = per_run(None, help="least value backed up for a source row; None: "
        "min(0, r_min of the target data) / (1 - discount); -inf: none, as printed")  # fmt: skip
    ceiling: float | None = per_run(None, help="largest such value; None: max(0, r_max of the "
        "target data) / (1 - discount), but none beside floor=-inf; inf: none")  # fmt: skip

    clamp: bool = setting(False, help="u = max(u, 0), as in the public code: s' joins the ball")
    worst: str = setting("value", among=("value", "coordinate"), help="min_i V, or V(min_i s'_i)")
    add_variance: bool = setting(False, help="s'_i is mean + variance, as in the public code")
    huber_on_target: bool = setting(False, help="Huber on target rows too, as in a public fork")
    pooled: bool = setting(False, help="mean over all rows in place of the sum of both means")

    members: int = setting(7, low=1, help="N, the ensemble's size")
    ensemble_seed: int = setting(0, low=0, help="its weights, bootstraps and held-out rows")
    ensemble_epochs: int = setting(200, low=1, help="most passes over the target data")


S = TypeVar("S", bound=DROCOSettings)


class DROCO(IQL[S]):
    """R runs of DROCO that share one ensemble."""

    Settings = DROCOSettings

    def __init__(self, runs, n_obs, n_act, device="cpu", ensemble: Ensemble | None = None):
        super().__init__(runs, n_obs, n_act, device)
        self.beta, self.delta = map(self.column, ("beta", "delta"))
        self.floor, self.ceiling = bounds_of(self, -np.inf, np.inf)  # until prepare
        self.ensemble = ensemble

    def prepare(self, source, target) -> dict[str, np.ndarray]:
        """Set both bounds, and predict every source row once."""
        self.floor, self.ceiling = bounds_of(self, *possible_returns(self.shared.discount, target))
        predicted = self.predict(source, target)
        # A target row's own next state stands for its predictions, so that its u is 0.
        copies = predicted.shape[1] // self.n_obs
        rest = np.tile(target.next_observations, (1, copies))
        return {"predictions": np.concatenate([predicted, rest])}

    def predict(self, source, target) -> np.ndarray:
        """s'_1 ... s'_N of source rows ``[n_source, N S]``, by an ensemble of target rows."""
        shared = self.shared
        if self.ensemble is None:
            settings = EnsembleSettings(
                members=shared.members, elites=min(5, shared.members),
                seed=shared.ensemble_seed, max_epochs=shared.ensemble_epochs,
            )  # fmt: skip
            self.ensemble = ensemble_of(target, settings, self.device, self.on_epoch)

        def candidates(mean: Tensor, std: Tensor, reward: Tensor) -> Tensor:
            states = mean + std**2 if shared.add_variance else mean
            if shared.worst == "coordinate":
                return states.amin(0)
            return states.transpose(0, 1).flatten(1)

        return self.ensemble.predict_in_chunks(source.observations, source.actions, candidates)

    def frozen(self) -> dict[str, Tensor]:
        return {} if self.ensemble is None else self.ensemble.named("ensemble")

    def load_frozen(self, saved) -> None:
        self.ensemble = Ensemble.unnamed("ensemble", saved)

    def penalty(self, batch: Batch, next_value: Tensor) -> Tensor:
        """u of source rows, ``[R, n_source, 1]``: how much V(s') exceeds the worst V predicted."""
        predictions = batch.columns["predictions"][:, : batch.n_source]
        runs, rows = predictions.shape[:2]
        values = self.v(predictions.reshape(runs, -1, self.n_obs)).reshape(runs, rows, -1)
        u = next_value - self.worst_value(values, batch)
        return u.clamp(min=0.0) if self.shared.clamp else u

    def worst_value(self, values: Tensor, batch: Batch) -> Tensor:
        """min_i V(s'_i) ``[R, n_source, 1]`` of the values ``[R, n_source, N]``."""
        return values.amin(-1, keepdim=True)

    def source_value(self, batch: Batch, next_value: Tensor) -> Tensor:
        """V(s') - beta u within both bounds: every form of the step backs up this."""
        robust = next_value - self.beta * self.penalty(batch, next_value)
        return torch.clamp(robust, self.floor, self.ceiling)

    def backup_bounds(self) -> tuple[Tensor, Tensor]:
        return self.floor, self.ceiling

    def source_delta(self) -> Tensor | float:
        """Huber's delta."""
        return self.delta

    def target_delta(self) -> Tensor | float:
        return self.delta if self.shared.huber_on_target else super().target_delta()

    def pool_weights(self, batch: Batch) -> tuple[float, float]:
        return (0.5, 0.5) if self.shared.pooled else (1.0, 1.0)

    @torch.no_grad()
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        k = batch.n_source
        u = self.penalty(batch, self.v(batch.next_observations[:, :k]))
        q = self.min_q(batch.observations[:, :k], batch.actions[:, :k])
        error = (self.q_targets(batch)[:, :k] - q).abs()
        return super().diagnostics(batch) | {
            "penalty_mean": u.mean((1, 2)),
            "penalty_positive": (u > 0).float().mean((1, 2)),
            "beyond_delta": (error > self.delta).float().mean((1, 2)),
        }
