"""Random numbers of Hopper's shape: a step costs the same whatever they mean."""

from __future__ import annotations

import numpy as np

from droco_lite.data.transitions import Transitions

#: Columns of an observation and of an action, members of the ensemble, rows of a half, widths.
S, A, N, B, HIDDEN = 11, 3, 7, 128, 256


def random_transitions(rows: int, seed: int) -> Transitions:
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal(shape, np.float32)

    ends = rng.random(rows) < 0.002
    return Transitions(
        normal(rows, S), np.tanh(normal(rows, A)), normal(rows), normal(rows, S),
        ends, np.zeros(rows, bool),
    )  # fmt: skip
