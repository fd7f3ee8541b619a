"""Sensitivity: its sentences on saved runs, held to the files of those runs."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from chapters import ROOT, cells, source
from quoting import says

from droco_lite.report import grid, small_grids

page_says = partial(says, "sensitivity")

PAIR = "halfcheetah-medium-sensitivity"
SOURCE_AND_TARGET = ["v_source", "v_target"]


@pytest.fixture(scope="module")
def grids():
    return small_grids.read_grids()


@pytest.fixture(scope="module")
def long():
    names = [f"halfcheetah-medium-seed{seed}" for seed in (0, 1, 2)]
    return pd.concat([small_grids.load(name) for name in names])


def ends(runs: pd.DataFrame) -> pd.DataFrame:
    """Return of each label and seed, the mean of the last three looks."""
    late = runs[runs["step"] >= runs["step"].max() - 6000]
    return late.groupby(["label", "seed"])["return_mean"].mean().unstack()


def members(n: int, long: pd.DataFrame) -> pd.DataFrame:
    return long if n == 7 else small_grids.load(f"{PAIR}-members-{n}")


@pytest.fixture(scope="module")
def floored():
    return grid.read_grid()


def test_the_first_sentences_say_what_the_claim_finds(grids):
    lead = source(cells(ROOT / "book/sensitivity.ipynb", "markdown")[0])
    claim = small_grids.claim(small_grids.shares(grids), grids)
    assert "For neither is an effect on the return shown" in lead
    assert "the mean return rises with $\\beta$" in " ".join(lead.split())
    means = grid.read_grid().groupby("beta").return_mean.mean()
    assert means.is_monotonic_increasing
    assert claim.startswith("**β moves values, δ moves what is clipped.**")
    assert "Neither shows an effect on the clean return" in claim


@pytest.mark.parametrize("column", ["return_mean", "shifted"])
@pytest.mark.parametrize("by", ["beta", "delta"])
def test_in_the_grid_with_the_floor_neither_moves_the_return(floored, column, by):
    assert page_says(
        "the columns differ no more than shuffled cells do",
    )
    cells = floored.groupby(["beta", "delta"], as_index=False)[column].mean()
    rng = np.random.default_rng(0)
    shuffled = [
        grid.explained(cells.assign(**{column: rng.permutation(cells[column])}), column, by)
        for _ in range(500)
    ]
    assert grid.explained(cells, column, by) < np.quantile(shuffled, 0.95)


def test_in_the_grid_with_the_floor_delta_moves_what_is_clipped_and_beta_the_values(floored):
    assert page_says(
        r"at $\delta = 30$ next to nothing is clipped",
        "and has the highest mean return",
        r"A larger $\beta$ lowers $V$ of source states",
    )
    assert floored.groupby(["beta", "delta"]).ngroups == grid.planned()
    assert (floored[floored.delta >= 30].most_beyond < grid.NEXT_TO_NOTHING).all()
    clipped = floored[floored.delta == 1].groupby("beta").beyond_delta.mean()
    assert clipped.between(0.25, 0.55).all()  # "up to half"
    values = floored.pivot_table(index="beta", columns="delta", values="v_source")
    assert (values.diff().dropna() < 0).all(axis=None)
    assert floored.groupby("delta").return_mean.mean().idxmax() == 1


def test_the_grids_say_nothing_about_clean_returns(grids):
    assert page_says(
        "On both robots the settings differ less than one run does from one look to the "
        "next, and Hopper's settings by less than its seeds do",
    )
    noise = small_grids.noise(grids)
    for robot in noise:
        assert noise[robot]["between settings"] < noise[robot]["of one run, between looks"]
    assert noise["Hopper"]["between settings"] < noise["Hopper"]["between seeds"]


def test_hoppers_values_turn_round_at_beta_1_alone(grids):
    assert page_says(
        "**turns round and falls**, while the penalty grows step by step",
    )
    wide = grids["Hopper"].query("delta == 30")
    value = wide.pivot_table(index="step", columns="beta", values="v_source")
    assert value[1.0].idxmax() < value.index[-1] and value[1.0].iloc[-1] < 0.8 * value[1.0].max()
    assert all(value[beta].is_monotonic_increasing for beta in value if beta < 1)
    penalty = wide.pivot_table(index="step", columns="beta", values="penalty_mean")[1.0]
    assert penalty.is_monotonic_increasing


def test_what_penalty_and_huber_add(grids, long):
    assert page_says(
        "On both robots the penalty lowers $V$ of source states and nearly leaves that of "
        "target states",
        "clips most source rows of HalfCheetah and hardly moves $V$; on Hopper, together "
        "with the penalty, it halves $V$",
        "**it clips nothing in any of these runs**",
    )
    for robot, table in grids.items():
        last = small_grids.ends(table)
        value = last.groupby(["beta", "delta"])[SOURCE_AND_TARGET].mean()
        alone, penalty = value.loc[0.0, 30.0], value.loc[1.0, 30.0]
        assert penalty.v_source < 0.7 * alone.v_source, robot
        assert penalty.v_target > 0.9 * alone.v_target, robot
        assert (table[table.delta == 30].beyond_delta == 0).all(), robot
        huber = value.loc[1.0, 1.0].v_source / penalty.v_source
        assert abs(huber - 1) < 0.1 if robot == "HalfCheetah" else 0.4 < huber < 0.6
        if robot == "HalfCheetah":
            assert (last[last.delta == 1].beyond_delta > 0.5).all()
    assert (long.beyond_delta == 0).all()


def test_in_the_longer_runs_the_penalty_helps_by_less_than_the_noise(long):
    assert page_says(
        r"the worst seed with $\beta = 1$ ends above the best of IQL\*, but by less than one "
        r"run changes between two looks. IQL on the target's rows alone is as good",
    )
    seeds = ends(long)
    lead = seeds.loc["DROCO, β = 1"].min() - seeds.loc["IQL*"].max()
    runs = long[long.label == "DROCO, β = 1"].sort_values("step").groupby("seed").return_mean
    assert 0 < lead < runs.apply(lambda run: run.diff().abs().mean()).min()
    means = seeds.mean(axis=1)
    assert abs(means["IQL, target only"] - means["DROCO, β = 1"]) < 50


def test_fewer_target_rows(long):
    assert page_says(
        "**With half of the rows little is lost, with a tenth most of it.**",
        r"At 1,000 and at 200 rows its mean ends above IQL\*'s, at 5,000 below, and the seeds "
        r"overlap",
    )
    full = ends(long).mean(axis=1)
    ends_at = {}
    for rows in (200, 1000, 5000):
        runs = small_grids.load(f"{PAIR}-target-{rows}")
        ends_at[rows] = ends(runs)
        for label in ("IQL*", "DROCO, β = 1"):
            assert set(runs.loc[runs.label == label, "seed"]) == {0, 1, 2}
    for label in ("IQL*", "DROCO, β = 1"):
        assert ends_at[5000].loc[label].mean() > 0.9 * full[label]  # "little is lost"
        assert ends_at[1000].loc[label].mean() < 0.3 * full[label]  # "most of it"
    for rows in (1000, 200):
        droco, iql = ends_at[rows].loc["DROCO, β = 1"], ends_at[rows].loc["IQL*"]
        assert droco.mean() > iql.mean()  # "its mean ends above IQL*'s"
        assert droco.min() < iql.max()  # "the seeds overlap"


def test_with_1000_rows_returns_fall_while_values_rise():
    assert page_says(
        "With 1,000 rows both arms rise and then *fall*, while $V$ rises",
    )
    runs = small_grids.load(f"{PAIR}-target-1000").groupby(["label", "step"])
    for label in ("IQL*", "DROCO, β = 1"):
        earned = runs.return_mean.mean()[label]
        assert earned.idxmax() < 10_000 and earned.iloc[-1] < 0.5 * earned.max()
        assert runs.v_source.mean()[label].is_monotonic_increasing


def test_a_clone_stopped_in_time_earns_twice_as_much():
    clones = small_grids.load(f"{PAIR}-target-1000-cloning")
    runs = small_grids.load(f"{PAIR}-target-1000")
    assert clones.step.max() / runs.step.max() == pytest.approx(1 / 3, abs=0.01)
    last = clones[clones.step == clones.step.max()].groupby("label").return_mean.mean()
    twice = last["cloning, target only"] / ends(runs).loc["DROCO, β = 1"].mean()
    assert 1.9 < twice < 2.3


def test_at_200_rows_values_fall_and_a_floor_keeps_them():
    assert page_says(
        "**At 200 rows $V$ of source states falls without end**, and takes $V$ of target "
        "states with it",
        r"whose mean is IQL\*'s again",
        "why the runs without it earn more",
    )
    runs = small_grids.load(f"{PAIR}-target-200").query("label == 'DROCO, β = 1'")
    mean = runs.groupby("step")[SOURCE_AND_TARGET].mean()
    assert mean.v_source.loc[6000:].is_monotonic_decreasing and mean.v_source.iloc[-1] < -5000
    assert mean.v_target.iloc[-1] < 0
    assert runs[runs.step == runs.step.max()].beyond_delta.mean() == pytest.approx(0.5, abs=0.05)
    floored = small_grids.load(f"{PAIR}-target-200-floor")
    assert (floored.floor == 0).all()
    assert floored[floored.step == floored.step.max()].v_source.min() > 0
    iql = ends(small_grids.load(f"{PAIR}-target-200")).loc["IQL*"].mean()
    assert ends(floored).mean(axis=1).item() == pytest.approx(iql, rel=0.05)  # "IQL*'s again"
    assert ends(runs).loc["DROCO, β = 1"].mean() > 1.3 * iql  # "the runs without it earn more"


def test_one_member_earns_what_seven_earn(long):
    assert page_says(
        "**Nearly all of it is left.** One member earns what seven earn, within the spread "
        "of their seeds. $V$ of source states falls with $N$",
    )
    label = "DROCO, β = 1"
    earned = {n: ends(members(n, long)).loc[label] for n in (1, 3, 7)}
    spread = earned[1].max() - earned[1].min()
    assert abs(earned[1].mean() - earned[7].mean()) < spread
    lead = earned[7].mean() - ends(long).loc["IQL*"].mean()
    assert (earned[1].mean() - ends(long).loc["IQL*"].mean()) / lead > 0.8  # "nearly all of it"
    value = []
    for n in (1, 3, 7):
        runs = members(n, long).query("label == @label")
        value.append(runs[runs.step == runs.step.max()].v_source.mean())
    assert value == sorted(value, reverse=True)


@pytest.fixture(scope="module")
def tried():
    """Return of each arm and seed under shifts; the arms of fewer members by their number."""
    label = "DROCO, β = 1"
    files = {f"halfcheetah-medium-seed{seed}-shifts": "N = 7" for seed in (0, 1, 2)}
    files |= {f"{PAIR}-members-{n}-shifts": f"N = {n}" for n in (1, 3)}
    tables = [
        small_grids.load(file).assign(arm=lambda t, arm=arm: t.label.replace({label: arm}))
        for file, arm in files.items()
    ]
    table = pd.concat(tables)
    return table[table.arm.isin(["IQL, target only", "IQL*", "N = 1", "N = 3", "N = 7"])]


def by_seed(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby(["arm", "seed"]).return_mean.mean().unstack()


def test_over_all_foreign_shifts_little_tells_the_arms_apart(tried):
    assert page_says(
        r"nothing tells one member from seven, or DROCO from IQL\*. IQL on the target alone "
        r"is level with seven members, and above one member in every seed",
    )
    seeds = by_seed(tried[(tried.variant != "thighjnt") & (tried.family != "nominal")])
    alone = "IQL, target only"
    for one, other in (("N = 1", "N = 7"), ("N = 7", "IQL*"), ("N = 1", "IQL*"), ("N = 7", alone)):
        pair = seeds.loc[[one, other]]
        assert pair.min(axis=1).max() < pair.max(axis=1).min(), (one, other)  # they overlap
    assert seeds.loc[alone].min() > seeds.loc["N = 1"].max()


def test_under_heavier_gravity_the_minimum_shows(tried):
    assert page_says(
        r"no seed of $N = 7$ is as low as any of $N = 1$, and $N = 1$ is where IQL\* is",
        "the target's rows alone keep about as much",
    )
    heavier = tried[(tried.family == "gravity") & (tried.variant == "up")]
    seeds = by_seed(heavier[heavier.strength.between(0.5, 0.9)])
    assert seeds.loc["N = 7"].min() > seeds.loc["N = 1"].max()
    means = seeds.mean(axis=1)
    assert abs(means["N = 1"] - means["IQL*"]) < 0.2 * means["N = 7"]  # "where IQL* is"
    for low, high in ((0.0, 0.5), (0.5, 0.9)):
        means = by_seed(heavier[heavier.strength.between(low, high)]).mean(axis=1)
        assert means["IQL, target only"] > 0.85 * means["N = 7"]  # "about as much"


def test_in_the_grid_too_it_is_heavier_gravity():
    assert page_says(
        "nearly all of that is one shift, heavier gravity",
    )
    shifted = small_grids.load("halfcheetah-medium-grid-shifts")
    foreign = shifted[~shifted["shift"].str.contains("nominal|thighjnt")]
    means = foreign.groupby(["shift", "beta"]).return_mean.mean().unstack()
    gain = means[1.0] - means[0.0]
    assert gain.idxmax().startswith("gravity-up")
    assert gain.max() > 0.6 * gain[gain > 0].sum()  # "nearly all of that is one shift"
