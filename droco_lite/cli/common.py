"""What every command shares: options, errors as one message, tables and JSON, completion.

A command registers itself with :func:`command`. An option that *every* command should take is one
entry of :data:`COMMON`.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

# --------------------------------------------------------------------------- options of commands


def complete_methods(incomplete: str) -> list[str]:
    """Methods that begin with what was typed."""
    from droco_lite.evaluation.arms import METHOD_NAMES

    return [name for name in METHOD_NAMES if name.startswith(incomplete)]


def complete_tasks(incomplete: str) -> list[str]:
    """Tasks of the paper's table that begin with what was typed."""
    from droco_lite.data.names import all_tasks

    return [str(task) for task in all_tasks() if str(task).startswith(incomplete)]


def complete_robots(incomplete: str) -> list[str]:
    """Robots that begin with what was typed."""
    from droco_lite.robots import ROBOTS

    return [name for name in ROBOTS if name.startswith(incomplete)]


TASK_HELP = (
    "ROBOT-QUALITY or ROBOT-QUALITY-morphology: a robot of {robots} (or yours, with --robot-file), "
    "a quality of {qualities}. Or ROBOT-QUALITY@SHIFT with a source shift of your own, such as "
    "halfcheetah-medium@gravity-up-0.5."
)
TaskName = Annotated[str, typer.Argument(help=TASK_HELP, autocompletion=complete_tasks)]
Folder = Annotated[Path, typer.Argument(help="A folder that `droco-lite train` wrote.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of starts and action noise.")]
Episodes = Annotated[int, typer.Option(min=1, help="Episodes of each policy under each shift.")]
SourceSize = Annotated[
    int | None, typer.Option(min=1, help="Source transitions; the task's full size if left out.")
]
TargetSize = Annotated[
    int | None, typer.Option(min=1, help="Target transitions; a tenth of the source's if left out.")
]
ContactCost = Annotated[
    float | None,
    typer.Option(help="Ant with contact forces: their weight in the rewards (5e-4 or 0)."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Workers = Annotated[
    int, typer.Option(min=1, help="Processes side by side: one for each core or GPU.")
]
Results = Annotated[
    Path | None, typer.Option(help="Write the table and where it came from to PATH.csv and .json.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, not a table.")]


def load_robots(paths: list[Path]) -> None:
    """Run the robot files that were named, so that their robots are like the package's."""
    if paths:
        from droco_lite.robots import load_robot_file

        for path in paths:
            load_robot_file(path)


RobotFiles = Annotated[
    list[Path],
    typer.Option(
        "--robot-file", metavar="FILE",
        help="A Python file of yours that registers a robot; it is run. May be repeated.",
    ),
]  # fmt: skip

#: Options that every command takes: parameter's name -> (annotation, default, what to do with it).
COMMON: dict[str, tuple[Any, Any, Callable[[Any], None]]] = {
    "robot_files": (RobotFiles, (), load_robots),
}


# ------------------------------------------------------------------------------------- commands


def _there_is() -> dict[str, str]:
    """What stands for ``{robots}``, ``{qualities}`` and ``{families}`` in a help text."""
    from droco_lite.data.names import QUALITIES, shipped_qualities
    from droco_lite.robots import ROBOTS
    from droco_lite.robots.families import FAMILIES

    ship = shipped_qualities()
    rest = [name for name in QUALITIES if name not in ship]
    lacks = f" (no source policy of {', '.join(rest)} ships)" if rest else ""
    return {
        "robots": ", ".join(name for name, robot in ROBOTS.items() if not robot.own),
        "qualities": ", ".join(ship) + lacks,
        "families": ", ".join(name for name, family in FAMILIES.items() if family.evaluated),
    }


class Command(TyperCommand):
    """A command whose ``--help`` says which robots, qualities and families there are.

    They are looked up when help is asked for: they take long to load. Square brackets stay as they
    are written; rich would read ``[video]`` as markup.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The usual help, with the lists filled in."""
        params: list[Any] = [p for p in self.params if getattr(p, "help", None)]
        written = {parameter: parameter.help for parameter in params}
        there_is = _there_is() if any("{" in text for text in written.values()) else {}
        try:
            for parameter, text in written.items():
                for name, found in there_is.items():
                    text = text.replace(f"{{{name}}}", found)
                parameter.help = escaped(text)
            super().format_help(ctx, formatter)
        finally:  # the same command may be asked again
            for parameter, text in written.items():
                parameter.help = text


def command(app: typer.Typer, name: str, **options: Any) -> Callable[[Callable], Callable]:
    """Register a command: with the options of :data:`COMMON`, and errors as one message.

    Args:
        app: the group that it belongs to.
        name: what the user types.
        options: passed to ``app.command``; ``cls`` is a :class:`Command`.
    """

    def register(function: Callable) -> Callable:
        signature = inspect.signature(function, eval_str=True)
        more = [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for key, (annotation, default, _) in COMMON.items()
        ]

        @functools.wraps(function)
        def run(**given: Any) -> None:
            with plain_errors():
                for key, (_, _, act) in COMMON.items():
                    act(given.pop(key))
                function(**given)

        parameters = [*signature.parameters.values(), *more]
        shown: Any = run
        shown.__signature__ = signature.replace(parameters=parameters, return_annotation=None)
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(name, **{"cls": Command} | options)(run)
        return function

    return register


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print what the user can mend as one message, without a traceback, and exit with 1.

    These are bad values, files, disks and missing libraries, and the errors that this package
    defines. Anything else is a fault of ours and keeps its traceback.
    """
    try:
        yield
    except (ValueError, OSError, ImportError, MemoryError, RuntimeError) as error:
        if isinstance(error, typer.Exit | typer.Abort | BrokenPipeError) or not mendable(error):
            raise
        from rich.console import Console

        message = f"[bold red]Error:[/] {escaped(error_text(error))}"
        Console(stderr=True).print(message, soft_wrap=True)
        raise typer.Exit(1) from error


def mendable(error: Exception) -> bool:
    """Whether the user can mend it; of RuntimeErrors only those that the package itself defines."""
    if isinstance(error, ImportError):  # an extra that is missing, not a fault of ours
        return "pip install" in str(error)
    ours = type(error).__module__.startswith("droco_lite")
    return ours or not isinstance(error, RuntimeError)


def error_text(error: Exception) -> str:
    """The error's message; memory and the operating system's errors say what to do."""
    if isinstance(error, MemoryError):
        return f"not enough memory ({error or 'out of memory'}); ask for smaller sizes"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def escaped(text: object) -> str:
    """The text with nothing that rich would read as markup."""
    from rich.markup import escape

    return escape(str(text))


# --------------------------------------------------------------------------------------- output


def show(*tables: Any) -> None:
    """Print things that rich knows how to draw, one below the other."""
    from rich.console import Console

    for table in tables:
        Console().print(table)


def say(text: object) -> None:
    """Print one line of text, as it is."""
    typer.echo(str(text))


def print_frame(frame: Any, as_json: bool, digits: int = 1) -> None:
    """Print a data frame, as a table for people or as JSON records for programs."""
    if as_json:
        say(frame.to_json(orient="records", force_ascii=False))
        return
    say(frame.round(digits).to_string(index=False, na_rep="-"))


def print_json(content: Any) -> None:
    """Print JSON; infinities and NaN are written as words."""
    from droco_lite.provenance import as_json

    say(json.dumps(as_json(content), ensure_ascii=False))


def write_table(results: Path | None, frame: Any, about: Mapping[str, Any]) -> None:
    """Write ``RESULTS.csv``, and ``RESULTS.json`` with where it came from, if asked."""
    if results is None:
        return
    from droco_lite.files import write_json, write_text
    from droco_lite.provenance import provenance

    write_text(results.with_suffix(".csv"), frame.to_csv(index=False))
    write_json(results.with_suffix(".json"), provenance(**about))


def told_apart(frame: Any, always: tuple[str, ...], maybe: tuple[str, ...]) -> list[str]:
    """Columns to print: ``always``, and those of ``maybe`` in which the runs differ."""
    differ = [name for name in maybe if name in frame and frame[name].nunique(dropna=False) > 1]
    return [name for name in dict.fromkeys((*differ, *always)) if name in frame]
