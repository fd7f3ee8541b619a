"""Tables of numbers, each made from one task's :class:`~droco_lite.report.results.Results`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from droco_lite.evaluation.arms import place, unmarked
from droco_lite.report import statistics
from droco_lite.report.results import DROCO, TABLE_LABELS, Results, paper
from droco_lite.robots import LEVELS, NOMINAL

EQUAL = 0.1  # clean returns closer than this share of the reference's count as equal

NOT_RUN = "not run"
#: (family, level) -> column of a table.
CELLS = {
    (family, level): f"{family} {level}" for family in ("kinematic", "morph") for level in LEVELS
}


def level_of(strength: float) -> str | None:
    """``easy``, ``medium`` or ``hard``, if the strength is one of theirs (to six digits)."""
    return next((name for name, s in LEVELS.items() if abs(s - strength) < 1e-4), None)


def with_missing(table: pd.DataFrame, missing: Sequence[str], why: str = NOT_RUN) -> pd.DataFrame:
    """The table with an empty row for every method that was not run, in its place.

    Args:
        table: a row for each arm.
        missing: labels of methods without results, such as :attr:`Results.missing`; they are
            shown as ``MICRO: not run``, and rows that are there already stay.
        why: the reason shown.
    """
    order = sorted({*table.index, *missing}, key=place)
    names = {label: f"{label}: {why}" for label in order if label not in table.index}
    return table.reindex(order).rename(index=names)


def means(
    lines: pd.DataFrame, by: Sequence[str] = (), column: str = "score"
) -> pd.DataFrame | pd.Series:
    """Mean over seeds of the mean over conditions, for each label (and value of ``by``).

    Args:
        lines: of a study's table, one for each seed and condition.
        by: further columns that the means are kept apart by.
        column: what is averaged.

    Returns:
        One mean for each label and value of ``by``, which are its index.
    """
    per_seed = lines.groupby(["label", *by, "seed"], sort=False)[column].mean()
    return per_seed.groupby(level=["label", *by], sort=False).mean()


def mark_stopped(curves: pd.DataFrame) -> pd.DataFrame:
    """Curves in which an arm that stopped before the others says so: ``OTDF (16,000 steps)``.

    For every comparison at the end of training that groups curves by label: an arm that is still
    under way must not stand among finished ones as if it were one.

    Args:
        curves: of one task, with the columns ``label, seed, step``.

    Returns:
        The same lines; an arm's steps are those that each of its seeds has had.
    """
    reached = curves.groupby(["label", "seed"])["step"].max().groupby("label").min()
    names = {
        label: f"{label} ({step:,} steps)"
        for label, step in reached.items()
        if step < reached.max()
    }
    return curves.assign(label=curves["label"].replace(names))


def ends(results: Results, looks: int = 3) -> pd.DataFrame:
    """Mean return over the last evaluations: a row for each arm, a column for each seed.

    Args:
        results: a task's.
        looks: how many of the last evaluations are averaged.

    Returns:
        Seeds, and ``mean`` over them; arms that were not run, or stopped before these, have
        rows without numbers. One that stopped among them says after how many steps.
    """
    curves = mark_stopped(results.curves)
    last = curves[curves["step"].isin(sorted(curves["step"].unique())[-looks:])]
    table = last.groupby(["label", "seed"], sort=False)["return_mean"].mean().unstack()
    shown = {unmarked(label) for label in table.index}
    missing = [label for label in results.missing if label not in shown]
    return with_missing(table.assign(mean=table.mean(axis=1)).round(0), missing)


def cells(lines: pd.DataFrame, column: str = "score") -> pd.DataFrame:
    """A column for every family and level of :data:`CELLS` that was tried, a row for each label."""
    lines = lines.assign(level=lines["strength"].map(level_of))
    wide = means(lines[lines["level"].notna()], ["family", "level"], column).unstack([1, 2])
    return pd.DataFrame({name: wide[cell] for cell, name in CELLS.items() if cell in wide})


def scorecard(results: Results) -> pd.DataFrame:
    """Scores of every arm: clean with its interval, then under kinematic and morphology shifts.

    Columns ``clean, low, high`` (interquartile mean over seeds, 95 % stratified bootstrap), then
    means over the variants that are not the source's own.
    """
    clean = statistics.aggregate(statistics.scores_by_seed(results.clean, across=["shift"]))
    clean = clean.set_index("label")[["iqm", "low", "high"]].rename(columns={"iqm": "clean"})
    return clean.join(cells(results.foreign())).loc[results.labels]


def by_variant(results: Results) -> pd.DataFrame:
    """Mean score over the strengths of every variant; the source's own have a ``°``."""
    lines = results.under_shift
    wide = means(lines[lines["family"] != NOMINAL.family], ["family", "variant"]).unstack([1, 2])
    columns = {
        f"{family} {variant}{'°' if results.is_own(family, variant) else ''}": wide[family, variant]
        for family, variant in results.variants()
    }
    clean = means(results.clean)
    return pd.DataFrame({"clean": clean, **columns}).loc[results.labels]


def by_shift(results: Results) -> pd.DataFrame:
    """Mean score of every arm, clean and under each variant, with a 95 % interval over seeds.

    Returns:
        Columns ``label, shift, mean, low, high``; arms in their order; ``clean`` first, then the
        variants that no learner saw, then the source's own with a ``°``.
    """
    own = sorted(results.variants(), key=lambda variant: results.is_own(*variant))
    shifts = {"clean": results.clean}
    for family, variant in own:
        lines = results.under_shift
        mark = "°" if results.is_own(family, variant) else ""
        chosen = (lines["family"] == family) & (lines["variant"] == variant)
        shifts[f"{family} {variant}{mark}"] = lines[chosen]
    rows = []
    for name, lines in shifts.items():
        scores = statistics.scores_by_seed(lines, across=["shift"])
        for label in results.labels:
            low, high = statistics.mean_interval(scores[label])
            rows.append((label, name, scores[label].mean(), low, high))
    return pd.DataFrame(rows, columns=["label", "shift", "mean", "low", "high"])


def loss_of_seeds(results: Results, family: str, level: str) -> pd.DataFrame:
    """Loss of return in percent of the same seed's clean return, a column for each seed.

    Of the arms whose clean return may be compared with DROCO's (:func:`degradation`), under the
    variants of a family that are not the source's own.

    Args:
        results: of one task.
        family: of shifts, as in ``FAMILIES``.
        level: ``easy``, ``medium`` or ``hard``.
    """
    lines = shifted(results)
    lines = lines[(lines["family"] == family) & (lines["strength"].map(level_of) == level)]
    moved, clean = (
        part.groupby(["label", "seed"])["return_mean"].mean().unstack()
        for part in (lines, results.clean)
    )
    near = degradation(results).drop(columns="clean").notna().any(axis=1)
    labels = [label for label in results.labels if near[label]]
    return 100 * (1 - moved / clean).loc[labels]


def attacked(results: Results, column: str = "return_mean") -> pd.DataFrame:
    """Mean under every attack, columns ``(kind, scale)``.

    Scale 0 is the clean run of the same policies, or, where none was tried with the attack, that of
    the table's clean lines.
    """
    wide = means(results.attacked, ["attack", "scale"], column).unstack([1, 2])
    wide.columns = pd.MultiIndex.from_tuples(wide.columns, names=["attack", "scale"])
    start = [name for name in wide if name[1] == 0]
    clean = wide[start[0]] if start else means(results.clean, column=column)
    for kind in dict.fromkeys(wide.columns.get_level_values(0)):
        wide[kind, 0.0] = clean
    return wide.sort_index(axis=1, ascending=[False, True]).loc[
        [label for label in results.labels if label in wide.index]
    ]


def returns(results: Results) -> pd.DataFrame:
    """Absolute mean returns: clean, then the paper's perturbations (foreign shifts only)."""
    columns = cells(results.foreign(), "return_mean")
    table = pd.DataFrame({"clean": means(results.clean, column="return_mean")}).join(columns)
    strongest = results.attacked[results.attacked["attack"] == "min-q"]["scale"].max()
    if strongest > 0:
        table[f"min-q {strongest:g}"] = attacked(results)["min-q", strongest]
    return table.loc[results.labels]


def degradation(results: Results, reference: str = DROCO, equal: float = EQUAL) -> pd.DataFrame:
    """Loss of return in percent of an arm's own clean return, where that may be compared.

    Columns ``clean`` (absolute) and then losses.  A loss in percent is empty for arms whose clean
    return differs from the reference's by more than the share ``equal``: of two arms the one that
    had learnt less has less to lose.  The min-Q column compares with the same policies' clean
    return.

    Args:
        results: of one task.
        reference: the arm that the others' clean returns are held against.
        equal: largest difference of clean returns that may be compared, as a share.

    Raises:
        ValueError: the reference has no results.
    """
    table = returns(results)
    if reference not in table.index:
        raise ValueError(f"reference: {reference!r} has no results; {', '.join(table.index)} have")
    clean = table["clean"]
    loss = 100 * (1 - table.drop(columns="clean").div(clean, axis=0))
    for name in loss:
        if name.startswith("min-q"):
            start = attacked(results)["min-q", 0.0]
            loss[name] = 100 * (1 - table[name] / start)
    comparable = (clean - clean[reference]).abs() <= equal * abs(clean[reference])
    return table[["clean"]].join(loss.where(comparable & (clean > 0)))


def improvement(results: Results, over: str = DROCO) -> pd.DataFrame:
    """P(DROCO > arm) of a seed against a seed: clean, and over foreign shifts, with intervals.

    Args:
        results: of one task.
        over: the arm in DROCO's place.

    Raises:
        ValueError: that arm has no results.
    """
    found: dict[str, dict] = {}
    for name, lines in (("clean", results.clean), ("shifted", shifted(results))):
        if name == "shifted" and lines.empty:  # the source's own shift alone was tried
            for line in found.values():
                line |= dict.fromkeys(("shifted", "shifted low", "shifted high"), np.nan)
            continue
        scores = statistics.scores_by_seed(lines, across=["shift"])
        if over not in scores:
            raise ValueError(f"{over} has no results in {results.task}")
        for label in results.labels:
            if label != over:
                low, high = statistics.improvement_interval(scores[over], scores[label])
                chance = statistics.probability_of_improvement(scores[over], scores[label])
                found.setdefault(label, {}).update(
                    {name: chance, f"{name} low": low, f"{name} high": high}
                )
    return pd.DataFrame(found).T


def shifted(results: Results) -> pd.DataFrame:
    """Lines of shifts that are not the source's own, without the nominal robot's."""
    lines = results.foreign()
    return lines[lines["family"] != NOMINAL.family]


def rank_agreement(results: Results) -> pd.Series:
    """Spearman's rank correlation, over arms, of clean return and return under foreign shifts.

    One number a family: 1 if whoever is best on the nominal robot is best on the worn one.
    """
    clean, lines = means(results.clean, column="return_mean"), shifted(results)
    moved = means(lines, ["family"], "return_mean").unstack("family")
    return pd.Series(
        {name: stats.spearmanr(clean, moved[name].loc[clean.index])[0] for name in moved}
    )


def beside_paper(results: Sequence[Results]) -> pd.DataFrame:
    """Clean scores of ours and the paper's for the same robot and quality.

    Columns ``(task, "ours")`` and ``(task, "paper")``; controls are not in the paper.
    """
    theirs = paper("scores").pivot(index="label", columns="task", values="score")
    columns = {}
    for each in results:
        cell = f"{each.task.robot}-{each.task.quality}"
        columns[cell, "ours"] = means(each.clean)
        columns[cell, "paper"] = theirs[cell] if cell in theirs else pd.Series(np.nan, theirs.index)
    return with_missing(pd.DataFrame(columns), TABLE_LABELS)


def losses_of_paper() -> pd.DataFrame:
    """The paper's losses as text such as ``> 50``, a column for each perturbation."""
    table = paper("losses")
    table["perturbation"] += " " + table["level"]
    shown = table["loss_percent"].map("{:g}".format)
    table["loss"] = table["relation"].replace("=", "") + shown
    wide = table.pivot(index="label", columns="perturbation", values="loss")
    return with_missing(wide[list(dict.fromkeys(table["perturbation"]))], TABLE_LABELS, "not given")


def costs(results: Sequence[Results]) -> pd.DataFrame:
    """What each task took: ``arms, GPU, seeds, steps, hours``, one process at a time.

    ``GPU`` counts the arms whose training ended on one; every policy was tried on a CPU.
    """
    lines = []
    for each in results:
        trained = [made.get("device", "cpu") for made in each.about.get("trained_on", {}).values()]
        lines.append(
            {"task": str(each.task), "arms": len(each.labels)}
            | {"GPU": sum(device != "cpu" for device in trained), "seeds": each.seeds}
            | {"steps": each.steps, "hours": each.about["wall_time_seconds"] / 3600}
        )
    return pd.DataFrame(lines).set_index("task")
