"""What one step sees: rows of both domains, for every run of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows drawn for R runs; the first ``n_source`` rows are the source half.

    Attributes:
        observations: s ``[R, rows, S]``.
        actions: a ``[R, rows, A]``.
        rewards: r ``[R, rows, 1]``.
        continues: 1 - terminal ``[R, rows, 1]``.
        next_observations: s' ``[R, rows, S]``.
        columns: what a method's ``prepare`` computed for each row, by name, ``[R, rows, k]``.
        n_source: rows of the source half.
        noise: standard normal draws ``[R, k]``, for methods that ask for them.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    continues: Tensor
    next_observations: Tensor
    columns: Mapping[str, Tensor]
    n_source: int
    noise: Tensor | None = None

    def keep_source(self, chosen: Tensor) -> Batch:
        """Only the source rows ``chosen [R, k]``, and every target row."""
        runs, rows = self.rewards.shape[:2]
        target = torch.arange(self.n_source, rows, device=chosen.device).expand(runs, -1)
        index = torch.cat([chosen, target], dim=1)

        def gather(x: Tensor) -> Tensor:
            return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))

        arrays = {f.name: gather(getattr(self, f.name)) for f in fields(self)[:5]}
        columns = {name: gather(x) for name, x in self.columns.items()}
        return replace(self, **arrays, columns=columns, n_source=chosen.shape[1])
