"""Other ways to keep DROCO's values in range: what was tried beside floor and ceiling.

min_i V(s'_i) takes the lowest of N extrapolations, far from the target data.  Each setting below
changes one thing about that, and ``floor=-inf`` leaves both out, so that they can be compared
one by one (``results/bounds``):

    layer_norm     layers of Q and V are normalised before ReLU (Ball et al., ICML 2023), so that
                   values cannot grow with the distance from the data
    clip           predictions are clipped to the box of the target data's observations
    subset         the minimum over M members drawn anew at each step (REDQ, Chen et al., ICLR 2021)
    quantile       a quantile over the members in place of their minimum, which is 0
    drop_outside   source rows where the members disagree more than on 95 % of the target rows are
                   left out of the critics' loss

Ours, not the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from droco_lite.agents.batch import Batch
from droco_lite.agents.droco import DROCO, DROCOSettings
from droco_lite.agents.ensemble import disagreement
from droco_lite.agents.settings import setting

TARGET_QUANTILE = 0.95  # of the disagreement on target rows: above it a row counts as outside


@dataclass(frozen=True)
class BoundedDROCOSettings(DROCOSettings):
    """DROCO's settings, and one switch for each other bound."""

    method: ClassVar[str] = "droco-bounds"

    layer_norm: bool = setting(False, help="layer norm, without scale and shift, in Q and V")
    clip: bool = setting(False, help="clip predictions to the box of the target's observations")
    subset: int = setting(
        0, low=0, help="members drawn anew for each step's minimum, at most members; 0: all"
    )
    quantile: float = setting(0.0, low=0.0, high=1.0, help="over members; 0 is their minimum")
    drop_outside: bool = setting(False, help="critics skip source rows where members disagree")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("subset", "quantile"):
            if getattr(self, name) and self.worst == "coordinate":
                raise ValueError(
                    f"{name} {getattr(self, name)} and worst 'coordinate' exclude one another: "
                    f"'coordinate' leaves one state of all members; set worst to 'value', or "
                    f"{name} to 0"
                )
        refuse_subset(self.subset, self.members)


def refuse_subset(subset: int, members: int) -> None:
    """Refuse a subset that has more members than there are.

    Raises:
        ValueError: it has.
    """
    if subset > members:
        raise ValueError(
            f"subset must be at most members, got subset {subset} of members {members}; "
            "subset 0 is the minimum over all"
        )


class BoundedDROCO(DROCO):
    """R runs of DROCO whose values another bound keeps in range."""

    Settings = BoundedDROCOSettings

    def __init__(self, runs, n_obs, n_act, device="cpu", ensemble=None):
        super().__init__(runs, n_obs, n_act, device, ensemble)
        if ensemble is not None:
            refuse_subset(self.shared.subset, ensemble.members)
        if self.shared.layer_norm:
            self.value_activation = lambda x: torch.relu(layer_norm(x, x.shape[-1:]))

    def predict(self, source, target) -> np.ndarray:
        predicted = super().predict(source, target)
        if self.shared.clip:
            copies = predicted.shape[1] // self.n_obs
            both = np.concatenate([target.observations, target.next_observations])
            low, high = (np.tile(edge, copies) for edge in (both.min(0), both.max(0)))
            np.clip(predicted, low, high, out=predicted)
        return predicted

    def prepare(self, source, target) -> dict[str, np.ndarray]:
        columns = super().prepare(source, target)
        if self.shared.drop_outside:
            spread = self.disagreement(source)
            limit = np.quantile(self.disagreement(target), TARGET_QUANTILE)
            taught = np.concatenate([spread <= limit, np.ones(len(target), bool)])
            columns["taught"] = taught.astype(np.float32).reshape(-1, 1)
        return columns

    def disagreement(self, data) -> np.ndarray:
        """Standard deviation over members, in units of a usual step, root mean square ``[n]``."""

        def spread(mean: Tensor, std: Tensor, reward: Tensor) -> Tensor:
            return disagreement(mean, self.models.output_std[:-1])

        return self.models.predict_in_chunks(data.observations, data.actions, spread)[:, 0]

    def source_weight(self, batch: Batch) -> Tensor | float:
        if not self.shared.drop_outside:
            return super().source_weight(batch)
        return batch.columns["taught"][:, : batch.n_source]

    def noise_size(self) -> int:
        members = self.shared.members if self.ensemble is None else self.ensemble.members
        return members if self.shared.subset else 0

    def worst_value(self, values: Tensor, batch: Batch) -> Tensor:
        if self.shared.subset and batch.noise is not None:
            drawn = batch.noise.argsort(-1)[:, None, : self.shared.subset]
            values = values.gather(-1, drawn.expand(-1, values.shape[1], -1))
        if self.shared.quantile == 0:
            return super().worst_value(values, batch)
        return torch.quantile(values, self.shared.quantile, dim=-1, keepdim=True)
