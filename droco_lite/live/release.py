"""From a study's finished trainings to the policies and clips of the live lab, in one command.

::

    python -m droco_lite.live.release results/study/walker2d.yaml

releases one seed of every finished arm whose method has a value function and IQL's policy: weights
and card go where :func:`droco_lite.agents.trained_policies.load_policy` finds them, and the robot's
clips are made anew. ``make book`` then packs the policies into the page. The command may be given
again while the study goes on: what is released and has not changed stays. The seed is the study's
first, so that none is picked by its return.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from droco_lite import files
from droco_lite.agents.soundness import possible_returns
from droco_lite.agents.trained_policies import policy_names, release_policy, weights_folder
from droco_lite.data import Task, make_task
from droco_lite.evaluation.study import Job, Study
from droco_lite.live import clips
from droco_lite.live.export import as_printed
from droco_lite.provenance import provenance
from droco_lite.robots.robot_file import robot_file_option
from droco_lite.training.checkpoint import FILE
from droco_lite.training.export import restore


def released_name(settings: dict[str, Any]) -> str | None:
    """Name of a policy within its robot, such as ``droco-0.5``; None if the lab cannot show it."""
    if settings["method"] == "droco":
        printed = "-printed" if as_printed(settings) else ""
        return f"droco-{settings['beta']:g}{printed}"
    if settings["method"] != "iql":
        return None
    name = "cloning" if settings["temperature"] == 0 else "iql"
    return name if settings["halves"] == "union" else f"{name}_{settings['halves']}"


def returns_of(job: Job, root: Path, label: str, robot: str) -> dict[str, Any]:
    """The returns of an arm's last policies, from the study's own tables.

    Returns:
        ``returns``: seed to mean return on the nominal robot. ``episodes``: how many each mean is
        over. ``worn``: for the shift of the robot's clips, strength to seed to mean return.
    """
    table = files.read_csv(job.tables(root)[len(job.stops) - 1], job.mend(root))
    table = table[(table["label"] == label) & (table["attack"] == "none")]

    def by_seed(shift: str) -> dict[str, float]:
        lines = table[table["shift"] == shift]
        pairs = zip(lines["seed"], lines["return_mean"], strict=True)
        return {str(int(seed)): round(float(mean), 1) for seed, mean in pairs}

    shift, _words = clips.shown_shift(robot)
    worn = {
        strength: by_seed(f"{shift}-{level}")
        for strength, level in clips.STRENGTHS.items()
        if level != "nominal"
    }
    return {
        "returns": by_seed("nominal"),
        "episodes": int(table.loc[table["shift"] == "nominal", "episodes"].iloc[0]),
        "worn": {"shift": shift, "returns": {k: found for k, found in worn.items() if found}},
    }


def floor_of(job: Job, settings: dict[str, Any]) -> dict[str, float]:
    """DROCO's floor in numbers: as given, or as training computed it from the target's data."""
    if settings["method"] != "droco":
        return {}
    floor = settings["floor"]
    if floor is None:
        target = make_task(job.task, progress=False, **job.study.data).target
        floor = possible_returns(settings["discount"], target)[0]
    return {"floor": float(floor)}


def release_job(
    job: Job, root: Path, study: Path, to: Path | None, say: Callable[[str], None] = print
) -> int:
    """Release the arms of a finished job; returns how many were new or had changed."""
    robot, made = Task.parse(job.task).robot, 0
    to = to or weights_folder(robot)
    folder = root / job.name
    told = study.name if study.is_absolute() else study.as_posix()  # no path of this machine
    for label in job.labels:
        settings = job.study.runs(label)[0].to_dict()
        name = released_name(settings)
        if name is None:
            say(f"{label}: not released, the lab shows IQL and DROCO alone")
            continue
        path = to / f"{robot}-{name}"
        origin = {"study": study.name, "arm": label, "checkpoint": files.digest(folder / FILE)}
        if released(path, origin):
            say(f"{path.name}: released already")
            continue
        agent, facts = restore(folder)
        seed = job.study.seeds_of(label)[0]
        (run,) = [k for k, r in enumerate(agent.runs) if (r.label, r.seed) == (label, seed)]
        card = {
            "task": job.task, "origin": origin, "data": dict(job.study.data),
            "kind": f"{facts.step:,} steps, seed {seed}",
            "trained_by": f"droco-lite study run {told}",
            "evaluation_seed": job.study.evaluation.seed,
            **returns_of(job, root, label, robot), **floor_of(job, settings),
        }  # fmt: skip
        try:
            release_policy(agent, run, path, robot=robot, **card)
        except OverflowError as error:  # values that ran away, as without a floor
            say(f"{label}: not released, {error}")
            continue
        say(f"{path.name}: released")
        made += 1
    return made


def released(path: Path, origin: dict[str, Any]) -> bool:
    """Whether a policy of that name was released from that very checkpoint.

    A card that calls its commit dirty is written again as soon as the checkout is clean.
    """
    if path.name not in policy_names(path.parent):
        return False
    card = files.read_json(path.parent / f"{path.name}.json", "release it again")
    if card.get("dirty") and provenance()["dirty"] is False:
        return False
    return card.get("origin") == origin and (path.parent / f"{path.name}.safetensors").is_file()


def release(
    study: Path, root: Path, to: Path | None, pictures: Path | None, only: Sequence[str] = ()
) -> int:
    """Release every finished arm of a study, then make the clips of its robots.

    Args:
        study: its file.
        root: folder of its jobs.
        to: folder of weights and cards; None takes each robot's :func:`weights_folder`.
        pictures: folder of the clips; None makes none.
        only: labels of arms; all where it is empty.

    Returns:
        How many policies were new or had changed.

    Raises:
        ValueError: an unknown label, or no arm that is finished.
    """
    read = Study.read(study)
    unknown = set(only) - set(read.arms)
    if unknown:
        raise ValueError(f"--only: {study} has no arm {', '.join(sorted(unknown))}")
    jobs = [
        job
        for job in read.jobs(root=root)
        if (root / job.name / FILE).is_file() and job.done(root)
        if not only or set(only) & set(job.labels)
    ]
    if not jobs:
        raise ValueError(f"{root}: no arm of {study} is finished there; --root names the folder")
    made = sum(release_job(job, root, study, to) for job in jobs)
    for robot in dict.fromkeys(Task.parse(job.task).robot for job in jobs):
        if pictures is not None:
            print(clips.make(robot, pictures, weights=to))
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """The command: release the policies of a study into the lab."""
    option = robot_file_option()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], parents=[option])
    parser.add_argument("study", type=Path, help="the study's file")
    parser.add_argument("--root", type=Path, help="folder of its jobs (in the cache by default)")
    parser.add_argument("--only", nargs="+", default=[], metavar="LABEL", help="these arms alone")
    parser.add_argument(
        "--out", type=Path,
        help="folder of weights and cards (the package's; for yours in the cache)",
    )  # fmt: skip
    parser.add_argument(
        "--clips", type=Path, default=Path("book/_static/clips"), help="folder of the clips"
    )
    parser.add_argument("--no-clips", action="store_true", help="weights and cards alone")
    asked = parser.parse_args(arguments)
    root = asked.root or files.cache_folder() / "matrix" / asked.study.stem
    pictures = None if asked.no_clips else asked.clips
    made = release(asked.study, root, asked.out, pictures, asked.only)
    print(f"{made} released; make book packs them into the page")


if __name__ == "__main__":
    main()
