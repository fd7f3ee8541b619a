"""The step as others take it: a plain port of the official one, plain IQL, and ours in JAX."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from random_data import HIDDEN, A, B, N, S
from torch import nn


def perceptron(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
        nn.Linear(HIDDEN, n_out),
    )  # fmt: skip


class PlainEnsemble(nn.Module):
    """Seven members as batched layers, as in the public MBPO ports."""

    def __init__(self):
        super().__init__()
        sizes = [S + A, 200, 200, 200, 200, 2 * (S + 1)]
        shapes = list(pairwise(sizes))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(N, i, o) * 0.05) for i, o in shapes
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(N, 1, o)) for o in sizes[1:])

    def forward(self, x):
        x = x.expand(N, -1, -1)
        for k, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(b, x, w)
            if k < len(self.weights) - 1:
                x = x * torch.sigmoid(x)
        mean, log_variance = x.chunk(2, -1)
        return mean, torch.exp(log_variance.clamp(-10, 0.5))


class Plain:
    """The plain eager step, one network, one loss and one optimiser after another."""

    def __init__(self, source, target, device, droco=True, reload=None, precision="highest"):
        self.precision = precision
        self.data = {"source": source, "target": target}
        self.device, self.droco, self.reload = device, droco, reload
        self.q = [perceptron(S + A, 1).to(device) for _ in range(2)]
        self.q_target = [perceptron(S + A, 1).to(device) for _ in range(2)]
        self.v, self.pi = perceptron(S, 1).to(device), perceptron(S, 2 * A).to(device)
        self.q_adam = torch.optim.Adam([p for q in self.q for p in q.parameters()], 3e-4)
        self.v_adam = torch.optim.Adam(self.v.parameters(), 3e-4)
        self.pi_adam = torch.optim.Adam(self.pi.parameters(), 3e-4)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.pi_adam, 1_000_000)
        self.ensemble = PlainEnsemble().to(device)
        if reload:
            torch.save(self.ensemble.state_dict(), reload)

    def sample(self, domain):
        data, index = self.data[domain], np.random.randint(0, len(self.data[domain]), B)
        arrays = (
            data.observations[index], data.actions[index], data.next_observations[index],
            data.rewards[index, None], 1.0 - data.terminations[index, None],
        )  # fmt: skip
        return [torch.as_tensor(x, dtype=torch.float32, device=self.device) for x in arrays]

    def step(self):
        source, target = self.sample("source"), self.sample("target")
        s, a, s2, r, go_on = (torch.cat(pair) for pair in zip(source, target, strict=True))
        penalty = 0.0
        if self.droco:
            if self.reload:
                state = torch.load(self.reload, map_location=self.device, weights_only=True)
                self.ensemble.load_state_dict(state)
            mean, variance = self.ensemble(torch.cat([source[0], source[1]], -1))
            worst = (source[0] + mean[..., 1:] + variance[..., 1:]).amin(0)
            penalty = (self.v(s2[:B]) - self.v(worst)).clamp(min=0).detach()
        sa = torch.cat([s, a], -1)
        with torch.no_grad():
            target_q = torch.minimum(*(q(sa) for q in self.q_target))
        advantage = target_q - self.v(s)
        v_loss = ((0.7 - (advantage < 0).float()).abs() * advantage**2).mean()
        self.v_adam.zero_grad()
        v_loss.backward()
        self.v_adam.step()
        with torch.no_grad():
            value = self.v(s2)
            if self.droco:
                value = torch.cat([value[:B] - penalty, value[B:]])
            y = r + 0.99 * go_on * value
        q_loss = 0.0
        for q in self.q:
            error = y - q(sa)
            if self.droco:
                huber = nn.functional.huber_loss(error[:B], torch.zeros_like(error[:B]), delta=50.0)
                q_loss = q_loss + huber + 0.5 * (error[B:] ** 2).mean()
            else:
                q_loss = q_loss + (error**2).mean()
        self.q_adam.zero_grad()
        q_loss.backward()
        self.q_adam.step()
        with torch.no_grad():
            for q, slow in zip(self.q, self.q_target, strict=True):
                for p, kept in zip(q.parameters(), slow.parameters(), strict=True):
                    kept.mul_(0.995).add_(0.005 * p)
        weight = torch.exp(3.0 * advantage.detach()).clamp(max=100.0)
        pi_loss = (weight * (torch.tanh(self.pi(s)[:, :A]) - a) ** 2).mean()
        self.pi_adam.zero_grad()
        pi_loss.backward()
        self.pi_adam.step()
        self.schedule.step()

    def run(self, steps):
        for _ in range(steps):
            self.step()


class Jax:
    """The same step, compiled by XLA: ``jit`` of a ``lax.scan`` over a block of steps."""

    precision = "highest"  # torch's; XLA does not look at it

    def __init__(self, source, target, predictions, block=20):
        import jax
        import jax.numpy as jnp

        self.jax, self.block, self.rng = jax, block, np.random.default_rng(0)
        columns = [
            np.concatenate([getattr(d, name).reshape(len(d), -1) for d in (source, target)])
            for name in ("observations", "actions", "rewards", "terminations", "next_observations")
        ]
        table = jnp.asarray(np.concatenate([*columns, predictions], 1, dtype=np.float32))
        self.sizes = len(source), len(source) + len(target)

        def update(state, index):
            p, q_target, m, v, t = state
            grads = jax.grad(self.losses)(p, q_target, table[index])
            t = t + 1
            tree = jax.tree.map
            m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
            v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
            scale = 3e-4 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            p = tree(lambda p, m, v: p - scale * m / (jnp.sqrt(v) + 1e-8), p, m, v)
            q_target = tree(lambda k, q: k + 0.005 * (q - k), q_target, p["q"])
            return (p, q_target, m, v, t), None

        params = self.parameters()
        zeros = jax.tree.map(jnp.zeros_like, params)
        self.state = (params, params["q"], zeros, zeros, jnp.zeros(()))
        self.scan = jax.jit(lambda state, index: jax.lax.scan(update, state, index)[0])

    def parameters(self) -> dict:
        """Initial weights of the critics, V and the policy: pairs (weight, bias) by layer."""
        random, zeros = self.jax.random, self.jax.numpy.zeros

        def init(key, n_in, n_out, n):
            layers = []
            for i, o in ((n_in, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, n_out)):
                key, sub = random.split(key)
                bound = i**-0.5
                weight = random.uniform(sub, (n, i, o), minval=-bound, maxval=bound)
                layers.append((weight, zeros((n, 1, o))))
            return layers

        keys = random.split(random.key(0), 3)
        return {
            "q": init(keys[0], S + A, 1, 2), "v": init(keys[1], S, 1, 1),
            "pi": init(keys[2], S, A, 1),
        }  # fmt: skip

    def net(self, layers, x):
        """Outputs of stacked perceptrons ``[n, rows, out]``."""
        jnp = self.jax.numpy
        for w, b in layers[:-1]:
            x = self.jax.nn.relu(jnp.einsum("nbi,nio->nbo", x, w) + b)
        w, b = layers[-1]
        return jnp.einsum("nbi,nio->nbo", x, w) + b

    def losses(self, p, q_target, rows):
        """The sum of the three losses for packed rows ``[2B, width]``."""
        jnp, net, fixed = self.jax.numpy, self.net, self.jax.lax.stop_gradient
        s, a, r, d, s2, predicted = jnp.split(rows, np.cumsum([S, A, 1, 1, S]), -1)
        sa = jnp.concatenate([s, a], -1)
        both = jnp.broadcast_to(sa, (2, *sa.shape))
        target_q = net(q_target, both).min(0)
        v_next = net(p["v"], s2[None])[0]
        worst = net(p["v"], predicted[:B].reshape(1, -1, S))[0].reshape(B, N).min(-1, keepdims=True)
        value = jnp.concatenate([v_next[:B] - 1.0 * (v_next[:B] - worst), v_next[B:]])
        y = fixed(r + 0.99 * (1 - d) * value)
        advantage = fixed(target_q) - net(p["v"], s[None])[0]
        v_loss = (jnp.abs(0.7 - (advantage < 0)) * advantage**2).mean()
        error = y - net(p["q"], both)
        clipped = jnp.clip(error[:, :B], -50.0, 50.0)
        huber = (clipped * (error[:, :B] - 0.5 * clipped)).mean((1, 2)).sum()
        q_loss = huber + 0.5 * (error[:, B:] ** 2).mean((1, 2)).sum()
        weight = fixed(jnp.minimum(jnp.exp(3.0 * advantage), 100.0))
        return v_loss + q_loss + (weight * (jnp.tanh(net(p["pi"], s[None])[0]) - a) ** 2).mean()

    def run(self, steps):
        for _ in range(max(1, steps // self.block)):
            source = self.rng.integers(0, self.sizes[0], (self.block, B))
            target = self.rng.integers(*self.sizes, (self.block, B))
            self.state = self.scan(self.state, np.concatenate([source, target], 1))
        self.jax.block_until_ready(self.state)
