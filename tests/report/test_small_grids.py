"""The two small grids: the sentence follows the shares, and noise is told from effect."""

import numpy as np
import pandas as pd
import pytest

from droco_lite.report import small_grids


def curves(effect: str) -> pd.DataFrame:
    """Nine runs whose value follows ``effect``, and whose share of clipped errors follows delta."""
    lines = []
    for beta in small_grids.BETAS:
        for delta in small_grids.DELTAS:
            for step in (1000, 2000, 3000, 4000):
                value = 10 * {"beta": beta, "delta": np.log(delta)}[effect]
                lines.append(
                    {
                        "run": len(lines) // 4, "label": f"{beta}/{delta}", "seed": 0, "step": step,
                        "beta": beta, "delta": delta, "v_source": value, "penalty_mean": value,
                        "beyond_delta": 1 / delta, "return_mean": 100.0 + step * (1 + beta) / 1000,
                    }
                )  # fmt: skip
    return pd.DataFrame(lines)


def test_what_follows_beta_is_explained_by_beta():
    found = small_grids.shares({"Hopper": curves("beta")}).loc["Hopper"]
    assert found.loc["V of source s'", "by beta"] == pytest.approx(1)
    assert found.loc["V of source s'", "by delta"] == pytest.approx(0)
    assert found.loc["share clipped", "by delta"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("effect", "head"),
    [("beta", "**β moves values, δ moves what"), ("delta", "**δ moves what is clipped.**")],
)
def test_the_headline_follows_the_shares(effect, head):
    grids = {"Hopper": curves(effect)}
    said = small_grids.claim(small_grids.shares(grids), grids)
    assert said.startswith(head)
    assert len(said.split()) < 100


def returns(clean: float, worn: float | None) -> str:
    """The sentences on returns, where beta explains so much, and delta nothing."""
    robot = "Hopper" if worn is None else "HalfCheetah"
    told = {"V of source s'": 0.9, "share clipped": 0.1, "clean return": clean}
    told |= {} if worn is None else {"return under shifts": worn}
    index = pd.MultiIndex.from_product([[robot], told], names=["robot", "quantity"])
    table = pd.DataFrame({"by beta": list(told.values()), "by delta": 0.0}, index=index)
    return small_grids.claim(table, {robot: curves("beta")})


def test_less_than_chance_is_called_no_effect():
    assert "Neither shows an effect on the clean return" in returns(0.2, None)
    found = returns(0.6, None)
    assert "Neither" not in found and "Of the clean return β explains 0.6 and δ 0.0;" in found


def test_what_beta_explains_under_shifts_is_said_with_robot_and_seeds():
    assert "Under shifts β explains 0.7, on HalfCheetah alone, with 1 seed." in returns(0.1, 0.7)
    assert "Under shifts" not in returns(0.1, None)


def test_a_return_is_the_mean_of_the_second_half():
    ends = small_grids.ends(curves("beta"))
    assert len(ends) == 9 and (ends["step"] == 4000).all()
    assert ends["return_mean"].iloc[0] == pytest.approx(100 + 3.5)


def test_one_seed_has_no_spread_between_seeds():
    table = small_grids.noise({"Hopper": curves("beta")})["Hopper"]
    assert table["seeds"] == 1 and np.isnan(table["between seeds"])
    assert table["between settings"] > 0


def test_a_group_is_summed_up_over_its_seeds():
    one = curves("beta").query("run == 0").assign(step=[0, 3000, 6000, 9000], v_target=1.0)
    two = one.assign(seed=1, return_mean=one["return_mean"] + 10)
    found = small_grids.summed_up(pd.concat([one, two]), ["label"]).iloc[0]
    assert found["seeds"] == "103 to 113" and found["return"] == 108
    assert found["clipped"] == "100%"


def test_the_committed_grids_are_whole():
    for grid in small_grids.read_grids().values():
        assert {*small_grids.BETAS} <= {*grid["beta"]} and {*small_grids.DELTAS} == {*grid["delta"]}
