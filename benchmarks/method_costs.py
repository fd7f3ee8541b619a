"""What every method costs beside IQL*: time per step, and the time before the first step.

    python benchmarks/method_costs.py            # writes results/benchmarks/method_costs.json
    python benchmarks/method_costs.py --quick    # prints only

All agents are built first; then windows of steps take turns, so that whatever else the machine does
falls on all alike, and a ratio to IQL* is taken within each round.  On a CPU time is processor time
of the one thread used, which other processes disturb less than the clock; on a GPU it is the clock.
Networks, batches and candidate counts are every method's defaults; the data are random numbers of
Hopper's shape, since a step costs the same whatever they mean.

Preparation grows linearly in the steps (or passes over the data) of its networks.  It is timed at
two small counts and continued to the default count: the table says measured for the steps, and
extrapolated for the preparation.  Ensembles stop early, so theirs is given for a stated number of
passes.
"""

# ruff: noqa: E402  (one thread: NumPy and torch read these when they load)
from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
import torch
from quiet import quiet
from rich.console import Console
from rich.table import Table

from droco_lite.agents import METHODS
from droco_lite.data.transitions import Transitions
from droco_lite.files import write_json
from droco_lite.provenance import provenance
from droco_lite.training.rows import Rows, Sampler
from droco_lite.training.steps import Stepper

RESULTS = Path(__file__).resolve().parent.parent / "results" / "benchmarks"
S, A = 11, 3
PASSES = 30  # of an ensemble over its data, for the extrapolated preparation
WINDOW = 0.15  # seconds

#: Name in the table: method, mode, and the setting that counts preparation, with two small counts.
VARIANTS = {
    "iql": ("iql", "auto", None),
    "iql, autograd": ("iql", "autograd", None),
    "dara": ("dara", "auto", ("classifier_steps", 50, 200)),
    "igdf": ("igdf", "auto", ("encoder_steps", 50, 200)),
    "otdf": ("otdf", "auto", ("cvae_steps", 20, 120)),
    "droco": ("droco", "auto", ("ensemble_epochs", 2, 6)),
    "cql": ("cql", "auto", None),
    "bosa": ("bosa", "auto", ("cvae_steps", 20, 120)),
    "micro": ("micro", "auto", ("ensemble_epochs", 2, 6)),
}


def random_transitions(rows: int, seed: int) -> Transitions:
    """Numbers of Hopper's shape with a step small beside the state."""
    rng = np.random.default_rng(seed)
    s = rng.standard_normal((rows, S), np.float32)
    a = np.tanh(rng.standard_normal((rows, A), np.float32))
    s2 = s + 0.1 * rng.standard_normal((rows, S), np.float32)
    ends = rng.random(rows) < 0.002
    return Transitions(s, a, s2[:, 0], s2, ends, np.zeros(rows, bool))


class Clock:
    """Seconds of work: processor time on a CPU, the clock after synchronising on a GPU."""

    def __init__(self, device: torch.device):
        self.gpu = device.type == "cuda"

    def __call__(self) -> float:
        if self.gpu:
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()


class Runner:
    """One method, ready to step."""

    def __init__(self, name: str, source, target, device, clock: Clock):
        method, mode, prepared = VARIANTS[name]
        self.clock, self.prepare = clock, None
        kind = METHODS[method]

        def build(**changes):
            return kind([kind.Settings(**changes)], S, A, device)

        if prepared is None:
            agent = build()
            columns = agent.prepare(source, target)
        else:
            key, few, more = prepared
            build(**{key: 1}).prepare(source.take(slice(200)), target.take(slice(200)))  # warm up
            seconds = []
            for count in (few, more):
                agent = build(**{key: count})
                began = clock()
                columns = agent.prepare(source, target)
                seconds.append(clock() - began)
            each = (seconds[1] - seconds[0]) / (more - few)
            default = PASSES if key == "ensemble_epochs" else getattr(kind.Settings(), key)
            self.prepare = {
                "unit": key, "count": default, "seconds_each": each,
                "seconds_fixed": seconds[0] - few * each,
                "seconds": seconds[0] + (default - few) * each,
            }  # fmt: skip
        own = agent.own_rows
        rows = Rows(source, target, columns, device, own)
        sizes = (len(source), len(target), agent.shared.batch_size, agent.noise_size(), own)
        self.stepper, self.done = Stepper(agent, rows, Sampler(agent.runs, *sizes), mode), 1
        # Roll-outs come once in many steps: timed apart, and spread over the steps between.
        self.refresh, self.between = None, 1
        if own:
            agent.due = lambda step: False
            self.refresh = lambda: agent.refresh(rows, 0)
            self.between = agent.shared.rollout_every
            self.refresh()
        self.run(3)
        self.steps = max(2, int(WINDOW / self.window(3)))

    def run(self, steps: int) -> None:
        self.stepper.run(self.done, steps)
        self.done += steps

    def window(self, steps: int | None = None) -> float:
        """Seconds per step of one window."""
        steps = steps or self.steps
        began = self.clock()
        self.run(steps)
        seconds = (self.clock() - began) / steps
        if self.refresh is None:
            return seconds
        began = self.clock()
        self.refresh()
        return seconds + (self.clock() - began) / self.between


def spread(values: list[float]) -> list[float]:
    """Median, smallest and largest."""
    return [round(v, 4) for v in (statistics.median(values), min(values), max(values))]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--source", type=int, default=10_000, help="source rows")
    parser.add_argument("--target", type=int, default=5_000, help="target rows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two rounds, nothing written")
    args = parser.parse_args()
    if args.quick:
        args.rounds = 2
    return args


def measured(args: argparse.Namespace, clock: Clock, console: Console) -> list[dict]:
    """One line a method: milliseconds of a step, ratio to IQL*, and preparation."""
    source, target = random_transitions(args.source, 0), random_transitions(args.target, 1)
    runners = {}
    for name in VARIANTS:
        console.print(f"preparing {name}", style="dim")
        runners[name] = Runner(name, source, target, torch.device(args.device), clock)
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(args.rounds):
        for name, runner in runners.items():
            seconds[name].append(runner.window())
    lines = []
    for name, runner in runners.items():
        ratios = [a / b for a, b in zip(seconds[name], seconds["iql"], strict=True)]
        line = {
            "variant": name,
            "mode": runner.stepper.mode,
            "milliseconds_per_step": spread([1000 * s for s in seconds[name]]),
            "ratio_to_iql": spread(ratios),
            "steps_per_window": runner.steps,
        }
        if runner.prepare is not None:
            prepare = dict(runner.prepare)
            prepare["in_iql_steps"] = prepare["seconds"] / statistics.median(seconds["iql"])
            line["preparation"] = prepare
        lines.append(line)
    return lines


def table_of(lines: list[dict]) -> Table:
    """The lines as they are printed."""
    table = Table("method", "mode", "ms per step", "ratio to IQL* (range)", "preparation", "of")
    for line in lines:
        ratio, prepare = line["ratio_to_iql"], line.get("preparation")
        table.add_row(
            line["variant"], line["mode"], f"{line['milliseconds_per_step'][0]:.2f}",
            f"{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})",
            "" if prepare is None else f"{prepare['seconds']:.0f} s",
            "" if prepare is None else f"{prepare['count']:,} {prepare['unit']}",
        )  # fmt: skip
    return table


def main() -> None:
    args, console = options(), Console()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    device, began = torch.device(args.device), time.perf_counter()
    clock = Clock(device)
    lines = measured(args, clock, console)
    console.print(table_of(lines))
    if args.quick:
        return
    record = provenance(
        seeds=[0], device=args.device, wall_time_seconds=round(time.perf_counter() - began, 1),
        clock="wall" if clock.gpu else "processor time of one thread",
        source_rows=args.source, target_rows=args.target, shape=f"Hopper: S={S}, A={A}",
        rounds=args.rounds, **quiet(),
    )  # fmt: skip
    suffix = "" if device.type == "cpu" else f"_{device.type}"
    path = RESULTS / f"method_costs{suffix}.json"
    write_json(path, {"provenance": record, "costs": lines})
    console.print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
