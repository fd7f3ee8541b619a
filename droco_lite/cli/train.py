"""``droco-lite train``: one method, a grid of its settings, several seeds, side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from droco_lite.cli.common import (
    TASK_HELP,
    AsJson,
    ContactCost,
    Device,
    complete_robots,
    complete_tasks,
    print_frame,
    say,
    told_apart,
)
from droco_lite.cli.settings import Given, Method, parse

if TYPE_CHECKING:
    from droco_lite.training.experiment import Experiment

STEPS, FULL_STEPS = 20_000, 1_000_000
EVALUATE_EVERY = 5_000

Values = list[float] | None
OptionalTask = Annotated[
    str,
    typer.Argument(
        help=f"Not needed with --config, or with --source and --target. {TASK_HELP}",
        autocompletion=complete_tasks,
    ),
]
_SET = "an HDF5 file in D4RL's layout, a Minari id, or a folder of Transitions.save."
Source = Annotated[
    str, typer.Option(help=f"Your own source data in place of a task: {_SET}", metavar="DATA")
]
Target = Annotated[
    str, typer.Option(help=f"Your own target data, with --source: {_SET}", metavar="DATA")
]
SourceRows = Annotated[
    int | None,
    typer.Option(min=1, help="Source transitions; if left out the task's full size, or all rows."),
]
TargetRows = Annotated[
    int | None,
    typer.Option(
        min=1, help="Target transitions; if left out a tenth of the task's source, or all rows."
    ),
]
HoldOut = Annotated[
    float | None,
    typer.Option(
        help="With --source: lay this share of the target's rows aside, such as 0.05, so that "
        "`droco-lite select` can rank the policies on them.",
        show_default="none",
    ),
]
Robot = Annotated[
    str,
    typer.Option(
        help="With --source: both sets must have this robot's columns, and its simulator evaluates "
        "the policies.",
        autocompletion=complete_robots,
        show_default="no simulator",
    ),
]
Config = Annotated[
    Path | None, typer.Option(help="An experiment file (YAML or TOML) in place of a task.")
]
Seeds = Annotated[str, typer.Option(help="A number of seeds, or a list such as 0,3,4.")]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Gradient steps; the paper's training is 1000000. A finished run goes on if this is "
        "larger than it was.",
        show_default=f"{STEPS}, or the file's",
    ),
]
EvaluateEvery = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Steps between evaluations in the simulator.",
        show_default=f"{EVALUATE_EVERY}, or the file's",
    ),
]
SaveEvery = Annotated[
    int | None,
    typer.Option(min=1, help="Steps between checkpoints.", show_default="10000, or the file's"),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the run; a run found there goes on.", show_default="runs/TASK-METHOD-HASH"
    ),
]
CurveCopy = Annotated[
    Path | None, typer.Option(help="Copy the curve, and where it came from, to this path.")
]
StopAfter = Annotated[int | None, typer.Option(min=1, help="Stop and save after this step.")]
TensorBoard = Annotated[bool, typer.Option(help="Write TensorBoard logs into the folder.")]
WandB = Annotated[str, typer.Option(help="Log to this Weights & Biases project.")]


def train(
    task: OptionalTask = "",
    config: Config = None,
    source: Source = "",
    target: Target = "",
    robot: Robot = "",
    contact_cost_weight: ContactCost = None,
    hold_out: HoldOut = None,
    method: Method = "droco",
    beta: Annotated[Values, typer.Option(help="DROCO's β; repeat for a grid.")] = None,
    delta: Annotated[Values, typer.Option(help="DROCO's δ; repeat for a grid.")] = None,
    given: Given = None,
    seeds: Seeds = "1",
    steps: Steps = None,
    source_size: SourceRows = None,
    target_size: TargetRows = None,
    data_seed: Annotated[
        int, typer.Option(min=0, help="Seed of the data, or of the rows drawn from yours.")
    ] = 0,
    device: Device = "auto",
    evaluate_every: EvaluateEvery = None,
    save_every: SaveEvery = None,
    out: Out = None,
    results: CurveCopy = None,
    stop_after: StopAfter = None,
    tensorboard: TensorBoard = False,
    wandb: WandB = "",
    as_json: AsJson = False,
) -> None:
    """Train runs side by side: every β with every δ and every seed, or what a file says.

    Data of your own, without a simulator: --source FILE --target FILE, then `droco-lite export`.

    Ctrl-C saves; the same command goes on. So does one with more --steps: the policy's learning
    rate, which falls to 0 along a cosine as long as the training, then takes the longer cosine up
    at its present step. It rises again, so the result is not that of a longer training from the
    start.
    """
    from dataclasses import replace

    from droco_lite.training.experiment import default_folder

    asked: dict[str, Any] = {
        "source": source, "target": target, "robot": robot, "source_size": source_size,
        "target_size": target_size, "seed": data_seed or None,
        "contact_cost_weight": contact_cost_weight, "hold_out": hold_out,
    }  # fmt: skip
    about = {name: value for name, value in asked.items() if value not in ("", None)}
    _one_source_of_data(task, config, about)
    if config is not None:
        experiment = _from_file(config, steps, given, [beta, delta])
        seeds = "" if seeds == "1" else seeds
    else:
        about = {"name": task} | about if task else about
        about["seed"] = data_seed
        grids = {name: values for name, values in (("beta", beta), ("delta", delta)) if values}
        experiment = _from_options(about, method, steps or STEPS, grids, given)
    if seeds:
        experiment = experiment.with_seeds(list_of_seeds(seeds))
    every = evaluate_every or (EVALUATE_EVERY if config is None else None)
    looped: dict[str, Any] = {"evaluate_every": every, "save_every": save_every}
    looped |= {"device": device} if device != "auto" else {}
    chosen = {name: value for name, value in looped.items() if value is not None}
    experiment = replace(experiment, loop=replace(experiment.loop, **chosen))
    folder = out or default_folder(experiment)

    result = _run(experiment, folder, tensorboard, wandb, stop_after, results)
    _print_result(experiment, result, folder, as_json)


def _one_source_of_data(task: str, config: Path | None, about: dict[str, Any]) -> None:
    """Refuse none, two, and options that the one that was given does not read."""
    from droco_lite.training.experiment import are_recordings

    own = are_recordings(about)
    if (bool(task), config is not None, own).count(True) != 1:
        raise typer.BadParameter(
            "give a task, such as hopper-medium; or --source DATA and --target DATA; or "
            "--config FILE"
        )
    options = {name: f"--{name.replace('_', '-')}" for name in about}
    options |= {"seed": "--data-seed"} if "seed" in about else {}
    if config is not None and about:
        named = ", ".join(sorted(options.values()))
        raise ValueError(f"{named}: write it into the file of --config, under task")
    whys = dict.fromkeys(("robot", "contact_cost_weight"), "a task has its own robot")
    whys["hold_out"] = "`select` makes other rows of a task by itself"
    for name, why in whys.items():
        if task and name in about:
            raise ValueError(f"{options[name]} belongs to --source and --target; {why}")
    if own and not {"source", "target"} <= set(about):
        lacks = "--target" if "source" in about else "--source"
        raise ValueError(f"{lacks} is missing: recordings are two sets, a source and a target")


def _from_file(config: Path, steps: int | None, given: Any, grids: Any) -> Experiment:
    """What a file says, with other steps if they were given."""
    from dataclasses import replace

    from droco_lite.training.experiment import Experiment

    if given or any(grids):
        raise ValueError("--set, --beta and --delta: write them into the file of --config")
    experiment = Experiment.read(config)
    if steps is None:
        return experiment
    return replace(experiment, runs=[replace(run, steps=steps) for run in experiment.runs])


def _from_options(
    about: dict, method: str, steps: int, grids: dict[str, list], given: Sequence[str] | None
) -> Experiment:
    """An experiment of one method: every point of the grid is a run."""
    from droco_lite.agents import METHODS
    from droco_lite.data import Task
    from droco_lite.training import LoopSettings
    from droco_lite.training.experiment import Experiment, check_recordings

    if "name" in about:
        Task.parse(about["name"])  # refused before anything is made
    else:
        check_recordings(about, "command line")
    if method not in METHODS:
        raise ValueError(f"--method: {method!r} is none of {', '.join(sorted(METHODS))}")
    kind = METHODS[method].Settings
    points, looped = parse(given, kind, LoopSettings)
    runs = [
        kind.from_dict(
            {"steps": steps, **dict(zip(grids, values, strict=True)), **point},
            where="command line",
        )
        for values in itertools.product(*grids.values())
        for point in points
    ]
    runs = kind.completed(runs)  # a control is trained beside its partner
    return Experiment(about, runs, LoopSettings.from_dict(looped, where="--set"))


def list_of_seeds(text: str) -> list[int]:
    """``3`` is seeds 0, 1 and 2; ``0,3,4`` is those.

    Raises:
        ValueError: not numbers, none, one twice, or a negative one.
    """
    try:
        some = [int(s) for s in text.split(",") if s.strip()]
    except ValueError:
        raise ValueError(f"--seeds: {text!r} is neither a number nor a list like 0,3,4") from None
    chosen = some if "," in text else range(*some[:1]) if some else ()
    # The length first: a range knows it without being made.
    if not 0 < len(chosen) <= 10_000 or min(chosen) < 0 or len(set(chosen)) < len(chosen):
        raise ValueError(f"--seeds: {text!r} must give between 1 and 10000 seeds, none twice")
    return list(chosen)


def _run(
    experiment: Experiment,
    folder: Path,
    tensorboard: bool,
    wandb: str,
    stop_after: int | None,
    results: Path | None,
):
    """Make the data, train, and show how far both are."""
    from rich.console import Console

    console = Console(stderr=True)
    try:
        data = experiment.data(progress=True)
        with _writers(experiment, folder, tensorboard, wandb) as writer, _bar(console) as show:
            return experiment.run(
                folder, data=data, on_progress=show, on_epoch=_epochs(experiment, show),
                writer=writer, stop_after=stop_after, results=results, lengthen=True,
            )  # fmt: skip
    except KeyboardInterrupt as interrupt:
        stopped = str(interrupt) or "stopped before the first step; finished data sets are kept"
        console.print(f"[yellow]{stopped}; the same command goes on from there[/yellow]")
        raise typer.Exit(130) from None


@contextmanager
def _writers(experiment: Experiment, folder: Path, tensorboard: bool, wandb: str) -> Iterator[Any]:
    """TensorBoard and Weights & Biases as one writer, or None; closed at the end."""
    from droco_lite.training import writers

    with ExitStack() as end:
        chosen = []
        if tensorboard:
            chosen.append(writers.tensorboard(folder))
        if wandb:
            chosen.append(writers.WeightsAndBiases(wandb, folder, experiment.to_dict()))
        for writer in chosen:
            end.callback(writer.close)
        yield writers.Writers(*chosen) if chosen else None


@contextmanager
def _bar(console) -> Iterator[Any]:
    """A progress bar; its function takes (done, all, what) and may change what it counts."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        line = bar.add_task("preparing", total=None, rate="")

        def show(step: int, total: int, what: str = "steps") -> None:
            if bar.tasks[line].description != what:
                bar.reset(line, description=what, total=total)
            speed = bar.tasks[line].speed
            rate = f"{step:,}/{total:,}" + (f", {speed:,.0f}/s" if speed else "")
            bar.update(line, completed=step, total=total, rate=rate)

        yield show


def _epochs(experiment: Experiment, show: Any) -> Any:
    """What shows the epochs of a dynamics ensemble; it ends early where nothing improves."""
    most = experiment.runs[0].ensemble_epochs
    return lambda epoch, errors: show(epoch, most, "ensemble, at most")


def _print_result(experiment: Experiment, result: Any, folder: Path, as_json: bool) -> None:
    """The last line of each run's curve, where the files are, and how to go on."""
    last = result.curve
    if len(last):
        last = last[last.step == last.step.max()]
    always: tuple[str, ...] = ("method", "seed", "step", "return_mean", "return_std", "score")
    if "return_mean" not in last:  # no simulator: what can be seen of a run are its values
        always += ("v_source", "v_target")
    names = told_apart(last, always, tuple(n for n in last if n not in always))
    own = [n for n in names if n in experiment.runs[0].to_dict() or n in always]
    print_frame(last[own] if len(last) else last, as_json, 2)
    if as_json:
        return
    say(f"curve, checkpoint and settings: {folder}")
    asked = experiment.loop.mode
    if asked != "auto":  # what auto chose depends on the machine
        say(f"mode: {result.mode}" + ("" if result.mode == asked else f", not {asked} as asked"))
    if experiment.recorded and "robot" not in experiment.task:
        say(f"without a simulator no return is known; for the machine: droco-lite export {folder}")
        held_out = experiment.task.get("hold_out")
        data = "" if held_out else " --held-out-data DATA"
        say(f"to rank several on target rows laid aside: droco-lite select {folder}{data}")
    steps = experiment.runs[0].steps
    if steps < FULL_STEPS:
        say(
            f"{steps:,} steps are a first look, the paper's training is {FULL_STEPS:,}: the same "
            f"command with --out {folder} --steps {FULL_STEPS} goes on from here (--help says what "
            "that does to the learning rate)"
        )
