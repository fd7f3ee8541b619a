"""How the cost of a DROCO step grows with the runs stacked, the ensemble, the batch and the data.

    python benchmarks/step_cost.py              # CPU, about two minutes, and one for the memory
    python benchmarks/step_cost.py --device cuda
    python benchmarks/step_cost.py --quick      # seconds, prints only

One quantity changes at a time, from R = 1 run, N = 7 members, 128 rows of each half and 100,000
source rows of Hopper's shape.  All variants are built first and take turns; figures are the median
over rounds of the milliseconds a step takes, and of their ratio to the middle variant in the same
round.  The last line trains for a moment on a million rows, in a process of its own, and gives the
most memory it held.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import resource
import statistics
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from quiet import quiet
from random_data import A, S, random_transitions
from training_step import RESULTS

from droco_lite.agents import DROCO, DROCOSettings
from droco_lite.files import write_json
from droco_lite.provenance import provenance
from droco_lite.training import LoopSettings, train
from droco_lite.training.precision import choose_precision
from droco_lite.training.rows import Rows, Sampler
from droco_lite.training.steps import Stepper


@dataclass(frozen=True)
class Size:
    """What a step's cost depends on."""

    runs: int = 1
    members: int = 7
    batch: int = 128
    rows: int = 100_000


MIDDLE = Size()
VARIANTS = {
    "runs": [replace(MIDDLE, runs=n) for n in (1, 2, 4, 8, 16)],
    "members": [replace(MIDDLE, members=n) for n in (1, 3, 7, 15)],
    "batch": [replace(MIDDLE, batch=n) for n in (32, 64, 128, 256, 512)],
    "rows": [replace(MIDDLE, rows=n) for n in (10_000, 100_000, 1_000_000)],
}
GPU_RUNS = (1, 8, 64, 256)


def stepper(size: Size, device: torch.device) -> Stepper:
    """A loop of this size over random data."""
    source, target = random_transitions(size.rows, 0), random_transitions(size.rows // 10, 1)
    drawn = np.random.default_rng(2)
    predictions = drawn.standard_normal((len(source) + len(target), size.members * S), np.float32)
    runs = [
        DROCOSettings(seed=k, members=size.members, batch_size=size.batch, floor=-math.inf)
        for k in range(size.runs)
    ]
    rows = Rows(source, target, {"predictions": predictions}, device)
    sampler = Sampler(runs, len(source), len(target), size.batch)
    return Stepper(DROCO(runs, S, A, device=device), rows, sampler, "auto")


def milliseconds(loop: Stepper, first: int, steps: int) -> float:
    """Mean time of a step over a few."""
    start = time.perf_counter()
    loop.run(first, steps)
    if loop.device.type == "cuda":
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start) / steps


def peak_memory(rows: int, device: str, queue) -> None:
    """Train briefly, everything included, and say the most memory held, in GiB."""
    torch.set_num_threads(1)
    source, target = random_transitions(rows, 0), random_transitions(rows // 10, 1)
    runs = [DROCOSettings(steps=100, ensemble_epochs=1)]
    train(runs, source, target, loop=LoopSettings(device=device, evaluate_every=100))
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def options() -> tuple[argparse.Namespace, dict[str, list[Size]]]:
    """The command line, and the sizes to measure by the quantity that is varied."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory-rows", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="small and short; writes nothing")
    args, variants = parser.parse_args(), dict(VARIANTS)
    if args.device.startswith("cuda"):
        variants["runs"] = [replace(MIDDLE, runs=n) for n in GPU_RUNS]
    if args.quick:
        args.rounds, args.memory_rows = 2, 2_000
        variants = {"members": [replace(s, rows=1_000) for s in variants["members"][:3]]}
    return args, variants


def times_of(sizes: list[Size], rounds: int, device: torch.device) -> dict[Size, list[float]]:
    """Milliseconds of a step of each size in each round; all are built first and take turns."""
    loops = {size: stepper(size, device) for size in sizes}
    steps = {size: max(4, 40 // size.runs) for size in sizes}
    for loop in loops.values():
        loop.run(0, 8)
    times: dict[Size, list[float]] = {size: [] for size in sizes}
    for k in range(rounds):
        for size in sizes[:: 1 if k % 2 else -1]:
            done = 8 + k * steps[size]
            times[size].append(milliseconds(loops[size], done, steps[size]))
    return times


def table_of(variants: dict[str, list[Size]], times: dict[Size, list[float]]) -> list[dict]:
    """One line a size, printed too; ratios are to the middle size in the same round."""
    middle = MIDDLE if MIDDLE in times else list(times)[-1]
    table = []
    for name, group in variants.items():
        for size in group:
            ratios = [t / m for t, m in zip(times[size], times[middle], strict=True)]
            line = {
                "varied": name, "value": getattr(size, name),
                "milliseconds": round(statistics.median(times[size]), 3),
                "ratio": round(statistics.median(ratios), 2),
                "ratio_min": round(min(ratios), 2), "ratio_max": round(max(ratios), 2),
            }  # fmt: skip
            table.append(line)
            print(json.dumps(line))
    return table


def memory_of(rows: int, device: str) -> float:
    """The most memory that a training on so many source rows holds, in GiB."""
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.Queue()
    child = spawn.Process(target=peak_memory, args=(rows, device, queue))
    child.start()
    memory = queue.get()
    child.join()
    print(f"a training on {rows:,} source rows held {memory:.2f} GiB at most")
    return memory


def main() -> None:
    args, variants = options()
    device = torch.device(args.device)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    precision = choose_precision("auto", device)
    torch.set_float32_matmul_precision(precision)
    sizes = list(dict.fromkeys(size for group in variants.values() for size in group))
    began = time.perf_counter()
    times = times_of(sizes, args.rounds, device)
    wall = time.perf_counter() - began
    table = table_of(variants, times)
    memory = memory_of(args.memory_rows, args.device)
    if not args.quick:
        facts = {
            "table": table, "middle": asdict(MIDDLE), "threads": args.threads,
            "rounds": args.rounds, "precision": precision, "mode": "auto",
            "memory_rows": args.memory_rows, "peak_memory_gib": round(memory, 2),
            "load_average": os.getloadavg()[0], "wall_time_seconds": round(wall, 1),
            **quiet(),
        }  # fmt: skip
        write_json(RESULTS / f"step_cost_{device.type}.json", provenance(**facts))


if __name__ == "__main__":
    main()
