"""What a trained folder is good for: going on, listing settings, curves, clips, shipped studies."""

import dataclasses
import json
import re
import sys

import pandas as pd
import pytest
import yaml
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from droco_lite import cli
from droco_lite.agents import METHODS
from droco_lite.agents.settings import describe
from droco_lite.cli.common import show
from droco_lite.cli.settings import parse, table_of_settings, value_of
from droco_lite.cli.train import list_of_seeds
from droco_lite.data.names import QUALITIES, robots
from droco_lite.evaluation.arms import METHOD_NAMES
from droco_lite.report.curves import read_curves, spreads
from droco_lite.robots import ROBOTS
from droco_lite.robots.families import FAMILIES, Family
from droco_lite.studies import find, overview, shipped, tables_folder
from droco_lite.training import LoopSettings

BRACKETS = re.compile(r"\[.+?\]")
SMALL = (
    "hopper-medium", "--method", "iql", "--source-size", "300", "--target-size", "200",
    "--evaluate-every", "10", "--set", "hidden=8", "--set", "batch_size=8", "--set", "episodes=1",
)  # fmt: skip


def run(*words):
    result = CliRunner().invoke(cli.app, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two runs of IQL, two expectiles, that have had 20 steps and then 20 more."""
    root = tmp_path_factory.mktemp("runs")
    patch = pytest.MonkeyPatch()
    patch.setenv("MINARI_DATASETS_PATH", str(root / "minari"))
    patch.setenv("COLUMNS", "200")
    patch.setenv("TERM", "dumb")
    grid = ("--set", "expectile=0.6", "--set", "expectile=0.8", "--seeds", "2")
    words = ("train", *SMALL, *grid, "--out", str(root / "run"))
    assert run(*words, "--steps", "20").exit_code == 0
    before = pd.read_csv(root / "run" / "curve.csv")
    longer = run(*words, "--steps", "40", "--json")
    assert longer.exit_code == 0, longer.output
    yield root, before, longer, words
    patch.undo()


def test_a_finished_run_goes_on_for_longer(place):
    root, before, longer, words = place
    curve = pd.read_csv(root / "run" / "curve.csv")
    assert sorted(curve["step"].unique()) == [10, 20, 30, 40]
    pd.testing.assert_frame_equal(curve[curve["step"] <= 20], before)
    lines = json.loads(longer.stdout)
    assert {(line["expectile"], line["seed"]) for line in lines} == {
        (0.6, 0), (0.6, 1), (0.8, 0), (0.8, 1),
    }  # fmt: skip
    assert yaml.safe_load((root / "run/experiment.yaml").read_text())["shared"]["steps"] == 40
    shorter = run(*words, "--steps", "30")
    assert shorter.exit_code == 1 and "40 in the checkpoint, 30 now" in shorter.stderr


def test_evaluate_prints_what_tells_runs_apart_and_refuses_another_robot(place):
    root, *_ = place
    shown = run("evaluate", str(root / "run"), "--shift", "gravity-up-0.5", "--episodes", "1")
    assert shown.stdout.split()[0] == "expectile"
    other = run("evaluate", str(root / "run"), "--robot", "ant")
    assert other.exit_code == 1 and "ant has 27 observations" in other.stderr


def test_distances_has_a_line_for_each_run_and_refuses_another_robot(place):
    root, *_ = place
    shown = run("distances", str(root / "run"), "--starts", "2", "--json")
    lines = json.loads(shown.stdout)
    assert len(lines) == 4 and {line["seed"] for line in lines} == {0, 1}
    other = run("distances", str(root / "run"), "--robot", "ant")
    assert other.exit_code == 1 and "ant has 27 observations" in other.stderr


def test_curves_are_the_mean_of_seeds_in_the_band_of_their_range(place):
    root, *_ = place
    table = read_curves([root / "run"])
    assert set(table["name"]) == {"iql, expectile 0.6", "iql, expectile 0.8"}
    part = spreads(table, "return_mean")["iql, expectile 0.6"]
    lines = table[(table["name"] == "iql, expectile 0.6") & (table["step"] == 40)]["return_mean"]
    assert part.loc[40].tolist() == pytest.approx([lines.mean(), lines.min(), lines.max(), 2])


def test_what_was_measured_is_no_setting_even_after_one_evaluation(place, tmp_path):
    root, before, *_ = place
    (tmp_path / "short").mkdir()
    before[before["step"] == 10].to_csv(tmp_path / "short" / "curve.csv", index=False)
    experiment = (root / "run" / "experiment.yaml").read_text()
    (tmp_path / "short" / "experiment.yaml").write_text(experiment)
    names = set(read_curves([tmp_path / "short"])["name"])
    assert names == {"iql, expectile 0.6", "iql, expectile 0.8"}


@pytest.mark.parametrize("name", ["c.png", "c.svg", "c.html"])
def test_plot_writes_each_kind_of_file(place, name):
    root, *_ = place
    done = run("plot", str(root / "run"), "--to", str(root / name))
    assert done.exit_code == 0 and "4 runs of 2 settings" in done.stdout
    if name.endswith("png"):
        assert Image.open(root / name).size[0] > 400
    else:
        text = (root / name).read_text()
        assert "expectile 0.8" in text and "<svg" in text


def test_plot_names_the_columns_there_are(place):
    root, *_ = place
    wrong = run("plot", str(root / "run"), "--column", "reward")
    assert wrong.exit_code == 1 and "return_mean" in wrong.stderr


def test_watch_refuses_before_it_films(place):
    root, *_ = place
    for words, said in (
        (("--to", "x.avi"), ".webp, .gif or .mp4"), (("--run", "9"), "runs 0 to 3"),
        (("--shift", "wind-up-1"), "cannot read 'wind-up-1'"),
    ):  # fmt: skip
        wrong = run("watch", str(root / "run"), *words)
        assert wrong.exit_code == 1 and said in wrong.stderr


@pytest.fixture
def window(monkeypatch):
    """In place of MuJoCo's window one that is closed after five pictures."""
    import mujoco.viewer

    class Window:
        shown = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def is_running(self):
            return Window.shown < 5

        def sync(self):
            Window.shown += 1

    monkeypatch.setattr(mujoco.viewer, "launch_passive", lambda model, data: Window())
    return Window


@pytest.mark.skipif(sys.platform != "linux", reason="how Linux tells of a display")
def test_watch_opens_a_window_where_there_is_a_display(place, window, monkeypatch):
    root, *_ = place
    words = ("watch", str(root / "run"), "--viewer", "--steps", "3")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    refused = run(*words)
    assert refused.exit_code == 1 and window.shown == 0
    assert "no display here" in refused.stderr and "--to clip.webp" in refused.stderr
    monkeypatch.setenv("DISPLAY", ":0")
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert window.shown == 5 and "hopper under nominal" in done.stdout
    both = run(*words, "--to", "clip.webp")
    assert both.exit_code == 1 and "writes no file" in both.stderr


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ((), METHODS["droco"].Settings),
        (("--method", "cql"), METHODS["cql"].Settings),
        (("--method=bosa",), METHODS["bosa"].Settings),
        (("--method", "ppo"), METHODS["droco"].Settings),
    ],
)
def test_the_help_of_train_shows_every_setting(words, kind, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = run("train", *words, "--help").stdout
    for row in (*describe(kind), *describe(LoopSettings)):
        line = next((li for li in shown.splitlines() if li.split()[:1] == [star(row)]), "")
        assert str(row["range"])[:20] in line and row["help"][:20] in line, row["name"]


def star(row):
    return row["name"] + "*" * row["per_run"]


def test_methods_robots_and_qualities_of_the_help_are_those_there_are(monkeypatch):
    assert set(METHOD_NAMES) == set(METHODS)
    monkeypatch.setenv("COLUMNS", "600")
    helped = run("train", "--help").stdout
    for name in (*robots(), *QUALITIES):
        assert re.search(rf"\b{name}[, .(]", helped), name
    assert "a family of kinematic, morph, gravity, friction, at" in run("evaluate", "--help").stdout
    rusty = Family(edit=print, everywhere={"up": {"factor": (1.0, 5.0)}})
    monkeypatch.setitem(FAMILIES, "rust", rusty)
    monkeypatch.setitem(ROBOTS, "crab", dataclasses.replace(ROBOTS["ant"], name="crab"))
    assert "gravity, friction, rust, at three levels" in run("evaluate", "--help").stdout
    assert "ant, crab (or yours" in run("train", "--help").stdout


def helps(group, name=()):
    """(words of a command, help text of one of its options) of every command."""
    for key, child in group.commands.items():
        if hasattr(child, "commands"):
            yield from helps(child, (*name, key))
        else:
            yield from (((*name, key), p.help) for p in child.params if getattr(p, "help", None))


def test_no_help_text_loses_what_stands_in_brackets(monkeypatch):
    monkeypatch.setenv("COLUMNS", "600")
    every = helps(get_command(cli.app))
    found = [(words, part) for words, text in every for part in BRACKETS.findall(text)]
    assert (("watch",), "[video]") in found
    for words, part in found:
        assert part in run(*words, "--help").stdout, words


@pytest.mark.parametrize(
    ("method", "asked", "said"),
    [
        ("cql", "manual", "mode: autograd, not manual as asked"),
        ("iql", "autograd", "mode: autograd\n"),
        ("iql", "auto", ""),
    ],
)
def test_a_mode_that_was_asked_for_is_named_at_the_end(place, method, asked, said):
    root, *_ = place
    words = [method if word == "iql" else word for word in SMALL]
    out = root / f"{method}-{asked}"
    done = run("train", *words, "--set", f"mode={asked}", "--steps", "10", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert said in done.stdout and ("mode:" in done.stdout) == (asked != "auto")


def test_settings_of_parts_are_listed_by_the_name_of_their_class():
    shown = run("settings", "fqe").stdout
    assert "FQESettings" in shown and "batch_size" in shown and "--set" not in shown
    kinds = json.loads(run("settings", "--json").stdout)
    assert {"droco", "loop", "ensemble", "td3", "fqe", "online"} <= set(kinds)


def test_settings_are_listed_with_default_range_and_meaning():
    shown = run("settings", "droco", "--json").stdout
    rows = {row["name"]: row for row in json.loads(shown)["droco"]}
    assert rows["beta"]["range"] == "at least 0" and rows["beta"]["per_run"]
    assert run("settings", "ppo").exit_code == 1


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("by :func:`choose_precision`", "by choose_precision"),
        ("by :py:func:`~droco_lite.training.precision.choose_precision`.", "by choose_precision."),
        ("by :mod:`droco_lite.training`", "by droco_lite.training"),
        ("see :doc:`the loop <the_loop>`, 1:2", "see the loop, 1:2"),
    ],
)
def test_a_terminal_shows_no_role_of_the_book(written, shown, capsys):
    row = {"name": "precision", "default": 1, "range": "", "help": written, "per_run": False}
    show(table_of_settings("loop", [row]))
    assert shown in capsys.readouterr().out


def test_no_setting_is_listed_with_a_role():
    shown = run("settings").stdout
    assert "choose_precision" in shown and ":`" not in shown


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["expectile"], "write KEY=VALUE"),
        (["nothing=1"], "no setting 'nothing'; there are"),
        (["hidden=8", "hidden=9"], "given twice"),
    ],
)
def test_a_bad_setting_is_refused_by_name(given, said):
    with pytest.raises(ValueError, match=said):
        parse(given, METHODS["droco"].Settings, LoopSettings)


def test_values_are_read_as_numbers_where_they_are_numbers():
    read = [value_of(text, text) for text in ("3", "-2", "1e-4", "inf", "true", "target", "1_0x")]
    assert read == [3, -2, 1e-4, float("inf"), True, "target", "1_0x"]


@pytest.mark.parametrize("text", ["", "0", "-1", "2,2", "1,-3", "x", ",", "99999999"])
def test_bad_lists_of_seeds_are_refused(text):
    with pytest.raises(ValueError, match="--seeds"):
        list_of_seeds(text)


def test_shipped_studies_are_found_by_name():
    assert set(shipped()) == {"quick", "matrix", "long"}
    assert find("matrix").name == "study.yaml"
    assert tables_folder("matrix") == find("matrix").parent
    assert str(tables_folder("quick")) == "study-quick"
    (quick,) = [row for row in overview() if row["name"] == "quick"]
    assert quick["steps"] <= 5000
    with pytest.raises(FileNotFoundError, match="there are quick, matrix, long"):
        find("nope")
