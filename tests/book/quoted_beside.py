"""Figures of small grids, exams, benchmarks and single pages that pages quote by hand.

They are worked out from ``results/``, or from what the page printed where it trains something small
of its own.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
from quoted_figures import printed, shown
from quoting import SHARES, in_times, share, word

from droco_lite.provenance import results_file
from droco_lite.report import exams, grid, small_grids
from droco_lite.robots import NOMINAL, ROBOTS, Shift
from droco_lite.robots.shifts import make_model, shift_values

PAIR = "halfcheetah-medium-sensitivity"


# Sensitivity --------------------------------------------------------------------------------------


def seeds_of_small() -> tuple[str, ...]:
    return tuple(word(table.seed.nunique()) for table in small_grids.read_grids().values())


def seeds_of_long() -> str:
    """Seeds of HalfCheetah's longer runs."""
    runs = results_file("training").glob("halfcheetah-medium-seed?.csv")
    return word(len(list(runs)))


def clipped_at_most() -> str:
    """Share of the source's errors that delta = 1 clips at the beta where it clips most."""
    table = grid.read_grid()
    return share(table[table.delta == 1].groupby("beta").beyond_delta.mean().max())


def by_chance() -> str:
    """One shuffle in so many explains as much of the return as beta does: a share in words."""
    settings = grid.read_grid().groupby(["beta", "delta"], as_index=False).return_mean.mean()
    rare = share(grid.by_chance(settings, "return_mean", "beta"))
    return word(1 / next(number for number, words in SHARES.items() if words == rare))


def stopped_clone() -> tuple[str, str]:
    """How long the clone of 1,000 rows was trained beside DROCO, and what it earned beside it."""
    clones, runs = (small_grids.load(f"{PAIR}-target-1000{end}") for end in ("-cloning", ""))
    last = clones[clones.step == clones.step.max()].groupby("label").return_mean.mean()
    ends = runs[(runs.step >= runs.step.max() - 6000) & (runs.label == "DROCO, β = 1")]
    times = last["cloning, target only"] / ends.return_mean.mean()
    return share(clones.step.max() / runs.step.max()), in_times(times)


def clipped_at_200_rows() -> str:
    runs = small_grids.load(f"{PAIR}-target-200").query("label == 'DROCO, β = 1'")
    return share(runs[runs.step == runs.step.max()].beyond_delta.mean())


def heaviest_gravity() -> str:
    """The factor of the heavier gravity under which seven members are clear of one."""
    tried = small_grids.load(f"{PAIR}-members-1-shifts").query("family == 'gravity'")
    found = tried[(tried.variant == "up") & tried.strength.between(0.5, 0.9)].strength.iloc[0]
    return f"{shift_values('halfcheetah', Shift('gravity', 'up', found))['factor']:.1f}"


def least_noise() -> str:
    """The smallest share of the penalty of seven members that is noise, of all sizes."""
    table = shown("sensitivity", r"(?s)Mean clamped penalty(.*)")
    lines = re.findall(r"(?m)^\S+ rows +(?:[\d.]+ +){4}([\d.]+)$", table)
    return share(np.array(lines, dtype=float).min())


# Exams --------------------------------------------------------------------------------------------


def exams_run() -> str:
    return word(len(exams.read_exams()))


def candidates() -> tuple[str, str]:
    """Of the grid, and of the smallest exam."""
    found = exams.read_exams()
    return word(len(found["grid"])), word(min(map(len, found.values())))


def correlation(exam: str, rule: str) -> tuple[str, ...]:
    """A rule's rank correlation with the true return and its interval, as they are printed."""
    line = exams.correlations(exams.intervals(exams.read_exams())[exam])[rule]
    return tuple(re.findall(r"[+−][\d.]+", line))


def best_of_six() -> str:
    """In how many cases of five the best of six blind rules reaches 0.5 on nine candidates."""
    blind = np.random.default_rng(0).permuted(np.tile(np.arange(9), (60_000, 1)), axis=1)
    apart = ((blind - np.arange(9)) ** 2).sum(1).reshape(-1, 6)
    reached = (1 - 6 * apart / (9 * (9**2 - 1))).max(1) >= 0.5
    return word(5 * reached.mean())


def followers() -> tuple[str, str]:
    """Exams in which Bellman error and noise share are both least at beta = 0, of all."""
    read = exams.read_exams().values()
    least = [
        (table.groupby("beta")[["bellman_error", "noise_share"]].mean().idxmin() == 0).all()
        for table in read
    ]
    return word(sum(least)), word(len(read))


def foreign_of_grid() -> str:
    shifts = small_grids.load("halfcheetah-medium-grid-shifts")["shift"]
    return word(shifts[~shifts.str.contains("nominal|thighjnt")].nunique())


def order_of_snapshots() -> str:
    return shown("choosing", r"rank correlation with the truth: ([\d.]+)")


def level_of_snapshots() -> str:
    return share(float(shown("choosing", r"true value / estimate ([\d.]+)")))


# Robots, the loop, public code, a robot of one's own ----------------------------------------------


def pairs() -> pd.DataFrame:
    return pd.read_csv(results_file("gates/gates.csv"))


def healthy(robot: str) -> tuple[str, ...]:
    """Between which heights an episode goes on."""
    _, low, high = ROBOTS[robot].healthy_ranges[0]
    return f"{low:g}", f"{high:g}"


def heavier() -> tuple[str, ...]:
    """How many times as heavy the hard torso makes Hopper and Walker2d."""
    shifts = (Shift.parse("morph-torso-hard"), NOMINAL)
    return tuple(
        word(np.divide(*[make_model(robot, shift).body_mass.sum() for shift in shifts]))
        for robot in ("hopper", "walker2d")
    )


def otdf_range() -> str:
    """OTDF's range of the hind thigh beside ODRL's."""
    names = ("otdf-kinematic-backthighjnt-hard", "kinematic-thighjnt-hard")
    otdf, odrl = (float(min(shift_values("halfcheetah", name).values())) for name in names)
    return share(otdf / odrl)


def of_step() -> list[dict[str, dict]]:
    """The three tables of a step's cost on a CPU, each by variant."""
    files = (f"benchmarks/training_step_cpu_{run}.json" for run in ("1t_amd", "1t", "2t"))
    tables = (json.loads(results_file(name).read_text())["table"] for name in files)
    return [{row["variant"]: row for row in table} for table in tables]


def lead_over_jax() -> tuple[str, str]:
    ratio = "ratio_to_official"
    leads = [100 * (rows["compiled"][ratio] / rows["jax"][ratio] - 1) for rows in of_step()]
    return f"{min(leads):.0f}", f"{max(leads):.0f}"


def ranges() -> tuple[str, ...]:
    """The compiled step's range, then JAX's, of every table."""
    found = (rows[variant] for rows in of_step() for variant in ("compiled", "jax"))
    return tuple(f"{row['ratio_min']:.2f} to {row['ratio_max']:.2f}" for row in found)


def faster() -> str:
    """What the compiled step is at least, in its slowest round of all tables."""
    return in_times(math.floor(min(rows["compiled"]["ratio_min"] for rows in of_step())))


def share_of_predictions() -> str:
    return share(int(shown("the_loop", r"V of 7 predictions .* (\d+)%")) / 100)


def runs_of_grid() -> tuple[str, str]:
    """All runs of the grid, and those of each beta."""
    table = grid.read_grid()
    counts = {len(runs) for _, runs in table.groupby("beta")}
    return str(len(table)), " or ".join(map(word, counts))


def clipped_by_grid() -> str:
    return share(grid.read_grid().groupby("delta").beyond_delta.mean()[1.0])


def lowest_state() -> str:
    """Whether its values end above twice IQL*'s, as the page prints."""
    above = shown("public_code", r"(?m)^lowest state +[\d.]+ +(\w+)$")
    return {"True": "more than twice"}.get(above, "less than twice")


def claims_too_much(fit: str) -> Callable[[], str]:
    """How many of its own standard deviations a fit is off on rows that it has not seen."""
    pattern = rf"unseen rows, {fit} +fit: off by (\d+)"
    return lambda: word(int(shown("public_code_training", pattern)))


def repeated() -> str:
    return word(100 / float(shown("public_code_training", r"seen more than once: ([\d.]+)%")))


def steps_of_passes() -> tuple[str, str]:
    """Gradient steps of a thousand passes, and their share of a million.

    A tenth of 100,000 rows is left aside, and a batch has 256.
    """
    steps = 1000 * 0.9 * 100_000 / 256
    return f"{round(steps, -4):,.0f}", share(steps / 1e6)


def gait_when_worn() -> str:
    worn, whole = (
        int(shown("bring_your_own_robot", rf"on the {which} robot +(\d+)"))
        for which in ("worn", "whole")
    )
    return share(worn / whole)


def stiffer_elbow() -> str:
    """Share of DROCO's return that a quarter of the elbow's wear takes."""
    worn, whole = (
        int(shown("bring_your_own_robot", rf"(?m)^{row} +(\d+) ±"))
        for row in ("kinematic-elbow-0.25", "nominal")
    )
    return share(1 - worn / whole)


def under_less_gravity() -> tuple[str, ...]:
    """The two learners that saw the target alone, mean and spread."""
    line = shown("bring_your_own_robot", r"(?m)^gravity-down-0.25 +(.*)$").replace("-", "−")
    return tuple(re.findall(r"−?\d+ ± \d+", line)[-2:])


@cache
def under_a_tenth_of_gravity() -> list[list[float]]:
    """The two learners that saw the target alone, seed by seed."""
    row = r"{}, target .* (\d) +gravity-down-hard +(-?[\d.]+)"
    text = printed("bring_your_own_robot")
    return [
        [float(earned) for _, earned in sorted(re.findall(row.format(method), text))]
        for method in ("IQL", "cloning")
    ]


def luckiest() -> tuple[str, ...]:
    """How many seeds go forward there, and what the best one of each learner earns."""
    found = under_a_tenth_of_gravity()
    return word(sum(min(seed) > 10 for seed in zip(*found, strict=True))), *(
        f"{max(earned):.0f}" for earned in found
    )


def luckiest_share() -> str:
    whole = int(shown("bring_your_own_robot", r"(?m)^IQL, target +(\d+)$"))
    best = max(map(max, under_a_tenth_of_gravity()))
    return "less" if best < whole / 2 else "more"
