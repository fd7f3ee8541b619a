"""All that one short loan of a card should tell: agreement, rates, and as much of a study as fits.

    python benchmarks/gpu.py --minutes 10 --out DIR                 # on a machine with a card
    python benchmarks/gpu.py --minutes 1 --out DIR --rehearse       # the same on a CPU, tiny

It needs torch, a card and this repository, and does three things, each with what time is left:

(a) agreement: every method takes the same steps eagerly, as a CUDA graph and as one of the compiled
    step, from the same weights and batches; a short training logs its losses in both forms.  How
    far apart they are is printed and written to ``agreement.json`` (``gpu_agreement.py``);
(b) rates: run-steps a second of DROCO with R = 1, 8, 16, 64, 256 stacked runs, float32 and TF32,
    beside the eager step, with the share of the card's own products and memory (``rates.json``);
(c) studies, in the order of ``results/study/priority.txt``, then by name: as many jobs as fit, by a
    process for each core.  Half of them train, since the card is what is scarce, and all others try
    what is trained in the simulator.  Tables go to ``DIR/studies``.  What is trained and not tried
    can be tried later, without a card: its policies stay in the jobs' folders.

The same command goes on where it was: what (a) and (b) have written is not measured again, and a
study goes on from its tables (and its jobs' folders, if they are still there).  A step that fails
is recorded with its error, and the next one begins.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gpu_agreement import agreement
from gpu_shared import card, say, stepper_of, wait_for
from quiet import quiet
from random_data import HIDDEN, A, N, S, random_transitions
from training_step import Product, step_flops

from droco_lite.agents import METHODS
from droco_lite.files import cache_folder, read_json, write_json
from droco_lite.provenance import provenance

PARTS = ("agreement", "rates", "studies")
ROOT = Path(__file__).resolve().parent.parent
STUDIES = ROOT / "results" / "study"
SHARES = {"agreement": 0.35, "rates": 0.6}  # most of the time that (a) and (b) may take
LAST_SECONDS = 25.0  # kept for stopping workers and writing tables
STEPS = 200  # of each form that is compared

TINY_STUDY = """
tasks: [hopper-medium]
steps: 6
seeds: [0]
data: {source_size: 400, target_size: 200, seed: 0}
arms: ["IQL*", "DROCO"]
settings:
  "IQL*": {hidden: 16}
  DROCO: {hidden: 16, ensemble_epochs: 1, members: 2}
evaluation: {every: 2, episodes: 1, families: []}
loop: {episodes: 0, device: cpu}
"""


class Clock:
    """How much of the loan is left."""

    def __init__(self, minutes: float):
        self.start, self.seconds = time.monotonic(), 60 * minutes

    def left(self) -> float:
        """Seconds until the loan ends."""
        return self.seconds - (time.monotonic() - self.start)

    def within(self, share: float, began: float) -> bool:
        """Whether a part that began with ``began`` seconds left may go on."""
        return began - self.left() < share * self.seconds and self.left() > LAST_SECONDS


# ---------------------------------------------------------------------------------------- (b) rates


def rate(runs: int, precision: str, mode: str, compiling: bool, device: torch.device, args) -> dict:
    """Run-steps a second of ``runs`` stacked DROCO runs, and the memory that they add."""
    held = memory_in_use(device)
    torch.set_float32_matmul_precision(precision)
    data = random_transitions(args.rows, 0), random_transitions(args.rows // 4, 1)
    rows = len(data[0]) + len(data[1])
    columns = {"predictions": np.random.default_rng(2).standard_normal((rows, N * S), np.float32)}
    settings = [METHODS["droco"].Settings(seed=k, hidden=args.hidden) for k in range(runs)]
    agent = METHODS["droco"](settings, S, A, device=device)
    agent.floor = torch.full_like(agent.floor, -1e4)  # ``prepare`` would set both
    agent.ceiling = torch.full_like(agent.ceiling, 1e4)
    stepper = stepper_of(agent, data, columns, mode, compiling)
    start = time.perf_counter()
    stepper.warm_up(0)
    stepper.run(0, args.chunk)
    wait_for(device)
    ready = time.perf_counter() - start
    done, start = args.chunk, time.perf_counter()
    while time.perf_counter() - start < args.window:
        stepper.run(done, args.chunk)
        done += args.chunk
        wait_for(device)
    per_second = runs * (done - args.chunk) / (time.perf_counter() - start)
    # Before the product, whose own matrices are no part of a training.
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    ceiling = Product(device, precision).tera(min(0.2, args.window), device)
    return {
        "runs": runs, "precision": precision, "mode": mode, "compiling": compiling,
        "ran_as": stepper.mode,
        "run_steps_per_second": round(per_second, 1), "seconds_until_ready": round(ready, 1),
        "products_tflops": round(ceiling, 2), "peak_memory_gib": memory, "held_before_gib": held,
        # In a rehearsal's narrow networks a step is not the one whose operations are counted.
        "share_of_products": round(per_second * step_flops() / ceiling / 1e12, 3)
        if args.hidden == HIDDEN
        else None,
    }  # fmt: skip


def memory_in_use(device: torch.device) -> float | None:
    """GiB that something holds now, once all that nobody needs is let go; peaks count from here.

    An earlier case's graph, agent and compiled step refer to one another, so that only the
    collector lets them go; what torch keeps of a compiled step would keep the rows with it.
    """
    torch.compiler.reset()
    gc.collect()
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device) / 2**30


def cases_of(stacks: Sequence[int], on_card: bool) -> list[tuple[int, str, str, bool]]:
    """Runs, precision, mode and whether compiled of every case, what is asked for first first."""
    stacked = "graph" if on_card else "manual"
    cases = [(1, "highest", "autograd", False), (1, "highest", "manual", False)]
    if on_card:  # one run, then 64 with TF32 and a graph of a compiled step
        cases += [(1, "highest", stacked, False), (1, "highest", stacked, True)]
        cases += [(runs, "high", stacked, True) for runs in (64, 1, 8, 16, 256)]
    cases += [(runs, "highest", stacked, False) for runs in stacks]
    if on_card:
        cases += [(1, "high", stacked, False)]
        cases += [(runs, "high", stacked, False) for runs in stacks[2:]]
        cases += [(runs, "highest", stacked, True) for runs in stacks[1:3]]
    return list(dict.fromkeys(cases))


def rates(path: Path, device: torch.device, clock: Clock, args) -> None:
    """Part (b): eager and graph, numbers of runs, both kinds of products."""
    known = read_json(path)["rates"] if path.exists() else {}
    on_card = device.type == "cuda"
    began = clock.left()
    for case in cases_of(args.stacks, on_card):
        name = "{} runs, {}, {}".format(*case) + ", compiled" * case[3]
        if "run_steps_per_second" in known.get(name, {}):
            continue
        if not clock.within(SHARES["rates"], began):
            say(f"(b) {name} and what follows: no time left; the same command goes on there")
            return
        try:
            found = rate(*case, device, args)
            say(
                f"(b) {name:36s} {found['run_steps_per_second']:10,.0f} run-steps/s, "
                f"share of the products {found['share_of_products']}, ran as {found['ran_as']}, "
                f"ready after {found['seconds_until_ready']} s"
            )
        except Exception as error:  # out of memory, say
            traceback.print_exc()
            found = {"error": f"{type(error).__name__}: {error}"}
        known[name] = found
        facts = {"rates": known, "window_seconds": args.window} | quiet() | card(device)
        write_json(path, provenance(**facts))
    torch.set_float32_matmul_precision("highest")


# -------------------------------------------------------------------------------------- (c) studies


def studies_of(args, out: Path) -> list[Path]:
    """The studies in order of priority."""
    if args.studies:
        return [Path(name) for name in args.studies]
    if args.rehearse:
        tiny = out / "studies" / "tiny.yaml"
        tiny.parent.mkdir(parents=True, exist_ok=True)
        tiny.write_text(TINY_STUDY, encoding="utf-8")
        return [tiny]
    return by_priority(STUDIES)


def by_priority(folder: Path) -> list[Path]:
    """Its studies: those that ``priority.txt`` names, one a line, in that order; then by name.

    Raises:
        SystemExit: a line names no file of the folder.
    """
    first = folder / "priority.txt"
    text = first.read_text(encoding="utf-8") if first.exists() else ""
    names = [line.partition("#")[0].strip() for line in text.splitlines()]
    listed = [folder / name for name in names if name]
    missing = [path.name for path in listed if not path.exists()]
    if missing:
        raise SystemExit(f"{first}: no study {', '.join(missing)} beside it; correct the line")
    return listed + [path for path in sorted(folder.glob("*.yaml")) if path not in listed]


def again(*words: object, cores: Sequence[int] = ()) -> subprocess.Popen:
    """This program as another process, with one thread, on these cores if there are any."""
    kept = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    one = dict.fromkeys((*kept, "TORCHINDUCTOR_COMPILE_THREADS"), "1")
    started = subprocess.Popen(
        [sys.executable, __file__, *map(str, words)], env={**os.environ, **one}
    )  # fmt: skip
    if cores:
        os.sched_setaffinity(started.pid, cores)
    return started


def stop(workers: list[subprocess.Popen]) -> None:
    """Ask workers to save and end, and end those that do not."""
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
    patience = time.monotonic() + 0.6 * LAST_SECONDS
    for worker in workers:
        try:
            worker.wait(max(0.1, patience - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def run_studies(studies: list[Path], out: Path, clock: Clock, args) -> None:
    """Part (c): all studies at once, the most important first, until the time is over."""
    from droco_lite.evaluation import matrix

    read = []
    for path in studies:
        try:
            study, root = matrix.Study.read(path), Path(args.root) / path.stem
            matrix.finish_from_tables(study, root, out / "studies" / path.stem)
            read.append((path, study, root))
        except Exception:  # the next study may still run
            traceback.print_exc()
    shared = ("--root", args.root, "--workers", args.workers, "--trainers", args.trainers)
    words = [*shared, "--studies", *(path for path, *_ in read)]
    todo = any(
        (matrix.progress(study, root, stacked=True)["state"] != "done").any()
        for _, study, root in read
    )
    workers = [
        again("--work", k, *words, cores=cores_of(k, args)) for k in range(args.workers * todo)
    ]
    try:
        while clock.left() > LAST_SECONDS and any(w.poll() is None for w in workers):
            time.sleep(0.2)
    finally:
        stop(workers)
    for path, study, root in read:
        try:
            for written in matrix.collect(study, root, out / "studies" / path.stem):
                say(f"(c) {path.stem}: {written}")
            say(matrix.progress(study, root, stacked=True).to_string(index=False))
        except Exception:
            traceback.print_exc()


def cores_of(number: int, args) -> list[int]:
    """A worker's cores, two while it also compiles, else one: a simulator takes all it may use."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    first = 2 * number if args.trainers else number - 1  # without trainers: each its own core
    pair = [cores[(first + k) % len(cores)] for k in (0, 1)] if cores else []
    return pair if number < args.trainers else pair[1:]


def work(number: int, studies: list[Path], args) -> None:
    """One worker of part (c)."""
    from droco_lite.evaluation import matrix

    torch.set_num_threads(1)
    read = [(matrix.Study.read(path), Path(args.root) / path.stem) for path in studies]
    matrix.work_all(read, stacked=True, trains=number < args.trainers, say=say)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the card is ours")
    parser.add_argument("--out", type=Path, help="folder of the small files to keep")
    parser.add_argument(
        "--parts", nargs="+", default=PARTS, choices=PARTS, help="which of (a), (b) and (c)"
    )
    parser.add_argument("--root", type=Path, help="folder of the jobs; the cache by default")
    parser.add_argument("--studies", nargs="*", help="YAML files, the most important first")
    parser.add_argument("--workers", type=int, help="processes of part (c)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rehearse", action="store_true", help="tiny, on the CPU")
    parser.add_argument("--trainers", type=int, help="how many of these train, too")
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.out is None and args.work is None:
        parser.error("--out is missing: the folder of the files to keep")
    args.root = args.root or cache_folder() / "gpu"
    cores = os.cpu_count() or 1
    args.workers = args.workers or (1 if args.rehearse else cores)
    args.trainers = args.workers // 2 or 1 if args.trainers is None else args.trainers
    args.hidden, args.rows, args.steps, args.members = HIDDEN, 20_000, STEPS, N
    args.curve_rows, args.curve_steps = 4_000, 300
    args.stacks, args.window, args.chunk = [1, 8, 16, 64, 256], 1.5, 100
    if args.rehearse:
        args.device, args.hidden, args.rows, args.steps = "cpu", 16, 400, 4
        args.members, args.curve_rows, args.curve_steps = 3, 400, 200
        args.stacks, args.window, args.chunk = [1, 2], 0.05, 4
    return args


def main() -> None:
    args = options()
    if args.work is not None:
        return work(args.work, args.studies and list(map(Path, args.studies)), args)
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no card here: torch sees no CUDA device; --rehearse runs on the CPU")
    out, clock = args.out, Clock(args.minutes)
    out.mkdir(parents=True, exist_ok=True)
    say(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, **card(device)}))
    studies = studies_of(args, out)
    if "agreement" in args.parts:
        began = clock.left()
        in_time = partial(clock.within, SHARES["agreement"], began)
        agreement(out / "agreement.json", device, in_time, args)
    if "rates" in args.parts:
        rates(out / "rates.json", device, clock, args)
    if "studies" in args.parts:
        run_studies(studies, out, clock, args)
    say(f"done, {clock.left():.0f} s left; the same command goes on with what is missing")


if __name__ == "__main__":
    main()
