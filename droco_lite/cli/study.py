"""``droco-lite study`` and ``compare``: many trainings from one file, or one task with all arms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from droco_lite.cli.common import (
    AsJson,
    Device,
    SourceSize,
    TargetSize,
    TaskName,
    Workers,
    command,
    print_frame,
    print_json,
    say,
    show,
)

app = typer.Typer(help="Many tasks x methods x seeds from one file.", no_args_is_help=True)
#: The former name of the same commands.
matrix = typer.Typer(help="The same as `droco-lite study`.", no_args_is_help=True)


def complete_studies(incomplete: str) -> list[str]:
    """Shipped studies that begin with what was typed."""
    from droco_lite.studies import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


StudyName = Annotated[
    str,
    typer.Argument(
        help="A name of `droco-lite study list`, or a file such as my-study.yaml.",
        autocompletion=complete_studies,
    ),
]
Root = Annotated[
    Path | None, typer.Option(help="Folder of the jobs.", show_default="matrix/STUDY in the cache")
]
Tables = Annotated[
    Path | None,
    typer.Option(
        help="Where the tables go.", show_default="beside the file, or ./study-NAME if shipped"
    ),
]


def _work(study, root: Path, to: Path, workers: int, ray: bool) -> None:
    """Do a study's jobs, then write the tables of what is finished."""
    from droco_lite.evaluation import matrix as runner

    runner.finish_from_tables(study, root, to)
    try:
        if ray:
            runner.work_on_ray(study, root, workers)
        else:
            runner.work_beside(study, root, workers)
    finally:  # where one job had to stop, the others have results
        for path in runner.collect(study, root, to):
            say(path)


def _opened(name: str, root: Path | None, to: Path | None) -> tuple[Any, Path, Path]:
    """The study, the folder of its jobs and that of its tables."""
    from droco_lite.evaluation.matrix import Study
    from droco_lite.files import cache_folder
    from droco_lite.studies import find, tables_folder

    path = find(name)
    root = root or cache_folder() / "matrix" / path.stem
    return Study.read(path), root, to or tables_folder(name)


def list_studies(as_json: AsJson = False) -> None:
    """The studies that come with the package."""
    from rich import box
    from rich.table import Table

    from droco_lite.studies import overview

    rows = overview()
    if as_json:
        print_json(rows)
        return
    table = Table("name", "tasks", "arms", "seeds", "steps", "about", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(
            row["name"], "\n".join(row["tasks"]), str(row["arms"]), str(row["seeds"]),
            f"{row['steps']:,}", row["about"],
        )  # fmt: skip
    show(table)


def run(
    study: StudyName,
    root: Root = None,
    to: Tables = None,
    workers: Workers = 1,
    ray: Annotated[bool, typer.Option(help="Hand the jobs to a Ray cluster.")] = False,
) -> None:
    """Train and evaluate what is left to do, in order of priority; stop and go on at any time."""
    read, root, to = _opened(study, root, to)
    _work(read, root, to, workers, ray)


def status(study: StudyName, root: Root = None, to: Tables = None, as_json: AsJson = False) -> None:
    """How far the jobs are, and how long the rest will take one process."""
    from droco_lite.evaluation import matrix as runner

    read, root, to = _opened(study, root, to)
    runner.finish_from_tables(read, root, to)
    table = runner.progress(read, root)
    print_frame(table, as_json, 0)
    if as_json:
        return
    left = table["seconds_left"]
    unknown = f", and {int(left.isna().sum())} jobs of unknown length" if left.isna().any() else ""
    say(f"{left.sum() / 60:.0f} minutes of one process are left{unknown}")


def collect(study: StudyName, root: Root = None, to: Tables = None) -> None:
    """Write the tables of all jobs that are finished."""
    from droco_lite.evaluation import matrix as runner

    read, root, to = _opened(study, root, to)
    for path in runner.collect(read, root, to):
        say(path)


for group in (app, matrix):
    command(group, "list")(list_studies)
    command(group, "run")(run)
    command(group, "status")(status)
    command(group, "collect")(collect)


def compare(
    task: TaskName,
    methods: Annotated[
        str, typer.Option(help="all, or labels with ; between: 'IQL*;DROCO;cloning, both'.")
    ] = "all",
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Number of seeds.")] = 3,
    steps: Annotated[int, typer.Option(min=3, help="Gradient steps of each run.")] = 20_000,
    source_size: SourceSize = None,
    target_size: TargetSize = None,
    episodes: Annotated[int, typer.Option(min=1, help="Of each policy under each shift.")] = 10,
    device: Device = "auto",
    workers: Workers = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder; found there, it goes on.", show_default="runs/compare-TASK-STEPS"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train methods and controls on one task, try them under shifts, write one tidy table.

    Ctrl-C keeps what is done; the same command goes on. The paper's training is 1000000 steps.
    """
    from droco_lite.evaluation import matrix as runner
    from droco_lite.training import LoopSettings

    sizes = {"source_size": source_size, "target_size": target_size}
    every = max(1, steps // 20)
    study = runner.Study(
        tasks=[task],
        steps=steps // every * every,
        seeds=tuple(range(seeds)),
        arms=tuple(runner.ARMS) if methods == "all" else labels_of(methods),
        data={name: value for name, value in sizes.items() if value is not None},
        evaluation=runner.Evaluation(every=every, episodes=episodes),
        loop=LoopSettings(device=device),
    )
    out = out or Path("runs") / f"compare-{runner.file_name(task)}-{steps}"
    _work(study, out, out, workers, ray=False)
    table = runner.read_table(out, task)
    clean = table[(table["family"] == "nominal") & (table["attack"] == "none")]
    shown = clean.groupby("label", sort=False)[["return_mean", "score"]].agg(["mean", "std"])
    if as_json:
        shown.columns = ["_".join(name) for name in shown.columns]
        print_frame(shown.reset_index(), True)
    else:
        say(shown.round(1).to_string())


def labels_of(methods: str) -> tuple[str, ...]:
    """Labels of arms; a method's own name stands for the arm of that method alone."""
    from droco_lite.evaluation.arms import ARMS, CONTROLS

    named = {arm["method"]: label for label, arm in ARMS.items() if label not in CONTROLS}
    labels = tuple(named.get(m.strip(), m.strip()) for m in methods.split(";") if m.strip())
    if not labels:
        raise ValueError(f"--methods: {methods!r} names none; there are {'; '.join(ARMS)}")
    return labels
