"""OTDF: keep the source rows that optimal transport can carry cheaply to target rows.

Lyu, Yan, Xu, Yang, Bai, Wang, Lu, Li, "Cross-Domain Offline Policy Adaptation with Optimal
Transport and Dataset Constraint", ICLR 2025.  The delta on :class:`~droco_lite.agents.iql.IQL`:

    d_i   = - sum_j P_ij c_ij / sum_j P_ij     P the optimal plan from source to target rows,
                                               c the cost between (s, a, s') and (s, a, s')
    w_i   = exp( (d_i - max d) / (max d - min d) )                over the source rows of a batch
    L_pi += - lambda E[ log p(pi(s) | s) ]     p a conditional autoencoder of target actions

Each batch keeps the share of its source rows with the largest d, for every loss, and weighs their
critic loss by w.  Plans come from POT: entropic, exact or unbalanced.  A plan is solved for a chunk
of source rows against one random subset of target rows (``source_chunk``, ``target_rows``), since
its size is their product; so d compares a row with a sample of the target, and depends a little on
the rows of its chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.iql import IQL, IQLSettings
from droco_lite.agents.preparation import Prepared, Scaler, hold_out, require_rows, tensors_of
from droco_lite.agents.settings import per_run, setting
from droco_lite.agents.vae import CVAE, fit_cvae

OTDF_STD = (0.4 / 4) ** 0.5  # of the decoder, in the authors' code
BETA = 0.5  # weight of the KL term, authors' code


@dataclass(frozen=True)
class OTDFSettings(IQLSettings):
    """OTDF on IQL; defaults of the authors' command line.

    ``faithful`` computes what the authors' code computes: cosine costs of raw half-precision rows
    (dominated by velocities), d not divided by the row's mass (so a shorter last chunk ranks
    last), and a broadcast in the policy loss by which advantages scale it but never select actions.

    One thing differs in both: the authors evaluate the policy term at a sampled action.  Our policy
    has no standard deviation (nothing else would train it), so the term sees its mean.
    """

    method: ClassVar[str] = "otdf"

    reg_weight: float = per_run(0.5, low=0.0, help="lambda (authors' command line: 0.5)")
    keep: float = setting(
        0.8, low=0.0, high=1.0, help="share of source rows kept (authors' command line)"
    )
    weighted: bool = setting(True, help="w on the critic loss (authors pass --weight)")

    faithful: bool = setting(False, help="raw float16 costs, masses as they are, broadcast policy")
    prepare_seed: int = setting(0, low=0, help="chunks, target subset and the autoencoder")
    transport: str = setting(
        "entropic", among=("entropic", "exact", "unbalanced"), help="which POT solver"
    )
    cost: str = setting("cosine", among=("cosine", "euclidean"), help="authors: cosine")
    entropy: float = setting(
        0.05, low=1e-4, help="regularisation in mean costs (ott-jax's default, which authors use)"
    )
    marginal: float = setting(1.0, low=1e-4, help="KL weight of unbalanced masses, in mean costs")
    iterations: int = setting(100, low=1, help="Sinkhorn iterations at most (authors)")
    source_chunk: int = setting(2000, low=2, help="source rows of one plan; authors 10,000")
    target_rows: int = setting(2000, low=2, help="random target rows of every plan; authors all")
    cvae_steps: int = setting(10_000, low=1, help="authors")
    cvae_hidden: int = setting(750, low=1, help="authors")
    cvae_batch: int = setting(128, low=1, help="authors")
    cvae_rate: float = setting(1e-3, low=0.0, help="Adam (authors)")
    latents: int = setting(10, low=1, help="draws in log p (authors)")


class OTDF(IQL):
    """R runs of OTDF that share transport scores and one autoencoder."""

    Settings = OTDFSettings
    scores, cvae = Prepared[Tensor](), Prepared[CVAE]()

    def __init__(self, runs, n_obs, n_act, device="cpu"):
        super().__init__(runs, n_obs, n_act, device)
        self.reg_weight = self.column("reg_weight")
        if any(run.reg_weight > 0 for run in self.runs):
            self.policy_term = self._policy_term

    # ---- The delta ------------------------------------------------------------------------------

    def select(self, batch: Batch) -> Batch:
        """Weigh all source rows, then keep the best k of them, and all target rows."""
        d = batch.columns["score"][:, : batch.n_source]
        top, bottom = d.amax(1, keepdim=True), d.amin(1, keepdim=True)
        normalised = (batch.columns["score"] - top) / (top - bottom).clamp(min=1e-12)
        batch = replace(batch, columns={**batch.columns, "weight": torch.exp(normalised)})
        k = max(1, int(self.shared.keep * batch.n_source))
        return batch if k == batch.n_source else batch.keep_source(d[..., 0].topk(k, 1).indices)

    def source_weight(self, batch: Batch) -> Tensor | float:
        return batch.columns["weight"][:, : batch.n_source] if self.shared.weighted else 1.0

    def policy_weight(self, advantage: Tensor) -> Tensor:
        weight = super().policy_weight(advantage)
        if self.shared.faithful:  # mean over [N, N] of w_i e_j = mean(w) mean(e)
            return weight.mean(1, keepdim=True).expand_as(weight)
        return weight

    def _policy_term(self, batch: Batch, mean: Tensor) -> Tensor:
        """- lambda E[log p(pi(s) | s)] ``[R]``, divided by A like the regression's mean."""
        runs, rows, _ = mean.shape
        shape = (self.shared.latents, runs * rows, self.cvae.latent)
        if batch.noise is None:  # an evaluation, not a step
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn(shape, generator=generator).to(mean.device)
        else:
            per_row = batch.noise[:, : self.shared.latents * rows * self.cvae.latent]
            noise = per_row.unflatten(1, (self.shared.latents, rows, -1))
            noise = noise.transpose(0, 1).reshape(shape)
        log_p = self.cvae.log_likelihood(
            mean.flatten(0, 1), batch.observations.flatten(0, 1), noise[:, None], OTDF_STD,
            ratio=False,
        )  # fmt: skip
        return -self.reg_weight[:, 0, 0] * log_p.reshape(runs, rows).mean(1) / self.n_act

    def noise_size(self) -> int:
        if self.policy_term is None:
            return 0
        kept = max(1, int(self.shared.keep * self.shared.batch_size))
        return self.shared.latents * (kept + self.shared.batch_size) * 2 * self.n_act

    # ---- Transport and autoencoder --------------------------------------------------------------

    def prepare(self, source, target) -> dict[str, np.ndarray]:
        """Score every source row and fit the autoencoder, unless they were loaded.

        A target row scores 0, the cost of staying, should a run draw both halves there.
        """
        if not hasattr(self, "scores"):
            for name, data in (("source", source), ("target", target)):
                require_rows(data, name, "OTDF's transport plan")
            self.scores = torch.from_numpy(
                transport_scores(source, target, self.shared, self.device)
            )
        if self.policy_term is not None and not hasattr(self, "cvae"):
            self._fit_cvae(target)
        scores = self.scores.cpu().numpy()
        return {"score": np.concatenate([scores, np.zeros(len(target), np.float32)])[:, None]}

    def _fit_cvae(self, target) -> None:
        shared = self.shared
        require_rows(target, "target", "OTDF's autoencoder of target actions")
        rng = np.random.default_rng([shared.prepare_seed, 2])
        train, held = hold_out(len(target), rng)

        def rows(index) -> tuple[Tensor, Tensor]:
            s, a, _ = tensors_of(target, index, self.device)
            return a, s

        self.cvae, self.held_out_loss = fit_cvae(
            lambda: rows(rng.choice(train, shared.cvae_batch)), rows(held), bounded=True, members=1,
            hidden=shared.cvae_hidden, beta=BETA, steps=shared.cvae_steps, rate=shared.cvae_rate,
            seed=shared.prepare_seed, device=self.device,
        )  # fmt: skip

    def frozen(self) -> dict[str, Tensor]:
        saved = {"transport.scores": self.scores}
        return saved if self.policy_term is None else saved | self.cvae.tensors("cvae")

    def load_frozen(self, saved) -> None:
        self.scores = saved["transport.scores"]
        if self.policy_term is not None:
            self.cvae = CVAE.from_tensors("cvae", saved, bounded=True)

    @torch.no_grad()
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        kept = self.select(batch)
        return super().diagnostics(batch) | {
            "score_mean": batch.columns["score"][:, : batch.n_source].mean((1, 2)),
            "score_threshold": kept.columns["score"][:, : kept.n_source].amin((1, 2)),
        }


def transport_scores(source, target, settings: OTDFSettings, device="cpu") -> np.ndarray:
    """d of every source row, ``[n_source]``: minus the mean cost of carrying its mass.

    Chunks are equal in size up to one row and drawn at random (with ``faithful``: in the order of
    the file, the last one shorter), each against the same random target rows.
    """
    rng = np.random.default_rng([settings.prepare_seed, 3])
    subset = rng.permutation(len(target))[: settings.target_rows]
    y = features(target, subset)
    order = np.arange(len(source))
    if settings.faithful:
        scaler = Scaler.identity(y.shape[1], device)
        chunks = np.split(order, range(settings.source_chunk, len(source), settings.source_chunk))
    else:
        some = rng.integers(0, len(source), min(len(source), 100_000))
        scaler = Scaler.fit(features(source, some), y, device=device)
        chunks = np.array_split(rng.permutation(order), -(-len(source) // settings.source_chunk))

    def standardised(rows: np.ndarray) -> Tensor:
        rows = rows.astype(np.float16).astype(np.float32) if settings.faithful else rows
        return scaler(torch.as_tensor(rows, device=device))

    targets = standardised(y)
    scores = np.empty(len(source), np.float32)
    for chunk in chunks:
        cost = costs(standardised(features(source, chunk)), targets, settings.cost)
        found = plan(cost, settings)
        mass = 1.0 if settings.faithful else found.sum(1).clamp(min=1e-30)
        scores[chunk] = (-(found * cost).sum(1) / mass).cpu().numpy()
    return scores


def features(data, index) -> np.ndarray:
    """(s, a, s') of the rows ``index``, ``[n, 2S + A]``."""
    return np.concatenate(
        [data.observations[index], data.actions[index], data.next_observations[index]], 1
    )


def costs(x: Tensor, y: Tensor, kind: str) -> Tensor:
    """``[n, m]``: 1 - cos(x_i, y_j), or the squared distance."""
    if kind == "euclidean":
        return torch.cdist(x, y) ** 2
    x, y = (torch.nn.functional.normalize(z, dim=-1) for z in (x, y))
    return (1 - x @ y.T).clamp(min=0)


def plan(cost: Tensor, settings: OTDFSettings) -> Tensor:
    """POT's plan ``[n, m]`` between uniform masses; regularisation is in units of the mean cost."""
    import ot  # it loads SciPy's statistics and networkx: a second that only OTDF needs

    a, b = (torch.full((n,), 1.0 / n, device=cost.device) for n in cost.shape)
    if settings.transport == "exact":
        return ot.emd(a, b, cost)
    scaled = cost / cost.mean()
    if settings.transport == "unbalanced":
        return ot.unbalanced.sinkhorn_unbalanced(
            a, b, scaled, settings.entropy, settings.marginal, numItermax=settings.iterations
        )
    for method in ("sinkhorn", "sinkhorn_log"):  # the second is slower, and cannot overflow
        found = ot.sinkhorn(
            a, b, scaled, settings.entropy, method=method, numItermax=settings.iterations,
            stopThr=1e-6, warn=False,
        )  # fmt: skip
        if bool(torch.isfinite(found).all()) and bool((found.sum(1) > 0).all()):
            return found
    return found
