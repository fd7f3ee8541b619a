"""``droco-lite report`` and ``plot``: tables and figures of results, curves of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from droco_lite.cli.common import say


def report(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures.")] = Path("report"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; do the chapters match the results?")
    ] = False,
    results: Annotated[
        Path | None,
        typer.Option(help="Folder of the tables.", show_default="all that are committed"),
    ] = None,
    book: Annotated[Path, typer.Option(help="Folder of the chapters, for --check.")] = Path("book"),
) -> None:
    """Make every table and figure of the results chapters from results/."""
    from droco_lite import report as maker

    if check:
        wrong = maker.check(book, results)
        for line in wrong:
            say(line)
        if wrong:
            raise typer.Exit(1)
        count = sum(map(len, maker.SHOWN.values()))
        say(f"{count} tables match")
    else:
        written = maker.write(out, results)
        say(f"{len(written)} files in {out}")


def plot(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of `droco-lite train`, or curve.csv files.")
    ],
    column: Annotated[
        str | None,
        typer.Option(
            help="What to draw; a name that is none lists them.",
            show_default="return_mean, or a value where no return was measured",
        ),
    ] = None,
    to: Annotated[
        Path, typer.Option(help="Ends in .png, .svg or .html (to hover and zoom).")
    ] = Path("curves.png"),
) -> None:
    """Draw training curves: the mean over the seeds of a setting, in a band of their range."""
    from droco_lite.report.curves import draw, read_curves, write_html
    from droco_lite.report.curves import write as write_picture

    table = read_curves(runs, column)
    drawn = str(table.columns[-1])
    if column is None and drawn != "return_mean":
        say(f"no return was measured, so {drawn} is drawn; --column draws another number")
    if to.suffix == ".html":
        write_html(to, table, drawn)
    else:
        write_picture(to, draw(table, drawn))
    say(f"{table['run'].nunique()} runs of {table['name'].nunique()} settings\n{to}")
