"""Finite Markov decision processes, and the Bellman operators the book speaks of.

One operator holds them all, because the robust cross-domain Bellman (RCB) operator of DROCO is a
row-wise mix of the other two:

    (T Q)(s, a) = r(s, a) + gamma [ w(s, a)       E_{P_tar(.|s,a)} V
                                  + (1 - w(s, a)) inf_{P in ball(P_src(.|s,a))} E_P V ]
    V(s) = max over a in the data's support of Q(s, a)

:func:`standard` is w = 1, :func:`robust` is w = 0, and in between w is the weight that the loss
gives to the target's samples at (s, a): :func:`~droco_lite.tabular.worlds.target_weight` for
DROCO's loss, a sum of two means. Source: Qiao et al. (2026), arXiv 2512.02486, section 4; robust
operators after Iyengar (2005) and Nilim and El Ghaoui (2005).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from droco_lite.tabular.balls import Ball, TotalVariationBall
from droco_lite.tabular.checks import Array, check_distribution, check_metric


@dataclass(frozen=True)
class MDP:
    """A finite Markov decision process with S states and A actions.

    Attributes:
        transitions: P(s' | s, a), [S, A, S]. Rows of terminal states are never read.
        rewards: r(s, a), [S, A].
        discount: gamma in [0, 1).
        distances: the metric on the states, [S, S], or None.
        terminal: states that end the episode once their reward is paid, bool [S]; None for none.

    Raises:
        ValueError: naming the argument that is wrong and what is wrong with it.
    """

    transitions: Array
    rewards: Array
    discount: float
    distances: Array | None = None
    terminal: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.transitions)
        if len(shape) != 3 or shape[0] != shape[2] or 0 in shape:
            raise ValueError(f"transitions: expected shape [S, A, S], got {shape}")
        transitions = check_distribution(self.transitions, "transitions")
        rewards = np.asarray(self.rewards, dtype=np.float64)
        if rewards.shape != shape[:2]:
            raise ValueError(f"rewards: expected shape {shape[:2]} (S, A), got {rewards.shape}")
        if not np.isfinite(rewards).all():
            raise ValueError("rewards: holds NaN or an infinity")
        discount = float(self.discount)
        if not 0 <= discount < 1:
            raise ValueError(f"discount: expected 0 <= gamma < 1, got {self.discount!r}")
        terminal = np.zeros(shape[0], bool) if self.terminal is None else np.asarray(self.terminal)
        if terminal.shape != shape[:1] or terminal.dtype != bool:
            raise ValueError(
                f"terminal: expected booleans of shape {shape[:1]} (S), "
                f"got {terminal.dtype} {terminal.shape}"
            )
        checked = {"transitions": transitions, "rewards": rewards, "discount": discount}
        checked["terminal"] = terminal
        if self.distances is not None:
            checked["distances"] = check_metric(self.distances, size=shape[0])
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def live(self) -> NDArray[np.bool_]:
        """States that do not end the episode, bool [S]."""
        return ~np.asarray(self.terminal)

    @property
    def n_states(self) -> int:
        """S."""
        return self.transitions.shape[0]

    @property
    def n_actions(self) -> int:
        """A."""
        return self.transitions.shape[1]


class BellmanOperator:
    """The RCB operator, with the standard and the robust Bellman operator as its two ends.

    A gamma-contraction with one fixed point (Proposition 4.1 of Qiao et al. 2026), whatever the
    ball, the weights and the support. Source and target share their rewards r(s, a); rewards that
    depend on s' are outside the operator, as they are outside DROCO's backup, which keeps the
    source's reward.

    Args:
        source: the MDP whose rows are backed up robustly.
        target: the MDP whose rows are backed up plainly; it shares the source's rewards, discount
            and terminal states. Not needed where ``target_share`` is 0 everywhere.
        ball: the uncertainty set round the source's rows; its ``epsilon`` may be 0.
        target_share: w(s, a) in [0, 1], [S, A] or a number: the weight of the target's samples
            among the data at (s, a).
        support: actions the data hold in each state, bool [S, A]; the maximum runs over these.
            By default all actions.

    Raises:
        ValueError: naming the argument that does not fit.
    """

    def __init__(
        self,
        source: MDP,
        target: MDP | None = None,
        ball: Ball | None = None,
        target_share: ArrayLike = 0.0,
        support: ArrayLike | None = None,
    ) -> None:
        shape = source.rewards.shape
        share = np.broadcast_to(np.asarray(target_share, dtype=np.float64), shape).copy()
        if not ((share >= 0) & (share <= 1)).all():  # also refuses NaN
            raise ValueError("target_share: expected numbers from 0 to 1")
        support = np.ones(shape, bool) if support is None else np.asarray(support)
        if support.shape != shape or support.dtype != bool:
            raise ValueError(f"support: expected booleans of shape {shape} (S, A)")
        if not support.any(1).all():
            state = int(np.flatnonzero(~support.any(1))[0])
            raise ValueError(f"support: state {state} has no action; the maximum would be empty")
        if target is None:
            if share.any():
                raise ValueError("target: needed where target_share is above 0")
            target = source
        if target.rewards.shape != shape:
            raise ValueError(f"target: expected {shape} states and actions as in source")
        for name in ("rewards", "discount", "terminal"):
            if not np.array_equal(getattr(source, name), getattr(target, name)):
                raise ValueError(f"target: its {name} differ from the source's; only P may")
        self.source, self.target = source, target
        self.ball = TotalVariationBall(0.0) if ball is None else ball
        self.target_share, self.support = share, support

    @property
    def discount(self) -> float:
        """gamma, and so the modulus of contraction."""
        return self.source.discount

    def values(self, q: Array) -> Array:
        """Return V(s) = max of Q(s, a) over the actions in the support, [S]."""
        return np.where(self.support, q, -np.inf).max(1)

    def greedy(self, q: Array) -> NDArray[np.intp]:
        """Return the greedy action in the support of each state, [S]."""
        return np.where(self.support, q, -np.inf).argmax(1)

    def __call__(self, q: ArrayLike) -> Array:
        """Return T Q.

        Args:
            q: Q(s, a), [S, A].

        Returns:
            The backup, [S, A].

        Raises:
            ValueError: ``q`` has another shape.
        """
        q = np.asarray(q, dtype=np.float64)
        if q.shape != self.support.shape:
            raise ValueError(f"q: expected shape {self.support.shape} (S, A), got {q.shape}")
        return self.backup(self.values(q))

    def backup(self, values: Array) -> Array:
        """Return r + gamma times the expectation of ``values`` [S] that the operator takes: [S, A].

        Rows without a target sample follow the worst kernel in the ball, rows with nothing else
        the target's, and rows with both a mix of the two.
        """
        following = np.zeros_like(self.source.rewards)
        states, actions = np.nonzero(np.broadcast_to(self.source.live[:, None], following.shape))
        following[states, actions] = self._follow(values, states, actions)[0]
        return self.source.rewards + self.discount * following

    def worst_kernel(self, values: Array, policy: NDArray[np.intp]) -> Array:
        """Return the kernel [S, S] the operator expects under ``policy`` [S] and ``values`` [S].

        Rows of terminal states are zero: nothing follows them.
        """
        kernel = np.zeros((len(values), len(values)))
        states = np.flatnonzero(self.source.live)
        kernel[states] = self._follow(values, states, policy[states])[1]
        return kernel

    def _follow(self, values: Array, states: NDArray, actions: NDArray) -> tuple[Array, Array]:
        """Expectations and kernels of the rows (states[i], actions[i])."""
        share = self.target_share[states, actions]
        plain = self.target.transitions[states, actions]
        if (share == 1).all():
            return plain @ values, plain
        worst = self.ball._solve(values, self.source.transitions[states, actions])
        if not share.any():
            return worst.values, worst.distributions
        return (
            share * (plain @ values) + (1 - share) * worst.values,
            share[:, None] * plain + (1 - share)[:, None] * worst.distributions,
        )


def standard(mdp: MDP, support: ArrayLike | None = None) -> BellmanOperator:
    """Return the Bellman optimality operator; with ``support``, the in-sample one.

    Args:
        mdp: the world whose rows are backed up.
        support: actions the data hold in each state, bool [S, A]; by default all.
    """
    return BellmanOperator(mdp, mdp, target_share=1.0, support=support)


def robust(mdp: MDP, ball: Ball, support: ArrayLike | None = None) -> BellmanOperator:
    """Return the robust Bellman operator: every row follows the worst kernel in its ball.

    Its fixed point is at most Q* of every world within the ball (Proposition 4.4 of Qiao et al.
    2026, train time), and at most what its own greedy policy earns there (Proposition 4.5, test
    time).

    Args:
        mdp: the world round whose rows the balls lie.
        ball: the uncertainty set.
        support: actions the data hold in each state, bool [S, A]; by default all.
    """
    return BellmanOperator(mdp, ball=ball, support=support)


def rcb(
    source: MDP,
    target: MDP,
    ball: Ball,
    target_share: ArrayLike,
    support: ArrayLike | None = None,
) -> BellmanOperator:
    """Return the robust cross-domain Bellman operator (see :class:`BellmanOperator`).

    Args:
        source: the world whose rows are backed up robustly.
        target: the world whose rows are backed up plainly.
        ball: the uncertainty set round the source's rows.
        target_share: w(s, a), the weight of the target's samples, [S, A] or a number.
        support: actions the data hold in each state, bool [S, A]; by default all.

    Raises:
        ValueError: naming the argument that does not fit.
    """
    return BellmanOperator(source, target, ball, target_share, support)


# --- fixed points --------------------------------------------------------------------------------


@dataclass(frozen=True)
class ValueIteration:
    """What value iteration did, Q_{k+1} = T Q_k.

    Attributes:
        q: the last iterate, [S, A].
        residuals: max |Q_{k+1} - Q_k| for k = 0 ... K-1, [K].
        errors: max |Q_k - Q*| for k = 0 ... K, [K + 1].
        banach_bounds: gamma^k max |Q_0 - Q*|, [K + 1]; no error may lie above.
    """

    q: Array
    residuals: Array
    errors: Array
    banach_bounds: Array


def value_iteration(
    operator: BellmanOperator,
    *,
    start: ArrayLike | float = 0.0,
    tolerance: float = 1e-8,
    max_iterations: int = 100_000,
    fixed_point: Array | None = None,
) -> ValueIteration:
    """Apply ``operator`` until Q is within ``tolerance`` of its fixed point, and keep the trace.

    It stops once gamma / (1 - gamma) max |Q_{k+1} - Q_k|, a bound of the error, is small enough.
    The trace shows Banach's bound of Proposition 4.1 (Qiao et al. 2026).

    Args:
        operator: any :class:`BellmanOperator`.
        start: Q_0, [S, A] or a number.
        tolerance: the error allowed in the last iterate.
        max_iterations: stops earlier, with what has been reached.
        fixed_point: Q*, which the trace is measured against; by default from :func:`solve`.
    """
    q_star = solve(operator) if fixed_point is None else fixed_point
    gamma = operator.discount
    q = np.broadcast_to(np.asarray(start, dtype=np.float64), q_star.shape).copy()
    residuals: list[float] = []
    errors = [np.abs(q - q_star).max()]
    while len(residuals) < max_iterations:
        following = operator(q)
        residuals.append(np.abs(following - q).max())
        q = following
        errors.append(np.abs(q - q_star).max())
        if residuals[-1] * gamma <= tolerance * (1 - gamma):
            break
    bounds = errors[0] * gamma ** np.arange(len(errors))
    return ValueIteration(q, np.array(residuals), np.array(errors), bounds)


def solve(operator: BellmanOperator, tolerance: float = 1e-10) -> Array:
    """Return the fixed point Q* of ``operator``, to ``tolerance`` in the maximum norm.

    Policy iteration for the game of the agent against nature (Hoffman and Karp): for a fixed
    policy, nature's worst kernels and the values they imply are found by turns, each by a linear
    solve; then the policy turns greedy. The stop is certified by contraction,
    max |Q - Q*| <= max |T Q - Q| / (1 - gamma), and value iteration takes over should rounding keep
    policy iteration from getting there.

    Args:
        operator: any :class:`BellmanOperator`.
        tolerance: the error allowed.

    Returns:
        Q*, [S, A].

    Raises:
        RuntimeError: ``tolerance`` is below what rounding allows.
    """
    states = np.arange(operator.source.n_states)
    enough = tolerance * (1 - operator.discount)
    q = operator(np.zeros(operator.support.shape))
    policy = operator.greedy(q)
    for _ in range(100):
        values = _policy_values(operator, policy, operator.values(q), enough)
        q = operator.backup(values)
        if np.abs(operator.values(q) - values).max() <= enough:
            break
        best = operator.greedy(q)
        better = q[states, best] > q[states, policy] + 0.1 * enough  # else ties may cycle
        policy = np.where(better, best, policy)
    for _ in range(100_000):
        following = operator(q)
        if np.abs(following - q).max() <= enough:
            return following
        q = following
    raise RuntimeError(f"no fixed point to {tolerance:g}: the tolerance is below rounding")


def _policy_values(
    operator: BellmanOperator, policy: NDArray[np.intp], values: Array, enough: float
) -> Array:
    """The robust value of ``policy`` [S], by policy iteration of nature."""
    rewards = operator.source.rewards[np.arange(len(values)), policy]
    for _ in range(100):
        kernel = operator.worst_kernel(values, policy)
        if np.abs(rewards + operator.discount * kernel @ values - values).max() <= 0.1 * enough:
            break
        matrix = np.eye(len(values)) - operator.discount * kernel
        values = np.asarray(np.linalg.solve(matrix, rewards), np.float64)
    return values


def policy_values(mdp: MDP, policy: ArrayLike) -> Array:
    """Return the values of a deterministic policy, by a linear solve.

    Args:
        mdp: where the policy acts.
        policy: an action for each state, int [S].

    Returns:
        V, [S].
    """
    policy = np.asarray(policy)
    states = np.arange(mdp.n_states)
    kernel = np.where(mdp.live[:, None], mdp.transitions[states, policy], 0.0)
    return np.linalg.solve(np.eye(len(states)) - mdp.discount * kernel, mdp.rewards[states, policy])


# --- the ensemble that stands in for the ball -----------------------------------------------------


def ensemble_minimum(f: ArrayLike, models: ArrayLike) -> Array:
    """Return E[ min_i f(s'_i) ] for independent s'_i ~ models[i], exactly.

    This is the value an ensemble of N dynamics models puts in place of the ball's worst case
    (Qiao et al. 2026, section 4.3); Proposition 4.6 bounds how far it may lie above the truth.
    With f sorted, P(min >= f_k) is the product over the members
    of their mass on f >= f_k.

    Args:
        f: a function of the states, [S].
        models: a distribution per member and row, [N, ..., S].

    Returns:
        The expected minima, [...].

    Raises:
        ValueError: a row of ``models`` is no distribution.
    """
    models = check_distribution(models, "models")
    if models.ndim < 2:
        raise ValueError(f"models: expected shape [N, ..., S], got {models.shape}")
    f = np.asarray(f, dtype=np.float64)
    return _minimum_kernel(f, models) @ f


class EnsembleOperator(BellmanOperator):
    """The RCB operator with the ensemble's minimum in place of the ball.

    Args:
        source, target, target_share, support: as for :class:`BellmanOperator`.
        models: N dynamics models fitted on target data, [N, S, A, S].

    Raises:
        ValueError: models that are no distributions, or of another shape.
    """

    def __init__(
        self,
        source: MDP,
        target: MDP,
        models: ArrayLike,
        target_share: ArrayLike = 0.0,
        support: ArrayLike | None = None,
    ) -> None:
        super().__init__(source, target, None, target_share, support)
        self.models = check_distribution(models, "models")
        if self.models.ndim != 4 or self.models.shape[1:] != source.transitions.shape:
            raise ValueError(
                f"models: expected shape [N, *{source.transitions.shape}], got {self.models.shape}"
            )

    def _follow(self, values: Array, states: NDArray, actions: NDArray) -> tuple[Array, Array]:
        share = self.target_share[states, actions]
        plain = self.target.transitions[states, actions]
        models = self.models[:, states, actions]
        kernel = _minimum_kernel(values, models)
        mixed = share[:, None] * plain + (1 - share)[:, None] * kernel
        return mixed @ values, mixed


def _minimum_kernel(f: Array, models: Array) -> Array:
    """The distribution of the member of least f, one row each: [..., S] from [N, ..., S]."""
    order = np.argsort(f, kind="stable")
    tail = np.cumsum(models[..., order][..., ::-1], -1)[..., ::-1]  # P_i(f(s'_i) >= f_k)
    tail = np.minimum(tail, 1.0).prod(0)
    mass = tail - np.concatenate([tail[..., 1:], np.zeros_like(tail[..., :1])], -1)
    kernel = np.empty_like(mass)
    kernel[..., order] = np.maximum(mass, 0.0)
    return kernel
