"""The worst case of an expectation over a ball of distributions (Proposition 4.2 of DROCO).

A *ball* is the set of distributions Q within ``epsilon`` of a nominal P. Its worst-case expectation
``inf_{Q in ball} E_Q f`` is what a robust Bellman backup needs, with f the value function.

=====================  =================================  ========================================
ball                   set                                worst case, as solved here
=====================  =================================  ========================================
:class:`WassersteinBall`  W_p(P, Q) <= epsilon, p < inf   the one-dimensional dual, exactly (greedy)
:class:`WassersteinBall`  W_inf(P, Q) <= epsilon          the lowest value within epsilon of s'
:class:`TotalVariationBall`  TV(P, Q) <= epsilon          move mass epsilon from highest to lowest
:class:`KullbackLeiblerBall`  KL(Q || P) <= epsilon       exponential tilting, one scalar equation
=====================  =================================  ========================================

Everywhere f has shape [S], ``distances`` [S, S], and P the shape [..., S]: one f is shared by all
rows of P, which are solved at once.

Sources: Blanchet and Murthy (2019), Gao and Kleywegt (2023) and Mohajerin Esfahani and Kuhn (2018)
for Wasserstein duality; Iyengar (2005) and Nilim and El Ghaoui (2005) for TV and KL.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from droco_lite.tabular.checks import (
    Array,
    check_distribution,
    check_epsilon,
    check_function,
    check_metric,
    check_metric_size,
    check_order,
)
from droco_lite.tabular.distances import PRECISE
from droco_lite.tabular.knapsack import Levels, best_offers, spend


@dataclass(frozen=True)
class WorstCase:
    """The worst distribution in a ball, and its expectation.

    Attributes:
        values: inf over the ball of E_Q f, [...].
        distributions: a Q that attains it, [..., S].
        multipliers: the optimal dual variable, [...]: how fast the value falls with the radius
            (for W_p, with epsilon^p). None for W_inf, whose value is a step function of epsilon.
    """

    values: Array
    distributions: Array
    multipliers: Array | None = None


class Ball:
    """The set of distributions within ``epsilon`` of a nominal one."""

    epsilon: float

    def worst_case(self, f: ArrayLike, p: ArrayLike) -> WorstCase:
        """Return the worst case of f over the ball round each row of p.

        Args:
            f: a function of the states, [S].
            p: nominal distributions, [..., S].

        Raises:
            ValueError: p is no distribution, or f has another shape or a NaN.
        """
        p = check_distribution(p, "p")
        f = check_function(f, p.shape[-1])
        found = self._solve(f, p.reshape(-1, p.shape[-1]))
        multipliers = found.multipliers
        return WorstCase(
            found.values.reshape(p.shape[:-1]),
            found.distributions.reshape(p.shape),
            None if multipliers is None else multipliers.reshape(p.shape[:-1]),
        )

    def expectation(self, f: ArrayLike, p: ArrayLike) -> Array:
        """Return inf over the ball of E_Q f, for each row of p.

        Args:
            f: a function of the states, [S].
            p: nominal distributions, [..., S].

        Returns:
            The worst-case expectations, [...].

        Raises:
            ValueError: p is no distribution, or f has another shape or a NaN.
        """
        return self.worst_case(f, p).values

    def _solve(self, f: Array, p: Array) -> WorstCase:
        raise NotImplementedError


@dataclass(frozen=True)
class WassersteinBall(Ball):
    """The W_order ball of radius ``epsilon`` for the metric ``distances`` [S, S].

    For finite order the dual is sup_{lambda >= 0} { E_P m_s(lambda) - lambda epsilon^order } with
    m_s(lambda) = min_t { f(t) + lambda d(s, t)^order }. Each m_s is concave and piecewise linear;
    its pieces are the edges of the lower convex hull of the points (d(s, t)^order, f(t)). Read in
    the primal, an edge is an offer: move mass from one corner of the hull to the next, at a certain
    fall of f per unit of transport. The worst case takes the best offers until the budget
    epsilon^order is spent, a fractional knapsack, and the rate of the last one is lambda*. Hulls
    depend on f only and are shared by all rows.

    For infinite order each state moves to the lowest value within epsilon; that is the equality of
    Proposition 4.2 (Qiao et al. 2026), which holds for this order only.

    Attributes:
        epsilon: the radius, in units of ``distances``.
        distances: the metric on the states, [S, S].
        order: p, from 1 to infinity.

    Raises:
        ValueError: ``epsilon`` negative, ``distances`` no metric, or order < 1.
    """

    epsilon: float
    distances: Array
    order: float = 1.0
    _levels: "Levels | None" = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_epsilon(self.epsilon))
        object.__setattr__(self, "distances", check_metric(self.distances))
        check_order(self.order)
        if self.order < np.inf:
            object.__setattr__(self, "_levels", Levels.of(self.distances**self.order))

    def _solve(self, f: Array, p: Array) -> WorstCase:
        check_metric_size(self.distances, p)
        if self._levels is None:  # of infinite order
            return self._worst_neighbours(f, p)
        nominal = p @ f
        if self.epsilon == 0:
            offers = best_offers(f, self._levels)
            rates = np.where(p > 0, offers.rates[:, 0], 0.0).max(1)
            return WorstCase(nominal, p.copy(), rates)
        offers = best_offers(f, self._levels)
        return WorstCase(*spend(p, nominal, offers, self.epsilon**self.order))

    def _worst_neighbours(self, f: Array, p: Array) -> WorstCase:
        worst = self.worst_neighbour(f)
        distributions = np.zeros_like(p)
        np.add.at(distributions.T, worst, p.T)
        return WorstCase(p @ f[worst], distributions)

    def worst_neighbour(self, f: ArrayLike) -> NDArray[np.intp]:
        """Return the state of lowest f within distance epsilon of each state.

        Args:
            f: a function of the states, [S].

        Returns:
            Indices, [S].

        Raises:
            ValueError: f has another shape or a NaN.
        """
        f = check_function(f, len(self.distances))
        near = self.distances <= self.epsilon * (1 + 1e-12)
        return np.where(near, f, np.inf).argmin(1)


@dataclass(frozen=True)
class _OfSize(Ball):
    """A ball that its size alone describes."""

    epsilon: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_epsilon(self.epsilon))


@dataclass(frozen=True)
class TotalVariationBall(_OfSize):
    """Distributions Q with TV(P, Q) = half the sum of |P - Q| at most ``epsilon``.

    The worst case takes mass epsilon away where f is highest and puts it where f is lowest,
    however far away that is: no metric on the states comes in (Iyengar 2005).

    Attributes:
        epsilon: the mass that may differ; from 1 on every distribution is in the ball.

    Raises:
        ValueError: ``epsilon`` is negative or not finite.
    """

    def _solve(self, f: Array, p: Array) -> WorstCase:
        order = np.argsort(-f, kind="stable")
        lowest = order[-1]
        mass = p[:, order]
        before = np.cumsum(mass, 1) - mass
        taken = np.clip(self.epsilon - before, 0.0, mass)
        worst = p.copy()
        worst[:, order] -= taken
        worst[:, lowest] += taken.sum(1)
        values = p @ f - taken @ (f[order] - f[lowest])
        last = np.argmax(before + mass > self.epsilon, axis=1)  # where the next mass would go
        spent = self.epsilon >= 1.0
        return WorstCase(values, worst, np.where(spent, 0.0, f[order][last] - f[lowest]))


@dataclass(frozen=True)
class KullbackLeiblerBall(_OfSize):
    """Distributions Q with KL(Q || P) at most ``epsilon`` nats.

    Dual: sup_{alpha >= 0} { -alpha log E_P exp(-f / alpha) - alpha epsilon }. The worst case is the
    tilted distribution proportional to P exp(-t f) with t = 1 / alpha, where t makes its
    divergence epsilon: one increasing scalar equation a row, solved for all rows by Newton steps
    kept in a bracket. Q stays on P's support, so where epsilon >= -log P(argmin f) the value is
    the minimum of f on that support.

    Attributes:
        epsilon: the divergence allowed, in nats.

    Raises:
        ValueError: ``epsilon`` is negative or not finite.
    """

    def _solve(self, f: Array, p: Array) -> WorstCase:
        support = p > 0
        lowest = np.where(support, f, np.inf).min(1)
        spread = np.where(support, f, -np.inf).max(1) - lowest
        values, worst = p @ f, p.copy()
        multipliers = np.zeros(len(p))
        if self.epsilon == 0:
            return WorstCase(values, worst, np.where(spread > 0, np.inf, 0.0))

        at_lowest = support & (f <= lowest[:, None])
        share = np.where(at_lowest, p, 0.0).sum(1)
        cornered = (-np.log(share) <= self.epsilon) & (spread > 0)
        values[cornered] = lowest[cornered]
        worst[cornered] = np.where(at_lowest, p, 0.0)[cornered] / share[cornered, None]

        rows = np.flatnonzero((spread > 0) & ~cornered)
        if len(rows):
            # Scaled so that f runs from 0 to 1 on the support: t then is a pure number.
            height = np.clip((f - lowest[rows, None]) / spread[rows, None], 0.0, 1.0)
            tilt, log_mean, tilted = _tilt(height, p[rows], self.epsilon)
            values[rows] = lowest[rows] - spread[rows] * (log_mean + self.epsilon) / tilt
            worst[rows] = tilted
            multipliers[rows] = spread[rows] / tilt
        return WorstCase(values, worst, multipliers)


def _tilt(height: Array, p: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """Find t with KL(q_t || p) = epsilon, q_t ~ p exp(-t height), for each row: t, log E, q_t."""

    def at(t: Array) -> tuple[Array, Array, Array, Array]:
        weight = p * np.exp(-t[:, None] * height)
        total = weight.sum(1)
        q = weight / total[:, None]
        mean = (q * height).sum(1)
        variance = (q * (height - mean[:, None]) ** 2).sum(1)
        return np.log(total), q, -t * mean - np.log(total), t * variance

    low, high = np.zeros(len(p)), np.ones(len(p))
    while (short := at(high)[2] < epsilon).any() and high.max() < 1e15:
        low = np.where(short, high, low)
        high = np.where(short, 2 * high, high)
    t = 0.5 * (low + high)
    for _ in range(100):
        _, _, divergence, slope = at(t)
        low = np.where(divergence < epsilon, t, low)
        high = np.where(divergence >= epsilon, t, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = t - (divergence - epsilon) / slope
        inside = (newton > low) & (newton < high)
        step = np.where(inside, newton, 0.5 * (low + high))
        done = np.abs(step - t) <= 1e-13 * t
        t = step
        if done.all():
            break
    log_mean, q, _, _ = at(t)
    return t, log_mean, q


# --- the primal linear programme, and the dual function: slow, and close to the mathematics ------


def wasserstein_primal(
    f: ArrayLike, p: ArrayLike, distances: ArrayLike, epsilon: float, order: float = 1.0
) -> tuple[float, Array]:
    """Solve the primal problem over couplings as a linear programme (HiGHS).

    Minimise sum_{s,t} pi(s, t) f(t) subject to sum_t pi(s, t) = p(s), pi >= 0, and
    sum pi d^order <= epsilon^order; for ``order=np.inf``, pi(s, t) = 0 where d(s, t) > epsilon.

    Args:
        f: a function of the states, [S].
        p: the nominal distribution, [S].
        distances: the metric on the states, [S, S].
        epsilon: the radius, in units of ``distances``.
        order: of the ball, from 1 to infinity.

    Returns:
        The worst-case expectation, and the coupling pi [S, S] that attains it; its column sums are
        the worst distribution.

    Raises:
        ValueError: an argument has the wrong shape, is no distribution, metric or radius.
        RuntimeError: HiGHS did not solve the programme.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    p = check_distribution(p, "p")
    size = p.shape[-1]
    if p.ndim != 1:
        raise ValueError(f"p: expected one row [S], got {p.shape}")
    f = check_function(f, size)
    distances = check_metric(distances, size=size)
    epsilon, order = check_epsilon(epsilon), check_order(order)

    rows = np.flatnonzero(p)  # only these have mass to move
    moves = distances[rows]
    leaves = csr_array(np.kron(np.eye(len(rows)), np.ones((1, size))))
    problem = {"c": np.tile(f, len(rows)), "A_eq": leaves, "b_eq": p[rows]}
    if order < np.inf:
        problem |= {"A_ub": csr_array((moves**order).reshape(1, -1)), "b_ub": [epsilon**order]}
    else:
        reachable = moves.ravel() <= epsilon * (1 + 1e-12)
        problem["bounds"] = np.column_stack([np.zeros(reachable.size), np.where(reachable, 1, 0)])
    solution = linprog(**problem, method="highs", options=PRECISE)
    if not solution.success:
        raise RuntimeError(f"HiGHS did not solve the transport problem: {solution.message}")
    coupling = np.zeros((size, size))
    coupling[rows] = solution.x.reshape(len(rows), size)
    return float(solution.fun), coupling


def c_transform(f: ArrayLike, distances: ArrayLike, multipliers: ArrayLike) -> Array:
    """Return min_t { f(t) + lambda d(s, t) }, the value of s once moving costs lambda a unit.

    It is the largest lambda-Lipschitz function that is nowhere above f.

    Args:
        f: a function of the states, [S].
        distances: the metric on the states, [S, S].
        multipliers: lambda, a number or any shape [...].

    Returns:
        [..., S].
    """
    multipliers = np.asarray(multipliers, dtype=np.float64)
    moves = np.asarray(distances, dtype=np.float64)
    return np.stack([(np.asarray(f) + l * moves).min(1) for l in multipliers.ravel()]).reshape(
        *multipliers.shape, len(moves)
    )


def wasserstein_dual_function(
    f: ArrayLike, p: ArrayLike, distances: ArrayLike, epsilon: float, multipliers: ArrayLike
) -> Array:
    """Return g(lambda) = E_p[ min_t { f(t) + lambda d(s, t) } ] - lambda epsilon.

    For every lambda >= 0 it is a lower bound of the worst case over the W_1 ball; its maximum is
    the worst case (strong duality), which :class:`WassersteinBall` finds exactly.

    Args:
        f: a function of the states, [S].
        p: the nominal distribution, [S].
        distances: the metric on the states, [S, S].
        epsilon: the radius, in units of ``distances``.
        multipliers: lambda, any shape [...].

    Returns:
        [...].

    Raises:
        ValueError: an argument has the wrong shape, is no distribution, metric or radius.
    """
    p = check_distribution(p, "p")
    distances = check_metric(distances, size=p.shape[-1])
    f = check_function(f, len(distances))
    multipliers = np.asarray(multipliers, dtype=np.float64)
    return c_transform(f, distances, multipliers) @ p - multipliers * check_epsilon(epsilon)
