"""Gradient steps per second: ours beside a plain port of the official step, plain IQL, and JAX.

    python benchmarks/training_step.py                       # CPU, about three minutes
    python benchmarks/training_step.py --device cuda         # GPU, stacks of 1, 8, 64, 256 runs
    python benchmarks/training_step.py --quick               # seconds, prints only

All variants are built first; then short windows take turns, so that whatever else the machine does
falls on all alike.  A ratio is taken within each round; the table gives its median and extremes.
The data are random numbers of Hopper's shape: a step costs the same whatever they mean.  On a CPU
the process is pinned to as many cores as it has threads.

* official: what the released DROCO step does, written here from its description: a NumPy replay
  buffer, the ensemble run on every batch, separate networks, three losses and three plain Adams one
  after another, eager.  ``official + reload`` also reads the ensemble's checkpoint at every step.
  It leaves torch's matrix products at their default, as the release does.
* official, our products: the same with the products that our loop chooses on this device (see
  :func:`droco_lite.training.precision.choose_precision`), so that what the products and what the
  rest of the design give can be told apart.
* iql: the plain style without DROCO's terms.
* jax: our step in JAX, ``jit`` of a ``lax.scan`` over a block of steps (needs ``jax``).
* autograd, manual, compiled, graph: the modes of ``droco_lite.training``.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from droco_lite.agents import DROCO, DROCOSettings
from droco_lite.data.transitions import Transitions
from droco_lite.files import write_json
from droco_lite.provenance import provenance
from droco_lite.training.precision import choose_precision
from droco_lite.training.rows import Rows, Sampler
from droco_lite.training.steps import Stepper

RESULTS = Path(__file__).resolve().parent.parent / "results" / "benchmarks"
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


class Ours:
    """A stack of runs in one of the loop's modes."""

    def __init__(self, source, target, predictions, device, mode, runs=1, precision="highest"):
        self.precision = precision
        settings = [DROCOSettings(seed=seed) for seed in range(runs)]
        agent = DROCO(settings, S, A, device=device)
        rows = Rows(source, target, {"predictions": predictions}, device)
        sampler = Sampler(settings, len(source), len(target), B)
        self.stepper, self.done = Stepper(agent, rows, sampler, mode), 0

    def run(self, steps):
        self.stepper.run(self.done, steps)
        self.done += steps


class Jax:
    """The same step, compiled by XLA."""

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
        cuts = np.cumsum([S, A, 1, 1, S])

        def init(key, n_in, n_out, n):
            layers = []
            for i, o in ((n_in, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, n_out)):
                key, sub = jax.random.split(key)
                bound = i**-0.5
                layers.append(
                    (
                        jax.random.uniform(sub, (n, i, o), minval=-bound, maxval=bound),
                        jnp.zeros((n, 1, o)),
                    )
                )
            return layers

        def net(layers, x):
            for w, b in layers[:-1]:
                x = jax.nn.relu(jnp.einsum("nbi,nio->nbo", x, w) + b)
            w, b = layers[-1]
            return jnp.einsum("nbi,nio->nbo", x, w) + b

        keys = jax.random.split(jax.random.key(0), 3)
        params = {"q": init(keys[0], S + A, 1, 2), "v": init(keys[1], S, 1, 1)}
        params["pi"] = init(keys[2], S, A, 1)

        def losses(p, q_target, rows):
            s, a, r, d, s2, predicted = jnp.split(rows, cuts, -1)
            sa = jnp.concatenate([s, a], -1)
            both = jnp.broadcast_to(sa, (2, *sa.shape))
            target_q = net(q_target, both).min(0)
            v_next = net(p["v"], s2[None])[0]
            worst = (
                net(p["v"], predicted[:B].reshape(1, -1, S))[0].reshape(B, N).min(-1, keepdims=True)
            )
            value = jnp.concatenate([v_next[:B] - 1.0 * (v_next[:B] - worst), v_next[B:]])
            y = jax.lax.stop_gradient(r + 0.99 * (1 - d) * value)
            advantage = jax.lax.stop_gradient(target_q) - net(p["v"], s[None])[0]
            v_loss = (jnp.abs(0.7 - (advantage < 0)) * advantage**2).mean()
            error = y - net(p["q"], both)
            clipped = jnp.clip(error[:, :B], -50.0, 50.0)
            huber = (clipped * (error[:, :B] - 0.5 * clipped)).mean((1, 2)).sum()
            q_loss = huber + 0.5 * (error[:, B:] ** 2).mean((1, 2)).sum()
            weight = jax.lax.stop_gradient(jnp.minimum(jnp.exp(3.0 * advantage), 100.0))
            return v_loss + q_loss + (weight * (jnp.tanh(net(p["pi"], s[None])[0]) - a) ** 2).mean()

        def update(state, index):
            p, q_target, m, v, t = state
            grads = jax.grad(losses)(p, q_target, table[index])
            t = t + 1
            tree = jax.tree.map
            m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
            v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
            scale = 3e-4 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            p = tree(lambda p, m, v: p - scale * m / (jnp.sqrt(v) + 1e-8), p, m, v)
            q_target = tree(lambda k, q: k + 0.005 * (q - k), q_target, p["q"])
            return (p, q_target, m, v, t), None

        zeros = jax.tree.map(jnp.zeros_like, params)
        self.state = (params, params["q"], zeros, zeros, jnp.zeros(()))
        self.scan = jax.jit(lambda state, index: jax.lax.scan(update, state, index)[0])

    def run(self, steps):
        for _ in range(max(1, steps // self.block)):
            source = self.rng.integers(0, self.sizes[0], (self.block, B))
            target = self.rng.integers(*self.sizes, (self.block, B))
            self.state = self.scan(self.state, np.concatenate([source, target], 1))
        self.jax.block_until_ready(self.state)


def rate(variant, seconds: float, device, chunk: int = 20) -> float:
    """Steps per second over a window of at least ``seconds``."""
    torch.set_float32_matmul_precision(variant.precision)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        variant.run(chunk)
        done += chunk
        if device.type == "cuda":
            torch.cuda.synchronize()
    return done / (time.perf_counter() - start)


def matmul_ceiling(device) -> float:
    """TFLOP/s of a large float32 product, the card's or the cores' own ceiling."""
    n = 4096 if device.type == "cuda" else 1024
    x = torch.randn(n, n, device=device)
    for _ in range(3):
        x @ x
    if device.type == "cuda":
        torch.cuda.synchronize()
    start, times = time.perf_counter(), 10
    for _ in range(times):
        x @ x
    if device.type == "cuda":
        torch.cuda.synchronize()
    return times * 2 * n**3 / (time.perf_counter() - start) / 1e12


def step_flops() -> float:
    """Floating-point operations of one step of one run, the ensemble's predictions given."""

    def forward(rows, n_in, n_out):
        return 2 * rows * (n_in * HIDDEN + HIDDEN * HIDDEN + HIDDEN * n_out)

    trained = 2 * forward(2 * B, S + A, 1) + forward(2 * B, S, 1) + forward(2 * B, S, A)
    frozen = 2 * forward(2 * B, S + A, 1) + forward(2 * B + N * B, S, 1)
    return 3 * trained + frozen  # a backward pass costs twice a forward one


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of every variant")
    parser.add_argument("--stacks", type=int, nargs="*", help="numbers of stacked runs")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--window", type=float, default=0.5, help="seconds of one window")
    parser.add_argument("--rows", type=int, default=300_000, help="source rows")
    parser.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "highest", "high", "medium"),
        help="of our variants, as in LoopSettings",
    )
    parser.add_argument("--quick", action="store_true", help="small and short; writes nothing")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.window, args.rows = 2, 0.05, 2_000
    args.stacks = args.stacks or ([1, 8, 64, 256] if args.device.startswith("cuda") else [1, 4])
    return args


def variants_of(args, device: torch.device, precision: str, folder: str) -> dict:
    """Name -> what is measured; :func:`stacked` tells how many runs each holds."""
    source, target = random_transitions(args.rows, 0), random_transitions(args.rows // 10, 1)
    predictions = np.random.default_rng(2).standard_normal(
        (len(source) + len(target), N * S), np.float32
    )
    reload = os.path.join(folder, "ensemble.pt")
    variants = {
        "official + reload": Plain(source, target, device, reload=reload),
        "official": Plain(source, target, device),
        "official, our products": Plain(source, target, device, precision=precision),
        "iql": Plain(source, target, device, droco=False),
        "autograd": Ours(source, target, predictions, device, "autograd", precision=precision),
    }
    for mode in ("graph",) if device.type == "cuda" else ("manual", "compiled"):
        for runs in args.stacks:
            name = mode if runs == 1 else f"{mode} x {runs}"
            variants[name] = Ours(source, target, predictions, device, mode, runs, precision)
    try:
        variants["jax"] = Jax(source, target, predictions)
    except ImportError:
        print("jax is not installed; its row is left out")
    return variants


def stacked(name: str) -> int:
    """How many runs a variant holds, by its name."""
    return int(name.split(" x ")[1]) if " x " in name else 1


def measured(variants: dict, args, device: torch.device) -> dict[str, list[float]]:
    """Run-steps a second of each variant in each round, side by side."""
    for name, variant in variants.items():  # compile, capture, warm up
        start = time.perf_counter()
        torch.set_float32_matmul_precision(variant.precision)
        variant.run(20)
        print(f"{name:22s} ready after {time.perf_counter() - start:5.1f} s", flush=True)
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for k in range(args.rounds):
        for name in list(variants)[:: 1 if k % 2 else -1]:
            rates[name].append(stacked(name) * rate(variants[name], args.window, device))
    return rates


def table_of(rates: dict[str, list[float]], ceiling: float) -> list[dict]:
    """One line a variant: its rate, its ratio to the official step, its share of the ceiling."""
    table = []
    for name, found in rates.items():
        ratios = [m / base for m, base in zip(found, rates["official"], strict=True)]
        share = statistics.median(found) * step_flops() / ceiling / 1e12
        table.append(
            {
                "variant": name,
                "run_steps_per_second": round(statistics.median(found), 1),
                "best": round(max(found), 1),
                "ratio_to_official": round(statistics.median(ratios), 2),
                "ratio_min": round(min(ratios), 2),
                "ratio_max": round(max(ratios), 2),
                "share_of_matmul_ceiling": round(share, 3),
            }
        )
    return table


def show(table: list[dict]) -> None:
    """Print the table."""
    print(f"\n{'variant':22s} run-steps/s  x official (min - max)  share of ceiling")
    for row in table:
        spread = f"({row['ratio_min']:.2f} - {row['ratio_max']:.2f})"
        print(
            f"{row['variant']:22s} {row['run_steps_per_second']:11,.0f}"
            f"  {row['ratio_to_official']:10.2f} {spread}  {row['share_of_matmul_ceiling']:8.0%}"
        )


def main() -> None:
    args = options()
    device = torch.device(args.device)
    on_gpu = device.type == "cuda"
    torch.set_num_threads(args.threads)
    if hasattr(os, "sched_setaffinity") and not on_gpu:  # XLA asks the system, not torch
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-args.threads :])
    precision = choose_precision(args.precision, device)
    torch.set_flush_denormal(True)

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        rates = measured(variants_of(args, device, precision, folder), args, device)
    wall = time.perf_counter() - start
    torch.set_float32_matmul_precision(precision)
    ceiling = matmul_ceiling(device)
    table = table_of(rates, ceiling)
    show(table)
    memory = (
        torch.cuda.max_memory_allocated() / 2**30
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    )
    print(f"peak memory {memory:.2f} GiB, matmul ceiling {ceiling:.3f} TFLOP/s")
    if not args.quick:
        facts = {
            "table": table, "rows": args.rows, "threads": args.threads, "rounds": args.rounds,
            "window_seconds": args.window, "precision": precision,
            "matmul_tflops": round(ceiling, 3), "flops_per_step": step_flops(),
            "peak_memory_gib": round(memory, 2), "load_average": os.getloadavg()[0],
            "wall_time_seconds": round(wall, 1),
        }  # fmt: skip
        name = f"training_step_{'gpu' if on_gpu else 'cpu'}_{args.threads}t.json"
        write_json(RESULTS / name, provenance(**facts))


if __name__ == "__main__":
    main()
