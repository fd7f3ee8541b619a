"""Robots of the reader's own: the record that :func:`~droco_lite.robots.register_robot` makes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from droco_lite.robots.registry import ROBOTS, get_robot
from droco_lite.robots.robot import Robot, Start
from droco_lite.robots.robot_file import load_robot_file

__all__ = ["READABLE", "OwnRobot", "State"]

#: What a function of the user's may read beyond positions and velocities: fields of
#: ``mujoco.MjData`` that follow from these, and the states of actuators, mocap bodies and clock.
READABLE = (
    "xpos", "xquat", "xmat", "xipos", "ximat", "geom_xpos", "geom_xmat", "site_xpos", "site_xmat",
    "subtree_com", "cvel", "ten_length", "sensordata", "act", "mocap_pos", "mocap_quat", "time",
)  # fmt: skip


class State:
    """What MuJoCo knows of n robots, one a row; the arrays are for reading.

    Attributes:
        qpos, qvel: positions [n, nq] and velocities [n, nv].
        xpos, site_xpos: and any other field of ``mujoco.MjData`` in ``READABLE``, as ``[n, ...]``:
            places and orientations of bodies, geoms and sites, ``sensordata``, ``mocap_pos``.
    """

    def __init__(
        self,
        qpos: np.ndarray,
        qvel: np.ndarray,
        fields: Mapping[str, np.ndarray] | None = None,
        ids: Mapping[str, Mapping[str, int]] | None = None,
    ):
        self.qpos, self.qvel = _for_reading(qpos), _for_reading(qvel)
        self._fields, self._ids = fields or {}, ids or {}

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._fields:
            return _for_reading(self._fields[name])
        if name in READABLE:
            raise AttributeError(
                f"State has no {name} here: no function of the robot read it while the robot was "
                "being registered; read it in every call, not under a condition"
            )
        raise AttributeError(f"State has no {name!r}; it has qpos, qvel, {', '.join(READABLE)}")

    def body(self, name: str) -> np.ndarray:
        """Where the body of that name is in the world [n, 3], metres."""
        return self.xpos[:, self._id("body", name)]

    def geom(self, name: str) -> np.ndarray:
        """Where the geom of that name is in the world [n, 3], metres."""
        return self.geom_xpos[:, self._id("geom", name)]

    def site(self, name: str) -> np.ndarray:
        """Where the site of that name is in the world [n, 3], metres."""
        return self.site_xpos[:, self._id("site", name)]

    def sensor(self, name: str) -> np.ndarray:
        """What the sensor of that name measures [n, its size]."""
        return self.sensordata[:, self._id("sensor", name)]

    def _id(self, kind: str, name: str):
        ids = self._ids.get(kind, {})
        if name not in ids:
            raise ValueError(f"{kind}: {name!r} is not one of {', '.join(ids) or 'none'}")
        return ids[name]


def _for_reading(array: np.ndarray) -> np.ndarray:
    """The simulator's own array, safe from a function that writes into it."""
    array = array.view()
    array.flags.writeable = False
    return array


def names_of(model: mujoco.MjModel) -> dict[str, dict[str, Any]]:
    """Body, geom and site numbers, and each sensor's columns, by name."""
    kinds = {"body": model.nbody, "geom": model.ngeom, "site": model.nsite}
    ids = {
        kind: {getattr(model, kind)(i).name: i for i in range(count)}
        for kind, count in kinds.items()
    }
    places = zip(model.sensor_adr, model.sensor_dim, strict=True)
    columns = [slice(int(first), int(first + size)) for first, size in places]
    return ids | {"sensor": {model.sensor(i).name: c for i, c in enumerate(columns)}}


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnRobot(Robot):
    """A registered robot; see :func:`~droco_lite.robots.register_robot` for what its parts are.

    Attributes:
        xml: the model's text; empty where ``asset`` names a file.
        positions, velocities: columns nq and nv of a :class:`State`.
        control_range: lowest and highest control of each motor [2, A], in the model's units.
        observation_of, reward_of, terminated_of, reset_of: the user's functions.
        shapes: shape of one row of each field that the functions read.
        ids: numbers of bodies, geoms, sites and sensors by name.
        file: the robot file that registered it; empty where none did.
        fingerprint: hash of what it observed and earned in its trial.
    """

    xml: str
    positions: int
    velocities: int
    control_range: tuple[np.ndarray, np.ndarray]
    observation_of: Callable[[State], np.ndarray]
    reward_of: Callable[[State, np.ndarray, State], np.ndarray]
    terminated_of: Callable[[State], np.ndarray] | None
    reset_of: Callable[[Start, np.random.Generator], None] | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    ids: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    file: str = ""
    fingerprint: str = ""

    own = True

    @property
    def xml_path(self) -> str:
        """Path of the model file; empty for a model given as text."""
        return self.asset

    def load(self) -> mujoco.MjSpec:
        """The nominal model, before it is compiled, with a sky and a ground for pictures."""
        return dressed(load_xml(self.xml, self.asset))

    def control(self, actions: np.ndarray) -> np.ndarray:
        """What the motors are told [n, A]: -1 and 1 stand for the ends of their ranges."""
        low, high = self.control_range
        return (low + high) / 2 + (high - low) / 2 * actions

    def observation(self, qpos: np.ndarray, qvel: np.ndarray, **fields: np.ndarray) -> np.ndarray:
        """Observations [n, S] of the user's function."""
        return np.asarray(self.observation_of(State(qpos, qvel, fields, self.ids)))

    def reward_state(self, qpos: np.ndarray, qvel: np.ndarray, **fields: np.ndarray) -> np.ndarray:
        """All that the reward may read, [n, nq + nv + ...]."""
        columns = [fields[name].reshape(len(qpos), -1) for name in self.reads]
        return np.concatenate((qpos, qvel, *columns), axis=1)

    def _split(self, columns: np.ndarray) -> State:
        """The inverse of :meth:`reward_state`."""
        sizes = [self.positions, self.velocities]
        sizes += [int(np.prod(self.shapes[name])) for name in self.reads]
        qpos, qvel, *parts = np.split(columns, np.cumsum(sizes)[:-1], axis=1)
        fields = {
            name: part.reshape(len(columns), *self.shapes[name])
            for name, part in zip(self.reads, parts, strict=True)
        }
        return State(qpos, qvel, fields, self.ids)

    def reward(self, before, after, dt, actions, healthy) -> np.ndarray:
        """Rewards [n] of the user's function r(s, a, s').

        Raises:
            ValueError: one is not finite, or there is not one a row.
        """
        before, after = self._split(before), self._split(after)
        rewards = np.asarray(self.reward_of(before, actions, after))
        if rewards.shape != (len(actions),):
            raise ValueError(
                f"robot {self.name!r}: reward gave shape {rewards.shape} for {len(actions)} rows; "
                f"return one number a row, shape ({len(actions)},)"
            )
        if not np.isfinite(rewards).all():
            row = int(np.flatnonzero(~np.isfinite(rewards))[0])
            raise ValueError(
                f"robot {self.name!r}: reward is {rewards[row]} at qpos "
                f"{np.round(after.qpos[row], 3).tolist()}, qvel "
                f"{np.round(after.qvel[row], 3).tolist()}; mend the function, or the model if "
                "its state has grown without bound"
            )
        return rewards

    def healthy(self, qpos: np.ndarray, qvel: np.ndarray, **fields: np.ndarray) -> np.ndarray:
        """Which rows [n] the user's ``terminated`` lets go on.

        Raises:
            ValueError: the state is not complete, or the function gives no bool a row.
        """
        if self.terminated_of is None:
            return np.ones(len(qpos), dtype=bool)
        over = np.asarray(self.terminated_of(State(qpos, qvel, fields, self.ids)))
        if over.shape != (len(qpos),) or over.dtype != bool:
            raise ValueError(
                f"robot {self.name!r}: terminated gave {over.dtype} of shape {over.shape} for "
                f"{len(qpos)} rows; return one bool a row, shape ({len(qpos)},)"
            )
        return ~over

    @property
    def can_fall(self) -> bool:
        """Whether an episode can end before its time."""
        return self.terminated_of is not None

    def terminated_from(self, observations: np.ndarray) -> np.ndarray:
        """Which rows [n] of observations [n, S] belong to states that end the episode.

        Raises:
            ValueError: observations of this robot do not give its state back.
        """
        if self.terminated_of is None:
            return np.zeros(len(observations), dtype=bool)
        return self.terminated(*self.state_from(observations))

    def state_from(self, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions [n, nq] and velocities [n, nv] that observations [n, S] show.

        Raises:
            ValueError: observations of this robot do not give its state back.
        """
        if self.hidden_positions < 0 or self.reads:
            raise ValueError(
                f"robot {self.name!r}: its state cannot be told from an observation, so neither "
                "can whether an episode is over, which a model of next observations needs; observe "
                "np.concatenate([s.qpos, s.qvel], axis=1) (leading positions may be left out) and "
                "let terminated read these alone, or take a method without such a model"
            )
        cut = observations.shape[1] - self.velocities
        positions = np.pad(observations[:, :cut], ((0, 0), (self.hidden_positions, 0)))
        return positions, observations[:, cut:]

    def begin(self, start: Start, rng: np.random.Generator) -> None:
        """Put the start of an episode into ``start``: the user's hook, or uniform noise.

        Raises:
            ValueError: the hook leaves arrays of another shape, or not finite.
        """
        if self.reset_of is None:
            super().begin(start, rng)
            return
        names = ("qpos", "qvel", "act", "mocap_pos", "mocap_quat")
        shapes = {name: getattr(start, name).shape for name in names}
        self.reset_of(start, rng)
        for name, shape in shapes.items():
            given = np.asarray(getattr(start, name))
            if given.shape != shape:
                raise ValueError(
                    f"robot {self.name!r}: reset left {name} of shape {given.shape}, it has "
                    f"{shape}; write into it, start.{name}[:] = ..."
                )
            if not np.isfinite(given).all():
                raise ValueError(f"robot {self.name!r}: reset left {name} {given.tolist()}")

    def __reduce__(self):
        if self.file:
            return _from_file, (self.file, self.name)
        for function in (self.observation_of, self.reward_of, self.terminated_of, self.reset_of):
            name = getattr(function, "__qualname__", "")
            if any(mark in name for mark in ("<lambda>", "<locals>")):
                raise pickle.PicklingError(
                    f"robot {self.name!r}: {name} cannot be found again in "
                    "another process; put register_robot into a file and read it with "
                    "load_robot_file"
                )
        return _from_parts, (self.__dict__,)


def _from_file(file: str, name: str) -> Robot:
    if name not in ROBOTS:
        load_robot_file(file)
    return get_robot(name)


def _from_parts(parts: dict[str, Any]) -> OwnRobot:
    """A robot out of a pickle; it is registered where its name is free."""
    from droco_lite.robots import gym_ids

    robot = OwnRobot(**parts)
    if ROBOTS.setdefault(robot.name, robot) is robot:
        gym_ids.register(robot.name)
    return robot


def load_xml(xml: str, path: str) -> mujoco.MjSpec:
    """A model before it is compiled, from its text or, where that is empty, from its file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: MuJoCo cannot read it.
    """
    if not xml and not Path(path).is_file():
        raise FileNotFoundError(
            f"xml: {path} does not exist; give the path of a MuJoCo file, or its text, which "
            "begins with '<'"
        )
    try:
        return mujoco.MjSpec.from_string(xml) if xml else mujoco.MjSpec.from_file(path)
    except ValueError as error:
        raise ValueError(f"xml: {path or 'the text'} is not a MuJoCo model: {error}") from error


def compiled(edited: mujoco.MjSpec, path: str) -> mujoco.MjModel:
    """The compiled model, its total mass left as the parts give it.

    Raises:
        ValueError: it does not compile; the message names ``path``.
    """
    edited.compiler.settotalmass = -1
    try:
        return edited.compile()
    except ValueError as error:
        raise ValueError(f"xml: {path or 'the text'} does not compile: {error}") from error


def dressed(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """With a sky and a chequered ground, which pictures need, where the file has none."""
    kinds = [texture.type for texture in spec.textures]
    if mujoco.mjtTexture.mjTEXTURE_SKYBOX not in kinds:
        spec.add_texture(
            name="_sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT, width=8, height=48,
        )  # fmt: skip
    plain = [
        geom
        for geom in spec.geoms
        if geom.type == mujoco.mjtGeom.mjGEOM_PLANE and not geom.material
    ]
    if plain:
        spec.add_texture(
            name="_ground", type=mujoco.mjtTexture.mjTEXTURE_2D,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER, width=64, height=64,
        )  # fmt: skip
        tiles = spec.add_material(name="_ground", texrepeat=[2, 2], texuniform=True)
        tiles.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "_ground"
    for geom in plain:
        geom.material = "_ground"
    return spec
