"""What would fail hours later is refused when a study is read, by its key."""

from pathlib import Path

import pytest

from droco_lite.data import tasks
from droco_lite.evaluation import matrix
from droco_lite.evaluation.study import Evaluation, Job, Study
from droco_lite.studies import find, overview

RESULTS = Path(__file__).parents[2] / "results"
COMMITTED = sorted(
    path for name in ("study", "long", "matrix") for path in (RESULTS / name).glob("*.yaml")
)


def made(**changes):
    return Study(**{"tasks": ["hopper-medium"], "steps": 30_000, "arms": ["IQL*"], **changes})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("attacks", ["foo"], "evaluation.attacks: 'foo' is no attack"),
        ("attacks", ["noise-2"], "evaluation.attacks: 'noise-2' is no attack"),
        ("attacks", ["noise-0.1", "noise-0.1"], "evaluation.attacks must be a list, nothing twice"),
        ("attacks", "noise-0.1", "evaluation.attacks must be a list"),
        ("families", ["wind"], "evaluation.families: family 'wind' of hopper is none of"),
        ("families", ["morph", "morph"], "evaluation.families must be a list, nothing twice"),
        ("strengths", [2.0], r"evaluation.strengths: 2.0 does not lie in \(0, 1\]"),
        ("strengths", [1.0, 0.0], r"evaluation.strengths: 0.0 does not lie in \(0, 1\]"),
        ("every", 0, "evaluation.every must be at least 1, got 0"),
        ("episodes", 0, "evaluation.episodes must be at least 1, got 0"),
        ("episodes", 2.5, "evaluation.episodes must be a whole number, got 2.5"),
        ("final_episodes", -1, "evaluation.final_episodes must be at least 0"),
        ("seed", -1, "evaluation.seed must be at least 0"),
    ],
)
def test_an_evaluation_that_would_fail_after_the_training(key, value, said):
    with pytest.raises(ValueError, match=said):
        made(evaluation=Evaluation(**{key: value}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"source_size": 0}}, "data.source_size: size must be"),
        ({"data": {"target_size": 1.5}}, "data.target_size: size must be"),
        ({"data": {"seed": -1}}, "data.seed must be at least 0"),
        ({"data": {"name": "hopper-medium"}}, "data.name: tasks stand under the key"),
        ({"tasks": []}, "tasks: give at least one"),
        ({"arms": []}, "arms: give at least one"),
        ({"tasks": ["ant-medium", "ant-medium"]}, "tasks: 'ant-medium' is given twice"),
        ({"arms": ["IQL*", "DROCO", "IQL*"]}, r"arms: 'IQL\*' is given twice"),
        ({"arms": ["IQL*", "IQL"], "settings": {"IQL": {"method": "iql"}}}, "share the folder"),
        ({"settings": {"DRCO": {"method": "droco"}}}, "settings: 'DRCO' is no arm of the study"),
        (
            {"settings": {"IQL*": {"expectile": 2}}},
            r"settings of IQL\*: expectile must be at most 1",
        ),
    ],
)
def test_names_and_data_that_cannot_be(changes, said):
    with pytest.raises(ValueError, match=said):
        made(**changes)


def test_settings_of_an_arm_of_the_package_may_wait_for_it():
    assert made(settings={"DROCO": {"beta": 0.5}}).arms == ["IQL*"]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_committed_studies_are_read_as_before(path):
    assert Study.read(path).jobs()


def test_shipped_studies_are_read():
    names = [row["name"] for row in overview()]
    assert names and all(Study.read(find(name)).jobs() for name in names)
    assert len(COMMITTED) >= 14


def test_a_task_without_policies_is_refused_before_the_first_is_trained(monkeypatch, tmp_path):
    """No policy of medium-tuned ships; the study would have trained Hopper first."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setattr(Job, "train", lambda *given: pytest.fail("a job was trained"))
    some = made(tasks=["hopper-medium", "hopper-medium-tuned"])
    with pytest.raises(FileNotFoundError, match="--start medium"):
        matrix.work(some, tmp_path)
    assert not list(tmp_path.glob("hopper*"))


def test_data_that_are_cached_need_no_policy(monkeypatch):
    monkeypatch.setattr(tasks.minari_store, "is_local", lambda name: "tuned-300-seed2" in name)
    given = {"source_size": 300, "target_size": 200, "seed": 2}
    tasks.refuse_missing("hopper-medium-tuned", **given)
    for other in ({"cache": False}, {"seed": 1}, {"source_size": 301}):
        with pytest.raises(FileNotFoundError):
            tasks.refuse_missing("hopper-medium-tuned", **{**given, **other})
    tasks.refuse_missing("hopper-medium")
