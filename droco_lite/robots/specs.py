"""The four robots as a table: sizes, Gymnasium's observation, reward and termination, references.

The formulas are those of Gymnasium's version 5 environments, written for a batch of rows; Ant is
the 27-column one, without contact forces in the observation and without contact cost, which is
what D4RL's data amount to (its 84 contact columns are all zero). Walker2d has D4RL's feet, sliding
friction 0.9 and 1.9, which Gymnasium keeps in ``walker2d.xml``; ``Walker2d-v5`` itself loads
``walker2d_v5.xml``, where both have 1.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gymnasium.envs.mujoco
import mujoco
import numpy as np

__all__ = ["REFERENCE_RETURNS", "ROBOTS", "RobotSpec", "get_robot", "reference_returns"]


@dataclass(frozen=True)
class RobotSpec:
    """What the simulator, the data and the score need to know of one robot.

    Attributes:
        name: key in :data:`ROBOTS`.
        gym_id: Gymnasium's environment with the same observation, reward and termination when
            made with ``gym_kwargs``.
        gym_kwargs: keyword arguments that make it so.
        asset: file name of the model inside Gymnasium.
        observation_size, action_size: columns S and A. Actions lie in [-1, 1].
        hidden_positions: leading positions kept out of the observation (x; x and y for Ant).
        velocity_clip: bound on the observed velocities, infinite where there is none.
        control_cost: weight of the summed squared action.
        healthy_reward: bonus of every step that does not terminate.
        frame_skip: physics steps in one environment step.
        reset_noise: half-width of the uniform noise on the initial positions (m, rad).
        normal_velocity_noise: whether the initial velocities are normal with that standard
            deviation rather than uniform.
        min_return, max_return: D4RL's random and expert returns (Fu et al. 2020).
    """

    name: str
    gym_id: str
    asset: str
    observation_size: int
    action_size: int
    frame_skip: int
    control_cost: float
    reset_noise: float
    min_return: float
    max_return: float
    hidden_positions: int = 1
    velocity_clip: float = np.inf
    healthy_reward: float = 0.0
    normal_velocity_noise: bool = False
    total_mass: float | None = None
    max_episode_steps: int = 1000
    gym_kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def xml_path(self) -> str:
        """Path of Gymnasium's own model file."""
        return str(Path(gymnasium.envs.mujoco.__path__[0]) / "assets" / self.asset)

    def load(self) -> mujoco.MjSpec:
        """The nominal model, before it is compiled."""
        return mujoco.MjSpec.from_file(self.xml_path)

    def score(self, returns):
        """D4RL-normalised score, 100 (J - J_random) / (J_expert - J_random)."""
        return 100.0 * (np.asarray(returns) - self.min_return) / (self.max_return - self.min_return)

    def observation(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Observations [n, S] in float64 from positions [n, nq] and velocities [n, nv]."""
        return np.concatenate(
            (
                qpos[:, self.hidden_positions :],
                np.clip(qvel, -self.velocity_clip, self.velocity_clip),
            ),
            axis=1,
        )

    def healthy(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Which rows [n] are in the states where Gymnasium lets the episode go on."""
        return _HEALTHY[self.name](qpos, qvel)

    def control(self, actions: np.ndarray) -> np.ndarray:
        """What the motors are told [n, A] for actions in [-1, 1]: here the same."""
        return actions

    def reward_state(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """What the reward compares before and after a step: here the forward position [n]."""
        return qpos[:, 0]

    def reward(
        self,
        x_before: np.ndarray,
        x_after: np.ndarray,
        dt: float,
        actions: np.ndarray,
        healthy: np.ndarray,
    ) -> np.ndarray:
        """Rewards [n]: forward velocity plus the healthy bonus minus the control cost.

        The cost is summed in the actions' own precision, as Gymnasium does: in any other the
        last digits differ.

        Args:
            x_before, x_after: forward position of the torso [n], metres.
            dt: seconds between the two.
            actions: [n, A].
            healthy: [n], of the state reached.
        """
        cost = self.control_cost * np.sum(np.square(actions), axis=1)
        velocity = (x_after - x_before) / dt
        if not self.healthy_reward:
            return velocity - cost
        return (velocity + healthy * self.healthy_reward) - cost

    def terminated(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Which rows [n] have fallen (HalfCheetah cannot)."""
        return ~self.healthy(qpos, qvel)

    def initial_state(
        self, qpos0: np.ndarray, qvel0: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """One start of an episode, drawn in the order in which Gymnasium draws it."""
        noise = self.reset_noise
        qpos = qpos0 + rng.uniform(low=-noise, high=noise, size=qpos0.shape)
        if self.normal_velocity_noise:
            return qpos, qvel0 + noise * rng.standard_normal(qvel0.shape)
        return qpos, qvel0 + rng.uniform(low=-noise, high=noise, size=qvel0.shape)


def _hopper(qpos, qvel):
    state = np.concatenate((qpos[:, 2:], qvel), axis=1)
    inside = np.all((state > -100.0) & (state < 100.0), axis=1)
    return inside & (qpos[:, 1] > 0.7) & (qpos[:, 2] > -0.2) & (qpos[:, 2] < 0.2)


def _walker2d(qpos, qvel):
    z, angle = qpos[:, 1], qpos[:, 2]
    return (z > 0.8) & (z < 2.0) & (angle > -1.0) & (angle < 1.0)


def _halfcheetah(qpos, qvel):
    return np.ones(len(qpos), dtype=bool)


def _ant(qpos, qvel):
    finite = np.isfinite(qpos).all(axis=1) & np.isfinite(qvel).all(axis=1)
    return finite & (qpos[:, 2] >= 0.2) & (qpos[:, 2] <= 1.0)


_HEALTHY = {
    "hopper": _hopper,
    "walker2d": _walker2d,
    "halfcheetah": _halfcheetah,
    "ant": _ant,
}

ROBOTS: dict[str, RobotSpec] = {
    spec.name: spec
    for spec in (
        RobotSpec(
            "hopper", "Hopper-v5", "hopper.xml", observation_size=11, action_size=3, frame_skip=4,
            control_cost=1e-3, reset_noise=5e-3, min_return=-20.272305, max_return=3234.3,
            velocity_clip=10.0, healthy_reward=1.0,
        ),
        RobotSpec(
            "walker2d", "Walker2d-v5", "walker2d.xml", observation_size=17, action_size=6,
            frame_skip=4, control_cost=1e-3, reset_noise=5e-3, min_return=1.629008,
            max_return=4592.3, velocity_clip=10.0, healthy_reward=1.0,
            gym_kwargs=MappingProxyType({"xml_file": "walker2d.xml"}),
        ),
        RobotSpec(
            "halfcheetah", "HalfCheetah-v5", "half_cheetah.xml", observation_size=17,
            action_size=6, frame_skip=5, control_cost=0.1, reset_noise=0.1,
            min_return=-280.178953, max_return=12135.0, normal_velocity_noise=True,
            total_mass=14.0,
        ),
        RobotSpec(
            "ant", "Ant-v5", "ant.xml", observation_size=27, action_size=8, frame_skip=5,
            control_cost=0.5, reset_noise=0.1, min_return=-325.6, max_return=3879.7,
            hidden_positions=2, healthy_reward=1.0, normal_velocity_noise=True,
            gym_kwargs=MappingProxyType(
                {"include_cfrc_ext_in_observation": False, "contact_cost_weight": 0.0}
            ),
        ),
    )
}  # fmt: skip


def get_robot(name: str) -> RobotSpec:
    """The robot of that name.

    Raises:
        ValueError: if there is none; the message lists the names.
    """
    try:
        return ROBOTS[name]
    except (KeyError, TypeError):
        raise ValueError(f"robot: {name!r} is not one of {', '.join(ROBOTS)}") from None


# Returns (random, expert) that turn a return into a score, by who uses them.
# D4RL: Farama-Foundation/D4RL, d4rl/infos.py @0ace16d.  The book scores by these everywhere.
# ODRL: OffDynamicsRL/off-dynamics-rl, envs/infos.py @34bba73, for kinematic and morph.
# OTDF: dmksjfl/OTDF, info.py @41e2e62.
REFERENCE_RETURNS: dict[str, dict[str, tuple[float, float]]] = {
    "d4rl": {name: (spec.min_return, spec.max_return) for name, spec in ROBOTS.items()},
    "odrl": {
        "hopper": (-26.3360, 3234.3),
        "walker2d": (10.0795, 4592.3),
        "halfcheetah": (-280.178953, 12135.0),
        "ant": (-325.6, 5139.832),
    },
    "otdf-kinematic": {
        "hopper": (-26.3360, 2842.73),
        "walker2d": (10.0795, 3257.51),
        "halfcheetah": (-280.178953, 7065.03),
        "ant": (-325.6, 5122.57),
    },
    "otdf-morph": {
        "hopper": (-26.3360, 3152.75),
        "walker2d": (10.0795, 4398.43),
        "halfcheetah": (-280.178953, 9713.59),
        "ant": (-325.6, 5722.01),
    },
    "otdf-gravity": {
        "hopper": (-26.3360, 3234.3),
        "walker2d": (10.0795, 5194.713),
        "halfcheetah": (-280.178953, 9509.15),
        "ant": (-325.6, 4317.065),
    },
}
# ODRL gives gravity and friction a maximum per factor (its HalfCheetah gravity 0.5 and 2.0 share
# one value in the file, probably by a slip of copying).
_ODRL_FACTORS = (0.1, 0.5, 2.0, 5.0)
_ODRL_MAXIMA = {
    "gravity": {
        "hopper": (3234.3, 3234.3, 3234.3, 3234.3),
        "walker2d": (2074.9, 5194.7, 5056.4, 3665.4),
        "halfcheetah": (2466.9, 9509.2, 9509.2, 3756.2),
        "ant": (2782.1, 4317.1, 6705.1, 6226.9),
    },
    "friction": {
        "hopper": (3234.3, 3234.3, 3234.3, 3234.3),
        "walker2d": (3360.2, 4229.3, 5180.0, 4988.8),
        "halfcheetah": (41696.5, 7357.1, 11256.0, 10199.3),
        "ant": (7939.0, 8301.3, 5167.4, 4545.0),
    },
}
for _family, _maxima in _ODRL_MAXIMA.items():
    for _i, _factor in enumerate(_ODRL_FACTORS):
        REFERENCE_RETURNS[f"odrl-{_family}-{_factor}"] = {
            name: (REFERENCE_RETURNS["odrl"][name][0], values[_i])
            for name, values in _maxima.items()
        }


def reference_returns(robot: str, source: str = "d4rl") -> tuple[float, float]:
    """Random and expert return of a robot according to one benchmark.

    Args:
        robot: name in :data:`ROBOTS`.
        source: key of :data:`REFERENCE_RETURNS`, such as ``"d4rl"`` or ``"odrl-gravity-0.5"``.
            Scores by different sources do not compare: the same Ant return is 1.30 times larger
            in D4RL's points than in ODRL's.

    Raises:
        ValueError: for an unknown robot or source, or a robot that the source does not have.
    """
    get_robot(robot)
    if source not in REFERENCE_RETURNS:
        raise ValueError(f"source: {source!r} is not one of {', '.join(REFERENCE_RETURNS)}")
    if robot not in REFERENCE_RETURNS[source]:
        raise ValueError(f"robot: {source} has no returns of {robot!r}; see its spec's own")
    return REFERENCE_RETURNS[source][robot]
