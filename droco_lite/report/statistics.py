"""What a few seeds can say: interquartile means, bootstrap intervals, chances, profiles.

The measures of Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical
Precipice" (NeurIPS 2021), by SciPy.  Everywhere ``scores [n, m]`` holds ``n`` seeds (rows) in each
of ``m`` conditions (columns: tasks, or shifts).  Intervals come from a *stratified* bootstrap:
seeds are drawn again within each condition, conditions are not.  So an interval speaks of other
seeds under the same conditions; it knows nothing of other data sets, robots or shifts, and with
three seeds it is itself a rough guess, usually too narrow.

Scores may be in any unit.  Intervals and means have the unit of the scores; chances are in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

FEWEST_SEEDS = 3
ENOUGH_SEEDS = 5
LEVEL = 0.95
RESAMPLES = 2000


def in_print(number: float, form: str = ".0f") -> str:
    """A number as a page writes it: with a minus sign, which is no hyphen, and no minus zero.

    Args:
        number: the number.
        form: a format as :func:`format` takes it, such as ``.1f``; it may begin with ``+``.
    """
    sign = form[: form.startswith("+")]
    return format(number, f"{sign}z{form[len(sign) :]}").replace("-", "−")


def interval_in_print(low: float, high: float) -> str:
    """Both ends of a difference's interval: ``−1.2 to +0.3``."""
    return f"{in_print(low, '+.1f')} to {in_print(high, '+.1f')}"


def scores_by_seed(
    table: pd.DataFrame, column: str = "score", across: Sequence[str] = ("task", "shift")
) -> dict[str, np.ndarray]:
    """Scores ``[seeds, conditions]`` of every label of a tidy table.

    Args:
        table: with the columns ``label``, ``seed``, ``column`` and those of ``across``.
        column: the name of the column that holds the scores.
        across: the columns that make a condition.

    Returns:
        An array for each label, in the table's order of labels.

    Raises:
        ValueError: an empty table, a line twice, or a seed that lacks a condition; named in the
            message.
    """
    if table.empty:
        raise ValueError("no results: the table has no line")
    conditions = list(across)
    keys = ["label", "seed", *conditions]
    twice = table.duplicated(keys)
    if twice.any():
        line = table.loc[twice, keys].iloc[0].to_dict()
        raise ValueError(f"results hold one line twice: {line}")
    wide = table.pivot(index=["label", "seed"], columns=conditions, values=column)
    wide = wide.sort_index().sort_index(axis=1)
    if wide.isna().any(axis=None):
        row, where = np.argwhere(wide.isna().to_numpy())[0]
        label, seed = wide.index[row]
        raise ValueError(
            f"{label}, seed {seed} has no {column} for {wide.columns[where]}; compare what was run "
            "under the same conditions"
        )
    labels = dict.fromkeys(table["label"])  # in the table's own order
    return {label: wide.loc[label].to_numpy() for label in labels}


def interquartile_mean(scores: np.ndarray) -> float:
    """Mean of the middle half of all ``n m`` scores.

    One lucky seed moves it less than the mean, and it uses more of the scores than the median does.
    Fewer than four scores have no outer quarters; of them it is the mean.

    Args:
        scores: ``[n, m]``, seeds by conditions.

    Raises:
        ValueError: the array has another number of axes, is empty, or a score is not finite.
    """
    return float(stats.trim_mean(_scores(scores), 0.25, axis=None))


def interval(
    scores: np.ndarray, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Stratified bootstrap interval of :func:`interquartile_mean`, by percentiles.

    Args:
        scores: ``[n, m]``, seeds by conditions.
        level: share of resamples that the interval covers, such as 0.95.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The lower and the upper end, in the unit of the scores.

    Raises:
        ValueError: fewer than ``FEWEST_SEEDS`` seeds, or a score is not finite.
    """
    scores = enough_seeds(scores)

    def statistic(*conditions: np.ndarray, axis: int = -1) -> np.ndarray:
        return stats.trim_mean(np.concatenate(conditions, axis=axis), 0.25, axis=axis)

    return _bootstrap(scores.T, statistic, level, resamples, seed)


def probability_of_improvement(x: np.ndarray, y: np.ndarray) -> float:
    """P(X > Y) + P(X = Y) / 2 of a seed of ``x`` and one of ``y``, averaged over conditions.

    It says how often, not by how much: a sure gain of 1 point and one of 50 both give 1.  All pairs
    of seeds count (Mann and Whitney's U).

    Args:
        x: scores ``[n, m]`` of one arm, seeds by conditions.
        y: scores ``[k, m]`` of the other, under the same conditions; k may differ from n.

    Returns:
        A chance in [0, 1]; one half where neither is better.

    Raises:
        ValueError: unequal conditions, or a score is not finite.
    """
    x, y = _pair(x, y)
    return float(_wins(x, y, axis=0).mean())


def improvement_interval(
    x: np.ndarray,
    y: np.ndarray,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Stratified bootstrap interval of :func:`probability_of_improvement`.

    Args:
        x: scores ``[n, m]`` of one arm, seeds by conditions.
        y: scores ``[k, m]`` of the other, under the same conditions; k may differ from n.
        level: share of resamples that the interval covers, such as 0.95.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The lower and the upper end, chances in [0, 1].

    Raises:
        ValueError: fewer than ``FEWEST_SEEDS`` seeds, or unequal conditions.
    """

    def chance(first: Sequence[np.ndarray], second: Sequence[np.ndarray], axis: int) -> np.ndarray:
        pairs = zip(first, second, strict=True)
        return np.mean([_wins(a, b, axis=axis) for a, b in pairs], axis=0)

    return _paired_interval(x, y, chance, level, resamples, seed)


def mean_interval(
    scores: np.ndarray, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Stratified bootstrap interval of the mean over seeds and conditions.

    Args:
        scores: ``[n, m]``, seeds by conditions.
        level: share of resamples that the interval covers, such as 0.95.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The lower and the upper end, in the unit of the scores.

    Raises:
        ValueError: fewer than ``FEWEST_SEEDS`` seeds.
    """
    return _bootstrap(enough_seeds(scores).T, _mean_of_means, level, resamples, seed)


def difference_interval(
    x: np.ndarray,
    y: np.ndarray,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Stratified bootstrap interval of the mean of ``x`` minus that of ``y``.

    Seeds of the two arms are drawn apart; :func:`paired_difference_interval` keeps them in pairs.

    Args:
        x: scores ``[n, m]`` of one arm, seeds by conditions.
        y: scores ``[k, m]`` of the other, under the same conditions; k may differ from n.
        level: share of resamples that the interval covers, such as 0.95.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The lower and the upper end, in the unit of the scores.

    Raises:
        ValueError: fewer than ``FEWEST_SEEDS`` seeds, or unequal conditions.
    """

    def gap(first: Sequence[np.ndarray], second: Sequence[np.ndarray], axis: int) -> np.ndarray:
        return _mean_of_means(*first, axis=axis) - _mean_of_means(*second, axis=axis)

    return _paired_interval(x, y, gap, level, resamples, seed)


def paired_difference_interval(
    x: np.ndarray,
    y: np.ndarray,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval of the mean difference of two arms, seed by seed.

    A seed's difference is one number, its mean over all conditions, and these numbers are drawn
    again.  What the two arms of a seed have in common (initial weights, the order of batches, the
    same draws) widens the interval of :func:`difference_interval`, but not this one.

    Args:
        x, y: scores ``[n, m]``, seeds by conditions; row i of both is of the same seed.
        level: share of resamples that the interval covers, such as 0.95.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The lower and the upper end, in the unit of the scores.

    Raises:
        ValueError: fewer than ``FEWEST_SEEDS`` seeds, other seeds or conditions.
    """
    x, y = _pair(enough_seeds(x), enough_seeds(y))
    if len(x) != len(y):
        raise ValueError(f"pairs need the same seeds, got {len(x)} and {len(y)}")
    gaps = (x - y).mean(axis=1, keepdims=True)
    return mean_interval(gaps, level=level, resamples=resamples, seed=seed)


def _paired_interval(
    x: np.ndarray, y: np.ndarray, compare: Callable, level: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Stratified bootstrap interval of ``compare(conditions of x, conditions of y, axis)``."""
    x, y = _pair(enough_seeds(x), enough_seeds(y))
    count = x.shape[1]

    def statistic(*parts: np.ndarray, axis: int = -1) -> np.ndarray:
        return compare(parts[:count], parts[count:], axis)

    return _bootstrap([*x.T, *y.T], statistic, level, resamples, seed)


def _mean_of_means(*conditions: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.mean([part.mean(axis=axis) for part in conditions], axis=0)


def performance_profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of all seeds and conditions that score above each threshold.

    An arm whose curve lies above another's everywhere is better, whichever score is good enough.
    Curves that cross give no order.

    Args:
        scores: ``[n, m]``, seeds by conditions.
        thresholds: ``[k]``, in the unit of the scores.

    Returns:
        Shares ``[k]`` in [0, 1].

    Raises:
        ValueError: a score is not finite.
    """
    return stats.ecdf(_scores(scores).ravel()).sf.evaluate(np.asarray(thresholds))


def profile_band(
    scores: np.ndarray,
    thresholds: np.ndarray,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Stratified bootstrap interval of :func:`performance_profile` at each threshold.

    Args:
        scores: ``[n, m]``, seeds by conditions.
        thresholds: ``[k]``, in the unit of the scores.
        level: share of resamples that the interval covers, such as 0.95.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The lower and the upper ends, each ``[k]``.

    Raises:
        ValueError: fewer than ``FEWEST_SEEDS`` seeds.
    """
    scores = enough_seeds(scores)
    above = scores.T[:, :, None] > np.asarray(thresholds)  # [m, n, thresholds]

    # SciPy draws along the last axis, one draw for all thresholds at once
    return _bootstrap(
        above.transpose(0, 2, 1).astype(float), _mean_of_means, level, resamples, seed
    )


def aggregate(scores: Mapping[str, np.ndarray], **options) -> pd.DataFrame:
    """Interquartile mean and its interval for every label.

    Args:
        scores: ``[n, m]`` of each label, as :func:`scores_by_seed` gives them.
        options: of :func:`interval`: ``level``, ``resamples``, ``seed``.

    Returns:
        A line for each label; columns ``label, iqm, low, high, seeds, conditions``.

    Raises:
        ValueError: a label has fewer than ``FEWEST_SEEDS`` seeds.
    """
    lines = []
    for label, values in scores.items():
        low, high = interval(values, **options)
        lines.append(
            {"label": label, "iqm": interquartile_mean(values), "low": low, "high": high}
            | {"seeds": len(values), "conditions": values.shape[1]}
        )
    return pd.DataFrame(lines)


def enough_seeds(scores: np.ndarray) -> np.ndarray:
    """The scores as floats ``[n, m]``, if there are enough seeds for an interval.

    Args:
        scores: seeds by conditions.

    Raises:
        ValueError: fewer than ``FEWEST_SEEDS`` rows, or numbers that are not finite.
    """
    scores = _scores(scores)
    if len(scores) < FEWEST_SEEDS:
        raise ValueError(
            f"an interval needs at least {FEWEST_SEEDS} seeds (better {ENOUGH_SEEDS}), got "
            f"{len(scores)}: train more seeds, or show the runs themselves"
        )
    return scores


def _scores(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 2 or not scores.size:
        raise ValueError(f"scores: expected [seeds, conditions], got shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores: not all are finite")
    return scores


def _pair(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = _scores(x), _scores(y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"scores: {x.shape[1]} conditions against {y.shape[1]}")
    return x, y


def _wins(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    """Mann and Whitney's U as a share of all pairs: a win counts 1, a tie a half.

    It is counted here, since SciPy's test also computes p values and takes ten times as long.
    """
    first, second = np.moveaxis(x, axis, -1)[..., :, None], np.moveaxis(y, axis, -1)[..., None, :]
    u = (first > second).sum((-1, -2)) + 0.5 * (first == second).sum((-1, -2))
    return u / (x.shape[axis] * y.shape[axis])


def _bootstrap(samples, statistic: Callable, level: float, resamples: int, seed: int):
    found = stats.bootstrap(
        tuple(samples), statistic, confidence_level=level, n_resamples=resamples, axis=-1,
        method="percentile", vectorized=True, rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return found.low, found.high
