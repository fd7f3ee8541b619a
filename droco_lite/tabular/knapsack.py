"""The greedy solution of the W_p worst case: offers along convex hulls, and a budget to spend.

Each state has a lower convex hull of the points (cost of moving to t, f(t)). An edge of the hull is
an offer: so much fall of f per unit of cost, for so much cost. The worst case takes the best offers
first until the budget is gone, a fractional knapsack. The book derives it in the chapter on the
Wasserstein distance and its dual.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from droco_lite.tabular.checks import Array


@dataclass(frozen=True)
class Levels:
    """For each state, the other states grouped by cost, cheapest first; padded to [S, L].

    On a grid few different distances occur, so L is far below S.
    """

    order: NDArray[np.intp]  # [S * S] targets, row by row, sorted by cost
    starts: NDArray[np.intp]  # where each group begins in `order`
    place: tuple[NDArray[np.intp], NDArray[np.intp]]  # (state, level) of each group
    costs: Array  # [S, L], inf beyond a state's last level

    @classmethod
    def of(cls, costs: Array) -> "Levels":
        """Group the costs [S, S] of moving from each state to each."""
        size = len(costs)
        order = np.argsort(costs, axis=1, kind="stable")
        ascending = np.take_along_axis(costs, order, 1)
        first = np.ones((size, size), dtype=bool)
        first[:, 1:] = np.diff(ascending, axis=1) > 0
        starts = np.flatnonzero(first)
        state, level = np.divmod(starts, size)[0], (np.cumsum(first, 1) - 1)[first]
        levels = np.full((size, level.max() + 1), np.inf)
        levels[state, level] = ascending[first]
        return cls(order.ravel(), starts, (state, level), levels)


@dataclass(frozen=True)
class Offers:
    """The edges of each state's hull, best first: [S, K]; padded with rate 0 and length 0."""

    rates: Array  # fall of f per unit of transport
    lengths: Array  # transport per unit of mass
    corners: NDArray[np.intp]  # [S, K + 1]: the states at the corners; edge k joins k and k + 1


def best_offers(f: Array, levels: Levels) -> Offers:
    """Walk each state's lower convex hull of (cost, lowest f at that cost), all states at once.

    Args:
        f: a function of the states, [S].
        levels: the states round each state, by cost.

    Returns:
        The edges of the hulls.
    """
    size = len(f)
    by_value = np.argsort(f, kind="stable")
    rank = np.empty(size, dtype=np.intp)
    rank[by_value] = np.arange(size)
    lowest = np.full(levels.costs.shape, by_value[-1])  # the state with least f at each level
    lowest[levels.place] = by_value[np.minimum.reduceat(rank[levels.order], levels.starts)]
    heights = f[lowest]

    walking = np.arange(size)
    cost, height = np.zeros(size), f.copy()
    rates: list = []
    lengths: list = []
    corners = [np.arange(size)]
    while True:
        with np.errstate(divide="ignore", invalid="ignore"):
            step = levels.costs[walking] - cost[walking, None]
            rate = (height[walking, None] - heights[walking]) / step
        rate[~(step > 0)] = 0.0  # behind, or where we stand
        best = rate.argmax(1)
        fall = rate[np.arange(len(walking)), best]
        going = fall > 0
        walking, best, fall = walking[going], best[going], fall[going]
        if not len(walking):
            break
        for column in (rates, lengths):
            column.append(np.zeros(size))
        corners.append(corners[-1].copy())
        rates[-1][walking] = fall
        lengths[-1][walking] = levels.costs[walking, best] - cost[walking]
        corners[-1][walking] = lowest[walking, best]
        cost[walking] = levels.costs[walking, best]
        height[walking] = heights[walking, best]
    if not rates:  # f is constant: nothing is worth moving
        rates, lengths, corners = [np.zeros(size)], [np.zeros(size)], corners * 2
    # Rounding may lift a later rate above an earlier one; offers must be taken in order.
    falling = np.minimum.accumulate(np.stack(rates, 1), axis=1)
    return Offers(falling, np.stack(lengths, 1), np.stack(corners, 1))


def spend(p: Array, nominal: Array, offers: Offers, budget: float) -> tuple[Array, Array, Array]:
    """Take the best offers of each row's states until its budget of transport is spent.

    Args:
        p: nominal distributions, [B, S].
        nominal: their expectations of f, [B].
        offers: from :func:`best_offers`.
        budget: epsilon^order, the mean cost that may be spent.

    Returns:
        Worst-case values [B], worst distributions [B, S], and the rate of the last offer [B].
    """
    edges = offers.rates.shape[1]
    values, multipliers = np.empty(len(p)), np.empty(len(p))
    worst = p.copy()
    row, state = np.nonzero(p)
    count = np.bincount(row, minlength=len(p))
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    width = count.max()
    states, mass = np.zeros((len(p), width), dtype=np.intp), np.zeros((len(p), width))
    states[row, place], mass[row, place] = state, p[row, state]

    chunk = max(1, 4_000_000 // (width * edges))  # bounds the memory of rows with wide support
    for start in range(0, len(p), chunk):
        part = slice(start, start + chunk)
        rows = len(states[part])
        rate = offers.rates[states[part]].reshape(rows, -1)
        price = (mass[part, :, None] * offers.lengths[states[part]]).reshape(rows, -1)
        ranking = np.argsort(-rate, axis=1, kind="stable")
        price = np.take_along_axis(price, ranking, 1)
        ranked = np.take_along_axis(rate, ranking, 1)
        before = np.cumsum(price, 1) - price
        paid = np.clip(budget - before, 0.0, price)
        values[part] = nominal[part] - (paid * ranked).sum(1)
        next_offer = (before + price > budget) & (price > 0)
        first = next_offer.argmax(1)
        left = next_offer.any(1)
        multipliers[part] = np.where(left, ranked[np.arange(rows), first], 0.0)

        r, k = np.nonzero(paid)
        slot, edge = np.divmod(ranking[r, k], edges)
        origin = states[part][r, slot]
        moved = paid[r, k] / offers.lengths[origin, edge]
        np.add.at(worst, (start + r, offers.corners[origin, edge]), -moved)
        np.add.at(worst, (start + r, offers.corners[origin, edge + 1]), moved)
    return values, np.maximum(worst, 0.0), multipliers
