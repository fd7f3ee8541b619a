"""The matrix runner: methods and controls x tasks x seeds, trained, tried under shifts, collected.

.. code-block:: yaml

    # results/matrix/study.yaml
    tasks: [halfcheetah-medium, walker2d-medium]
    steps: 200000
    seeds: [0, 1, 2]
    data: {source_size: 200000, target_size: 10000, seed: 0}
    arms: all                     # or labels of droco_lite.evaluation.arms.ARMS, or your own
    settings: {DROCO: {beta: 0.5}, my own: {method: droco, beta: 0.1}}

``data`` holds options of :func:`droco_lite.data.make_task`; ``more_shifts: [morph-torso-hard]``
adds a second source robot.  Controls that train beside a partner have its settings
(:mod:`droco_lite.evaluation.controls`).

A *job* is one arm of one task, all its seeds stacked in one loop (on a GPU: all arms that can share
a loop).  Jobs run in the order of tasks and arms; each keeps its own folder, which holds
the training's checkpoint and a table for each evaluated step.  Every worker takes the first job
that nobody holds, so two processes halve the time, a killed one loses the work since its last
checkpoint, and nothing is done twice: a lock is the operating system's and dies with its process.
A begun study may be given more tasks and arms, in another order; a job made with other settings
than the file now says is refused: it is neither continued nor collected.  What was collected is
finished on every machine: a study goes on wherever its tables are, and collecting adds to them.

Policies are tried under shifts at the last three evaluation steps and averaged: no checkpoint is
picked.  They wait beside the checkpoint (:mod:`droco_lite.agents.snapshots`), so that a card
goes on training while other processes try what it has trained.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from droco_lite.data.tasks import refuse_missing
from droco_lite.evaluation.arms import (
    ARMS,
    COLUMNS,
    ORDER,
    file_name,
    place,
    read_table,
)
from droco_lite.evaluation.collecting import collect, finish_from_tables
from droco_lite.evaluation.study import CHECKPOINTS, LOGGED, Evaluation, Job, Study
from droco_lite.files import claimed
from droco_lite.training.device import choose_device
from droco_lite.training.health import TrainingError

__all__ = [
    "ARMS", "CHECKPOINTS", "COLUMNS", "LOGGED", "ORDER", "Evaluation", "Job", "Study",
    "claimed", "collect", "file_name", "finish_from_tables", "one_thread", "place", "progress",
    "read_table", "work", "work_all", "work_beside", "work_on_ray",
]  # fmt: skip

SECONDS_OF_PATIENCE = 1.0  # between two checks of jobs that others train


def work(
    study: Study,
    root: str | Path,
    *,
    stacked: bool | None = None,
    trains: bool = True,
    say: Callable = print,
) -> int:
    """Do jobs until none is left that this process could take; returns how many it finished.

    Start it as often as there are processors to give.  On a CPU a job is trained and its policies
    tried before the next begins; on a card (``stacked``) all jobs are trained first, since the card
    is what is scarce, and processes that do not train try policies as soon as there are some.

    Args:
        study: what is to be run.
        root: folder of the jobs' folders, made if it is missing.
        stacked: arms that can share a loop are one job; None: where there is a card.
        trains: whether this process may train, or tries policies only.
        say: told, in one line each, what begins and ends.

    Raises:
        ValueError: a job's folder holds results of other settings.
        FileNotFoundError: a task's behaviour policies are missing; nothing was trained.
    """
    return work_all([(study, root)], stacked=stacked, trains=trains, say=say)


def work_all(
    studies: Sequence[tuple[Study, str | Path]],
    *,
    stacked: bool | None = None,
    trains: bool = True,
    say: Callable = print,
) -> int:
    """:func:`work` at several studies, the most important first.

    Args:
        studies: each with the folder of its jobs' folders.
        stacked, trains, say: as in :func:`work`.

    Raises:
        TrainingError: jobs had to stop; raised when all others are done.
    """
    if stacked is None:
        stacked = any(choose_device(study.loop.device).type == "cuda" for study, _ in studies)
    jobs = [(job, Path(root)) for study, root in studies for job in study.jobs(stacked, root)]
    for job, at in jobs:
        job.same(at)
    untrained = [job for job, at in jobs if trains and not job.trained(at)]
    for job in {(job.task, id(job.study)): job for job in untrained}.values():
        refuse_missing(job.task, **job.study.data)  # before hours are spent on other tasks
    did = 0
    while (found := _one_part(jobs, stacked, trains, say)) != "none":
        did += found == "finished"
        if found == "later":
            time.sleep(SECONDS_OF_PATIENCE)
    if failed := [job.failure(root) for job, root in jobs if job.failure(root)]:
        raise TrainingError(
            f"{len(failed)} of {len(jobs)} jobs had to stop, all others are done: "
            f"{'; '.join(map(str, failed))}; to try one again, move its folder away"
        )
    return did


def _train(job: Job, root: Path, say: Callable) -> None:
    """Train a job; one that has to stop says so in its folder, and others go on."""
    try:
        job.train(root, say)
    except TrainingError as error:
        say(f"{job.name}: had to stop: {error}")


def _one_part(jobs: Sequence[tuple[Job, Path]], stacked: bool, trains: bool, say: Callable) -> str:
    """Work at the first part that nobody holds.

    Returns:
        "finished" if its job is done now, "worked" if not; where there was no part, "later" if some
        will come, else "none".
    """
    training = False
    # Attacks come first: they need the critics, which stay where the training was.
    if stacked:
        parts = [(kind, *job) for kind in ("train", "attacks", "all") for job in jobs]
    else:
        parts = [(kind, *job) for job in jobs for kind in ("train", "all")]
    for kind, job, root in parts:
        if job.failure(root):  # the next may do better
            continue
        if kind == "train" and not job.trained(root):
            training = True
            if not trains:
                continue
            with claimed(root / job.name) as mine:
                if mine and not job.trained(root):
                    _train(job, root, say)
                    return "worked"
        if kind == "train" or not job.trained(root):
            continue
        for path in job.parts(root, attacks=kind == "attacks"):
            with claimed(root / job.name / "parts" / path.stem) as mine:
                if mine and not path.exists():
                    job.try_policies(root, path, say)
                    return "finished" if job.done(root) else "worked"
    return "later" if training and stacked else "none"


def work_beside(study: Study, root: str | Path, workers: int) -> None:
    """:func:`work` in several processes of this machine.

    Args:
        study, root: as in :func:`work`.
        workers: how many processes.
    """
    if workers == 1:
        work(study, root)
        return
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=one_thread) as pool:
        for job in [pool.submit(work, study, root) for _ in range(workers)]:
            job.result()


def one_thread() -> None:
    """Use one thread: processes that each take every core only wait for one another."""
    torch.set_num_threads(1)


def work_on_ray(study: Study, root: str | Path, workers: int, **resources: Any) -> int:
    """The same on a Ray cluster: ``workers`` tasks that share ``root`` (a common file system).

    ``resources`` go to Ray for each, such as ``num_gpus=1``.  Needs the extra ``cluster``.

    Returns:
        How many jobs were done.

    Raises:
        ImportError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("Ray is missing: pip install 'droco-lite[cluster]'") from error
    if not ray.is_initialized():
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    remote = ray.remote(**{"num_cpus": 1, **resources})(_work_quietly)
    return sum(ray.get([remote.remote(study, str(root)) for _ in range(workers)]))


def _work_quietly(study: Study, root: str) -> int:
    return work(study, root, say=_quiet)


def _quiet(line: str) -> None:
    """A worker elsewhere keeps its progress in its folder, where :func:`progress` finds it."""


def progress(study: Study, root: str | Path, stacked: bool = False) -> pd.DataFrame:
    """One line per job: its state, steps done, seconds spent and an estimate of those left.

    The estimate takes a job's own rate, else that of the same arm on another task; unknown is NaN.

    Args:
        study: what is to be run.
        root: folder of the jobs' folders.
        stacked: arms that can share a loop are one job, as :func:`work` has it on a card.
    """
    root, lines = Path(root), []
    for job in study.jobs(stacked, root):
        step, spent = job.step(root), job.seconds(root)
        lines.append(
            {
                "task": job.task, "arms": ", ".join(job.labels), "seeds": len(study.seeds),
                "step": step, "steps": study.steps, "seconds": spent,
                "state": _state(job, root),
            }
        )  # fmt: skip
    table = pd.DataFrame(lines)
    whole = table[table["state"] == "done"].groupby("arms")["seconds"].mean()
    usual = table["arms"].map(whole)
    left = (usual * (1 - table["step"] / table["steps"])).where(table["state"] != "done", 0.0)
    return table.assign(seconds_left=left)


def _state(job: Job, root: Path) -> str:
    """One word for how far a job is."""
    if job.failure(root):
        return "failed"
    return "done" if job.done(root) else "begun" if job.step(root) else "waiting"
