"""What a study may say; errors are found before data are made or anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from droco_lite.data import Task
from droco_lite.data.tasks import sizes_of
from droco_lite.evaluation.arms import file_name
from droco_lite.evaluation.attacks import Attack
from droco_lite.evaluation.suite import evaluated, grid
from droco_lite.robots import SHIFTS
from droco_lite.robots.shifts import shift_values

if TYPE_CHECKING:
    from droco_lite.evaluation.suite import Evaluation

#: Whole numbers of an evaluation, and the least that each may be.
LEAST = {"every": 1, "episodes": 1, "final_episodes": 0, "seed": 0}


def check_names(key: str, names: Sequence[str]) -> None:
    """Refuse no names, one twice, and two that differ in signs only.

    The latter would write over each other.

    Args:
        key: of the study's file.
        names: of tasks or arms.

    Raises:
        ValueError: the message names the key and the name.
    """
    found: dict[str, str] = {}
    for name in names:
        if name in found.values():
            raise ValueError(f"{key}: {name!r} is given twice")
        other = found.setdefault(file_name(name), name)
        if other != name:
            raise ValueError(
                f"{key}: {other!r} and {name!r} would share the folder {file_name(name)!r}; "
                "rename one of them"
            )
    if not found:
        raise ValueError(f"{key}: give at least one")


def check_sizes(tasks: Iterable[str], data: Mapping[str, Any]) -> None:
    """Refuse sizes and a seed that no data set can have, and a task's name among the options.

    Args:
        tasks: of the study.
        data: options of :func:`droco_lite.data.make_task`.

    Raises:
        ValueError: the message names the key.
    """
    if "name" in data:
        raise ValueError("data.name: tasks stand under the key 'tasks'")
    if data.get("seed", 0) < 0:
        raise ValueError(f"data.seed must be at least 0, got {data['seed']}")
    for key in ("source_size", "target_size"):
        if data.get(key) is not None:
            try:
                for task in tasks:
                    sizes_of(task, **{key: data[key]})
            except ValueError as error:
                raise ValueError(f"data.{key}: {error}") from error


def check_evaluation(tasks: Iterable[str], evaluation: Evaluation) -> None:
    """Refuse an evaluation that would fail after the training.

    Args:
        tasks: of the study, whose robots must have the families.
        evaluation: as the study's file has it.

    Raises:
        ValueError: the message names the key.
    """
    for key, least in LEAST.items():
        value = getattr(evaluation, key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"evaluation.{key} must be a whole number, got {value!r}")
        if value < least:
            raise ValueError(f"evaluation.{key} must be at least {least}, got {value}")
    for key in ("families", "strengths", "attacks"):
        values = getattr(evaluation, key)
        if isinstance(values, str) or len(set(values)) < len(values):
            raise ValueError(f"evaluation.{key} must be a list, nothing twice, got {values!r}")
    if wrong := [each for each in evaluation.strengths if not 0 < each <= 1]:
        raise ValueError(f"evaluation.strengths: {wrong[0]} does not lie in (0, 1]")
    try:
        for attack in evaluation.attacks:
            Attack.parse(attack)
    except ValueError as error:
        raise ValueError(f"evaluation.attacks: {error}") from error
    for robot in dict.fromkeys(Task.parse(task).robot for task in tasks):
        try:
            for shift in grid(robot, families_of(robot, evaluation), evaluation.strengths):
                shift_values(robot, shift)
        except ValueError as error:
            raise ValueError(f"evaluation.families: {error}") from error


def families_of(robot: str, evaluation: Evaluation) -> list[str]:
    """The families that policies of a robot are tried under.

    A robot of the user's own need not have every family of the default.

    Args:
        robot: name in :data:`~droco_lite.robots.ROBOTS`.
        evaluation: the study's.
    """
    usual = evaluated()
    return [f for f in evaluation.families if f in SHIFTS[robot] or f not in usual]
