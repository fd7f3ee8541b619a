"""Short trainings for the live lab: policies, values and ensembles to look at before a study ends.

``python -m droco_lite.live.short_runs walker2d --seeds 0 1 2`` trains IQL on both data sets
(``iql``), on the target alone (``iql_target``), a clone of the target (``cloning_target``) and
DROCO at three β (``droco-0.1``, ``droco-0.5``, ``droco-1``), and writes the first seed's networks
with their cards where :func:`droco_lite.agents.trained_policies.load_policy` finds them.
``--only`` takes some of them. They are *short runs*: their cards say so, and the lab shows it
beside every name. A robot of the reader's own is trained on its task ``NAME-medium``:
``short_runs my_robot --robot-file my_robot.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from droco_lite.agents import DROCOSettings, IQLSettings
from droco_lite.agents.trained_policies import release_policy, weights_folder
from droco_lite.data import make_task
from droco_lite.robots import NOMINAL, get_robot, rollout_runs
from droco_lite.robots.robot_file import robot_file_option, told_by
from droco_lite.training import train
from droco_lite.training.loop import LoopSettings, numpy_act

BETAS = (0.1, 0.5, 1.0)
EPISODES, EVALUATION_SEED = 20, 20_000  # no choice was made on these


def families(steps: int, seeds: Sequence[int]) -> dict[str, list]:
    """Policy name without the robot -> its settings, one a seed."""

    def iql(**changes):
        return [IQLSettings(seed=seed, steps=steps, **changes) for seed in seeds]

    named = {
        "iql": iql(),
        "iql_target": iql(halves="target"),
        "cloning_target": iql(halves="target", temperature=0.0),
    }
    for beta in BETAS:
        # The floor is the least return that the target's rewards allow; V runs away without.
        named[f"droco-{beta:g}"] = [
            DROCOSettings(beta=beta, delta=30.0, seed=seed, steps=steps) for seed in seeds
        ]
    return named


def make(robot: str, asked: argparse.Namespace) -> None:
    """Train, evaluate and release the policies asked for; one stack a method."""
    spec, task = get_robot(robot), f"{robot}-medium"
    out = asked.out or weights_folder(robot)
    data = make_task(
        task, source_size=asked.source_rows, target_size=asked.target_rows, cache=False
    )
    named = families(asked.steps, asked.seeds)
    file = f" --robot-file {Path(spec.file).name}" if spec.file else ""  # no path of this machine
    command = (
        f"python -m droco_lite.live.short_runs {robot} --steps {asked.steps} --seeds "
        f"{' '.join(map(str, asked.seeds))} --source-rows {asked.source_rows} --target-rows "
        f"{asked.target_rows} --only {' '.join(asked.only)}{file}"
    )
    for method in ("iql", "droco"):
        names = [n for n in asked.only if named[n][0].method == method]
        if not names:
            continue
        runs = [run for name in names for run in named[name]]
        loop = LoopSettings(evaluate_every=asked.steps, episodes=0)
        agent = train(runs, data.source, data.target, loop=loop).agent
        returns = rollout_runs(
            robot, [NOMINAL], numpy_act(agent), runs=len(runs), episodes=EPISODES,
            seed=EVALUATION_SEED,
        ).returns[:, 0].mean(1)  # fmt: skip
        for k, name in enumerate(names):
            rows = range(k * len(asked.seeds), (k + 1) * len(asked.seeds))
            means = zip(asked.seeds, returns[list(rows)], strict=True)
            floor = agent.backup_bounds()[0][rows[0]].item()
            path = release_policy(
                agent, rows[0], out / f"{robot}-{name}", robot=robot, task=task,
                kind=f"short run, {asked.steps:,} steps", source_rows=asked.source_rows,
                target_rows=asked.target_rows, episodes=EPISODES, evaluation_seed=EVALUATION_SEED,
                returns={str(seed): float(np.round(mean, 1)) for seed, mean in means},
                command=command, **({"floor": floor} if np.isfinite(floor) else {}),
            )  # fmt: skip
            print(path.name, returns[list(rows)].round(0), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command: train short runs on one robot for the lab."""
    option = robot_file_option()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], parents=[option])
    parser.add_argument("robot", help="the robot to train on")
    parser.add_argument("--steps", type=int, default=20_000, help="gradient steps")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds; the first is released"
    )
    parser.add_argument("--source-rows", type=int, default=100_000, help="source transitions")
    parser.add_argument("--target-rows", type=int, default=10_000, help="target transitions")
    arms = list(families(1, [0]))
    parser.add_argument("--only", nargs="+", default=arms, choices=arms, help="these arms alone")
    parser.add_argument(
        "--out", type=Path,
        help="folder of weights and cards (the package's; for yours in the cache)",
    )  # fmt: skip
    asked = parser.parse_args(arguments)
    with told_by(parser):
        make(asked.robot, asked)


if __name__ == "__main__":
    main()
