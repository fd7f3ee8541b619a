"""Walker2d: two legs, six motors, with D4RL's feet.

Their sliding friction is 0.9 and 1.9, which Gymnasium keeps in ``walker2d.xml``; ``Walker2d-v5``
itself loads ``walker2d_v5.xml``, where both have 1.9.
"""

from droco_lite.robots.edits import capsule, torso
from droco_lite.robots.robot import Robot

HIP, SHIN_FRAME, ANKLE = 1.05, 0.35, 0.10  # heights in the standing pose, metres


def is_healthy(qpos, qvel):
    """Gymnasium's range of heights and tilts."""
    z, angle = qpos[:, 1], qpos[:, 2]
    return (z > 0.8) & (z < 2.0) & (angle > -1.0) & (angle < 1.0)


def leg(spec, side: str, knee: float, ankle: float = ANKLE) -> None:
    """Move one knee (and ankle) to a height; thigh, shin and foot follow."""
    capsule(spec.geom(f"thigh{side}_geom"), (0, 0, 0), (0, 0, knee - HIP))
    capsule(spec.geom(f"leg{side}_geom"), (0, 0, knee - SHIN_FRAME), (0, 0, ankle - SHIN_FRAME))
    spec.joint(f"leg{side}_joint").pos = [0, 0, knee - SHIN_FRAME]
    if ankle != ANKLE:
        spec.joint(f"foot{side}_joint").pos = [-0.2, 0, ankle]
        spec.geom(f"foot{side}_geom").pos = [-0.1, 0, ankle]


def knees(spec, knee: float) -> None:
    """Both knees at one height."""
    leg(spec, "", knee)
    leg(spec, "_left", knee)


def right_leg(spec, knee: float, ankle: float) -> None:
    """OTDF's right leg alone."""
    leg(spec, "", knee, ankle)


ROBOT = Robot(
    name="walker2d",
    title="Walker2d",
    gym_id="Walker2d-v5",
    gym_class="gymnasium.envs.mujoco.walker2d_v5:Walker2dEnv",
    gym_kwargs={"xml_file": "walker2d.xml"},
    asset="walker2d.xml",
    observation_size=17,
    action_size=6,
    frame_skip=4,
    control_cost=1e-3,
    reset_noise=5e-3,
    velocity_clip=10.0,
    healthy_reward=1.0,
    is_healthy=is_healthy,
    healthy_ranges=((1, 0.8, 2.0), (2, -1.0, 1.0)),
    min_return=1.629008,
    max_return=4592.3,
    shifts={
        "kinematic": {
            "thighjnt": {
                "thigh_joint": (1.0, 0.8, 0.5, 0.2),
                "thigh_left_joint": (1.0, 0.8, 0.5, 0.2),
            },
            "footjnt": {
                "foot_joint": (1.0, 0.8, 0.5, 0.2),
                "foot_left_joint": (1.0, 0.8, 0.5, 0.2),
            },
        },
        "morph": {
            "torso": {"length": (0.40, 0.48, 0.64, 0.80), "radius": (0.05, 0.075, 0.10, 0.125)},
            "leg": {"knee": (0.60, 0.50, 0.35, 0.20)},
        },
        "otdf-kinematic": {"rightfootjnt": {"foot_joint": (1.0, 0.01)}},
        "otdf-morph": {"rightleg": {"knee": (0.60, 1.045), "ankle": (0.10, 0.30)}},
        "otdf-gravity": {"down": {"factor": (1.0, 0.5)}},
    },
    edits={
        ("morph", "torso"): torso,
        ("morph", "leg"): knees,
        ("otdf-morph", "rightleg"): right_leg,
    },
    unbounded=frozenset({("morph", "torso")}),
    source_shifts={
        "kinematic": "kinematic-thighjnt-hard",
        "morphology": "morph-torso-hard",  # those of morph-leg walk in the target as well
    },
    clip_shift=("kinematic-footjnt", "feet that lost range"),
    action_noise=0.1,  # it falls sooner with more
    view=(2.9, 90.0, -6.0, 0.85),
    references={
        "odrl": (10.0795, 4592.3),
        "otdf-kinematic": (10.0795, 3257.51),
        "otdf-morph": (10.0795, 4398.43),
        "otdf-gravity": (10.0795, 5194.713),
        "odrl-gravity-0.1": (10.0795, 2074.9),
        "odrl-gravity-0.5": (10.0795, 5194.7),
        "odrl-gravity-2.0": (10.0795, 5056.4),
        "odrl-gravity-5.0": (10.0795, 3665.4),
        "odrl-friction-0.1": (10.0795, 3360.2),
        "odrl-friction-0.5": (10.0795, 4229.3),
        "odrl-friction-2.0": (10.0795, 5180.0),
        "odrl-friction-5.0": (10.0795, 4988.8),
    },
)
