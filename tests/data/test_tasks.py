"""The task table, and making a task's two data sets."""

import json
from dataclasses import replace

import numpy as np
import pytest

from droco_lite.data import TASKS, Task, Transitions, make_task, minari_store, tasks
from droco_lite.data.tasks import dataset_id, make_dataset, sizes_of
from droco_lite.robots import ROBOTS, Shift, make_model


class Constant:
    """Stands in for a behaviour policy: always the same action."""

    def __init__(self, value, size, **card):
        self.value, self.size = value, size
        self.card = {"algorithm": "constant", "steps": 10, "sha256": str(value), **card}

    def __call__(self, observations):
        return np.full((len(observations), self.size), self.value, np.float32)


@pytest.fixture
def constants(monkeypatch, tmp_path):
    """Constant policies of all qualities, and an empty place for Minari."""
    size = {name: spec.action_size for name, spec in ROBOTS.items()}
    level = {"medium": 0.0, "expert": 0.5}
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr(
        tasks, "load_behaviour", lambda robot, shift, q: Constant(level[q], size[robot], quality=q)
    )
    monkeypatch.setattr(
        tasks,
        "load_snapshots",
        lambda robot, shift: [Constant(v, size[robot], steps=s) for s, v in ((1, -0.5), (2, 0.5))],
    )
    return tmp_path


def test_the_table_has_the_papers_tasks_and_every_shift_builds():
    shifts = sum(len(robot.source_shifts) for robot in ROBOTS.values())
    assert len(TASKS) == len(set(TASKS)) == 4 * shifts
    for robot, family in {(task.robot, task.family) for task in TASKS}:
        shift = Shift.parse(ROBOTS[robot].source_shifts[family])
        assert shift.family == {"kinematic": "kinematic", "morphology": "morph"}[family]
        make_model(robot, shift)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_names_round_trip(task):
    assert Task.parse(str(task)) == task
    assert Task.parse(task) is task


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("halfcheetah", "is not ROBOT-QUALITY"),
        ("humanoid-medium", "robot: 'humanoid' is not one of hopper"),
        ("hopper-good", "quality: 'good' is not one of medium"),
        ("hopper-medium-gravity", "quality: 'medium-gravity'"),
        ("", "is not ROBOT-QUALITY"),
        ("hopper-medium@", "is not ROBOT-QUALITY"),
        ("hopper-medium@magnetism", "shift: cannot read 'magnetism'"),
    ],
)
def test_unknown_tasks(text, message):
    with pytest.raises(ValueError, match=message):
        Task.parse(text)


def test_a_source_shift_of_the_users_own():
    task = Task.parse("hopper-medium@otdf-kinematic-thighfootjnt-hard")
    assert task.source_shift == "otdf-kinematic-thighfootjnt-hard"
    assert Task.parse(str(task)) == task
    assert Task.parse("hopper-medium@gravity-up-0.50").source_shift == "gravity-up-0.5"


def test_sizes():
    assert sizes_of("hopper-medium") == (1_000_000, 100_000)
    assert sizes_of("hopper-medium-replay") == (500_000, 50_000)
    assert sizes_of("hopper-medium", target_size=5_000) == (1_000_000, 5_000)
    assert sizes_of("hopper-medium", 20_000, 0.25) == (20_000, 5_000)
    with pytest.raises(ValueError, match="size must be"):
        sizes_of("hopper-medium", 0)
    with pytest.raises(ValueError, match="size must be"):
        sizes_of("hopper-medium", 100, 1.5)


def test_make_task_without_a_cache(constants):
    made = make_task("hopper-medium", source_size=400, target_size=0.25, cache=False)
    assert (len(made.source), len(made.target)) == (400, 100)
    assert made.source_card["shift"] == Task.parse("hopper-medium").source_shift
    assert made.target_card["shift"] == "nominal"
    again = make_task("hopper-medium", source_size=400, target_size=100, cache=False)
    np.testing.assert_array_equal(made.source.observations, again.source.observations)
    assert not np.array_equal(made.source.observations[0], made.target.observations[0])
    other = make_task("hopper-medium", source_size=400, target_size=100, cache=False, seed=1)
    assert not np.array_equal(made.source.observations, other.source.observations)
    assert list(constants.iterdir()) == []


def test_further_source_robots_give_equal_parts(constants):
    both = make_task(
        "walker2d-medium", source_size=101, target_size=20, more_shifts=["morph-torso-hard"],
        cache=False,
    )  # fmt: skip
    one = make_task("walker2d-medium", source_size=50, target_size=20, cache=False)
    other = make_task("walker2d-medium-morphology", source_size=51, target_size=20, cache=False)
    for column in ("observations", "actions", "next_observations_target"):
        parts = [getattr(each.source, column) for each in (one, other)]
        np.testing.assert_array_equal(getattr(both.source, column), np.concatenate(parts))
    np.testing.assert_array_equal(both.target.observations, one.target.observations)
    assert both.source_card["shift"] == "kinematic-thighjnt-hard morph-torso-hard"
    assert [part["rows"] for part in both.source_card["parts"]] == [50, 51]


@pytest.mark.parametrize(
    "further", [["kinematic-thighjnt-hard"], ["morph-torso-hard"] * 2, ["no-such"]]
)
def test_further_source_robots_that_cannot_be(further):
    with pytest.raises(ValueError, match="shift"):
        make_task("walker2d-medium", source_size=10, target_size=5, more_shifts=further)


@pytest.mark.parametrize(
    ("quality", "first", "second"), [("medium-expert", 0.5, 0.0), ("medium-replay", -0.5, 0.5)]
)
def test_mixed_qualities_are_equal_parts(constants, quality, first, second):
    data, card = make_dataset("hopper", "nominal", quality, 601, cache=False)
    means = [data.actions[:300].mean(), data.actions[300:].mean()]
    np.testing.assert_allclose(means, [first, second], atol=0.03)
    assert data.truncations[299] or data.truncations[300]  # parts do not run into each other
    assert len(card["behaviour"]) == 2


def test_medium_replay_says_what_it_is(constants):
    """Policies spread over a training stand in for a replay buffer, and the set says so."""
    _, card = make_dataset("hopper", "nominal", "medium-replay", 300)
    name = dataset_id("hopper", "nominal", "medium-replay", 300)
    said = minari_store.describe(name)["description"]
    assert "equal parts from 2 policies spread over one training (after 1, 2 steps)" in said
    assert "not a replay buffer" in said
    assert [policy["steps"] for policy in card["behaviour"]] == [1, 2]


def test_the_cache_is_used_and_follows_the_policies(constants, monkeypatch):
    def make():
        return make_dataset("hopper", "nominal", "medium", 150)

    first, card = make()
    calls = []
    real = tasks.collect
    monkeypatch.setattr(tasks, "collect", lambda *a, **k: calls.append(1) or real(*a, **k))
    second, again = make()
    assert not calls
    assert again == card
    for name in Transitions.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    monkeypatch.setattr(tasks, "load_behaviour", lambda *a: Constant(0.9, 3))
    third, _ = make()
    assert calls
    assert third.actions.mean() > 0.8
    monkeypatch.setitem(ROBOTS, "hopper", replace(ROBOTS["hopper"], action_noise=0.3))
    assert make()[1]["action_noise"] == 0.3

    def gone(*arguments):
        raise FileNotFoundError("no such behaviour policy")

    monkeypatch.setattr(tasks, "load_behaviour", gone)
    assert make()[1]["action_noise"] == 0.3  # what is there serves without the policies
    with pytest.raises(FileNotFoundError):
        make_dataset("hopper", "nominal", "medium", 151)


def test_the_card_matches_the_data_and_minaris_metadata(constants):
    data, card = make_dataset("hopper", "kinematic-footjnt-hard", "medium", 300, seed=3)
    name = dataset_id("hopper", "kinematic-footjnt-hard", "medium", 300, 3)
    assert name == "droco-lite/hopper/kinematic-footjnt-hard-medium-300-seed3-v0"
    metadata = json.loads((constants / name / "data/metadata.json").read_text())
    assert metadata["droco_lite"] == card
    assert metadata["total_steps"] == card["rows"] == len(data) == 300
    assert metadata["total_episodes"] == card["episodes"] == len(data.episode_ends())
    whole = data.episode_returns()[:-1]
    assert card["return_mean"] == pytest.approx(whole.mean(), abs=0.06)
    score = 100 * (whole.mean() + 20.272305) / (3234.3 + 20.272305)
    assert card["score"] == pytest.approx(score, abs=0.06)


def test_returns_of_cut_episodes_are_left_out():
    rows = 2500
    data = tasks.empty(rows, 17, 6)
    data.rewards[:] = 1
    data.truncations[[999, 1999, 2499]] = True
    assert tasks.whole_episode_returns(data, 1000).tolist() == [1000, 1000]
    assert tasks.whole_episode_returns(data.take(slice(0, 10)), 1000).tolist() == [10]


def test_missing_policies_are_listed(monkeypatch):
    def load(robot, shift, quality):
        if shift != "nominal":
            raise FileNotFoundError

    monkeypatch.setattr(tasks, "load_behaviour", load)
    assert tasks.missing_policies("hopper-medium") == ["source"]


def test_halfcheetahs_shipped_data_are_what_the_card_of_the_policy_says(tmp_path, monkeypatch):
    """The real policy, small: the noise costs it a part of its return, not the most of it."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    shift = Task.parse("halfcheetah-medium").source_shift
    _, card = make_dataset("halfcheetah", shift, "medium", 3000, cache=False)
    policy = card["behaviour"][0]
    assert 0.6 * policy["return_mean"] < card["return_mean"] < 1.3 * policy["return_mean"]
    assert not minari_store.list_local()
