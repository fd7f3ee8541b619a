"""Gymnasium's two interfaces to the shifted robots: registered ids, and a vector environment.

``import droco_lite.robots`` registers, for Hopper, Walker2d, HalfCheetah and Ant,

* ``droco_lite/Hopper-v0``: any shift, ``gymnasium.make(..., shift="morph-torso-easy")``;
* ``droco_lite/HopperKinematic-v0`` and Morph, Gravity, Friction: one family,
  ``gymnasium.make(..., variant="footjnt", strength=0.5)`` (the family's first variant and strength
  1 where they are left out).

``gymnasium.make_vec`` with the same arguments gives a :class:`VectorRobot`, which simulates all
rows in one batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gymnasium

from droco_lite.robots.registry import ROBOTS, get_robot
from droco_lite.robots.shifts import NOMINAL, SHIFTS, Shift

if TYPE_CHECKING:
    from droco_lite.robots.vector import VectorRobot

__all__ = [
    "environment_id",
    "make_environment",
    "make_vector_environment",
    "register",
    "unregister",
]


def environment_id(robot: str, family: str | None = None) -> str:
    """The registered id, such as ``droco_lite/HopperKinematic-v0``.

    Raises:
        ValueError: for an unknown robot or a family that has no id.
    """
    title = get_robot(robot).title
    if family is not None and family not in SHIFTS[robot]:
        raise ValueError(f"family: {family!r} is not one of {', '.join(SHIFTS[robot])}")
    return f"droco_lite/{title}{(family or '').capitalize()}-v0"


def make_environment(
    robot: str,
    family: str | None = None,
    *,
    shift: Shift | str = NOMINAL,
    variant: str | None = None,
    strength: float | None = None,
    **kwargs,
) -> gymnasium.Env:
    """Entry point of the registered ids: one environment, without its time limit."""
    from droco_lite.robots import shifted

    return shifted.environment(robot, _chosen(robot, family, shift, variant, strength), **kwargs)


def make_vector_environment(
    robot: str,
    family: str | None = None,
    *,
    shift: Shift | str = NOMINAL,
    variant: str | None = None,
    strength: float | None = None,
    num_envs: int = 1,
    **kwargs,
) -> VectorRobot:
    """Vector entry point of the registered ids: a batch."""
    from droco_lite.robots.vector import VectorRobot

    chosen = _chosen(robot, family, shift, variant, strength)
    return VectorRobot(robot, num_envs, chosen, **kwargs)


def _chosen(robot, family, shift, variant, strength) -> Shift:
    if family is None:
        if variant is not None or strength is not None:
            raise ValueError(
                f"variant, strength: {environment_id(robot)} takes shift='FAMILY-VARIANT-LEVEL'; "
                f"ids such as {environment_id(robot, 'kinematic')} take these"
            )
        return Shift.parse(shift)
    if shift != NOMINAL:
        raise ValueError(f"shift: {environment_id(robot, family)} takes variant and strength")
    variant = SHIFTS[robot][family][0] if variant is None else variant
    return Shift(family, variant, 1.0 if strength is None else strength)


def register(*robots: str) -> None:
    """Register robots' ids with Gymnasium; ``import droco_lite.robots`` has done so for its own."""
    for robot in robots or ROBOTS:
        for family in (None, *SHIFTS[robot]):
            name = environment_id(robot, family)
            if name not in gymnasium.registry:
                gymnasium.register(
                    name,
                    # As text, so that an EnvSpec can be written to JSON, which Minari does.
                    entry_point=f"{__name__}:make_environment",
                    vector_entry_point=f"{__name__}:make_vector_environment",
                    max_episode_steps=ROBOTS[robot].max_episode_steps,
                    kwargs={"robot": robot, "family": family},
                )


def unregister(robot: str) -> None:
    """Take a robot's ids out of Gymnasium's registry."""
    for family in (None, *SHIFTS[robot]):
        gymnasium.registry.pop(environment_id(robot, family), None)


register()
