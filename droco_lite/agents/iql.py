"""Implicit Q-learning on two domains: the core that DARA, IGDF, OTDF and DROCO change a little.

For a batch of transitions (s, a, r, s'), half of them from the source and half from the target
domain, one step of IQL [Kostrikov et al., ICLR 2022, eqs. 5-7] moves

    V   towards an expectile of the target critics,   L_V  = E[ |tau - 1{A < 0}| A^2 ],
                                                      A    = min_j Q'_j(s, a) - V(s)
    Q_j towards one-step targets,                     L_Q  = E_src[e_j^2] / 2 + E_tar[e_j^2] / 2,
                                                      e_j  = r + gamma (1 - d) V(s') - Q_j(s, a)
    pi  by advantage-weighted regression,             L_pi = E[ min(e^{A / lambda}, 100) w^2 ],
                                                      w    = pi(s) - a

and moves the target critics Q'_j a little towards Q_j.  All three losses see the networks as they
are before the step; the public codes (IQL's, CORL's and ODRL's) move V first and take V(s') from
the new one.  All arrays carry a leading run axis R.

:mod:`droco_lite.agents.hooks` says what a method may change.  :mod:`droco_lite.agents.fast.padded`
shows how six networks share one stack.  :mod:`droco_lite.agents.fast.gradients` has the same step
with gradients by hand.  A method may also override functions of this file.  Where the step by hand
would leave that out (:mod:`droco_lite.agents.fast.step`), the method steps by autograd.

``temperature`` is the inverse, 1 / lambda, as in the field's code; 0 turns the policy step into
behaviour cloning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from droco_lite.agents.agent import AgentSettings, HandStep
from droco_lite.agents.batch import Batch
from droco_lite.agents.fast.padded import PaddedNetworks
from droco_lite.agents.fast.step import StepByHand, covers
from droco_lite.agents.hooks import IQLHooks
from droco_lite.agents.losses import (
    advantage_weight,
    by_actions_alone,
    cosine,
    expectile_loss,
    huber,
    pooled_mean,
)
from droco_lite.agents.networks import Layers, mlp, twins
from droco_lite.agents.optimizers import Groups, adam
from droco_lite.agents.settings import per_run, setting


@dataclass(frozen=True)
class IQLSettings(AgentSettings):
    """IQL* of the DROCO paper: implicit Q-learning on the union of both data sets.

    Defaults are those of the ODRL benchmark's ``iql`` (Lyu et al., 2024), equal for its four
    robots.
    """

    method: ClassVar[str] = "iql"

    expectile: float = per_run(0.7, low=0.0, high=1.0, help="tau of the value loss")
    temperature: float = per_run(3.0, low=0.0, help="1 / lambda of the policy loss; 0 clones")

    polyak: float = setting(
        0.005, low=0.0, high=1.0, help="share that target critics move each step"
    )
    learning_rate: float = setting(3e-4, low=0.0, help="Adam; the policy's decays to 0 by a cosine")
    hidden: int = setting(256, low=1, help="width of both hidden layers of every network")
    max_weight: float = setting(100.0, low=0.0, help="cap of the advantage weight")


S = TypeVar("S", bound=IQLSettings)


class IQL(IQLHooks[S]):
    """R runs of IQL on the union of two data sets."""

    Settings = IQLSettings

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The three losses of each run, ``[R]``, of an already selected batch."""
        net, k = self.networks, batch.n_source
        with torch.no_grad():
            target_q = self.q(net.targets, batch.observations, batch.actions).amin(0)
            y = self.q_targets(batch)
            source_weight, target_weight = self.source_weight(batch), self.target_weight(batch)

        advantage = target_q - mlp(net.value, batch.observations, self.value_activation)
        value_loss = expectile_loss(advantage, self.expectile).mean((1, 2))

        error = y - self.q(net.critics, batch.observations, batch.actions)
        source_loss = source_weight * huber(error[:, :, :k], self.source_delta())
        target_loss = target_weight * huber(error[:, :, k:], self.target_delta())
        q_loss = pooled_mean(source_loss, target_loss, self.pool_weights(batch)).sum(0)

        mean = torch.tanh(mlp(net.policy, batch.observations))
        weight = self.policy_weight(advantage.detach()).detach()
        policy_loss = (weight * (mean - batch.actions) ** 2).mean((1, 2))
        if self.policy_term is not None:
            policy_loss = policy_loss + by_actions_alone(partial(self.policy_term, batch), mean)
        return {"value_loss": value_loss, "q_loss": q_loss, "policy_loss": policy_loss}

    @torch.no_grad()
    def q_targets(self, batch: Batch) -> Tensor:
        """y = r + gamma (1 - d) V(s'), where both halves' hooks may change V(s')."""
        next_value = self.v(batch.next_observations)
        source, target = next_value.split([batch.n_source, next_value.shape[1] - batch.n_source], 1)
        backed_up = torch.cat(
            [self.source_value(batch, source), self.target_value(batch, target)], 1
        )
        return self.rewards(batch) + self.shared.discount * batch.continues * backed_up

    def policy_weight(self, advantage: Tensor) -> Tensor:
        """min(e^{A / lambda}, max_weight), ``[R, rows, 1]``."""
        return advantage_weight(advantage, self.temperature, self.shared.max_weight)

    def v(self, observations: Tensor) -> Tensor:
        """V of each run ``[R, rows, 1]``, without gradients."""
        with torch.no_grad():
            return mlp(self.networks.value, observations, self.value_activation)

    def q(self, critics: Layers, observations: Tensor, actions: Tensor) -> Tensor:
        """Both critics of a stack, the online or the target ones, ``[2, R, rows, 1]``."""
        return twins(critics, observations, actions, self.value_activation)

    # ---- One step -------------------------------------------------------------------------------

    def update(self, batch: Batch, progress: Tensor | float) -> None:
        """One gradient step of everything; ``progress`` in [0, 1] drives the policy's cosine."""
        self.gradients(self.select(batch))
        self.apply(progress)

    def gradients(self, batch: Batch) -> None:
        """Fill every leaf's ``.grad`` by autograd; runs are independent: losses may be summed."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack([loss.sum() for loss in self.losses(batch).values()]).sum().backward()

    @torch.no_grad()
    def apply(self, progress: Tensor | float) -> None:
        """Adam with the gradients at hand, then move the target critics."""
        rate = cosine(self.shared.learning_rate, progress)
        if isinstance(progress, Tensor):
            self.policy_rate.copy_(rate)
        else:  # a copy from the host would wait for the card
            self.policy_rate.fill_(rate.item())
        self.optimizer.step()
        self.networks.move_targets(self.shared.polyak)

    # ---- The contract ---------------------------------------------------------------------------

    def __init__(
        self, runs: Sequence[S], n_obs: int, n_act: int, device: torch.device | str = "cpu"
    ):
        super().__init__(runs, n_obs, n_act, device)
        seeds = [run.seed for run in runs]
        self.networks = PaddedNetworks(seeds, n_obs, n_act, self.shared.hidden, self.device)
        self.expectile = self.column("expectile")
        self.temperature = self.column("temperature")
        # Rates are tensors, so that the schedule can move the policy's inside a captured graph.
        self.fixed_rate, self.policy_rate = (
            torch.tensor(self.shared.learning_rate, device=self.device) for _ in range(2)
        )
        self.optimizer = adam(
            [
                {"params": self.networks.critic_value_leaves, "lr": self.fixed_rate},
                {"params": self.networks.policy_leaves, "lr": self.policy_rate},
            ],
            self.device,
        )

    def step_by_hand(self) -> HandStep | None:
        """The step by hand, unless a method brings its own of what this step replaces."""
        return StepByHand(self) if covers(self, IQL) else None

    def policy_layers(self) -> Layers:
        """pi before its tanh."""
        return self.networks.policy

    def stacks(self) -> dict[str, Layers]:
        """Policy, V and both online critics; only the policy where Q and V are not these layers."""
        net = self.networks
        plain = type(self).q is IQL.q and type(self).v is IQL.v
        if not plain or self.value_activation is not IQLHooks.value_activation:
            return {"policy": net.policy}
        return {"policy": net.policy, "value": net.value, "critics": net.critics}

    def twin_q(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Both online critics, ``[2, R, rows, 1]``."""
        return self.q(self.networks.critics, observations, actions)

    @torch.no_grad()
    def values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """V(s) of all rows ``[R, rows, 1]``; what is backed up for source rows, the same shape."""
        following = self.v(batch.next_observations[:, : batch.n_source])
        return self.v(batch.observations), self.source_value(batch, following)

    @torch.no_grad()
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        """The losses, mean V of both halves, and the weights of the policy's regression."""
        batch = self.select(batch)
        k, value = batch.n_source, self.v(batch.next_observations)
        target_q = self.q(self.networks.targets, batch.observations, batch.actions).amin(0)
        weight = self.policy_weight(target_q - self.v(batch.observations))
        return self.losses(batch) | {
            "v_source": value[:, :k].mean((1, 2)),
            "v_target": value[:, k:].mean((1, 2)),
            "weight_mean": weight.mean((1, 2)),
            "weight_capped": (weight >= self.shared.max_weight).float().mean((1, 2)),
        }

    def tensors(self) -> dict[str, Tensor]:
        """All six networks' tensors by name."""
        return {f"network.{name}": t for name, t in self.networks.tensors().items()}

    def optimised(self) -> Groups:
        """One Adam in two groups, by their learning rates."""
        net = self.networks
        return {
            "critic_value": (self.optimizer, net.critic_value_leaves),
            "policy": (self.optimizer, net.policy_leaves),
        }
