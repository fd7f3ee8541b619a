"""Hopper: one leg, three motors, falls at once when its torso tilts."""

import numpy as np

from droco_lite.robots.edits import capsule, resize, torso
from droco_lite.robots.robot import Robot


def is_healthy(qpos, qvel):
    """Gymnasium's range of heights, tilts and speeds."""
    state = np.concatenate((qpos[:, 2:], qvel), axis=1)
    inside = np.all((state > -100.0) & (state < 100.0), axis=1)
    return inside & (qpos[:, 1] > 0.7) & (qpos[:, 2] > -0.2) & (qpos[:, 2] < 0.2)


def foot(spec, heel: float, toe: float, radius: float) -> None:
    """Heel and toe are x about the ankle, which stands 0.13 behind the foot's frame."""
    capsule(spec.geom("foot_geom"), (heel - 0.13, 0, 0.1), (toe - 0.13, 0, 0.1), radius)


def torso_and_thigh(spec, torso_radius: float, thigh_radius: float) -> None:
    """OTDF's thick torso on a thin thigh."""
    for name, radius in (("torso_geom", torso_radius), ("thigh_geom", thigh_radius)):
        resize(spec.geom(name), 0, radius)


ROBOT = Robot(
    name="hopper",
    title="Hopper",
    gym_id="Hopper-v5",
    gym_class="gymnasium.envs.mujoco.hopper_v5:HopperEnv",
    asset="hopper.xml",
    observation_size=11,
    action_size=3,
    frame_skip=4,
    control_cost=1e-3,
    reset_noise=5e-3,
    velocity_clip=10.0,
    healthy_reward=1.0,
    is_healthy=is_healthy,
    healthy_ranges=(
        (1, 0.7, np.inf),
        (2, -0.2, 0.2),
        *((i, -100.0, 100.0) for i in range(2, 12)),
    ),
    min_return=-20.272305,
    max_return=3234.3,
    shifts={
        "kinematic": {
            "legjnt": {"leg_joint": (1.0, 0.8, 0.5, 0.2)},
            "footjnt": {"foot_joint": (1.0, 0.8, 0.5, 0.2)},
        },
        "morph": {
            "torso": {"length": (0.40, 0.48, 0.64, 0.80), "radius": (0.05, 0.075, 0.10, 0.125)},
            "foot": {
                "heel": (-0.13, -0.104, -0.078, -0.052),
                "toe": (0.26, 0.208, 0.156, 0.104),
                "radius": (0.06, 0.048, 0.036, 0.024),
            },
        },
        "otdf-kinematic": {"thighfootjnt": {"thigh_joint": (1.0, 0.001), "foot_joint": (1.0, 0.4)}},
        "otdf-morph": {
            "torsothigh": {"torso_radius": (0.05, 0.125), "thigh_radius": (0.05, 0.04)},
        },
        "otdf-gravity": {"down": {"factor": (1.0, 0.5)}},
    },
    edits={
        ("morph", "torso"): torso,
        ("morph", "foot"): foot,
        ("otdf-morph", "torsothigh"): torso_and_thigh,
    },
    unbounded=frozenset({("morph", "torso")}),
    floor_scales=False,
    source_shifts={
        "kinematic": "kinematic-legjnt-hard",  # the footjnt-hard policy stands still
        "morphology": "morph-foot-hard",
    },
    clip_shift=("kinematic-footjnt", "feet that lost range"),
    action_noise=0.1,  # it falls sooner with more
    view=(2.9, 90.0, -6.0, 0.85),
    references={
        "odrl": (-26.3360, 3234.3),
        "otdf-kinematic": (-26.3360, 2842.73),
        "otdf-morph": (-26.3360, 3152.75),
        "otdf-gravity": (-26.3360, 3234.3),
        "odrl-gravity-0.1": (-26.3360, 3234.3),
        "odrl-gravity-0.5": (-26.3360, 3234.3),
        "odrl-gravity-2.0": (-26.3360, 3234.3),
        "odrl-gravity-5.0": (-26.3360, 3234.3),
        "odrl-friction-0.1": (-26.3360, 3234.3),
        "odrl-friction-0.5": (-26.3360, 3234.3),
        "odrl-friction-2.0": (-26.3360, 3234.3),
        "odrl-friction-5.0": (-26.3360, 3234.3),
    },
)
