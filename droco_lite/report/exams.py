"""The exams of the rules that choose a policy from data alone, read from ``results/selection``.

A line of a table is a trained policy: what each rule saw of it, and what it earns in the target's
simulator.  The chapter on choosing shows these tables; its first sentences and its first figure are
made here, so that they change with the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from droco_lite.evaluation.judging import LEVEL, RULES, judge
from droco_lite.figures.colors import COLORS
from droco_lite.figures.style import figure
from droco_lite.provenance import results_file
from droco_lite.report import small_grids
from droco_lite.report.statistics import in_print, interval_in_print

#: The exams, and the tables that each is made of.
EXAMS: Mapping[str, Sequence[str]] = {
    "grid": ["halfcheetah-medium-grid"],
    "longer": [f"halfcheetah-medium-seed{seed}" for seed in (0, 1, 2)],
    "locked thigh": ["halfcheetah-locked-seed0"],
}
#: What names a candidate: a training of one seed.
CANDIDATE = ("label", "seed")
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
        "An exam of the form with the floor has not been run; its table would be "
        f"`results/selection/{name}.csv`."
    )


def regret_of(exam: pd.DataFrame, rules: Mapping = RULES) -> pd.DataFrame:
    """Regret and rank correlation of each rule within a seed, averaged over the seeds.

    Args:
        exam: the exam's table.
        rules: names, and functions of the table.

    Returns:
        Columns ``regret``, ``share`` (of the regret of a random choice) and
        ``rank_correlation``, a row for each rule.
    """
    each = [judge(part, rules, resamples=9) for _, part in exam.groupby("seed")]
    columns = ["regret", "share", "rank_correlation"]
    return pd.concat(each).groupby("rule", sort=False)[columns].mean()


def shares(exams: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Each rule's regret in each exam, as a share of the regret of a random choice.

    Args:
        exams: what :func:`read_exams` returns.
    """
    return pd.DataFrame({exam: regret_of(table)["share"] for exam, table in exams.items()})


def under_shifts(exam: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of each rule with the return under shifts that no learner saw.

    Args:
        exam: the table of the exam ``grid``, whose policies were tried under shifts, too.

    Returns:
        What :func:`~droco_lite.evaluation.judging.judge` returns, with the rules as index.
    """
    worn = small_grids.under_shifts()["return_mean"].to_numpy()
    return judge(exam.assign(worn=worn), RULES, truth="worn", by=CANDIDATE).set_index("rule")


def intervals(exams: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Each rule's rank correlation with the true return, with its interval, by exam.

    Args:
        exams: what :func:`read_exams` returns.

    Returns:
        What :func:`~droco_lite.evaluation.judging.judge` returns, with the rules as index.
    """
    return {
        exam: judge(table, RULES, by=CANDIDATE).set_index("rule") for exam, table in exams.items()
    }


def correlations(found: pd.DataFrame) -> pd.Series:
    """Rank correlations in print, each with its interval in brackets.

    Args:
        found: what :func:`under_shifts` returns, or one exam of :func:`intervals`.
    """
    return found.apply(_in_brackets, axis=1)


def _in_brackets(line: pd.Series) -> str:
    return f"{in_print(line['rank_correlation'], '+.1f')} ({_range(line)})"


def _range(line: pd.Series) -> str:
    return interval_in_print(line["low"], line["high"])


def claim(
    shares: pd.DataFrame, intervals: Mapping[str, pd.DataFrame], shifted: pd.DataFrame
) -> str:
    """What the exams come to, as one short paragraph.

    A rule is shown to choose well if it loses less return than a random choice in every exam, and
    if the interval of its rank correlation lies above zero in every exam.

    Args:
        shares: what the function of that name returns.
        intervals: what the function of that name returns.
        shifted: what :func:`under_shifts` returns.
    """
    above = pd.DataFrame({exam: found["low"] > 0 for exam, found in intervals.items()})
    better = [rule for rule in shares.index if (shares.loc[rule] < 1).all()]
    shown = [NAMES[rule] for rule in better if above.loc[rule].all()]
    count = shares.shape[1]
    if shown:
        said = [f"**Shown to choose well: {' and '.join(shown)}.**"]
    else:
        said = ["**No rule is shown to choose well.**"]
    if not better:
        said.append(f"None loses less return than a random choice in all {count} exams.")
    for rule in better:
        said.append(_of_rule(NAMES[rule], count, int((~above.loc[rule]).sum()), shifted.loc[rule]))
    return " ".join(said)


def _of_rule(name: str, exams: int, unsure: int, shifted: pd.Series) -> str:
    """What the exams say of a rule that does better than a random choice in all of them."""
    where = "none" if not unsure else "each" if unsure == exams else f"{unsure} of {exams}"
    middle = shifted["rank_correlation"]
    number = f"{in_print(middle, '+.1f')}, {100 * LEVEL:g} % interval {_range(shifted)}"
    under = f"its rank correlation is {number}"
    if shifted["high"] < 0:
        how = "nearly" if middle < -0.7 else "rather"
        under = f"it ranks the grid's policies, all of one seed, {how} backwards ({number})"
    return (
        f"*{name[0].upper()}{name[1:]}* loses less return than a random choice in all {exams} "
        f"exams; the interval of its rank correlation with the true return includes zero in "
        f"{where}. Under shifts {under}."
    )


def picture(shares: pd.DataFrame) -> Figure:
    """The regret of each rule in each exam; left of the dotted line it does better than chance.

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
    ax.set(xlabel="regret, random choice = 1", xlim=(-0.1, 2.4))
    ax.legend(loc="lower center", bbox_to_anchor=(0.3, 1), ncols=3, handletextpad=0.1)
    return fig
