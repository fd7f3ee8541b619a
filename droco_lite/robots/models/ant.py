"""Ant: four legs, eight motors, the only one that moves in three dimensions.

It is the 27-column one, without contact forces in the observation and without contact cost, which
is what D4RL's data amount to (its 84 contact columns are all zero).
"""

from functools import partial

import numpy as np

from droco_lite.robots.edits import capsule
from droco_lite.robots.robot import Robot

FRONT_LEGS = ("left", "right")
ALL_LEGS = (*FRONT_LEGS, "third", "fourth")
CONTACT_COLUMNS = (105, 111)  # Gymnasium v5 (13 bodies of 6) and D4RL (14 bodies of 6)
_CONTACTS = "droco_lite.data.hdf5.ant_without_contacts turns them into 27"


def is_healthy(qpos, qvel):
    """Gymnasium's range of heights, and every number finite."""
    finite = np.isfinite(qpos).all(axis=1) & np.isfinite(qvel).all(axis=1)
    return finite & (qpos[:, 2] >= 0.2) & (qpos[:, 2] <= 1.0)


def shins(spec, shin: float, legs: tuple[str, ...]) -> None:
    """Shorten the last segment of these legs; its end is ``shin`` along x and along y."""
    for leg in legs:
        geom = spec.geom(f"{leg}_ankle_geom")
        direction = np.sign(np.array(geom.fromto)[3:])
        capsule(geom, (0, 0, 0), direction * shin)


def pose(model, qpos: np.ndarray) -> None:
    """Legs a little bent, as they are when it stands."""
    low, high = model.jnt_range[model.jnt_limited.astype(bool)].T
    qpos[7:] = np.clip(qpos[7:], low, high)
    qpos[2] = 0.55


ROBOT = Robot(
    name="ant",
    title="Ant",
    gym_id="Ant-v5",
    gym_class="gymnasium.envs.mujoco.ant_v5:AntEnv",
    gym_kwargs={"include_cfrc_ext_in_observation": False, "contact_cost_weight": 0.0},
    asset="ant.xml",
    observation_size=27,
    action_size=8,
    frame_skip=5,
    control_cost=0.5,
    reset_noise=0.1,
    normal_velocity_noise=True,
    hidden_positions=2,
    healthy_reward=1.0,
    is_healthy=is_healthy,
    healthy_ranges=((2, 0.2, 1.0),),
    reads=("xpos",),
    min_return=-325.6,
    max_return=3879.7,
    shifts={
        "kinematic": {
            "hipjnt": {f"hip_{i}": (1.0, 0.8, 0.5, 0.2) for i in (1, 2, 3, 4)},
            "anklejnt": {f"ankle_{i}": (1.0, 0.8, 0.5, 0.2) for i in (1, 2, 3, 4)},
        },
        "morph": {
            "alllegs": {"shin": (0.4, 0.32, 0.20, 0.08)},
            "halflegs": {"shin": (0.4, 0.32, 0.20, 0.08)},
        },
        "otdf-kinematic": {"fronthipjnt": {"hip_1": (1.0, 0.01), "hip_2": (1.0, 0.01)}},
        "otdf-morph": {"frontlegs": {"shin": (0.4, 0.1)}},
        "otdf-gravity": {"down": {"factor": (1.0, 0.5)}},
    },
    edits={
        ("morph", "alllegs"): partial(shins, legs=ALL_LEGS),
        ("morph", "halflegs"): partial(shins, legs=FRONT_LEGS),
        ("otdf-morph", "frontlegs"): partial(shins, legs=FRONT_LEGS),
    },
    source_shifts={
        "kinematic": "kinematic-hipjnt-hard",
        "morphology": "morph-halflegs-hard",  # with four short legs it learnt to stand still
    },
    clip_shift=("kinematic-anklejnt", "ankles that lost range"),
    action_noise=0.2,
    view=(3.1, 120.0, -28.0, 0.35),
    pose=pose,
    # The same return is 1.30 times larger in D4RL's points than in ODRL's.
    references={
        "odrl": (-325.6, 5139.832),
        "otdf-kinematic": (-325.6, 5122.57),
        "otdf-morph": (-325.6, 5722.01),
        "otdf-gravity": (-325.6, 4317.065),
        "odrl-gravity-0.1": (-325.6, 2782.1),
        "odrl-gravity-0.5": (-325.6, 4317.1),
        "odrl-gravity-2.0": (-325.6, 6705.1),
        "odrl-gravity-5.0": (-325.6, 6226.9),
        "odrl-friction-0.1": (-325.6, 7939.0),
        "odrl-friction-0.5": (-325.6, 8301.3),
        "odrl-friction-2.0": (-325.6, 5167.4),
        "odrl-friction-5.0": (-325.6, 4545.0),
    },
    column_hints=dict.fromkeys(CONTACT_COLUMNS, _CONTACTS),
    contact_columns=CONTACT_COLUMNS,
    contact_cost_weight=5e-4,
)
