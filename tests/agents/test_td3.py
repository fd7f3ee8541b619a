"""TD3: the written-out gradients against autograd, one update against torch's own optimiser."""

import pytest
import torch

from droco_lite.agents.fast.td3 import actor_gradients, critic_gradients
from droco_lite.agents.networks import mlp, parameters
from droco_lite.agents.td3 import (
    TD3Batch,
    TD3Settings,
    act,
    actor_loss,
    bellman_target,
    critic_loss,
    init_td3,
    td3_update_,
)

S, A, ROWS = 5, 2, 7


def double(layers):
    return [(weight.double(), bias.double()) for weight, bias in layers]


def make_state(seeds=(0, 1), hidden=(8, 9)):
    """Networks in float64, so that equal means equal to rounding."""
    state = init_td3(S, A, seeds, hidden)
    for name in ("actor", "critic", "target_actor", "target_critic"):
        setattr(state, name, double(getattr(state, name)))
    for name in ("actor_moments", "critic_moments"):
        moments = tuple([t.double() for t in ts] for ts in getattr(state, name))
        setattr(state, name, moments)
    return state


def make_batch(runs=2, seed=0):
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    continues = (torch.rand(runs, ROWS, 1, generator=draw) > 0.3).double()
    return TD3Batch(
        normal(runs, ROWS, S), normal(runs, ROWS, A).tanh(), normal(runs, ROWS, 1),
        normal(runs, ROWS, S), continues,
    )  # fmt: skip


def leaves(layers):
    return [tuple(t.clone().requires_grad_() for t in layer) for layer in layers]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("hidden", [(8,), (8, 9), (8, 9, 10)])
@pytest.mark.parametrize("weighted", [False, True])
def test_critic_gradients_are_autograds(hidden, weighted):
    state, batch = make_state(hidden=hidden), make_batch()
    target = torch.randn(2, ROWS, 1, dtype=torch.float64)
    weights = torch.rand(2, ROWS, 1, dtype=torch.float64) if weighted else None
    critic = leaves(state.critic)
    expected = torch.autograd.grad(
        critic_loss(critic, batch, target, weights).sum(), parameters(critic)
    )
    ours, _ = critic_gradients(state.critic, batch, target, weights)
    assert_same(ours, expected)


def test_push_down_adds_the_gradient_of_its_term():
    state, batch = make_state(), make_batch()
    target = torch.randn(2, ROWS, 1, dtype=torch.float64)
    push = torch.rand(2, ROWS, 1, dtype=torch.float64)
    critic = leaves(state.critic)
    inputs = torch.cat([batch.observations, batch.actions], -1).repeat(2, 1, 1)
    term = (push.repeat(2, 1, 1) * mlp(critic, inputs)).mean((1, 2)).sum()
    loss = critic_loss(critic, batch, target).sum() + term
    ours, _ = critic_gradients(state.critic, batch, target, push_down=push)
    assert_same(ours, torch.autograd.grad(loss, parameters(critic)))


@pytest.mark.parametrize("normalise_q", [False, True])
@pytest.mark.parametrize("with_extra", [False, True])
def test_actor_gradients_are_autograds(normalise_q, with_extra):
    state, batch = make_state(), make_batch()
    actor = leaves(state.actor)
    loss = actor_loss(actor, state.critic, batch.observations, normalise_q).sum()
    if with_extra:
        loss = loss + 0.3 * (act(actor, batch.observations) - batch.actions).square().sum()

    def extra(actions):
        return 0.6 * (actions - batch.actions)

    ours, _ = actor_gradients(
        state.actor, state.critic, batch.observations, normalise_q, extra if with_extra else None
    )
    assert_same(ours, torch.autograd.grad(loss, parameters(actor)))


def test_updates_equal_the_readable_losses_under_torchs_adam():
    """Seven updates: bootstrapped target, both critics, the delay, Adam and the target networks."""
    settings = TD3Settings(learning_rate=1e-2, tau=0.1)
    fast, slow = make_state(), make_state()
    critic, actor = leaves(slow.critic), leaves(slow.actor)
    critic_adam = torch.optim.Adam(parameters(critic), lr=1e-2)
    actor_adam = torch.optim.Adam(parameters(actor), lr=1e-2)
    for step in range(1, 8):
        batch, noise = make_batch(seed=step), torch.randn(2, ROWS, A, dtype=torch.float64)
        td3_update_(fast, batch, noise, settings)
        target = bellman_target(slow, batch, noise, settings)
        critic_adam.zero_grad()
        critic_loss(critic, batch, target).sum().backward()
        critic_adam.step()
        if step % 2 == 0:
            actor_adam.zero_grad()
            actor_loss(actor, critic, batch.observations).sum().backward()
            actor_adam.step()
            pairs = ((slow.target_critic, critic), (slow.target_actor, actor))
            for averages, networks in pairs:
                for average, online in zip(parameters(averages), parameters(networks), strict=True):
                    average.mul_(0.9).add_(online.detach(), alpha=0.1)
        assert_same(parameters(fast.critic), [t.detach() for t in parameters(critic)])
        assert_same(parameters(fast.actor), [t.detach() for t in parameters(actor)])
    assert_same(parameters(fast.target_critic), parameters(slow.target_critic))
    assert_same(parameters(fast.target_actor), parameters(slow.target_actor))


def test_policy_and_targets_wait_for_the_delay():
    state, batch = make_state(), make_batch()
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    td3_update_(state, batch, torch.zeros(2, ROWS, A, dtype=torch.float64), TD3Settings())
    moved = {n.split(".")[0] for n, t in state.tensors().items() if not torch.equal(t, before[n])}
    assert moved == {"critic", "critic_mean", "critic_square"}
    td3_update_(state, batch, torch.zeros(2, ROWS, A, dtype=torch.float64), TD3Settings())
    moved = {n.split(".")[0] for n, t in state.tensors().items() if not torch.equal(t, before[n])}
    assert moved == {name.split(".")[0] for name in before}


def test_runs_do_not_see_each_other():
    settings = TD3Settings()
    together = make_state((3, 4))
    batch = make_batch()
    noise = torch.randn(2, ROWS, A, dtype=torch.float64)
    for _ in range(4):
        td3_update_(together, batch, noise, settings)
    for run, seed in enumerate((3, 4)):
        alone = make_state((seed,))
        part = TD3Batch(*(tensor[run : run + 1] for tensor in batch))
        for _ in range(4):
            td3_update_(alone, part, noise[run : run + 1], settings)
        assert_same(parameters(alone.actor), [t[run : run + 1] for t in parameters(together.actor)])
        assert_same(parameters(alone.critic), [t[run::2] for t in parameters(together.critic)])


def test_bellman_target_takes_the_smaller_critic_clips_and_stops_at_terminations():
    state, batch = make_state((0,)), make_batch(1)
    settings = TD3Settings(discount=0.9, target_noise=1.0, target_noise_clip=0.5)
    noise = torch.full((1, ROWS, A), 30.0, dtype=torch.float64)
    actions = (act(state.target_actor, batch.next_observations) + 0.5).clamp(-1, 1)
    inputs = torch.cat([batch.next_observations, actions], -1)
    first, second = mlp(state.target_critic, inputs.repeat(2, 1, 1))
    expected = batch.rewards + 0.9 * batch.continues * torch.minimum(first, second)
    torch.testing.assert_close(bellman_target(state, batch, noise, settings), expected)
    assert (batch.continues == 0).any() and not torch.equal(first, second)


def test_it_learns_the_best_action():
    """One-step episodes with reward -(a - s)²: the policy becomes a = s."""
    state = init_td3(1, 1, [0], (32, 32))
    draw = torch.Generator().manual_seed(0)
    settings = TD3Settings(learning_rate=3e-3)
    for _ in range(600):
        s = torch.rand(1, 64, 1, generator=draw) - 0.5
        a = 2 * torch.rand(1, 64, 1, generator=draw) - 1
        batch = TD3Batch(s, a, -(a - s).square(), s, torch.zeros(1, 64, 1))
        td3_update_(state, batch, torch.randn(1, 64, 1, generator=draw), settings)
    states = torch.linspace(-0.5, 0.5, 11).view(1, -1, 1)
    assert (act(state.actor, states) - states).abs().max() < 0.1


def test_checkpoint_tensors_come_back_and_wrong_ones_are_refused():
    state, other = init_td3(S, A, [0], (8, 9)), init_td3(S, A, [1], (8, 9))
    other.load_(state.tensors(), 5)
    assert other.updates == 5
    assert_same(parameters(other.critic), parameters(state.critic))
    with pytest.raises(ValueError, match=r"actor\.0.*shape"):
        init_td3(S + 1, A, [0], (8, 9)).load_(state.tensors(), 5)
    with pytest.raises(ValueError, match=r"no tensor 'actor\.0'"):
        other.load_({}, 5)
