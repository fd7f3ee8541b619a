"""IGDF: keep the source rows whose next state a contrastive encoder finds plausible in the target.

Wen, Bai, Xu, Yu, Zhang, Li, Wang, "Contrastive Representation for Data Filtering in Cross-Domain
Offline Reinforcement Learning", ICML 2024.  The delta on :class:`~droco_lite.agents.iql.IQL`:
encoders phi(s, a) and psi(s') are trained to tell the next state of a target row from next states
of source rows (InfoNCE), then frozen.  With their similarity

    f = cos( phi(s, a), psi(s') )

each batch keeps the share xi of its source rows with the largest f, for every loss, and weighs the
critic loss of the rows kept by exp(alpha f).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity, normalize

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


@dataclass(frozen=True)
class IGDFSettings(IQLSettings):
    """IGDF on IQL; defaults of ODRL's ``igdf``, equal for its four robots.

    ``faithful`` computes what the authors' code computes: the encoders learn by a binary
    cross-entropy on inner products (one positive column) though their cosine is used later, and the
    weights are averaged over the batch by a broadcast, so that they only scale the critic loss.
    ODRL's copy never trains the encoders: ``encoder_steps=0``.
    """

    method: ClassVar[str] = "igdf"

    alpha: float = per_run(1.0, low=0.0, help="w = exp(alpha f) (paper's code and ODRL: 1)")
    keep: float = setting(
        0.75, low=0.0, high=1.0, help="xi, share of source rows kept (ODRL 0.75; authors 0.25-0.75)"
    )

    faithful: bool = setting(False, help="binary cross-entropy and broadcast weights")
    prepare_seed: int = setting(0, low=0, help="the encoders' weights and batches")
    encoder_steps: int = setting(7000, low=0, help="authors' code; 0 leaves random encoders (ODRL)")
    encoder_batch: int = setting(128, low=2, help="anchors; one less negatives (authors, ODRL)")
    encoder_rate: float = setting(3e-4, low=0.0, help="Adam (authors, ODRL)")
    representation: int = setting(64, low=1, help="size of phi and psi (ODRL; authors 16 or 64)")
    sharpness: float = setting(
        10.0, low=0.0, help="inverse temperature of InfoNCE on the cosine; ours, not in the code"
    )


class IGDF(IQL):
    """R runs of IGDF that share one pair of encoders."""

    Settings = IGDFSettings
    phi, psi, scaler = Prepared[Layers](), Prepared[Layers](), Prepared[Scaler]()
    held_out_loss: Tensor | None = None

    def __init__(self, runs, n_obs, n_act, device="cpu"):
        super().__init__(runs, n_obs, n_act, device)
        self.alpha = self.column("alpha")

    # ---- The delta ------------------------------------------------------------------------------

    def select(self, batch: Batch) -> Batch:
        """The k = xi B source rows with the largest score, and all target rows."""
        k = max(1, int(self.shared.keep * batch.n_source))
        if k == batch.n_source:
            return batch
        scores = batch.columns["score"][:, : batch.n_source, 0]
        return batch.keep_source(scores.topk(k, dim=1).indices)

    def source_weight(self, batch: Batch) -> Tensor:
        """exp(alpha f); with ``faithful`` the mean weight of the batch, target rows counting 1."""
        weight = torch.exp(self.alpha * batch.columns["score"][:, : batch.n_source])
        return self._broadcast(batch, weight) if self.shared.faithful else weight

    def target_weight(self, batch: Batch) -> Tensor | float:
        return self.source_weight(batch)[:, :1] if self.shared.faithful else 1.0

    def _broadcast(self, batch: Batch, weight: Tensor) -> Tensor:
        # mean over [N, N] of w_i e_j^2 = mean(w) mean(e^2): no row keeps a weight of its own.
        rows = batch.rewards.shape[1]
        total = weight.sum(1, keepdim=True) + rows - batch.n_source
        return (total / rows).expand_as(weight)

    def score(self, s: Tensor, a: Tensor, s2: Tensor) -> Tensor:
        """f ``[rows, 1]``, between -1 and 1."""
        anchors, candidates = self.represent(s, a, s2)
        return cosine_similarity(anchors, candidates, dim=-1).unsqueeze(-1)

    # ---- The encoders ---------------------------------------------------------------------------

    def prepare(self, source, target) -> dict[str, np.ndarray]:
        """Train the encoders, unless they were loaded, and score every source row.

        A target row scores 1, the largest cosine, should a run draw both halves there.
        """
        if not hasattr(self, "phi"):
            self._fit(source, target)
        scores = in_chunks(self.score, source, self.device)
        return {"score": np.concatenate([scores, np.ones((len(target), 1), np.float32)])}

    def represent(self, s: Tensor, a: Tensor, s2: Tensor) -> tuple[Tensor, Tensor]:
        """phi(s, a) and psi(s'), each ``[rows, Z]``."""
        x = self.scaler(torch.cat([s, a, s2], -1))
        pair, following = x[:, : -self.n_obs], x[:, -self.n_obs :]
        return mlp(self.phi, pair[None])[0], mlp(self.psi, following[None])[0]

    def contrastive_loss(self, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """``[1]``: tell each anchor's own next state from the source rows' next states.

        anchors, positives ``[n, Z]`` of the same target rows; negatives ``[m, Z]``, shared by all.
        """
        if not self.shared.faithful:
            anchors, positives, negatives = (
                normalize(x, dim=-1) for x in (anchors, positives, negatives)
            )
        own = (anchors * positives).sum(-1, keepdim=True)
        scores = torch.cat([own, anchors @ negatives.T], 1)
        if self.shared.faithful:
            truth = torch.zeros_like(scores)
            truth[:, 0] = 1.0
            return binary_cross_entropy_with_logits(scores, truth).reshape(1)
        return -torch.log_softmax(self.shared.sharpness * scores, -1)[:, 0].mean().reshape(1)

    def _fit(self, source, target) -> None:
        shared = self.shared
        for name, data in (("source", source), ("target", target)):
            require_rows(data, name, "IGDF's contrastive encoder")
        rng = np.random.default_rng([shared.prepare_seed, 1])
        (source_train, source_held), (target_train, target_held) = (
            hold_out(len(data), rng) for data in (source, target)
        )
        parts = (
            np.concatenate([d.observations, d.actions, d.next_observations], 1)
            for d in (source, target)
        )
        self.scaler = Scaler.fit(*parts, device=self.device)
        hidden, size = shared.hidden, shared.representation
        self.phi, self.psi = (
            trainable(
                init_mlp(
                    (n_in, hidden, hidden, size), seeded_generators([shared.prepare_seed], name)
                ),
                self.device,
            )
            for name, n_in in (("phi", self.n_obs + self.n_act), ("psi", self.n_obs))
        )

        def loss_of(target_index, source_index) -> Tensor:
            anchors, positives = self.represent(*tensors_of(target, target_index, self.device))
            _, negatives = self.represent(*tensors_of(source, source_index, self.device))
            return self.contrastive_loss(anchors, positives, negatives)

        def draw() -> Tensor:
            size = shared.encoder_batch
            return loss_of(rng.choice(target_train, size), rng.choice(source_train, size - 1))

        judge = None if shared.faithful else lambda: loss_of(target_held, source_held)
        self.held_out_loss = fit(
            [self.phi, self.psi], draw, judge,
            steps=shared.encoder_steps, rate=shared.encoder_rate,
        )  # fmt: skip

    def frozen(self) -> dict[str, Tensor]:
        scaler = {f"scaler.{name}": t for name, t in self.scaler.tensors().items()}
        return named("phi", self.phi) | named("psi", self.psi) | scaler

    def load_frozen(self, saved) -> None:
        self.phi, self.psi = unnamed("phi", saved), unnamed("psi", saved)
        self.scaler = Scaler(saved["scaler.mean"], saved["scaler.std"])

    @torch.no_grad()
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        scores = batch.columns["score"][:, : batch.n_source]
        kept = self.select(batch)
        return super().diagnostics(batch) | {
            "score_mean": scores.mean((1, 2)),
            "score_threshold": kept.columns["score"][:, : kept.n_source].amin((1, 2)),
        }
