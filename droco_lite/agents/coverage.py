"""The third gate, coverage: do the source's rows lie near the target's data?

DROCO asks models of the *target* robot, fitted on few target rows, about *source* pairs (s, a).
Far from the target data the models extrapolate, and they may all be wrong in the same way.  The
simulator wrote the target robot's true next state beside each source row, so their error can be
measured.  A real data set does not allow that.  The distance can be measured in any data set.

Distances are between standardised pairs (s, a), root mean square over columns: 1 is one standard
deviation of the target data in every column.  Errors are in usual steps: 1 is one standard
deviation of the target's s' - s in every column.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from droco_lite.agents.ensemble import Ensemble, disagreement
from droco_lite.agents.networks import divisor
from droco_lite.data.transitions import Transitions

#: A source row is within the target data where its distance is below this quantile of the
#: distances of target rows that are left out.
HELD_OUT_QUANTILE = 0.95
#: A pair passes with at least this share of source rows within; ours, fixed before any was seen.
COVERAGE_LIMIT = 0.25
#: "The same" for both robots: their next states differ by less than this, in usual steps.
SAME = 0.01


@dataclass(frozen=True)
class Coverage:
    """How far a source set is from a target set, and the error of the target's ensemble on it.

    Attributes:
        distance: median distance of a source pair (s, a) to the nearest target row.
        distance_held_out: the same for target rows that are left out.
        within: share of source rows not farther than 95 % of the left-out target rows.
        error: median error of the ensemble's mean on source rows, against the oracle; NaN
            without one.
        error_held_out: the same on left-out target rows.
        error_same: on source rows where both robots do the same, where the shift plays no part.
        spread: median disagreement over members on source rows.
        spread_held_out: the same on left-out target rows.
        correlation: rank correlation of disagreement and error over source rows.
    """

    distance: float
    distance_held_out: float
    within: float
    error: float
    error_held_out: float
    error_same: float
    spread: float
    spread_held_out: float
    correlation: float

    @property
    def covered(self) -> bool:
        """The third gate."""
        return self.within >= COVERAGE_LIMIT

    def record(self) -> dict[str, Any]:
        """All figures and the verdict, ready for JSON, which has no NaN."""
        figures = {k: None if np.isnan(v) else round(v, 4) for k, v in asdict(self).items()}
        return figures | {"covered": self.covered}


@dataclass(frozen=True)
class RowFigures:
    """Distance, error and disagreement of single rows, each ``[n]``."""

    distance: np.ndarray
    error: np.ndarray
    spread: np.ndarray


def coverage(
    source: Transitions, target: Transitions, held_out: Transitions, ensemble: Ensemble
) -> Coverage:
    """Compare a source set with a target set.

    Args:
        source: rows of the shifted robot, with or without the oracle's column.
        target: rows that the ensemble was fitted on.
        held_out: further rows of the target robot, from other episodes.
        ensemble: fitted on ``target``.
    """
    ours = row_figures(source, target, ensemble, source.next_observations_target)
    usual = row_figures(held_out, target, ensemble, held_out.next_observations)
    same = np.zeros(len(source), bool)
    if source.next_observations_target is not None:
        moved = source.next_observations_target - source.next_observations
        same = rms(moved / step_scale(ensemble)) < SAME
    limit = np.quantile(usual.distance, HELD_OUT_QUANTILE)
    return Coverage(
        distance=float(np.median(ours.distance)),
        distance_held_out=float(np.median(usual.distance)),
        within=float((ours.distance <= limit).mean()),
        error=float(np.median(ours.error)),
        error_held_out=float(np.median(usual.error)),
        error_same=float(np.median(ours.error[same])) if same.any() else float("nan"),
        spread=float(np.median(ours.spread)),
        spread_held_out=float(np.median(usual.spread)),
        correlation=_rank_correlation(ours.spread, ours.error),
    )


def row_figures(
    data: Transitions, target: Transitions, ensemble: Ensemble, truth: np.ndarray | None
) -> RowFigures:
    """Each row's distance to the target data, and the ensemble's error and disagreement there.

    Args:
        data: rows to look at.
        target: the target data.
        ensemble: fitted on them.
        truth: where the target robot goes from each row ``[n, S]``; None leaves the error NaN.
    """

    def moments(mean: torch.Tensor, std: torch.Tensor, reward: torch.Tensor) -> torch.Tensor:
        return torch.cat([mean.mean(0), disagreement(mean, ensemble.output_std[:-1])], -1)

    found = ensemble.predict_in_chunks(data.observations, data.actions, moments)
    error = np.full(len(data), np.nan)
    if truth is not None:
        error = rms((found[:, :-1] - truth) / step_scale(ensemble))
    return RowFigures(distance_to(target, data), error, found[:, -1])


def distance_to(target: Transitions, data: Transitions, chunk: int = 1024) -> np.ndarray:
    """Distance of each row's (s, a) to the nearest target row, ``[n]``, in the target's units."""
    rows = [np.concatenate([part.observations, part.actions], 1) for part in (target, data)]
    mean, scale = rows[0].mean(0), divisor(rows[0].std(0))
    among, asked = (torch.from_numpy((part - mean) / scale) for part in rows)
    nearest = [torch.cdist(part, among).amin(1) for part in asked.split(chunk)]
    return torch.cat(nearest).numpy() / np.sqrt(among.shape[1])


def step_scale(ensemble: Ensemble) -> np.ndarray:
    """A usual step of each column of the observations, the unit of distances ``[S]``."""
    return ensemble.output_std[:-1].cpu().numpy()


def rms(x: np.ndarray) -> np.ndarray:
    """Root mean square over the last axis."""
    return np.sqrt((x**2).mean(-1))


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic) if np.isfinite(y).all() else float("nan")
