"""DARA: rewards of source rows, corrected by how much likelier the target domain makes them.

Liu, Zhang, Wang, "DARA: Dynamics-Aware Reward Augmentation in Offline Reinforcement Learning",
ICLR 2022.  The delta on :class:`~droco_lite.agents.iql.IQL`: two classifiers tell target from
source, one from (s, a, s'), one from (s, a).  By Bayes' rule the difference of their log-odds is

    Delta = log p(tar | s, a, s') / p(src | s, a, s')  -  log p(tar | s, a) / p(src | s, a)
          = log P_tar(s' | s, a) / P_src(s' | s, a)

and a source row is learnt from with the reward  r + eta clip(Delta, -10, 10).  The paper writes
r - eta Delta r with the inverse ratio, which is the same.  The classifiers are trained before the
first step and frozen, as the authors' code does it; the ODRL benchmark goes on training them
beside the agent, which costs more and makes the rewards drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.iql import IQL, IQLSettings
from droco_lite.agents.networks import Layers, init_mlp, mlp, seeded_generators, trainable
from droco_lite.agents.preparation import (
    Prepared,
    Scaler,
    fit,
    hold_out,
    in_chunks,
    named,
    require_rows,
    tensors_of,
    unnamed,
)
from droco_lite.agents.settings import per_run, setting

ODRL_NOISE = 1.0  # standard deviation, in the raw units of each column


@dataclass(frozen=True)
class DARASettings(IQLSettings):
    """DARA on IQL; eta and the clip are from the paper, the classifiers' fit from its code.

    ``faithful`` computes what the ODRL benchmark computes: the classifiers' softmax is taken twice
    (once in the network, once in the loss), on raw inputs with unit noise.  Not reproduced: ODRL
    goes on training the classifiers beside the agent.
    """

    method: ClassVar[str] = "dara"

    eta: float = per_run(0.1, low=0.0, help="weight of the correction (paper and ODRL: 0.1)")
    max_correction: float = per_run(10.0, low=0.0, help="bound on |Delta| (paper and ODRL: 10)")

    faithful: bool = setting(False, help="softmax twice, raw inputs, unit noise, as in ODRL")
    prepare_seed: int = setting(0, low=0, help="the classifiers' weights, batches and noise")
    classifier_steps: int = setting(5000, low=1, help="100 epochs of 50 in the authors' code")
    classifier_batch: int = setting(128, low=1, help="rows of each domain (ODRL)")
    classifier_rate: float = setting(3e-4, low=0.0, help="Adam (ODRL)")
    classifier_noise: float = setting(
        0.1, low=0.0, help="on standardised inputs; ours, ODRL's 1.0 on raw ones drowns actions"
    )


class DARA(IQL):
    """R runs of DARA that share two classifiers."""

    Settings = DARASettings
    classifiers, scaler = Prepared[Layers](), Prepared[Scaler]()
    held_out_loss: Tensor | None = None

    def __init__(self, runs, n_obs, n_act, device="cpu"):
        super().__init__(runs, n_obs, n_act, device)
        self.eta, self.max_correction = map(self.column, ("eta", "max_correction"))

    # ---- The delta ------------------------------------------------------------------------------

    def rewards(self, batch: Batch) -> Tensor:
        """r + eta clip(Delta); Delta is 0 for target rows."""
        delta = batch.columns["log_ratio"].clamp(-self.max_correction, self.max_correction)
        return batch.rewards + self.eta * delta

    def reward_slack(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """eta times the clip, on either side."""
        return (self.eta * self.max_correction,) * 2

    def log_ratio(self, s: Tensor, a: Tensor, s2: Tensor) -> Tensor:
        """Delta ``[rows, 1]``: the log-odds given (s, a, s') minus those given (s, a)."""
        out = mlp(self.classifiers, self.inputs(s, a, s2))
        full, blind = out[..., 1:] - out[..., :1]
        return full - blind

    # ---- The classifiers ------------------------------------------------------------------------

    def prepare(self, source, target) -> dict[str, np.ndarray]:
        """Train both classifiers, unless they were loaded, and take Delta of every source row."""
        if not hasattr(self, "classifiers"):
            self._fit(source, target)
        delta = in_chunks(self.log_ratio, source, self.device)
        return {"log_ratio": np.concatenate([delta, np.zeros((len(target), 1), np.float32)])}

    def inputs(self, s: Tensor, a: Tensor, s2: Tensor, generator=None) -> Tensor:
        """What the two classifiers see, ``[2, rows, 2S + A]``.

        The first sees all columns, the second zeros in place of s'. Corrected, s' enters as the
        step s' - s: the same information, at a scale where a shift of the dynamics shows.
        """
        x = torch.cat([s, a, s2 if self.shared.faithful else s2 - s], -1)
        both = self.scaler(x).expand(2, -1, -1).clone()
        if generator is not None:
            noise = torch.randn(both.shape, generator=generator).to(self.device)
            both += noise * (ODRL_NOISE if self.shared.faithful else self.shared.classifier_noise)
        both[1, :, -self.n_obs :] = 0.0
        return both

    def classifier_loss(self, inputs: Tensor, n_source: int) -> Tensor:
        """Cross-entropy ``[2]`` of both classifiers; the first ``n_source`` rows are source."""
        log_p = log_probabilities(mlp(self.classifiers, inputs), self.shared.faithful)
        return -0.5 * (log_p[:, :n_source, 0].mean(1) + log_p[:, n_source:, 1].mean(1))

    def _fit(self, source, target) -> None:
        shared, n_in = self.shared, 2 * self.n_obs + self.n_act
        for name, data in (("source", source), ("target", target)):
            require_rows(data, name, "DARA's domain classifiers")
        rng = np.random.default_rng([shared.prepare_seed, 0])
        generator = torch.Generator().manual_seed(shared.prepare_seed)
        (source_train, source_held), (target_train, target_held) = (
            hold_out(len(data), rng) for data in (source, target)
        )
        if shared.faithful:
            self.scaler = Scaler.identity(n_in, self.device)
        else:
            self.scaler = Scaler.fit(*map(steps_taken, (source, target)), device=self.device)
        seeds = [2 * shared.prepare_seed, 2 * shared.prepare_seed + 1]
        sizes = (n_in, shared.hidden, shared.hidden, 2)
        self.classifiers = trainable(
            init_mlp(sizes, seeded_generators(seeds, "classifier")), self.device
        )

        def loss_of(source_index, target_index, generator=None) -> Tensor:
            parts = zip(
                tensors_of(source, source_index, self.device),
                tensors_of(target, target_index, self.device),
                strict=True,
            )
            s, a, s2 = (torch.cat(part) for part in parts)
            inputs = self.inputs(s, a, s2, generator)
            return self.classifier_loss(inputs, len(source_index))

        def draw() -> Tensor:
            size = shared.classifier_batch
            return loss_of(
                rng.choice(source_train, size), rng.choice(target_train, size), generator
            )

        judge = None if shared.faithful else lambda: loss_of(source_held, target_held)
        self.held_out_loss = fit(
            [self.classifiers], draw, judge,
            steps=shared.classifier_steps, rate=shared.classifier_rate,
        )  # fmt: skip

    def frozen(self) -> dict[str, Tensor]:
        scaler = {f"scaler.{name}": t for name, t in self.scaler.tensors().items()}
        return named("classifier", self.classifiers) | scaler

    def load_frozen(self, saved) -> None:
        self.classifiers = unnamed("classifier", saved)
        self.scaler = Scaler(saved["scaler.mean"], saved["scaler.std"])

    @torch.no_grad()
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        delta = batch.columns["log_ratio"][:, : batch.n_source]
        return super().diagnostics(batch) | {
            "log_ratio_mean": delta.mean((1, 2)),
            "log_ratio_clipped": (delta.abs() > self.max_correction).float().mean((1, 2)),
        }


def log_probabilities(scores: Tensor, twice: bool) -> Tensor:
    """Log-probabilities of (source, target) as the loss sees them, ``[..., 2]``.

    ``twice`` takes probabilities for scores: the soft-max of a soft-max.
    """
    return torch.log_softmax(torch.softmax(scores, -1) if twice else scores, -1)


def steps_taken(data) -> np.ndarray:
    """(s, a, s' - s) of every row, ``[n, 2S + A]``."""
    step = data.next_observations - data.observations
    return np.concatenate([data.observations, data.actions, step], 1)
