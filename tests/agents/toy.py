"""Small random data for tests of agents: not a robot, only shapes and a known seed."""

import numpy as np

from droco_lite.agents.batch import Batch
from droco_lite.data.transitions import Transitions

N_OBS, N_ACT = 5, 2


def transitions(rows: int, seed: int, shift: float = 0.0) -> Transitions:
    """s' = 0.9 s + 0.3 (a, a, ..) + shift + noise and r = -|s'|^2 / S: easily learnt."""
    rng = np.random.default_rng(seed)
    s = rng.standard_normal((rows, N_OBS)).astype(np.float32)
    a = np.tanh(rng.standard_normal((rows, N_ACT))).astype(np.float32)
    pushed = 0.3 * np.tile(a, (1, 3))[:, :N_OBS]
    s2 = 0.9 * s + pushed + shift + 0.05 * rng.standard_normal((rows, N_OBS))
    ends = rng.random(rows) < 0.02
    return Transitions(s, a, -(s2**2).mean(1), s2, ends, np.zeros(rows, bool))


def batch_of(agent, source, target, columns=None, rows=16, seed=0) -> Batch:
    """A batch of ``rows`` rows of each domain for every run of ``agent``."""
    import torch

    from droco_lite.training.rows import Rows

    table = Rows(source, target, columns if columns is not None else agent.prepare(source, target))
    rng = np.random.default_rng(seed)
    runs = len(agent.runs)
    index = np.concatenate(
        [
            rng.integers(0, len(source), (runs, rows)),
            len(source) + rng.integers(0, len(target), (runs, rows)),
        ],
        1,
    )
    return table.batch(torch.from_numpy(index))
