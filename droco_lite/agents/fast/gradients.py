"""Gradients of the IQL family's losses, written by hand.

The same numbers as autograd on :meth:`droco_lite.agents.iql.IQL.losses` (tested), about a third
faster on CPU: the six networks share three matrix products forwards and five backwards, and nothing
is stored that is not needed.  Every hook works here; ``policy_term`` is differentiated by autograd,
as far as the actions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.iql import IQL
from droco_lite.agents.losses import huber_slope
from droco_lite.agents.networks import affine
from droco_lite.agents.optimizers import fill_gradients


@torch.no_grad()
def by_hand(agent: IQL, batch: Batch) -> list[Tensor]:
    """Gradients of a selected batch: weights, then biases, ``[4, R, in, out]``: Q1, Q2, V, pi."""
    net, k = agent.networks, batch.n_source
    s, a = batch.observations, batch.actions
    runs, rows = s.shape[:2]
    w0, w1, w2 = (w.flatten(0, 1) for w in net.weights)
    b0, b1, b2 = (b.flatten(0, 1) for b in net.biases)

    # Forwards: Q1, Q2, V, pi, Q'1, Q'2.  V and pi see zeros in place of the action.
    with_action, without = torch.cat([s, a], -1), torch.cat([s, torch.zeros_like(a)], -1)
    order = (with_action, with_action, without, without, with_action, with_action)
    x = torch.stack(order).flatten(0, 1)
    h1 = torch.relu(affine(x, w0, b0))
    h2 = torch.relu(affine(h1, w1, b1))
    out = affine(h2, w2, b2).unflatten(0, (6, runs))
    q, v, mean, target_q = out[:2, ..., :1], out[2, ..., :1], torch.tanh(out[3]), out[4:, ..., :1]

    # Derivatives of the three losses by the networks' outputs.
    advantage = target_q.amin(0) - v
    asymmetry = (agent.expectile - (advantage < 0).float()).abs()
    by_v = asymmetry * advantage * (-2 / rows)

    error = agent.q_targets(batch) - q
    source_share, target_share = agent.pool_weights(batch)
    by_source = huber_slope(error[:, :, :k], agent.source_delta()) * agent.source_weight(batch)
    by_target = huber_slope(error[:, :, k:], agent.target_delta()) * agent.target_weight(batch)
    by_q = torch.cat([by_source * (-source_share / k), by_target * (-target_share / (rows - k))], 2)

    by_mean = agent.policy_weight(advantage) * (mean - a) * (2 / a[0].numel())
    if agent.policy_term is not None:
        by_mean = by_mean + torch.func.grad(lambda x: agent.policy_term(batch, x).sum())(mean)
    by_pi = by_mean * (1 - mean**2)

    pad = (0, out.shape[-1] - 1)
    by_qv = torch.nn.functional.pad(torch.cat([by_q, by_v.unsqueeze(0)]), pad)
    d2 = torch.cat([by_qv, by_pi.unsqueeze(0)]).flatten(0, 1)

    # Backwards through two hidden layers of the four networks that learn.
    n = 4 * runs
    x, h1, h2 = x[:n], h1[:n], h2[:n]
    d1 = torch.bmm(d2, w2[:n].transpose(1, 2)) * (h2 > 0)
    d0 = torch.bmm(d1, w1[:n].transpose(1, 2)) * (h1 > 0)
    weights = [torch.bmm(h.transpose(1, 2), d) for h, d in ((x, d0), (h1, d1), (h2, d2))]
    biases = [d.sum(1, keepdim=True) for d in (d0, d1, d2)]
    return [g.unflatten(0, (4, runs)) for g in weights + biases]


def fill(agent: IQL, gradients: list[Tensor]) -> None:
    """Hand the gradients to the optimiser's leaves."""
    fill_gradients(agent.networks.critic_value_leaves, [g[:3] for g in gradients])
    fill_gradients(agent.networks.policy_leaves, [g[3:] for g in gradients])
