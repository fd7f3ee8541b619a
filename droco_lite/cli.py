"""The command line: ``droco-lite data list | make | info | import | gate``, ``train``,
``evaluate``, ``select``, ``export``, ``compare``, ``matrix run | status | collect``, ``report``.

Every command loads its libraries when it runs, so that ``droco-lite --help`` answers at once.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Dual-robust cross-domain offline reinforcement learning.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
data_app = typer.Typer(help="Data sets: list, make, look at, import.", no_args_is_help=True)
app.add_typer(data_app, name="data")

TaskName = Annotated[
    str,
    typer.Argument(
        help="Such as halfcheetah-medium, hopper-medium-replay-morphology or, with a source shift "
        "of your own, halfcheetah-medium@gravity-up-0.5."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of starts and action noise.")]
ContactCost = Annotated[
    float | None,
    typer.Option(help="Ant with contact forces: their weight in the rewards (5e-4 or 0)."),
]


@contextmanager
def plain_errors(*more: type[Exception]) -> Iterator[None]:
    """Print what the user can mend as one message, without a traceback, and exit with 1."""
    try:
        yield
    except (ValueError, OSError, *more) as error:
        from rich.console import Console

        Console(stderr=True).print(f"[bold red]Error:[/] {_escaped(error)}", soft_wrap=True)
        raise typer.Exit(1) from error


def _escaped(text: object) -> str:
    from rich.markup import escape

    return escape(str(text))


def _print_version(asked: bool) -> None:
    if asked:
        from droco_lite import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print it.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    pass


@data_app.command("list")
def list_data() -> None:
    """The tasks, whether their policies are here, and the data sets on disk."""
    from rich import box
    from rich.table import Column, Table

    from droco_lite.data import TASKS, minari_store
    from droco_lite.data.tasks import missing_policies, sizes_of

    with plain_errors():
        local = minari_store.list_local()
        table = Table(
            Column("task", no_wrap=True), Column("source shift", overflow="fold"),
            Column("source", no_wrap=True), Column("target", no_wrap=True), "ready",
            title="Tasks", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0),
        )  # fmt: skip
        possible = 0
        for task in TASKS:
            source, target = sizes_of(task)
            missing = missing_policies(task)
            possible += not missing
            state = "[green]yes[/]" if not missing else f"[dim]no policy: {', '.join(missing)}[/]"
            table.add_row(str(task), task.source_shift, f"{source:,}", f"{target:,}", state)
        table.caption = f"{possible} of {len(TASKS)} can be made from the policies in the package"
        _print(table)
        identity = Column("id", overflow="fold")
        table = Table(identity, "transitions", "episodes", "score", "MB", title="On disk")
        for name, about in local.items():
            card = about.get(minari_store.CARD_KEY, {})
            table.add_row(
                name,
                f"{about['total_steps']:,}",
                f"{about['total_episodes']:,}",
                f"{card['score']:.1f}" if "score" in card else "",
                f"{about.get('dataset_size', 0):,.1f}",
            )
        if local:
            _print(table)
        else:
            typer.echo(f"No data sets in {minari_store.datasets_root()} yet.")


@data_app.command("make")
def make(
    task: TaskName,
    source_size: Annotated[int | None, typer.Option(help="Source transitions.")] = None,
    target_size: Annotated[
        str | None, typer.Option(help="Target transitions, or a share such as 0.1.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Make a task's two data sets from the shipped policies, and keep them for Minari."""
    from droco_lite.data import Task, make_task
    from droco_lite.data.tasks import dataset_id

    with plain_errors():
        name = Task.parse(task)
        size = None if target_size is None else _size(target_size)
        made = make_task(name, source_size=source_size, target_size=size, seed=seed)
        for shift, data in ((name.source_shift, made.source), ("nominal", made.target)):
            _print_card(dataset_id(name.robot, shift, name.quality, len(data), seed))


@data_app.command("info")
def info(
    source: Annotated[
        str, typer.Argument(help="A Minari id, an HDF5 file, or a folder of Transitions.save.")
    ],
    robot: Annotated[str | None, typer.Option(help="Check against this robot.")] = None,
    contact_cost_weight: ContactCost = None,
) -> None:
    """A data set's card: rows, episodes, returns, score, shift."""
    with plain_errors():
        _print_card(source, robot, contact_cost_weight)


@data_app.command("import")
def import_data(
    source: Annotated[str, typer.Argument(help="An HDF5 file, or a Minari id to fetch.")],
    robot: Annotated[str | None, typer.Option(help="Whose data they are.")] = None,
    shift: Annotated[
        str | None, typer.Option(help="The dynamics of a file, such as gravity-down-0.3.")
    ] = None,
    contact_cost_weight: ContactCost = None,
) -> None:
    """Check a set that others made, and keep it among the Minari data sets."""
    from pathlib import Path

    from rich.console import Console

    from droco_lite.data import minari_store

    with plain_errors():
        if Path(source).is_file() or Path(source).suffix in (".hdf5", ".h5"):
            with Console(stderr=True).status(f"Reading {source}"):
                source = minari_store.import_file(
                    source, robot, shift=shift, contact_cost_weight=contact_cost_weight
                )
        else:
            with Console(stderr=True).status(f"Fetching {source}"):
                minari_store.fetch(source)
        _print_card(source, robot, contact_cost_weight)


@data_app.command("gate")
def gate_task(
    task: TaskName,
    episodes: Annotated[int, typer.Option(help="Episodes for each number.")] = 20,
    target_size: Annotated[int, typer.Option(help="Target transitions to clone.")] = 10_000,
    seed: Seed = 0,
    results: Annotated[
        Path | None, typer.Option(help="Write the numbers and their provenance here (JSON).")
    ] = None,
) -> None:
    """Does the shift matter, and can the target's data be imitated?"""
    from rich.table import Table

    from droco_lite.data.gate import CLONING_LIMIT, TRANSFER_LIMIT, gate
    from droco_lite.provenance import provenance, write_json_atomic

    with plain_errors():
        found = gate(task, episodes=episodes, target_size=target_size, seed=seed)
        if results is not None:
            sizes = {"episodes": episodes, "target_size": target_size, "seed": seed}
            write_json_atomic(results, {**found.record(), **provenance(**sizes)})
        table = Table("gate", "mean return", "of", "share", "asked", "", title=str(found.task))
        for label, value, whole, bound, passed in (
            (
                "source policy on the target robot",
                found.on_target,
                found.at_home,
                f"< {TRANSFER_LIMIT:.2f}",
                found.shift_matters,
            ),
            (
                "clone of the target data",
                found.clone,
                found.target_data,
                f">= {CLONING_LIMIT:.2f}",
                found.can_be_cloned,
            ),
        ):
            verdict = "[green]passes[/]" if passed else "[red]fails[/]"
            share = f"{value / whole:.2f}" if whole > 0 else "-"
            table.add_row(label, f"{value:.0f}", f"{whole:.0f}", share, bound, verdict)
        _print(table)


def _size(text: str) -> int | float:
    try:
        return float(text) if "." in text else int(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise ValueError(f"--target-size: {text!r} is neither a number nor a share") from None


def _print(table: Any) -> None:
    from rich.console import Console

    Console().print(table)


def _print_card(source: str, robot: str | None = None, weight: float | None = None) -> None:
    from pathlib import Path

    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    from droco_lite.data import load, minari_store
    from droco_lite.data.tasks import whole_episode_returns
    from droco_lite.robots import ROBOTS, get_robot

    about: dict[str, Any] = {}
    if not Path(source).exists() and minari_store.is_local(source):
        about = minari_store.describe(source)
        robot = robot or minari_store.robot_of(source)
    data = load(source, robot, download=False, contact_cost_weight=weight)
    card = about.get("card", {})
    robot = robot or minari_store.guess_robot(Path(source).stem, data)
    returns, lengths = data.episode_returns(), data.episode_lengths()
    falls, cut = int(data.terminations.sum()), 0
    if card.get("behaviour"):  # ours, and cut to size: the card counts whole episodes only
        returns = whole_episode_returns(data, get_robot(robot).max_episode_steps)
        cut = len(lengths) - len(returns)

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    table.add_row("robot", robot or f"unknown ({', '.join(ROBOTS)})")
    table.add_row("shift", card.get("shift") or "not known")
    if card.get("quality"):
        table.add_row("quality", card["quality"])
    table.add_row(
        "transitions",
        f"{len(data):,} ({data.observation_size} observation and {data.action_size} action "
        f"columns, {data.nbytes / 2**20:,.1f} MiB)",
    )
    table.add_row(
        "episodes",
        f"{len(lengths):,}, {lengths.min():,} to {lengths.max():,} steps; {falls:,} end in a fall"
        + (f", {cut:,} cut to size" if cut else ""),
    )
    whole = " over the whole episodes" if cut else ""
    table.add_row("return", f"{returns.mean():,.1f} ± {returns.std():,.1f}{whole}")
    if robot:
        score = get_robot(robot).score(returns.mean())
        table.add_row("score", f"{score:.1f} by D4RL's references")
    if about.get("description"):
        table.add_row("description", about["description"])
    for name, text in (minari_store.specification(source) if about else {}).items():
        if text and not name.startswith("total"):  # those stand above
            table.add_row(name, text)
    console = Console()
    console.print(Panel(table, title=_escaped(source), title_align="left"))
    console.print(f"Returns of the {'whole ' if cut else ''}episodes")
    for line in histogram(returns):
        console.print(line, highlight=False)


def histogram(values: Any, bins: int = 10, width: int = 40) -> list[str]:
    """Lines of a horizontal histogram in Unicode: lower edge, bar, count."""
    import numpy as np

    counts, edges = np.histogram(values, bins=bins if np.ptp(values) > 0 else 1)
    labels = [f"{edge:,.0f}" for edge in edges[:-1]]
    room = max(len(label) for label in labels)
    return [
        f"{label:>{room}} {_bar(count / counts.max(), width)} {count:,}"
        for label, count in zip(labels, counts, strict=True)
    ]


def _bar(share: float, width: int) -> str:
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    partial = " ▏▎▍▌▋▊▉"[eighths % 8]
    return ("█" * (eighths // 8) + partial).ljust(width)[:width] if eighths else " " * width


Values = list[float] | None


@app.command()
def train(
    task: Annotated[
        str, typer.Argument(help="such as hopper-medium; not needed with --config")
    ] = "",
    config: Annotated[Path | None, typer.Option(help="an experiment file (YAML or TOML)")] = None,
    method: Annotated[str, typer.Option(help="which method")] = "droco",
    beta: Annotated[Values, typer.Option(help="DROCO's β; repeat for a grid")] = None,
    delta: Annotated[Values, typer.Option(help="DROCO's δ; repeat for a grid")] = None,
    seeds: Annotated[str, typer.Option(help="a number of seeds, or a list such as 0,3,4")] = "",
    steps: Annotated[int | None, typer.Option(help="gradient steps")] = None,
    source_size: Annotated[int | None, typer.Option(help="source transitions")] = None,
    target_size: Annotated[int | None, typer.Option(help="target transitions")] = None,
    data_seed: Annotated[int, typer.Option(help="seed of the data")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "",
    out: Annotated[
        Path | None, typer.Option(help="folder of the run; found there, it goes on")
    ] = None,
    results: Annotated[Path | None, typer.Option(help="copy curve and provenance here")] = None,
    stop_after: Annotated[int | None, typer.Option(help="stop and save after this step")] = None,
    tensorboard: Annotated[
        bool, typer.Option(help="write TensorBoard logs into the folder")
    ] = False,
    wandb: Annotated[str, typer.Option(help="log to this Weights & Biases project")] = "",
) -> None:
    """Train runs side by side: every β with every δ and every seed, or what a file says.

    Ctrl-C saves; the same command goes on.
    """
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from droco_lite.agents import METHODS
    from droco_lite.training import CheckpointError, LoopSettings, TrainingError, writers
    from droco_lite.training.experiment import Experiment, default_folder

    if bool(task) == bool(config):
        raise typer.BadParameter("give a task, such as hopper-medium, or --config FILE")
    with plain_errors():
        if config is not None:
            experiment = Experiment.read(config)
        else:
            if method not in METHODS:
                raise typer.BadParameter(f"{method!r} is none of {', '.join(sorted(METHODS))}")
            kind = METHODS[method].Settings
            shared = {} if steps is None else {"steps": steps}
            grids = {n: v for n, v in (("beta", beta), ("delta", delta)) if v}
            runs = [
                kind.from_dict(
                    {**shared, **dict(zip(grids, point, strict=True))}, where="command line"
                )
                for point in itertools.product(*grids.values())
            ]
            sizes = {"source_size": source_size, "target_size": target_size, "seed": data_seed}
            options = {name: value for name, value in sizes.items() if value is not None}
            experiment = Experiment({"name": task, **options}, runs, LoopSettings())
        if seeds:
            chosen = [int(s) for s in seeds.split(",") if s] if "," in seeds else range(int(seeds))
            experiment = experiment.with_seeds(chosen)
        if device:
            experiment = replace(experiment, loop=replace(experiment.loop, device=device))
    folder = out or default_folder(experiment)

    with plain_errors(ImportError):
        chosen_writers = []
        if tensorboard:
            chosen_writers.append(writers.tensorboard(folder))
        if wandb:
            about = experiment.to_dict()
            chosen_writers.append(writers.WeightsAndBiases(wandb, folder, about))
        writer = writers.Writers(*chosen_writers) if chosen_writers else None

    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
    with (
        Progress(*columns, TimeRemainingColumn(), console=console) as bar,
        ExitStack() as end,
    ):
        if writer is not None:
            end.callback(writer.close)
        line = bar.add_task(f"{len(experiment.runs)} runs", total=None, rate="preparing")

        def show(step: int, total: int) -> None:
            speed = bar.tasks[line].speed
            rate = f"{step:,}/{total:,} steps" + (f", {speed:,.0f}/s" if speed else "")
            bar.update(line, completed=step, total=total, rate=rate)

        try:
            with plain_errors(CheckpointError, TrainingError):
                result = experiment.run(
                    folder, on_progress=show, writer=writer, stop_after=stop_after, results=results
                )
        except KeyboardInterrupt as interrupt:
            console.print(f"[yellow]{interrupt}; the same command goes on from there[/yellow]")
            raise typer.Exit(130) from None
    if len(result.curve):
        last = result.curve[result.curve.step == result.curve.step.max()]
        names = ("label", "method", "seed", "beta", "delta", "return_mean", "score")
        console.print(last[[n for n in names if n in last]].to_string(index=False))
    console.print(f"curve, checkpoint and settings: {folder}")


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(help="a run's folder")],
    shift: Annotated[
        list[str] | None, typer.Option(help="such as kinematic-footjnt-hard; repeat")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="all variants of a family, three levels; repeat")
    ] = None,
    robot: Annotated[str, typer.Option(help="as trained, unless given")] = "",
    episodes: Annotated[int, typer.Option(help="episodes of each policy under each shift")] = 10,
    seed: Annotated[int, typer.Option(help="of the first episode")] = 20_000,
    results: Annotated[Path | None, typer.Option(help="write table and provenance here")] = None,
) -> None:
    """Run every trained policy of a folder under shifts; the nominal robot always comes first."""
    from rich.console import Console

    from droco_lite.evaluation import evaluate as run_suite
    from droco_lite.evaluation import grid
    from droco_lite.provenance import provenance, write_json_atomic, write_text_atomic
    from droco_lite.robots import Shift
    from droco_lite.training import CheckpointError
    from droco_lite.training.export import restore

    with plain_errors(CheckpointError):
        agent, facts = restore(folder)
        robot = robot or facts["facts"]["evaluation"][0]
        chosen = [Shift.parse(text) for text in shift or []]
        families = {"families": family} if family else {}
        shifts = grid(robot, **families) if family or not chosen else grid(robot, families=())
        table = run_suite(agent, robot, shifts + chosen, episodes=episodes, seed=seed)
        if results is not None:
            write_text_atomic(results.with_suffix(".csv"), table.to_csv(index=False))
            about = {"step": facts["step"], "episodes": episodes, "seed": seed, "robot": robot}
            write_json_atomic(results.with_suffix(".json"), provenance(**about))
    shown = ("label", "method", "seed", "shift", "return_mean", "return_std", "score")
    Console().print(table[[n for n in shown if n in table]].round(1).to_string(index=False))


@app.command()
def select(
    folder: Annotated[Path, typer.Argument(help="a folder of DROCO runs")],
    held_out: Annotated[int, typer.Option(help="target rows kept from training")] = 5000,
    iterations: Annotated[int, typer.Option(help="backups of fitted Q evaluation")] = 200,
    episodes: Annotated[
        int, typer.Option(help="examine the choices in the simulator; 0: no simulator")
    ] = 0,
    results: Annotated[Path | None, typer.Option(help="write table and provenance here")] = None,
) -> None:
    """Which of a folder's policies to deploy, by rules that read target data only."""
    from rich.console import Console

    from droco_lite.evaluation import selection
    from droco_lite.provenance import provenance, write_json_atomic, write_text_atomic
    from droco_lite.training import CheckpointError
    from droco_lite.training.experiment import Experiment
    from droco_lite.training.export import restore

    console, started = Console(), time.perf_counter()
    with plain_errors(CheckpointError):
        agent, facts = restore(folder)
        experiment = Experiment.read(folder / "experiment.yaml")
        data = experiment.data()
        kept = selection.held_out_rows(experiment, held_out)
        fqe = selection.FQESettings(iterations=iterations)
        table = selection.evidence(agent, data.target, kept, data.source, fqe=fqe)
        if episodes:
            exam = selection.examine(agent, data.task.robot, episodes=episodes)
            table = table.join(exam)
        if results is not None:
            write_text_atomic(results.with_suffix(".csv"), table.to_csv(index=False))
            about = {"step": facts["step"], "held_out": held_out, "fqe": vars(fqe)}
            about |= {"task": str(data.task), "target_rows": len(data.target)}
            about["wall_time_seconds"] = round(time.perf_counter() - started, 1)
            write_json_atomic(results.with_suffix(".json"), provenance(**about))
    shown = ("label", "seed", *selection.RULES, "return_mean")
    console.print(table[[n for n in shown if n in table]].round(3).to_string(index=False))
    names = table.label + ", seed " + table.seed.astype(str)
    for rule, prefer in selection.RULES.items():
        console.print(f"{rule:14} prefers {names[prefer(table).idxmax()]}")
    if episodes and len(table) > 2:
        console.print(selection.judge(table, by=["label", "seed"]).round(2).to_string(index=False))


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="a run's folder")],
    run: Annotated[int, typer.Option(help="which run of the stack")] = 0,
    to: Annotated[
        Path | None, typer.Option(help="file to write; beside the checkpoint by default")
    ] = None,
) -> None:
    """Write a trained policy as TorchScript, with a card that says what it is."""
    from droco_lite.training import CheckpointError
    from droco_lite.training.export import export_policy

    with plain_errors(CheckpointError):
        path, card = export_policy(folder, run, to)
    typer.echo(f"{path}\n{card}")


def _work(study, root: Path, to: Path, workers: int, ray: bool) -> None:
    """Do a study's jobs, then write the tables of what is finished."""
    from droco_lite.evaluation import matrix

    matrix.restore(study, root, to)
    if ray:
        matrix.work_on_ray(study, root, workers)
    else:
        matrix.work_beside(study, root, workers)
    for path in matrix.collect(study, root, to):
        typer.echo(path)


def _matrix_root(study_file: Path) -> Path:
    from droco_lite.training.online import cache_folder

    return cache_folder() / "matrix" / study_file.stem


Root = Annotated[
    Path | None, typer.Option(help="folder of the jobs; by default matrix/STUDY in the cache")
]
Workers = Annotated[int, typer.Option(help="processes side by side; one for each core or GPU")]


@app.command()
def compare(
    task: Annotated[str, typer.Argument(help="such as hopper-medium")],
    methods: Annotated[
        str, typer.Option(help="all, or labels with ; between, such as 'IQL*;DROCO;cloning, both'")
    ] = "all",
    seeds: Annotated[int, typer.Option(help="number of seeds")] = 5,
    steps: Annotated[int, typer.Option(help="gradient steps of each run")] = 200_000,
    source_size: Annotated[int | None, typer.Option(help="source transitions")] = None,
    target_size: Annotated[int | None, typer.Option(help="target transitions")] = None,
    episodes: Annotated[int, typer.Option(help="of each policy under each shift")] = 10,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    workers: Workers = 1,
    out: Annotated[Path | None, typer.Option(help="folder; found there, it goes on")] = None,
) -> None:
    """Train methods and controls on one task, try them under shifts, write one tidy table.

    Ctrl-C keeps what is done; the same command goes on.
    """
    from rich.console import Console

    from droco_lite.evaluation import matrix
    from droco_lite.training import CheckpointError, LoopSettings, TrainingError

    sizes = {"source_size": source_size, "target_size": target_size}
    with plain_errors(CheckpointError, TrainingError):
        every = max(1, steps // 20)
        study = matrix.Study(
            tasks=[task],
            steps=steps // every * every,
            seeds=tuple(range(seeds)),
            arms=tuple(matrix.ARMS) if methods == "all" else _labels(methods),
            data={name: value for name, value in sizes.items() if value is not None},
            evaluation=matrix.Evaluation(every=every, episodes=episodes),
            loop=LoopSettings(device=device),
        )
        out = out or Path("runs") / f"compare-{matrix.file_name(task)}-{steps}"
        _work(study, out, out, workers, ray=False)
        table = matrix.read_table(out, task)
    clean = table[(table["family"] == "nominal") & (table["attack"] == "none")]
    shown = clean.groupby("label", sort=False)[["return_mean", "score"]]
    Console().print(shown.agg(["mean", "std"]).round(1).to_string())


def _labels(methods: str) -> tuple[str, ...]:
    """Labels of arms; a method's own name stands for the arm of that method alone."""
    from droco_lite.evaluation.arms import ARMS, CONTROLS

    named = {arm["method"]: label for label, arm in ARMS.items() if label not in CONTROLS}
    return tuple(named.get(m.strip(), m.strip()) for m in methods.split(";") if m.strip())


matrix_app = typer.Typer(help="Many tasks x methods x seeds from one file.", no_args_is_help=True)
app.add_typer(matrix_app, name="matrix")
StudyFile = Annotated[Path, typer.Argument(help="such as results/matrix/study.yaml")]
Tables = Annotated[
    Path | None, typer.Option(help="where the tables go; by default beside the study")
]


@matrix_app.command("run")
def matrix_run(
    study: StudyFile,
    root: Root = None,
    to: Tables = None,
    workers: Workers = 1,
    ray: Annotated[bool, typer.Option(help="hand the jobs to a Ray cluster")] = False,
) -> None:
    """Train and evaluate what is left to do, in order of priority; stop and go on at any time."""
    from droco_lite.evaluation import matrix
    from droco_lite.training import CheckpointError, TrainingError

    with plain_errors(CheckpointError, ImportError, TrainingError):
        root = root or _matrix_root(study)
        _work(matrix.Study.read(study), root, to or study.parent, workers, ray)


@matrix_app.command("status")
def matrix_status(study: StudyFile, root: Root = None, to: Tables = None) -> None:
    """How far the jobs are, and how long the rest will take one process."""
    from rich.console import Console

    from droco_lite.evaluation import matrix

    with plain_errors():
        read, root = matrix.Study.read(study), root or _matrix_root(study)
        matrix.restore(read, root, to or study.parent)
        table = matrix.progress(read, root)
    Console().print(table.round(0).to_string(index=False, na_rep="?"))
    left = table["seconds_left"]
    unknown = f", and {int(left.isna().sum())} jobs of unknown length" if left.isna().any() else ""
    typer.echo(f"{left.sum() / 60:.0f} minutes of one process are left{unknown}")


@matrix_app.command("collect")
def matrix_collect(study: StudyFile, root: Root = None, to: Tables = None) -> None:
    """Write the tables of all jobs that are finished."""
    from droco_lite.evaluation import matrix

    with plain_errors():
        root = root or _matrix_root(study)
        for path in matrix.collect(matrix.Study.read(study), root, to or study.parent):
            typer.echo(path)


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="folder for tables and figures")] = Path("report"),
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; do the chapters match the results?")
    ] = False,
    results: Annotated[
        Path | None, typer.Option(help="folder of the tables; by default results/matrix")
    ] = None,
    book: Annotated[Path, typer.Option(help="folder of the chapters, for --check")] = Path("book"),
) -> None:
    """Make every table and figure of the results chapters from results/matrix."""
    from droco_lite import report as maker

    with plain_errors():
        if check:
            wrong = maker.check(book, results)
            for line in wrong:
                typer.echo(line)
            if wrong:
                raise typer.Exit(1)
            count = sum(len(tables) for _, _, tables, _ in maker.studies(results))
            typer.echo(f"{count} tables match")
        else:
            written = maker.write(out, results)
            typer.echo(f"{len(written)} files in {out}")


if __name__ == "__main__":
    app()
