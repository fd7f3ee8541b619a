"""Gymnasium's environments on shifted models: ``ShiftedHopper`` and its like, one class a robot.

A class is made when it is asked for: ``from droco_lite.robots.shifted import ShiftedAnt``.  Robots
of the reader's own, which Gymnasium has no class for, share :class:`OwnEnvironment`.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.utils import EzPickle

from droco_lite.robots.batch import BatchedRobot
from droco_lite.robots.drawing import render
from droco_lite.robots.registry import ROBOTS, get_robot
from droco_lite.robots.shifts import NOMINAL, Shift, make_model


class _Shifted(EzPickle):
    """Gymnasium's environment on our model; comes before Gymnasium's class."""

    robot: str
    width: int  # Gymnasium's own
    height: int

    def __init__(self, shift: Shift | str = NOMINAL, **kwargs):
        self.shift = Shift.parse(shift)
        super().__init__(**{**get_robot(self.robot).gym_kwargs, **kwargs})
        # Gymnasium's own __init__ noted its arguments, which are not ours.
        EzPickle.__init__(self, shift=str(self.shift), **kwargs)

    def _initialize_simulation(self):
        model = make_model(self.robot, self.shift)
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, self.width)
        model.vis.global_.offheight = max(model.vis.global_.offheight, self.height)
        return model, mujoco.MjData(model)


class OwnEnvironment(gymnasium.Env):
    """A robot of the reader's own behind ``gymnasium.Env``; its numbers are the batch's.

    ``gymnasium.make("droco_lite/NAME-v0", shift=...)`` gives it with its time limit.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (as in Gymnasium)

    def __init__(self, robot: str, shift: Shift | str = NOMINAL, render_mode: str | None = None):
        self.robot, self.shift, self.render_mode = robot, Shift.parse(shift), render_mode
        endless = np.iinfo(np.int64).max
        self._row = BatchedRobot(
            robot, [shift], [None], threads=1, max_steps=endless, dtype=np.float64
        )
        spec = self._row.spec
        self.metadata = {**self.metadata, "render_fps": round(1 / self._row.dt)}
        size = (spec.observation_size,)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, size, np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (spec.action_size,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        return self._row.reset(np.array([0]), [seed])[0], {}

    def step(self, action):
        observations, rewards, terminated, _ = self._row.step(np.asarray(action)[None])
        return observations[0], float(rewards[0]), bool(terminated[0]), False, {}

    def render(self):
        return render(self.robot, self.shift, self._row.qpos[0])


def environment(robot: str, shift: Shift | str, **kwargs) -> gymnasium.Env:
    """A robot's environment under a shift, without its time limit.

    Args:
        robot: name in :data:`~droco_lite.robots.ROBOTS`.
        kwargs: for Gymnasium's class; ``render_mode`` for a robot of the reader's own.

    Raises:
        ValueError: for an unknown robot or a shift that it does not have.
    """
    record = get_robot(robot)
    if record.own:
        return OwnEnvironment(robot, shift, **kwargs)
    return _class_of(f"Shifted{record.title}")(shift, **kwargs)


def _class_of(name: str) -> type:
    if name in globals():
        return globals()[name]
    for robot, record in ROBOTS.items():
        if name == f"Shifted{record.title}" and record.gym_class:
            doc = f"``{record.gym_id}`` under a shift; further arguments go to Gymnasium's class."
            parts = {"robot": robot, "__module__": __name__, "__doc__": doc}
            globals()[name] = type(name, (_Shifted, record.gymnasium_class()), parts)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __getattr__(name: str) -> type:
    return _class_of(name)
