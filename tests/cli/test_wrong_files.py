"""Wrong keys and kinds in experiment and study files are named with the file, never a traceback."""

import pytest

from droco_lite.evaluation.matrix import Study
from droco_lite.training.experiment import Experiment

TRAINING = {
    "task": "hopper-medium", "method": "iql", "runs": "[{}]", "shared": "{steps: 2}",
    "loop": "{episodes: 1}",
}  # fmt: skip
STUDY = {
    "tasks": "[hopper-medium]", "steps": "30", "seeds": "[0]", "arms": "[IQL*]",
    "evaluation": "{every: 10}",
}  # fmt: skip


def written(path, content, **other):
    lines = [f"{key}: {value}" for key, value in {**content, **other}.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"task": "{name: hopper-medium, sorce_size: 3}"}, "unknown key 'sorce_size'; expected"),
        ({"task": "{name: hopper-medium, source_size: many}"}, "source_size must be a number"),
        ({"task": "3"}, "'3' is not ROBOT-QUALITY"),
        ({"loop": "3"}, "loop must be keys with values, got 3"),
        ({"method": "[a]"}, r"method \['a'\] is none of"),
        ({"runs": "3"}, "runs must be a list, got 3"),
        ({"runs": "[]"}, "runs is empty"),
        ({"runs": "[a]"}, "mapping"),
        ({"seeds": "x"}, "seeds must be a list"),
        ({"shared": "3"}, "shared must be keys with values"),
    ],
)
def test_a_wrong_experiment_is_refused_by_file_and_key(tmp_path, other, said):
    path = written(tmp_path / "wrong.yaml", TRAINING, **other)
    with pytest.raises(ValueError, match=f"wrong.yaml.*{said}"):
        Experiment.read(path)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"settings": "{a: {method: nope}}", "arms": "[a]"}, "method 'nope' is none of iql"),
        ({"data": "{sorce_size: 3}"}, "data: unknown key 'sorce_size'"),
        ({"data": "3"}, "data must be keys with values"),
        ({"tasks": "3"}, "tasks must be a list"),
        ({"seeds": "3"}, "seeds must be a list"),
        ({"arms": "3"}, "arms must be a list"),
        ({"evaluation": "{evry: 10}"}, "evry"),
        ({"evaluation": "{every: 0}"}, "every must be at least 1"),
        ({"steps": "many"}, "steps must be a whole number"),
    ],
)
def test_a_wrong_study_is_refused_by_file_and_key(tmp_path, other, said):
    path = written(tmp_path / "wrong.yaml", STUDY, **other)
    with pytest.raises(ValueError, match=f"wrong.yaml.*{said}"):
        Study.read(path)


def test_the_files_that_were_spoiled_are_right_otherwise(tmp_path):
    assert Study.read(written(tmp_path / "study.yaml", STUDY)).steps == 30
    assert Experiment.read(written(tmp_path / "one.yaml", TRAINING)).runs[0].steps == 2


def test_a_file_that_is_not_there_is_refused_with_what_makes_one(tmp_path):
    for kind, said in (
        (Experiment, r"`droco-lite train hopper-medium --out FOLDER` writes .*experiment\.yaml"),
        (Study, "`droco-lite study list` names"),
    ):
        with pytest.raises(ValueError, match=f"none.yaml: cannot be read: .*no such file; {said}"):
            kind.read(tmp_path / "none.yaml")
        (tmp_path / "binary.yaml").write_bytes(b"task: \xff")
        with pytest.raises(ValueError, match=r"binary\.yaml: cannot be read"):
            kind.read(tmp_path / "binary.yaml")
