"""The grid with a floor: nothing before it has run, part of it, and all of it."""

import json

import numpy as np
import pandas as pd
import pytest

from droco_lite.report import grid
from droco_lite.report.results import COLUMNS, CURVE_COLUMNS

DELTAS = {"1": 1.0, "30": 30.0, "∞": float("inf")}


def write(folder, betas=(0.5, 1.0), names=DELTAS, gain=100.0):
    """A small grid whose return is ``gain`` times beta, plus the seed, whatever delta is."""
    curves, table = [], []
    for beta in betas:
        for name in names:
            label = f"β = {beta:g}, δ = {name}"
            for seed in (0, 1):
                end = gain * beta + seed
                for step in (1000, 2000, 3000):
                    curves.append(
                        {
                            **dict.fromkeys(CURVE_COLUMNS, 0),
                            "label": label, "seed": seed, "step": step, "return_mean": end,
                            "v_source": 5.0, "beyond_delta": 1 / DELTAS[name],
                        }
                    )  # fmt: skip
                table += [
                    {
                        **dict.fromkeys(COLUMNS, 0),
                        "label": label, "seed": seed, "shift": family, "family": family,
                        "variant": variant, "attack": "none", "return_mean": kept * end,
                        "score": 1.0,
                    }
                    for family, variant, kept in (
                        ("nominal", "", 1.0), ("gravity", "down", 0.5),
                        ("kinematic", "thighjnt", 0.1),
                    )
                ]  # fmt: skip
    pd.DataFrame(curves).to_csv(folder / "walker2d-medium-curves.csv", index=False)
    pd.DataFrame(table).to_csv(folder / "walker2d-medium.csv", index=False)
    arms = {line["label"]: {} for line in table}
    (folder / "walker2d-medium.json").write_text(json.dumps({"arms": arms}))
    return folder


def test_before_it_has_run_the_page_says_so(tmp_path):
    assert grid.read_grid(tmp_path) is None
    assert grid.note(None).endswith("has not been run.")


def test_a_part_is_called_a_part(tmp_path):
    found = grid.read_grid(write(tmp_path, betas=(1.0,), names=["30"]))
    assert "in part: 1 of 12 settings" in grid.note(found)
    assert "1 settings): returns lie between 100 and 100" in grid.claim(found)
    assert "explains" not in grid.claim(found)
    grid.picture(found)


def test_what_moves_the_return_is_said_to_explain_it(tmp_path):
    found = grid.read_grid(write(tmp_path))
    said = grid.claim(found)
    assert "(3,000 steps, 2 seeds, 6 settings): returns lie between 50 and 100" in said
    assert "β explains 1.0 (" in said and "δ explains 0.0 (not shown" in said
    assert "p = 1.00" in said  # every shuffle explains as much as delta, which is nothing
    assert said.endswith("At δ = 30 Huber's loss clips at most 3.3% of source errors.")
    assert "explains" not in grid.claim(grid.read_grid(write(tmp_path, gain=0.0)))


def test_the_picture_has_a_cell_for_every_setting(tmp_path):
    axes = grid.picture(grid.read_grid(write(tmp_path))).axes[0]
    said = [text.get_text() for text in axes.texts]
    assert len(said) == 6 and said[0].startswith("50\n± 0")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "30", "∞"]


def test_a_delta_that_clips_nothing_is_called_what_it_is(tmp_path):
    found = grid.read_grid(write(tmp_path)).assign(most_beyond=0.0)
    found.loc[found.delta == 30, "return_mean"] += 7
    assert "δ = 30 and δ = ∞ are all but one method here" in grid.claim(found)
    assert grid.claim(found).endswith("returns are up to 7 apart: so much is chance.")


def test_what_is_kept_under_shifts_leaves_out_the_sources_own(tmp_path):
    found = grid.read_grid(write(tmp_path))
    assert (found.shifted == 0.5 * found.return_mean).all()
    assert "And under foreign shifts β explains 1.0 (" in grid.claim(found)


@pytest.mark.parametrize(
    ("shown", "cell"),
    [("return under foreign shifts", "25\n± 0"), ("clipped errors", "100%\n± 0%")],
)
def test_the_picture_shows_what_is_chosen(tmp_path, shown, cell):
    axes = grid.picture(grid.read_grid(write(tmp_path)), shown).axes[0]
    assert axes.texts[0].get_text() == cell and axes.get_title().startswith(shown)


def test_an_arm_of_another_form_is_refused(tmp_path):
    write(tmp_path)
    path = tmp_path / "walker2d-medium-curves.csv"
    path.write_text(
        path.read_text().replace("β = 1, δ = 1,", "IQL,").replace('"β = 1, δ = 1"', "IQL")
    )
    with pytest.raises(ValueError, match="'IQL' is not of the form"):
        grid.read_grid(tmp_path)


def test_the_plan_asks_for_twelve_settings():
    assert grid.planned() == 12


def cells(effect: float, noise: float) -> pd.DataFrame:
    """Twelve settings whose return rises with beta, and noise."""
    rng = np.random.default_rng(0)
    lines = [(beta, delta) for beta in (0.1, 0.5, 1.0) for delta in (1, 5, 30, 99)]
    table = pd.DataFrame(lines, columns=["beta", "delta"])
    return table.assign(return_mean=effect * table.beta + noise * rng.standard_normal(12))


def test_an_effect_is_told_from_what_shuffled_settings_explain_too():
    sure, noise = cells(100.0, 1.0), cells(0.0, 1.0)
    assert grid.by_chance(sure, "return_mean", "beta") < 0.01
    assert "an effect" in grid._effect(sure, "return_mean", "beta", "β")
    assert grid.by_chance(noise, "return_mean", "beta") > grid.LIKELY
    assert "not shown to be more than chance" in grid._effect(noise, "return_mean", "beta", "β")


def test_shuffles_are_judged_by_what_they_explain():
    """The quick form agrees with shuffling the rows one by one."""
    table, rng = cells(1.0, 1.0), np.random.default_rng(1)
    found = grid.explained(table, "return_mean", "beta")
    drawn = [
        grid.explained(table.assign(x=rng.permutation(table.return_mean)), "x", "beta")
        for _ in range(1000)
    ]
    share = np.mean(np.array(drawn) >= found)
    assert abs(grid.by_chance(table, "return_mean", "beta") - share) < 0.04


def test_a_return_is_that_of_the_last_policy_and_the_share_clipped_that_of_any_run(tmp_path):
    folder = write(tmp_path)
    curves = pd.read_csv(folder / "walker2d-medium-curves.csv").assign(return_mean=-1.0)
    one = (curves.label == "β = 1, δ = 30") & (curves.seed == 1) & (curves.step == 2000)
    curves.loc[one, "beyond_delta"] = 0.5
    curves.to_csv(folder / "walker2d-medium-curves.csv", index=False)
    found = grid.read_grid(folder)
    assert found.return_mean.min() > 0  # the curves' looks are not what is judged
    assert "clips at most 50.0% of source errors" in grid.claim(found)
