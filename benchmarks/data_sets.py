"""What a data set costs: making it, keeping it for Minari, reading it, and the memory of a read.

    python benchmarks/data_sets.py                            # about five minutes
    python benchmarks/data_sets.py --robot halfcheetah --rows 100000
    python benchmarks/data_sets.py --sizes-only               # Ant's memory only, no policy needed

Where other jobs share the cores, the processor seconds of making say more than the clock does; on
quiet cores they are spread over the simulator's threads.

Each step runs in a process of its own, so that the peak of its resident memory is its own too; what
Python and the libraries take before is subtracted.  Pages of memory-mapped files count, though the
system may take them back.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from quiet import quiet

from droco_lite.data import load, minari_store
from droco_lite.data.tasks import dataset_id, make_dataset
from droco_lite.data.transitions import Transitions
from droco_lite.files import write_json
from droco_lite.provenance import provenance

RESULTS = Path(__file__).resolve().parent.parent / "results" / "benchmarks"
ANT = "droco-lite/ant/sizes-v0"


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def ant_sized(rows: int) -> Transitions:
    """Random numbers in Ant's columns, in episodes of 1,000 steps."""
    rng = np.random.default_rng(0)
    states = rng.standard_normal((rows + 1, 27), np.float32)
    none = np.zeros(rows, bool)
    ends = np.arange(rows) % 1000 == 999
    actions = rng.uniform(-1, 1, (rows, 8)).astype(np.float32)
    return Transitions(states[:-1], actions, np.ones(rows, np.float32), states[1:], none, ends)


def step(name: str, robot: str, shift: str, quality: str, rows: int) -> dict[str, float]:
    """Run one step in this process and measure it."""
    import minari  # noqa: F401 - what it takes is not the step's

    kept = dataset_id(robot, shift, quality, rows)
    if name == "make":
        start, cpu = time.perf_counter(), time.process_time()
        data, card = make_dataset(robot, shift, quality, rows, cache=False, progress=False)
        made, made_cpu = time.perf_counter() - start, time.process_time() - cpu
        minari_store.write_minari(kept, data, card)
        written = time.perf_counter() - start - made
        facts = ("episodes", "return_mean", "score")
        seconds = {"make_seconds": made, "make_cpu_seconds": made_cpu, "write_seconds": written}
        return seconds | {k: card[k] for k in facts}
    if name == "ant":
        minari_store.write_minari(ANT, ant_sized(rows), {"robot": "ant"})
        return {}
    source = ANT if robot == "ant-sized" else kept
    if name == "first":  # turn Minari's file into arrays, as after a download
        for path in (minari_store.datasets_root() / source / minari_store.ARRAYS).glob("*"):
            path.unlink()
    before = peak_mib()
    start = time.perf_counter()
    data = load(source, download=False)
    seconds = time.perf_counter() - start
    peak = peak_mib() - before
    size = data.nbytes / 2**20
    return {
        "seconds": seconds,
        "arrays_mib": size,
        "peak_mib": peak,
        "peak_over_arrays": peak / size,
    }


def run_step(*arguments: str | int) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--step", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--robot", default="hopper")
    parser.add_argument("--shift", default="nominal")
    parser.add_argument("--quality", default="medium")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sizes-only", action="store_true", help="Ant's memory only.")
    parser.add_argument("--step", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, robot, shift, quality, rows = options.step
        print(json.dumps(step(name, robot, shift, quality, int(rows))))
        return
    path = RESULTS / "data_sets.json"
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        measured = {}
        if not options.sizes_only:
            what = (options.robot, options.shift, options.quality, options.rows)
            measured[" ".join(map(str, what))] = {
                "make": run_step("make", *what),
                "first read": run_step("first", *what),
                "later read": run_step("later", *what),
            }
        what = ("ant-sized", "nominal", "medium", options.rows)
        run_step("ant", *what)
        measured[f"ant-sized {options.rows}"] = {
            "first read": run_step("first", *what),
            "later read": run_step("later", *what),
        }
    rounded = {
        name: {
            part: {key: round(value, 2) for key, value in numbers.items()}
            for part, numbers in parts.items()
        }
        for name, parts in measured.items()
    }
    print(json.dumps(rounded, indent=2))
    before = json.loads(path.read_text())["sets"] if path.exists() else {}
    wall = round(time.perf_counter() - start, 1)
    record = provenance(wall_time_seconds=wall, load_average=os.getloadavg()[0], **quiet())
    stamped = {name: {**parts, "provenance": record} for name, parts in rounded.items()}
    write_json(path, {"sets": before | stamped})


if __name__ == "__main__":
    main()
