"""Which columns are contact forces: a robot's record says so, and no number of columns does."""

import gymnasium
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from droco_lite.data import DataError, Transitions, load, make_task
from droco_lite.data.contacts import of_environment, with_contacts, without_contacts
from droco_lite.data.hdf5 import read_hdf5
from droco_lite.data.minari_store import card_of, import_file, read_minari, write_minari
from droco_lite.robots import ROBOTS, get_robot, load_robot_file, unregister_robot
from droco_lite.robots.robot_file import ROBOT_FILES, _loaded

from .hdf5_files import episodes, write

KEYS = ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts")

#: Eight hinges, eight motors, and as many columns as Ant with contact forces; most of them zero.
FILE = """
import numpy as np
from droco_lite.robots import register_robot

HINGE = '''<body pos="0 {0} 0"><joint name="hinge{0}" axis="0 1 0" range="-100 100" limited="true"
  damping="0.05"/><geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.03"/></body>'''
XML = f'''<mujoco><worldbody>{"".join(HINGE.format(k) for k in range(8))}</worldbody>
  <actuator>{"".join(f'<motor joint="hinge{k}" ctrlrange="-1 1"/>' for k in range(8))}</actuator>
</mujoco>'''

def observation(s):
    known = np.concatenate([s.qpos, s.qvel], axis=1)
    return np.pad(known, ((0, 0), (0, COLUMNS - known.shape[1])))

def push(observations):
    return np.tanh(observations[:, 8:16])

register_robot(
    "wide", XML, observation=observation, reward=lambda s, a, after: after.qvel[:, 0],
    frame_skip=2, max_episode_steps=20, min_return=-50, max_return=50,
    shifts={"kinematic": {"range": {"hinge0": 0.5}}},
    source_shifts={"kinematic": "kinematic-range-hard"},
    policies={shift: {"medium": push} for shift in ("nominal", "kinematic-range-hard")},
)
"""


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv(ROBOT_FILES, "")  # loading a file names it there, for other processes


@pytest.fixture(params=[105, 111])
def columns(request, tmp_path):
    """That many columns, and the robot ``wide`` that has them."""
    path = tmp_path / "robot.py"
    path.write_text(FILE.replace("COLUMNS", str(request.param)))
    load_robot_file(path)
    yield request.param
    unregister_robot("wide")
    _loaded.clear()


def rows_of(columns: int) -> dict[str, np.ndarray]:
    arrays = episodes([4, 3], [True, False], columns, 8)
    for key in ("observations", "next_observations"):
        arrays[key][:, 27:] = 0
    return arrays


def test_a_task_of_a_robot_with_as_many_columns_is_made_and_read_again(columns):
    made = make_task("wide-medium", source_size=60, target_size=40)
    for data in (made.target, make_task("wide-medium", source_size=60, target_size=40).target):
        assert data.observation_size == columns
    name = "droco-lite/wide/nominal-medium-40-seed0-v0"
    for robot in ("wide", None):  # the card says whose it is
        np.testing.assert_array_equal(read_minari(name, robot).arrays()["observations"],
                                      made.target.observations)  # fmt: skip


def test_zero_columns_of_another_robot_are_not_cut(tmp_path, columns):
    arrays = rows_of(columns)
    path = write(tmp_path / "rows.hdf5", arrays)
    for robot in ("wide", None):  # unnamed: the columns are some robot's own
        np.testing.assert_array_equal(read_hdf5(path, robot).observations, arrays["observations"])
    assert read_hdf5(path, "ant").observation_size == 27
    for name, robot, kept in (("wide-rows", "wide", columns), ("ant-rows", "ant", 27)):
        with pytest.warns(UserWarning, match="dynamics"):
            found = import_file(write(tmp_path / f"{name}.hdf5", arrays))
        assert card_of(found)["robot"] == robot
        assert read_minari(found).observation_size == kept


def test_sets_of_an_environment_that_is_not_ants_are_not_cut():
    arrays = rows_of(105)
    data = Transitions(*(arrays[key] for key in KEYS))
    write_minari("droco-lite/other/rows-v0", data, {})
    assert read_minari("droco-lite/other/rows-v0").observation_size == 105
    with pytest.raises(DataError, match="walker2d has 17"):
        read_minari("droco-lite/other/rows-v0", "walker2d")
    assert read_minari("droco-lite/other/rows-v0", "ant").observation_size == 27
    assert of_environment("Ant-v4") == of_environment("Ant-v5") == "ant"
    assert of_environment("AntWithABall-v0") is None


def test_ant_v5_is_cut_where_no_robot_is_named():
    env = gymnasium.make("Ant-v5")
    states = np.array([env.reset(seed=0)[0]] * 3)
    buffer = EpisodeBuffer(
        observations=states, actions=np.zeros((2, 8), np.float32), rewards=[0.0, 0.0],
        terminations=[False] * 2, truncations=[False, True], infos={},
    )  # fmt: skip
    with pytest.warns(UserWarning):
        minari.create_dataset_from_buffers("other/crawler-v0", [buffer], env="Ant-v5")
    assert states.shape[1] == 105 and load("other/crawler-v0").observation_size == 27


def test_the_record_says_which_columns_are_contact_forces():
    ant = get_robot("ant")
    assert with_contacts(None, 105, 8) is with_contacts("ant", 111, 8) is ant
    assert with_contacts("ant", 27, 8) is with_contacts("ant", 105, 6) is None
    assert [name for name in ROBOTS if with_contacts(name, 105, 8)] == ["ant"]
    hopper = get_robot("hopper")
    with pytest.raises(DataError, match="here: Hopper has 11 observation columns, not 12"):
        without_contacts(hopper, np.zeros((1, 12)), np.zeros((1, 12)), np.zeros(1), None, "here")
