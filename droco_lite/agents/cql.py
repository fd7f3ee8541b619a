"""CQL*: conservative Q-learning on the union of both data sets.

Kumar, Zhou, Tucker, Levine, "Conservative Q-Learning for Offline Reinforcement Learning", NeurIPS
2020, eq. 4 (CQL(H)).  The delta on :class:`~droco_lite.agents.sac.SAC`: the critics' loss gains

    weight * sum_j E[ log sum_a exp Q_j(s, a) - Q_j(s, a_data) ]

which pushes down what unseen actions promise and holds up the actions of the data.  The sum over
actions is estimated by importance sampling from n uniform actions, n of pi(s) and n of pi(s'), all
at s, each shifted by minus its log-density.  It is applied to the rows of both domains alike; what
the DROCO paper's CQL* did is not public.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.sac import SAC, Noise, SACSettings
from droco_lite.agents.settings import per_run, setting


@dataclass(frozen=True)
class CQLSettings(SACSettings):
    """CQL* with ODRL's numerics, so that it compares with IQL* and BOSA of the same benchmark.

    Near CORL's, tuned for single domains: ``depth=3, policy_rate=3e-5, learn_alpha=True, alpha=1,
    backup_entropy=False``.  That is not CORL's recipe whole: there alpha learns at the policy's
    rate of 3e-5 (here at ``learning_rate``, 3e-4), initial weights are orthogonal, the policy's
    log-std is shifted by -1, and observations are standardised.
    """

    method: ClassVar[str] = "cql"

    weight: float = per_run(10.0, low=0.0, help="of the conservative term (ODRL and CORL: 10)")
    candidates: int = setting(10, low=1, help="n actions of each kind (ODRL and CORL: 10)")


class CQL(SAC):
    """R runs of CQL*: SAC with a conservative term in the critics' loss (CQL, eq. 4)."""

    Settings = CQLSettings

    def __init__(self, runs, n_obs, n_act, device="cpu"):
        super().__init__(runs, n_obs, n_act, device)
        self.weight = self.column("weight")[:, 0, 0]

    def noise_size(self) -> int:
        rows = 2 * self.shared.batch_size
        return super().noise_size() + 3 * self.shared.candidates * rows * self.n_act

    def critic_term(self, batch: Batch, q: Tensor, noise: Noise) -> Tensor:
        """weight * sum_j E[ log sum_a exp Q_j(s, a) - Q_j(s, a_data) ], ``[R]``."""
        soft_maximum = torch.logsumexp(self.shifted_q(batch, noise), -1, keepdim=True)
        return self.weight * (soft_maximum - q).mean((2, 3)).sum(0)

    def shifted_q(self, batch: Batch, noise: Noise) -> Tensor:
        """Q_j(s, a) - log density(a) of all 3n candidate actions, ``[2, R, rows, 3n]``."""
        n, rows = self.shared.candidates, batch.rewards.shape[1]
        draws = [noise.take(n * rows, self.n_act) for _ in range(3)]
        with torch.no_grad():
            uniform = torch.erf(draws[0] / math.sqrt(2))  # a normal draw's rank is uniform
            flat = torch.full_like(uniform[..., :1], -self.n_act * math.log(2))
            at_s, log_p = self.sample(batch.observations, draws[1])
            at_next, log_p_next = self.sample(batch.next_observations, draws[2])
        actions = torch.cat([uniform, at_s, at_next], 1)
        log_density = torch.cat([flat, log_p, log_p_next], 1)
        here = batch.observations.repeat(1, 3 * n, 1)  # candidate-major: 3n times the whole batch
        shifted = self.q(self.critics, here, actions) - log_density
        return shifted.squeeze(-1).unflatten(2, (3 * n, rows)).transpose(2, 3)
