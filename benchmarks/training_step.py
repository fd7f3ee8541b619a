"""Gradient steps per second: ours beside a plain port of the official step, plain IQL, and JAX.

    python benchmarks/training_step.py                       # CPU, about three minutes
    python benchmarks/training_step.py --device cuda         # GPU, stacks of 1, 8, 64, 256 runs
    python benchmarks/training_step.py --quick               # seconds, prints only

All variants are built first; then short windows take turns, so that whatever else the machine does
falls on all alike.  A ratio, to the official step, to JAX or to a large product of matrices (the
ceiling), is taken within each round; the table gives its median, and for the first its extremes.
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
* autograd, manual, compiled, graph: the modes of ``droco_lite.training``, without bounds, as in the
  release.
* default: what a reader gets who sets nothing and trains for 100,000 steps: the mode that ``auto``
  takes, the products that ``auto`` takes, and DROCO's own bounds.  ``ran_as`` says which mode.

A file says ``quiet: false`` where others were at work when the benchmark began.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from other_steps import Jax, Plain
from quiet import quiet
from random_data import HIDDEN, A, B, N, S, random_transitions

from droco_lite.agents import DROCO, DROCOSettings
from droco_lite.agents.soundness import bounds_of, possible_returns
from droco_lite.files import write_json
from droco_lite.provenance import provenance
from droco_lite.training.device import keep_freed_memory
from droco_lite.training.precision import choose_precision
from droco_lite.training.rows import Rows, Sampler
from droco_lite.training.steps import Stepper

TO_COME = 100_000  # steps that ``auto`` is told of

RESULTS = Path(__file__).resolve().parent.parent / "results" / "benchmarks"


class Ours:
    """A stack of runs in one of the loop's modes."""

    def __init__(
        self,
        source,
        target,
        predictions,
        device,
        mode,
        runs=1,
        precision="highest",
        floor=-math.inf,
    ):
        self.precision = precision
        kind = DROCOSettings
        settings = [kind(seed=seed, floor=floor, steps=TO_COME) for seed in range(runs)]
        agent = DROCO(settings, S, A, device=device)
        # As ``prepare`` does, without its ensemble: the predictions are at hand.
        returns = possible_returns(settings[0].discount, target)
        agent.floor, agent.ceiling = bounds_of(agent, *returns)
        rows = Rows(source, target, {"predictions": predictions}, device)
        sampler = Sampler(settings, len(source), len(target), B)
        self.stepper, self.done = Stepper(agent, rows, sampler, mode, steps=TO_COME), 0

    def run(self, steps):
        self.stepper.run(self.done, steps)
        self.done += steps


def rate(variant, seconds: float, device, chunk: int = 100) -> float:
    """Steps per second over a window of at least ``seconds``."""
    torch.set_float32_matmul_precision(variant.precision)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        variant.run(chunk)
        done += chunk
        if device.type == "cuda":
            torch.cuda.synchronize()
    return done / (time.perf_counter() - start)


class Product:
    """A large float32 product, the card's or the cores' own ceiling."""

    def __init__(self, device, precision):
        self.n = 4096 if device.type == "cuda" else 1024
        self.x, self.precision = torch.randn(self.n, self.n, device=device), precision
        self.run(3)  # warm up

    def run(self, times):
        for _ in range(times):
            self.x @ self.x

    def tera(self, seconds, device) -> float:
        """TFLOP/s over a window of at least ``seconds``."""
        return rate(self, seconds, device, chunk=2) * 2 * self.n**3 / 1e12


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
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the file")
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
    own = choose_precision("auto", device)
    default = Ours(source, target, predictions, device, "auto", precision=own, floor=None)
    variants["default"] = default
    try:
        variants["jax"] = Jax(source, target, predictions)
    except ImportError:
        print("jax is not installed; its row is left out")
    return variants


def stacked(name: str) -> int:
    """How many runs a variant holds, by its name."""
    return int(name.split(" x ")[1]) if " x " in name else 1


def measured(
    variants: dict, product: Product, args, device: torch.device
) -> tuple[dict, list[float]]:
    """Run-steps a second of each variant in each round, side by side, and each round's ceiling."""
    for name, variant in variants.items():  # compile, capture, warm up
        start = time.perf_counter()
        torch.set_float32_matmul_precision(variant.precision)
        variant.run(20)
        print(f"{name:22s} ready after {time.perf_counter() - start:5.1f} s", flush=True)
    rates: dict[str, list[float]] = {name: [] for name in variants}
    ceilings = []
    for k in range(args.rounds):
        for name in list(variants)[:: 1 if k % 2 else -1]:
            rates[name].append(stacked(name) * rate(variants[name], args.window, device))
        ceilings.append(product.tera(args.window, device))
    return rates, ceilings


def ratios(found: list[float], base: list[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(found, base, strict=True)]


def table_of(rates: dict[str, list[float]], ceilings: list[float]) -> list[dict]:
    """One line a variant: its rate, its ratio to the official step and to JAX, its share."""
    table = []
    most = [tera * 1e12 / step_flops() for tera in ceilings]  # run-steps a second
    for name, found in rates.items():
        official = ratios(found, rates["official"])
        line = {
            "variant": name,
            "run_steps_per_second": round(statistics.median(found), 1),
            "best": round(max(found), 1),
            "ratio_to_official": round(statistics.median(official), 2),
            "ratio_min": round(min(official), 2),
            "ratio_max": round(max(official), 2),
            "share_of_matmul_ceiling": round(statistics.median(ratios(found, most)), 3),
        }
        if "jax" in rates:
            line["ratio_to_jax"] = round(statistics.median(ratios(found, rates["jax"])), 2)
        table.append(line)
    return table


def show(table: list[dict]) -> None:
    """Print the table."""
    print(f"\n{'variant':22s} run-steps/s  x official (min - max)  share of ceiling  x jax")
    for row in table:
        spread = f"({row['ratio_min']:.2f} - {row['ratio_max']:.2f})"
        print(
            f"{row['variant']:22s} {row['run_steps_per_second']:11,.0f}"
            f"  {row['ratio_to_official']:10.2f} {spread}  {row['share_of_matmul_ceiling']:8.0%}"
            f"  {row.get('ratio_to_jax', float('nan')):12.2f}  {row.get('ran_as', '')}"
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
    keep_freed_memory()  # as a training does; it serves all variants

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        variants = variants_of(args, device, precision, folder)
        rates, ceilings = measured(variants, Product(device, precision), args, device)
    wall = time.perf_counter() - start
    ceiling = statistics.median(ceilings)
    table = table_of(rates, ceilings)
    for line in table:  # after the steps: a form that cannot be compiled goes on as another
        if isinstance(variants[line["variant"]], Ours):
            line["ran_as"] = variants[line["variant"]].stepper.mode
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
            "wall_time_seconds": round(wall, 1), **quiet(),
        }  # fmt: skip
        name = f"training_step_{'gpu' if on_gpu else 'cpu'}_{args.threads}t.json"
        write_json(args.out / name, provenance(**facts))


if __name__ == "__main__":
    main()
