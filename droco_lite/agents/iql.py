"""Implicit Q-learning on two domains: the core that DARA, IGDF, OTDF and DROCO change a little.

For a batch of transitions (s, a, r, s'), half of them from the source and half from the target
domain, one step of IQL [Kostrikov et al., ICLR 2022, eqs. 5-7] moves

    V   towards an expectile of the target critics,   L_V  = E[ |tau - 1{A < 0}| A^2 ],
                                                      A    = min_j Q'_j(s, a) - V(s)
    Q_j towards one-step targets,                     L_Q  = E_src[e_j^2] / 2 + E_tar[e_j^2] / 2,
                                                      e_j  = r + gamma (1 - d) V(s') - Q_j(s, a)
    pi  by advantage-weighted regression,             L_pi = E[ min(e^{A / lambda}, 100) w^2 ],
                                                      w    = pi(s) - a

and drags the target critics Q'_j after Q_j.  Everything a method of this family may change is a
*hook*: a method of :class:`IQL` that does nothing here (see "Hooks" below).  All arrays carry a
leading run axis R.

``temperature`` is the inverse, 1 / lambda, as in the field's code; 0 turns the policy step into
behaviour cloning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.networks import (
    Layers,
    init_mlp,
    mlp,
    per_run_column,
    repeat_rows,
    seeded_generators,
)
from droco_lite.agents.settings import Settings, per_run, setting


@dataclass(frozen=True)
class IQLSettings(Settings):
    """IQL* of the DROCO paper: implicit Q-learning on the union of both data sets.

    Defaults are those of the ODRL benchmark's ``iql`` (Lyu et al., 2024), equal for its four
    robots.
    """

    method: ClassVar[str] = "iql"

    label: str = per_run("", help="the run's name in tables and figures")
    seed: int = per_run(0, low=0, help="initial weights and batches")
    halves: str = per_run(
        "union",
        among=("union", "target", "source"),
        help="where the two halves of a batch come from",
    )
    expectile: float = per_run(0.7, low=0.0, high=1.0, help="tau of the value loss")
    temperature: float = per_run(3.0, low=0.0, help="1 / lambda of the policy loss; 0 clones")

    batch_size: int = setting(128, low=1, help="rows of each half of a batch")
    discount: float = setting(0.99, low=0.0, high=1.0)
    polyak: float = setting(
        0.005, low=0.0, high=1.0, help="share that target critics move each step"
    )
    learning_rate: float = setting(3e-4, low=0.0, help="Adam; the policy's decays to 0 by a cosine")
    hidden: int = setting(256, low=1, help="width of both hidden layers of every network")
    max_weight: float = setting(100.0, low=0.0, help="cap of the advantage weight")
    steps: int = setting(1_000_000, low=1, help="gradient steps, and the cosine's length")


@dataclass(frozen=True)
class Batch:
    """Rows drawn for R runs; the first ``n_source`` rows are the source half.

    observations, next_observations ``[R, rows, S]``; actions ``[R, rows, A]``; rewards and
    continues (1 - terminal) ``[R, rows, 1]``; ``columns`` holds what a method's :meth:`IQL.prepare`
    computed for each row, ``[R, rows, k]``; ``noise`` holds standard normal draws ``[R, k]`` for
    methods that ask for them.
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


class IQLNetworks:
    """Q1, Q2, V and the policy of R runs, and the target critics, in six tensors.

    All networks live in ``weights[l] [6, R, in, out]`` and ``biases[l] [6, R, 1, out]`` in the
    order Q1, Q2, V, pi, Q'1, Q'2, padded with zeros to one shape (V and pi have no action input; Q
    and V one output), so that a fast step can evaluate all six in one product.  The stacks
    :attr:`critics`, :attr:`value`, :attr:`policy` and :attr:`targets` are views of them without the
    padding.  Zeros stay zeros: their gradient is zero.
    """

    def __init__(self, seeds: Sequence[int], n_obs: int, n_act: int, hidden: int, device):
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
        # Leaves for the optimiser: the critics and V share a learning rate, the policy has its own.
        self.critic_value_leaves = [self._leaf(slice(0, 3), k) for k in range(6)]
        self.policy_leaves = [self._leaf(slice(3, 4), k) for k in range(6)]

    def _leaf(self, part: slice, k: int) -> Tensor:
        return (self.weights + self.biases)[k][part].detach().requires_grad_()

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
        return self._stack(self.critic_value_leaves, slice(0, 2), self.n_obs + self.n_act, 1)

    @property
    def value(self) -> Layers:
        if not torch.is_grad_enabled():  # a compiled step then sees no tensor by two names
            return self._stack(self.weights + self.biases, slice(2, 3), self.n_obs, 1)
        return self._stack(self.critic_value_leaves, slice(2, 3), self.n_obs, 1)

    @property
    def policy(self) -> Layers:
        return self._stack(self.policy_leaves, slice(0, 1), self.n_obs, self.n_act)

    @property
    def targets(self) -> Layers:
        return self._stack(self.weights + self.biases, slice(4, 6), self.n_obs + self.n_act, 1)

    def leaves(self) -> dict[str, list[Tensor]]:
        """The optimiser's leaves by the name of their group."""
        return {"critic_value": self.critic_value_leaves, "policy": self.policy_leaves}

    def tensors(self) -> dict[str, Tensor]:
        """Name -> tensor, for checkpoints."""
        named = {f"weight{k}": w for k, w in enumerate(self.weights)}
        return named | {f"bias{k}": b for k, b in enumerate(self.biases)}


class IQL:
    """R runs of IQL on the union of two data sets, and the hooks by which other methods differ.

    Parameters
    ----------
    runs : settings of each run; they may differ in the fields declared with ``per_run`` only.
    n_obs, n_act : sizes of an observation and an action.
    device : where the networks live.
    """

    Settings = IQLSettings

    def __init__(self, runs: Sequence[IQLSettings], n_obs: int, n_act: int, device="cpu"):
        self.runs, self.shared = list(runs), runs[0]
        self.n_obs, self.n_act, self.device = n_obs, n_act, torch.device(device)
        seeds = [run.seed for run in runs]
        self.networks = IQLNetworks(seeds, n_obs, n_act, self.shared.hidden, device)
        self.expectile = self.column("expectile")
        self.temperature = self.column("temperature")
        self.optimizer = self._make_optimizer()

    def column(self, name: str) -> Tensor:
        """A per-run setting as ``[R, 1, 1]``, to broadcast over rows."""
        return per_run_column(self.runs, name, self.device)

    def _make_optimizer(self) -> torch.optim.Adam:
        rate = self.shared.learning_rate
        # The policy's rate is a tensor, so that the schedule can move it inside a captured graph.
        self.policy_rate = torch.tensor(rate, device=self.device)
        groups = [
            {
                "params": self.networks.critic_value_leaves,
                "lr": torch.tensor(rate, device=self.device),
            },
            {"params": self.networks.policy_leaves, "lr": self.policy_rate},
        ]
        on_gpu = self.device.type == "cuda"
        return torch.optim.Adam(
            groups, fused=self.device.type in ("cpu", "cuda"), capturable=on_gpu
        )

    # ---- Hooks: what a method of this family may change -----------------------------------------

    def prepare(self, source, target) -> dict[str, np.ndarray]:
        """Work done once, before the first step; returns arrays ``[n_source + n_target, k]`` to
        carry with the rows.
        """
        return {}

    def frozen(self) -> dict[str, Tensor]:
        """Tensors that :meth:`prepare` made and no step changes, saved so that a resumed run need
        not make them again."""
        return {}

    def load_frozen(self, saved: Mapping[str, Tensor]) -> None:
        """Take :meth:`frozen` back from a checkpoint; :meth:`prepare` is called afterwards."""

    def noise_size(self) -> int:
        """Standard normal draws that one run needs in one step."""
        return 0

    def select(self, batch: Batch) -> Batch:
        """Drop source rows from all losses; the number kept must be constant."""
        return batch

    def source_weight(self, batch: Batch) -> Tensor | float:
        """Weights ``[R, n_source, 1]`` of source rows in the critic loss only."""
        return 1.0

    def target_weight(self, batch: Batch) -> Tensor | float:
        """The same for target rows."""
        return 1.0

    def rewards(self, batch: Batch) -> Tensor:
        """Rewards ``[R, rows, 1]`` that the critics' targets use."""
        return batch.rewards

    def source_value(self, batch: Batch, next_value: Tensor) -> Tensor:
        """What stands for V(s') in the targets of source rows, ``[R, n_source, 1]``."""
        return next_value

    def source_clip(self) -> Tensor | float:
        """Bound on the derivative of the critic loss of a source row: Huber's delta; infinity is
        L2."""
        return float("inf")

    def target_clip(self) -> Tensor | float:
        """The same for target rows."""
        return float("inf")

    def policy_weight(self, advantage: Tensor) -> Tensor:
        """Weights ``[R, rows, 1]`` of the policy's regression: min(e^{A / lambda}, max_weight)."""
        return advantage_weight(advantage, self.temperature, self.shared.max_weight)

    value_activation = staticmethod(torch.relu)
    """What follows each hidden layer of Q and V."""

    reward_slack = 0.0
    """How far :meth:`rewards` may move a reward: the range of possible values widens by it."""

    policy_term = None
    """Optional ``policy_term(batch, mean) -> [R]``, added to the policy loss."""

    # ---- One step, in the order of the equations ------------------------------------------------

    def v(self, observations: Tensor) -> Tensor:
        """V of each run ``[R, rows, 1]``, without gradients."""
        with torch.no_grad():
            return mlp(self.networks.value, observations, self.value_activation)

    def act(self, observations: Tensor) -> Tensor:
        """Deterministic actions ``[R, rows, A]`` for observations ``[R, rows, S]``."""
        with torch.no_grad():
            return torch.tanh(mlp(self.networks.policy, observations))

    def q_min(self, layers: Layers, observations: Tensor, actions: Tensor) -> Tensor:
        """The smaller of two critics, ``[R, rows, 1]``."""
        inputs = repeat_rows(torch.cat([observations, actions], -1), 2)
        both = mlp(layers, inputs, self.value_activation)
        return both.unflatten(0, (2, -1)).amin(0)

    @torch.no_grad()
    def q_targets(self, batch: Batch) -> Tensor:
        """y = r + gamma (1 - d) V(s'), with :meth:`source_value` in place of V(s') for source
        rows."""
        next_value = self.v(batch.next_observations)
        source, target = next_value.split([batch.n_source, next_value.shape[1] - batch.n_source], 1)
        backed_up = torch.cat([self.source_value(batch, source), target], 1)
        return self.rewards(batch) + self.shared.discount * batch.continues * backed_up

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The three losses of each run, ``[R]``, of an already selected batch."""
        net, k = self.networks, batch.n_source
        with torch.no_grad():
            target_q = self.q_min(net.targets, batch.observations, batch.actions)
            y = self.q_targets(batch)

        advantage = target_q - mlp(net.value, batch.observations, self.value_activation)
        value_loss = expectile_loss(advantage, self.expectile).mean((1, 2))

        inputs = torch.cat([batch.observations, batch.actions], -1)
        q = mlp(net.critics, repeat_rows(inputs, 2), self.value_activation).unflatten(0, (2, -1))
        source_error, target_error = (y - q)[:, :, :k], (y - q)[:, :, k:]
        source_loss = self.source_weight(batch) * huber(source_error, self.source_clip())
        target_loss = self.target_weight(batch) * huber(target_error, self.target_clip())
        q_loss = pooled_mean(source_loss, target_loss, self.pool_weights(batch)).sum(0)

        mean = torch.tanh(mlp(net.policy, batch.observations))
        weight = self.policy_weight(advantage.detach())
        policy_loss = (weight * (mean - batch.actions) ** 2).mean((1, 2))
        if self.policy_term is not None:
            policy_loss = policy_loss + self.policy_term(batch, mean)
        return {"value_loss": value_loss, "q_loss": q_loss, "policy_loss": policy_loss}

    def pool_weights(self, batch: Batch) -> tuple[float, float]:
        """Shares of the source and target halves in the critic loss.

        Pooled over all rows kept: with equal halves this is the sum of both means of half squares
        that the DROCO code takes.
        """
        rows = batch.rewards.shape[1]
        return 2 * batch.n_source / rows, 2 * (rows - batch.n_source) / rows

    def gradients(self, batch: Batch) -> None:
        """Fill every leaf's ``.grad`` by autograd.  Runs are independent, so their losses may be
        summed."""
        self.optimizer.zero_grad(set_to_none=True)
        sum(loss.sum() for loss in self.losses(batch).values()).backward()

    def update(self, batch: Batch, progress: Tensor | float) -> None:
        """One gradient step of everything.  ``progress`` in [0, 1] drives the policy's cosine
        schedule."""
        self.gradients(self.select(batch))
        self.apply(progress)

    @torch.no_grad()
    def apply(self, progress: Tensor | float) -> None:
        """Adam with the gradients at hand, then move the target critics."""
        self.policy_rate.copy_(cosine(self.shared.learning_rate, progress))
        self.optimizer.step()
        tensors = self.networks.weights + self.networks.biases
        torch._foreach_lerp_([t[4:] for t in tensors], [t[:2] for t in tensors], self.shared.polyak)

    # ---- What the loop logs and saves -----------------------------------------------------------

    @torch.no_grad()
    def values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """V(s) of all rows ``[R, rows, 1]``; what is backed up for source rows, the same shape."""
        following = self.v(batch.next_observations[:, : batch.n_source])
        return self.v(batch.observations), self.source_value(batch, following)

    @torch.no_grad()
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        """Figures ``[R]`` worth logging; not part of a step, so a step never waits for them."""
        batch = self.select(batch)
        k, net = batch.n_source, self.networks
        value = self.v(batch.next_observations)
        advantage = self.q_min(net.targets, batch.observations, batch.actions) - self.v(
            batch.observations
        )
        weight = self.policy_weight(advantage)
        return self.losses(batch) | {
            "v_source": value[:, :k].mean((1, 2)),
            "v_target": value[:, k:].mean((1, 2)),
            "weight_mean": weight.mean((1, 2)),
            "weight_capped": (weight >= self.shared.max_weight).float().mean((1, 2)),
        }

    def state(self) -> dict[str, Tensor]:
        """All tensors that a step changes, by name: saving and restoring them resumes a run
        exactly."""
        state = {f"network.{name}": t for name, t in self.networks.tensors().items()}
        for group, leaves in self.networks.leaves().items():
            for k, leaf in enumerate(leaves):
                for name, tensor in self.optimizer.state.get(leaf, {}).items():
                    state[f"adam.{group}.{k}.{name}"] = tensor
        return state

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state` returned."""
        for name, tensor in self.networks.tensors().items():
            tensor.copy_(state[f"network.{name}"])
        for group, leaves in self.networks.leaves().items():
            for k, leaf in enumerate(leaves):
                prefix = f"adam.{group}.{k}."
                saved = {
                    n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)
                }
                if saved:
                    self.optimizer.state[leaf] = {
                        n: t.clone().to(t.device if n == "step" else self.device)
                        for n, t in saved.items()
                    }


def expectile_loss(advantage: Tensor, expectile: Tensor | float) -> Tensor:
    """|tau - 1{A < 0}| A^2 (IQL, eq. 5)."""
    return (expectile - (advantage < 0).float()).abs() * advantage**2


def huber(error: Tensor, delta: Tensor | float) -> Tensor:
    """e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2) (Huber, 1964); delta may be
    infinite."""
    clipped = error.clamp(-delta, delta)
    return clipped * (error - 0.5 * clipped)


def pooled_mean(source: Tensor, target: Tensor, weights: tuple[float, float]) -> Tensor:
    """Weighted sum of both halves' means over rows, ``[..., R]``."""
    return weights[0] * source.mean((-1, -2)) + weights[1] * target.mean((-1, -2))


def advantage_weight(advantage: Tensor, temperature: Tensor | float, max_weight: float) -> Tensor:
    """min(exp(A / lambda), max_weight) with temperature = 1 / lambda (IQL, eq. 7)."""
    return torch.exp(temperature * advantage).clamp(max=max_weight)


def cosine(rate: float, progress: Tensor | float) -> Tensor:
    """The rate, decayed to zero by half a cosine as ``progress`` goes from 0 to 1."""
    return 0.5 * rate * (1 + torch.cos(torch.pi * torch.as_tensor(progress)))
