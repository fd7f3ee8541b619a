"""Q1, Q2, V, the policy and the target critics of R runs, padded into one stack of networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from droco_lite.agents.networks import Layers, init_mlp, seeded_generators


class PaddedNetworks:
    """Six networks a run in six tensors.

    All live in ``weights[l] [6, R, in, out]`` and ``biases[l] [6, R, 1, out]`` in the order Q1, Q2,
    V, pi, Q'1, Q'2, padded with zeros to one shape (V and pi have no action input; Q and V one
    output), so that a fast step can evaluate many in one product.  The stacks :attr:`critics`,
    :attr:`value`, :attr:`policy` and :attr:`targets` are views of them without the padding.  Zeros
    stay zeros: their gradient is zero.

    Attributes:
        learning: the part of the six tensors that gradients move (Q1, Q2, V, pi), weights first.
        following: the part that follows it (Q'1, Q'2).
    """

    def __init__(
        self, seeds: Sequence[int], n_obs: int, n_act: int, hidden: int, device: torch.device | str
    ):
        self.n_obs, self.n_act, self.runs = n_obs, n_act, len(seeds)
        ins, outs = (n_obs + n_act, hidden, hidden), (hidden, hidden, n_act)
        self.weights = [torch.zeros(6, self.runs, i, o) for i, o in zip(ins, outs, strict=True)]
        self.biases = [torch.zeros(6, self.runs, 1, o) for o in outs]
        for k, name in enumerate(("q1", "q2", "v", "pi")):
            n_in = n_obs + n_act if name.startswith("q") else n_obs
            n_out = n_act if name == "pi" else 1
            drawn = init_mlp((n_in, hidden, hidden, n_out), seeded_generators(seeds, name))
            for layer, (weight, bias) in enumerate(drawn):
                self.weights[layer][k, :, : weight.shape[1], : weight.shape[2]] = weight
                self.biases[layer][k, :, :, : bias.shape[2]] = bias
        self.weights = [w.to(device) for w in self.weights]
        self.biases = [b.to(device) for b in self.biases]
        for tensor in (*self.weights, *self.biases):
            tensor[4:] = tensor[:2]
        # A compiled step names these two, which do not overlap, and never the whole: so it changes
        # them in place, in one pass.
        self.learning = [tensor[:4] for tensor in self.weights + self.biases]
        self.following = [tensor[4:] for tensor in self.weights + self.biases]
        # Leaves for the optimiser: the critics and V share a learning rate, the policy has its own.
        self.critic_value_leaves = [self._leaf(slice(0, 3), k) for k in range(6)]
        self.policy_leaves = [self._leaf(slice(3, 4), k) for k in range(6)]

    def _leaf(self, part: slice, k: int) -> Tensor:
        return self.learning[k][part].detach().requires_grad_()

    def _stack(self, source: list[Tensor], part: slice, n_in: int, n_out: int) -> Layers:
        layers = []
        for layer in range(3):
            weight, bias = source[layer][part], source[layer + 3][part]
            rows = n_in if layer == 0 else weight.shape[2]
            cols = n_out if layer == 2 else weight.shape[3]
            layers.append(
                (weight[:, :, :rows, :cols].flatten(0, 1), bias[..., :cols].flatten(0, 1))
            )
        return layers

    @property
    def critics(self) -> Layers:
        """Q1, Q2: a stack of 2R networks from (s, a) to 1."""
        return self._stack(self.critic_value_leaves, slice(0, 2), self.n_obs + self.n_act, 1)

    @property
    def value(self) -> Layers:
        """V: a stack of R networks from s to 1."""
        if not torch.is_grad_enabled():  # a compiled step then sees no tensor by two names
            return self._stack(self.learning, slice(2, 3), self.n_obs, 1)
        return self._stack(self.critic_value_leaves, slice(2, 3), self.n_obs, 1)

    @property
    def policy(self) -> Layers:
        """pi before its tanh: a stack of R networks from s to A."""
        return self._stack(self.policy_leaves, slice(0, 1), self.n_obs, self.n_act)

    @property
    def targets(self) -> Layers:
        """Q'1, Q'2: a stack of 2R networks from (s, a) to 1."""
        return self._stack(self.following, slice(0, 2), self.n_obs + self.n_act, 1)

    @torch.no_grad()
    def move_targets(self, share: float) -> None:
        """Move Q'_j a ``share`` of the way to Q_j."""
        torch._foreach_lerp_(self.following, [tensor[:2] for tensor in self.learning], share)

    def tensors(self) -> dict[str, Tensor]:
        """Name -> tensor, for checkpoints."""
        named = {f"weight{k}": w for k, w in enumerate(self.weights)}
        return named | {f"bias{k}": b for k, b in enumerate(self.biases)}
