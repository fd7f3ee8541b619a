"""A study, and the jobs that it consists of: which arms of which tasks are trained, tried and how.

The file is described in :mod:`droco_lite.evaluation.matrix`, which runs it.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from droco_lite import files
from droco_lite.agents import METHODS
from droco_lite.agents.agent import AgentSettings
from droco_lite.agents.settings import per_run_values
from droco_lite.agents.snapshots import Snapshot
from droco_lite.data import Task, make_task
from droco_lite.evaluation.arms import ARMS, file_name
from droco_lite.evaluation.checks import (
    check_evaluation,
    check_names,
    check_sizes,
    families_of,
)
from droco_lite.evaluation.controls import arm_of, beside, check_partner, partner_of
from droco_lite.evaluation.suite import Evaluation, evaluate, grid
from droco_lite.provenance import as_json, provenance
from droco_lite.training.curve import CURVE, read_curve
from droco_lite.training.experiment import STUDY_FROM, check_data, check_kinds, read_keys
from droco_lite.training.export import restore
from droco_lite.training.health import TrainingError
from droco_lite.training.loop import LoopSettings, train

CHECKPOINTS = 3
KEYS = ("tasks", "steps", "seeds", "more_seeds", "data", "arms", "settings", "evaluation", "loop")
FACTS = "job.json"
ELSEWHERE = "elsewhere.csv"
TRAINED_ON = "trained_on.json"
FAILED = "failed.json"
#: Diagnostics that collected curves keep, of the methods that have them.
LOGGED = ("v_source", "v_target", "penalty_mean", "beyond_delta", "kappa", "outside")


#: What each key of a file must hold.
LISTED = {"arms": "a list"}
STUDY_KINDS = {"tasks": "a list", "seeds": "a list", "steps": "a whole number"} | dict.fromkeys(
    ("more_seeds", "data", "settings", "evaluation", "loop"), "keys with values"
)


@dataclass(frozen=True)
class Study:
    """Tasks, arms and seeds; see the module's text for the file.

    Raises:
        ValueError: a part that cannot be; the message names the key and the arm.
    """

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
        check_names("tasks", list(map(str, self.tasks)))
        check_names("arms", self.arms)
        for label in (*self.arms, *self.settings):
            if "method" not in self.arm(label):
                raise ValueError(
                    f"arms: {label!r} is none of {', '.join(ARMS)}; an arm of your own needs its "
                    "method in settings"
                )
        if unused := [label for label in self.settings if label not in {*self.arms, *ARMS}]:
            raise ValueError(f"settings: {unused[0]!r} is no arm of the study; add it to arms")
        for key, seeds in [("seeds", self.seeds), *self.more_seeds.items()]:
            every = [*seeds, *(self.seeds if key != "seeds" else ())]
            if len(set(every)) != len(every) or not every:
                raise ValueError(f"{key}: give at least one seed, none of them twice")
        partners = {label: self.partner(label) for label in self.arms}
        paired = {n for label, other in partners.items() if other for n in (label, other)}
        for label in self.more_seeds:
            if label not in self.arms or label in paired:
                raise ValueError(
                    f"more_seeds: {label!r} is no arm of the study, or is trained beside its "
                    "control, which needs the same seeds"
                )
        check_data(self.data, "data")
        check_sizes(self.tasks, self.data)
        check_evaluation(self.tasks, self.evaluation)
        if self.steps % self.evaluation.every or self.steps < CHECKPOINTS * self.evaluation.every:
            raise ValueError(
                f"steps: {self.steps} must be a multiple of evaluation.every "
                f"({self.evaluation.every}) and hold {CHECKPOINTS} of them"
            )
        for label in self.arms:
            check_partner(self, label)
            self.runs(label)

    @classmethod
    def read(cls, path: str | Path) -> Study:
        """Read a YAML or TOML file.

        Raises:
            ValueError: an unreadable file, an unknown or missing key, or a value out of range; the
                message names the file and the key.
        """
        content = read_keys(path, KEYS, ("tasks", "steps"), STUDY_FROM)
        check_kinds(path, content, STUDY_KINDS | ({} if content.get("arms") == "all" else LISTED))
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
        """Method and settings of an arm: those of :data:`ARMS`, then the study's own.

        A control has its partner's first.
        """
        return arm_of(label, self.settings)

    def partner(self, label: str) -> str | None:
        """The arm that a control trains beside, in the same loop; None of other arms."""
        return partner_of(label, self.settings)

    def runs(self, label: str) -> list[AgentSettings]:
        """One settings object for each seed of an arm.

        Raises:
            ValueError: the method or one of its settings is not known; the message names the arm.
        """
        given = self.arm(label) | {"steps": self.steps}
        if str(given["method"]) not in METHODS:
            raise ValueError(
                f"settings of {label}: method {given['method']!r} is none of {', '.join(METHODS)}"
            )
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

        ``stacked`` puts arms of one method with equal shared settings and seeds into one loop:
        better on a GPU, no gain on a CPU.  Arms that ``root`` holds already stay together, or
        alone, as they are there: work that a card has begun goes on without it, and back.
        """

        def loop_of(task: str, label: str):
            label = self.partner(label) or label  # a control is trained beside its partner
            if not stacked:
                return label
            run, own = self.runs(label)[0], per_run_values(self.runs(label)[0])
            return str({**run.to_dict(), **dict.fromkeys(own), "seed": self.seeds_of(label)})

        jobs = []
        for task in map(str, self.tasks):
            held = {label: job for job in self._held(task, root) for label in job.labels}
            groups: dict[str, list[str]] = {}
            for label in self.arms:
                key = held[label].name if label in held else loop_of(task, label)
                groups.setdefault(key, []).append(label)
            for key, labels in groups.items():
                labels.sort(key=lambda label: self.partner(label) is not None)
                same = held.get(labels[0])
                jobs.append(same if same and same.name == key else Job(self, task, tuple(labels)))
        return jobs

    def _held(self, task: str, root: str | Path) -> list[Job]:
        """The jobs whose folders ``root`` holds; of those that share an arm, the furthest."""
        found = []
        for path in sorted(Path(root, file_name(task)).glob(f"*/{FACTS}")) if str(root) else ():
            kept = files.read_json(path, f"move the folder {path.parent} away")
            arms = (key.removeprefix("settings.").removesuffix(".method") for key in kept)
            labels = tuple(label for label in arms if f"settings.{label}.method" in kept)
            job = Job(self, task, labels)
            if set(labels) <= set(self.arms) and Path(job.name).name == path.parent.name:
                found.append(job)
        found.sort(key=lambda job: (job.done(Path(root)), job.step(Path(root))), reverse=True)
        taken: set[str] = set()
        chosen = []
        for job in found:
            if not taken.intersection(job.labels):
                chosen.append(job)
                taken.update(job.labels)
        return chosen


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

    def failure(self, root: str | Path) -> str | None:
        """Why its training had to stop, if it had to; nobody tries it again in this folder."""
        path = Path(root) / self.name / FAILED
        if not path.exists():
            return None
        told = files.read_json(path, self.mend(root))["error"]
        return f"{self.task}, {', '.join(self.labels)}: {told} ({path})"

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
        return job_facts(study.steps, seeds, study.data, asdict(study.evaluation), arms)

    def made_with(self, root: str | Path) -> dict[str, dict[str, Any]]:
        """Each arm's settings as its folder tells them: those of today may be more."""
        made: dict[str, dict[str, Any]] = {label: {} for label in self.labels}
        kept = files.read_json(Path(root) / self.name / FACTS, self.mend(root))
        for key, value in kept.items():
            arm, _, name = key.removeprefix("settings.").rpartition(".")
            if key.startswith("settings.") and arm in made:
                made[arm][name] = value
        return made

    def same(self, root: Path) -> None:
        """Refuse a folder whose results were made with other settings.

        The tables would say that they were made with these.

        Raises:
            ValueError: the message names the file, the key, both values and the mend.
        """
        path = Path(root) / self.name / FACTS
        if path.exists():
            self.refuse_other(path, files.read_json(path, self.mend(root)))

    def refuse_other(self, path: Path, kept: Mapping[str, Any]) -> None:
        """Refuse the results that ``path`` describes if this job depends on other settings.

        Raises:
            ValueError: they do; the message names the file and the key.
        """
        asked = self.facts()
        for key in {**kept, **asked}:
            newer = key not in kept and not key.startswith("data.")  # a setting's default, then
            if not newer and kept.get(key) != asked.get(key):
                raise ValueError(
                    f"{path}: {key} is {kept.get(key)}, asked for {asked.get(key)}; ask for that "
                    "again, or choose another folder"
                )

    def runs(self) -> list[AgentSettings]:
        """The runs of the loop: arms x seeds.  Beside a control, all are of the control's class."""
        runs = list(itertools.chain.from_iterable(map(self.study.runs, self.labels)))
        return beside(runs) if any(map(self.study.partner, self.labels)) else runs

    # ---- The parts of a job: its training, then each table ---------------------------------------

    def snapshot(self, root: str | Path, stop: int) -> Path:
        """Where the policies of ``stop`` wait to be tried."""
        return Path(root) / self.name / f"policies-{stop}.safetensors"

    def tried_at(self, root: str | Path) -> dict[int, Path]:
        """The table of each stop."""
        return dict(zip(self.stops, self.tables(Path(root)), strict=False))

    def _lost(self, root: str | Path) -> list[Path]:
        """Tables that are not there, nor the policies that they are made of."""
        return [
            path
            for stop, path in self.tried_at(root).items()
            if not (path.exists() or self.snapshot(root, stop).exists())
        ]

    def trained(self, root: str | Path) -> bool:
        """Whether all that is left is to try policies."""
        return self.done(Path(root)) or not self._lost(root)

    def parts(self, root: str | Path, attacks: bool = False) -> list[Path]:
        """The tables that are still to be made; or of those, the attacks' alone."""
        tables = self.tables(Path(root))[CHECKPOINTS if attacks else 0 :]
        return [] if self.done(Path(root)) else [path for path in tables if not path.exists()]

    def run(self, root: Path, say: Callable[[str], None] = print) -> None:
        """Train and evaluate whatever is left to do; everything kept is written whole."""
        self.train(root, say)
        for path in self.parts(root):
            self.try_policies(root, path, say)

    def train(self, root: str | Path, say: Callable[[str], None] = print) -> None:
        """Train to the end; the policies that will be tried stay beside the checkpoint.

        Raises:
            ValueError: a policy is missing that the training has left behind.
            TrainingError: it had to stop; its folder says why.
        """
        if self.trained(root):
            return
        start, every = time.perf_counter(), self.study.evaluation.every
        folder = Path(root) / self.name
        if not (folder / FACTS).exists():
            files.write_json(folder / FACTS, self.facts(), checksum=True)
        files.write_json(folder / TRAINED_ON, provenance(), checksum=True)
        data = self.data()
        loop = replace(self.study.loop, evaluate_every=every, save_every=every)
        tables = self.tried_at(root)

        def keep(step: int, agent: Any) -> None:
            if step in tables and not tables[step].exists():
                Snapshot.of(agent).save(self.snapshot(root, step))

        try:
            trained = train(
                self.runs(), data.source, data.target, robot=data.task.robot, loop=loop, out=folder,
                on_save=keep,
            )  # fmt: skip
        except TrainingError as error:
            files.write_json(folder / FAILED, {"error": str(error)}, checksum=True)
            raise
        reached = int(trained.curve["step"].max())
        if reached in tables:  # what is in the checkpoint can be had again
            keep(reached, trained.agent)
        if lost := self._lost(root):
            raise ValueError(
                f"{lost[0]} is missing, and the training has gone on to step {reached:,}; "
                f"{self.mend(root)}"
            )
        self._spent(root, "training", time.perf_counter() - start, say)

    def try_policies(
        self, root: str | Path, path: Path, say: Callable[[str], None] = print
    ) -> None:
        """Make one of the tables that :meth:`parts` names."""
        study, evaluation, start = self.study, self.study.evaluation, time.perf_counter()
        robot = Task.parse(self.task).robot
        options: dict[str, Any] = {"episodes": evaluation.episodes, "seed": evaluation.seed}
        stops = {table: stop for stop, table in self.tried_at(root).items()}
        if path not in stops:
            agent, _ = restore(Path(root) / self.name)
            unit = self.data().target.observations.std(0)
            table = evaluate(
                agent, robot, ["nominal"], attacks=evaluation.attacks, deviation=unit, **options
            )
            files.write_csv(path, table, checksum=True)
        else:
            kept = self.snapshot(root, stops[path])
            policies = Snapshot.load(kept, self.mend(root))
            shifts = grid(robot, families_of(robot, evaluation), evaluation.strengths)
            table = evaluate(policies, robot, shifts, **options)
            if stops[path] == study.steps and evaluation.final_episodes > evaluation.episodes:
                more = {**options, "episodes": evaluation.final_episodes}
                clean = evaluate(policies, robot, ["nominal"], **more)
                table = pd.concat([table[table["shift"] != "nominal"], clean])
            files.write_csv(path, table, checksum=True)
            kept.unlink()  # the table tells what it was kept for
        self._spent(root, path.stem, time.perf_counter() - start, say)

    def data(self) -> Any:
        """The two data sets."""
        return make_task(self.task, progress=False, **self.study.data)

    def _spent(self, root: str | Path, part: str, seconds: float, say: Callable) -> None:
        """Record the time that a part took; others may be at work on another part."""
        path = Path(root) / self.name / "seconds.json"
        with files.lock(path.parent / "parts", wait=60.0):
            spent = files.read_json(path, self.mend(root)) if path.exists() else {}
            spent[part] = round(spent.get(part, 0.0) + seconds, 1)
            files.write_json(path, spent, checksum=True)
        say(f"{self.name}: {part} in {seconds:.0f} s")


def job_facts(steps: int, seeds: Sequence[int], data: Mapping, evaluation: Mapping, arms: Mapping):
    """What the results of a job depend on, flat, ready for JSON."""
    parts = {"data": data, "evaluation": evaluation}
    parts |= {f"settings.{label}": settings for label, settings in arms.items()}
    inner = {f"{part}.{key}": v for part, some in parts.items() for key, v in some.items()}
    return as_json({"steps": steps, "seeds": seeds, **inner})
