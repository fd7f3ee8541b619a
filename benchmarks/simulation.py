"""How fast the batched robots are, beside Gymnasium's vector environments.

    python benchmarks/simulation.py            # about three minutes, writes results/benchmarks/
    python benchmarks/simulation.py --quick    # seconds, prints only

Four ways run in short windows that take turns, so that whatever else the machine does falls on all
of them alike; each round gives one ratio, and the table holds the median and the extremes.

* sync, async: Gymnasium's SyncVectorEnv and AsyncVectorEnv over the registered environments.
* batch: ``VectorRobot``.
* floor: nothing but ``mj_step``, from states of the batch's own episodes, on one plain thread per
  core. No vector environment on these cores can be faster.

Where other jobs share the cores the second thread of the batch has less to win; the processor time
of a step, which hardly feels them, stands beside the ratios.

The first three have a policy in the loop (two hidden layers of 256, PyTorch on one thread) and
reset episodes that end.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import torch
from quiet import quiet

from droco_lite.files import write_json, write_text
from droco_lite.provenance import provenance
from droco_lite.robots import ROBOTS, VectorRobot, environment_id, make_model

RESULTS = Path(__file__).resolve().parent.parent / "results" / "benchmarks"
KINDS = ("sync", "async", "batch", "floor")
KINDS_LARGE = ("sync", "batch", "floor")  # 256 worker processes would measure the scheduler
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def make_policy(robot: str, seed: int = 0):
    """A policy of the size used for training, with random weights."""
    spec = ROBOTS[robot]
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Linear(spec.observation_size, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, spec.action_size),
        torch.nn.Tanh(),
    )

    @torch.inference_mode()
    def policy(observations: np.ndarray) -> np.ndarray:
        return network(torch.as_tensor(observations, dtype=torch.float32)).numpy()

    return policy


class Loop:
    """A vector environment with a policy; one call runs it for a while."""

    def __init__(self, envs, policy):
        self.envs, self.policy = envs, policy
        self.observations, _ = envs.reset(seed=0)

    def __call__(self, seconds: float) -> float:
        """Environment steps a second over a window."""
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            self.observations, *_ = self.envs.step(self.policy(self.observations))
            steps += self.envs.num_envs
        return steps / (time.perf_counter() - start)

    def close(self):
        self.envs.close()


class Floor:
    """``mj_step`` alone, from recorded states, on one thread per core."""

    def __init__(self, robot: str, policy, states: int = 256):
        self.frame_skip = ROBOTS[robot].frame_skip
        self.model = make_model(robot)
        self.states = self._record(robot, policy, states)

    def _record(self, robot, policy, states):
        """States (with their warm starts and controls) an episode goes through, spread out."""
        spec_bits = mujoco.mjtState.mjSTATE_INTEGRATION
        size = mujoco.mj_stateSize(self.model, spec_bits)
        env = gymnasium.make(environment_id(robot), disable_env_checker=True)
        observation, _ = env.reset(seed=0)
        recorded = np.empty((states, size))
        for i in range(states):
            for _ in range(3):
                action = policy(observation[None])[0]
                observation, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    observation, _ = env.reset()
            env.unwrapped.data.ctrl[:] = policy(observation[None])[0]
            mujoco.mj_getState(
                env.unwrapped.model, env.unwrapped.data, recorded[i], spec_bits.value
            )
        env.close()
        return recorded

    def __call__(self, seconds: float) -> float:
        counts, stop = [0] * CORES, threading.Event()

        def work(k):
            data, bits = mujoco.MjData(self.model), mujoco.mjtState.mjSTATE_INTEGRATION.value
            while not stop.is_set():
                for state in self.states[k::CORES]:
                    mujoco.mj_setState(self.model, data, state, bits)
                    mujoco.mj_step(self.model, data, nstep=self.frame_skip)
                    counts[k] += 1
                    if stop.is_set():
                        break

        threads = [threading.Thread(target=work, args=(k,)) for k in range(CORES)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        stop.set()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - start)

    def close(self):
        pass


def environments(robot: str, n: int, kind: str):
    """One of the vector environments under test."""
    if kind == "batch":
        return VectorRobot(robot, n)

    def make():
        return gymnasium.make(environment_id(robot), disable_env_checker=True)

    if kind == "sync":
        return gymnasium.vector.SyncVectorEnv([make] * n)
    return gymnasium.vector.AsyncVectorEnv([make] * n)


def measure(robot: str, n: int, kinds, rounds: int, window: float) -> dict:
    """Steps a second of each way, over rounds in which all take their turn."""
    policy = make_policy(robot)
    ways = {
        kind: Floor(robot, policy)
        if kind == "floor"
        else Loop(environments(robot, n, kind), policy)
        for kind in kinds
    }
    for way in ways.values():
        way(window / 2)  # warm up
    rates, processor = ({kind: [] for kind in kinds} for _ in range(2))
    for _ in range(rounds):
        for kind, way in ways.items():
            before, begun = time.process_time(), time.perf_counter()
            rates[kind].append(way(window))
            used, passed = time.process_time() - before, time.perf_counter() - begun
            processor[kind].append(1e6 * used / (rates[kind][-1] * passed))
    for way in ways.values():
        way.close()
    row = {
        "robot": robot,
        "rows": n,
        "steps_per_second": {kind: round(float(np.median(r))) for kind, r in rates.items()},
        # Of this process: the workers of AsyncVectorEnv are others.
        "processor_microseconds_per_step": {
            kind: round(float(np.median(r)), 1) for kind, r in processor.items() if kind != "async"
        },
    }
    for name, below in (("sync", "sync"), ("async", "async"), ("floor", "floor")):
        if below in rates:
            ratio = np.divide(rates["batch"], rates[below])
            row[f"batch_over_{name}"] = {
                "median": round(float(np.median(ratio)), 3),
                "lowest": round(float(ratio.min()), 3),
                "highest": round(float(ratio.max()), 3),
            }
    return row


def table(rows: list[dict]) -> str:
    """The result as Markdown."""
    lines = [
        "| robot | rows | sync | async | batch | batch / sync | batch / async | share of floor "
        "| processor time, sync → batch (floor) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        rate, micro = row["steps_per_second"], row["processor_microseconds_per_step"]

        def ratio(name, row=row, form="{:.1f}"):
            entry = row.get(f"batch_over_{name}")
            if entry is None:
                return ""
            median, lowest, highest = (
                form.format(entry[k]) for k in ("median", "lowest", "highest")
            )
            return f"**{median}** ({lowest} to {highest})"

        lines.append(
            f"| {row['robot']} | {row['rows']} | {rate['sync']:,} | "
            f"{format(rate['async'], ',') if 'async' in rate else ''} | {rate['batch']:,} | "
            f"{ratio('sync')} | {ratio('async')} | {ratio('floor', form='{:.0%}')} | "
            f"{micro['sync']:.0f} → {micro['batch']:.0f} ({micro['floor']:.0f}) µs |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="seconds, one robot, writes nothing")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--window", type=float, default=0.35, help="seconds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # else OpenMP's idle threads spin against the physics
    start = time.perf_counter()
    if arguments.quick:
        rows = [measure("hopper", 16, ("sync", "batch", "floor"), 2, 0.1)]
        print(table(rows))
        return
    rows = []
    for robot in ROBOTS:
        for n in (16, 64, 256):
            rows.append(
                measure(
                    robot, n, KINDS if n <= 64 else KINDS_LARGE, arguments.rounds, arguments.window
                )
            )
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    record = provenance(
        seeds=[0],
        wall_time_seconds=round(time.perf_counter() - start, 1),
        threads=CORES,
        load_average=[round(x, 2) for x in os.getloadavg()],
        **quiet(),
    )
    write_json(RESULTS / "simulation.json", {"provenance": record, "rows": rows})
    text = (
        "# Batched robots beside Gymnasium's vector environments\n\n"
        "Environment steps a second with a policy in the loop, and ratios of the same round: "
        "median (lowest to highest).\n\n"
        f"{table(rows)}\n\n"
        f"`{record['command']}` at commit `{record['commit']}`, {record['cpu']}, {CORES} cores "
        f"(load average {record['load_average'][0]} at the end: other jobs ran beside it), "
        f"MuJoCo {record['versions']['mujoco']}, Gymnasium {record['versions']['gymnasium']}, "
        f"PyTorch {record['versions']['torch']}, {record['date']}, "
        f"{record['wall_time_seconds']:.0f} s.\n"
    )
    write_text(RESULTS / "simulation.md", text)


if __name__ == "__main__":
    main()
