"""Conditional variational autoencoders p(x | c), and the likelihood that one gives to an x.

Sohn, Lee, Yan, 2015; Kingma and Welling, 2014.  BOSA fits one to actions given observations and an
ensemble of them to next observations; OTDF fits one to target actions.  Members of an ensemble are
one stack and see the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from droco_lite.agents.networks import (
    Layers,
    init_mlp,
    mlp,
    seeded_generators,
    trainable,
)
from droco_lite.agents.preparation import fit, named, unnamed

LOG_STD_MIN, LOG_STD_MAX = -4.0, 15.0  # of the posterior, as in BOSA's and OTDF's code
LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class CVAE:
    """A stack of ``n`` autoencoders of x ``[.., rows, X]`` given c ``[.., rows, C]``.

    The decoder's mean ends in ``tanh`` if ``bounded`` (actions).
    """

    encoder: Layers
    decoder: Layers
    bounded: bool

    @property
    def members(self) -> int:
        """How many models are stacked."""
        return self.encoder[0][0].shape[0]

    @property
    def latent(self) -> int:
        """Size Z of the latent."""
        return self.encoder[-1][0].shape[-1] // 2

    def posterior(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z | x, c), each ``[n, rows, Z]``."""
        inputs = torch.cat([x, c], -1).expand(self.members, -1, -1)
        mean, log_std = mlp(self.encoder, inputs).chunk(2, -1)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)

    def decode(self, z: Tensor, c: Tensor) -> Tensor:
        """Mean of p(x | z, c), ``[n, rows, X]``."""
        out = mlp(self.decoder, torch.cat([c.expand(z.shape[0], -1, -1), z], -1))
        return torch.tanh(out) if self.bounded else out

    def loss(self, x: Tensor, c: Tensor, noise: Tensor, beta: float) -> Tensor:
        """Squared error of the reconstruction plus beta KL(q || N(0, 1)), per member ``[n]``.

        Both are means over all entries. ``noise [n, rows, Z]`` is standard normal.
        """
        mean, log_std = self.posterior(x, c)
        kl = -0.5 * (1 + 2 * log_std - mean**2 - torch.exp(2 * log_std))
        error = (self.decode(mean + torch.exp(log_std) * noise, c) - x) ** 2
        return error.mean((1, 2)) + beta * kl.mean((1, 2))

    def log_likelihood(
        self, x: Tensor, c: Tensor, noise: Tensor, std: float, ratio: bool = True
    ) -> Tensor:
        """Estimate of log p(x | c) by importance sampling, ``[n, rows]``.

        log mean_l p(x | z_l, c) p(z_l) / q(z_l | x, c) over draws z_l ~ q, where the decoder is
        normal with standard deviation ``std``.  ``noise [L, n, rows, Z]`` makes the draws.  Without
        ``ratio`` it is log sum_l p(x | z_l, c), OTDF's version.
        """
        draws, members, rows, _ = noise.shape
        mean, log_std = self.posterior(x, c)
        z = mean + torch.exp(log_std) * noise
        flat = z.transpose(0, 1).flatten(1, 2)  # every draw of a member as further rows
        repeated = c.expand(members, -1, -1).repeat(1, draws, 1)
        decoded = self.decode(flat, repeated).unflatten(1, (draws, rows)).transpose(0, 1)
        error = ((decoded - x) / std) ** 2
        log_p = -0.5 * (error + LOG_2PI + 2 * math.log(std)).sum(-1)
        if not ratio:
            return torch.logsumexp(log_p, 0)
        # The normalisers of prior and posterior cancel, except for the posterior's log_std.
        log_ratio = (0.5 * noise**2 - 0.5 * z**2 + log_std).sum(-1)
        return torch.logsumexp(log_p + log_ratio, 0) - math.log(draws)

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """All layers under names that begin with ``prefix``, for a checkpoint."""
        return named(f"{prefix}.encoder", self.encoder) | named(f"{prefix}.decoder", self.decoder)

    @classmethod
    def from_tensors(cls, prefix: str, saved: Mapping[str, Tensor], bounded: bool) -> CVAE:
        """The model that :meth:`tensors` put under ``prefix``."""
        encoder, decoder = (unnamed(f"{prefix}.{part}", saved) for part in ("encoder", "decoder"))
        return cls(encoder, decoder, bounded)


def fit_cvae(
    draw: Callable[[], tuple[Tensor, Tensor]],
    held_out: tuple[Tensor, Tensor],
    *,
    bounded: bool,
    members: int,
    hidden: int,
    beta: float,
    steps: int,
    rate: float,
    seed: int,
    device,
) -> tuple[CVAE, Tensor | None]:
    """Train on batches ``draw() -> (x, c)``; every member keeps its best weights on ``held_out``.

    Returns the autoencoder (latent size 2X, as in the public code) and the held-out losses [n],
    None after no step.
    """
    x, c = held_out
    latent = 2 * x.shape[-1]
    seeds = [members * seed + k for k in range(members)]
    sizes = (
        (x.shape[-1] + c.shape[-1], hidden, hidden, 2 * latent),
        (c.shape[-1] + latent, hidden, hidden, x.shape[-1]),
    )
    encoder, decoder = (
        trainable(init_mlp(size, seeded_generators(seeds, name)), device)
        for size, name in zip(sizes, ("encoder", "decoder"), strict=True)
    )
    cvae = CVAE(encoder, decoder, bounded)
    generator = torch.Generator().manual_seed(seed)

    def normal(rows: int) -> Tensor:
        return torch.randn(members, rows, latent, generator=generator).to(device)

    fixed = normal(len(x))

    def loss() -> Tensor:
        inputs = draw()
        return cvae.loss(*inputs, normal(len(inputs[0])), beta)

    best = fit(
        [encoder, decoder], loss, lambda: cvae.loss(x, c, fixed, beta), steps=steps, rate=rate
    )
    return cvae, best
