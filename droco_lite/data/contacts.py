"""Data of a robot with contact forces after its own observation columns: which, and without them.

Only a robot's record says that such columns are its own (``contact_columns``); today that is Ant's.
Another robot may have as many columns, and they are what it observes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from droco_lite.data.transitions import DataError
from droco_lite.robots import ROBOTS, get_robot
from droco_lite.robots.robot import Robot


def with_contacts(robot: str | None, columns: int, actions: int) -> Robot | None:
    """The robot whose contact forces stand in data of these columns; None where none's do.

    Args:
        robot: whose data they are; None where that is not known, and then every robot may be, but
            columns that are some robot's own are taken as they stand.
        columns, actions: observation and action columns of the data.

    Raises:
        ValueError: there is no such robot.
    """
    specs = list(ROBOTS.values()) if robot is None else [get_robot(robot)]
    if any((spec.observation_size, spec.action_size) == (columns, actions) for spec in specs):
        return None
    for spec in specs:
        if columns in spec.contact_columns and actions == spec.action_size:
            return spec
    return None


def of_environment(environment: str) -> str | None:
    """The robot of Gymnasium's environment of that id, whatever its version; None for others."""
    name = re.sub(r"-v\d+$", "", environment)
    for spec in ROBOTS.values():
        if name == re.sub(r"-v\d+$", "", spec.gym_id):
            return spec.name
    return None


def weight_in(spec: Robot, about: dict[str, Any]) -> float | None:
    """The weight of the contact cost in a Minari set's rewards, as far as its environment says it.

    Args:
        spec: the robot.
        about: what :func:`droco_lite.data.minari_store.describe` says.
    """
    weight = about["environment_kwargs"].get("contact_cost_weight")
    if weight is None and (about["environment"] or "").startswith(spec.gym_id):
        return spec.contact_cost_weight  # which that environment used
    return weight


def without_contacts(
    spec: Robot,
    observations: np.ndarray,
    next_observations: np.ndarray,
    rewards: np.ndarray,
    weight: float | None,
    where: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut a robot's contact forces off, and give back their cost to the rewards.

    Args:
        spec: the robot.
        observations, next_observations: ``[n, S]`` (returned as they are) or with contact columns.
        rewards: ``[n]``.
        weight: of the squared forces in the rewards.
        where: the file or data set, named in the error.

    Returns:
        Observations ``[n, S]``, next observations ``[n, S]`` and rewards ``[n]``.

    Raises:
        DataError: another number of columns, or forces without a weight.
    """
    columns, own = observations.shape[1], spec.observation_size
    if columns == own:
        return observations, next_observations, rewards
    if columns not in spec.contact_columns:
        *first, last = (own, *spec.contact_columns)
        known = f"{', '.join(map(str, first))} or {last}" if first else f"{last}"
        title = spec.title or spec.name
        raise DataError(f"{where}: {title} has {known} observation columns, not {columns}")
    squared = np.square(next_observations[:, own:].astype(np.float64)).sum(1)
    forces = bool(squared.any() or observations[:, own:].any())
    rewards = rewards + needed_weight(spec, forces, columns, weight, where) * squared
    return observations[:, :own], next_observations[:, :own], rewards


def needed_weight(
    spec: Robot, forces: bool, columns: int, weight: float | None, where: str
) -> float:
    """The weight to give back: 0 where all forces are zero.

    Raises:
        DataError: there are forces, and no weight.
    """
    if weight is None and forces:
        raise DataError(
            f"{where}: {columns} observation columns, with contact forces that are not zero. "
            "Without them the reward lacks a reason for its contact cost: pass "
            f"contact_cost_weight={spec.contact_cost_weight:g} if the rewards come from "
            f"Gymnasium's {spec.title or spec.name} with its default weight, or 0 if they hold no "
            "contact cost"
        )
    return weight if forces and weight is not None else 0.0
