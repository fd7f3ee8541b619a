"""Soft actor-critic: the core of CQL* and MICRO.

Haarnoja et al., "Soft Actor-Critic", 2018.  The policy is a squashed Gaussian: a = tanh(u),
u ~ N(mu(s), sigma(s)^2).  With a' ~ pi(s') and temperature alpha one step moves

    Q_j     towards  y = r + gamma (1 - d) (min_j Q'_j(s', a') - alpha log pi(a' | s'))
    pi      down     E[ alpha log pi(a | s) - min_j Q_j(s, a) ],  a ~ pi(s)
    alpha   so that the entropy comes near - A, if it is learnt

and moves the target critics Q'_j a little towards Q_j.  Methods change it by overriding
:meth:`SAC.soft_value` (what is backed up) and :meth:`SAC.critic_term` (what is added to the critic
loss).  All arrays carry a leading run axis R; the step draws nothing itself but takes its noise
from the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from droco_lite.agents.agent import Agent, AgentSettings, by_layers
from droco_lite.agents.batch import Batch
from droco_lite.agents.networks import (
    LOG_STD_MAX,
    LOG_STD_MIN,
    Layers,
    copy_of,
    init_mlp,
    mlp,
    parameters,
    polyak_,
    repeat_rows,
    scalar_mlp,
    seeded_generators,
    trainable,
)
from droco_lite.agents.optimizers import Groups, adam, fill_gradients
from droco_lite.agents.settings import per_run, setting


@dataclass(frozen=True)
class SACSettings(AgentSettings):
    """SAC on the union of both data sets; defaults of the SAC inside ODRL's CQL agents."""

    method: ClassVar[str] = "sac"

    alpha: float = per_run(0.2, low=0.0, help="temperature, or its first value (ODRL: 0.2 fixed)")

    polyak: float = setting(0.005, low=0.0, high=1.0, help="ODRL")
    learning_rate: float = setting(3e-4, low=0.0, help="Adam, critics and alpha (ODRL)")
    policy_rate: float = setting(3e-4, low=0.0, help="Adam, policy (ODRL; CORL's CQL 3e-5)")
    learn_alpha: bool = setting(False, help="target entropy - A (ODRL no, CORL yes)")
    most_alpha: float = setting(float("inf"), low=0.0, help="cap of a temperature that is learnt")
    backup_entropy: bool = setting(True, help="- alpha log pi in the backup (ODRL yes, CORL no)")
    hidden: int = setting(256, low=1, help="width of every hidden layer (ODRL)")
    depth: int = setting(2, low=1, help="hidden layers (ODRL 2, CORL's CQL 3)")


S = TypeVar("S", bound=SACSettings)


class SAC(Agent[S]):
    """R runs of soft actor-critic with a squashed Gaussian policy."""

    Settings = SACSettings

    def __init__(
        self, runs: Sequence[S], n_obs: int, n_act: int, device: torch.device | str = "cpu"
    ):
        super().__init__(runs, n_obs, n_act, device)
        seeds, shared = [run.seed for run in runs], runs[0]
        width = [shared.hidden] * shared.depth
        twins = [
            init_mlp((n_obs + n_act, *width, 1), seeded_generators(seeds, name))
            for name in ("q1", "q2")
        ]
        critics = [
            (torch.cat([w1, w2]), torch.cat([b1, b2]))
            for (w1, b1), (w2, b2) in zip(*twins, strict=True)
        ]
        self.critics = trainable(critics, self.device)
        self.targets = copy_of(self.critics)
        policy = init_mlp((n_obs, *width, 2 * n_act), seeded_generators(seeds, "pi"))
        self.policy = trainable(policy, self.device)
        first = torch.tensor([run.alpha for run in runs]).reshape(-1, 1, 1)
        self.log_alpha = first.clamp(min=1e-8).log().to(self.device).requires_grad_()
        self.fixed_alpha = first.to(self.device)
        self.optimizers = {
            name: adam([{"params": leaves, "lr": rate}], self.device)
            for name, leaves, rate in (
                ("critics", parameters(self.critics), shared.learning_rate),
                ("policy", parameters(self.policy), shared.policy_rate),
                ("alpha", [self.log_alpha], shared.learning_rate),
            )
        }

    # ---- Hooks: what a method of this family may change -----------------------------------------

    def noise_size(self) -> int:
        """Standard normal draws of one run in one step: an action at s' and one at s per row."""
        return 2 * 2 * self.shared.batch_size * self.n_act

    def soft_value(self, batch: Batch, noise: Noise) -> Tensor:
        """The value of s', min_j Q'_j(s', a') - alpha log pi(a' | s'), ``[R, rows, 1]``."""
        actions, log_p = self.sample(
            batch.next_observations, noise.take(batch.next_observations.shape[1], self.n_act)
        )
        value = self.q(self.targets, batch.next_observations, actions).amin(0)
        return value - self.alpha * log_p if self.shared.backup_entropy else value

    def q_targets(self, batch: Batch, noise: Noise) -> Tensor:
        """y ``[R, rows, 1]``."""
        with torch.no_grad():
            value = self.soft_value(batch, noise)
            return batch.rewards + self.shared.discount * batch.continues * value

    critic_term: Callable[[Batch, Tensor, Noise], Tensor] | None = None
    """Optional ``critic_term(batch, q [2, R, rows, 1], noise) -> [R]`` in the critic loss."""

    # ---- One step -------------------------------------------------------------------------------

    @property
    def alpha(self) -> Tensor:
        """Temperature ``[R, 1, 1]``, without gradient."""
        if not self.shared.learn_alpha:
            return self.fixed_alpha
        return self.log_alpha.detach().exp().clamp(max=self.shared.most_alpha)

    def q(self, layers: Layers, observations: Tensor, actions: Tensor) -> Tensor:
        """Both critics, ``[2, R, rows, 1]``."""
        inputs = torch.cat([observations, actions], -1)
        return scalar_mlp(layers, repeat_rows(inputs, 2)).unflatten(0, (2, -1))

    def sample(self, observations: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions of the policy and their log-density, n for each of the observations.

        Args:
            observations: ``[R, rows, S]``.
            noise: standard normal, ``[R, n * rows, A]``: n times the whole batch.

        Returns:
            Actions ``[R, n * rows, A]`` and log-density ``[R, n * rows, 1]``.
        """
        n = noise.shape[1] // observations.shape[1]
        mean, log_std = mlp(self.policy, observations).repeat(1, n, 1).chunk(2, -1)
        log_std = log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
        u = mean + torch.exp(log_std) * noise
        log_p = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        # log(1 - tanh(u)^2), written so that it neither overflows nor cancels
        log_p = log_p - 2 * (math.log(2) - u - softplus(-2 * u))
        return torch.tanh(u), log_p.sum(-1, keepdim=True)

    @by_layers
    def act(self, observations: Tensor) -> Tensor:
        """Deterministic actions tanh(mu) ``[R, rows, A]``."""
        with torch.no_grad():  # of the whole output, to the last digit as in :meth:`sample`
            return torch.tanh(mlp(self.policy, observations)[..., : self.n_act])

    def critic_loss(self, batch: Batch, noise: Noise) -> Tensor:
        """``[R]``: sum over both critics of the mean squared error, and the method's term."""
        y = self.q_targets(batch, noise)
        q = self.q(self.critics, batch.observations, batch.actions)
        loss = ((q - y) ** 2).mean((2, 3)).sum(0)
        return loss if self.critic_term is None else loss + self.critic_term(batch, q, noise)

    def policy_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The policy's loss ``[R]``, and the log-density of its actions.

        Args:
            batch: one batch of each run.
            noise: standard normal, ``[R, rows, A]``, from which the actions are drawn.

        Returns:
            The loss ``[R]`` and the log-density ``[R, rows, 1]`` of the actions.
        """
        actions, log_p = self.sample(batch.observations, noise)
        q = self.q(self.critics, batch.observations, actions).amin(0)
        return (self.alpha * log_p - q).mean((1, 2)), log_p

    def update(self, batch: Batch, progress: Tensor | float) -> None:
        """One gradient step of critics, targets, policy and temperature, in ODRL's order."""
        noise = Noise(batch.noise)
        at_s = noise.take(batch.rewards.shape[1], self.n_act)
        self._move("critics", self.critic_loss(batch, noise))
        polyak_(self.targets, self.critics, self.shared.polyak)
        loss, log_p = self.policy_loss(batch, at_s)
        self._move("policy", loss)
        if self.shared.learn_alpha:
            gap = (log_p.detach() - self.n_act).mean((1, 2))  # target entropy: - A
            self._move("alpha", -self.log_alpha[:, 0, 0] * gap)

    def _move(self, name: str, loss: Tensor) -> None:
        """One Adam step of one group; runs are independent, so their losses may be summed."""
        optimizer = self.optimizers[name]
        leaves = optimizer.param_groups[0]["params"]
        fill_gradients(leaves, torch.autograd.grad(loss.sum(), leaves))
        optimizer.step()

    # ---- The contract ---------------------------------------------------------------------------

    @torch.no_grad()
    def values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """min_j Q_j(s, tanh mu(s)) of all rows, and what is backed up for source rows."""
        s, noise = batch.observations, Noise(None, runs=len(self.runs), device=self.device)
        backed_up = self.soft_value(batch, noise)[:, : batch.n_source]
        return self.q(self.critics, s, self.act(s)).amin(0), backed_up

    @torch.no_grad()
    def reward_slack(self, batch: Batch) -> tuple[Tensor | float, Tensor | float]:
        """What entropy in the backup adds to a reward: gamma alpha H(pi); 0 without such entropy.

        H is at most A log 2, the entropy of uniform actions, and may be far below 0.  Its mean on
        the rows of ``batch`` stands for this policy's.
        """
        if not self.shared.backup_entropy:
            return 0.0, 0.0
        noise = Noise(None, runs=len(self.runs), device=self.device)
        _, log_p = self.sample(batch.observations, noise.take(batch.rewards.shape[1], self.n_act))
        scale = self.shared.discount * self.alpha
        least = log_p.mean(1, keepdim=True).clamp(min=0.0)
        return scale * least, scale * (self.n_act * math.log(2))

    @torch.no_grad()
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        """Figures ``[R]`` worth logging, with the same noise at every evaluation."""
        noise = Noise(None, runs=len(self.runs), device=self.device)
        at_s = noise.take(batch.rewards.shape[1], self.n_act)
        policy_loss, log_p = self.policy_loss(batch, at_s)
        q = self.q(self.critics, batch.observations, batch.actions).amin(0)
        k = batch.n_source
        return {
            "q_loss": self.critic_loss(batch, noise),
            "policy_loss": policy_loss,
            "q_source": q[:, :k].mean((1, 2)),
            "q_target": q[:, k:].mean((1, 2)),
            "entropy": -log_p.mean((1, 2)),
            "alpha": self.alpha[:, 0, 0],
        }

    def policy_layers(self) -> Layers:
        """The policy's network with the columns of mu alone."""
        *hidden, (weight, bias) = self.policy
        return [*hidden, (weight[..., : self.n_act], bias[..., : self.n_act])]

    def stacks(self) -> dict[str, Layers]:
        """Policy and both online critics."""
        return {"policy": self.policy_layers(), "critics": self.critics}

    def twin_q(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Both online critics, ``[2, R, rows, 1]``."""
        return self.q(self.critics, observations, actions)

    def tensors(self) -> dict[str, Tensor]:
        """Critics, target critics, policy and log alpha, by name."""
        stacks = {"critic": self.critics, "target": self.targets, "policy": self.policy}
        flat = {f"{name}.{k}": t for name, s in stacks.items() for k, t in enumerate(parameters(s))}
        return flat | {"log_alpha": self.log_alpha}

    def optimised(self) -> Groups:
        """One Adam each for critics, policy and temperature."""
        return {
            name: (optimizer, optimizer.param_groups[0]["params"])
            for name, optimizer in self.optimizers.items()
        }


class Noise:
    """The batch's standard normal draws ``[R, k]``, handed out in order.

    Without a batch's noise (an evaluation, not a step) they come from a generator with a fixed
    seed, equal for all runs.
    """

    def __init__(self, noise: Tensor | None, runs: int = 1, device="cpu"):
        self.noise, self.runs, self.device, self.used = noise, runs, device, 0
        self.generator = torch.Generator().manual_seed(0) if noise is None else None

    def take(self, *shape: int) -> Tensor:
        """The next draws, as ``[R, *shape]``."""
        if self.noise is None:
            drawn = torch.randn(shape, generator=self.generator).to(self.device)
            return drawn.expand(self.runs, *shape)
        first, self.used = self.used, self.used + math.prod(shape)
        return self.noise[:, first : self.used].unflatten(1, shape)
