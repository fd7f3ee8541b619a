"""Are the values still values?  The range that returns can have, and two figures to watch.

With rewards between r_min and r_max, and episodes that may end, every discounted return lies in

    [ min(0, r_min) / (1 - gamma),  max(0, r_max) / (1 - gamma) ]

so a value outside it is the value of nothing.  ``kappa`` says whether values feed on themselves:

    kappa = E[ (1 - d) value backed up ] / E[ V(s) ]        over source rows

is the factor between a value and what it is replaced by, rewards left out; where gamma kappa > 1
the regression is expansive, and values run away.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Values may leave the range by this share of its width before they count as outside: networks
#: start at small random values, on either side of 0.
TOLERANCE = 0.01
#: The share of values outside from which on training warns.
WARN_ABOVE = 0.01


def possible_returns(discount: float, *data, slack: float = 0.0) -> tuple[float, float]:
    """Smallest and largest discounted return that the rewards of ``data`` allow.

    Args:
        discount: gamma; 1 gives an infinite range, unless all rewards have one sign.
        data: sets of transitions.
        slack: how far a method may move a reward.
    """
    low = min(float(part.rewards.min()) for part in data) - slack
    high = max(float(part.rewards.max()) for part in data) + slack
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.array([min(0.0, low), max(0.0, high)]) / np.float64(1 - discount)
    least, most = np.nan_to_num(ends, nan=0.0, posinf=np.inf, neginf=-np.inf).tolist()
    return least, most


@torch.no_grad()
def value_figures(agent, batch, possible: tuple[float, float]) -> dict[str, Tensor]:
    """``kappa`` and ``outside`` of each run, ``[R]``.

    Args:
        agent: whose ``values(batch)`` gives V(s) ``[R, rows, 1]`` of all rows, and the values
            backed up for source rows.
        batch: rows to look at.
        possible: the range from :func:`possible_returns`; ``outside`` is the share of V(s) that
            lies outside it, or is not a number.
    """
    value, backed_up = agent.values(batch)
    k, (low, high) = batch.n_source, possible
    margin = TOLERANCE * (high - low) if np.isfinite(high - low) else 0.0
    inside = (value >= low - margin) & (value <= high + margin)
    reached = (batch.continues[:, :k] * backed_up).mean((1, 2))
    return {
        "kappa": reached / value[:, :k].mean((1, 2)),
        "outside": 1 - inside.float().mean((1, 2)),
    }
