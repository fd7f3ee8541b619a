"""The windy cliff: what the wind does, what it leaves alone, and data sampled from it."""

import numpy as np
import pytest

from droco_lite.tabular import (
    ACTIONS,
    WIND,
    WindyCliff,
    policy_values,
    sample_transitions,
    solve,
    standard,
    target_share,
    target_weight,
    wasserstein_rows,
)


def test_the_geometry():
    world = WindyCliff(height=3, width=4)
    assert (world.start, world.goal, list(world.cliff)) == (8, 11, [9, 10])
    assert world.distances[0, 11] == 5
    assert world.cells[6].tolist() == [1, 2]


def test_a_gust_blows_one_cell_down_after_the_step():
    world = WindyCliff(height=4, width=4, slip=0.0)
    calm, windy = world.mdp(0.0), world.mdp(0.3)
    right = ACTIONS.index("right")
    assert calm.transitions[0, right, 1] == 1.0
    assert windy.transitions[0, right, 1] == pytest.approx(0.7)
    assert windy.transitions[0, right, 5] == pytest.approx(0.3)


def test_domains_share_rewards_and_ends_and_differ_by_their_wind():
    world = WindyCliff()
    source, target, deployed = (world.mdp(WIND[name]) for name in ("source", "target", "deployed"))
    assert np.array_equal(source.rewards, target.rewards)
    assert np.array_equal(source.terminal, deployed.terminal)
    # a gust of one cell with probability w: W_1 is w cells, W_inf one cell
    for other, name in ((target, "target"), (deployed, "deployed")):
        rows = source.transitions, other.transitions
        assert wasserstein_rows(*rows, world.distances).max() == pytest.approx(WIND[name])
        assert wasserstein_rows(*rows, world.distances, np.inf).max() == 1.0


def test_more_wind_is_worth_less_and_calm_walks_hug_the_cliff():
    world = WindyCliff()
    values = [solve(standard(world.mdp(wind))).max(1)[world.start] for wind in WIND.values()]
    assert values == sorted(values, reverse=True)
    policy = standard(world.mdp(0.0)).greedy(solve(standard(world.mdp(0.0))))
    walk = world.path(policy)
    assert walk[0] == world.start and walk[-1] == world.goal
    assert policy_values(world.mdp(0.0), policy)[world.start] == pytest.approx(values[0])


def test_samples_follow_the_transition_probabilities():
    world = WindyCliff(height=3, width=4)
    mdp, n = world.mdp(0.3), 60_000
    data = sample_transitions(mdp, n, np.random.default_rng(0))
    assert len(data) == n
    assert not mdp.terminal[data.states].any()
    counts = data.counts(mdp.n_states, mdp.n_actions)
    seen = counts.sum(-1)
    assert counts.sum() == n
    frequency = counts[seen > 0] / seen[seen > 0][:, None]
    # about 1900 samples a pair: five standard deviations of a frequency are below 0.06
    assert np.abs(frequency - mdp.transitions[seen > 0]).max() < 0.06
    assert np.array_equal(data.rewards, mdp.rewards[data.states, data.actions])


def test_the_share_of_target_samples():
    world = WindyCliff(height=3, width=4)
    mdp = world.mdp(0.1)
    rng = np.random.default_rng(1)
    only = np.zeros_like(mdp.rewards)
    only[0, 0] = 1.0
    many = sample_transitions(world.mdp(0.0), 30, rng, only)
    few = sample_transitions(mdp, 10, rng, only)
    share = target_share(many, few, mdp)
    assert share[0, 0] == 0.25
    assert share.sum() == 0.25


def test_what_makes_no_world_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^height, width: "):
        WindyCliff(height=1)
    with pytest.raises(ValueError, match=r"^slip: "):
        WindyCliff(slip=1.5)
    with pytest.raises(ValueError, match=r"^wind: "):
        WindyCliff().mdp(-0.1)
    with pytest.raises(ValueError, match=r"^behaviour: "):
        sample_transitions(WindyCliff().mdp(0), 3, np.random.default_rng(0), np.ones(3))


def test_the_weight_of_the_target_minimises_the_sum_of_two_means():
    """The fixed target of a regression at one pair is the weighted mean of the two data sets'."""
    world = WindyCliff(height=3, width=4)
    mdp, rng = world.mdp(0.1), np.random.default_rng(0)
    source, target = (sample_transitions(mdp, n, rng) for n in (400, 40))
    w = target_weight(source, target, mdp)
    for data in (source, target):
        data.rewards[:] = rng.normal(size=len(data))
    both = [(data.states == 0) & (data.actions == 1) for data in (source, target)]

    def loss(q):
        return sum(
            np.where(at, (data.rewards - q) ** 2, 0.0).mean()
            for data, at in zip((source, target), both, strict=True)
        )

    means = [data.rewards[at].mean() for data, at in zip((source, target), both, strict=True)]
    best = (1 - w[0, 1]) * means[0] + w[0, 1] * means[1]
    assert all(loss(best) <= loss(best + step) for step in (-1e-3, 1e-3))
    live = ~mdp.terminal
    assert w[live].mean() > target_share(source, target, mdp)[live].mean() + 0.2
    assert (w[~live] == 0).all()


def test_more_target_rows_change_the_share_of_counts_and_not_the_weight():
    world = WindyCliff()
    mdp = world.mdp(0.1)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        source, few, many = (sample_transitions(mdp, n, rng) for n in (5000, 1000, 5000))
        live = ~mdp.terminal
        share = [target_share(source, t, mdp)[live].mean() for t in (few, many)]
        weight = [target_weight(source, t, mdp)[live].mean() for t in (few, many)]
        assert share == pytest.approx([1 / 6, 1 / 2], abs=0.02)
        assert weight == pytest.approx([0.48, 0.5], abs=0.04)
