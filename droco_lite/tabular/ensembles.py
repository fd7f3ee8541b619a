"""Dynamics models fitted on little data, and what the lowest of N says of a value.

An ensemble of models P_1 ... P_N stands in for the uncertainty ball. There are two ways to take its
minimum, and they are not equal where the world is random:

    lowest member   min_i E_{s' ~ P_i} V(s')            the ball {P_1, ..., P_N}, row by row
    lowest draw     E min_i V(s'_i),  s'_i ~ P_i        one draw a member, as a learner sees it

The second is never above the first (Jensen). It is
:class:`~droco_lite.tabular.operators.EnsembleOperator`; the first is :class:`LowestMemberOperator`.
Source: Qiao et al. (2026), arXiv 2512.02486, section 4.3.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from droco_lite.tabular.checks import Array, check_distribution
from droco_lite.tabular.distances import total_variation
from droco_lite.tabular.operators import EnsembleOperator
from droco_lite.tabular.worlds import TabularData


def fit_models(
    data: TabularData,
    prior: ArrayLike,
    members: int = 7,
    rng: np.random.Generator | None = None,
) -> Array:
    """Fit N dynamics models by maximum likelihood, each on a bootstrap of ``data``.

    A member's P(s' | s, a) is the frequency of s' among its own resampled transitions from (s, a).
    Where it holds none, likelihood says nothing and the member answers with ``prior``.

    Args:
        data: transitions from the target.
        prior: what a member without data at (s, a) believes, [S, A, S].
        members: N.
        rng: draws the bootstraps; None fits every member on the data as they are, so that all N
            agree.

    Returns:
        The models, [N, S, A, S].

    Raises:
        ValueError: ``members`` below 1, or ``prior`` no distribution or of another shape.
    """
    prior = check_distribution(prior, "prior")
    if prior.ndim != 3 or prior.shape[0] != prior.shape[2]:
        raise ValueError(f"prior: expected shape [S, A, S], got {prior.shape}")
    if members < 1:
        raise ValueError(f"members: an ensemble needs at least 1, got {members}")
    if rng is not None and len(data) == 0:
        rng = None  # nothing to resample
    counts = data.counts(*prior.shape[:2])
    # Resampling n rows with replacement is a multinomial draw over the distinct transitions.
    place = np.nonzero(counts)
    models = np.empty((members, *prior.shape))
    for member in range(members):
        mine = np.zeros(prior.shape)
        if rng is None:
            mine[place] = counts[place]
        else:
            mine[place] = rng.multinomial(len(data), counts[place] / len(data))
        seen = mine.sum(-1, keepdims=True)
        models[member] = np.where(seen > 0, mine / np.maximum(seen, 1.0), prior)
    return models


def model_errors(models: ArrayLike, transitions: ArrayLike) -> Array:
    """Return each model's error in total variation, the epsilon of Proposition 4.6.

    Args:
        models: N dynamics models, [N, S, A, S].
        transitions: the truth P, [S, A, S].

    Returns:
        TV(P_i(.|s, a), P(.|s, a)), [N, S, A], between 0 and 1.

    Raises:
        ValueError: a row is no distribution.
    """
    models = np.asarray(models, dtype=np.float64)
    return total_variation(models, np.broadcast_to(transitions, models.shape))


def disagreement(models: ArrayLike) -> Array:
    """Return the mean over members of TV(P_i, mean of all P_j).

    It needs no truth, so it is what a learner can see of the error in :func:`model_errors`.

    Args:
        models: N dynamics models, [N, S, A, S].

    Returns:
        The disagreement, [S, A], between 0 and 1.
    """
    models = np.asarray(models, dtype=np.float64)
    middle = models.mean(0)
    return total_variation(models, np.broadcast_to(middle, models.shape)).mean(0)


def lowest_member(f: ArrayLike, models: ArrayLike) -> tuple[Array, NDArray[np.intp]]:
    """Return min_i E_{models[i]} f, and the member that attains it.

    Args:
        f: a function of the states, [S].
        models: a distribution per member and row, [N, ..., S].

    Returns:
        The lowest means, [...], and the members' numbers, int [...].

    Raises:
        ValueError: a row of ``models`` is no distribution.
    """
    means = check_distribution(models, "models") @ np.asarray(f, dtype=np.float64)
    return means.min(0), means.argmin(0)


class LowestMemberOperator(EnsembleOperator):
    """The RCB operator with the ball replaced by the N models themselves.

    Rows without target samples are backed up to r + gamma min_i E_{P_i} V. Arguments are those of
    :class:`~droco_lite.tabular.operators.EnsembleOperator`.
    """

    def _follow(self, values: Array, states: NDArray, actions: NDArray) -> tuple[Array, Array]:
        share = self.target_share[states, actions][:, None]
        rows = self.models[:, states, actions]
        lowest = (rows @ values).argmin(0)
        worst = rows[lowest, np.arange(len(states))]
        kernel = share * self.target.transitions[states, actions] + (1 - share) * worst
        return kernel @ values, kernel


def printed_bound(error: ArrayLike, members: ArrayLike) -> Array:
    """Return 1 - (1 - 2 epsilon)^N, Proposition 4.6 as printed, in units of r_max / (1 - gamma).

    It rises with N, while the minimum over more members falls; and it is at least twice the sharp
    bound, epsilon, of one backup.

    Args:
        error: epsilon, the members' error in total variation, in [0, 1/2].
        members: N >= 1; broadcast against ``error``.

    Raises:
        ValueError: epsilon outside [0, 1/2]. Beyond 1/2 the base 1 - 2 epsilon is negative and the
            formula no bound: with epsilon = 1 and N = 2 it gives 0.
    """
    error, members = np.asarray(error, dtype=np.float64), np.asarray(members)
    if not ((error >= 0) & (error <= 0.5)).all():
        raise ValueError(f"error: the bound speaks of 0 <= epsilon <= 1/2, got {error}")
    if not (members >= 1).all():
        raise ValueError(f"members: an ensemble needs at least 1, got {members}")
    return 1.0 - (1.0 - 2.0 * error) ** members
