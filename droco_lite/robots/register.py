"""Robots of the reader's own: a MuJoCo file, three functions, and the shifts worth trying.

::

    register_robot(
        "pendulum",
        "pendulum.xml",
        observation=lambda s: np.concatenate([np.cos(s.qpos), np.sin(s.qpos), s.qvel], axis=1),
        reward=lambda s, a, after: np.cos(after.qpos[:, 0]) - 0.01 * (a**2).sum(1),
        frame_skip=5,
        shifts={"kinematic": {"range": {"hinge": 0.5}}, "morph": {"length": {"rod": 1.5}}},
    )
    rollout("pendulum", ["nominal", "gravity-up-0.5"], policy, episodes=10, seed=0)

From then on, and until the process ends, the name is one of ``ROBOTS``: in tasks, in the simulator,
in collecting data and checking them, in training, evaluating and drawing.  Put the call into a file
of its own and every command takes it: ``droco-lite train pendulum-medium --robot-file FILE``.
Every shift is an edit of the model by program, as with the robots that come with the package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from droco_lite.robots import gym_ids, trial
from droco_lite.robots.families import task_families
from droco_lite.robots.own import OwnRobot, State, compiled, load_xml, names_of
from droco_lite.robots.registry import ROBOTS, get_robot
from droco_lite.robots.robot import Robot, Start
from droco_lite.robots.robot_file import current_file
from droco_lite.robots.shifts import SHIFTS, Shift, shift_values

__all__ = ["register_robot", "unregister_robot"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def register_robot(
    name: str,
    xml: str | os.PathLike,
    *,
    observation: Callable[[State], np.ndarray],
    reward: Callable[[State, np.ndarray, State], np.ndarray],
    terminated: Callable[[State], np.ndarray] | None = None,
    frame_skip: int = 1,
    reset_noise: float = 0.01,
    reset: Callable[[Start, np.random.Generator], None] | None = None,
    max_episode_steps: int = 1000,
    min_return: float = float("nan"),
    max_return: float = float("nan"),
    shifts: Mapping[str, Mapping[str, Any]] | None = None,
    source_shifts: Mapping[str, str] | None = None,
    policies: Mapping[str, Mapping[str, Callable]] | None = None,
    clip_shift: tuple[str, str] | None = None,
    action_noise: float = 0.1,
    fields_current: bool = True,
    view: Sequence[float] | None = None,
) -> OwnRobot:
    """Make a MuJoCo model one of ``ROBOTS``.

    The three functions see many robots at once and must treat each row by itself.  They know a
    robot by its :class:`State`: positions and velocities of the joints, and where bodies, geoms and
    sites are (``s.site("tip")``, ``s.xpos``); contact forces and accelerations are not at hand.
    Actions lie in [-1, 1] here, whatever the motors' ``ctrlrange``: the ends stand for its ends.
    Registering a name of your own again replaces it, so that a notebook's cell can run twice.

    Args:
        name: lower-case letters, digits and ``_``.
        xml: path of a MuJoCo file, or its text (which begins with ``<``).
        observation: s -> [n, S], s being a :class:`State`.
        reward: (s, a, s') -> [n], the actions a [n, A] clipped to [-1, 1].
        terminated: s' -> bool [n]; None for a robot whose episodes end by time alone.
        frame_skip: physics steps in one environment step.
        reset_noise: half-width of the uniform noise on the model's start, positions and velocities.
        reset: (start, rng) -> None, puts the start of an episode into a :class:`Start` in place of
            the noise: ``start.keyframe("stand")``, ``start.qpos[2:] = goal``.  All chance has to
            come from ``rng``.
        max_episode_steps: steps after which an episode is truncated.
        min_return, max_return: returns of a random and of a good policy, which make 0 and 100 of
            the score; without them every score is NaN, and returns speak for themselves.
        shifts: family -> variant -> what changes at strength 1.

            * ``kinematic``: joint -> share of its range that is left, such as
              ``{"elbow": {"elbow_joint": 0.2}}``;
            * ``morph``: part -> factor on its size, such as ``{"arm": {"forearm": 0.7}}``.  A part
              is a body (its geoms, and where its joints, sites and child bodies sit), or a geom by
              itself; masses follow where they come from densities.  In place of the parts, a
              function ``edit(spec: mujoco.MjSpec, strength: float)`` may change anything that
              keeps the number of joints, motors, bodies and geoms.

            A sequence in place of a number gives the values at evenly spaced strengths from 0,
            where it has to begin with 1.  ``gravity`` and ``friction`` (of geoms; contact pairs
            keep theirs) come by themselves, as with the other robots.  Any other family of
            ``FAMILIES`` takes the numbers that its edit asks for, such as ``{"up": {"factor":
            5.0}}``: a number where strength 0 is a factor of 1, else a sequence from strength 0.
        source_shifts: ``kinematic`` or ``morphology`` -> shift of the source robot, such as
            ``{"kinematic": "kinematic-elbow-hard"}``; it completes the tasks ``NAME-medium`` and
            ``NAME-medium-morphology``.
        policies: shift -> quality (``medium``, ``expert``) -> your controller, from observations
            [n, S] to actions [n, A] in [-1, 1], with which ``make_task`` makes data.
        clip_shift: the shift that clips of the live lab show, without its strength, and what it
            means in words, such as ``("kinematic-elbow", "an elbow that lost range")``; None takes
            the first that is not the source's own.
        action_noise: standard deviation of the noise that it adds to their actions.
        fields_current: whether places of bodies and the like belong to the state reached.  False
            leaves them one physics step behind, as Gymnasium's environments see them.
        view: metres from camera to robot, degrees about the vertical, degrees above the ground
            (negative looks down), height looked at; None looks from the side.

    Returns:
        The robot, with ``observation_size`` and ``action_size`` as found out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the name belongs to the package; the model does not compile or has motors
            without ``ctrlrange``; a function returns the wrong shape or something not finite, or
            mixes rows; a shift names what the model does not have.  Nothing is registered then.
    """
    if name in ROBOTS and not ROBOTS[name].own:
        raise ValueError(f"name: {name!r} comes with the package; choose another")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(
            f"name: {name!r} should be lower-case letters, digits and _, such as 'my_robot'"
        )
    trial.check_numbers(name, frame_skip, reset_noise, max_episode_steps, min_return, max_return)
    text = isinstance(xml, str) and xml.lstrip().startswith("<")
    written, path = (str(xml), "") if text else ("", str(Path(xml).expanduser().resolve()))
    edited = load_xml(written, path)
    total_mass = edited.compiler.settotalmass
    model = compiled(edited, path)
    table, edits = trial.shift_table(name, model, shifts or {})
    file = current_file()
    robot = OwnRobot(
        name=name, title=name, gym_id=f"droco_lite/{name}-v0", asset=path, xml=written,
        observation_size=0, action_size=model.nu, frame_skip=frame_skip, reset_noise=reset_noise,
        min_return=float(min_return), max_return=float(max_return),
        total_mass=total_mass if total_mass > 0 else None, max_episode_steps=max_episode_steps,
        positions=model.nq, velocities=model.nv, control_range=trial.control_range(model, path),
        observation_of=observation, reward_of=reward, terminated_of=terminated, reset_of=reset,
        shifts=table, edits=edits, fields_current=fields_current, ids=names_of(model),
        view=trial.from_the_side(model) if view is None else _camera(view),
        source_shifts=dict(source_shifts or {}), policies=dict(policies or {}),
        clip_shift=clip_shift, action_noise=action_noise, file=str(file or ""),
    )  # fmt: skip
    robot = replace(robot, **trial.discover(robot, model))
    before = _leave(name)
    try:
        _enter(robot)
        _check_tasks(robot)
        robot = replace(robot, fingerprint=trial.try_out(robot, model))
        _enter(robot)
    except BaseException:
        _leave(name)
        if before is not None:
            _enter(before)
        raise
    return robot


def _camera(view: Sequence[float]) -> tuple[float, float, float, float]:
    distance, azimuth, elevation, lift = map(float, view)
    return distance, azimuth, elevation, lift


def unregister_robot(name: str) -> None:
    """Forget a robot of one's own.

    Raises:
        ValueError: there is none of that name, or it comes with the package.
    """
    if not get_robot(name).own:
        raise ValueError(f"name: {name!r} comes with the package and stays")
    _leave(name)


def _enter(robot: Robot) -> None:
    ROBOTS[robot.name] = robot
    gym_ids.register(robot.name)


def _leave(name: str) -> Robot | None:
    """Take a robot of one's own out again, and give it back."""
    if name not in ROBOTS:
        return None
    gym_ids.unregister(name)
    return ROBOTS.pop(name)


def _check_shift(robot: OwnRobot, where: str, shift: Shift | str) -> None:
    """Refuse what is no shift of this robot, with an example of one that it has."""
    try:
        shift_values(robot.name, shift)
    except ValueError as error:
        family, variants = next(iter(SHIFTS[robot.name].items()))
        reason = "" if str(error).startswith("shift: cannot read") else f" ({error})"
        raise ValueError(
            f"robot {robot.name!r}: {where}, which is no shift of this robot; write 'nominal' or "
            f"FAMILY-VARIANT-LEVEL, such as '{family}-{variants[0]}-hard'{reason}"
        ) from None


def _check_tasks(robot: OwnRobot) -> None:
    """Whether the shifts that tasks are made of exist; their names kept as they are written."""
    for family, shift in robot.source_shifts.items():
        if family not in task_families():
            raise ValueError(
                f"robot {robot.name!r}: source_shifts has {family!r}; give "
                f"{' or '.join(task_families())}"
            )
        _check_shift(robot, f"source_shifts[{family!r}] is {shift!r}", shift)
    if robot.clip_shift is not None:
        _check_clip_shift(robot, robot.clip_shift)
    for shift, qualities in robot.policies.items():
        _check_shift(robot, f"policies has the key {shift!r}", shift)
        if str(Shift.parse(shift)) != shift:
            raise ValueError(
                f"robot {robot.name!r}: policies: write {Shift.parse(shift)}, not {shift}"
            )
        for quality, policy in qualities.items():
            if quality not in ("medium", "expert") or not callable(policy):
                raise ValueError(
                    f"robot {robot.name!r}: policies[{shift!r}] should map medium or expert to a "
                    f"function, got {quality!r}: {policy!r}"
                )
    if not (np.isfinite(robot.action_noise) and robot.action_noise >= 0):
        raise ValueError(
            f"robot {robot.name!r}: action_noise is finite and not negative: {robot.action_noise}"
        )


def _check_clip_shift(robot: OwnRobot, given: tuple[str, str]) -> None:
    """Refuse anything but a variant of this robot and words."""
    try:
        text, words = given
        shift = Shift.parse(f"{text}-hard")
        if not isinstance(words, str):
            raise TypeError
    except (TypeError, ValueError):
        raise ValueError(
            f"robot {robot.name!r}: clip_shift is {given!r}; write FAMILY-VARIANT and "
            "words for it, such as ('gravity-up', 'more gravity')"
        ) from None
    _check_shift(robot, f"clip_shift names {text!r}", shift)
