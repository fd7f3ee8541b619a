from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import expectile as scipy_expectile

from droco_lite.agents import DROCO, IQL, DROCOSettings, IQLSettings
from droco_lite.agents.fast.gradients import by_hand, fill
from droco_lite.agents.losses import advantage_weight, cosine, expectile_loss, huber
from droco_lite.agents.networks import init_mlp, mlp, seeded_generators
from tests.agents.toy import N_ACT, N_OBS, batch_of, transitions

SOURCE, TARGET = transitions(300, 0, shift=0.3), transitions(80, 1)


def droco(**changes):
    return DROCOSettings(**{"hidden": 16, "steps": 100, "ensemble_epochs": 1} | changes)


def test_minimiser_of_the_expectile_loss_is_scipys_expectile():
    x = torch.from_numpy(np.random.default_rng(0).gumbel(size=400))
    grid = torch.linspace(-3, 6, 9001, dtype=torch.float64)
    losses = expectile_loss(x[:, None] - grid, 0.7).mean(0)
    assert float(grid[losses.argmin()]) == pytest.approx(scipy_expectile(x.numpy(), 0.7), abs=2e-3)


def test_huber_is_torchs_huber_and_its_derivative_is_clipped():
    error = torch.linspace(-5, 5, 101, requires_grad=True)
    mine = huber(error, 1.5)
    theirs = torch.nn.functional.huber_loss(
        error.detach(), torch.zeros(101), reduction="none", delta=1.5
    )
    torch.testing.assert_close(mine.detach(), theirs)
    mine.sum().backward()
    torch.testing.assert_close(error.grad, error.detach().clamp(-1.5, 1.5))
    torch.testing.assert_close(huber(error.detach(), float("inf")), 0.5 * error.detach() ** 2)


def test_temperature_zero_weighs_every_row_alike():
    assert torch.equal(advantage_weight(torch.randn(9), 0.0, 100.0), torch.ones(9))
    assert float(advantage_weight(torch.tensor(1e9), 3.0, 100.0)) == 100.0


def test_cosine_starts_at_the_rate_and_ends_at_zero():
    assert float(cosine(3e-4, 0.0)) == pytest.approx(3e-4)
    assert float(cosine(3e-4, 0.5)) == pytest.approx(1.5e-4)
    assert float(cosine(3e-4, 1.0)) == pytest.approx(0.0, abs=1e-10)


def test_a_stack_is_drawn_and_evaluated_network_by_network():
    x = torch.randn(3, 4, 5)
    together = init_mlp((5, 8, 2), seeded_generators([7, 8, 9], "init"))
    alone = init_mlp((5, 8, 2), seeded_generators([8], "init"))
    torch.testing.assert_close(mlp(together, x)[1], mlp(alone, x[1:2])[0])
    bound = 5**-0.5
    assert 0.8 * bound < float(together[0][0].abs().max()) <= bound  # torch.nn.Linear's range


@pytest.mark.parametrize(
    "settings",
    [
        IQLSettings(hidden=16),
        droco(beta=1.0, delta=0.1),
        droco(beta=0.5, delta=0.05, huber_on_target=True, pooled=True, clamp=True),
        droco(beta=2.0, floor=-0.02, ceiling=0.02),
    ],
    ids=lambda s: s.method,
)
def test_gradients_by_hand_equal_autograd(settings):
    agent = {"iql": IQL, "droco": DROCO}[settings.method]([settings, settings], N_OBS, N_ACT)
    batch = batch_of(agent, SOURCE, TARGET)
    leaves = agent.networks.critic_value_leaves + agent.networks.policy_leaves
    agent.gradients(batch)
    by_autograd = [leaf.grad.clone() for leaf in leaves]
    fill(agent, by_hand(agent, batch))
    for expected, leaf in zip(by_autograd, leaves, strict=True):
        assert float(expected.abs().max()) > 0
        torch.testing.assert_close(leaf.grad, expected, rtol=1e-4, atol=1e-7)


def test_gradients_by_hand_cover_weights_and_selection():
    class Picky(IQL):
        def select(self, batch):
            chosen = torch.arange(5).expand(len(self.runs), -1)
            return batch.keep_source(chosen)

        def source_weight(self, batch):
            return torch.linspace(0.1, 2.0, batch.n_source).reshape(1, -1, 1)

    agent = Picky([IQLSettings(hidden=16)], N_OBS, N_ACT)
    batch = agent.select(batch_of(agent, SOURCE, TARGET))
    assert batch.n_source == 5 and batch.rewards.shape[1] == 5 + 16
    agent.gradients(batch)
    expected = [leaf.grad.clone() for leaf in agent.networks.critic_value_leaves]
    fill(agent, by_hand(agent, batch))
    for value, leaf in zip(expected, agent.networks.critic_value_leaves, strict=True):
        torch.testing.assert_close(leaf.grad, value, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kept", ["source", "target"])
def test_gradients_by_hand_of_a_batch_with_one_half_alone_equal_autograd(kept):
    class OneHalf(IQL):
        def select(self, batch):
            if kept == "target":
                return batch.keep_source(torch.zeros(len(self.runs), 0, dtype=torch.int64))
            rows = {
                name: getattr(batch, name)[:, : batch.n_source]
                for name in ("observations", "actions", "rewards", "continues", "next_observations")
            }
            return replace(batch, **rows)

    agent = OneHalf([IQLSettings(hidden=16)] * 2, N_OBS, N_ACT)
    batch = agent.select(batch_of(agent, SOURCE, TARGET))
    assert batch.rewards.shape[1] == 16
    leaves = agent.networks.critic_value_leaves + agent.networks.policy_leaves
    agent.gradients(batch)
    expected = [leaf.grad.clone() for leaf in leaves]
    fill(agent, by_hand(agent, batch))
    for value, leaf in zip(expected, leaves, strict=True):
        torch.testing.assert_close(leaf.grad, value, rtol=1e-4, atol=1e-7)
    assert agent.losses(batch)["q_loss"].isfinite().all()


def test_padding_of_the_packed_networks_stays_zero():
    agent = IQL([IQLSettings(hidden=16)], N_OBS, N_ACT)
    batch = batch_of(agent, SOURCE, TARGET)
    for _ in range(3):
        agent.update(batch, 0.0)
    first, last = agent.networks.weights[0], agent.networks.weights[2]
    assert not first[2:4, :, N_OBS:].any()  # V and pi have no action input
    assert not last[:3, :, :, 1:].any()  # Q and V have one output


def test_targets_move_by_the_polyak_share():
    agent = IQL([IQLSettings(hidden=16)], N_OBS, N_ACT)
    before = agent.networks.weights[1][4:].clone()
    agent.update(batch_of(agent, SOURCE, TARGET), 0.0)
    online, target = agent.networks.weights[1][:2], agent.networks.weights[1][4:]
    torch.testing.assert_close(target, before + 0.005 * (online - before))


def test_droco_without_its_terms_is_iql():
    iql = IQL([IQLSettings(hidden=16)], N_OBS, N_ACT)
    no_terms = droco(beta=0.0, delta=float("inf"), floor=-float("inf"))
    other = DROCO([no_terms], N_OBS, N_ACT)
    batch = batch_of(other, SOURCE, TARGET)
    for step in range(20):
        iql.update(batch, step / 100)
        other.update(batch, step / 100)
    for mine, theirs in zip(iql.networks.weights, other.networks.weights, strict=True):
        assert torch.equal(mine, theirs)
