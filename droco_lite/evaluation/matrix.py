"""The matrix runner: methods and controls x tasks x seeds, trained, tried under shifts, collected.

.. code-block:: yaml

    # results/matrix/study.yaml
    tasks: [halfcheetah-medium, walker2d-medium]
    steps: 200000
    seeds: [0, 1, 2]
    data: {source_size: 200000, target_size: 10000, seed: 0}
    arms: all                     # or labels of droco_lite.evaluation.arms.ARMS, or your own
    settings: {DROCO: {beta: 0.5}, my own: {method: droco, beta: 0.1}}

A *job* is one arm of one task, all its seeds stacked in one loop (on a GPU: all arms that can share
a loop).  Jobs run in the order of tasks and arms; each keeps its own folder, which holds
the training's checkpoint and a table for each evaluated step.  Every worker takes the first job
that nobody holds, so two processes halve the time, a killed one loses the work since its last
checkpoint, and nothing is done twice: a lock is the operating system's and dies with its process.
A begun study may be given more tasks and arms, in another order; a job made with other settings
than the file now says is refused, never gone on with or collected.  What was collected is finished
on every machine: a study goes on wherever its tables are, and collecting adds to them.

Policies are tried under shifts at the last three evaluation steps and averaged: no checkpoint is
picked.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from droco_lite import files
from droco_lite.agents import METHODS
from droco_lite.agents.settings import Settings, per_run_values
from droco_lite.data import Task, make_task
from droco_lite.evaluation.arms import (
    ARMS,
    COLUMNS,
    CURVE_COLUMNS,
    MEND_TABLE,
    PARTNER,
    file_name,
    place,
    read_table,
)
from droco_lite.evaluation.suite import FAMILIES, evaluate, grid
from droco_lite.provenance import as_json, provenance
from droco_lite.robots import SHIFTS
from droco_lite.training.experiment import read_keys
from droco_lite.training.loop import CURVE, LoopSettings, choose_device, read_curve, train

CHECKPOINTS = 3
KEYS = ("tasks", "steps", "seeds", "more_seeds", "data", "arms", "settings", "evaluation", "loop")
FACTS = "job.json"
ELSEWHERE = "elsewhere.csv"
#: Diagnostics that collected curves keep, of the methods that have them.
LOGGED = ("v_source", "v_target", "penalty_mean", "beyond_delta", "kappa", "outside")


@dataclass(frozen=True)
class Evaluation:
    """How the trained policies are tried.

    ``every`` is the spacing of evaluations in steps, and ``episodes`` their number for each shift.
    The last policy is tried on the nominal robot with ``final_episodes``, if that is more, and
    there under ``attacks``, since it has its critics at hand.
    """

    every: int = 10_000
    episodes: int = 10
    final_episodes: int = 0
    families: Sequence[str] = FAMILIES
    strengths: Sequence[float] = (1 / 3, 2 / 3, 1.0)
    attacks: Sequence[str] = ()
    seed: int = 20_000


@dataclass(frozen=True)
class Study:
    """Tasks, arms and seeds; see the module's text for the file."""

    tasks: Sequence[str]
    steps: int
    seeds: Sequence[int] = (0, 1, 2)
    more_seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)
    arms: Sequence[str] = tuple(ARMS)
    data: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    evaluation: Evaluation = field(default_factory=Evaluation)
    loop: LoopSettings = field(default_factory=LoopSettings)

    def __post_init__(self) -> None:
        for task in self.tasks:
            Task.parse(task)
        _refuse_shared_folders("tasks", map(str, self.tasks))
        _refuse_shared_folders("arms", self.arms)
        for label in (*self.arms, *self.settings):
            if "method" not in self.arm(label):
                raise ValueError(
                    f"arms: {label!r} is none of {', '.join(ARMS)}; an arm of your own needs its "
                    "method in settings"
                )
        for label in self.arms:
            if PARTNER.get(label, label) not in self.arms:
                raise ValueError(f"arms: {label!r} is a control of {PARTNER[label]!r}: add that")
        for key, seeds in [("seeds", self.seeds), *self.more_seeds.items()]:
            every = [*seeds, *(self.seeds if key != "seeds" else ())]
            if len(set(every)) != len(every) or not every:
                raise ValueError(f"{key}: give at least one seed, none of them twice")
        for label in self.more_seeds:
            if label not in self.arms or label in PARTNER or label in PARTNER.values():
                raise ValueError(
                    f"more_seeds: {label!r} is no arm of the study, or is trained beside its "
                    "control, which needs the same seeds"
                )
        if self.steps % self.evaluation.every or self.steps < CHECKPOINTS * self.evaluation.every:
            raise ValueError(
                f"steps: {self.steps} must be a multiple of evaluation.every "
                f"({self.evaluation.every}) and hold {CHECKPOINTS} of them"
            )
        for label in self.arms:
            self.runs(label)

    @classmethod
    def read(cls, path: str | Path) -> Study:
        """Read a YAML or TOML file.

        Raises
        ------
        ValueError : an unreadable file, an unknown or missing key, or a value out of range; the
            message names the file and the key.
        """
        content = read_keys(path, KEYS, required=("tasks", "steps"))
        if content.get("arms") in (None, "all"):
            content["arms"] = tuple(ARMS)
        try:
            content["evaluation"] = Evaluation(**(content.get("evaluation") or {}))
            content["loop"] = LoopSettings.from_dict(content.get("loop") or {}, where="loop")
            return cls(**content)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from error

    def write(self, path: str | Path) -> None:
        """Write a file that :meth:`read` turns into the same study."""
        content = json.loads(json.dumps(asdict(self)))  # tuples become lists
        files.write_text(path, yaml.safe_dump(content, allow_unicode=True, sort_keys=False))

    def arm(self, label: str) -> dict[str, Any]:
        """Method and settings of an arm: those of :data:`ARMS`, then the study's own."""
        return {**ARMS.get(label, {}), **self.settings.get(label, {})}

    def runs(self, label: str) -> list[Settings]:
        """One settings object for each seed of an arm."""
        given = self.arm(label) | {"steps": self.steps}
        kind = METHODS[given["method"]].Settings
        once = kind.from_dict({"label": label, **given}, where=f"settings of {label}")
        return [replace(once, seed=seed) for seed in self.seeds_of(label)]

    def seeds_of(self, label: str) -> list[int]:
        """The seeds of an arm: the study's, and its own further ones."""
        return [*self.seeds, *self.more_seeds.get(label, ())]

    def once(self, label: str) -> dict[str, Any]:
        """Every setting of an arm but its seed."""
        return {key: value for key, value in self.runs(label)[0].to_dict().items() if key != "seed"}

    def jobs(self, stacked: bool = False, root: str | Path = "") -> list[Job]:
        """All jobs in the order in which they should run.

        ``stacked`` puts arms of one method with equal shared settings into one loop: better on a
        GPU, no gain on a CPU.  Arms that :func:`restore` has put into ``root`` stay alone.
        """

        def loop_of(task: str, label: str):
            label = PARTNER.get(label, label)  # a control is trained beside its partner
            run, own = self.runs(label)[0], per_run_values(self.runs(label)[0])
            alone = (
                not stacked
                or label in self.more_seeds
                or Job(self, task, (label,)).elsewhere(root).exists()
            )
            return label if alone else str({**run.to_dict(), **dict.fromkeys(own)})

        jobs = []
        for task in map(str, self.tasks):
            groups: dict[str, list[str]] = {}
            for label in self.arms:
                groups.setdefault(loop_of(task, label), []).append(label)
            for labels in groups.values():
                labels.sort(key=lambda label: label in PARTNER)
            jobs += [Job(self, task, tuple(labels)) for labels in groups.values()]
        return jobs


@dataclass(frozen=True)
class Job:
    """Some arms of one task, with every seed, in one loop."""

    study: Study
    task: str
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the job's folder."""
        return f"{file_name(self.task)}/{'+'.join(file_name(label) for label in self.labels)}"

    @property
    def stops(self) -> list[int]:
        """The steps whose policies are tried under shifts."""
        every, last = self.study.evaluation.every, self.study.steps
        return list(range(last - (CHECKPOINTS - 1) * every, last + 1, every))

    def tables(self, root: Path) -> list[Path]:
        """Files that a finished job has left, in the order in which they are made."""
        folder = Path(root) / self.name
        made = [folder / f"shifts-{stop}.csv" for stop in self.stops]
        return made + ([folder / "attacks.csv"] if self.study.evaluation.attacks else [])

    def done(self, root: Path) -> bool:
        """Whether nothing is left to do."""
        return self.elsewhere(root).exists() or all(path.exists() for path in self.tables(root))

    def elsewhere(self, root: str | Path) -> Path:
        """The job's lines of a table that another folder's work was collected in, if it was."""
        return Path(root) / self.name / ELSEWHERE

    def step(self, root: Path) -> int:
        """The last step that is known to be on disk."""
        folder = Path(root) / self.name
        seen = read_curve(folder, self.mend(root))["step"] if (folder / CURVE).exists() else [0]
        return int(max(seen))

    def seconds(self, root: Path) -> float:
        """Wall time spent on the job so far."""
        path = Path(root) / self.name / "seconds.json"
        return sum(files.read_json(path, self.mend(root)).values()) if path.exists() else 0.0

    def mend(self, root: str | Path) -> str:
        """What to do about a damaged file of the job."""
        return f"move the folder {Path(root) / self.name} away and run the study again"

    def facts(self) -> dict[str, Any]:
        """What its results depend on; on what and how fast it runs does not belong here."""
        study = self.study
        arms = {label: study.once(label) for label in self.labels}
        (seeds,) = {tuple(study.seeds_of(label)) for label in self.labels}
        return _facts(study.steps, seeds, study.data, asdict(study.evaluation), arms)

    def same(self, root: Path) -> None:
        """Refuse a folder whose results were made with other settings: the tables would say that
        they were made with these.

        Raises
        ------
        ValueError : the message names the file, the key, both values and the mend.
        """
        path = Path(root) / self.name / FACTS
        if path.exists():
            self.refuse_other(path, files.read_json(path, self.mend(root)))

    def refuse_other(self, path: Path, kept: Mapping[str, Any]) -> None:
        """Refuse the results that ``path`` tells of if ``kept`` is not what this job depends on."""
        asked = self.facts()
        for key in {**kept, **asked}:
            newer = key not in kept and not key.startswith("data.")  # a setting's default, then
            if not newer and kept.get(key) != asked.get(key):
                raise ValueError(
                    f"{path}: {key} is {kept.get(key)}, asked for {asked.get(key)}; ask for that "
                    "again, or choose another folder"
                )

    def runs(self) -> list[Settings]:
        """The runs of the loop: arms x seeds.  Beside a control, all are of the control's class."""
        runs = list(itertools.chain.from_iterable(map(self.study.runs, self.labels)))
        kinds = [type(run) for run in runs if run.label in PARTNER]
        if not kinds:
            return runs

        def beside(run: Settings) -> Settings:
            own = run.to_dict()
            return run if run.label in PARTNER else kinds[0].from_dict({**own, "shuffled": False})

        return [beside(run) for run in runs]

    def run(self, root: Path, say: Callable[[str], None] = print) -> None:
        """Train and evaluate whatever is left to do; everything kept is written whole."""
        folder, evaluation = Path(root) / self.name, self.study.evaluation
        if not (folder / FACTS).exists():
            files.write_json(folder / FACTS, self.facts(), checksum=True)
        data = make_task(self.task, progress=False, **self.study.data)
        robot = data.task.robot
        loop = replace(
            self.study.loop, evaluate_every=evaluation.every, save_every=evaluation.every
        )
        # A robot of the user's own need not have every family of the default.
        families = [f for f in evaluation.families if f in SHIFTS[robot] or f not in FAMILIES]
        shifts = grid(robot, families, evaluation.strengths)
        runs, agent = self.runs(), None
        for path, stop in itertools.zip_longest(self.tables(root), self.stops):
            if path.exists():
                continue
            start = time.perf_counter()
            if agent is None or stop is not None:
                trained = train(
                    runs, data.source, data.target, robot=robot, loop=loop, out=folder,
                    stop_after=stop,
                )  # fmt: skip
                agent = trained.agent
                self._refuse_passed(path, stop, trained.curve)
            options = {"episodes": evaluation.episodes, "seed": evaluation.seed}
            if stop is not None:
                table = evaluate(agent, robot, shifts, **options)
                if stop == self.study.steps and evaluation.final_episodes > evaluation.episodes:
                    more = {**options, "episodes": evaluation.final_episodes}
                    clean = evaluate(agent, robot, ["nominal"], **more)
                    table = pd.concat([table[table["shift"] != "nominal"], clean])
            else:
                unit = data.target.observations.std(0)
                table = evaluate(
                    agent, robot, ["nominal"], attacks=evaluation.attacks, deviation=unit, **options
                )
            files.write_csv(path, table, checksum=True)
            seconds = folder / "seconds.json"
            spent = files.read_json(seconds, self.mend(root)) if seconds.exists() else {}
            spent[path.stem] = round(time.perf_counter() - start, 1)
            files.write_json(seconds, spent, checksum=True)
            say(f"{self.name}: {path.stem} in {spent[path.stem]:.0f} s")

    def _refuse_passed(self, path: Path, stop: int | None, curve: pd.DataFrame) -> None:
        """Refuse to try later policies in the place of those that a lost table told of."""
        reached = int(curve["step"].max())
        if stop is not None and reached != stop:
            raise ValueError(
                f"{path} is missing, and the training has gone on to step {reached:,}; "
                f"{self.mend(path.parents[2])}"
            )


def _refuse_shared_folders(key: str, names: Iterable[str]) -> None:
    """Two arms or tasks whose names differ in signs only would write over each other."""
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(file_name(name), name)
        if other != name:
            raise ValueError(
                f"{key}: {other!r} and {name!r} would share the folder {file_name(name)!r}; "
                "rename one of them"
            )


def _facts(steps: int, seeds: Sequence[int], data: Mapping, evaluation: Mapping, arms: Mapping):
    parts = {"data": data, "evaluation": evaluation}
    parts |= {f"settings.{label}": settings for label, settings in arms.items()}
    inner = {f"{part}.{key}": v for part, some in parts.items() for key, v in some.items()}
    return as_json({"steps": steps, "seeds": seeds, **inner})


# ------------------------------------------------------------------------------------- workers


@contextmanager
def claimed(path: Path):
    """Hold the job of this folder, or yield False if another process does."""
    with ExitStack() as held:
        try:
            held.enter_context(files.lock(path, again=False))
        except files.InUse:
            mine = False
        else:
            mine = True
        yield mine


def work(
    study: Study, root: str | Path, *, stacked: bool | None = None, say: Callable = print
) -> int:
    """Do jobs until none is left that this process could take; returns how many it did.

    Start it as often as there are processors to give.

    Raises
    ------
    ValueError : a job's folder holds results of other settings.
    """
    root = Path(root)
    if stacked is None:
        stacked = choose_device(study.loop.device).type == "cuda"
    did, jobs = 0, study.jobs(stacked, root)
    for job in jobs:
        job.same(root)
    while True:
        for job in jobs:
            if job.done(root):
                continue
            with claimed(root / job.name) as mine:
                if mine and not job.done(root):
                    job.run(root, say)
                    did += 1
                    break  # and look again from the top of the list
        else:
            return did


def work_beside(study: Study, root: str | Path, workers: int) -> None:
    """:func:`work` in ``workers`` processes."""
    if workers == 1:
        work(study, root)
        return
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=one_thread) as pool:
        for job in [pool.submit(work, study, root) for _ in range(workers)]:
            job.result()


def one_thread() -> None:
    """Several processes that each take every core only wait for one another."""
    torch.set_num_threads(1)


def work_on_ray(study: Study, root: str | Path, workers: int, **resources: Any) -> int:
    """The same on a Ray cluster: ``workers`` tasks that share ``root`` (a common file system).

    ``resources`` go to Ray for each, such as ``num_gpus=1``.  Needs the extra ``cluster``.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("Ray is missing: pip install 'droco-lite[cluster]'") from error
    if not ray.is_initialized():
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    remote = ray.remote(**{"num_cpus": 1, **resources})(work)
    return sum(ray.get([remote.remote(study, str(root), say=_quiet) for _ in range(workers)]))


def _quiet(line: str) -> None:
    """A worker elsewhere keeps its progress in its folder, where :func:`progress` finds it."""


def progress(study: Study, root: str | Path, stacked: bool = False) -> pd.DataFrame:
    """One line per job: its state, steps done, seconds spent and an estimate of those left.

    The estimate takes a job's own rate, else that of the same arm on another task; unknown is NaN.
    """
    root, lines = Path(root), []
    for job in study.jobs(stacked, root):
        done, step, spent = job.done(root), job.step(root), job.seconds(root)
        lines.append(
            {
                "task": job.task, "arms": ", ".join(job.labels), "seeds": len(study.seeds),
                "step": step, "steps": study.steps, "seconds": spent,
                "state": "done" if done else "begun" if step else "waiting",
            }
        )  # fmt: skip
    table = pd.DataFrame(lines)
    whole = table[table["state"] == "done"].groupby("arms")["seconds"].mean()
    usual = table["arms"].map(whole)
    left = (usual * (1 - table["step"] / table["steps"])).where(table["state"] != "done", 0.0)
    return table.assign(seconds_left=left)


# ------------------------------------------------------------------------------------- collecting


def restore(study: Study, root: str | Path, to: str | Path) -> None:
    """Put the arms that are finished in the tables of ``to`` into ``root``, as finished jobs.

    So a study goes on in another folder, or on another machine, from its tables alone.  An arm that
    had only begun elsewhere begins again, its curve too: its checkpoint stayed there.

    Raises
    ------
    ValueError : the tables were made with other settings; the message names the file and the key.
    """
    root, to = Path(root), Path(to)
    for task in map(str, study.tasks):
        path = to / f"{file_name(task)}.csv"
        open_jobs = [job for job in study.jobs() if job.task == task and not job.done(root)]
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
            facts = _facts(about["steps"], seeds, *kept)
            job.refuse_other(path.with_suffix(".json"), facts)
            earlier = [e for e in about.get("earlier", []) if set(job.labels) & set(e["arms"])]
            seconds = {"elsewhere": sum(about["seconds"].get(each, 0.0) for each in job.labels)}
            folder, (curve, own) = (
                root / job.name,
                [table[table["label"].isin(job.labels)] for table in (curves, lines)],
            )
            with claimed(folder) as mine:
                if not mine:  # somebody is at work on it
                    continue
                made = job.elsewhere(root)
                files.write_json(folder / FACTS, facts, checksum=True)
                files.write_json(folder / "seconds.json", seconds, checksum=True)
                files.write_json(made.with_suffix(".json"), [*earlier, header][0], checksum=True)
                files.write_csv(folder / CURVE, curve, checksum=True)
                files.write_csv(made, own, checksum=True)  # last: with it the job is done


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
    """Write ``TASK.csv`` and ``TASK.json`` of all finished jobs, and ``TASK-curves.csv`` of all
    that have begun, as far as they went.

    Finished arms that the tables hold already stay (:func:`restore`); where all are such, nothing
    is written.
    """
    root, to, written = Path(root), Path(to), []
    restore(study, root, to)
    both = study.jobs(False, root) + study.jobs(True, root)
    for task in map(str, study.tasks):
        every = list({job.name: job for job in both if job.task == task}.values())
        begun = [job for job in every if job.step(root)]
        if not begun:
            continue
        for job in begun:
            job.same(root)
        name, done = file_name(task), [job for job in begun if job.done(root)]
        held = set(read_table(to, task)["label"]) if (to / f"{name}.csv").exists() else set()
        if all(job.elsewhere(root).exists() and held.issuperset(job.labels) for job in begun):
            continue
        arms = {label: study.once(label) for job in begun for label in job.labels}
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
            "earlier": _earlier(begun, root), **facts,
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
    looks = pd.concat(tables[:CHECKPOINTS])[keys + numbers]
    lines = looks.groupby(keys, sort=False, dropna=False)[numbers].mean().reset_index()
    lines["checkpoints"] = CHECKPOINTS
    if job.study.evaluation.final_episodes > job.study.evaluation.episodes:
        # Without the last look's many episodes, an average over looks would be over policies that
        # count unequally; with them, the last policy's clean return stands by itself.
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
