"""The command line, one file for each noun; ``droco-lite --help`` lists its commands.

Every command loads its libraries when it runs, so that ``droco-lite --help`` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from droco_lite.cli import data, policies, report, study
from droco_lite.cli.common import command
from droco_lite.cli.settings import WithSettings, settings
from droco_lite.cli.train import train

__all__ = ["app"]

app = typer.Typer(
    help="Dual-robust cross-domain offline reinforcement learning.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


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
    """Dual-robust cross-domain offline reinforcement learning."""


app.add_typer(data.app, name="data")
command(app, "train", cls=WithSettings)(train)
command(app, "settings")(settings)
command(app, "evaluate")(policies.evaluate)
command(app, "distances")(policies.distances)
command(app, "watch")(policies.watch)
command(app, "plot")(report.plot)
command(app, "select")(policies.select)
command(app, "export")(policies.export)
command(app, "compare")(study.compare)
app.add_typer(study.app, name="study")
app.add_typer(study.matrix, name="matrix", hidden=True)
command(app, "report")(report.report)
