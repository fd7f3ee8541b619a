"""Random instances for the property-based tests: metrics, distributions, pairs of worlds."""

from dataclasses import dataclass

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st

from droco_lite.tabular import MDP, wasserstein_rows

# The same examples on every machine, so that a red build means a change and not a new draw.
# Without shrinking: an instance is drawn from a seed, and a smaller seed is no simpler instance.
settings.register_profile(
    "stable",
    deadline=None,
    derandomize=True,
    print_blob=False,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("stable")


def random_metric(rng: np.random.Generator, size: int) -> np.ndarray:
    """Distances of points in the plane, or on a grid, where many distances are equal."""
    if rng.random() < 0.5:
        points = rng.normal(size=(size, 2))
    else:
        cells = rng.permutation(16)[:size]
        points = np.stack(np.divmod(cells, 4), 1).astype(float)
    return np.abs(points[:, None] - points).sum(-1)


def random_rows(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Distributions over the last axis; some full, some with a few states only."""
    rows = rng.dirichlet(np.full(shape[-1], rng.choice([0.1, 1.0])), size=shape[:-1])
    rows[rows < 1e-3] = 0.0
    return rows / rows.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Instance:
    """One function, a metric and some rows."""

    f: np.ndarray
    p: np.ndarray
    distances: np.ndarray
    epsilon: float


@dataclass(frozen=True)
class Worlds:
    """A source and a target which differ in their dynamics, and all the rest a test may want."""

    source: MDP
    target: MDP
    share: np.ndarray
    support: np.ndarray
    epsilon: float
    rng: np.random.Generator

    @property
    def distances(self) -> np.ndarray:
        return self.source.distances

    @property
    def threshold(self) -> float:
        """eps* = max over rows of W_1(P_src, P_tar)."""
        rows = self.source.transitions, self.target.transitions
        return float(wasserstein_rows(*rows, self.distances).max())

    def sibling(self, reach: float) -> MDP:
        """A world whose rows move a share ``reach`` of the target's mass somewhere else."""
        other = random_rows(self.rng, self.target.transitions.shape)
        moved = (1 - reach) * self.target.transitions + reach * other
        return MDP(moved, self.target.rewards, self.target.discount, self.distances)


@st.composite
def instances(draw: st.DrawFn, rows: int = 3) -> Instance:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(2, 9))
    f = rng.normal(size=size)
    if draw(st.booleans()):
        f = np.round(f)  # ties
    epsilon = draw(st.sampled_from([0.0, 0.01, 0.1, 0.3, 1.0, 2.0, 30.0]))
    return Instance(f, random_rows(rng, (rows, size)), random_metric(rng, size), epsilon)


@st.composite
def worlds(draw: st.DrawFn) -> Worlds:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, actions = draw(st.integers(2, 6)), draw(st.integers(1, 3))
    distances = random_metric(rng, size)
    rewards = rng.uniform(0, 1, size=(size, actions))
    discount = draw(st.sampled_from([0.0, 0.5, 0.9, 0.97]))
    source = MDP(random_rows(rng, (size, actions, size)), rewards, discount, distances)
    moved = draw(st.sampled_from([0.05, 0.3, 1.0]))
    kernels = (1 - moved) * source.transitions + moved * random_rows(rng, (size, actions, size))
    target = MDP(kernels, rewards, discount, distances)
    share = rng.choice([0.0, 0.3, 1.0], size=(size, actions))
    support = rng.random((size, actions)) < 0.7
    support[np.arange(size), rng.integers(actions, size=size)] = True
    epsilon = draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
    return Worlds(source, target, share, support, epsilon, rng)
