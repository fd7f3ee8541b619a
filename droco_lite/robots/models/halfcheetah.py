"""HalfCheetah: two legs, six motors, cannot fall."""

import numpy as np

from droco_lite.robots.edits import capsule, capsule_ends, resize
from droco_lite.robots.robot import Robot

CHILD = {"bthigh": "bshin", "bshin": "bfoot", "fthigh": "fshin", "fshin": "ffoot"}


def torso(spec, half_length: float) -> None:
    """A shorter torso; head and hips move with its ends."""
    capsule(spec.geom("torso"), (-half_length, 0, 0), (half_length, 0, 0))
    spec.geom("head").pos = [half_length + 0.1, 0, 0.1]
    spec.body("bthigh").pos = [-half_length, 0, 0]
    spec.body("fthigh").pos = [half_length, 0, 0]


def legs(
    spec, straighten: float, bfoot_half_length: float | None = None, **ends: np.ndarray
) -> None:
    """Hang each child at its limb's new end and let the limb's capsule follow.

    Gymnasium's capsules start and stop a little beside the joints, the shifted ones run from joint
    to joint: ``straighten`` is the share of that offset which is gone.
    """
    for limb, (x, z) in ends.items():
        child = spec.body(CHILD[limb])
        offset = (1 - straighten) * (capsule_ends(spec.geom(limb)) - [(0, 0, 0), child.pos])
        child.pos = [x, 0, z]
        capsule(spec.geom(limb), offset[0], offset[1] + child.pos)
    if bfoot_half_length is not None:
        resize(spec.geom("bfoot"), 1, bfoot_half_length)


ROBOT = Robot(
    name="halfcheetah",
    title="HalfCheetah",
    gym_id="HalfCheetah-v5",
    gym_class="gymnasium.envs.mujoco.half_cheetah_v5:HalfCheetahEnv",
    asset="half_cheetah.xml",
    observation_size=17,
    action_size=6,
    frame_skip=5,
    control_cost=0.1,
    reset_noise=0.1,
    normal_velocity_noise=True,
    total_mass=14.0,
    min_return=-280.178953,
    max_return=12135.0,
    shifts={
        "kinematic": {
            "thighjnt": {"bthigh": (1.0, 0.8, 0.5, 0.2), "fthigh": (1.0, 0.8, 0.5, 0.2)},
            "footjnt": {"bfoot": (1.0, 0.8, 0.5, 0.2), "ffoot": (1.0, 0.8, 0.5, 0.2)},
        },
        "morph": {
            "torso": {"half_length": (0.50, 0.40, 0.25, 0.10)},
            # Where each limb's child is hung: (x, z) in the limb's own frame. The shins take one
            # shape at all levels.
            "thigh": {
                "bthigh": ((0.16, -0.25), (0.11, -0.11), (0.08, -0.08), (0.02, -0.02)),
                "fthigh": ((-0.14, -0.24), (-0.09, -0.10), (-0.07, -0.08), (-0.04, -0.05)),
                "bshin": ((-0.28, -0.14), (-0.13, -0.15), (-0.13, -0.15), (-0.13, -0.15)),
                "fshin": ((0.13, -0.18), (0.11, -0.13), (0.11, -0.13), (0.11, -0.13)),
                "straighten": (0.0, 1.0, 1.0, 1.0),
            },
        },
        "otdf-kinematic": {"backthighjnt": {"bthigh": (1.0, 0.01)}},
        "otdf-morph": {
            "thigh": {
                "bthigh": ((0.16, -0.25), (0.0, -1e-4)),
                "fthigh": ((-0.14, -0.24), (0.0, -1e-4)),
                "bshin": ((-0.28, -0.14), (-0.13, -0.15)),
                "fshin": ((0.13, -0.18), (0.01, -0.16)),
                "bfoot_half_length": (0.094, 0.07),
                "straighten": (0.0, 1.0),
            },
        },
        "otdf-gravity": {"down": {"factor": (1.0, 0.5)}},
    },
    edits={
        ("morph", "torso"): torso,
        ("morph", "thigh"): legs,
        ("otdf-morph", "thigh"): legs,
    },
    # The kinematic policy keeps 0.39 to 0.43 of its return on the nominal robot (asked: under 1/3;
    # the one with stiff feet 0.85), where the one of otdf-kinematic-backthighjnt-hard keeps 0.22.
    source_shifts={
        "kinematic": "kinematic-thighjnt-hard",
        "morphology": "morph-thigh-hard",
    },
    clip_shift=("morph-torso", "a torso of another size"),
    action_noise=0.2,
    view=(2.2, 90.0, -8.0, 0.45),
    # ODRL's file gives gravity 0.5 and 2.0 one value, probably by a slip of copying.
    references={
        "odrl": (-280.178953, 12135.0),
        "otdf-kinematic": (-280.178953, 7065.03),
        "otdf-morph": (-280.178953, 9713.59),
        "otdf-gravity": (-280.178953, 9509.15),
        "odrl-gravity-0.1": (-280.178953, 2466.9),
        "odrl-gravity-0.5": (-280.178953, 9509.2),
        "odrl-gravity-2.0": (-280.178953, 9509.2),
        "odrl-gravity-5.0": (-280.178953, 3756.2),
        "odrl-friction-0.1": (-280.178953, 41696.5),
        "odrl-friction-0.5": (-280.178953, 7357.1),
        "odrl-friction-2.0": (-280.178953, 11256.0),
        "odrl-friction-5.0": (-280.178953, 10199.3),
    },
)
