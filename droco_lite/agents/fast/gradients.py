"""Gradients of the IQL family's losses, written by hand.

They equal those of autograd on :meth:`droco_lite.agents.iql.IQL.losses` (tested).  On a CPU they
take 1.07 times as many steps a second on one thread and 1.26 times as many on two
(``results/benchmarks/training_step_cpu_1t.json`` and ``_2t.json``).  The four networks that learn
share three matrix products forwards and five backwards, the two target networks share three, and
nothing is stored that is not needed.  Every hook works here; autograd differentiates
``policy_term`` by the actions alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.losses import huber_slope
from droco_lite.agents.networks import affine, repeat_rows, scalar_mlp
from droco_lite.agents.optimizers import fill_gradients

if TYPE_CHECKING:
    from droco_lite.agents.iql import IQL


@torch.no_grad()
def by_hand(agent: IQL, batch: Batch) -> list[Tensor]:
    """Gradients of a selected batch: weights, then biases, ``[4, R, in, out]``: Q1, Q2, V, pi."""
    net, k = agent.networks, batch.n_source
    s, a = batch.observations, batch.actions
    runs, rows = s.shape[:2]

    # Forwards: Q1, Q2, V, pi; then Q'1, Q'2.  V and pi see zeros in place of the action.
    with_action, without = torch.cat([s, a], -1), torch.cat([s, torch.zeros_like(a)], -1)
    x = torch.stack((with_action, with_action, without, without)).flatten(0, 1)
    h1, h2, out = layer_outputs(net.learning, x)
    q, v, mean = out[:2, ..., :1], out[2, ..., :1], torch.tanh(out[3])
    target_q = first_output(net.following, repeat_rows(with_action, 2))

    # Derivatives of the three losses by the networks' outputs.
    advantage = target_q.amin(0) - v
    asymmetry = (agent.expectile - (advantage < 0).float()).abs()
    by_v = asymmetry * advantage * (-2 / rows)

    error = agent.q_targets(batch) - q
    source_share, target_share = agent.pool_weights(batch)
    by_source = huber_slope(error[:, :, :k], agent.source_delta()) * agent.source_weight(batch)
    by_target = huber_slope(error[:, :, k:], agent.target_delta()) * agent.target_weight(batch)
    # A selection may leave a half empty: it then has no rows that could be divided by their number.
    of_source, of_target = source_share / max(k, 1), target_share / max(rows - k, 1)
    by_q = torch.cat([by_source * -of_source, by_target * -of_target], 2)

    by_mean = agent.policy_weight(advantage) * (mean - a) * (2 / a[0].numel())
    if (term := agent.policy_term) is not None:
        by_mean = by_mean + torch.func.grad(lambda x: term(batch, x).sum())(mean)
    by_pi = by_mean * (1 - mean**2)

    pad = (0, out.shape[-1] - 1)
    by_qv = torch.nn.functional.pad(torch.cat([by_q, by_v.unsqueeze(0)]), pad)
    d2 = torch.cat([by_qv, by_pi.unsqueeze(0)]).flatten(0, 1)

    # Backwards through two hidden layers of the four networks that learn.
    _, w1, w2 = (w.flatten(0, 1) for w in net.learning[:3])
    d1 = torch.bmm(d2, w2.transpose(1, 2)) * (h2 > 0)
    d0 = torch.bmm(d1, w1.transpose(1, 2)) * (h1 > 0)
    weights = [torch.bmm(h.transpose(1, 2), d) for h, d in ((x, d0), (h1, d1), (h2, d2))]
    biases = [d.sum(1, keepdim=True) for d in (d0, d1, d2)]
    return [g.unflatten(0, (4, runs)) for g in weights + biases]


def layer_outputs(tensors: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both hidden layers ``[n R, rows, hidden]`` and the output ``[n, R, rows, out]``.

    Args:
        tensors: weights, then biases of n networks a run, ``[n, R, in, out]`` each.
        x: their inputs ``[n R, rows, in]``.
    """
    w0, w1, w2, b0, b1, b2 = (tensor.flatten(0, 1) for tensor in tensors)
    h1 = torch.relu(affine(x, w0, b0))
    h2 = torch.relu(affine(h1, w1, b1))
    return h1, h2, affine(h2, w2, b2).unflatten(0, tensors[0].shape[:2])


def first_output(tensors: list[Tensor], x: Tensor) -> Tensor:
    """The first output ``[n, R, rows, 1]`` of :func:`layer_outputs`."""
    if not torch.compiler.is_compiling():
        return layer_outputs(tensors, x)[2][..., :1]
    # Compiled, a sum joins the activation before it, which a product of three columns cannot.
    w0, w1, w2, b0, b1, b2 = (tensor.flatten(0, 1) for tensor in tensors)
    layers = [(w0, b0), (w1, b1), (w2[..., :1], b2[..., :1])]
    return scalar_mlp(layers, x).unflatten(0, tensors[0].shape[:2])


def fill(agent: IQL, gradients: list[Tensor]) -> None:
    """Hand the gradients to the optimiser's leaves."""
    fill_gradients(agent.networks.critic_value_leaves, [g[:3] for g in gradients])
    fill_gradients(agent.networks.policy_leaves, [g[3:] for g in gradients])
