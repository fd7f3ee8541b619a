"""The loop, line by line: its sentences on saved tables, held to those tables."""

import json

import pandas as pd
import pytest
from chapters import ROOT, cells, source

from droco_lite.provenance import results_file

BOOK = ROOT / "book/the_loop.ipynb"


def table(name):
    return json.loads(results_file(f"benchmarks/{name}.json").read_text())["table"]


@pytest.fixture(scope="module")
def shifted():
    grid = pd.read_csv(results_file("training/halfcheetah-medium-grid-shifts.csv"))
    return lambda shift, beta: grid[(grid["shift"] == shift) & (grid.beta == beta)].return_mean


@pytest.fixture(scope="module")
def curves():
    return pd.read_csv(results_file("training/halfcheetah-medium-grid.csv"))


def test_compiled_and_jax_are_level_by_their_ranges():
    said = " ".join(" ".join(source(cell) for cell in cells(BOOK, "markdown")).split())
    leads = []
    for run in ("1t_amd", "1t", "2t"):
        rows = {row["variant"]: row for row in table(f"training_step_cpu_{run}")}
        ours, jax = rows["compiled"], rows["jax"]
        leads.append(ours["ratio_to_official"] / jax["ratio_to_official"] - 1)
        assert ours["ratio_min"] < jax["ratio_max"] and jax["ratio_min"] < ours["ratio_max"]
        ranges = [f"{row['ratio_min']:.2f} to {row['ratio_max']:.2f}" for row in (ours, jax)]
        assert " against ".join(ranges) in said, run
    assert min(leads) > 0.025 and max(leads) < 0.165  # "3 to 16 %"


def test_compiled_is_more_than_twice_as_fast_as_the_official_step():
    """Of the first sentence: in the slowest round of every table."""
    for run in ("1t_amd", "1t", "2t"):
        (row,) = (row for row in table(f"training_step_cpu_{run}") if row["variant"] == "compiled")
        assert row["ratio_min"] > 2


def test_faster_products_help_the_official_step_on_one_processor_only():
    for run, helps in (("1t_amd", True), ("1t", False), ("2t", False)):
        rows = table(f"training_step_cpu_{run}")
        ratio = {row["variant"]: row["ratio_to_official"] for row in rows}
        assert (ratio["official, our products"] > 1.2) == helps


def test_what_a_step_costs_as_one_quantity_grows():
    cost = {}
    for row in table("step_cost_cpu"):
        cost.setdefault(row["varied"], {})[row["value"]] = row["ratio"]
    rows, members, runs, batch = (cost[name] for name in ("rows", "members", "runs", "batch"))
    assert max(rows.values()) / min(rows.values()) < 1.1  # data cost nothing
    assert members[15] / members[1] < 1.5
    assert all(runs[n] / n < 1.1 for n in (2, 4))
    assert runs[16] / 16 > 1.2
    assert 1.5 < batch[256] / batch[128] < 2 and 1.5 < batch[512] / batch[256] < 2


def test_beta_matters_under_gravity_and_no_delta_undoes_it(shifted):
    none, half, one = (shifted("gravity-up-0.33", beta) for beta in (0.0, 0.5, 1.0))
    assert none.max() < 670 < 1420 < half.min() and half.max() < 1625 < 1715 < one.min()


def test_hard_feet_point_the_same_way_and_a_longer_torso_the_other(shifted):
    feet = [shifted("kinematic-footjnt-hard", beta) for beta in (0.0, 0.5, 1.0)]
    assert feet[0].max() < 1525 < 1600 < min(feet[1].min(), feet[2].min())
    torso = [shifted("morph-torso-easy", beta).mean() for beta in (0.0, 0.5, 1.0)]
    assert torso[0] > max(torso[1:]) + 200


def test_delta_clips_and_the_values_hardly_change(curves):
    last = curves[curves.step == curves.step.max()]
    for beta, value in ((0.0, 114), (0.5, 84), (1.0, 70)):
        here = last[last.beta == beta]
        assert here.v_source.mean() == pytest.approx(value, abs=0.5)
        assert here.v_source.max() / here.v_source.min() < 1.03
    clipped = last.groupby("delta").beyond_delta.mean()
    assert clipped[1.0] == pytest.approx(0.7, abs=0.05) and clipped[30.0] == 0


def test_on_the_nominal_robot_nothing_is_settled(curves):
    late = curves[curves.step > curves.step.max() - 6000]
    means = late.groupby("run").return_mean.mean()
    assert 200 < means.max() - means.min() < 500
    jumps = late.groupby("run").return_mean.agg(lambda r: r.diff().abs().max())
    assert jumps.max() > means.max() - means.min()


def test_the_summary_gives_the_rates_of_a_card_as_they_were_measured():
    rates = json.loads(results_file("benchmarks/gpu_rates.json").read_text())["rates"]
    said = BOOK.read_text(encoding="utf-8")
    for case in (
        "1 runs, highest, autograd",
        "1 runs, highest, graph",
        "64 runs, high, graph, compiled",
    ):
        assert f"{rates[case]['run_steps_per_second']:,.0f}" in said, case
    methods = json.loads(results_file("benchmarks/gpu_agreement.json").read_text())["methods"]
    assert all(found["agrees"] for found in methods.values())
