"""Small worlds to try things on: a jump over a ditch, a cliff in the wind, and data from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from droco_lite.tabular.checks import Array
from droco_lite.tabular.operators import MDP

ACTIONS = ("up", "right", "down", "left")
WIND = {"source": 0.0, "target": 0.1, "deployed": 0.3}  # probability of a gust per step
_STEPS = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])  # row, column


@dataclass(frozen=True)
class Jump:
    """One jump along a line with a ditch: where the simulator lands, and what landing is worth.

    Attributes:
        positions: places to land, [S], in metres from the left wall.
        values: f, what each place is worth: further right is better, the ditch is bad, [S].
        nominal: P, the simulator's distribution of the landing place, [S].
    """

    positions: Array
    values: Array
    nominal: Array

    @property
    def distances(self) -> Array:
        """Metres between two places, [S, S]."""
        return np.abs(self.positions[:, None] - self.positions)


def jump() -> Jump:
    """Return the running example of the chapters on balls: 13 places, the ditch at 2 and 3 m."""
    positions = np.arange(13.0)
    values = positions / 12
    values[[2, 3]] = -1.0
    nominal = np.zeros(13)
    nominal[5:10] = [0.1, 0.2, 0.4, 0.2, 0.1]
    return Jump(positions, values, nominal)


@dataclass(frozen=True)
class WindyCliff:
    """A walk along a cliff: from the bottom left corner to the bottom right one.

    The bottom row between the two is the cliff. An action moves one cell; walls hold. With
    probability ``slip`` the step goes in a direction drawn at random instead. After the step, with
    probability ``wind``, a gust blows the walker one cell further down, towards the cliff. Entering
    the goal pays +1, falling off the cliff -1, and either ends the episode. The reward does not
    depend on the wind, as cross-domain RL wants it: source, target and deployment differ in their
    dynamics alone.

    Attributes:
        height, width: the grid, in cells; states are numbered row by row from the top left.
        slip: probability of a random step, in [0, 1].
        discount: gamma.

    Raises:
        ValueError: fewer than 2 x 3 cells, or a slip that is no probability.
    """

    height: int = 5
    width: int = 9
    slip: float = 0.05
    discount: float = 0.95

    def __post_init__(self) -> None:
        if self.height < 2 or self.width < 3:
            raise ValueError(f"height, width: need 2 x 3 cells, got {self.height} x {self.width}")
        if not 0 <= self.slip <= 1:
            raise ValueError(f"slip: expected a probability, got {self.slip!r}")

    @property
    def cells(self) -> NDArray[np.intp]:
        """(row, column) of each state, [S, 2]."""
        return np.argwhere(np.ones((self.height, self.width), dtype=bool))

    @property
    def start(self) -> int:
        """The state at the bottom left."""
        return (self.height - 1) * self.width

    @property
    def goal(self) -> int:
        """The state at the bottom right."""
        return self.height * self.width - 1

    @property
    def cliff(self) -> NDArray[np.intp]:
        """The states between start and goal."""
        return np.arange(self.start + 1, self.goal)

    @property
    def distances(self) -> Array:
        """Steps between two cells (the Manhattan distance), [S, S], in cells."""
        cells = self.cells
        return np.abs(cells[:, None] - cells).sum(-1).astype(np.float64)

    def mdp(self, wind: float) -> MDP:
        """Return the world at one strength of the wind.

        Args:
            wind: probability of a gust per step.

        Raises:
            ValueError: ``wind`` is no probability.
        """
        if not 0 <= wind <= 1:
            raise ValueError(f"wind: expected a probability, got {wind!r}")
        size, actions = self.height * self.width, len(ACTIONS)
        state = np.arange(size)
        after_step = np.stack([self._move(state, step) for step in _STEPS], 1)  # [S, A]
        after_gust = self._move(after_step, _STEPS[ACTIONS.index("down")])

        aimed = np.zeros((size, actions, size))
        for to, chance in ((after_step, 1 - wind), (after_gust, wind)):
            np.add.at(aimed, (state[:, None], np.arange(actions), to), chance)
        transitions = (1 - self.slip) * aimed + self.slip * aimed.mean(1, keepdims=True)

        terminal = np.zeros(size, dtype=bool)
        terminal[[self.goal, *self.cliff]] = True
        rewards = np.zeros((size, actions))
        rewards[self.goal], rewards[self.cliff] = 1.0, -1.0
        transitions[terminal] = np.eye(size)[terminal][:, None]
        return MDP(transitions, rewards, self.discount, self.distances, terminal)

    def _move(self, states: NDArray[np.intp], step: Array) -> NDArray[np.intp]:
        row, column = np.divmod(states, self.width)
        row = np.clip(row + step[0], 0, self.height - 1)
        column = np.clip(column + step[1], 0, self.width - 1)
        return row * self.width + column

    def path(self, policy: ArrayLike, limit: int | None = None) -> list[int]:
        """Return the states a walker visits from the start when nothing ever disturbs it.

        Args:
            policy: an action for each state, int [S].
            limit: most states to visit; by default four times the number of the goal.
        """
        policy, state, limit = np.asarray(policy), self.start, limit or 4 * self.goal
        walk = [state]
        while state != self.goal and state not in self.cliff and len(walk) <= limit:
            state = int(self._move(np.array(state), _STEPS[policy[state]]))
            if state in walk:
                break
            walk.append(state)
        return walk


@dataclass(frozen=True)
class TabularData:
    """Transitions sampled from a finite MDP; arrays of equal length [n]."""

    states: NDArray[np.intp]
    actions: NDArray[np.intp]
    rewards: Array
    next_states: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.states)

    def counts(self, n_states: int, n_actions: int) -> NDArray[np.intp]:
        """Return how often each transition occurs.

        Args:
            n_states: S.
            n_actions: A.

        Returns:
            Counts, int [S, A, S].
        """
        counts = np.zeros((n_states, n_actions, n_states), dtype=np.intp)
        np.add.at(counts, (self.states, self.actions, self.next_states), 1)
        return counts


def sample_transitions(
    mdp: MDP, n: int, rng: np.random.Generator, behaviour: ArrayLike | None = None
) -> TabularData:
    """Draw n independent transitions from ``mdp``.

    Args:
        mdp: where the next states come from.
        n: how many.
        rng: the source of chance.
        behaviour: how likely each pair is, [S, A], any positive scale; by default uniform over the
            pairs of states that are not terminal.

    Returns:
        The transitions, n of them.

    Raises:
        ValueError: ``behaviour`` has another shape, a negative weight, or none above 0.
    """
    if behaviour is None:
        behaviour = np.repeat(mdp.live[:, None], mdp.n_actions, 1)
    weight = np.asarray(behaviour, dtype=np.float64)
    if weight.shape != mdp.rewards.shape or not (weight >= 0).all() or not weight.sum() > 0:
        raise ValueError(f"behaviour: expected weights >= 0 of shape {mdp.rewards.shape} (S, A)")
    pairs = rng.choice(weight.size, size=n, p=weight.ravel() / weight.sum())
    states, actions = np.divmod(pairs, mdp.n_actions)
    levels = np.cumsum(mdp.transitions[states, actions], 1)
    draws = rng.random(n) * levels[:, -1]
    next_states = (draws[:, None] >= levels).sum(1)
    return TabularData(states, actions, mdp.rewards[states, actions], next_states)


def target_share(source: TabularData, target: TabularData, mdp: MDP) -> Array:
    """Return the share of target samples among all samples at (s, a).

    It is the weight of the target in a regression on the pooled data, each row counting the same.
    DROCO's loss weighs otherwise: see :func:`target_weight`.

    Args:
        source: samples of the source.
        target: samples of the target.
        mdp: either world; it says how many states and actions there are.

    Returns:
        w(s, a), [S, A]. Pairs without a sample get 0: nothing is known of them from the target.
    """
    return _share(*(_pairs(data, mdp) for data in (target, source)))


def target_weight(source: TabularData, target: TabularData, mdp: MDP) -> Array:
    """Return the weight of the target at (s, a) in DROCO's loss, a sum of two means.

    The loss is the mean over source rows plus the mean over target rows (Qiao et al. 2026, section
    4.4), so each data set counts as a whole however few rows it has: with f the frequency of
    (s, a) among a set's own rows, w = f_tar / (f_tar + f_src).

    Args:
        source: samples of the source.
        target: samples of the target.
        mdp: either world; it says how many states and actions there are.

    Returns:
        w(s, a), [S, A]. Pairs without a sample get 0.
    """
    return _share(*(_pairs(data, mdp) / max(len(data), 1) for data in (target, source)))


def _pairs(data: TabularData, mdp: MDP) -> Array:
    """How often each pair (s, a) occurs, [S, A]."""
    return data.counts(mdp.n_states, mdp.n_actions).sum(-1).astype(np.float64)


def _share(mine: Array, theirs: Array) -> Array:
    both = mine + theirs
    return np.divide(mine, both, out=np.zeros_like(mine), where=both > 0)
