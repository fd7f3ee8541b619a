"""A data set's card: rows, episodes, returns, score, shift and a histogram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from droco_lite.cli.common import escaped


def print_card(source: str, robot: str | None = None, weight: float | None = None) -> None:
    """Print what a data set is: a Minari id, an HDF5 file or a saved folder."""
    from rich.console import Console
    from rich.panel import Panel

    from droco_lite.data import load, minari_store
    from droco_lite.data.tasks import whole_episode_returns
    from droco_lite.robots import get_robot

    about: dict[str, Any] = {}
    if not Path(source).exists() and minari_store.is_local(source):
        about = minari_store.describe(source)
        robot = robot or minari_store.robot_of(source)
    data = load(source, robot, download=False, contact_cost_weight=weight)
    card = about.get("card", {})
    robot = robot or minari_store.guess_robot(Path(source).stem, data)
    returns, cut = data.episode_returns(), 0
    if robot and card.get("behaviour"):
        # Ours, and cut to size: the card counts whole episodes only.
        returns = whole_episode_returns(data, get_robot(robot).max_episode_steps)
        cut = len(data.episode_ends()) - len(returns)

    table = _table(source, data, robot, about, returns, cut)
    console = Console()
    console.print(Panel(table, title=escaped(source), title_align="left"))
    console.print(f"Returns of the {'whole ' if cut else ''}episodes")
    for line in histogram(returns):
        console.print(line, highlight=False)


def _table(source: str, data: Any, robot: str | None, about: dict, returns: Any, cut: int) -> Any:
    """The card's lines; ``cut`` episodes were cut to size and are not among ``returns``."""
    import numpy as np
    from rich.table import Table

    from droco_lite.data import minari_store
    from droco_lite.robots import ROBOTS, get_robot

    card, lengths = about.get("card", {}), data.episode_lengths()
    falls = int(data.terminations.sum())
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    table.add_row("robot", robot or f"unknown ({', '.join(ROBOTS)})")
    table.add_row("shift", escaped(card.get("shift") or "not known"))
    if card.get("quality"):
        table.add_row("quality", escaped(card["quality"]))
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
    spec = get_robot(robot) if robot else None
    score = np.nan if spec is None else spec.score(returns.mean())
    if spec is not None and np.isfinite(score):  # a robot of the user's own need not have any
        whose = "its own" if spec.own else "D4RL's"
        table.add_row("score", f"{score:.1f} by {whose} references")
    if about.get("description"):
        table.add_row("description", escaped(about["description"]))
    for name, text in (minari_store.specification(source) if about else {}).items():
        if text and not name.startswith("total"):  # those stand above
            table.add_row(name, escaped(text))
    return table


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
