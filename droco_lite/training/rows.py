"""Both data sets as one table of packed rows on the device, and the batches drawn from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.batch import Batch

BATCH_STREAM, NOISE_STREAM = 0, 1
NOISE_BLOCK = 1_000_000  # draws of one run that are held at a time (4 MB)


class Rows:
    """Transitions of source, then target, one float32 row each: a batch is one gather.

    ``columns`` maps names to arrays ``[n_source + n_target, k]`` from a method's ``prepare``.
    Methods that make rows of their own get ``own`` further ones, empty at first, in :attr:`own`.
    """

    def __init__(self, source, target, columns: dict[str, np.ndarray], device="cpu", own: int = 0):
        self.n_source, self.n_target = len(source), len(target)
        columns = dict(columns)
        both = {
            "observations": (source.observations, target.observations),
            "actions": (source.actions, target.actions),
            "rewards": (source.rewards.reshape(-1, 1), target.rewards.reshape(-1, 1)),
            "continues": tuple(1.0 - d.terminations.reshape(-1, 1) for d in (source, target)),
            "next_observations": (source.next_observations, target.next_observations),
        }
        widths = {name: parts[0].shape[1] for name, parts in both.items()}
        widths |= {name: array.shape[1] for name, array in columns.items()}
        self.extra = tuple(columns)
        self.widths = widths
        # Filled on the host and moved once; a second copy of a large column is never made.
        rows = self.n_source + self.n_target
        table = torch.empty(rows + own, sum(widths.values()))
        table[rows:] = 0.0
        view, left = table.numpy()[:rows], 0
        for name, width in widths.items():
            part = view[:, left : left + width]
            if name in both:
                part[: self.n_source], part[self.n_source :] = both[name]
            else:
                part[:] = columns.pop(name)
            left += width
        self.table = table.to(device)
        self.own = self.table[rows:]

    def pack(self, **parts: Tensor) -> Tensor:
        """Arrays ``[..., k]`` of all fields of a row, by name, as rows ``[..., width]``."""
        return torch.cat([parts[name] for name in self.widths], -1)

    def batch(self, index: Tensor, noise: Tensor | None = None) -> Batch:
        """The rows ``index [R, 2B]``; the first half of each run's rows is its source half."""
        runs, rows = index.shape
        drawn = self.table.index_select(0, index.reshape(-1)).reshape(runs, rows, -1)
        parts = dict(zip(self.widths, drawn.split(list(self.widths.values()), -1), strict=True))
        columns = {name: parts.pop(name) for name in self.extra}
        return Batch(**parts, columns=columns, n_source=rows // 2, noise=noise)


class Sampler:
    """Row indices and noise for blocks of steps, from a stream of each run's own.

    Rows are drawn uniformly with replacement.

    Block ``b`` of a run depends on its seed and ``b`` alone: not on the runs beside it, the device,
    or on what was drawn before. So a resumed run needs no sampler state.
    """

    def __init__(
        self, runs: Sequence, n_source: int, n_target: int, batch_size: int, noise_size=0, own=0
    ):
        self.runs, self.batch_size, self.noise_size = list(runs), batch_size, noise_size
        self.own = own
        everything = n_source + n_target
        source, target = (0, n_source), (n_source, everything)
        self.ranges = {
            "union": (source, target), "target": (target, target), "source": (source, source)
        }  # fmt: skip
        self.places = {"union": (0, everything), "target": target, "source": source}

    def halves(self, r: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Ranges of the table that run ``r`` draws the halves of its batches from.

        A run with rows of its own draws the first half there and the second from the data.
        """
        run = self.runs[r]
        if not self.own:
            return self.ranges[run.halves]
        first = self.places["union"][1] + r * self.own
        return (first, first + self.own), self.places[run.halves]

    def block(self, number: int, steps: int) -> Tensor:
        """Indices ``[steps, R, 2B]``, in 32 bits: half as many to bring to a card."""
        index = np.empty((steps, len(self.runs), 2 * self.batch_size), np.int32)
        for r, run in enumerate(self.runs):
            rng = np.random.default_rng([run.seed, BATCH_STREAM, number])
            for half, (low, high) in enumerate(self.halves(r)):
                part = slice(half * self.batch_size, (half + 1) * self.batch_size)
                index[:, r, part] = rng.integers(low, high, (steps, self.batch_size))
        return torch.from_numpy(index)

    def noise_steps(self, longest: int) -> int:
        """Steps in a block of noise: at most ``longest``, fewer where a step needs much of it."""
        return max(8, min(longest, NOISE_BLOCK // max(1, self.noise_size)))

    def noise(self, number: int, steps: int, device: torch.device | str = "cpu") -> Tensor | None:
        """Standard normal draws ``[steps, R, k]`` for methods that ask for them.

        They depend on a run's seed and the block's ``number`` alone.  A CUDA device draws them
        itself, since the host could not keep up.  They come from a stream of each run, and differ
        from those that a CPU draws.
        """
        if not self.noise_size:
            return None
        if torch.device(device).type == "cuda":
            return self._noise_on(torch.device(device), number, steps)
        noise = np.empty((steps, len(self.runs), self.noise_size), np.float32)
        for r, run in enumerate(self.runs):
            rng = np.random.default_rng([run.seed, NOISE_STREAM, number])
            noise[:, r] = rng.standard_normal((steps, self.noise_size), np.float32)
        return torch.from_numpy(noise)

    def _noise_on(self, device: torch.device, number: int, steps: int) -> Tensor:
        """The draws of :meth:`noise`, made on ``device``."""
        noise = torch.empty(steps, len(self.runs), self.noise_size, device=device)
        for r, run in enumerate(self.runs):
            entropy = np.random.SeedSequence([run.seed, NOISE_STREAM, number])
            generator = torch.Generator(device)
            generator.manual_seed(int(entropy.generate_state(1, np.uint64)[0]) % 2**63)
            shape = (steps, self.noise_size)
            noise[:, r] = torch.randn(shape, generator=generator, device=device)
        return noise
