"""Robots of one's own from a file: loaded once, named when wrong, at hand in other processes."""

import os
import pickle
import re
import subprocess
import sys

import gymnasium
import minari
import numpy as np
import pytest

from droco_lite.data import Task, make_task, minari_store
from droco_lite.data.behaviour import load_behaviour, policy_folder
from droco_lite.data.names import all_tasks
from droco_lite.data.tasks import make_dataset, missing_policies
from droco_lite.evaluation import grid
from droco_lite.robots import (
    ROBOTS,
    BatchedRobot,
    load_robot_file,
    register_robot,
    rollout,
    unregister_robot,
)
from droco_lite.robots.robot_file import ROBOT_FILES, _loaded, load_robot_files
from droco_lite.training import online
from droco_lite.training.online_run import OnlineSettings
from droco_lite.training.release import release

XML = """
<mujoco><option timestep="0.02"/><worldbody><body>
  <joint name="hinge" axis="0 1 0" range="-100 100" limited="true" damping="0.05"/>
  <geom name="rod" type="capsule" fromto="0 0 0 0 0 -0.5" size="0.03"/>
</body></worldbody><actuator><motor joint="hinge" gear="2" ctrlrange="-1 1"/></actuator></mujoco>
"""
FILE = """
from pathlib import Path
import numpy as np
from droco_lite.robots import register_robot

def observation(s):
    return np.concatenate([np.cos(s.qpos), np.sin(s.qpos), s.qvel], axis=1)

def reward(s, a, after):
    return -np.cos(after.qpos[:, 0]) - GAIN * (a[:, 0] ** 2)

def swing(observations):
    return np.sign(observations[:, 2:3])

def brake(observations):
    return -0.5 * observations[:, 2:3]

GAIN = 0.01
register_robot(
    "pendulum", Path(__file__).with_name("pendulum.xml"), observation=observation, reward=reward,
    frame_skip=2, max_episode_steps=50, min_return=-50, max_return=50,
    shifts={"kinematic": {"range": {"hinge": 0.5}}},
    source_shifts={"kinematic": "kinematic-range-hard"}, action_noise=0.05,
    policies={"nominal": {"medium": swing}, "kinematic-range-hard": {"medium": brake}},
)
"""


@pytest.fixture(autouse=True)
def no_trace(monkeypatch, tmp_path):
    monkeypatch.setenv(ROBOT_FILES, "")
    monkeypatch.setenv("DROCO_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    yield
    for name in [name for name in ROBOTS if ROBOTS[name].own]:
        unregister_robot(name)
    _loaded.clear()


@pytest.fixture
def path(tmp_path):
    (tmp_path / "pendulum.xml").write_text(XML)
    path = tmp_path / "my robot.py"
    path.write_text(FILE)
    return path


def test_a_file_registers_its_robots_once(path):
    assert load_robot_file(path) == ("pendulum",)
    robot = ROBOTS["pendulum"]
    assert robot.file == str(path)
    assert load_robot_file(str(path)) == ("pendulum",)
    assert ROBOTS["pendulum"] is robot  # not run again


def test_tasks_grids_and_data_take_it(path):
    load_robot_file(path)
    task = Task.parse("pendulum-medium")
    assert (task.source_shift, str(task)) == ("kinematic-range-hard", "pendulum-medium")
    assert task in all_tasks() and missing_policies(task) == []
    assert missing_policies("pendulum-expert") == ["source", "target"]
    assert {shift.family for shift in grid("pendulum")} == {
        "nominal", "kinematic", "gravity", "friction",
    }  # fmt: skip
    with pytest.raises(ValueError, match="robot 'pendulum' has no source shift of the family 'mor"):
        Task.parse("pendulum-medium-morphology").source_shift  # noqa: B018
    data = make_task(task, source_size=200, target_size=100)
    assert (len(data.source), len(data.target)) == (200, 100)
    assert data.source_card["behaviour"][0]["algorithm"] == "a controller of the user's"
    assert np.abs(data.source.actions).mean() < np.abs(data.target.actions).mean()
    policy = load_behaviour("pendulum", "nominal", "medium")
    direct = rollout("pendulum", ["nominal"], policy, episodes=3, seed=0)
    assert data.target_card["return_mean"] > direct.returns.mean() - 5


def test_data_of_a_users_controller_say_whose_they_are(path):
    load_robot_file(path)
    make_dataset("pendulum", "nominal", "medium", 100)
    name = "droco-lite/pendulum/nominal-medium-100-seed0-v0"
    about = minari_store.describe(name)
    assert "medium: a controller of the user's. Actions" in about["description"]
    assert "0 steps" not in about["description"]
    stated = minari_store.specification(name)
    assert stated["author"] == stated["code"] == ""  # theirs to say, not this project's
    assert minari.load_dataset(name).total_steps == 100


def test_a_wrong_shift_is_named_with_its_key_and_one_that_the_robot_has(path):
    written = path.read_text()
    for old, new, says in (
        ('{"nominal": {"medium"', '{"kinematic": {"medium"', "policies has the key 'kinematic'"),
        ('s={"kinematic": "kin', 's={"kinematic": "ki', "source_shifts['kinematic'] is 'kiematic"),
    ):
        assert old in written
        path.write_text(written.replace(old, new))
        with pytest.raises(ValueError, match=re.escape(says)) as refused:
            load_robot_file(path)
        assert "such as 'kinematic-range-hard'" in str(refused.value)
        assert "thighjnt" not in str(refused.value)
        assert "pendulum" not in ROBOTS


def test_data_are_made_anew_when_robot_or_controller_changes(path):
    def make():
        return make_dataset("pendulum", "nominal", "medium", 100)[0]

    def changed(old, new):
        unregister_robot("pendulum")
        path.write_text(path.read_text().replace(old, new))
        load_robot_file(path)
        return make()

    load_robot_file(path)
    first = make()
    again = changed("# nothing", "")
    np.testing.assert_array_equal(first.rewards, again.rewards)
    assert not np.array_equal(changed("GAIN = 0.01", "GAIN = 0.5").rewards, first.rewards)
    assert not np.array_equal(changed("-0.5 *", "-0.1 *").rewards, first.rewards)
    assert (changed("np.sign(obs", "-np.sign(obs").actions != first.actions).any()
    minari_store.list_local()


def wrong(tmp_path, text, name="wrong.py"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text, says",
    [
        ("1 +", r"wrong\.py, line 1: SyntaxError"),
        ("import nothing_of_the_sort", r"wrong\.py, line 1: ModuleNotFoundError: No module named"),
        ("\n\nx = 1 / 0", r"wrong\.py, line 3: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", r"wrong\.py, line 1: SystemExit: 3"),
        ("x = 1", r"wrong\.py registers no robot; call droco_lite\.robots\.register_robot"),
        (FILE.replace("frame_skip=2", "frame_skip=0"), r"line 19: robot 'pendulum': frame_skip is"),
        (FILE.replace('"kinematic-range', '"kinematic-arm'), r"has no kinematic variant 'arm'"),
        (FILE.replace('{"medium": brake}', '{"good": brake}'), r"should map medium or expert to a"),
    ],
)
def test_what_is_wrong_is_said_with_the_line_and_nothing_stays(tmp_path, path, text, says):
    file = wrong(tmp_path, text)
    with pytest.raises(ValueError, match=f"robot file: .*{says}"):
        load_robot_file(file)
    assert not any(robot.own for robot in ROBOTS.values())
    assert not any("wrong" in name for name in sys.modules if name.startswith("droco_lite_robot"))
    assert os.environ[ROBOT_FILES] == ""


def test_other_files_are_refused(tmp_path, path):
    with pytest.raises(FileNotFoundError, match=r"robot file: .*nowhere\.py does not exist"):
        load_robot_file(tmp_path / "nowhere.py")
    with pytest.raises(ValueError, match=r"pendulum\.xml should be a Python file"):
        load_robot_file(tmp_path / "pendulum.xml")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_robot_file(tmp_path)


def test_a_controller_that_answers_wrongly_is_named(path):
    path.write_text(FILE.replace("np.sign(observations[:, 2:3])", "observations[:, 2]"))
    load_robot_file(path)
    with pytest.raises(ValueError, match=r"its policy medium under nominal gave shape \(64,\); re"):
        load_behaviour("pendulum", "nominal", "medium")


def test_robots_batches_and_environments_pickle(path):
    load_robot_file(path)
    assert pickle.loads(pickle.dumps(ROBOTS["pendulum"])) is ROBOTS["pendulum"]
    rows = BatchedRobot("pendulum", ["nominal", "gravity-up-0.2"], [0, 1], dtype=np.float64)
    envs = gymnasium.make_vec("droco_lite/pendulum-v0", num_envs=2, render_mode="rgb_array")
    envs.reset(seed=0)
    env = gymnasium.make("droco_lite/pendulum-v0").unwrapped
    env.reset(seed=0)
    rows.step(np.ones((2, 1)))
    copies = pickle.loads(pickle.dumps((rows, envs, env)))
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(copies[0].step(np.ones((2, 1)))[0], rows.step(np.ones((2, 1)))[0])
    np.testing.assert_array_equal(again.step(np.ones((2, 1)))[0], rows.observations())
    np.testing.assert_array_equal(copies[2].step([1.0])[0], env.step([1.0])[0])
    assert len(envs.render()) == len(copies[1].render()) == 2


@pytest.mark.slow
def test_worker_processes_have_it_by_the_environment(path, tmp_path):
    load_robot_file(path)
    (tmp_path / "batch.pickle").write_bytes(
        pickle.dumps(BatchedRobot("pendulum", ["nominal"], [0], dtype=np.float64))
    )
    code = (
        "import pickle, sys\n"
        "from droco_lite.data.tasks import Task\n"
        "print(Task.parse('pendulum-medium').source_shift)\n"
        "rows = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(rows.observations().tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "batch.pickle")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    shift, row = done.stdout.splitlines()
    assert shift == "kinematic-range-hard"
    expected = BatchedRobot("pendulum", ["nominal"], [0], dtype=np.float64).observations()
    assert row == str(expected.tolist())
    alone = {k: v for k, v in os.environ.items() if k != ROBOT_FILES}
    done = subprocess.run(
        [sys.executable, "-c", code.split("rows")[0]], capture_output=True, text=True, env=alone
    )
    assert "a robot of your own needs --robot-file FILE" in done.stderr


@pytest.mark.parametrize("folder", ["at 12:30", 'a "quoted", one;', "ångström"])
def test_another_process_finds_robots_in_a_folder_of_any_name(tmp_path, path, folder):
    """A colon, of which paths of a search path are kept apart, may stand in a folder's name."""
    place = tmp_path / folder
    place.mkdir()
    for file in (path, tmp_path / "pendulum.xml"):
        file.rename(place / file.name)
    load_robot_file(place / path.name)
    (place / "rod.py").write_text(FILE.replace('"pendulum",', '"rod",'))
    load_robot_file(place / "rod.py")
    code = "from droco_lite.robots import get_robot; print(*map(get_robot, ('pendulum', 'rod')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_list_of_files_that_is_none_is_refused(monkeypatch):
    for text in ("my_robot.py", '{"a": 1}', "[1]"):
        monkeypatch.setenv(ROBOT_FILES, text)
        with pytest.raises(ValueError, match=r"ROBOT_FILES should be a list in JSON.*--robot-file"):
            load_robot_files()


def test_a_robot_of_a_notebook_says_how_it_can_be_pickled():
    register_robot("rod", XML, observation=angle, reward=lambda s, a, after: after.qpos[:, 0])
    with pytest.raises(pickle.PicklingError, match="put register_robot into a file and read it"):
        pickle.dumps(ROBOTS["rod"])
    rod = register_robot("rod", XML, observation=angle, reward=stay)
    text = pickle.dumps(rod)
    assert pickle.loads(text).fingerprint == rod.fingerprint
    unregister_robot("rod")
    copy = pickle.loads(text)  # as in another process: it is registered there
    assert ROBOTS["rod"] is copy and "droco_lite/rod-v0" in gymnasium.registry


def angle(s):
    return s.qpos


def stay(s, a, after):
    return -np.abs(after.qpos[:, 0])


def test_a_file_that_fails_late_takes_its_first_robot_with_it(tmp_path, path):
    path.write_text(FILE + "\n1 / 0")
    with pytest.raises(ValueError, match="line 27: ZeroDivisionError"):
        load_robot_file(path)
    assert "pendulum" not in ROBOTS and "droco_lite/pendulum-v0" not in gymnasium.registry


LIGHT = """
import sys
from droco_lite.robots import ROBOTS, SHIFTS, Shift, environment_id, get_robot, shift_values
get_robot("ant").score(100.0)
shift_values("hopper", "morph-torso-hard")
environment_id("hopper", "morph")
loaded = [name for name in ("torch", "mujoco", "h5py", "minari", "ot") if name in sys.modules]
assert not loaded, loaded
import droco_lite.robots
droco_lite.robots.rollout, droco_lite.robots.render, droco_lite.robots.VectorRobot
assert "torch" not in sys.modules
"""


def test_naming_a_robot_loads_no_simulator_and_none_of_it_loads_torch():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_policy_trained_online_becomes_data(path, tmp_path, capsys):
    common = ("--robot-file", str(path))
    online.main([
        *common, "train", "--robot", "pendulum", "--steps", "300", "--segment-steps", "100",
        "--random-steps", "100", "--evaluation-episodes", "2", "--hidden", "16",
    ])  # fmt: skip
    settings = OnlineSettings(
        "pendulum", segment_steps=100, random_steps=100, evaluation_episodes=2, hidden=(16,)
    )
    card = release(settings, "expert", candidates=1, selection_episodes=2, episodes=2)
    assert policy_folder("pendulum") == tmp_path / "cache/policies"
    assert (policy_folder("pendulum") / "pendulum-nominal-expert.safetensors").exists()
    assert card["score"] == pytest.approx(card["return_mean"] + 50, abs=0.2)
    assert missing_policies("pendulum-expert") == ["source"]
    data, made = make_dataset("pendulum", "nominal", "expert", 120)
    assert len(data) == 120 and made["behaviour"][0]["algorithm"] == "TD3"


def test_a_robot_without_references_can_be_released(tmp_path):
    register_robot("rod", XML, observation=angle, reward=stay, max_episode_steps=20)
    settings = OnlineSettings(
        "rod", segment_steps=100, random_steps=100, evaluation_episodes=2, hidden=(8,)
    )
    online.train(settings, 300, report=lambda line: None)
    card = release(settings, "medium", candidates=2, selection_episodes=2, episodes=2)
    assert card["score"] is None and np.isfinite(card["selection"]["goal"])
    data, made = make_dataset("rod", "nominal", "medium", 60)
    assert "score" not in made and len(data) == 60
