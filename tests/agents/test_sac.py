import pytest
import torch
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from droco_lite.agents.micro import MICROSettings
from droco_lite.agents.networks import mlp
from droco_lite.agents.sac import SAC, Noise, SACSettings
from tests.agents.rivals import batches


def sac(**changes):
    return SACSettings(**{"hidden": 16, "batch_size": 16, "steps": 30} | changes)


def test_log_density_is_torchs_squashed_gaussian():
    agent = SAC([sac(seed=1), sac(seed=2)], 2, 3)
    s = 3 * torch.randn(2, 50, 2, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(1))
    actions, log_p = agent.sample(s, noise)
    mean, log_std = mlp(agent.policy, s).chunk(2, -1)
    theirs = TransformedDistribution(Normal(mean, log_std.exp()), TanhTransform(cache_size=1))
    u = mean + log_std.exp() * noise
    a = theirs.transforms[0](u)
    torch.testing.assert_close(actions, a)
    torch.testing.assert_close(
        log_p, theirs.log_prob(a).sum(-1, keepdim=True), rtol=1e-4, atol=1e-4
    )


def test_targets_by_hand():
    agent = SAC([sac(alpha=0.5, discount=0.9)], 2, 2)
    batch = batches(agent, {}, 1)[0]
    y = agent.q_targets(batch, Noise(batch.noise))
    draws = batch.noise[:, : 32 * 2].reshape(1, 32, 2)
    a, log_p = agent.sample(batch.next_observations, draws)
    inputs = torch.cat([batch.next_observations, a], -1)
    half = [[(w[k : k + 1], b[k : k + 1]) for w, b in agent.targets] for k in range(2)]
    value = torch.minimum(mlp(half[0], inputs), mlp(half[1], inputs)) - 0.5 * log_p
    torch.testing.assert_close(y, batch.rewards + 0.9 * batch.continues * value)


def test_a_learnt_temperature_moves_towards_the_target_entropy():
    """Entropy of a fresh policy is about that of a uniform one, above - A, so alpha must fall."""
    agent = SAC([sac(learn_alpha=True, learning_rate=1e-2)], 2, 2)
    before = float(agent.alpha)
    for batch in batches(agent, {}, 5):
        agent.update(batch, 0.0)
    assert float(agent.alpha) < before
    fixed = SAC([sac()], 2, 2)
    fixed.update(batches(fixed, {}, 1)[0], 0.0)
    assert float(fixed.alpha) == pytest.approx(0.2)


def test_a_capped_temperature_learns_below_its_cap_and_stays_there():
    """As MICRO's authors have it: what is learnt goes on, what is used is cut."""
    agent = SAC([sac(learn_alpha=True, most_alpha=0.15, alpha=0.2)], 2, 2)
    assert float(agent.alpha) == pytest.approx(0.15)
    assert float(agent.log_alpha.detach().exp()) == pytest.approx(0.2)
    below = SAC([sac(learn_alpha=True, most_alpha=0.3, alpha=0.2)], 2, 2)
    assert float(below.alpha) == pytest.approx(0.2)
    assert MICROSettings().most_alpha == 1.0


def test_policy_climbs_the_critic():
    """With rewards -|s'| and actions that move s, the policy learns to point towards the origin."""
    agent = SAC(
        [sac(hidden=32, learning_rate=3e-3, policy_rate=3e-3, discount=0.0, alpha=0.01)], 2, 2
    )
    for batch in batches(agent, {}, 400):
        agent.update(batch, 0.0)
    s = torch.tensor([[[0.8, 0.0], [-0.8, 0.0]]])
    a = agent.act(s)
    assert float(a[0, 0, 0]) < -0.3 and float(a[0, 1, 0]) > 0.3
