"""Curves of one's own runs: each run is named after what tells it apart, and after no more."""

import numpy as np
import pandas as pd
import pytest

from droco_lite import report
from droco_lite.report import figures
from droco_lite.report.curves import read_curves


def folder(root, name, runs, **settings):
    """A training's folder: a curve of two looks for each of ``runs``, and its settings' file."""
    place = root / name
    place.mkdir(parents=True)
    lines = [
        {"step": step, "run": k, "return_mean": float(step + k), **run}
        for step in (0, 10)
        for k, run in enumerate(runs)
    ]
    pd.DataFrame(lines).to_csv(place / "curve.csv", index=False)
    told = "".join(f"  {key}: {value}\n" for key, value in settings.items())
    (place / "experiment.yaml").write_text(f"shared:\n{told}" if told else "{}\n")
    return place


def names(*paths):
    return list(read_curves(paths).groupby("run", sort=True)["name"].first())


def test_runs_that_differ_in_their_seed_alone_share_a_name(tmp_path):
    runs = [{"method": "droco", "seed": seed, "beta": 0.5} for seed in (0, 1)]
    assert names(folder(tmp_path, "a", runs, method="droco", beta=0.5)) == ["droco", "droco"]


def test_a_setting_that_differs_is_part_of_the_name(tmp_path):
    runs = [{"method": "droco", "seed": 0, "beta": beta} for beta in (0.5, 1.0)]
    found = names(folder(tmp_path, "a", runs, method="droco", beta=0.5))
    assert found == ["droco, beta 0.5", "droco, beta 1"]


def test_a_column_that_is_no_setting_is_not_part_of_the_name(tmp_path):
    runs = [{"method": "droco", "seed": k, "kappa": k / 10} for k in (0, 1)]
    assert names(folder(tmp_path, "a", runs, method="droco")) == ["droco", "droco"]


def test_one_name_in_two_folders_gets_the_folders_name_and_only_there(tmp_path):
    twin = [{"method": "iql", "seed": 0}]
    paths = [folder(tmp_path, name, twin, method="iql") for name in ("here", "there")]
    paths.append(folder(tmp_path, "third", [{"method": "droco", "seed": 0}], method="droco"))
    assert names(*paths) == ["iql (here)", "iql (there)", "droco"]


def test_a_label_is_the_name(tmp_path):
    runs = [{"method": "droco", "seed": 0, "label": "mine"}]
    assert names(folder(tmp_path, "a", runs, method="droco")) == ["mine"]


@pytest.mark.parametrize("missing", ["step", "run", "seed"])
def test_a_table_without_one_of_its_keys_is_refused(tmp_path, missing):
    place = folder(tmp_path, "a", [{"method": "droco", "seed": 0}])
    pd.read_csv(place / "curve.csv").drop(columns=missing).to_csv(place / "curve.csv", index=False)
    with pytest.raises(ValueError, match=f"{missing}.*is missing"):
        read_curves([place])


def test_arms_with_fewer_seeds_than_others_are_drawn_too():
    long = next(each for each in report.read_longer() if each.robot == "Walker2d")
    counts = long.clean.groupby("label")["seed"].nunique()
    assert counts.nunique() == 2  # five seeds of some arms, three of others
    labels = ["IQL, target", "cloning, target", "DROCO", "DROCO, oracle"]
    (ax,) = figures.learning(long.only(labels)).axes
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert set(labels) <= set(drawn)
    assert all(np.isfinite(drawn[label]).all() for label in labels)
