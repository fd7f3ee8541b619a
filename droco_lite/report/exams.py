"""The exams of the rules that choose a policy from data alone, read from ``results/selection``.

A line of a table is a trained policy: what each rule saw of it, and what it earns in the target's
simulator.  The chapter on choosing shows these tables; its first sentences and its first figure are
made here, so that they change with the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from droco_lite.evaluation.judging import RULES, judge
from droco_lite.figures.colors import COLORS
from droco_lite.figures.style import figure
from droco_lite.provenance import results_file
from droco_lite.report import small_grids

#: The exams, and the tables that each is made of.
EXAMS: Mapping[str, Sequence[str]] = {
    "grid": ["halfcheetah-medium-grid"],
    "longer": [f"halfcheetah-medium-seed{seed}" for seed in (0, 1, 2)],
    "locked thigh": ["halfcheetah-locked-seed0"],
}
#: An exam that joins the others as soon as it has been run.
FLOORED = {"the study's grid, with the floor": ["walker2d-medium-grid"]}
#: The rules in words; two prefer the smaller number.
NAMES = {
    "fqe": "fitted Q evaluation",
    "bellman_error": "Bellman error (reversed)",
    "coverage": "coverage",
    "noise_share": "noise share (reversed)",
    "imitation": "imitation",
    "own_value": "own value",
}


def read_exams() -> dict[str, pd.DataFrame]:
    """Every exam that has been run: a line for each candidate."""
    found = {exam: _read(names) for exam, names in EXAMS.items()}
    for exam, names in FLOORED.items():
        try:
            found[exam] = _read(names)
        except FileNotFoundError:
            continue
    return found


def _read(names: Sequence[str]) -> pd.DataFrame:
    tables = [pd.read_csv(results_file(f"selection/{name}.csv")) for name in names]
    return pd.concat(tables, ignore_index=True)


def floored_note(exams: Mapping[str, pd.DataFrame]) -> str:
    """Whether the exam of the form with the floor has been run."""
    ((exam, (name,)),) = FLOORED.items()
    if exam in exams:
        return f"The last exam, *{exam}*, is of the form with the floor."
    return (
        "An exam of the form with the floor joins these as soon as `results/selection` holds "
        f"`{name}.csv`: it has not been run."
    )


def regret_of(exam: pd.DataFrame, rules: Mapping = RULES) -> pd.DataFrame:
    """Regret and rank correlation of each rule within a seed, averaged over the seeds.

    Args:
        exam: the exam's table.
        rules: names, and functions of the table.

    Returns:
        Columns ``regret``, ``share`` (of the regret of drawing at random) and
        ``rank_correlation``, a row for each rule.
    """
    each = [judge(part, rules, resamples=9) for _, part in exam.groupby("seed")]
    columns = ["regret", "share", "rank_correlation"]
    return pd.concat(each).groupby("rule", sort=False)[columns].mean()


def shares(exams: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Each rule's regret in each exam, as a share of the regret of drawing at random.

    Args:
        exams: what :func:`read_exams` returns.
    """
    return pd.DataFrame({exam: regret_of(table)["share"] for exam, table in exams.items()})


def under_shifts(exam: pd.DataFrame) -> pd.Series:
    """Rank correlation of each rule with the return under shifts that no learner saw.

    Args:
        exam: the table of the exam ``grid``, whose policies were tried under shifts, too.
    """
    worn = small_grids.under_shifts()["return_mean"].to_numpy()
    found = judge(exam.assign(worn=worn), truth="worn", resamples=9)
    return found.set_index("rule")["rank_correlation"]


def claim(shares: pd.DataFrame, shifted: pd.Series) -> str:
    """What the exams come to, as one short paragraph.

    Args:
        shares: what the function of that name returns.
        shifted: what :func:`under_shifts` returns.
    """
    always = [NAMES[rule] for rule in shares.index if (shares.loc[rule] < 1).all()]
    least = shares.mean(axis=1).idxmin()
    said = (
        f"**Of {len(shares)} rules, {' and '.join(always) or 'none'} beat drawing from a hat in "
        f"all {shares.shape[1]} exams.** The rule with the least regret on average, "
        f"*{NAMES[least]}*, orders the policies of the grid under shifts with a rank correlation "
        f"of {shifted[least]:+.1f}"
    ).replace("-", "−")
    wrong = ": the wrong way round." if shifted[least] < 0 else "."
    return (
        said + wrong + " So a choice made on target rows is a choice for the target, and for no "
        "worn robot."
    )


def picture(shares: pd.DataFrame) -> Figure:
    """The regret of each rule in each exam; left of the dotted line it beats drawing at random.

    Args:
        shares: what the function of that name returns.
    """
    fig, ax = figure(4.6, 2.9)
    rules = list(shares.index)[::-1]
    for exam, mark in zip(shares, "osD^", strict=False):
        fill = None if mark == "o" else "none"
        style = {"color": COLORS["droco"], "mfc": fill, "label": exam}
        ax.plot(shares.loc[rules, exam], range(len(rules)), mark, **style)
    ax.axvline(1, color=COLORS["muted"], ls=":", lw=1)
    ax.set_yticks(range(len(rules)), [NAMES[rule] for rule in rules])
    ax.set(xlabel="regret, drawing from a hat = 1", xlim=(-0.1, 2.4))
    ax.legend(loc="lower center", bbox_to_anchor=(0.3, 1), ncols=3, handletextpad=0.1)
    return fig
