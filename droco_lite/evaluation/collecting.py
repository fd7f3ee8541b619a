"""Collecting a study: one table a task of what is finished, and going on from such tables alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from droco_lite import files
from droco_lite.data import Task
from droco_lite.evaluation.arms import (
    COLUMNS,
    CURVE_COLUMNS,
    MEND_TABLE,
    file_name,
    place,
    read_table,
)
from droco_lite.evaluation.study import (
    CHECKPOINTS,
    FACTS,
    LOGGED,
    TRAINED_ON,
    Job,
    Study,
    job_facts,
)
from droco_lite.provenance import as_json, provenance
from droco_lite.training.curve import CURVE, read_curve


def finish_from_tables(study: Study, root: str | Path, to: str | Path) -> None:
    """Put the arms that are finished in the tables of ``to`` into ``root``, as finished jobs.

    So a study goes on in another folder, or on another machine, from its tables alone.  An arm that
    had only begun elsewhere begins again, its curve too: its checkpoint stayed there.

    Args:
        study: what is to be run.
        root: folder of the jobs' folders.
        to: folder of the tables.

    Raises:
        ValueError: the tables were made with other settings; the message names the file and the
            key.
    """
    root, to = Path(root), Path(to)
    for task in map(str, study.tasks):
        path = to / f"{file_name(task)}.csv"
        jobs = [job for job in study.jobs(root=root) if job.task == task]
        open_jobs = [job for job in jobs if not job.done(root)]
        if not open_jobs or not path.exists():
            continue
        lines = read_table(to, task)
        held = [job for job in open_jobs if set(lines["label"]).issuperset(job.labels)]
        if not held:
            continue
        curves = files.read_csv(to / f"{path.stem}-curves.csv", MEND_TABLE)
        about = files.read_json(path.with_suffix(".json"), MEND_TABLE)
        header = {key: about[key] for key in provenance()}
        for job in held:
            arms = {label: about["arms"][label] for label in job.labels}
            seeds = [*about["seeds"], *about.get("more_seeds", {}).get(job.labels[0], ())]
            kept = [about["data"], about.get("evaluation", {}), arms]
            facts = job_facts(about["steps"], seeds, *kept)
            job.refuse_other(path.with_suffix(".json"), facts)
            earlier = [e for e in about.get("earlier", []) if set(job.labels) & set(e["arms"])]
            seconds = {"elsewhere": sum(about["seconds"].get(each, 0.0) for each in job.labels)}
            folder, (curve, own) = (
                root / job.name,
                [table[table["label"].isin(job.labels)] for table in (curves, lines)],
            )
            with files.claimed(folder) as mine:
                if not mine:  # another process works on it
                    continue
                made = job.elsewhere(root)
                files.write_json(folder / FACTS, facts, checksum=True)
                files.write_json(folder / "seconds.json", seconds, checksum=True)
                if told := about.get("trained_on", {}).get(job.labels[0]):
                    files.write_json(folder / TRAINED_ON, told, checksum=True)
                files.write_json(made.with_suffix(".json"), [*earlier, header][0], checksum=True)
                files.write_csv(folder / CURVE, curve, checksum=True)
                files.write_csv(made, own, checksum=True)  # last: with it the job is done


def _trained_on(jobs: Sequence[Job], root: Path) -> dict[str, dict[str, Any]]:
    """Where the arms were trained that were not collected elsewhere."""
    found: dict[str, dict[str, Any]] = {}
    for job in jobs:
        path = root / job.name / TRAINED_ON
        if path.exists():
            found |= dict.fromkeys(job.labels, files.read_json(path, job.mend(root)))
    return found


def _earlier(jobs: Sequence[Job], root: Path) -> list[dict[str, Any]]:
    """Which arms were collected elsewhere, and with what: one entry for each collection."""
    found: dict[str, dict[str, Any]] = {}
    for job in jobs:
        path = job.elsewhere(root).with_suffix(".json")
        if path.exists():
            made = files.read_json(path, job.mend(root)) | {"arms": []}
            found.setdefault(str(made), made)["arms"] += job.labels
    return list(found.values())


def collect(study: Study, root: str | Path, to: str | Path, **facts: Any) -> list[Path]:
    """Write the tables of a study from its jobs' folders.

    ``TASK.csv`` and ``TASK.json`` hold all finished jobs, and ``TASK-curves.csv`` all that have
    begun, as far as they went. Finished arms that the tables hold already stay
    (:func:`finish_from_tables`); where all are such, nothing is written.

    Args:
        study: what was to be run.
        root: folder of the jobs' folders.
        to: folder of the tables.
        facts: further entries of the record beside each table.

    Returns:
        The files that were written.
    """
    root, to, written = Path(root), Path(to), []
    finish_from_tables(study, root, to)
    every = study.jobs(root=root)
    for task in map(str, study.tasks):
        begun = [job for job in every if job.task == task and job.step(root)]
        if not begun:
            continue
        for job in begun:
            job.same(root)
        name, done = file_name(task), [job for job in begun if job.done(root)]
        held = set(read_table(to, task)["label"]) if (to / f"{name}.csv").exists() else set()
        if all(job.elsewhere(root).exists() and held.issuperset(job.labels) for job in begun):
            continue
        arms = {label: own for job in begun for label, own in job.made_with(root).items()}
        about = {
            "task": task, "source_shift": Task.parse(task).source_shift, "steps": study.steps,
            "seeds": list(study.seeds),
            "more_seeds": as_json(dict(study.more_seeds)), "data": dict(study.data),
            "evaluation": asdict(study.evaluation), "arms": arms,
            "reached": {label: job.step(root) for job in begun for label in job.labels},
            "seconds": {
                label: job.seconds(root) / len(job.labels) for job in begun for label in job.labels
            },
            "wall_time_seconds": sum(job.seconds(root) for job in begun),
            "trained_on": _trained_on(begun, root), "earlier": _earlier(begun, root), **facts,
        }  # fmt: skip
        tables = {
            to / f"{name}{suffix}.csv": _in_order(
                pd.concat([read(job, root) for job in jobs], ignore_index=True)
            )
            for suffix, jobs, read in (("", done, _results), ("-curves", begun, _curves))
            if jobs
        }
        with files.lock(to, wait=60.0):
            # First the record, which may say more than the tables; not the other way round.
            record = to / f"{name}.json"
            files.write_json(record, provenance(**as_json(about)), checksum=True)
            for path, lines in tables.items():
                files.write_csv(path, lines, checksum=True, float_format="%.6g")
        written += [*tables, record]
    return written


def _results(job: Job, root: Path) -> pd.DataFrame:
    if job.elsewhere(root).exists():
        own = files.read_csv(job.elsewhere(root), job.mend(root), keep_default_na=False)
        return own[list(COLUMNS)]
    keys = ["label", "method", "seed", "shift", "family", "variant", "strength", "attack", "scale"]
    tables = [
        files.read_csv(path, job.mend(root), keep_default_na=False) for path in job.tables(root)
    ]
    numbers = ["return_mean", "return_std", "score", "episodes"]
    tried = pd.concat(tables[:CHECKPOINTS])[keys + numbers]
    lines = tried.groupby(keys, sort=False, dropna=False)[numbers].mean().reset_index()
    lines["checkpoints"] = CHECKPOINTS
    if job.study.evaluation.final_episodes > job.study.evaluation.episodes:
        # Without the last evaluation's many episodes, an average over evaluations would be over
        # policies that count unequally; with them, the last policy's clean return stands by itself.
        final = tables[CHECKPOINTS - 1]
        final = final[final["shift"] == "nominal"][keys + numbers].assign(checkpoints=1)
        lines = pd.concat([final, lines[lines["shift"] != "nominal"]])
    if len(tables) > CHECKPOINTS:
        attacked = tables[-1][tables[-1]["attack"] != "none"]
        lines = pd.concat([lines, attacked[keys + numbers].assign(checkpoints=1)])
    return _named(lines.assign(steps=job.study.steps), job)[list(COLUMNS)]


def _curves(job: Job, root: Path) -> pd.DataFrame:
    curve = read_curve(Path(root) / job.name, job.mend(root))
    return _named(curve, job).reindex(columns=[*CURVE_COLUMNS, *LOGGED])


def _named(lines: pd.DataFrame, job: Job) -> pd.DataFrame:
    """With the task, and each arm's own method: beside a control all have its class."""
    methods = {label: job.study.arm(label)["method"] for label in job.labels}
    return lines.assign(task=job.task, method=lines["label"].map(methods))


def _in_order(lines: pd.DataFrame) -> pd.DataFrame:
    return lines.sort_values("label", key=lambda labels: labels.map(place), kind="stable")
