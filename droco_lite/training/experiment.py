"""A whole training as one small file: which data, which runs, how they are looped.

.. code-block:: yaml

    task: {name: halfcheetah-medium, source_size: 200000, target_size: 10000, seed: 0}
    method: droco
    shared: {steps: 100000}
    runs:
      - {label: IQL, beta: 0.0, delta: .inf}
      - {label: "DROCO, β = 0.5", beta: 0.5, delta: 30.0}
    seeds: [0, 1, 2]
    loop: {evaluate_every: 5000}

Every run is trained once per seed.  TOML says the same with ``[task]``, ``[[runs]]`` and ``inf``.

Recordings of one's own stand in place of a task's name; paths are read from the working folder:

.. code-block:: yaml

    task: {source: worn.hdf5, target: whole.hdf5, hold_out: 0.05}

With ``hold_out`` that share of the target's rows is laid aside, for ``droco-lite select``.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from droco_lite.agents import METHODS
from droco_lite.agents.agent import AgentSettings
from droco_lite.agents.settings import check_stack
from droco_lite.data import CrossDomainData, Recordings, Task, load_recordings, make_task
from droco_lite.data.recorded import check_share
from droco_lite.files import read_text, write_json, write_text
from droco_lite.provenance import as_json, provenance
from droco_lite.robots import Shift
from droco_lite.training.loop import LoopSettings, Result, train

KEYS = ("task", "method", "shared", "runs", "seeds", "loop")


#: What makes the files that are asked for here, for one that is not there.
EXPERIMENT_FROM = (
    "`droco-lite train hopper-medium --out FOLDER` writes FOLDER/experiment.yaml, and so does "
    "every training; copy one and change it"
)
STUDY_FROM = (
    "`droco-lite study list` names the studies that come with the package, and `droco-lite study "
    "list --json` says where their files lie; copy one and change it"
)


def read_keys(
    path: str | Path, keys: Sequence[str], required: Sequence[str], made_by: str
) -> dict[str, Any]:
    """The content of a YAML or TOML file whose top level may hold ``keys`` and no others.

    Args:
        path: the file.
        keys: the keys that it may have, and no others.
        required: those that it must have.
        made_by: what makes such a file, for the message where there is none.

    Raises:
        ValueError: an unreadable file, an unknown key, or one of ``required`` that is missing; the
            message names the file and the key.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: cannot be read: there is no such file; {made_by}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds no keys; expected {', '.join(keys)}")
    for key in content:
        if key not in keys:
            raise ValueError(f"{path}: unknown key {key!r}; expected {', '.join(keys)}")
    for key in required:
        if key not in content:
            raise ValueError(f"{path}: the key {key!r} is missing")
    return content


#: What :func:`droco_lite.data.make_task` takes, as a file may say it.
DATA_KEYS = [key for key in inspect.signature(make_task).parameters if key != "progress"]
#: What says where recordings lie, and what :func:`droco_lite.data.load_recordings` takes besides.
PLACES = ("source", "target", "robot")
RECORDING_KEYS = [*PLACES, *[*inspect.signature(load_recordings).parameters][1:]]
KINDS = {"a list": (list, tuple), "keys with values": (Mapping,), "a whole number": (int,)}


def check_kinds(path: str | Path, content: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
    """Refuse a value that is not of its key's kind, one of :data:`KINDS`.

    Raises:
        ValueError: the message names the file and the key.
    """
    for key, kind in kinds.items():
        value = content.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, KINDS[kind])):
            raise ValueError(f"{path}: {key} must be {kind}, got {value!r}")


def check_data(options: Any, where: str) -> None:
    """Refuse options that :func:`droco_lite.data.make_task` does not take.

    Raises:
        ValueError: an unknown key, a value that is no number, or a shift that is none; the message
            names the key.
    """
    if not isinstance(options, Mapping):
        raise ValueError(f"{where} must be keys with values, got {options!r}")
    _check_keys(options, DATA_KEYS, {"target_size": (int, float)}, where)
    if "name" in options:
        Task.parse(str(options["name"]))
    further = options.get("more_shifts", ())
    if isinstance(further, str) or not isinstance(further, Sequence):
        raise ValueError(f"{where}: more_shifts must be a list of shifts, got {further!r}")
    for shift in further:
        try:
            Shift.parse(shift)
        except ValueError as error:
            raise ValueError(f"{where}: more_shifts: {error}") from error


def _check_keys(
    options: Mapping[str, Any], known: Sequence[str], kinds: Mapping[str, tuple], where: str
) -> None:
    """Refuse an unknown key, and a number that is none; ``kinds`` of all but whole ones."""
    kinds = dict.fromkeys(("source_size", "target_size", "seed"), (int,)) | dict(kinds)
    for key, value in options.items():
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; expected {', '.join(known)}")
        wrong = isinstance(value, bool) or not isinstance(value, kinds.get(key, object))
        if key in kinds and value is not None and wrong:
            raise ValueError(f"{where}: {key} must be a number, got {value!r}")


def check_recordings(options: Mapping[str, Any], where: str) -> None:
    """Refuse keys that do not name two recorded data sets, or wrong options of them.

    Nothing is read yet; :func:`droco_lite.data.load_recordings` refuses what the sets hold.

    Raises:
        ValueError: a key that is unknown, missing or of the wrong kind; the message names it.
    """
    if "name" in options:
        raise ValueError(f"{where}: give a name, or source and target, not both")
    shares = dict.fromkeys(("contact_cost_weight", "hold_out"), (int, float))
    _check_keys(options, RECORDING_KEYS, shares, where)
    if options.get("hold_out"):
        check_share(options["hold_out"], f"{where}: hold_out")
    for key in ("source_size", "target_size"):
        if options.get(key) is not None and options[key] < 1:
            raise ValueError(f"{where}: {key} must be at least 1, got {options[key]!r}")
    for key in ("source", "target"):
        if key not in options:
            raise ValueError(f"{where}: the key {key!r} is missing; recordings are two sets")
    try:
        recordings_of(options)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def are_recordings(options: Mapping[str, Any]) -> bool:
    """Whether data are recordings, not a task that the package makes."""
    return bool({"source", "target"} & set(options))


def recordings_of(options: Mapping[str, Any]) -> Recordings:
    """Where an experiment's recordings lie."""
    return Recordings(**{key: options[key] for key in PLACES if key in options})


@dataclass(frozen=True)
class Experiment:
    """Data, runs and loop of one training; see the module's text for the file.

    ``task`` holds ``name`` and the options of :func:`droco_lite.data.make_task`; or ``source``,
    ``target``, perhaps ``robot``, and the options of :func:`droco_lite.data.load_recordings`.
    """

    task: Mapping[str, Any]
    runs: Sequence[AgentSettings]
    loop: LoopSettings = field(default_factory=LoopSettings)

    def __post_init__(self) -> None:
        if self.recorded:
            check_recordings(self.task, "task")
        else:
            Task.parse(self.task["name"])
        check_stack(self.runs)

    @property
    def recorded(self) -> bool:
        """Whether the data are recordings, not a task that the package makes."""
        return are_recordings(self.task)

    def to_dict(self) -> dict[str, Any]:
        """All that determines the result, as plain values."""
        runs = [run.to_dict() for run in self.runs]
        loop = {k: v for k, v in self.loop.to_dict().items() if k != "method"}
        return {"task": dict(self.task), "runs": runs, "loop": loop}

    @classmethod
    def read(cls, path: str | Path) -> Experiment:
        """Read a YAML or TOML file.

        Raises:
            ValueError: an unreadable file, an unknown or missing key, or a value out of range; the
                message names the file and the key.
        """
        path = Path(path)
        content = read_keys(path, KEYS, ("task", "method", "runs"), EXPERIMENT_FROM)
        kinds = {"runs": "a list", "seeds": "a list", "shared": "keys with values"}
        check_kinds(path, content, kinds | {"loop": "keys with values"})
        if str(content["method"]) not in METHODS:
            known = ", ".join(sorted(METHODS))
            raise ValueError(f"{path}: method {content['method']!r} is none of {known}")
        task = content["task"] if isinstance(content["task"], dict) else {"name": content["task"]}
        recorded = are_recordings(task)
        if not recorded and "name" not in task:
            raise ValueError(
                f"{path}: the key 'task.name' is missing; or give task.source and task.target"
            )
        shared, seeds = content.get("shared") or {}, content.get("seeds", [0])
        kind = METHODS[content["method"]].Settings
        try:
            runs = [
                kind.from_dict({**shared, **run, "seed": seed}, where=f"{path}: runs")
                for seed, run in itertools.product(seeds, content["runs"])
            ]
            loop = LoopSettings.from_dict(content.get("loop") or {}, where=f"{path}: loop")
        except (ValueError, TypeError) as error:
            prefix = "" if str(path) in str(error) else f"{path}: "
            raise ValueError(f"{prefix}{error}") from error
        try:
            if not recorded:
                check_data(task, "task")
            return cls(task, runs, loop)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def write(self, path: str | Path) -> None:
        """Write YAML that :meth:`read` turns into the same experiment.

        Raises:
            ValueError: the runs are not each setting once per seed.
        """
        runs = [run.to_dict() for run in self.runs]
        names = [f for f in runs[0] if f != "method"]
        shared = {n: runs[0][n] for n in names if all(r[n] == runs[0][n] for r in runs)}
        own = [{n: r[n] for n in names if n not in shared and n != "seed"} for r in runs]
        seeds = list(dict.fromkeys(r["seed"] for r in runs))
        shared.pop("seed", None)
        per_seed = len(runs) // len(seeds)
        if [{**o, "seed": s} for s in seeds for o in own[:per_seed]] != [
            {**o, "seed": r["seed"]} for o, r in zip(own, runs, strict=True)
        ]:
            raise ValueError("runs: each must be trained once per seed to be written as a file")
        content = {
            "task": dict(self.task), "method": self.runs[0].method, "shared": shared,
            "runs": own[:per_seed], "seeds": seeds, "loop": self.to_dict()["loop"],
        }  # fmt: skip
        write_text(path, yaml.safe_dump(content, allow_unicode=True, sort_keys=False))

    def with_seeds(self, seeds: Sequence[int]) -> Experiment:
        """The same runs, each trained once for every one of ``seeds``."""
        once = [run for run in self.runs if run.seed == self.runs[0].seed]
        return replace(self, runs=[replace(run, seed=seed) for seed in seeds for run in once])

    def data(self, progress: bool = False) -> CrossDomainData:
        """Source and target data: recordings, or a task's, from the cache or made now."""
        options = {k: v for k, v in self.task.items() if k not in ("name", *PLACES)}
        if self.recorded:
            return load_recordings(recordings_of(self.task), **options)
        return make_task(self.task["name"], progress=progress, **options)

    def run(
        self,
        out: str | Path,
        *,
        data=None,
        on_progress: Callable[[int, int], None] | None = None,
        on_epoch: Callable[[int, Any], None] | None = None,
        writer=None,
        stop_after: int | None = None,
        results: str | Path | None = None,
        lengthen: bool = False,
    ) -> Result:
        """Make or load the data, train, and leave everything in ``out``.

        ``data`` are what :meth:`data` gives, if they are at hand.  ``lengthen`` lets a shorter
        training found in ``out`` go on, see :func:`droco_lite.training.train`.

        The folder then holds ``experiment.yaml``, ``checkpoint.safetensors`` and ``curve.csv``.
        With ``results`` the curve is also copied to ``RESULTS.csv`` beside a ``RESULTS.json`` that
        says where it came from.
        """
        data, out = self.data() if data is None else data, Path(out)
        result = train(
            self.runs, data.source, data.target, robot=data.task.robot, loop=self.loop, out=out,
            on_progress=on_progress, on_epoch=on_epoch,
            on_start=lambda: self.write(out / "experiment.yaml"),
            writer=writer, stop_after=stop_after, lengthen=lengthen,
        )  # fmt: skip
        if results is not None:
            results = Path(results)
            write_text(results.with_suffix(".csv"), read_text(out / "curve.csv"))
            facts = {
                "experiment": self.to_dict(), "rows": {k: len(getattr(data, k)) for k in DOMAINS},
                "device": str(result.agent.device), "mode": result.mode,
                "wall_time_seconds": round(result.seconds, 1),
                "run_steps_per_second": round(result.steps_per_second * len(self.runs), 1),
            }  # fmt: skip
            write_json(results.with_suffix(".json"), provenance(**as_json(facts)))
        return result


DOMAINS = ("source", "target")


def default_folder(experiment: Experiment) -> Path:
    """``runs/TASK-METHOD-HASH``: the same experiment always finds its own folder.

    Recordings give the name of their target's file in place of a task.  A longer training finds the
    same folder, and may go on there: the number of steps is not part of the hash.
    """
    whole = experiment.to_dict()
    runs = [
        {name: value for name, value in run.items() if name != "steps"} for run in whole["runs"]
    ]
    content = json.dumps({**whole, "runs": runs}, sort_keys=True, default=str)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    task = experiment.task
    name = str(recordings_of(task)) if experiment.recorded else task["name"]
    return Path("runs") / f"{name}-{experiment.runs[0].method}-{digest}"
