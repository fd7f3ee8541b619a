"""What is known of one robot, in one record: sizes, reward, termination, shifts, camera, noise.

A file of :mod:`droco_lite.robots.models` holds one :class:`Robot`; a robot of the reader's own is
an :class:`~droco_lite.robots.own.OwnRobot`, which :func:`~droco_lite.robots.register_robot` makes.
Both stand in :data:`~droco_lite.robots.ROBOTS`, and everything else asks the record.

The formulas are those of Gymnasium's version 5 environments, written for a batch of rows.
Naming a robot loads no simulator: MuJoCo is imported when a model is built.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import mujoco

__all__ = ["Robot", "Start"]

#: family -> variant -> quantity -> its values at the knots; see :mod:`droco_lite.robots.shifts`.
ShiftTable = Mapping[str, Mapping[str, Mapping[str, tuple]]]


@dataclass
class Start:
    """The state in which one episode begins, to be changed in place.

    Attributes:
        qpos, qvel: positions [nq] and velocities [nv]; at first the model's own, at rest.
        act: state of the actuators [na], for models whose actuators have one.
        mocap_pos, mocap_quat: places [nmocap, 3] and orientations [nmocap, 4] of mocap bodies.
        keyframes: the model's keyframes by name: (qpos, qvel, act) of each.
    """

    qpos: np.ndarray
    qvel: np.ndarray
    act: np.ndarray
    mocap_pos: np.ndarray
    mocap_quat: np.ndarray
    keyframes: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __getattr__(self, name: str):
        raise AttributeError(
            f"Start has no {name!r}; it has qpos, qvel, act, mocap_pos, mocap_quat and keyframe(). "
            'A goal that moves from episode to episode is a body with mocap="true" in the XML, '
            "which mocap_pos places"
        )

    @classmethod
    def of(cls, model: mujoco.MjModel) -> Start:
        """Where MuJoCo puts a model before any step."""
        keys = {
            model.key(i).name or str(i): (model.key_qpos[i], model.key_qvel[i], model.key_act[i])
            for i in range(model.nkey)
        }
        mocap = np.flatnonzero(model.body_mocapid >= 0)
        mocap = mocap[np.argsort(model.body_mocapid[mocap])]
        return cls(
            model.qpos0.copy(), np.zeros(model.nv), np.zeros(model.na), model.body_pos[mocap],
            model.body_quat[mocap], keyframes=keys,
        )  # fmt: skip

    def copy(self) -> Start:
        """The same start in arrays of its own."""
        return Start(
            self.qpos.copy(), self.qvel.copy(), self.act.copy(), self.mocap_pos.copy(),
            self.mocap_quat.copy(), self.keyframes,
        )  # fmt: skip

    def keyframe(self, name: str) -> None:
        """Take positions, velocities and actuator states from a keyframe of the model.

        Args:
            name: its name in the XML; its number, such as ``"0"``, where it has none.

        Raises:
            ValueError: there is no such keyframe; the message lists the names.
        """
        if name not in self.keyframes:
            known = ", ".join(self.keyframes) or "none"
            raise ValueError(f"keyframe: {name!r} is not one of the model's ({known})")
        self.qpos[:], self.qvel[:], self.act[:] = self.keyframes[name]


@dataclass(frozen=True, kw_only=True, eq=False)
class Robot:
    """What the simulator, the shifts, the data, the pictures and the score know of one robot.

    Attributes:
        name: key in :data:`~droco_lite.robots.ROBOTS`.
        title: its name in Gymnasium ids, such as ``Hopper`` in ``droco_lite/HopperMorph-v0``.
        gym_id: Gymnasium's environment with the same observation, reward and termination when
            made with ``gym_kwargs``.
        gym_class: that environment's class, as ``"module:class"``.
        asset: file name of the model inside Gymnasium.
        observation_size, action_size: columns S and A. Actions lie in [-1, 1].
        frame_skip: physics steps in one environment step.
        control_cost: weight of the summed squared action.
        reset_noise: half-width of the uniform noise on the initial positions (m, rad).
        min_return, max_return: random and expert return, 0 and 100 of the score; for the package's
            robots D4RL's (Fu et al. 2020).
        hidden_positions: leading positions kept out of the observation (x; x and y for Ant).
        velocity_clip: bound on the observed velocities, infinite where there is none.
        healthy_reward: bonus of every step that does not terminate.
        forward_weight: factor on the forward velocity in the reward.
        is_healthy: (qpos [n, nq], qvel [n, nv]) -> bool [n], the states in which an episode goes
            on; None for a robot that cannot fall.
        healthy_ranges: the same as numbers, for what cannot call Python: (entry of qpos followed by
            qvel, above, below) of each range; None where no ranges say it, or nothing is to say.
        normal_velocity_noise: whether the initial velocities are normal with that standard
            deviation rather than uniform.
        total_mass: kilograms to which the model is scaled; None leaves it.
        max_episode_steps: steps after which an episode is truncated.
        reads: fields of ``mujoco.MjData`` beyond positions and velocities that the functions use.
        fields_current: whether these are computed anew after each step. False leaves them where
            MuJoCo's step does, one physics step behind the positions, as Gymnasium's are.
        shifts: knots of the robot's shifts; see :mod:`droco_lite.robots.shifts`.
        edits: (family, variant) -> function that applies a morph's numbers to a ``MjSpec``.
        unbounded: (family, variant) of morphs that make sense beyond strength 1.
        floor_scales: whether ODRL's friction shift of this robot scales the floor as well.
        source_shifts: DROCO's family -> shift of the source robot in the tasks.
        clip_shift: the shift that the live lab's clips show, without its strength, and what it
            means in words, such as ``("kinematic-footjnt", "feet that lost range")``; None takes
            the first that is not the source's own.
        action_noise: standard deviation of the noise with which behaviour policies make data.
        policies: shift -> quality -> a controller of the user's own, observations [n, S] to
            actions [n, A], from which data can be made.
        view: metres from camera to robot, degrees about the vertical, degrees above the ground,
            height looked at.
        pose: (model, qpos) -> None, bends the start pose for pictures.
        references: random and expert return by other benchmarks; see
            :func:`~droco_lite.robots.reference_returns`.
        column_hints: number of observation columns -> advice for data that have these.
        contact_columns: numbers of observation columns of data in which contact forces follow the
            robot's own columns; they are cut off when such data are read.
        contact_cost_weight: of the squared contact forces in the reward of ``gym_id`` when made
            without keyword arguments, for such data.
        gym_kwargs: keyword arguments of Gymnasium's environment.
    """

    name: str
    gym_id: str
    asset: str
    observation_size: int
    action_size: int
    frame_skip: int
    reset_noise: float
    min_return: float
    max_return: float
    title: str = ""
    gym_class: str = ""
    control_cost: float = 0.0
    hidden_positions: int = 1
    velocity_clip: float = np.inf
    healthy_reward: float = 0.0
    forward_weight: float = 1.0
    is_healthy: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    healthy_ranges: Sequence[tuple[int, float, float]] | None = None
    normal_velocity_noise: bool = False
    total_mass: float | None = None
    max_episode_steps: int = 1000
    reads: tuple[str, ...] = ()
    fields_current: bool = False
    shifts: ShiftTable = field(default_factory=dict)
    edits: Mapping[tuple[str, str], Callable[..., None]] = field(default_factory=dict)
    unbounded: frozenset[tuple[str, str]] = frozenset()
    floor_scales: bool = True
    source_shifts: Mapping[str, str] = field(default_factory=dict)
    clip_shift: tuple[str, str] | None = None
    action_noise: float = 0.1
    policies: Mapping[str, Mapping[str, Callable]] = field(default_factory=dict)
    view: tuple[float, float, float, float] = (3.0, 90.0, -8.0, 0.5)
    pose: Callable[[mujoco.MjModel, np.ndarray], None] | None = None
    references: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    column_hints: Mapping[int, str] = field(default_factory=dict)
    contact_columns: tuple[int, ...] = ()
    contact_cost_weight: float = 0.0
    gym_kwargs: Mapping[str, Any] = field(default_factory=dict)

    #: What the robot did in its trial, as a hash, for data that were made with it; empty for those
    #: of the package.
    fingerprint = ""
    #: Whether the robot was registered by the user; False for those of the package.
    own = False
    #: The robot file that registered it; empty where none did.
    file = ""

    @cached_property
    def xml_path(self) -> str:
        """Path of Gymnasium's own model file.

        Raises:
            ModuleNotFoundError: Gymnasium is not installed.
        """
        package = importlib.util.find_spec("gymnasium")
        if package is None or package.origin is None:
            raise ModuleNotFoundError(
                f"{self.asset} is in gymnasium, which is not installed: pip install gymnasium"
            )
        return str(Path(package.origin).parent / "envs" / "mujoco" / "assets" / self.asset)

    def load(self) -> mujoco.MjSpec:
        """The nominal model, before it is compiled."""
        import mujoco

        return mujoco.MjSpec.from_file(self.xml_path)

    def gymnasium_class(self) -> type:
        """The class that ``gym_class`` names."""
        module, _, name = self.gym_class.partition(":")
        return getattr(importlib.import_module(module), name)

    def score(self, returns):
        """Normalised score, 100 (J - J_random) / (J_expert - J_random)."""
        return 100.0 * (np.asarray(returns) - self.min_return) / (self.max_return - self.min_return)

    def observation(self, qpos: np.ndarray, qvel: np.ndarray, **fields: np.ndarray) -> np.ndarray:
        """Observations [n, S] in float64.

        Args:
            qpos, qvel: positions [n, nq] and velocities [n, nv].
            fields: what ``reads`` names, [n, ...] each.
        """
        return np.concatenate(
            (
                qpos[:, self.hidden_positions :],
                np.clip(qvel, -self.velocity_clip, self.velocity_clip),
            ),
            axis=1,
        )

    @property
    def can_fall(self) -> bool:
        """Whether an episode can end before its time."""
        return self.is_healthy is not None

    def healthy(self, qpos: np.ndarray, qvel: np.ndarray, **fields: np.ndarray) -> np.ndarray:
        """Which rows [n] are in states where the episode goes on."""
        if self.is_healthy is None:
            return np.ones(len(qpos), dtype=bool)
        return self.is_healthy(qpos, qvel)

    def terminated(self, qpos: np.ndarray, qvel: np.ndarray, **fields: np.ndarray) -> np.ndarray:
        """Which rows [n] have fallen."""
        return ~self.healthy(qpos, qvel, **fields)

    def state_from(self, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions [n, nq] and velocities [n, nv] that observations [n, S] show.

        Positions that an observation leaves out are taken as 0: neither the motion nor a fall
        depends on them.  Velocities at their clip are taken as they stand.
        """
        columns, hidden = observations.shape[1], self.hidden_positions
        velocities = (columns + hidden) // 2  # Ant's quaternion gives it one position more
        positions = np.pad(observations[:, : columns - velocities], ((0, 0), (hidden, 0)))
        return positions, observations[:, columns - velocities :]

    def terminated_from(self, observations: np.ndarray) -> np.ndarray:
        """Which rows [n] of observations [n, S] belong to states that end the episode."""
        return self.terminated(*self.state_from(observations))

    def control(self, actions: np.ndarray) -> np.ndarray:
        """What the motors are told [n, A] for actions in [-1, 1]: here the same."""
        return actions

    def reward_state(self, qpos: np.ndarray, qvel: np.ndarray, **fields: np.ndarray) -> np.ndarray:
        """What the reward compares before and after a step: the forward position [n].

        A robot that reads ``xpos`` takes its first body's position in the world, which lags the
        joints by one stage of the integrator (Gymnasium's Ant); the others take the joint.
        """
        return fields["xpos"][:, 1, 0] if "xpos" in fields else qpos[:, 0]

    def reward(
        self,
        before: np.ndarray,
        after: np.ndarray,
        dt: float,
        actions: np.ndarray,
        healthy: np.ndarray,
    ) -> np.ndarray:
        """Rewards [n]: forward velocity plus the healthy bonus minus the control cost.

        The cost is summed in the actions' own precision, as Gymnasium does: in any other the
        last digits differ.

        Args:
            before, after: forward position of the torso [n], metres.
            dt: seconds between the two.
            actions: [n, A].
            healthy: [n], of the state reached.
        """
        cost = self.control_cost * np.sum(np.square(actions), axis=1)
        forward = self.forward_weight * ((after - before) / dt)
        if not self.healthy_reward:
            return forward - cost
        return (forward + healthy * self.healthy_reward) - cost

    def begin(self, start: Start, rng: np.random.Generator) -> None:
        """Put the start of an episode into ``start``, drawn in Gymnasium's order."""
        noise = self.reset_noise
        start.qpos += rng.uniform(low=-noise, high=noise, size=start.qpos.shape)
        if self.normal_velocity_noise:
            start.qvel += noise * rng.standard_normal(start.qvel.shape)
        else:
            start.qvel += rng.uniform(low=-noise, high=noise, size=start.qvel.shape)
