"""BOSA: learn only from transitions, and towards actions, that the data support.

Liu, Zhang, Wei, Zhuang, Kang, Gai, Wang, "Beyond OOD State Actions: Supported Cross-Domain Offline
Reinforcement Learning", AAAI 2024.  The delta on TD3 (:mod:`droco_lite.agents.td3`): conditional
autoencoders estimate how likely a next state is under the target's dynamics, and an action under
the data's behaviour.  With m = 1 where the former is above a threshold, else 0,

    L_Q  = sum_j  E[ m (y - Q_j)^2 / 2 ] + conservation E_src[ Q_j ]
    L_pi = - E[ Q_1(s, pi(s)) ] / E|Q_1|  -  lambda E[ log p(pi(s) | s) ]

where m = 1 for target rows.  The dynamics model is an ensemble, of which the most pessimistic
member decides.  Likelihoods are those of standardised steps s' - s, and the threshold is the level
that all but a small share of held-out target rows reach: so "in support" means the same for every
robot, whatever its number of columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents import td3
from droco_lite.agents.agent import Agent, AgentSettings
from droco_lite.agents.batch import Batch
from droco_lite.agents.networks import Layers, twins
from droco_lite.agents.optimizers import adam_
from droco_lite.agents.preparation import (
    Prepared,
    Scaler,
    hold_out,
    in_chunks,
    require_rows,
    tensors_of,
)
from droco_lite.agents.sac import Noise
from droco_lite.agents.settings import per_run, setting
from droco_lite.agents.vae import CVAE, fit_cvae

BETA = 0.5  # weight of the KL term (ODRL)
STD = (BETA / 4) ** 0.5  # of the decoder (ODRL)
ODRL_THRESHOLD = math.log(0.01)  # on the log-density of s' in raw units


@dataclass(frozen=True)
class BOSASettings(AgentSettings):
    """BOSA; defaults of ODRL's ``bosa``, equal for its four robots, where not said otherwise.

    ``faithful`` computes what ODRL's code computes: the terminal flag inverted (y = r for every
    ordinary row, a bootstrap at terminal ones only), the dynamics model trained on both domains in
    raw units, one latent draw, a fixed threshold, and the mask on target rows too.  Not reproduced:
    its first weights, normal without fan-in scaling, and the fresh latent of every step.
    """

    method: ClassVar[str] = "bosa"

    support_weight: float = per_run(0.1, low=0.0, help="lambda (ODRL: 0.1)")
    conservation: float = per_run(0.1, low=0.0, help="weight of mean Q on source rows (ODRL: 0.1)")

    polyak: float = setting(0.005, low=0.0, high=1.0, help="ODRL")
    learning_rate: float = setting(3e-4, low=0.0, help="Adam (ODRL)")
    hidden: int = setting(256, low=1, help="ODRL")
    policy_delay: int = setting(2, low=1, help="ODRL")
    target_noise: float = setting(0.2, low=0.0, help="ODRL")
    target_noise_clip: float = setting(0.5, low=0.0, help="ODRL")

    faithful: bool = setting(False, help="inverted terminal flag and the rest, see above")
    prepare_seed: int = setting(0, low=0, help="the autoencoders' weights, batches and noise")
    quantile: float = setting(
        0.01, low=0.0, high=1.0,
        help="share of held-out target rows below the threshold; ours, ODRL fixes log 0.01; 0: "
        "no mask",
    )  # fmt: skip
    members: int = setting(5, low=1, help="dynamics models (ODRL)")
    latents: int = setting(10, low=1, help="draws in a likelihood; ours, ODRL 1 redrawn each step")
    cvae_steps: int = setting(10_000, low=1, help="ours; ODRL about 50,000, without early stopping")
    cvae_hidden: int = setting(256, low=1, help="ours, for a CPU's sake; ODRL 750")
    cvae_batch: int = setting(256, low=1, help="ODRL")
    cvae_rate: float = setting(1e-3, low=0.0, help="Adam (ODRL)")


class BOSA(Agent[BOSASettings]):
    """R runs of BOSA that share their autoencoders."""

    Settings = BOSASettings
    dynamics, behaviour = Prepared[CVAE](), Prepared[CVAE]()
    scaler, threshold = Prepared[Scaler](), Prepared[Tensor]()

    def __init__(
        self, runs: Sequence[BOSASettings], n_obs: int, n_act: int,
        device: torch.device | str = "cpu",
    ):  # fmt: skip
        super().__init__(runs, n_obs, n_act, device)
        shared = runs[0]
        seeds, width = [run.seed for run in runs], (shared.hidden, shared.hidden)
        self.td3 = td3.init_td3(n_obs, n_act, seeds, width).to(self.device)
        self.settings = td3.TD3Settings(
            discount=shared.discount, tau=shared.polyak, policy_delay=shared.policy_delay,
            target_noise=shared.target_noise, target_noise_clip=shared.target_noise_clip,
            learning_rate=shared.learning_rate, normalise_q=True,
        )  # fmt: skip
        self.phases = shared.policy_delay
        self.support_weight = self.column("support_weight")
        self.conservation = self.column("conservation")
        self.masks = shared.quantile > 0
        self.constrains = any(run.support_weight > 0 for run in runs)

    # ---- The delta ------------------------------------------------------------------------------

    def mask(self, batch: Batch) -> Tensor:
        """m ``[R, rows, 1]``: 1 where the critics may learn from a row."""
        if not self.masks:
            return torch.ones_like(batch.rewards)
        mask = (batch.columns["log_likelihood"] >= self.threshold).float()
        if not self.shared.faithful:
            mask[:, batch.n_source :].fill_(1.0)  # no number from the host
        return mask

    def q_targets(self, batch: Batch, noise: Tensor) -> Tensor:
        """TD3's y ``[R, rows, 1]``; ``faithful`` takes "goes on" for "ends"."""
        if self.shared.faithful:
            batch = replace(batch, continues=1 - batch.continues)
        return td3.bellman_target(self.td3, batch, noise, self.settings)

    def push_down(self, batch: Batch) -> Tensor:
        """``[R, rows, 1]``, so that E[push (Q_1 + Q_2)] is conservation E_src[Q_1 + Q_2]."""
        push = torch.zeros_like(batch.rewards)
        push[:, : batch.n_source] = self.conservation * batch.rewards.shape[1] / batch.n_source
        return push

    def support_loss(self, observations: Tensor, actions: Tensor, noise: Tensor) -> Tensor:
        """- lambda E[log p(a | s)] ``[R]``; ``noise [R, rows, 2A]``."""
        seen = self._observations(observations).flatten(0, 1)
        log_p = self.behaviour.log_likelihood(
            actions.flatten(0, 1), seen, noise.flatten(0, 1)[None, None], STD
        )
        return -self.support_weight[:, 0, 0] * log_p.reshape(actions.shape[:2]).mean(1)

    @torch.no_grad()
    def update(self, batch: Batch, progress: Tensor | float) -> None:
        """One critic step; policy and targets move at every ``policy_delay``-th."""
        noise, rows, rate = Noise(batch.noise), batch.rewards.shape[1], self.shared.learning_rate
        state = self.td3
        state.updates += 1
        y = self.q_targets(batch, noise.take(rows, self.n_act))
        gradients, _ = td3.critic_gradients(
            state.critic, batch, y, self.mask(batch), self.push_down(batch)
        )
        leaves = td3.parameters(state.critic)
        count = state.counter.copy_(state.updates)
        adam_(leaves, gradients, state.critic_moments, count, rate)
        if self.policy_moves():
            extra = None
            if self.constrains:
                latents = noise.take(rows, 2 * self.n_act)

                def extra(actions: Tensor) -> Tensor:
                    with torch.enable_grad():
                        actions = actions.detach().requires_grad_()
                        loss = self.support_loss(batch.observations, actions, latents)
                        return torch.autograd.grad(loss.sum(), actions)[0]

            td3.move_policy_(state, batch.observations, self.settings, extra)

    def policy_moves(self) -> bool:
        """Whether the policy moves in the update that is taken: in the last of ``policy_delay``."""
        kind = self.phase
        if kind is None:
            kind = (int(self.td3.updates) - 1) % self.phases
        return kind == self.phases - 1

    def noise_size(self) -> int:
        per_row = self.n_act * (3 if self.constrains else 1)
        return 2 * self.shared.batch_size * per_row

    def policy_layers(self) -> Layers:
        """TD3's actor before its tanh."""
        return self.td3.actor

    def stacks(self) -> dict[str, Layers]:
        """Policy and both online critics."""
        return {"policy": self.policy_layers(), "critics": self.td3.critic}

    def twin_q(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Both online critics, ``[2, R, rows, 1]``."""
        return twins(self.td3.critic, observations, actions)

    # ---- The autoencoders -----------------------------------------------------------------------

    def prepare(self, source, target) -> dict[str, np.ndarray]:
        """Fit the autoencoders, unless they were loaded, and find every row's likelihood."""
        if not hasattr(self, "scaler"):
            self._fit(source, target)
        if not self.masks:
            return {}
        both = [in_chunks(self.log_likelihood, data, self.device) for data in (source, target)]
        return {"log_likelihood": np.concatenate(both)}

    def log_likelihood(self, s: Tensor, a: Tensor, s2: Tensor) -> Tensor:
        """log p(s' | s, a) of the most pessimistic dynamics model, ``[rows, 1]``."""
        x, c = self._dynamics_pair(s, a, s2)
        draws = 1 if self.shared.faithful else self.shared.latents
        generator = torch.Generator().manual_seed(self.shared.prepare_seed)
        shape = (draws, self.shared.members, len(x), self.dynamics.latent)
        noise = torch.randn(shape, generator=generator).to(self.device)
        return self.dynamics.log_likelihood(x, c, noise, STD).amin(0).unsqueeze(-1)

    def _dynamics_pair(self, s: Tensor, a: Tensor, s2: Tensor) -> tuple[Tensor, Tensor]:
        """What the dynamics models predict, and from what."""
        if self.shared.faithful:
            return s2, torch.cat([s, a], -1)
        scaled = self.scaler(torch.cat([s, a, s2 - s], -1))
        return scaled[..., -self.n_obs :], scaled[..., : -self.n_obs]

    def _observations(self, s: Tensor) -> Tensor:
        return (s - self.scaler.mean[: self.n_obs]) / self.scaler.std[: self.n_obs]

    def _fit(self, source, target) -> None:
        shared = self.shared
        for name, data in (("source", source), ("target", target)):
            require_rows(data, name, "BOSA's autoencoders")
        rng = np.random.default_rng([shared.prepare_seed, 4])
        (source_train, source_held), (target_train, target_held) = (
            hold_out(len(data), rng) for data in (source, target)
        )
        if shared.faithful:
            self.scaler = Scaler.identity(2 * self.n_obs + self.n_act, self.device)
        else:
            step = target.next_observations - target.observations
            rows = np.concatenate([target.observations, target.actions, step], 1)
            self.scaler = Scaler.fit(rows, device=self.device)
        options: dict[str, Any] = {
            "hidden": shared.cvae_hidden, "beta": BETA, "steps": shared.cvae_steps,
            "rate": shared.cvae_rate, "seed": shared.prepare_seed, "device": self.device,
        }  # fmt: skip

        def both(source_index, target_index) -> tuple[Tensor, ...]:
            parts = (
                tensors_of(data, index, self.device)
                for data, index in ((source, source_index), (target, target_index))
            )
            return tuple(torch.cat(part) for part in zip(*parts, strict=True))

        def mixed() -> tuple[Tensor, ...]:
            half = max(1, shared.cvae_batch // 2)
            return both(rng.choice(source_train, half), rng.choice(target_train, half))

        def targets() -> tuple[Tensor, ...]:
            index = rng.choice(target_train, shared.cvae_batch)
            return tensors_of(target, index, self.device)

        held = tensors_of(target, target_held, self.device)
        if self.masks:
            draw, judge = (
                (mixed, both(source_held, target_held)) if shared.faithful else (targets, held)
            )
            self.dynamics, _ = fit_cvae(
                lambda: self._dynamics_pair(*draw()), self._dynamics_pair(*judge),
                bounded=False, members=shared.members, **options,
            )  # fmt: skip
            with torch.no_grad():
                reached = self.log_likelihood(*held).cpu().double()  # MPS has none
            level = ODRL_THRESHOLD if shared.faithful else reached.quantile(shared.quantile)
            self.threshold = torch.as_tensor(level, dtype=torch.float32, device=self.device)
        if self.constrains:

            def behaviour_pair(s: Tensor, a: Tensor, _) -> tuple[Tensor, Tensor]:
                return a, self._observations(s)

            self.behaviour, _ = fit_cvae(
                lambda: behaviour_pair(*mixed()), behaviour_pair(*both(source_held, target_held)),
                bounded=True, members=1, **options,
            )  # fmt: skip

    def frozen(self) -> dict[str, Tensor]:
        saved = {f"scaler.{name}": t for name, t in self.scaler.tensors().items()}
        if self.masks:
            saved |= self.dynamics.tensors("dynamics") | {"threshold": self.threshold}
        return saved | self.behaviour.tensors("behaviour") if self.constrains else saved

    def load_frozen(self, saved: Mapping[str, Tensor]) -> None:
        self.scaler = Scaler(saved["scaler.mean"], saved["scaler.std"])
        if self.masks:
            self.dynamics = CVAE.from_tensors("dynamics", saved, bounded=False)
            self.threshold = saved["threshold"]
        if self.constrains:
            self.behaviour = CVAE.from_tensors("behaviour", saved, bounded=True)

    # ---- The contract ---------------------------------------------------------------------------

    @torch.no_grad()
    def values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """min_j Q_j(s, pi(s)) of all rows, and what is backed up for source rows."""
        s, k = batch.observations, batch.n_source
        value = self.min_q(s, self.act(s))
        noise = Noise(None, runs=len(self.runs), device=self.device).take(k, self.n_act)
        following = batch.next_observations[:, :k]
        return value, td3.next_value(self.td3, following, noise, self.settings)

    @torch.no_grad()
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        """Figures ``[R]`` worth logging, with the same noise at every evaluation."""
        runs, (rows, k) = len(self.runs), (batch.rewards.shape[1], batch.n_source)
        noise = Noise(None, runs=runs, device=self.device)
        y, mask = self.q_targets(batch, noise.take(rows, self.n_act)), self.mask(batch)
        q = self.min_q(batch.observations, batch.actions)
        loss = td3.critic_loss(self.td3.critic, batch, y, mask, self.push_down(batch))
        policy_loss = td3.actor_loss(self.td3.actor, self.td3.critic, batch.observations, True)
        if self.constrains:
            actions = self.act(batch.observations)
            latents = noise.take(rows, 2 * self.n_act)
            policy_loss = policy_loss + self.support_loss(batch.observations, actions, latents)
        return {
            "q_loss": loss,
            "policy_loss": policy_loss,
            "q_source": q[:, :k].mean((1, 2)),
            "q_target": q[:, k:].mean((1, 2)),
            "supported": mask[:, :k].mean((1, 2)),
        }

    def tensors(self) -> dict[str, Tensor]:
        """Networks and their targets, by name."""
        return {f"td3.{name}": t for name, t in self.td3.networks().items()}

    def state(self) -> dict[str, Tensor]:
        """Networks, Adam's moments and the count of updates, by name."""
        moved = self.td3.tensors() | {"updates": self.td3.updates}
        return {f"td3.{name}": t for name, t in moved.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state` returned."""
        named = {n.removeprefix("td3."): t for n, t in state.items() if n.startswith("td3.")}
        self.td3.load_(named, int(named.pop("updates")))
