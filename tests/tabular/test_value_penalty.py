"""What the book states of beta and delta, checked on DROCO's own code with a table for V.

y = r + gamma (V(s') - beta u) with u = V(s') - min_i V(s'_i); the Huber loss on source rows.
"""

import numpy as np
import pytest
import random_worlds  # noqa: F401, registers the examples' profile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from droco_lite.agents import DROCO, DROCOSettings
from droco_lite.agents.iql import Batch, huber

GAMMA, STATES, ROWS, MEMBERS = 0.9, 5, 12, 3
ROUNDING = 1e-9


class Table(DROCO):
    """V is a table [1, states, 1]; an observation is a one-hot state."""

    def v(self, observations):
        return observations @ self.table


def one_hot(states):
    return torch.eye(STATES, dtype=torch.float64)[torch.as_tensor(states)][None]


def problem(seed):
    """Rewards in [0, 1], next states and predictions of ROWS source rows."""
    rng = np.random.default_rng(seed)
    next_states = rng.integers(STATES, size=ROWS)
    predictions = rng.integers(STATES, size=(ROWS, MEMBERS))
    rewards = torch.as_tensor(rng.uniform(size=(1, ROWS, 1)))
    batch = Batch(
        observations=one_hot(next_states),
        actions=torch.zeros(1, ROWS, 1, dtype=torch.float64),
        rewards=rewards,
        continues=torch.ones_like(rewards),
        next_observations=one_hot(next_states),
        columns={"predictions": one_hot(predictions).flatten(2)},
        n_source=ROWS,
    )
    return rng, batch, next_states, predictions


def targets(batch, values, beta, floor=-np.inf, **options):
    """DROCO's targets of a batch, as the paper prints them: without our floor."""
    agent = Table(
        [DROCOSettings(beta=beta, floor=floor, discount=GAMMA, hidden=1, **options)], STATES, 1
    )
    agent.beta = agent.beta.double()
    agent.table = torch.as_tensor(values)[None, :, None]
    return agent.q_targets(batch)[0, :, 0].numpy()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0, 3))
def test_beta_mixes_the_sources_opinion_and_the_worst_members(seed, beta):
    """y = r + gamma [(1 - beta) V(s') + beta min_i V(s'_i)], to 1e-6 (beta is kept in float32)."""
    rng, batch, after, predictions = problem(seed)
    v = rng.normal(size=STATES)
    expected = (1 - beta) * v[after] + beta * v[predictions].min(1)
    expected = batch.rewards[0, :, 0].numpy() + GAMMA * expected
    np.testing.assert_allclose(targets(batch, v, beta), expected, atol=2e-6)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.25, 0.5, 1.0]))
def test_the_clamp_adds_the_sources_own_state_and_never_raises_a_target(seed, beta):
    rng, batch, after, predictions = problem(seed)
    v = rng.normal(size=STATES)
    clamped, free = (targets(batch, v, beta, clamp=c) for c in (True, False))
    assert (clamped <= free + ROUNDING).all()
    worst = np.minimum(v[after], v[predictions].min(1))
    expected = batch.rewards[0, :, 0].numpy() + GAMMA * ((1 - beta) * v[after] + beta * worst)
    np.testing.assert_allclose(clamped, expected, atol=ROUNDING)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.25, 0.75, 1.0, 1.5, 2.0]), st.booleans())
def test_the_modulus_is_gamma_up_to_beta_1_and_gamma_times_2_beta_minus_1_beyond(seed, beta, clamp):
    rng, batch, _, _ = problem(seed)
    v, w = rng.normal(size=(2, STATES)) * 5
    one, two = (targets(batch, x, beta, clamp=clamp) for x in (v, w))
    modulus = GAMMA * max(1.0, 2 * beta - 1)
    assert np.abs(one - two).max() <= modulus * np.abs(v - w).max() + ROUNDING


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.25, 0.75, 1.0]), st.booleans())
def test_up_to_beta_1_the_backup_is_monotone_and_keeps_the_floor(seed, beta, clamp):
    rng, batch, _, _ = problem(seed)
    low = rng.uniform(0, 1, size=STATES)
    high = low + rng.exponential(size=STATES)
    one, two = (targets(batch, x, beta, clamp=clamp) for x in (low, high))
    assert (one <= two + ROUNDING).all()
    assert (one >= batch.rewards.min().item() + GAMMA * low.min() - ROUNDING).all()


def test_beyond_beta_1_a_value_feeds_its_own_penalty():
    """One row, s -> t, predicted to stay at s: V(s) = gamma ((1 - beta) V(t) + beta V(s))."""
    _, batch, _, _ = problem(0)
    row = Batch(
        observations=one_hot([0]),
        actions=batch.actions[:, :1],
        rewards=torch.zeros(1, 1, 1, dtype=torch.float64),
        continues=batch.continues[:, :1],
        next_observations=one_hot([1]),
        columns={"predictions": one_hot([0])},
        n_source=1,
    )
    lowest = {}
    for beta in (1.0, 1.05, 1.25):
        v = np.array([5.0, 8.0, 0, 0, 0])
        for _ in range(300):
            v[0] = targets(row, v, beta)[0]
        lowest[beta] = v[0]
    assert lowest[1.0] == pytest.approx(0.0, abs=1e-6)
    stays = GAMMA * (1 - 1.05) * 8 / (1 - GAMMA * 1.05)  # gain 0.945: a fixed point, below 0
    assert lowest[1.05] == pytest.approx(stays, rel=1e-3)
    assert lowest[1.25] < -1e6  # gain 1.125
    assert targets(row, np.array([-50.0, 8, 0, 0, 0]), 1.25, floor=0.0)[0] == 0.0


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 10.0, float("inf")]))
def test_hubers_derivative_is_the_error_clipped_at_delta(seed, delta):
    errors = np.random.default_rng(seed).normal(size=30) * 5
    e = torch.tensor(errors, requires_grad=True)
    huber(e, delta).sum().backward()
    np.testing.assert_allclose(e.grad, np.clip(errors, -delta, delta), atol=1e-12)


@pytest.mark.parametrize(("delta", "summary"), [(1e-4, np.median), (1e4, np.mean)])
def test_the_huber_estimate_runs_from_the_median_to_the_mean(delta, summary):
    y = np.random.default_rng(0).standard_cauchy(size=31)
    q = torch.linspace(y.min(), y.max(), 200_001, dtype=torch.float64)
    slope = np.zeros(len(q))
    for one in y:
        slope += np.clip(one - q.numpy(), -delta, delta)
    root = q[int(np.abs(slope).argmin())].item()
    assert root == pytest.approx(summary(y), abs=2e-3)
