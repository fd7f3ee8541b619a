"""Gymnasium's environments on shifted models: ``ShiftedHopper`` and its like, one class a robot.

A class is made when it is asked for: ``from droco_lite.robots.shifted import ShiftedAnt``.
"""

from __future__ import annotations

import mujoco
from gymnasium.utils import EzPickle

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


def __getattr__(name: str) -> type:
    for robot, record in ROBOTS.items():
        if name == f"Shifted{record.title}" and record.gym_class:
            doc = f"``{record.gym_id}`` under a shift; further arguments go to Gymnasium's class."
            parts = {"robot": robot, "__module__": __name__, "__doc__": doc}
            globals()[name] = type(name, (_Shifted, record.gymnasium_class()), parts)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
