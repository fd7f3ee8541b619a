"""``droco-lite data``: list, make, look at and import data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from droco_lite.cli.cards import print_card
from droco_lite.cli.common import (
    AsJson,
    ContactCost,
    Seed,
    SourceSize,
    TaskName,
    command,
    complete_robots,
    escaped,
    print_json,
    show,
)

app = typer.Typer(help="Data sets: list, make, look at, import.", no_args_is_help=True)

Robot = Annotated[
    str | None,
    typer.Option(help="Check against this robot.", autocompletion=complete_robots),
]


@command(app, "list")
def list_data(as_json: AsJson = False) -> None:
    """The tasks, whether their policies are here, and the data sets on disk."""
    from droco_lite.data import minari_store
    from droco_lite.data.names import all_tasks
    from droco_lite.data.tasks import missing_policies, sizes_of

    local = minari_store.list_local()
    tasks = [(task, *sizes_of(task), missing_policies(task)) for task in all_tasks()]
    if as_json:
        print_json(
            {
                "tasks": [
                    {
                        "task": str(task), "source_shift": task.source_shift,
                        "source_size": source, "target_size": target, "missing_policies": missing,
                    }
                    for task, source, target, missing in tasks
                ],
                "on_disk": {k: about.get(minari_store.CARD_KEY, {}) for k, about in local.items()},
            }
        )  # fmt: skip
        return
    show(_table_of_tasks(tasks))
    if local:
        show(_table_on_disk(local, minari_store.CARD_KEY))
    else:
        typer.echo(f"No data sets in {minari_store.datasets_root()} yet.")


def _table_of_tasks(tasks: list[tuple]):
    from rich import box
    from rich.table import Column, Table

    table = Table(
        Column("task", no_wrap=True), Column("source shift", overflow="fold"),
        Column("source", no_wrap=True), Column("target", no_wrap=True), "ready",
        title="Tasks", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for task, source, target, missing in tasks:
        state = "[green]yes[/]" if not missing else f"[dim]no policy: {', '.join(missing)}[/]"
        table.add_row(str(task), task.source_shift, f"{source:,}", f"{target:,}", state)
    possible = sum(not missing for *_, missing in tasks)
    table.caption = f"{possible} of {len(tasks)} can be made from the policies in the package"
    return table


def _table_on_disk(local: dict, card_key: str):
    from rich.table import Column, Table

    table = Table(
        Column("id", overflow="fold"), "transitions", "episodes", "score", "MB", title="On disk"
    )
    for name, about in local.items():
        score = about.get(card_key, {}).get("score")
        table.add_row(
            name,
            f"{about['total_steps']:,}",
            f"{about['total_episodes']:,}",
            f"{score:.1f}" if isinstance(score, int | float) else "",
            f"{about.get('dataset_size', 0):,.1f}",
        )
    return table


@command(app, "make")
def make(
    task: TaskName,
    source_size: SourceSize = None,
    target_size: Annotated[
        str | None, typer.Option(help="Target transitions, or a share such as 0.1.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Make a task's two data sets from the shipped policies, and keep them for Minari."""
    from droco_lite.data import Task, make_task
    from droco_lite.data.tasks import dataset_id

    name = Task.parse(task)
    size = None if target_size is None else _size(target_size)
    made = make_task(name, source_size=source_size, target_size=size, seed=seed)
    for shift, data in ((name.source_shift, made.source), ("nominal", made.target)):
        print_card(dataset_id(name.robot, shift, name.quality, len(data), seed))


@command(app, "info")
def info(
    source: Annotated[
        str, typer.Argument(help="A Minari id, an HDF5 file, or a folder of Transitions.save.")
    ],
    robot: Robot = None,
    contact_cost_weight: ContactCost = None,
) -> None:
    """A data set's card: rows, episodes, returns, score, shift."""
    print_card(source, robot, contact_cost_weight)


@command(app, "import")
def import_data(
    source: Annotated[str, typer.Argument(help="An HDF5 file, or a Minari id to fetch.")],
    robot: Robot = None,
    shift: Annotated[
        str | None, typer.Option(help="The dynamics of a file, such as gravity-down-0.3.")
    ] = None,
    contact_cost_weight: ContactCost = None,
) -> None:
    """Check a set that others made, and keep it among the Minari data sets."""
    from rich.console import Console

    from droco_lite.data import minari_store

    console = Console(stderr=True)
    if Path(source).is_file() or Path(source).suffix in (".hdf5", ".h5"):
        with console.status(f"Reading {escaped(source)}"):
            source = minari_store.import_file(
                source, robot, shift=shift, contact_cost_weight=contact_cost_weight
            )
    else:
        with console.status(f"Fetching {escaped(source)}"):
            minari_store.fetch(source)
    print_card(source, robot, contact_cost_weight)


@command(app, "gate")
def gate_task(
    task: TaskName,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes for each number.")] = 20,
    target_size: Annotated[int, typer.Option(min=1, help="Target transitions to clone.")] = 10_000,
    source_size: Annotated[int, typer.Option(min=1, help="Source transitions.")] = 20_000,
    clone_steps: Annotated[int, typer.Option(min=1, help="Updates of the clone.")] = 5_000,
    ensemble_epochs: Annotated[
        int, typer.Option(min=1, help="Most passes of the target's models over the data.")
    ] = 60,
    seed: Seed = 0,
    results: Annotated[
        Path | None, typer.Option(help="Write the numbers and their provenance here (JSON).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Does the shift matter, can the target's data be imitated, and do both sets overlap?"""
    from droco_lite.agents.gates import all_gates
    from droco_lite.files import write_json
    from droco_lite.provenance import provenance

    sizes: dict[str, Any] = {
        "episodes": episodes, "target_size": target_size, "source_size": source_size,
        "clone_steps": clone_steps, "ensemble_epochs": ensemble_epochs, "seed": seed,
    }  # fmt: skip
    found = all_gates(task, **sizes)
    if results is not None:
        write_json(results, {**found.record(), **provenance(**sizes)})
    if as_json:
        print_json(found.record())
    else:
        show(_gate_table(found.returns), _coverage_table(found.coverage))


@command(app, "gates")
def gate_all(
    out: Annotated[Path, typer.Argument(help="Folder for a JSON file a task and gates.csv.")],
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", help="These only; by default all that can be made."),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Run the gates of many tasks, and put them in one table; goes on where it was stopped."""
    from droco_lite.agents.gates import all_gates, gates_table, read_record
    from droco_lite.data.names import gate_tasks
    from droco_lite.evaluation.arms import file_name
    from droco_lite.files import write_csv, write_json
    from droco_lite.provenance import provenance

    records = []
    for task in tasks or gate_tasks():
        path = out / f"{file_name(str(task))}.json"
        if not path.exists():
            try:
                found = all_gates(task, seed=seed)
            except FileNotFoundError as error:  # no behaviour policy has been trained
                if tasks:
                    raise
                print(f"{task}: left out: {error}")
                continue
            write_json(path, {**found.record(), **provenance(seed=seed)}, checksum=True)
        records.append(read_record(path, seed))
        write_csv(out / "gates.csv", gates_table(records))
        print(f"{task}: {records[-1]['passed']} of 3")


@command(app, "widths")
def set_widths(
    task: TaskName,
    target_size: Annotated[int, typer.Option(min=1, help="Target rows of the ensemble.")] = 10_000,
    epochs: Annotated[int, typer.Option(min=1, help="Most passes of its fit.")] = 200,
    seed: Seed = 0,
    results: Annotated[Path | None, typer.Option(help="Write PATH.csv and PATH.json.")] = None,
    as_json: AsJson = False,
) -> None:
    """How far does each shift move a state, and how wide is the uncertainty set there?"""
    from droco_lite.agents.ensemble import EnsembleSettings, ensemble_of
    from droco_lite.agents.radius import widths
    from droco_lite.cli.common import print_frame, write_table
    from droco_lite.data.names import Task
    from droco_lite.data.tasks import make_dataset
    from droco_lite.evaluation.suite import grid

    asked = Task.parse(task)
    target, _ = make_dataset(
        asked.robot, "nominal", asked.quality, target_size, seed=seed, cache=False, progress=False
    )
    fitted = ensemble_of(target, EnsembleSettings(seed=seed, max_epochs=epochs))
    found = widths(asked, fitted, grid(asked.robot)[1:], seed=seed)
    about: dict = {"task": str(asked), "target_size": target_size, "epochs": epochs, "seed": seed}
    write_table(results, found.round(4), about)
    print_frame(found, as_json, digits=2)


def _gate_table(found):
    from rich.table import Table

    from droco_lite.data.gate import CLONING_LIMIT, TRANSFER_LIMIT

    measured = f", measured from {found.reference:.0f}" if found.reference else ""
    table = Table(
        "gate", "mean return", "of", f"share{measured}", "asked", "", title=str(found.task)
    )
    for label, value, whole, share, bound, passed in (
        (
            "source policy on the target robot",
            found.on_target,
            found.at_home,
            found.kept,
            f"< {TRANSFER_LIMIT:.2f}",
            found.shift_matters,
        ),
        (
            "clone of the target data",
            found.clone,
            found.target_data,
            found.cloned,
            f">= {CLONING_LIMIT:.2f}",
            found.can_be_cloned,
        ),
    ):
        shown = f"{share:.2f}" if share == share else "-"
        table.add_row(label, f"{value:.0f}", f"{whole:.0f}", shown, bound, _verdict(passed))
    return table


def _coverage_table(found):
    from rich.table import Table

    from droco_lite.agents.coverage import COVERAGE_LIMIT

    table = Table("coverage", "source rows", "unseen target rows", "asked", "")
    bound = f">= {COVERAGE_LIMIT:.2f}"
    table.add_row(
        "share within the target data",
        f"{found.within:.2f}",
        "0.95",
        bound,
        _verdict(found.covered),
    )
    for label, value, usual in (
        ("distance to the target data", found.distance, found.distance_held_out),
        ("error of the ensemble", found.error, found.error_held_out),
        ("its error where both robots do the same", found.error_same, found.error_held_out),
        ("disagreement of its members", found.spread, found.spread_held_out),
    ):
        table.add_row(label, f"{value:.2f}", f"{usual:.2f}", "", "")
    return table


def _verdict(passed: bool) -> str:
    return "[green]passes[/]" if passed else "[red]fails[/]"


def _size(text: str) -> int | float:
    """A number of rows, or a share where there is a point in it."""
    try:
        return float(text) if "." in text else int(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise ValueError(f"--target-size: {text!r} is neither a number nor a share") from None
