"""The families of shifts: what each edits in a model, and how its numbers go on between knots.

A new family is an entry of :data:`FAMILIES`, and in each robot's record the variants that the robot
has of it, unless the family gives all robots the same (``everywhere``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from droco_lite.robots.robot import Robot

if TYPE_CHECKING:
    import mujoco

    from droco_lite.robots.shifts import Shift

__all__ = ["FAMILIES", "Family", "task_families"]

# Beyond "hard" the joints close further, torsos and forces grow on. Limbs that shrink stop at 1:
# past it they would turn inside out, which MuJoCo compiles without a word.
BEYOND = 4 / 3


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of change of a robot's dynamics.

    Attributes:
        edit: (model spec, robot, shift, numbers by quantity, whether the floor is scaled too) ->
            None, changes the model before it compiles.
        geometric: numbers between knots are interpolated as factors rather than on a line.
        most: largest strength that makes sense; a robot's ``unbounded`` variants go to 4/3.
        least: bound below on every number.
        everywhere: variants that every robot has, as in a robot's ``shifts``.
        evaluated: whether evaluations take it by default.
        task: DROCO's name of the family in tasks whose source it shifts; empty if it makes none.
    """

    edit: Callable[..., None]
    geometric: bool = False
    most: float = BEYOND
    least: float | None = None
    everywhere: Mapping[str, Mapping[str, tuple]] = field(default_factory=dict)
    evaluated: bool = True
    task: str = ""


def limit_joints(
    spec: mujoco.MjSpec, robot: Robot, shift: Shift, shares: dict[str, float], floor: bool
) -> None:
    """Shrink each range towards its point nearest zero, which every start pose keeps."""
    for name, share in shares.items():
        joint = spec.joint(name)
        low, high = joint.range
        anchor = np.clip(0.0, low, high)
        joint.range = [anchor + share * (low - anchor), anchor + share * (high - anchor)]


def edit_limbs(
    spec: mujoco.MjSpec, robot: Robot, shift: Shift, values: dict[str, float], floor: bool
) -> None:
    """Let the robot's own function change its limbs."""
    robot.edits[shift.family, shift.variant](spec, **values)


def scale_gravity(
    spec: mujoco.MjSpec, robot: Robot, shift: Shift, values: dict[str, float], floor: bool
) -> None:
    """Multiply gravity."""
    spec.option.gravity = np.asarray(spec.option.gravity) * values["factor"]


def scale_friction(
    spec: mujoco.MjSpec, robot: Robot, shift: Shift, values: dict[str, float], floor: bool
) -> None:
    """Multiply the sliding friction of every geom."""
    for geom in spec.geoms:
        if floor or geom.name != "floor":
            friction = np.array(geom.friction)
            friction[0] *= values["factor"]
            geom.friction = friction


_DOWN_UP = {"down": {"factor": (1.0, 0.1)}, "up": {"factor": (1.0, 5.0)}}

#: Every family by name. ODRL's four, then OTDF's three.
FAMILIES: dict[str, Family] = {
    "kinematic": Family(edit=limit_joints, least=0.01, task="kinematic"),
    "morph": Family(edit=edit_limbs, most=1.0, task="morphology"),
    "gravity": Family(edit=scale_gravity, geometric=True, everywhere=_DOWN_UP),
    "friction": Family(edit=scale_friction, geometric=True, everywhere=_DOWN_UP),
    "otdf-kinematic": Family(edit=limit_joints, most=1.0, evaluated=False),
    "otdf-morph": Family(edit=edit_limbs, most=1.0, evaluated=False),
    "otdf-gravity": Family(edit=scale_gravity, geometric=True, most=1.0, evaluated=False),
}


def task_families() -> tuple[str, ...]:
    """Families of source shifts, by DROCO's names."""
    return tuple(family.task for family in FAMILIES.values() if family.task)
