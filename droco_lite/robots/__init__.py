"""The robots: what they are, how they are shifted, simulated in batches and drawn."""

from droco_lite.robots.batch import (
    BatchedRobot,
    Episode,
    RolloutResult,
    one_step,
    record,
    rollout,
    rollout_runs,
)
from droco_lite.robots.gym_ids import VectorRobot, environment_id
from droco_lite.robots.own import OwnRobot, State, register_robot, unregister_robot
from droco_lite.robots.render import Camera, clip_frames, filmstrip, range_poses, render, write_clip
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
from droco_lite.robots.specs import (
    REFERENCE_RETURNS,
    ROBOTS,
    RobotSpec,
    get_robot,
    reference_returns,
)

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
    "RobotSpec",
    "RolloutResult",
    "Shift",
    "State",
    "VectorRobot",
    "clip_frames",
    "environment_id",
    "filmstrip",
    "get_robot",
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
