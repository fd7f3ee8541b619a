"""Faults injected into everything that is saved: how many pass without a word? It has to be none.

    python benchmarks/faults.py              # 1,000 faults, and the table in results/faults
    python benchmarks/faults.py --quick      # one in twenty, prints only

Damage: a file of a finished piece of work is flipped in one bit, overwritten with zeros in a place,
cut, emptied or lost, then used as its readers use it. Kills: a process is stopped at a random
moment (SIGKILL, SIGTERM, SIGINT), then the work goes on. Full disk: files may grow to a random size
only. Two writers: two processes work in one place while the parent reads.

Every outcome is compared with what the undamaged work gives:

* refused: an error that names the file or its folder;
* right: the same result, to the last bit, the work finished or mended where it was stopped;
* silent: another result and no error. This is what must not be;
* unclear: an error that names no file, or one that no reader expects.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fault_kinds import KINDS, Kind, digest, fit, transitions, use_run

from droco_lite import files
from droco_lite.data import Transitions
from droco_lite.provenance import provenance
from droco_lite.training import checkpoint

RESULTS = Path(__file__).resolve().parent.parent / "results" / "faults"
OUTCOMES = ("refused", "right", "silent", "unclear")
#: Faults of each kind in a full run.
COUNTS = {"damage": 60, "kill training": 120, "kill writer": 60, "full disk": 40, "two": 20}


# ------------------------------------------------------------------------------------------ damage


def damage(path: Path, rng: random.Random, lost: bool) -> str:
    """Damage a file in one of five ways; which."""
    content = bytearray(path.read_bytes())
    ways = ["flip"] * 6 + ["zeros", "cut", "emptied"] + ["lost"] * lost
    way = rng.choice(ways) if content else "flip"
    if way == "lost":
        path.unlink()
        return way
    if way == "flip":
        at = rng.randrange(8 * len(content)) if content else 0
        content = content or bytearray(1)
        content[at // 8] ^= 1 << at % 8
    elif way == "zeros":
        start = rng.randrange(len(content))
        content[start : start + 64] = bytes(len(content[start : start + 64]))
    else:
        content = content[: 0 if way == "emptied" else rng.randrange(len(content))]
    path.write_bytes(bytes(content))
    return way


def outcome(use: Callable[[], str], right: set[str], names: list[str]) -> str:
    """How a use of what may be damaged ended."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = use()
    except (ValueError, OSError, checkpoint.CheckpointError) as error:
        return "refused" if any(name in str(error) for name in names) else _unclear()
    except Exception:
        return _unclear()
    return "right" if found in right else "silent"


def _unclear() -> str:
    traceback.print_exc()
    return "unclear"


def inject_damage(kind: Kind, count: int, rng: random.Random, place: Path) -> Counter:
    """Outcomes of ``count`` damaged files of a kind."""
    whole = place / "whole"
    whole.mkdir()
    kind.make(whole)
    reference = place / "reference"
    shutil.copytree(whole, reference)
    right, outcomes = {kind.use(reference)}, Counter()
    for number in range(count):
        trial = place / f"trial{number}"
        shutil.copytree(whole, trial)
        found = sorted(p for p in trial.glob(kind.files) if p.is_file() and p.name != ".lock")
        path = rng.choice(found)
        before = path.read_bytes()
        way = damage(path, rng, kind.lost)
        if path.exists() and path.read_bytes() == before:
            way = "zeros where zeros were"
        names = [path.name, str(path.parent), path.name.removesuffix(files.checksums.SIDECAR)]
        ended = outcome(lambda trial=trial: kind.use(trial), right, names)
        if ended in ("silent", "unclear"):
            print(f"{ended}: {kind.name}, {path.relative_to(trial)}, {way}", flush=True)
        outcomes[ended] += 1
        shutil.rmtree(trial)
    return outcomes


# ------------------------------------------------------------------------- processes that are hurt


def child(work: Callable[[], object]) -> int:
    """Run ``work`` in a fork of this process; its id. It ends with 0, or 3 where it is refused."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    with contextlib.suppress(BaseException):
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)
        try:
            work()
            code = 0
        except (files.InUse, checkpoint.CheckpointError, ValueError, OSError):
            code = 3
        except KeyboardInterrupt:
            code = 4
    os._exit(code)


def ended(pid: int) -> int:
    """Exit code of a child; negative for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def inject_kills(count: int, rng: random.Random, place: Path) -> Counter:
    """Trainings stopped once or more often at random moments, then run to their end."""
    start = time.perf_counter()
    if ended(child(lambda: fit(place / "reference"))):
        raise RuntimeError("the reference training failed")
    lasts = time.perf_counter() - start
    right, outcomes, kills, number = {use_run(place / "reference")}, Counter(), 0, 0
    while kills < count:
        folder = place / f"killed{number}"
        number, hits = number + 1, 0
        for _ in range(rng.choice([1, 1, 2, 3])):
            pid = child(lambda folder=folder: fit(folder))
            time.sleep(rng.uniform(0.05, 1.1) * lasts)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            hits += ended(pid) != 0
        done = ended(child(lambda folder=folder: fit(folder)))
        result = outcome(lambda folder=folder: use_run(folder), right, [folder.name])
        if done:
            result = "unclear"
        outcomes[result] += hits
        kills += hits
        shutil.rmtree(folder)
    return outcomes


class Writers:
    """Versions of one thing that a process writes over and over, and how it is read."""

    def __init__(self, place: Path):
        self.place = place
        self.sets = [transitions(rows, seed) for seed, rows in enumerate((200, 300, 400))]
        self.tables = [pd.DataFrame({"k": np.full(200 + k, k)}) for k in range(3)]
        self.tensors = [{"w": torch.full((3000 + k,), float(k))} for k in range(3)]

    def write(self, what: str, k: int) -> None:
        """Replace what stands with version ``k``."""
        if what == "data set":
            self.sets[k].save(self.place / "set")
        elif what == "table":
            files.write_csv(self.place / "table.csv", self.tables[k], checksum=True)
        else:
            checkpoint.save(self.place, self.tensors[k], {"k": k})

    def read(self, what: str) -> str:
        """What stands."""
        if what == "data set":
            return digest(Transitions.load(self.place / "set").arrays())
        if what == "table":
            return digest(files.read_csv(self.place / "table.csv"))
        tensors, facts = checkpoint.load(self.place)
        return digest(tensors, facts)

    def versions(self, what: str) -> set[str]:
        """What may stand."""
        if what == "data set":
            return {digest(each.arrays()) for each in self.sets}
        if what == "table":
            return {digest(each) for each in self.tables}
        return {digest(each, {"k": k}) for k, each in enumerate(self.tensors)}

    def forever(self, what: str) -> None:
        """Write versions by turns until killed."""
        for k in range(10**9):
            self.write(what, k % 3)


WHAT = ("data set", "table", "checkpoint")


def inject_kills_of_writers(what: str, count: int, rng: random.Random, place: Path) -> Counter:
    """A process that replaces a file or folder is killed; then it is read and written again."""
    writers, outcomes = Writers(place), Counter()
    writers.write(what, 0)
    right = writers.versions(what)
    for _ in range(count):
        pid = child(lambda: writers.forever(what))
        time.sleep(rng.uniform(0.0, 0.06))
        os.kill(pid, signal.SIGKILL)
        ended(pid)
        outcomes[outcome(lambda: writers.read(what), right, [str(place)])] += 1
        writers.write(what, rng.randrange(3))
    return outcomes


def inject_full_disk(what: str, count: int, rng: random.Random, place: Path) -> Counter:
    """Files may grow to a random size only; what stood before has to stand after."""
    writers, outcomes = Writers(place), Counter()
    writers.write(what, 0)
    before = writers.read(what)
    versions = writers.versions(what)

    def write(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        writers.write(what, 1)

    for _ in range(count):
        size = rng.randrange(1, 1000 if what == "table" else 20_000)
        code = ended(child(lambda size=size: write(size)))
        right = {before} if code == 3 else versions
        result = outcome(lambda: writers.read(what), right, [str(place)])
        if code not in (0, 3):
            result = "unclear"
        elif code == 3 and result == "right":
            result = "refused"  # with what stood before still there
        outcomes[result] += 1
        writers.write(what, 0)
    return outcomes


def inject_two_writers(what: str, count: int, rng: random.Random, place: Path) -> Counter:
    """Two processes replace one thing while this one reads it, again and again."""
    writers, outcomes = Writers(place), Counter()
    writers.write(what, 0)
    right = writers.versions(what)
    for _ in range(count):

        def locked(what: str = what) -> None:
            for k in range(10**9):
                with files.lock(place, wait=-1):
                    writers.write(what, k % 3)

        pids = [child(locked) for _ in range(2)]
        until, seen = time.perf_counter() + rng.uniform(0.05, 0.2), Counter()
        while time.perf_counter() < until:
            seen[outcome(lambda: writers.read(what), right, [str(place)])] += 1
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            ended(pid)
        seen[outcome(lambda: writers.read(what), right, [str(place)])] += 1
        worst = next(each for each in ("silent", "unclear", "refused", "right") if seen[each])
        outcomes[worst] += 1
    return outcomes


def inject_two_trainings(count: int, rng: random.Random, place: Path) -> Counter:
    """Two trainings of other seeds into one folder: one is refused, the other is as if alone."""
    for seed in (0, 1):
        if ended(child(lambda seed=seed: fit(place / f"alone{seed}", seed))):
            raise RuntimeError("the reference training failed")
    alone = [use_run(place / f"alone{seed}") for seed in (0, 1)]
    outcomes = Counter()
    for number in range(count):
        folder = place / f"both{number}"
        first = child(lambda folder=folder: fit(folder, 0))
        time.sleep(rng.uniform(0.0, 0.2))
        second = child(lambda folder=folder: fit(folder, 1))
        codes = ended(first), ended(second)
        right = {alone[seed] for seed in (0, 1) if codes[seed] == 0}
        result = outcome(lambda folder=folder: use_run(folder), right, [folder.name])
        if sorted(codes) != [0, 3]:
            print(f"two trainings ended with {codes}")
            result = "silent" if codes == (0, 0) else "unclear"
        elif result == "right":
            result = "refused"  # the other one
        outcomes[result] += 1
        shutil.rmtree(folder)
    return outcomes


# ------------------------------------------------------------------------------------------ command


def inject(share: float, seed: int) -> pd.DataFrame:
    """All kinds of faults; one line for each."""
    rng, lines = random.Random(seed), []

    def line(fault: str, what: str, count: int, run: Callable[..., Counter]) -> None:
        with tempfile.TemporaryDirectory() as place:
            found = run(max(1, round(count * share)), rng, Path(place))
        counts = {name: found[name] for name in OUTCOMES}
        lines.append({"fault": fault, "what": what, "tried": sum(counts.values()), **counts})
        print(lines[-1], flush=True)

    for kind in KINDS:

        def damaged(count, rng, place, kind=kind):
            return inject_damage(kind, count, rng, place)

        line("damaged file", kind.name, COUNTS["damage"], damaged)
    line("killed", "training", COUNTS["kill training"], inject_kills)
    for fault, count, run in (
        ("killed", COUNTS["kill writer"], inject_kills_of_writers),
        ("full disk", COUNTS["full disk"], inject_full_disk),
        ("two writers", COUNTS["two"], inject_two_writers),
    ):
        for what in WHAT:
            line(fault, what, count, lambda *rest, run=run, what=what: run(what, *rest))
    line("two writers", "training", COUNTS["two"] * 2, inject_two_trainings)
    return pd.DataFrame(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one fault in twenty, print only")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    table = inject(1 / 20 if options.quick else 1.0, options.seed)
    total = table[["tried", *OUTCOMES]].sum()
    print(table.to_string(index=False))
    print(f"{total.tried:,} faults: {total.silent} silent, {total.unclear} unclear")
    if not options.quick:
        files.write_csv(RESULTS / "faults.csv", table)
        facts = {"seeds": [options.seed], "device": "cpu", "faults": int(total.tried)}
        facts |= {name: int(total[name]) for name in OUTCOMES}
        seconds = round(time.perf_counter() - start, 1)
        files.write_json(
            RESULTS / "faults.json", provenance(**facts, threads=1, wall_time_seconds=seconds)
        )
    sys.exit(int(total.silent > 0 or total.unclear > 0))


if __name__ == "__main__":
    main()
