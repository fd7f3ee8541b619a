"""The two small grids of ``results/training``: what beta and delta explain, and their noise.

HalfCheetah and Hopper were trained with three values of beta times three of delta, for a few
thousand steps.  The chapter on sensitivity shows these tables; the sentence above its first figure
is made here, so that it changes with the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from droco_lite.figures.colors import COLORS
from droco_lite.figures.style import figure
from droco_lite.provenance import results_file
from droco_lite.report.grid import explained
from droco_lite.robots import ROBOTS

#: The robots that were trained.
GRIDS = ("halfcheetah", "hopper")
#: The values that both robots were trained with.
BETAS, DELTAS = (0.0, 0.5, 1.0), (1.0, 5.0, 30.0)
#: What is compared at the end of a run: words, and the column of the curves.
QUANTITIES = {
    "V of source s'": "v_source",
    "penalty u": "penalty_mean",
    "share clipped": "beyond_delta",
    "clean return": "return_mean",
}
BY_CHANCE = 0.25  # what a number without any effect explains of nine runs on average


def load(name: str) -> pd.DataFrame:
    """A table of ``results/training``, by its name without ``.csv``."""
    return pd.read_csv(results_file(f"training/{name}.csv"))


def read_grids() -> dict[str, pd.DataFrame]:
    """The curves of both grids, by the robot's title: a line for each run and evaluation."""
    return {ROBOTS[robot].title: load(f"{robot}-medium-grid") for robot in GRIDS}


def ends(curves: pd.DataFrame) -> pd.DataFrame:
    """The last evaluation of every run, with the mean return over the second half of the run."""
    late = curves[curves["step"] > curves["step"].max() / 2]
    mean = late.groupby("run")["return_mean"].mean()
    last = curves[curves["step"] == curves["step"].max()].set_index("run")
    return last.assign(return_mean=mean).reset_index()


def under_shifts() -> pd.DataFrame:
    """The mean return of every HalfCheetah run under the shifts that its source does not have.

    Returns:
        Columns ``run, beta, delta, return_mean``.
    """
    shifted = load("halfcheetah-medium-grid-shifts")
    foreign = shifted[~shifted["shift"].str.contains("nominal|thighjnt")]
    return foreign.groupby(["run", "beta", "delta"], as_index=False)["return_mean"].mean()


def shares(grids: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The share of the variance between runs that beta and that delta explain (eta squared).

    Args:
        grids: what :func:`read_grids` returns.

    Returns:
        Columns ``by beta`` and ``by delta``, a row for each robot and quantity.
    """
    lines = []
    for title, curves in grids.items():
        measured = [(words, ends(curves), column) for words, column in QUANTITIES.items()]
        if title == "HalfCheetah":
            measured.append(("return under shifts", under_shifts(), "return_mean"))
        for words, table, column in measured:
            nine = table[table["beta"].isin(BETAS)]
            by = {f"by {name}": explained(nine, column, name) for name in ("beta", "delta")}
            lines.append({"robot": title, "quantity": words, **by})
    return pd.DataFrame(lines).set_index(["robot", "quantity"])


def claim(shares: pd.DataFrame, grids: Mapping[str, pd.DataFrame]) -> str:
    """What :func:`shares` comes to, as one short paragraph.

    Args:
        shares: what the function of that name returns.
        grids: what :func:`read_grids` returns.
    """
    value, clipped = "V of source s'", "share clipped"
    head = {
        (True, True): "**β moves values, δ moves what is clipped.**",
        (True, False): "**β moves values.**",
        (False, True): "**δ moves what is clipped.**",
        (False, False): "**Neither β nor δ moves what it is meant to.**",
    }

    def moves(quantity: str, by: str) -> bool:
        return bool(shares.xs(quantity, level="quantity")[by].min() > 0.5)

    said = (
        f"{head[moves(value, 'by beta'), moves(clipped, 'by delta')]} Of the variance between runs "
        f"β explains {_between(shares, value, 'by beta')} for the value of source states, and δ "
        f"{_between(shares, clipped, 'by delta')} for the share of clipped errors. "
    )
    return said + _of_returns(shares, grids)


def _between(shares: pd.DataFrame, quantity: str, by: str) -> str:
    """The lowest and the highest share over the robots, or the one number that both are."""
    values = shares.xs(quantity, level="quantity")[by]
    low, high = f"{values.min():.1f}", f"{values.max():.1f}"
    return low if low == high else f"{low} to {high}"


def _of_returns(shares: pd.DataFrame, grids: Mapping[str, pd.DataFrame]) -> str:
    """What beta and delta explain of the returns, clean and under shifts."""
    clean, worn = "clean return", "return under shifts"
    if shares.xs(clean, level="quantity").to_numpy().max() < BY_CHANCE:
        said = (
            "Neither shows an effect on the clean return: both explain less than a number without "
            f"any effect would by chance (about {BY_CHANCE:g})."
        )
    else:
        said = (
            f"Of the clean return β explains {_between(shares, clean, 'by beta')} and δ "
            f"{_between(shares, clean, 'by delta')}; a number without any effect would explain "
            f"about {BY_CHANCE:g} by chance."
        )
    robots = [robot for robot, quantity in shares.index if quantity == worn]
    if robots:
        seeds = min(grids[robot]["seed"].nunique() for robot in robots)
        said += (
            f" Under shifts β explains {_between(shares, worn, 'by beta')}, on "
            f"{' and '.join(robots)} alone, with {seeds} seed{'s' if seeds > 1 else ''}."
        )
    return said


def noise(grids: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How much the returns of one run, of settings and of seeds differ: a column for each robot.

    Args:
        grids: what :func:`read_grids` returns.
    """
    columns = {}
    for title, curves in grids.items():
        late = curves[curves["step"] > curves["step"].max() / 2]
        means = late.groupby(["label", "seed"])["return_mean"].mean().unstack()
        columns[title] = {
            "steps": curves["step"].max(),
            "seeds": curves["seed"].nunique(),
            "mean return": means.to_numpy().mean(),
            "of one run, between looks": late.groupby("run")["return_mean"].std().mean(),
            "between settings": means.mean(axis=1).std(),
            "between seeds": means.std(axis=1).mean(),
        }
    return pd.DataFrame(columns)


def summed_up(curves: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Each group's last three evaluations, its best one, and what was logged at the end.

    Args:
        curves: lines of one or several trainings with an evaluation every 3,000 steps.
        by: columns that name a group, such as ``label``.
    """
    lines = []
    for group, runs in curves.groupby(list(by), sort=False):
        late = runs[runs["step"] >= runs["step"].max() - 6000]
        seeds = late.groupby("seed")["return_mean"].mean()
        end = runs[runs["step"] == runs["step"].max()]
        lines.append(
            {
                **dict(zip(by, group, strict=True)),
                "return": round(seeds.mean()),
                "seeds": f"{seeds.min():.0f} to {seeds.max():.0f}",
                "best": round(runs.groupby("step")["return_mean"].mean().max()),
                "V source": round(end["v_source"].mean()),
                "V target": round(end["v_target"].mean()),
                "u": round(end["penalty_mean"].mean(), 1),
                "clipped": f"{end['beyond_delta'].mean():.0%}",
            }
        )
    return pd.DataFrame(lines).set_index(list(by))


def picture(shares: pd.DataFrame) -> list[Figure]:
    """The shares as bars, a figure for each robot; dotted what a number without any effect does.

    Args:
        shares: what the function of that name returns.
    """
    figures = []
    for title in shares.index.unique("robot"):
        fig, ax = figure(3.3, 2.6)
        part = shares.loc[title].iloc[::-1]
        rows = range(len(part))
        for up, column, color in ((0.2, "by beta", "droco"), (-0.2, "by delta", "muted")):
            places, words = [row + up for row in rows], column.replace("beta", "β")
            ax.barh(
                places, part[column], 0.36, color=COLORS[color], label=words.replace("delta", "δ")
            )
        ax.axvline(BY_CHANCE, color=COLORS["ink"], ls=":", lw=1)
        ax.set_yticks(list(rows), part.index)
        ax.set(xlim=(0, 1.02), title=title, xlabel="share of the variance")
        ax.legend(frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.24))
        figures.append(fig)
    return figures
