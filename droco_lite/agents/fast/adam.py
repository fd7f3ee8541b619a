"""Adam on the padded networks, by hand: what lets one compiled function be the whole step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from droco_lite.agents.losses import cosine

if TYPE_CHECKING:
    from droco_lite.agents.iql import IQL


class Moments:
    """Adam's two moments of each tensor as ``[4, R, in, out]``; the optimiser keeps views of them.

    So checkpoints, and a change of mode half-way, see nothing of it.
    """

    names = ("exp_avg", "exp_avg_sq")

    def __init__(self, agent: IQL):
        self.agent, self.both = agent, []
        pairs = zip(agent.networks.critic_value_leaves, agent.networks.policy_leaves, strict=True)
        state = agent.optimizer.state
        for pair in pairs:
            for leaf in pair:
                # Where torch's own fused Adam keeps its count.
                place = leaf.device if leaf.device.type == "cuda" else "cpu"
                state[leaf].setdefault("step", torch.zeros((), device=place))
                for name in self.names:
                    state[leaf].setdefault(name, torch.zeros_like(leaf))
            whole = [torch.cat([state[leaf][name] for leaf in pair]) for name in self.names]
            for leaf, part in zip(pair, (slice(0, 3), slice(3, 4)), strict=True):
                state[leaf] |= {n: w[part] for n, w in zip(self.names, whole, strict=True)}
            self.both.append(whole)
        self.leaf = agent.networks.critic_value_leaves[0]

    @property
    def current(self) -> bool:
        """Whether the optimiser still has these views: a loaded checkpoint brings its own."""
        kept = self.agent.optimizer.state[self.leaf].get(self.names[0])
        return kept is not None and kept.data_ptr() == self.both[0][0].data_ptr()

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return int(self.agent.optimizer.state[self.leaf]["step"])

    @steps.setter
    def steps(self, count: int) -> None:
        for state in self.agent.optimizer.state.values():
            state["step"].fill_(count)

    def schedule(self, progress: Tensor) -> Tensor:
        """Four rates, and the second root's factor, of each of the next steps, ``[n, 5]``.

        ``progress [n]`` drives the policy's cosine.
        """
        rate = self.agent.shared.learning_rate
        beta1, beta2 = self.agent.optimizer.defaults["betas"]
        count = torch.arange(len(progress), dtype=torch.float64) + self.steps + 1
        fixed = torch.full_like(count, rate)
        rates = torch.stack([fixed, fixed, fixed, cosine(rate, progress.double())], 1)
        corrected = rates / (1 - beta1**count).unsqueeze(1)
        root = (1 - beta2**count).rsqrt().unsqueeze(1)
        return torch.cat([corrected, root], 1).float()


@torch.no_grad()
def apply_by_hand(
    agent: IQL, gradients: list[Tensor], moments: list[list[Tensor]], schedule: Tensor
) -> None:
    """What :meth:`IQL.apply` does: one step of Adam, then the target critics' move.

    Gradients as :func:`~droco_lite.agents.fast.gradients.by_hand` gives them, moments of the same
    shapes, and a row ``[5]`` of ``Moments.schedule``.  The update is Kingma & Ba's (ICLR 2015,
    algorithm 1), with the bias corrections folded into rates and root: products, since a CPU
    divides slowly.
    """
    (beta1, beta2), eps = (agent.optimizer.defaults[name] for name in ("betas", "eps"))
    rates, root = schedule[:4].reshape(4, 1, 1, 1), schedule[4]
    net = agent.networks
    pairs = zip(net.learning, net.following, gradients, moments, strict=True)
    for tensor, target, gradient, (first, second) in pairs:
        first.lerp_(gradient, 1 - beta1)
        second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        tensor -= rates * first / (second.sqrt() * root + eps)
        target += agent.shared.polyak * (tensor[:2] - target)
