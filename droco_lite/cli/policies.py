"""What a trained folder is good for: evaluate, select, export, watch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from droco_lite.cli.common import (
    AsJson,
    Episodes,
    Folder,
    Results,
    complete_robots,
    print_frame,
    say,
    told_apart,
    write_table,
)

Robot = Annotated[
    str,
    typer.Option(
        help="The robot to run on.", autocompletion=complete_robots, show_default="as trained"
    ),
]
RunNumber = Annotated[int, typer.Option(min=0, help="Which run of the folder.")]


def evaluate(
    folder: Folder,
    shift: Annotated[
        list[str] | None, typer.Option(help="Such as kinematic-footjnt-hard; repeat.")
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(help="All variants of a family of {families}, at three levels; repeat."),
    ] = None,
    robot: Robot = "",
    episodes: Episodes = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first episode.")] = 20_000,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Run every trained policy of a folder under shifts; the nominal robot always comes first."""
    from droco_lite.evaluation import evaluate as run_suite
    from droco_lite.evaluation import grid
    from droco_lite.robots import Shift

    agent, facts, robot = _restored(folder, robot)
    chosen = [Shift.parse(text) for text in shift or []]
    shifts = grid(robot, family or None) if family or not chosen else grid(robot, families=())
    table = run_suite(agent, robot, shifts + chosen, episodes=episodes, seed=seed)
    about = {"step": facts.step, "episodes": episodes, "seed": seed, "robot": robot}
    write_table(results, table, about)
    always = ("method", "seed", "shift", "return_mean", "return_std", "score")
    own = tuple(name for name in agent.runs[0].to_dict() if name not in always)
    print_frame(table[told_apart(table, always, own)], as_json)


def _restored(folder: Path, robot: str) -> tuple[Any, Any, str]:
    """The agent, its facts and the robot, which must have the policy's columns."""
    from droco_lite.robots import get_robot
    from droco_lite.training.export import restore

    agent, facts = restore(folder)
    robot = robot or facts.robot or ""
    if not robot:
        raise ValueError(f"--robot: {folder} was trained without a simulator; say which robot")
    spec = get_robot(robot)
    asked, has = (spec.observation_size, spec.action_size), (agent.n_obs, agent.n_act)
    if asked != has:
        raise ValueError(
            f"--robot: {robot} has {asked[0]} observations and {asked[1]} actions, the policies in "
            f"{folder} take {has[0]} and give {has[1]}"
        )
    return agent, facts, robot


def distances(
    folders: Annotated[list[Path], typer.Argument(help="Folders that hold a training.")],
    robot: Robot = "",
    starts: Annotated[int, typer.Option(min=1, help="Starts of each policy.")] = 30,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """How far does every policy of some trained folders go? A return is not a walk."""
    import pandas as pd

    from droco_lite.evaluation import distances as measured

    parts, runs = [], []
    for folder in folders:
        agent, _, name = _restored(folder, robot)
        parts.append(measured(agent, name, starts))
        runs += [run.to_dict() for run in agent.runs]
    found = pd.concat(parts, ignore_index=True)
    write_table(results, found.round(2), {"folders": [f.name for f in folders], "starts": starts})
    means = found.groupby(found.index // starts)[["metres", "steps", "return"]].mean()
    # A setting named steps is the training's length, which all runs of a folder share.
    table = pd.DataFrame(runs).drop(columns="steps").join(means)
    always = ("label", "seed", *means)
    own = tuple(name for name in table if name not in always)
    print_frame(table[told_apart(table, always, own)], as_json)


def select(
    folder: Folder,
    held_out: Annotated[
        int, typer.Option(min=1, help="Target rows that no training has seen, made now.")
    ] = 5000,
    held_out_data: Annotated[
        str,
        typer.Option(
            help="After --source and --target: target rows that you laid aside, a file, Minari id "
            "or folder.",
            metavar="DATA",
            show_default="those of `train --hold-out`",
        ),
    ] = "",
    iterations: Annotated[int, typer.Option(min=1, help="Backups of fitted Q evaluation.")] = 200,
    episodes: Annotated[
        int,
        typer.Option(min=0, help="Examine the choices in the simulator; 0: no simulator."),
    ] = 0,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Which of a folder's DROCO policies to deploy, by rules that read target data only."""
    from droco_lite.evaluation import selection
    from droco_lite.training.experiment import Experiment
    from droco_lite.training.export import restore

    started = time.perf_counter()
    agent, facts = restore(folder)
    experiment = Experiment.read(folder / "experiment.yaml")
    data = experiment.data()
    robot = data.task.robot
    if episodes and robot is None:
        raise ValueError(f"--episodes: {folder} was trained without a simulator")
    if held_out_data or experiment.recorded:
        selection.refuse_other_rows(facts, data.target, experiment.task["target"])
        kept = selection.laid_aside(experiment, held_out_data, data.held_out)
        held_out = len(kept)
    else:
        kept = selection.held_out_rows(experiment, held_out)
    fqe = selection.FQESettings(iterations=iterations)
    table = selection.evidence(agent, data.target, kept, data.source, fqe=fqe)
    if episodes and robot is not None:
        table = table.join(selection.examine(agent, robot, episodes=episodes))
    about = {"step": facts.step, "held_out": held_out, "fqe": vars(fqe)}
    about |= {"task": str(data.task), "target_rows": len(data.target)}
    about["wall_time_seconds"] = round(time.perf_counter() - started, 1)
    write_table(results, table, about)
    always = ("seed", *selection.RULES, "return_mean")
    own = tuple(name for name in agent.runs[0].to_dict() if name not in always)
    print_frame(table[told_apart(table, always, own)], as_json, 3)
    if not as_json:
        _print_choices(table, own, judged=bool(episodes))


def _print_choices(table, own: tuple[str, ...], judged: bool) -> None:
    """What each rule prefers, and what its choice costs where the truth is known."""
    from droco_lite.evaluation import selection

    # Runs of the command line have no label: the settings in which they differ are their name.
    apart = ["label"] if table.label.all() else told_apart(table, (), own)
    by = [*apart, "seed"]
    parts = [table[n] if n == "label" else n + " " + table[n].astype(str) for n in by]
    names = [", ".join(each) for each in zip(*parts, strict=True)]
    for rule, prefer in selection.RULES.items():
        say(f"{rule:14} prefers {names[prefer(table).argmax()]}")
    if judged and len(table) > 2:
        print_frame(selection.judge(table, by=by), False, 2)


def export(
    folder: Folder,
    run: RunNumber = 0,
    to: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="beside the checkpoint")
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="Of the observations it takes: float32 or float64.")
    ] = "float32",
    robot: Robot = "",
    episodes: Annotated[
        int, typer.Option(min=0, help="Of each robot on the card, clean and changed; 0: none.")
    ] = 5,
) -> None:
    """Write a trained policy as an ONNX file, with a card that says what it is and returns."""
    from droco_lite.evaluation import evaluate as run_suite
    from droco_lite.evaluation import grid
    from droco_lite.training.export import export_policy, restore

    returns = None
    if episodes and (robot or restore(folder)[1].robot):
        agent, _, robot = _restored(folder, robot)
        returns = run_suite(agent, robot, grid(robot, strengths=(1.0,)), episodes=episodes)
    path, card = export_policy(folder, run, to, dtype=dtype, returns=returns)
    say(f"{path}\n{card}")


def watch(
    folder: Folder,
    shift: Annotated[
        str, typer.Option(help="Such as kinematic-footjnt-hard, or nominal.")
    ] = "nominal",
    run: RunNumber = 0,
    robot: Robot = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the start.")] = 20_000,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Longest episode.", show_default="the robot's own")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="Length of the clip.")] = 10.0,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Ends in .webp, .gif or .mp4 (needs `pip install 'droco-lite[video]'`).",
            show_default="RUN/watch-SHIFT.webp",
        ),
    ] = None,
    width: Annotated[int, typer.Option(min=16, max=1920, help="Pixels.")] = 480,
    height: Annotated[int, typer.Option(min=16, max=1080, help="Pixels.")] = 360,
    viewer: Annotated[
        bool, typer.Option("--viewer", help="Open MuJoCo's window and write no file.")
    ] = False,
) -> None:
    """Film one episode of a trained policy, or show it in a window; nominal or under a shift."""
    import numpy as np

    from droco_lite.robots import Shift, clip_frames, record
    from droco_lite.training.loop import numpy_act

    agent, _, robot = _restored(folder, robot)
    if run >= len(agent.runs):
        raise ValueError(f"--run: {folder} holds runs 0 to {len(agent.runs) - 1}, not {run}")
    chosen = Shift.parse(shift)
    act = numpy_act(agent)
    if viewer:
        from droco_lite.robots.viewer import play, require_display

        if to is not None:
            raise ValueError("--to: --viewer writes no file; give one of the two")
        require_display()
    to = folder / f"watch-{chosen}.webp" if to is None else to
    write = _writer_of_clips(to)

    def policy(observations: np.ndarray) -> np.ndarray:
        return act(np.broadcast_to(observations, (len(agent.runs), *observations.shape)))[run]

    episode = record(robot, chosen, policy, seed=seed, steps=steps)
    length, earned = len(episode.rewards), episode.rewards.sum()
    told = f"{robot} under {chosen}: {length:,} steps, return {earned:,.1f}"
    if viewer:
        say(told)
        play(robot, chosen, episode.qpos)
        return
    frames = list(clip_frames(robot, chosen, episode.qpos, width, height, seconds=seconds))
    write(to, frames)
    say(f"{told}\n{to}")


def _writer_of_clips(to: Path):
    """The function that writes this kind of file; refused before anything is filmed."""
    if to.suffix in (".webp", ".gif"):
        from droco_lite.robots import write_clip

        return write_clip
    if to.suffix != ".mp4":
        raise ValueError(f"--to: {to.name} should end in .webp, .gif or .mp4")
    try:
        import imageio_ffmpeg  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "--to: an .mp4 needs ffmpeg: pip install 'droco-lite[video]', or choose a .webp"
        ) from error
    return _write_mp4


def _write_mp4(path: Path, frames: list, fps: float = 20.0) -> None:
    """Write frames as H.264, whole or not at all."""
    import imageio_ffmpeg
    import numpy as np

    from droco_lite.files import atomic_file

    height, width = (2 * (n // 2) for n in frames[0].shape[:2])  # H.264 wants even sizes
    with atomic_file(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary), (width, height), fps=fps, macro_block_size=2,
            output_params=["-f", "mp4"],
        )  # fmt: skip
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(frame[:height, :width]))
        writer.close()
