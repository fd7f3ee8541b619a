"""The rules that choose a policy as preferences over a table, and what their choices cost.

:mod:`droco_lite.evaluation.selection` makes such tables, with an agent; reading one takes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import stats

#: Rule -> (table of evidence -> preference, the higher the better).
RULES: Mapping = MappingProxyType(
    {
        "fqe": lambda t: t.fqe,
        "bellman_error": lambda t: -t.bellman_error,
        "coverage": lambda t: -(t.coverage - t.members / (t.members + 1)).abs(),
        "noise_share": lambda t: -t.noise_share,
        "imitation": lambda t: -t.imitation,
        "own_value": lambda t: t.own_value,
    }
)


#: Level of the intervals, that of every interval in the book.
LEVEL = 0.95


def judge(
    table: pd.DataFrame,
    rules: Sequence[str] | Mapping = RULES,
    *,
    truth: str = "return_mean",
    by: Sequence[str] | None = ("label",),
    resamples: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """What each rule would have chosen, and what the choice costs.

    Args:
        table: evidence and truth, one line a run.
        rules: names of :data:`RULES`, or a mapping of names to functions of the table.
        truth: column of the true return.
        by: columns that name a candidate; lines that agree in them (seeds) are averaged first. None
            takes every line as a candidate.

    Returns:
        One line a rule: ``chosen``, its ``truth`` as ``got``, ``regret`` = best - got, ``share``,
        the regret over that of drawing a candidate at random, Spearman's ``rank_correlation`` of
        preference and truth, and ``low`` and ``high``, its percentile interval over resampled
        candidates at :data:`LEVEL`.

    Raises:
        ValueError: fewer than three candidates, which have no order to speak of.
    """
    if by is not None:
        numbers = table.select_dtypes("number").columns.difference(list(by))
        table = table.groupby(list(by), sort=False)[list(numbers)].mean().reset_index()
    if len(table) < 3:
        raise ValueError(f"judge needs at least 3 candidates, got {len(table)}")
    rules = rules if isinstance(rules, Mapping) else {name: RULES[name] for name in rules}
    true = table[truth].to_numpy()
    at_random = true.max() - true.mean()

    lines = []
    for name, prefer in rules.items():
        preference = np.asarray(prefer(table), float)
        chosen = int(preference.argmax())
        interval = stats.bootstrap(
            (preference, true), _rank_correlation, paired=True, method="percentile",
            confidence_level=LEVEL, n_resamples=resamples, random_state=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
        regret = true.max() - true[chosen]
        lines.append(
            {
                "rule": name,
                "chosen": ", ".join(str(table[c][chosen]) for c in by or ("label",)),
                "got": true[chosen],
                "regret": regret,
                "share": regret / at_random if at_random > 0 else 0.0,
                "rank_correlation": float(_rank_correlation(preference, true)),
                "low": interval.low,
                "high": interval.high,
            }
        )
    return pd.DataFrame(lines)


def _rank_correlation(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's rank correlation; 0 where one of them has no order.

    scipy's own takes many samples one by one, which is a hundred times slower here.
    """
    ranks = [stats.rankdata(values, axis=axis) for values in (x, y)]
    a, b = (rank - rank.mean(axis, keepdims=True) for rank in ranks)
    scale = np.sqrt((a**2).sum(axis) * (b**2).sum(axis))
    # A resample of one candidate has no order.
    return np.where(scale > 0, (a * b).sum(axis) / np.where(scale > 0, scale, 1), 0.0)
