"""The command line: what each command prints, keeps and refuses."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from droco_lite import __version__, cli
from droco_lite.agents import gates
from droco_lite.cli import cards
from droco_lite.data import Transitions, gate, load, minari_store, tasks
from tests.data.hdf5_files import episodes, write


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "dumb")
    return tmp_path


def run(*arguments):
    result = CliRunner().invoke(cli.app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_help_loads_no_heavy_library():
    code = (
        "import sys, droco_lite.cli as c; c.app(['--help'], standalone_mode=False); "
        "print(sorted({'torch', 'mujoco', 'minari', 'h5py', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
    assert "data" in done.stdout


def test_version():
    assert run("--version").stdout.strip() == __version__


def test_list_without_and_with_sets(root, monkeypatch):
    load = tasks.load_behaviour

    def no_expert_of_hopper(robot, shift, quality):
        if (robot, quality) == ("hopper", "expert"):
            raise FileNotFoundError
        return load(robot, shift, quality)

    monkeypatch.setattr(tasks, "load_behaviour", no_expert_of_hopper)
    shown = run("data", "list").stdout
    assert "hopper-medium-replay-morphology" in shown
    assert "1,000,000" in shown
    assert re.search(r"halfcheetah-medium +kinematic-thighjnt-hard .* yes", shown)
    assert re.search(r"hopper-expert +kinematic.* no policy: source, target", shown)
    made = len(re.findall(r",000 +yes", shown))
    assert f"{made} of 32 can be made" in shown
    assert "No data sets in" in shown
    run("data", "import", str(write(root / "hopper.hdf5", episodes([4, 3], [True, False]))))
    shown = run("data", "list").stdout
    assert re.search(r"droco-lite/imported/hopper-v0 +│ 7 +│ 2 ", shown)


def test_make_ends_with_minari_sets_and_their_cards(monkeypatch):
    class Still:
        card = {"algorithm": "none", "steps": 5, "sha256": "0"}  # noqa: RUF012

        def __call__(self, observations):
            return np.zeros((len(observations), 3), np.float32)

    monkeypatch.setattr(tasks, "load_behaviour", lambda *arguments: Still())
    done = run("data", "make", "hopper-medium", "--source-size", "300", "--target-size", "0.2")
    assert done.exit_code == 0
    assert re.search(r"end in a fall, 1 cut to size", done.stdout)
    names = list(minari_store.list_local())
    assert names == [
        "droco-lite/hopper/kinematic-legjnt-hard-medium-300-seed0-v0",
        "droco-lite/hopper/nominal-medium-60-seed0-v0",
    ]
    for name in names:
        card = minari_store.card_of(name)
        shown = run("data", "info", name).stdout
        assert shown in done.stdout
        assert f"{card['rows']:,} (11 observation and 3 action columns" in shown
        assert re.search(rf"episodes +{card['episodes']},", shown)
        assert card["shift"] in shown
        # As Minari's metadata hold it: over the whole episodes, without the one that was cut.
        assert f"{card['return_mean']:,.1f} ± {card['return_sd']:,.1f}" in shown
        assert f"{card['score']:.1f} by D4RL" in shown
        assert "none with Gaussian action noise of 0.1" in shown


def test_info_of_a_card_that_lacks_its_robot(monkeypatch):
    arrays = episodes([4, 3, 5], [True, False, False], 7, 2)
    data = Transitions(
        terminations=arrays.pop("terminals"), truncations=arrays.pop("timeouts"), **arrays
    )
    minari_store.write_minari("mine/some-v0", data, {})
    about = minari_store.describe("mine/some-v0") | {"card": {"behaviour": [{"seed": 0}]}}
    monkeypatch.setattr(minari_store, "describe", lambda name: about)
    shown = run("data", "info", "mine/some-v0").stdout
    assert "unknown (" in shown and "12 (7 observation and 2 action columns" in shown


def test_info_of_a_file(root):
    path = write(root / "walker2d-set.hdf5", episodes([4, 3, 5], [True, False, False], 17, 6))
    shown = run("data", "info", str(path)).stdout
    assert "walker2d" in shown
    assert "12 (17 observation and 6 action columns" in shown
    assert re.search(r"episodes +3, 3 to 5 steps; 1 end in a fall", shown)
    assert minari_store.list_local() == {}


@pytest.mark.parametrize(
    ("name", "drop", "rows", "ends"),
    [
        ("d4rl/hopper_medium-v2", [], 12, "3, 3 to 5 steps; 1 end in a fall"),
        ("d4rl/hopper_medium-v0", ["timeouts"], 12, "3, 3 to 5 steps; 1 end in a fall"),
        ("odrl/hopper_gravity_0.5_medium", ["next_observations"], 10, "3, 2 to 4 steps; 1 end"),
        ("odrl/hopper", ["next_observations", "timeouts"], 11, "2, 4 to 7 steps; 1 end in a fall"),
        ("otdf/hopper_kinematic_medium", ["timeouts"], 12, "3, 3 to 5 steps; 1 end in a fall"),
        ("source/hopper-kinematic-medium", ["timeouts"], 12, "3, 3 to 5 steps; 1 end in a fall"),
    ],
)
def test_info_of_every_layout(root, name, drop, rows, ends):
    """D4RL's, ODRL's and OTDF's target files and DROCO's source files, as their names go."""
    arrays = episodes([4, 3, 5], [True, False, False])
    if name.startswith("otdf"):
        for key in ("rewards", "terminals"):
            arrays[key] = arrays[key].astype(float)[:, None]
    path = root / f"{name}.hdf5"
    path.parent.mkdir(exist_ok=True)
    shown = run("data", "info", str(write(path, arrays, drop))).stdout
    assert re.search(r"robot +hopper ", shown)
    assert f"{rows} (11 observation and 3 action columns" in shown
    assert ends in shown


def test_info_of_a_folder(root):
    path = write(root / "hopper.hdf5", episodes([4, 3], [True, False]))
    shown = run("data", "info", str(load(path).save(root / "hopper"))).stdout
    assert "7 (11 observation and 3 action columns" in shown


def test_import_of_a_set_that_is_there_already_shows_it(root):
    path = write(root / "hopper_kinematic_medium.hdf5", episodes([4, 3], [True, False]))
    shown = run("data", "import", str(path)).stdout
    assert "droco-lite/imported/hopper_kinematic_medium-v0" in shown
    again = run("data", "import", "droco-lite/imported/hopper_kinematic_medium-v0").stdout
    assert again == shown


def test_gate(monkeypatch, root):
    found = gate.Gate(tasks.Task("hopper"), 900.0, 600.0, 800.0, 700.0)
    # Where it is called, since another test may have imported that module already.
    monkeypatch.setattr(gates, "gate", lambda *arguments, **keywords: found)
    kept = root / "gate.json"
    arguments = ["hopper-medium", "--target-size", "300", "--results", str(kept)]
    arguments += ["--source-size", "600", "--ensemble-epochs", "2"]
    shown = run("data", "gate", *arguments).stdout
    assert re.search(r"source policy on the target robot .* 600 .* 900 .* 0\.67 .* fails", shown)
    assert re.search(r"clone of the target data .* 700 .* 800 .* 0\.88 .* passes", shown)
    written = json.loads(kept.read_text())
    assert (written["task"], written["on_target"]) == ("hopper-medium", 600.0)
    assert (written["shift_matters"], written["can_be_cloned"]) == (False, True)
    assert {"commit", "versions", "episodes"} <= set(written)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["make", "hoper-medium"], "robot: 'hoper' is not one of"),
        (["make", "hopper-medium", "--target-size", "some"], "--target-size: 'some'"),
        (["make", "hopper-medium", "--target-size", "1.5"], "size must be"),
        (["info", "nothing/here-v0"], "not among the Minari data sets"),
        (["info", "gone.hdf5"], "gone.hdf5: no such file"),
        (["import", "gone.hdf5"], "gone.hdf5: no such file"),
        (["gate", "hopper"], "is not ROBOT-QUALITY"),
    ],
)
def test_errors_are_one_message_and_exit_code_1(arguments, message):
    result = run("data", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1


def test_histogram():
    lines = cards.histogram(np.array([0.0, 0.0, 0.0, 5.0, 10.0]), bins=2, width=8)
    assert lines == ["0 ████████ 3", "5 █████▍   2"]
    (one,) = cards.histogram(np.array([3.0, 3.0]))
    assert one.endswith(" 2")
