"""Distances between distributions on a finite space: W_p, total variation, relative entropy.

Distributions have shape [S] or [..., S], the metric on the states ``distances`` [S, S]. POT (for
transport problems) and SciPy (for linear programmes) are loaded when a function needs them, because
POT loads PyTorch where it is installed.

Sources: Villani (2009), chapters 5 and 6, for W_p and its dual; Flamary et al. (2021) for POT.
"""

import numpy as np
from numpy.typing import ArrayLike

from droco_lite.tabular.checks import (
    Array,
    check_distribution,
    check_function,
    check_metric,
    check_order,
)

PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def wasserstein(p: ArrayLike, q: ArrayLike, distances: ArrayLike, order: float = 1.0) -> float:
    """Return W_order(p, q) = min over couplings of E[d(X, Y)^order]^(1/order).

    ``order=np.inf`` is the least t for which some coupling never moves mass further than t. Both
    are solved by the network simplex of POT (``ot.emd2``).

    Args:
        p: a distribution, [S].
        q: another, [S].
        distances: the metric on the states, [S, S].
        order: from 1 to infinity.

    Returns:
        The distance, in the units of ``distances``.

    Raises:
        ValueError: p or q [S] is no distribution, ``distances`` no metric, or order < 1.
    """
    p, q = check_distribution(p, "p"), check_distribution(q, "q")
    if p.ndim != 1 or p.shape != q.shape:
        raise ValueError(f"q: expected the shape of p, one row [S], got {p.shape} and {q.shape}")
    distances = check_metric(distances, size=len(p))
    check_order(order)
    return _wasserstein(p, q, distances, order)


def _wasserstein(p: Array, q: Array, distances: Array, order: float) -> float:
    import ot

    # Only states with mass take part; POT wants equal sums and contiguous arrays.
    rows, columns = np.flatnonzero(p), np.flatnonzero(q)
    p, q = p[rows] / p.sum(), q[columns] / q.sum()
    moves = np.ascontiguousarray(distances[np.ix_(rows, columns)])
    if order < np.inf:
        return float(max(ot.emd2(p, q, moves**order), 0.0) ** (1.0 / order))

    # W_inf: bisect over the distances that occur. A step of length t is enough when no mass need
    # travel further, which is a transport problem with cost 1 on every longer move.
    lengths = np.unique(moves)
    low, high = 0, len(lengths) - 1
    while low < high:
        middle = (low + high) // 2
        if ot.emd2(p, q, (moves > lengths[middle]).astype(np.float64)) <= 1e-12:
            high = middle
        else:
            low = middle + 1
    return float(lengths[low])


def wasserstein_rows(p: ArrayLike, q: ArrayLike, distances: ArrayLike, order: float = 1.0) -> Array:
    """Return W_order between matching rows of p and q.

    The largest of these between the source's rows and the target's is the threshold of
    Proposition 4.4 (Qiao et al. 2026).

    Args:
        p: distributions, [..., S].
        q: as many others, [..., S].
        distances: the metric on the states, [S, S].
        order: from 1 to infinity.

    Returns:
        The distances, [...].

    Raises:
        ValueError: a row is no distribution, the shapes differ, or ``distances`` is no metric.
    """
    p, q = check_distribution(p, "p"), check_distribution(q, "q")
    if p.shape != q.shape:
        raise ValueError(f"q: expected the shape of p, {p.shape}, got {q.shape}")
    distances = check_metric(distances, size=p.shape[-1])
    check_order(order)
    pairs = zip(p.reshape(-1, p.shape[-1]), q.reshape(-1, p.shape[-1]), strict=True)
    each = [0.0 if np.array_equal(a, b) else _wasserstein(a, b, distances, order) for a, b in pairs]
    return np.array(each).reshape(p.shape[:-1])


def total_variation(p: ArrayLike, q: ArrayLike) -> Array:
    """Return TV(p, q), half the sum of |p - q|: the mass that differs.

    Args:
        p: distributions, [..., S].
        q: others, [..., S]; broadcast against ``p``.

    Returns:
        The distances, [...], between 0 and 1.

    Raises:
        ValueError: a row is no distribution.
    """
    p, q = check_distribution(p, "p"), check_distribution(q, "q")
    return 0.5 * np.abs(p - q).sum(-1)


def kullback_leibler(q: ArrayLike, p: ArrayLike) -> Array:
    """Return KL(q || p) = sum of q log(q / p), in nats.

    Args:
        q: distributions, [..., S].
        p: others, [..., S]; broadcast against ``q``.

    Returns:
        The divergences, [...]; infinite where q has mass and p has none.

    Raises:
        ValueError: a row is no distribution.
    """
    q, p = np.broadcast_arrays(check_distribution(q, "q"), check_distribution(p, "p"))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(q > 0, q * np.log(q / p), 0.0)
    return terms.sum(-1)


def lipschitz_constant(f: ArrayLike, distances: ArrayLike) -> float:
    """Return the Lipschitz constant of f, the least L with \\|f(s) - f(t)\\| <= L d(s, t).

    Args:
        f: a function of the states, [S].
        distances: the metric on the states, [S, S].

    Returns:
        L, in units of f per unit of distance.

    Raises:
        ValueError: f has another shape or a NaN.
    """
    distances = np.asarray(distances, dtype=np.float64)
    f = check_function(f, len(distances))
    apart = distances > 0
    return float((np.abs(f[:, None] - f)[apart] / distances[apart]).max(initial=0.0))


def optimal_coupling(p: ArrayLike, q: ArrayLike, distances: ArrayLike) -> Array:
    """Return a coupling of p and q with the least expected distance, by POT.

    Args:
        p: a distribution, [S].
        q: another, [S].
        distances: the metric on the states, [S, S].

    Returns:
        Mass moved from each state to each, [S, S]; its rows sum to p and its columns to q.

    Raises:
        ValueError: p or q is no distribution, or ``distances`` is no metric.
    """
    import ot

    p, q = check_distribution(p, "p"), check_distribution(q, "q")
    return ot.emd(p / p.sum(), q / q.sum(), check_metric(distances, size=len(p)))


def kantorovich_dual(p: ArrayLike, q: ArrayLike, distances: ArrayLike) -> tuple[float, Array]:
    """Return W_1(p, q) from its dual, and a potential that attains it.

    Maximise sum_s u(s) (p(s) - q(s)) over u with u(s) - u(t) <= d(s, t) for all s, t
    (Kantorovich and Rubinstein), as a linear programme.

    Args:
        p: a distribution, [S].
        q: another, [S].
        distances: the metric on the states, [S, S].

    Returns:
        The distance, and the potential u, [S], with u(0) = 0.

    Raises:
        ValueError: p or q is no distribution, or ``distances`` is no metric.
        RuntimeError: HiGHS did not solve the programme.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, vstack

    p, q = check_distribution(p, "p"), check_distribution(q, "q")
    size = len(p)
    distances = check_metric(distances, size=size)
    first, second = np.nonzero(~np.eye(size, dtype=bool))
    count = np.arange(len(first))
    plus = csr_array((np.ones(len(first)), (count, first)), shape=(len(first), size))
    minus = csr_array((-np.ones(len(first)), (count, second)), shape=(len(first), size))
    solution = linprog(
        -(p - q),
        A_ub=vstack([plus + minus]),
        b_ub=distances[first, second],
        bounds=[(0, 0)] + [(None, None)] * (size - 1),
        method="highs",
        options=PRECISE,
    )
    if not solution.success:
        raise RuntimeError(f"HiGHS did not solve the dual problem: {solution.message}")
    return float(-solution.fun), solution.x
