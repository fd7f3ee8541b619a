"""MICRO: model-based SAC whose backups lean towards the worst of an ensemble's predictions.

Liu, Zhou, Zhang, Zheng, Liu, "MICRO: Model-Based Offline Reinforcement Learning with a Conservative
Bellman Operator", IJCAI 2024.  A method for one domain, on :class:`~droco_lite.agents.sac.SAC`:
an ensemble of dynamics models is fitted to the data, the policy is rolled out in it from states of
the data, and half of each batch are such model rows.  Their targets pay, with s'_e ~ model e,

    u = mean_e q_e - min_e q_e,     q_e = min_j Q'_j(s'_e, a'),  a' ~ pi(s'_e)
    y = r + gamma (1 - d) ( min_j Q'_j(s', a') - alpha log pi(a' | s') - beta u )

while real rows keep SAC's.  It is DROCO's nearest relative: both take the worst next state that an
ensemble proposes, MICRO for rows the model made up, DROCO for rows of another domain.  Model and
real rows come from the target data by default (``halves``): how the DROCO paper ran it is not
public.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.ensemble import Ensemble, EnsembleSettings, ensemble_of
from droco_lite.agents.preparation import require_rows
from droco_lite.agents.sac import SAC, Noise, SACSettings
from droco_lite.agents.settings import per_run, setting
from droco_lite.data.transitions import concatenate

ROLLOUT_STREAM = 2  # beside the sampler's streams of batches and noise
ELITES = 5  # models used, of those fitted (authors)


@dataclass(frozen=True)
class MICROSettings(SACSettings):
    """MICRO; unless a field says otherwise, defaults of the authors' HalfCheetah-medium run.

    Ours, for feasibility: half of each batch is real (the authors' real_ratio is 0.05 or 0.5 by
    task), the model rows are those of the last roll-outs only (authors: of the last five), one
    sample of each model in u (authors: 10), and a roll-out's reward is the model's mean.  Further
    differences, of the cores that it shares with other methods: the policy's log-std is clamped to
    [-20, 2] (authors [-5, 2]), alpha learns at 3e-4 (1e-4), the policy's rate is constant
    (a cosine), a tenth of the data is held out (a fifth), and the models' log-variance has fixed
    bounds (learnt ones).
    ``faithful`` adds the clip y >= 0 of their code, which the paper does not mention and which is
    wrong where returns can be negative.
    """

    method: ClassVar[str] = "micro"

    halves: str = setting(
        "target", among=("target", "union", "source"), help="the data of models and real rows"
    )
    alpha: float = per_run(0.2, low=0.0, help="first temperature; ours")
    beta: float = per_run(0.5, low=0.0, help="weight of u (authors: 0.1 to 1.0 by task)")

    batch_size: int = setting(128, low=1, help="model rows, and as many real ones (authors 256)")
    policy_rate: float = setting(1e-4, low=0.0, help="Adam (authors, decaying by a cosine)")
    learn_alpha: bool = setting(True, help="target entropy - A (authors, all but Hopper)")
    most_alpha: float = setting(1.0, low=0.0, help="cap of alpha (authors); inf: none")
    steps: int = setting(1_000_000, low=1, help="gradient steps; authors 3,000,000")

    faithful: bool = setting(False, help="y = max(y, 0)")
    prepare_seed: int = setting(0, low=0, help="the models' weights, bootstraps and held-out rows")
    members: int = setting(7, low=1, help="models fitted (authors)")
    ensemble_epochs: int = setting(200, low=1, help="most passes over the data; ours, a cap")
    robot: str = setting("", help="whose known termination ends a roll-out; empty: none does")
    rollout_every: int = setting(1000, low=1, help="steps between roll-outs (authors)")
    rollout_starts: int = setting(2000, low=1, help="roll-outs at a time; authors 50,000")
    horizon: int = setting(5, low=1, help="their length (authors 1 to 10 by task)")
    penalty_samples: int = setting(1, low=1, help="samples of each model in u; authors 10")


class MICRO(SAC):
    """R runs of MICRO that share their models; each has model rows of its own."""

    Settings = MICROSettings

    def __init__(self, runs, n_obs, n_act, device="cpu"):
        super().__init__(runs, n_obs, n_act, device)
        self.beta = self.column("beta")
        self.fake: Tensor | None = None
        self.terminated = termination(self.shared.robot, n_obs)

    # ---- The delta ------------------------------------------------------------------------------

    def soft_value(self, batch: Batch, noise: Noise) -> Tensor:
        """SAC's, minus beta u for model rows, ``[R, rows, 1]``."""
        value = super().soft_value(batch, noise)
        fake, real = value.split([batch.n_source, value.shape[1] - batch.n_source], 1)
        return torch.cat([fake - self.beta * self.penalty(batch, noise), real], 1)

    def penalty(self, batch: Batch, noise: Noise) -> Tensor:
        """u of the model rows, ``[R, n_source, 1]``."""
        k, samples, elites = batch.n_source, self.shared.penalty_samples, self.models.members
        s, a = batch.observations[:, :k], batch.actions[:, :k]
        mean, std, _ = self.models.predict(s.flatten(0, 1), a.flatten(0, 1))

        def per_run(x: Tensor) -> Tensor:  # [E, R k, S] -> [R, samples E k, S]
            x = x.unflatten(1, (-1, k)).transpose(0, 1).flatten(1, 2)
            return x.repeat(1, samples, 1)

        rows = samples * elites * k
        s2 = per_run(mean) + per_run(std) * noise.take(rows, self.n_obs)
        actions, _ = self.sample(s2, noise.take(rows, self.n_act))
        q = self.q(self.targets, s2, actions).amin(0)
        q = q.unflatten(1, (samples, elites, k)).mean(1)
        return q.mean(1) - q.amin(1)

    def q_targets(self, batch: Batch, noise: Noise) -> Tensor:
        y = super().q_targets(batch, noise)
        return y.clamp(min=0.0) if self.shared.faithful else y

    def noise_size(self) -> int:
        shared = self.shared
        rows = shared.batch_size * min(ELITES, shared.members) * shared.penalty_samples
        return super().noise_size() + rows * (self.n_obs + self.n_act)

    # ---- The models -----------------------------------------------------------------------------

    def prepare(self, source, target) -> dict[str, np.ndarray]:
        """Fit the models, unless they were loaded, and keep the elites."""
        if self.ensemble is None:
            shared, name = self.shared, self.shared.halves
            parts = {"source": [source], "target": [target], "union": [source, target]}[name]
            data = concatenate(parts)
            require_rows(data, name, "MICRO's dynamics ensemble")
            fitted = ensemble_of(
                data,
                EnsembleSettings(
                    members=shared.members, elites=min(ELITES, shared.members),
                    seed=shared.prepare_seed, max_epochs=shared.ensemble_epochs,
                ),
                self.device, self.on_epoch,
            )  # fmt: skip
            best = list(fitted.elites)
            self.ensemble = replace(
                fitted,
                layers=[(w[best], b[best]) for w, b in fitted.layers],
                holdout_error=fitted.holdout_error[best],
                elites=tuple(range(len(best))),
            )
        return {}

    def frozen(self) -> dict[str, Tensor]:
        return {} if self.ensemble is None else self.ensemble.named("models")

    def load_frozen(self, saved: Mapping[str, Tensor]) -> None:
        self.ensemble = Ensemble.unnamed("models", saved)

    # ---- Roll-outs: rows of a run's own, beside the data's, made again every so often -----------

    @property
    def own_rows(self) -> int:  # type: ignore[override]
        """Model rows of each run; the sampler draws the first half of a batch from them."""
        return self.shared.rollout_starts * self.shared.horizon

    def attach(self, rows) -> None:
        """Take the part of the table that holds the runs' own rows."""
        self.fake = rows.own

    def due(self, step: int) -> bool:
        """Whether new roll-outs must be made before ``step``."""
        return step % self.shared.rollout_every == 0

    @torch.no_grad()
    def refresh(self, rows, step: int) -> None:
        """Replace all model rows by roll-outs of the present policies.

        What is drawn depends on a run's seed and ``step`` alone.  A roll-out that terminates goes
        on from another state of the data.
        """
        shared, runs, device = self.shared, len(self.runs), self.device
        n, h, models = shared.rollout_starts, shared.horizon, self.models.members
        everything = rows.n_source + rows.n_target
        low, high = {
            "source": (0, rows.n_source), "target": (rows.n_source, everything),
            "union": (0, everything),
        }[shared.halves]  # fmt: skip
        rngs = [np.random.default_rng([run.seed, ROLLOUT_STREAM, step]) for run in self.runs]

        def each(draw) -> Tensor:
            return torch.from_numpy(np.stack([draw(rng) for rng in rngs])).to(device)

        starts = each(lambda rng: rng.integers(low, high, (h, n)))
        which = each(lambda rng: rng.integers(0, models, (h, n)))
        for_action = each(lambda rng: rng.standard_normal((h, n, self.n_act), np.float32))
        for_state = each(lambda rng: rng.standard_normal((h, n, self.n_obs), np.float32))

        def data_states(t: int) -> Tensor:
            return rows.batch(starts[:, t]).observations

        table, s = [], data_states(0)
        for t in range(h):
            a, _ = self.sample(s, for_action[:, t])
            mean, std, reward = (
                x.unflatten(1, (runs, n))
                for x in self.models.predict(s.flatten(0, 1), a.flatten(0, 1))
            )
            chosen = which[:, t].reshape(1, runs, n, 1)
            mean, std, reward = (
                x.gather(0, chosen.expand(1, -1, -1, x.shape[-1]))[0] for x in (mean, std, reward)
            )
            s2 = mean + std * for_state[:, t]
            done = self.terminated(s2)
            table.append(
                rows.pack(
                    observations=s,
                    actions=a,
                    rewards=reward,
                    continues=1 - done,
                    next_observations=s2,
                )
            )
            s = torch.where(done.bool(), data_states((t + 1) % h), s2)
        rows.own.copy_(torch.cat(table, 1).flatten(0, 1))

    def state(self) -> dict[str, Tensor]:
        state = super().state()
        return state if self.fake is None else state | {"model_rows": self.fake}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        super().load_state(state)
        if self.fake is not None and "model_rows" in state:
            self.fake.copy_(state["model_rows"])

    @torch.no_grad()
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        noise = Noise(None, runs=len(self.runs), device=self.device)
        return super().diagnostics(batch) | {
            "penalty_mean": self.penalty(batch, noise).mean((1, 2))
        }


def termination(robot: str, n_obs: int):
    """Which next observations end an episode of ``robot``: ``[..., S]`` to ``[..., 1]``, 0 or 1.

    Without a robot, none.  Positions that an observation leaves out do not matter to any of them.

    Raises:
        ValueError: no such robot, or another number of observation columns.
    """
    if not robot:
        return lambda observations: torch.zeros_like(observations[..., :1])
    from droco_lite.robots import get_robot

    spec = get_robot(robot)
    if spec.observation_size != n_obs:
        raise ValueError(
            f"robot {robot!r} has {spec.observation_size} observation columns, the data {n_obs}"
        )

    def ends(observations: Tensor) -> Tensor:
        flat = observations.reshape(-1, n_obs).cpu().double().numpy()
        done = spec.terminated_from(flat)
        return (
            torch.as_tensor(done, device=observations.device)
            .to(observations.dtype)
            .reshape(*observations.shape[:-1], 1)
        )

    return ends
