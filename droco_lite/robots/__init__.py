"""The robots: what they are, how they are shifted, simulated in batches and drawn.

Their records and shifts are at hand at once; what needs MuJoCo is loaded when it is first used.
"""

import importlib
from typing import TYPE_CHECKING

from droco_lite.robots.gym_ids import environment_id
from droco_lite.robots.registry import (
    REFERENCE_RETURNS,
    ROBOTS,
    get_robot,
    reference_returns,
)
from droco_lite.robots.robot import Robot, Start
from droco_lite.robots.robot_file import load_robot_file
from droco_lite.robots.shifts import (
    LEVELS,
    NOMINAL,
    OTDF_SHIFTS,
    SHIFTS,
    Shift,
    make_model,
    max_strength,
    shift_values,
)

if TYPE_CHECKING:
    from droco_lite.robots.batch import BatchedRobot
    from droco_lite.robots.drawing import (
        Camera,
        clip_frames,
        filmstrip,
        range_poses,
        render,
        write_clip,
    )
    from droco_lite.robots.own import OwnRobot, State
    from droco_lite.robots.register import register_robot, unregister_robot
    from droco_lite.robots.rollouts import (
        Episode,
        RolloutResult,
        one_step,
        record,
        rollout,
        rollout_runs,
    )
    from droco_lite.robots.vector import VectorRobot

__all__ = [
    "LEVELS",
    "NOMINAL",
    "OTDF_SHIFTS",
    "REFERENCE_RETURNS",
    "ROBOTS",
    "SHIFTS",
    "BatchedRobot",
    "Camera",
    "Episode",
    "OwnRobot",
    "Robot",
    "RolloutResult",
    "Shift",
    "Start",
    "State",
    "VectorRobot",
    "clip_frames",
    "environment_id",
    "filmstrip",
    "get_robot",
    "load_robot_file",
    "make_model",
    "max_strength",
    "one_step",
    "range_poses",
    "record",
    "reference_returns",
    "register_robot",
    "render",
    "rollout",
    "rollout_runs",
    "shift_values",
    "unregister_robot",
    "write_clip",
]

_NEEDS_MUJOCO = {
    "batch": ("BatchedRobot",),
    "own": ("OwnRobot", "State"),
    "register": ("register_robot", "unregister_robot"),
    "drawing": ("Camera", "clip_frames", "filmstrip", "range_poses", "render", "write_clip"),
    "rollouts": ("Episode", "RolloutResult", "one_step", "record", "rollout", "rollout_runs"),
    "vector": ("VectorRobot",),
}
_HOME = {name: module for module, names in _NEEDS_MUJOCO.items() for name in names}


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    globals()[name] = getattr(module, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
