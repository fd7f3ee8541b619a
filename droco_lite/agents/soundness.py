"""The range that returns can have, and two figures that show whether values stay in it.

With rewards between r_min and r_max, and episodes that may end, every discounted return lies in

    [ min(0, r_min) / (1 - gamma),  max(0, r_max) / (1 - gamma) ]

so no policy has a value outside it.  r_min and r_max are those of the rows at hand.  Where the
robot can earn less or more than in any of them, the true range is wider.  ``kappa`` says whether
values feed on themselves:

    kappa = E[ (1 - d) value backed up ] / E[ V(s) ]        over source rows

is the factor between a value and the value that replaces it, with rewards left out.  Where
gamma kappa > 1, each backup enlarges values, and they run away.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Values may leave the range by this share of its width before they count as outside.
TOLERANCE = 0.01
#: Up to this share of values outside, there is no warning.
WARN_ABOVE = 0.01
#: Above this share of values outside, a single evaluation is enough to warn.
PLAINLY_OUTSIDE = 0.5


def possible_returns(discount: float, *data, slack: float = 0.0) -> tuple[float, float]:
    """Smallest and largest discounted return that the rewards of ``data`` allow.

    Args:
        discount: gamma; 1 gives an infinite range, unless all rewards have one sign.
        data: sets of transitions.
        slack: how far a method may move a reward.
    """
    low, high = extreme_rewards(*data)
    least, most = range_of(discount, torch.as_tensor(low - slack), torch.as_tensor(high + slack))
    return least.item(), most.item()


def extreme_rewards(*data) -> tuple[Tensor, Tensor]:
    """Smallest and largest reward of all sets of transitions."""
    low = min(float(part.rewards.min()) for part in data)
    high = max(float(part.rewards.max()) for part in data)
    return torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)


def range_of(discount: float, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The range of discounted returns whose rewards lie between ``low`` and ``high``."""
    ends = torch.stack([low.clamp(max=0.0), high.clamp(min=0.0)])
    ends = ends / torch.tensor(1 - discount, dtype=torch.float64)
    least, most = ends.nan_to_num(nan=0.0, posinf=math.inf, neginf=-math.inf)  # 0 / 0: no reward
    return least, most


def bounds_of(agent, least: float, most: float) -> tuple[Tensor, Tensor]:
    """Floor and ceiling of a backup, ``[R, 1, 1]`` each.

    Args:
        agent: whose per-run settings ``floor`` and ``ceiling`` may be None.
        least, most: the range of returns.  What is None becomes its end, but does not cross a bound
            that is given; beside ``floor=-inf`` a ceiling of None is no ceiling.

    Raises:
        ValueError: a run's floor is above its ceiling.
    """
    floor, ceiling = agent.column("floor"), agent.column("ceiling")
    if crossed := (floor > ceiling).flatten().nonzero().flatten().tolist():
        run = agent.runs[crossed[0]]
        raise ValueError(
            f"floor {run.floor} of run {crossed[0]} is above its ceiling {run.ceiling}"
        )
    top = torch.where(floor == -math.inf, math.inf, floor.nan_to_num(nan=most).clamp(min=most))
    bottom = ceiling.nan_to_num(nan=least, posinf=math.inf, neginf=-math.inf).clamp(max=least)
    return (
        torch.where(floor.isnan(), bottom, floor),
        torch.where(ceiling.isnan(), top, ceiling),
    )


@torch.no_grad()
def value_figures(
    agent,
    batch,
    possible: tuple[Tensor | float, Tensor | float],
    born: Tensor | float = 0.0,
) -> dict[str, Tensor]:
    """``kappa`` and ``outside`` of each run, ``[R]``.

    Args:
        agent: whose ``values(batch)`` gives V(s) ``[R, rows, 1]`` of all rows, and the values
            backed up for source rows.
        batch: rows to look at.
        possible: the range from :func:`possible_returns`, of all runs or of each ``[R, 1, 1]``;
            ``outside`` is the share of V(s) that lies outside it, or is not a number.
        born: values this far outside, ``[R, 1, 1]``, or by TOLERANCE of the width, still count as
            inside: an untrained network's have some size too.
    """
    value, backed_up = agent.values(batch)
    low, high, born = (torch.as_tensor(x).to(value) for x in (*possible, born))
    k, margin = batch.n_source, torch.maximum((TOLERANCE * (high - low)).nan_to_num(posinf=0), born)
    inside = (value >= low - margin) & (value <= high + margin)
    reached = (batch.continues[:, :k] * backed_up).mean((1, 2))
    return {
        "kappa": reached / value[:, :k].mean((1, 2)),
        "outside": 1 - inside.float().mean((1, 2)),
    }
