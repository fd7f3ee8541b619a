"""The live lab and a robot of the reader's own: filmed, trained on, and refused in a page."""

from __future__ import annotations

import os

import pytest

import droco_lite
from droco_lite.agents.trained_policies import load_policy, weights_folder
from droco_lite.files import read_json
from droco_lite.live import clips, export, release, short_runs
from droco_lite.robots import ROBOTS, load_robot_file, register_robot, unregister_robot
from droco_lite.robots.robot_file import ROBOT_FILES, _loaded
from tests.robots.test_robot_file import FILE, XML

SHORT = ("--steps", "4", "--seeds", "1", "0", "--source-rows", "300", "--target-rows", "200")
STUDY = """
tasks: [pendulum-medium]
steps: 6
seeds: [0]
arms: ["IQL*"]
data: {source_size: 300, target_size: 200, seed: 0}
settings: {"IQL*": {hidden: 8}}
evaluation: {every: 2, episodes: 1, families: [gravity]}
loop: {episodes: 1, diagnostic_rows: 16, mode: autograd}
"""


def forget():
    """As in a new process."""
    for name in [name for name in ROBOTS if ROBOTS[name].own]:
        unregister_robot(name)
    _loaded.clear()
    os.environ[ROBOT_FILES] = ""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("DROCO_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(ROBOT_FILES, "")
    monkeypatch.setattr(clips, "SECONDS", 0.2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pendulum.xml").write_text(XML)
    (tmp_path / "robot.py").write_text(FILE)
    yield tmp_path
    forget()


@pytest.fixture
def filmed(monkeypatch):
    """The names of all policies that were filmed, one an entry."""
    found: list[str] = []
    real = clips.film
    monkeypatch.setattr(clips, "film", lambda *given: found.append(given[2]) or real(*given))
    return found


def film(*more):
    """The index of the pendulum's clips, as the command makes them in a new process."""
    forget()
    clips.main(["pendulum", "clips", *more, "--robot-file", "robot.py"])
    return read_json("clips/pendulum.json")


def test_clips_show_the_readers_own_controller(place, filmed):
    index = film()
    assert filmed == ["behaviour-target-medium"] * 4
    said = [clip["said"] for clip in index["clips"]]
    assert "on the nominal robot: it runs all 50 steps" in said[0]
    # The source of its tasks has kinematic-range, its only variant but those of every robot.
    assert "on gravity-down, hard" in said[3]
    for clip in index["clips"]:
        assert (place / "clips" / clip["clip"]).stat().st_size > 100
    film()
    assert len(filmed) == 4
    (place / "robot.py").write_text(FILE.replace("GAIN = 0.01", "GAIN = 0.5"))
    film()
    assert len(filmed) == 8


def test_the_record_says_which_shift_the_clips_show(place, filmed):
    words = '    clip_shift=("gravity-up", "more gravity"),\n'
    (place / "robot.py").write_text(FILE.replace("    frame_skip=2,", f"{words}    frame_skip=2,"))
    assert "on more gravity, easy" in film()["clips"][1]["said"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("gravity-up", "write FAMILY-VARIANT and words"),
        (("gravity-up-hard", "more"), "write FAMILY-VARIANT and words"),
        (("gravity-up", 3), "write FAMILY-VARIANT and words"),
        (("gravity-left", "slanted"), "clip_shift names 'gravity-left', which is no shift of"),
    ],
)
def test_a_wrong_shift_of_the_clips_is_refused(wrong, said):
    load_robot_file("robot.py")
    spec = ROBOTS["pendulum"]
    with pytest.raises(ValueError, match=said):
        register_robot(
            "pendulum", XML, observation=spec.observation_of, reward=spec.reward_of,
            clip_shift=wrong,
        )  # fmt: skip
    assert ROBOTS["pendulum"] is spec


def test_short_runs_train_on_it_and_its_clips_show_them(place, filmed, monkeypatch):
    monkeypatch.setattr(short_runs, "EPISODES", 2)
    short_runs.main(["pendulum", "--only", "iql", "droco-0.5", *SHORT, "--robot-file", "robot.py"])
    folder = weights_folder("pendulum")
    assert folder.is_relative_to(place)  # nothing of the reader's goes into the package
    found = load_policy("pendulum-droco-0.5", folder)
    assert found.card["settings"]["seed"] == 1 and set(found.card["returns"]) == {"1", "0"}
    assert found.card["command"].endswith("--only iql droco-0.5 --robot-file robot.py")
    # Its rewards go below 0, and so do its values.
    assert -110 < found.card["floor"] < -50
    index = film()
    assert filmed == ["0"] * 4 + ["0.5"] * 4
    assert "IQL* (short run, 4 steps)" in index["clips"][0]["said"]
    (place / "elsewhere").mkdir()
    film("--weights", "elsewhere")
    assert filmed[8:] == ["behaviour-target-medium"] * 4


def test_a_study_of_it_is_released_with_its_clips(place, filmed):
    load_robot_file("robot.py")
    study = place / "own.yaml"
    study.write_text(STUDY)
    for job in release.Study.read(study).jobs():
        job.run(place / "jobs", say=lambda line: None)
    forget()
    release.main([str(study), "--root", "jobs", "--clips", "clips", "--robot-file", "robot.py"])
    worn = load_policy("pendulum-iql", weights_folder("pendulum")).card["worn"]
    assert worn["shift"] == "gravity-down" and set(worn["returns"]) == {"1/3", "2/3", "1"}
    assert filmed == ["0"] * 4


REFUSED = "cannot show 'pendulum': its observation and reward are Python functions"


def test_a_page_cannot_run_it_and_the_lab_says_what_can():
    load_robot_file("robot.py")
    assert "pendulum" not in export.LAB_ROBOTS
    with pytest.raises(ValueError, match=REFUSED) as refused:
        droco_lite.live("pendulum")
    assert "droco_lite.live.clips pendulum FOLDER --robot-file FILE" in str(refused.value)
    assert "write_clip" in str(refused.value)


@pytest.mark.parametrize("robots", [(), ("pendulum",)])
def test_its_file_for_a_page_is_refused_in_one_message(place, robots, capsys):
    with pytest.raises(SystemExit):
        export.main(["out", *robots, "--robot-file", "robot.py"])
    assert REFUSED in capsys.readouterr().err
    assert not (place / "out").exists()


@pytest.mark.parametrize("command", [clips, short_runs])
def test_without_the_option_the_message_names_it(command, capsys):
    with pytest.raises(SystemExit):
        command.main(["pendulum", "clips"][: 1 if command is short_runs else 2])
    assert "--robot-file FILE" in capsys.readouterr().err
