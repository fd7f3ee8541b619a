"""An ensemble of Gaussian dynamics models, fitted by maximum likelihood on target data.

Each member predicts the change of the observation and the reward, (s' - s, r), from (s, a), as in
PETS (Chua et al., 2018) and MBPO (Janner et al., 2019): four Swish layers of 200 units, a
log-variance softly clamped between two bounds, weight decay that grows with depth, and early
stopping on held-out rows.  All members are one stack.

Three differences from MBPO's and MICRO's code:

* biases decay here as weights do; there weights alone decay (in DROCO's code too);
* the bounds of the log-variance are fixed here; there they are learnt;
* a tenth of the rows is held out here; there a fifth is.  DROCO's code sets a tenth aside as well,
  but never computes an error on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.networks import (
    Layers,
    divisor,
    init_mlp,
    mlp,
    parameters,
    seeded_generators,
    trainable,
)
from droco_lite.agents.settings import Settings, setting
from droco_lite.data.chunks import chunks
from droco_lite.files import load_tensors

if TYPE_CHECKING:
    from droco_lite.data.transitions import Transitions

WEIGHT_DECAY = (2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4)  # by layer, as in MBPO
LOG_VARIANCE_MIN, LOG_VARIANCE_MAX = -10.0, 0.5


@dataclass(frozen=True)
class EnsembleSettings(Settings):
    """Size and fitting of the ensemble.

    From MBPO's code are ``members``, ``elites``, ``hidden``, ``learning_rate``, ``batch_size`` and
    ``patience``.  MICRO's code has the same ``members`` and ``elites``, the DROCO paper the same
    ``members`` (N = 7).  ``holdout`` and the cap ``max_epochs`` are ours.
    """

    members: int = setting(7, low=1, help="N, how many models are fitted")
    elites: int = setting(5, low=1, help="how many of them count as the best; at most members")
    hidden: int = setting(200, low=1, help="width of the four hidden layers")
    learning_rate: float = setting(1e-3, low=0.0, help="Adam's step size")
    batch_size: int = setting(256, low=1, help="rows that each member sees in one step")
    holdout: float = setting(
        0.1, low=0.0, high=1.0, help="share of the rows to stop by, between both ends; at most 1000"
    )
    patience: int = setting(
        5, low=1, help="passes in which no member's held-out error improves by 1 %, then it stops"
    )
    max_epochs: int = setting(200, low=1, help="most passes over the rows")
    seed: int = setting(0, low=0, help="weights, bootstraps and held-out rows")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.elites > self.members:
            raise ValueError(
                f"elites must be at most members, got {self.elites} elites of {self.members} "
                "members"
            )
        if not 0 < self.holdout < 1:
            raise ValueError(f"holdout must lie between 0 and 1, got {self.holdout}")


@dataclass(frozen=True)
class Ensemble:
    """A fitted ensemble.

    ``elites`` are the members with the smallest held-out error, best first; ``holdout_error
    [members]`` is the mean squared error of the standardised prediction on held-out rows (1 = no
    better than the mean); ``epochs`` is how many passes it took.
    """

    layers: Layers
    input_mean: Tensor
    input_std: Tensor
    output_mean: Tensor
    output_std: Tensor
    holdout_error: Tensor
    elites: tuple[int, ...]
    epochs: int

    @property
    def members(self) -> int:
        """How many models there are."""
        return self.layers[0][0].shape[0]

    @torch.no_grad()
    def predict(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Every member's next observation, its standard deviation, and reward.

        ``[rows, S]`` and ``[rows, A]`` give ``[members, rows, S]``, ``[members, rows, S]`` and
        ``[members, rows, 1]``.
        """
        inputs = (torch.cat([observations, actions], -1) - self.input_mean) / self.input_std
        mean, log_variance = gaussian(self.layers, inputs.expand(self.members, -1, -1))
        mean = mean * self.output_std + self.output_mean
        std = torch.exp(0.5 * log_variance) * self.output_std
        return observations + mean[..., :-1], std[..., :-1], mean[..., -1:]

    def predict_in_chunks(
        self, observations: np.ndarray, actions: np.ndarray, reduce: Callable, rows=4096
    ):
        """``reduce(next, std, reward)`` of every chunk of rows, joined.

        For data larger than the processor's cache. ``reduce`` maps to ``[chunk, k]``; the result is
        a float32 array ``[rows, k]``.
        """
        device, out = self.input_mean.device, None
        for part in chunks(len(observations), rows):
            s = torch.as_tensor(observations[part], device=device)
            a = torch.as_tensor(actions[part], device=device)
            done = reduce(*self.predict(s, a)).cpu().numpy()
            if out is None:
                out = np.empty((len(observations), done.shape[1]), np.float32)
            out[part] = done
        return out

    def tensors(self) -> dict[str, Tensor]:
        """Name -> tensor, for safetensors."""
        named = {
            f"layer{k // 2}.{('weight', 'bias')[k % 2]}": t
            for k, t in enumerate(parameters(self.layers))
        }
        for name in ("input_mean", "input_std", "output_mean", "output_std", "holdout_error"):
            named[name] = getattr(self, name)
        return named | {"elites": torch.tensor(self.elites), "epochs": torch.tensor(self.epochs)}

    def named(self, prefix: str) -> dict[str, Tensor]:
        """:meth:`tensors` under names that begin with ``prefix.``, for a checkpoint."""
        return {f"{prefix}.{name}": t for name, t in self.tensors().items()}

    @classmethod
    def unnamed(cls, prefix: str, saved: Mapping[str, Tensor]) -> Ensemble | None:
        """What :meth:`named` put under ``prefix``; None where nothing was."""
        start = f"{prefix}."
        own = {n.removeprefix(start): t for n, t in saved.items() if n.startswith(start)}
        return cls.from_tensors(own) if own else None

    @classmethod
    def from_tensors(cls, named: dict[str, Tensor]) -> Ensemble:
        """The ensemble that :meth:`tensors` put under these names."""
        depth = sum(name.endswith(".weight") for name in named)
        layers = [(named[f"layer{k}.weight"], named[f"layer{k}.bias"]) for k in range(depth)]
        rest = {n: t for n, t in named.items() if not n.startswith("layer")}
        elites, epochs = tuple(rest.pop("elites").tolist()), int(rest.pop("epochs"))
        return cls(layers=layers, elites=elites, epochs=epochs, **rest)

    @classmethod
    def load(cls, path, device="cpu") -> Ensemble:
        """The ensemble whose :meth:`tensors` a file holds.

        Raises:
            FileNotFoundError: there is no such file.
            DamagedFile: it is not what was written.
        """
        return cls.from_tensors(load_tensors(path, device)[0])


def disagreement(predicted: Tensor, unit: Tensor) -> Tensor:
    """Standard deviation over members, root mean square over columns, ``[rows, 1]``.

    Args:
        predicted: every member's next observation ``[members, rows, S]``.
        unit: of each column ``[S]``, such as the ensemble's ``output_std[:-1]``, a usual step.
    """
    return (predicted / unit).var(0, unbiased=False).mean(-1, keepdim=True).sqrt()


def gaussian(layers: Layers, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of standardised outputs, each ``[members, rows, S + 1]``.

    The log-variance is softly clamped to [LOG_VARIANCE_MIN, LOG_VARIANCE_MAX].
    """
    mean, raw = mlp(layers, inputs, activation=torch.nn.functional.silu).chunk(2, -1)
    upper = LOG_VARIANCE_MAX - torch.nn.functional.softplus(LOG_VARIANCE_MAX - raw)
    return mean, LOG_VARIANCE_MIN + torch.nn.functional.softplus(upper - LOG_VARIANCE_MIN)


def negative_log_likelihood(mean: Tensor, log_variance: Tensor, outputs: Tensor) -> Tensor:
    """Per member, up to constants: mean of (mu - y)^2 / sigma^2 + log sigma^2."""
    return ((mean - outputs) ** 2 * torch.exp(-log_variance) + log_variance).mean((1, 2))


def ensemble_of(
    data: Transitions,
    settings: EnsembleSettings = EnsembleSettings(),
    device: torch.device | str = "cpu",
    on_epoch: Callable[[int, np.ndarray], None] | None = None,
) -> Ensemble:
    """:func:`fit_ensemble` of a whole set of transitions.

    Args:
        data: the rows to learn from, target data in DROCO.
        settings: size and fitting.
        device: where the ensemble is fitted and lives.
        on_epoch: as in :func:`fit_ensemble`.

    Raises:
        ValueError: fewer than 20 rows, too few for a held-out part.
    """
    arrays = data.observations, data.actions, data.rewards, data.next_observations
    return fit_ensemble(*arrays, settings, device, on_epoch)


def fit_ensemble(
    observations: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    next_observations: np.ndarray,
    settings: EnsembleSettings = EnsembleSettings(),
    device: torch.device | str = "cpu",
    on_epoch: Callable[[int, np.ndarray], None] | None = None,
) -> Ensemble:
    """Fit by maximum likelihood; each member sees a bootstrap of the training rows.

    Stops when no member's held-out error has improved by 1 % for ``patience`` epochs, and keeps
    every member's best weights.

    Args:
        observations: s ``[n, S]``.
        actions: a ``[n, A]``.
        rewards: r ``[n]``.
        next_observations: s' ``[n, S]``.
        settings: size and fitting.
        device: where the ensemble is fitted and lives.
        on_epoch: called after each pass with (epoch, held-out errors ``[members]``).

    Raises:
        ValueError: fewer than 20 rows, too few for a held-out part.
    """
    rows = len(observations)
    if rows < 20:
        raise ValueError(
            f"an ensemble needs at least 20 target rows for its held-out part, got {rows}"
        )
    rng = np.random.default_rng(settings.seed)
    x = np.concatenate([observations, actions], 1, dtype=np.float32)
    y = np.concatenate(
        [next_observations - observations, rewards.reshape(-1, 1)], 1, dtype=np.float32
    )
    held, train = split_rows(rows, settings, rng)
    x_mean, x_std = _scale(x[train], device)
    y_mean, y_std = _scale(y[train], device)
    inputs = (torch.as_tensor(x, device=device) - x_mean) / x_std
    outputs = (torch.as_tensor(y, device=device) - y_mean) / y_std
    x_held, y_held = inputs[held].expand(settings.members, -1, -1), outputs[held]

    sizes = (x.shape[1], *[settings.hidden] * 4, 2 * y.shape[1])
    seeds = [settings.seed * settings.members + k for k in range(settings.members)]
    first = init_mlp(sizes, seeded_generators(seeds, "ensemble"))
    layers = trainable(first, device)
    groups = [
        {"params": list(layer), "weight_decay": decay}
        for layer, decay in zip(layers, WEIGHT_DECAY, strict=True)
    ]
    optimizer = torch.optim.Adam(groups, lr=settings.learning_rate, fused=True)

    best, epoch = _Best(layers), 0
    bootstraps = rng.choice(train, (settings.members, len(train)))
    while epoch < settings.max_epochs and best.since < settings.patience:
        epoch += 1
        rng.permuted(bootstraps, axis=1, out=bootstraps)
        for start in range(0, len(train), settings.batch_size):
            index = torch.as_tensor(
                bootstraps[:, start : start + settings.batch_size], device=device
            )
            optimizer.zero_grad(set_to_none=True)
            predicted = gaussian(layers, inputs[index])
            negative_log_likelihood(*predicted, outputs[index]).sum().backward()
            optimizer.step()
        error = best.compare(layers, x_held, y_held)
        if on_epoch is not None:
            on_epoch(epoch, error.cpu().numpy())

    frozen = [(best.weights[k], best.weights[k + 1]) for k in range(0, len(best.weights), 2)]
    elites = tuple(best.error.argsort()[: settings.elites].tolist())
    return Ensemble(frozen, x_mean, x_std, y_mean, y_std, best.error, elites, epoch)


def split_rows(
    rows: int, settings: EnsembleSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows that :func:`fit_ensemble` holds out, and of those that it fits.

    Args:
        rows: how many there are.
        settings: of the ensemble.
        rng: fresh, of the ensemble's seed.
    """
    order = rng.permutation(rows)
    n_holdout = min(max(1, int(settings.holdout * rows)), 1000)
    return order[:n_holdout], order[n_holdout:]


def _scale(part: np.ndarray, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column."""
    mean, std = part.mean(0), divisor(part.std(0))
    return torch.as_tensor(mean, device=device), torch.as_tensor(std, device=device)


class _Best:
    """Every member's best weights so far.

    Attributes:
        weights: the tensors of all members, in the order of :func:`parameters`.
        error: the held-out error of those weights, ``[members]``.
        since: passes since a member's error last improved by 1 %.
    """

    def __init__(self, layers: Layers):
        self.weights = [t.detach().clone() for t in parameters(layers)]
        first = self.weights[0]
        self.error = first.new_full((len(first),), float("inf"))
        self.since = 0

    @torch.no_grad()
    def compare(self, layers: Layers, inputs: Tensor, outputs: Tensor) -> Tensor:
        """Keep the members that became better; returns the held-out error now, ``[members]``."""
        error = ((gaussian(layers, inputs)[0] - outputs) ** 2).mean((1, 2))
        better = error < 0.99 * self.error
        chosen = better.reshape(-1, 1, 1)
        for kept, now in zip(self.weights, parameters(layers), strict=True):
            kept.copy_(torch.where(chosen, now, kept))
        self.error = torch.where(better, error, self.error)
        self.since = 0 if bool(better.any()) else self.since + 1
        return error
