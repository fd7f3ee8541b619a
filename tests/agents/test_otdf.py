import numpy as np
import ot
import pytest
import torch

from droco_lite.agents.fast.gradients import by_hand, fill
from droco_lite.agents.otdf import OTDFSettings, costs, plan, transport_scores
from droco_lite.agents.vae import fit_cvae
from tests.agents.rivals import PLANE, area_under_curve, batches, fitted, tiny


@pytest.mark.parametrize("transport", ["entropic", "exact", "unbalanced"])
@pytest.mark.parametrize("cost", ["cosine", "euclidean"])
def test_scores_rank_rows_in_support_above_windy_ones(transport, cost):
    settings = OTDFSettings(transport=transport, cost=cost)
    scores = transport_scores(PLANE.source, PLANE.target, settings)
    floor = 0.85 if transport == "exact" else 0.9  # each row ships to few rows: a noisier mean
    assert area_under_curve(scores, PLANE.in_support) > floor
    assert (scores <= 0).all()


def test_plan_is_pots_and_keeps_the_marginals():
    x, y = torch.randn(30, 4), torch.randn(20, 4)
    cost = costs(x, y, "euclidean")
    found = plan(cost, OTDFSettings(iterations=2000, entropy=0.05))
    torch.testing.assert_close(found.sum(0), torch.full((20,), 1 / 20), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.sum(1), torch.full((30,), 1 / 30), atol=1e-5, rtol=0)
    exact = plan(cost, OTDFSettings(transport="exact"))
    a, b = np.full(30, 1 / 30), np.full(20, 1 / 20)
    assert float((exact * cost).sum()) == pytest.approx(
        ot.emd2(a, b, cost.double().numpy()), rel=1e-4
    )
    assert float((found * cost).sum()) >= float((exact * cost).sum()) - 1e-6


def test_a_short_last_chunk_ranks_last_only_when_faithful():
    """Rows of a chunk share a mass of 1: in a chunk of 50 each carries ten times that of 500."""
    last = np.arange(len(PLANE.source)) >= 500
    gaps = {}
    for faithful in (False, True):
        settings = OTDFSettings(source_chunk=500, faithful=faithful)
        scores = transport_scores(PLANE.source.take(slice(550)), PLANE.target, settings)
        gaps[faithful] = scores[last[:550]].mean() / scores[~last[:550]].mean()
    assert gaps[False] == pytest.approx(1.0, abs=0.1)
    assert gaps[True] == pytest.approx(10.0, rel=0.4)


def test_standardising_keeps_a_large_column_from_deciding():
    source, target = (
        type(d)(
            d.observations * [100, 1], d.actions, d.rewards, d.next_observations * [100, 1],
            d.terminations, d.truncations,
        )
        for d in (PLANE.source, PLANE.target)
    )  # fmt: skip
    scores = [
        transport_scores(source, target, OTDFSettings(faithful=faithful))
        for faithful in (False, True)
    ]
    corrected, faithful = (area_under_curve(s, PLANE.in_support) for s in scores)
    assert corrected > 0.9 and corrected - faithful > 0.1


def test_weights_and_selection_by_hand():
    agent, columns = fitted(tiny("otdf", keep=0.5, reg_weight=0.0))
    batch = batches(agent, columns, 1)[0]
    d = batch.columns["score"][0, :16, 0]
    w = torch.exp((d - d.max()) / (d.max() - d.min()))
    kept = agent.select(batch)
    assert kept.n_source == 8
    expected = w[d.argsort(descending=True)[:8]]
    found = agent.source_weight(kept)[0, :, 0].sort(descending=True).values
    torch.testing.assert_close(found, expected)
    assert "weight" not in batch.columns


def test_faithful_policy_scales_by_advantages_but_never_selects_by_them():
    """mean over [N, N] of w_i e_j is mean(w) mean(e), as the authors' broadcast gives it."""
    advantage = torch.linspace(-1, 1, 24).reshape(1, -1, 1)
    error = torch.rand(1, 24, 1, generator=torch.Generator().manual_seed(0))
    corrected, faithful = (
        fitted(tiny("otdf", reg_weight=0.0, faithful=f))[0].policy_weight(advantage)
        for f in (False, True)
    )
    public = (corrected[0] * error[0, :, 0]).mean()  # [N, 1] * [N]
    assert float((faithful * error).mean()) == pytest.approx(float(public), rel=1e-5)
    assert float((corrected * error).mean()) != pytest.approx(float(public), rel=1e-2)
    assert float(faithful.std()) == pytest.approx(0.0, abs=1e-5)
    assert float(corrected.max() / corrected.min()) == pytest.approx(np.exp(6), rel=1e-3)


def test_autoencoder_finds_target_actions_likelier_than_others():
    rng = np.random.default_rng(0)
    s = torch.tensor(rng.standard_normal((400, 2)), dtype=torch.float32)
    a = torch.tanh(s)
    cvae, _ = fit_cvae(
        lambda: (a[(i := rng.integers(0, 300, 64))], s[i]), (a[300:], s[300:]), bounded=True,
        members=2, hidden=32, beta=0.5, steps=300, rate=3e-3, seed=0, device="cpu",
    )  # fmt: skip
    noise = torch.randn(10, 2, 100, 4, generator=torch.Generator().manual_seed(0))
    for ratio in (True, False):
        good = cvae.log_likelihood(a[300:], s[300:], noise, 0.3, ratio)
        bad = cvae.log_likelihood(-a[300:], s[300:], noise, 0.3, ratio)
        assert good.shape == (2, 100)
        assert float((good > bad).float().mean()) > 0.9


def test_importance_sampling_agrees_with_a_case_in_closed_form():
    """Decoder x = z, prior and decoder standard normal in one dimension: p(x) = N(0, 1 + std^2)."""
    from droco_lite.agents.vae import CVAE

    one, zero = torch.ones(1, 1, 1), torch.zeros(1, 1, 1)
    encoder = [(torch.tensor([[[0.8, 0.0], [0.0, 0.0]]]), torch.tensor([[[0.0, -0.2]]]))]
    decoder = [(torch.cat([zero, one], 1), zero)]  # inputs (c, z)
    cvae = CVAE(encoder, decoder, bounded=False)
    x = torch.tensor([[-1.0], [0.5]])
    noise = torch.randn(50_000, 1, 2, 1, generator=torch.Generator().manual_seed(0))
    found = cvae.log_likelihood(x, torch.zeros(2, 1), noise, std=0.5)[0]
    exact = torch.distributions.Normal(0.0, 1.25**0.5).log_prob(x[:, 0])
    torch.testing.assert_close(found, exact, atol=0.02, rtol=0)


def test_gradients_by_hand_equal_autograd_with_the_policy_term():
    agent, columns = fitted(tiny("otdf", reg_weight=2.0))
    (batch,) = map(agent.select, batches(agent, columns, 1))
    leaves = agent.networks.critic_value_leaves + agent.networks.policy_leaves
    agent.gradients(batch)
    by_autograd = [leaf.grad.clone() for leaf in leaves]
    term, agent.policy_term = agent.policy_term, None
    agent.gradients(batch)
    without = [leaf.grad.clone() for leaf in agent.networks.policy_leaves]
    agent.policy_term = term
    fill(agent, by_hand(agent, batch))
    for expected, leaf in zip(by_autograd, leaves, strict=True):
        torch.testing.assert_close(leaf.grad, expected, rtol=1e-4, atol=1e-6)
    for other, leaf in zip(without, agent.networks.policy_leaves, strict=True):
        assert float((leaf.grad - other).abs().max()) > 1e-3  # the term is felt
