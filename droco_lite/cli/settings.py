"""Settings on the command line: ``--set KEY=VALUE``, and ``droco-lite settings`` that lists them.

Names, defaults, ranges and help are the settings' own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
import yaml

from droco_lite.cli.common import AsJson, Command, complete_methods, print_json, show
from droco_lite.evaluation.arms import METHOD_NAMES

LOOP = "loop"
#: Settings of parts, each with its own class: a training takes none of them by ``--set``.
PARTS = {
    "ensemble": "EnsembleSettings of droco_lite.agents",
    "td3": "TD3Settings of droco_lite.agents.td3",
    "fqe": "FQESettings of droco_lite.evaluation.fitted_q",
    "online": "python -m droco_lite.training.online train --KEY VALUE",
}
_TYPED = "droco_lite.typed"
#: A role of Sphinx, such as :func:`~room.file.name` or :doc:`words <target>`.
_ROLE = re.compile(r":[a-z:]+:`(?:~(?:[\w.]*\.)?)?([^`<]*?)(?:\s*<[^`]*>)?`")

Method = Annotated[
    str,
    typer.Option(
        help=f"One of {', '.join(METHOD_NAMES)}.",
        autocompletion=complete_methods,
    ),
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting of the method or the loop, such as expectile=0.8; repeat. A per-run "
        "setting given twice makes a grid. `droco-lite settings METHOD` lists them all.",
    ),
]


def settings(
    method: Annotated[
        str,
        typer.Argument(
            help="A method, loop for how a training is run, or ensemble, td3, fqe or online for "
            "what Python code alone sets; all are listed if left out.",
            autocompletion=complete_methods,
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the settings of a method: name, default, range and meaning."""
    from droco_lite.agents.settings import describe

    kinds = {name: describe(kind) for name, kind in _kinds(method).items()}
    if as_json:
        print_json(kinds)
        return
    for name, rows in kinds.items():
        show(table_of_settings(name, rows))


class WithSettings(Command):
    """A command whose ``--help`` ends with every setting that ``--set`` takes.

    They are those of the method that is named beside ``--help``, and those of the loop.
    Contexts and formatters are of click, or of typer's own copy of it, by typer's version.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep what was typed: ``--help`` acts before the other options are read."""
        ctx.meta[_TYPED] = list(args)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The usual help, then the tables."""
        super().format_help(ctx, formatter)
        from droco_lite.agents.settings import describe

        for method in (_typed_method(ctx.meta.get(_TYPED, ())), LOOP):
            for name, kind in _kinds(method).items():
                show(table_of_settings(name, describe(kind)))


def _typed_method(words: Sequence[str]) -> str:
    """The method that a command line names; the default where it names none that there is."""
    after = dict(zip(words, [*words[1:], ""], strict=True))
    named = [word.partition("=")[2] for word in words if word.startswith("--method=")]
    for name in (*named, after.get("--method", "")):
        if name in METHOD_NAMES:
            return name
    return "droco"


def _kinds(method: str) -> Mapping[str, Any]:
    """Settings classes by method; one alone if it is named."""
    from droco_lite.agents import METHODS, EnsembleSettings
    from droco_lite.agents.td3 import TD3Settings
    from droco_lite.evaluation.fitted_q import FQESettings
    from droco_lite.training import LoopSettings
    from droco_lite.training.online_run import OnlineSettings

    kinds = {name: agent.Settings for name, agent in METHODS.items()} | {LOOP: LoopSettings}
    parts = (EnsembleSettings, TD3Settings, FQESettings, OnlineSettings)
    kinds |= dict(zip(PARTS, parts, strict=True))
    if not method:
        return kinds
    if method not in kinds:
        raise ValueError(f"method: {method!r} is none of {', '.join(kinds)}")
    return {method: kinds[method]}


def table_of_settings(name: str, rows: Sequence[Mapping[str, Any]]):
    """A table for people; ``*`` marks what stacked runs may differ in."""
    from rich import box
    from rich.markup import escape
    from rich.table import Column, Table

    differ = "* may differ between the runs of one training"
    table = Table(
        Column("setting", no_wrap=True), Column("default", no_wrap=True), "range", "meaning",
        title=f"{name}: {PARTS.get(name, '--set KEY=VALUE')}", box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption=differ if any(row["per_run"] for row in rows) else None,
    )  # fmt: skip
    for row in rows:
        help_ = _ROLE.sub(r"\1", row["help"])  # the book's pages make links of them
        star = "*" if row["per_run"] else ""
        default = '""' if row["default"] == "" else str(row["default"])
        table.add_row(row["name"] + star, default, row["range"], escape(help_))
    return table


def parse(given: Sequence[str] | None, kind: type, loop: type) -> tuple[list[dict], dict]:
    """Read ``KEY=VALUE`` texts.

    Args:
        given: the texts; a per-run key may stand more than once.
        kind: settings class of the method.
        loop: settings class of the loop.

    Returns:
        One dictionary of settings for each point of the grid, and the loop's settings.

    Raises:
        ValueError: not KEY=VALUE, a key that neither class has, or a shared key given twice.
    """
    import dataclasses

    per_run = {f.name: bool(f.metadata.get("per_run")) for f in dataclasses.fields(kind)}
    of_loop = {f.name for f in dataclasses.fields(loop)}
    grids: dict[str, list[Any]] = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ValueError(f"--set {text}: write KEY=VALUE, such as expectile=0.8")
        if key not in per_run and key not in of_loop:
            known = ", ".join([*per_run, *sorted(of_loop)])
            raise ValueError(f"--set {text}: no setting {key!r}; there are {known}")
        grids.setdefault(key, []).append(value_of(value, text))
    for key, values in grids.items():
        if len(values) > 1 and not per_run.get(key):
            raise ValueError(f"--set {key}: given twice, and all runs of a training share it")
    looped = {key: grids.pop(key)[0] for key in list(grids) if key in of_loop}
    points = itertools.product(*grids.values())
    return [dict(zip(grids, point, strict=True)) for point in points], looped


def value_of(text: str, whole: str) -> Any:
    """A value as YAML reads it; ``1e-4``, ``inf`` and ``-inf`` are numbers too.

    Raises:
        ValueError: YAML cannot read it.
    """
    try:
        return int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
    except ValueError:
        pass
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {whole}: cannot read the value {text!r}") from error
    return text if value is None or isinstance(value, list | dict) else value
