"""Robots of the reader's own: a MuJoCo file, three functions, and the shifts worth trying.

::

    register_robot(
        "pendulum",
        "pendulum.xml",
        observation=lambda s: np.concatenate([np.cos(s.qpos), np.sin(s.qpos), s.qvel], axis=1),
        reward=lambda s, a, after: np.cos(after.qpos[:, 0]) - 0.01 * (a**2).sum(1),
        frame_skip=5,
        shifts={"kinematic": {"range": {"hinge": 0.5}}, "morph": {"length": {"rod": 1.5}}},
    )
    rollout("pendulum", ["nominal", "gravity-up-0.5"], policy, episodes=10, seed=0)

From then on, and until the process ends, the name works wherever one of ``ROBOTS`` does: in the
simulator, in collecting data and checking them, in training, evaluating and drawing.  Every shift
is an edit of the file by program, as with the four robots that come with the package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import gymnasium
import mujoco
import numpy as np

from droco_lite.robots import gym_ids
from droco_lite.robots.batch import BatchedRobot
from droco_lite.robots.render import _VIEWS, render
from droco_lite.robots.shifts import (
    _DOWN_UP,
    _MORPHS,
    NOMINAL,
    OTDF_SHIFTS,
    SHIFT_TABLE,
    SHIFTS,
    Shift,
    make_model,
)
from droco_lite.robots.specs import ROBOTS, RobotSpec, get_robot

__all__ = ["OwnRobot", "State", "register_robot", "unregister_robot"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VARIANT = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Rows and steps of the trial that a robot has to pass: enough to fall, to touch and to overflow.
_TRIAL_ROWS, _TRIAL_STEPS = 4, 25


class State(NamedTuple):
    """What MuJoCo knows of n robots: positions qpos [n, nq] and velocities qvel [n, nv]."""

    qpos: np.ndarray
    qvel: np.ndarray


def _for_reading(qpos: np.ndarray, qvel: np.ndarray) -> State:
    """The simulator's own arrays, safe from a function that writes into them."""
    qpos, qvel = qpos.view(), qvel.view()
    qpos.flags.writeable = qvel.flags.writeable = False
    return State(qpos, qvel)


@dataclass(frozen=True, kw_only=True)
class OwnRobot(RobotSpec):
    """A registered robot; see :func:`register_robot` for what its parts are.

    Attributes:
        xml: the model's text; empty where ``asset`` names a file.
        positions, velocities: columns nq and nv of a :class:`State`.
        control_range: lowest and highest control of each motor [2, A], in the model's units.
        observation_of, reward_of, terminated_of: the user's functions.
    """

    xml: str
    positions: int
    velocities: int
    control_range: tuple[np.ndarray, np.ndarray]
    observation_of: Callable[[State], np.ndarray]
    reward_of: Callable[[State, np.ndarray, State], np.ndarray]
    terminated_of: Callable[[State], np.ndarray] | None

    @property
    def xml_path(self) -> str:
        """Path of the model file; empty for a model given as text."""
        return self.asset

    def load(self) -> mujoco.MjSpec:
        return _dressed(_load(self.xml, self.asset))

    def control(self, actions: np.ndarray) -> np.ndarray:
        low, high = self.control_range
        return (low + high) / 2 + (high - low) / 2 * actions

    def observation(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        return np.asarray(self.observation_of(_for_reading(qpos, qvel)))

    def reward_state(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """All of the state, [n, nq + nv]."""
        return np.concatenate((qpos, qvel), axis=1)

    def reward(self, x_before, x_after, dt, actions, healthy) -> np.ndarray:
        """Rewards [n] of the user's function r(s, a, s').

        Raises:
            ValueError: one is not finite.
        """
        before, after = (State(*np.split(x, [self.positions], axis=1)) for x in (x_before, x_after))
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

    def healthy(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        if self.terminated_of is None:
            return np.ones(len(qpos), dtype=bool)
        if (qpos.shape[1], qvel.shape[1]) != (self.positions, self.velocities):
            raise ValueError(
                f"robot {self.name!r}: terminated needs {self.positions} positions and "
                f"{self.velocities} velocities, which its observations do not give back"
            )
        over = np.asarray(self.terminated_of(_for_reading(qpos, qvel)))
        if over.shape != (len(qpos),) or over.dtype != bool:
            raise ValueError(
                f"robot {self.name!r}: terminated gave {over.dtype} of shape {over.shape} for "
                f"{len(qpos)} rows; return one bool a row, shape ({len(qpos)},)"
            )
        return ~over


def register_robot(
    name: str,
    xml: str | os.PathLike,
    *,
    observation: Callable[[State], np.ndarray],
    reward: Callable[[State, np.ndarray, State], np.ndarray],
    terminated: Callable[[State], np.ndarray] | None = None,
    frame_skip: int = 1,
    reset_noise: float = 0.01,
    max_episode_steps: int = 1000,
    min_return: float = float("nan"),
    max_return: float = float("nan"),
    shifts: Mapping[str, Mapping[str, Any]] | None = None,
    view: Sequence[float] | None = None,
) -> OwnRobot:
    """Make a MuJoCo model one of ``ROBOTS``.

    The three functions see many robots at once and must treat each row by itself.  They know a
    robot by its positions and velocities alone; contact forces and the like are not at hand.
    Actions lie in [-1, 1] here, whatever the motors' ``ctrlrange``: the ends stand for its ends.
    Registering a name of your own again replaces it, so that a notebook's cell can run twice.

    Args:
        name: lower-case letters, digits and ``_``.
        xml: path of a MuJoCo file, or its text (which begins with ``<``).
        observation: s -> [n, S], s being a :class:`State`.
        reward: (s, a, s') -> [n], the actions a [n, A] clipped to [-1, 1].
        terminated: s' -> bool [n]; None for a robot whose episodes end by time alone.
        frame_skip: physics steps in one environment step.
        reset_noise: half-width of the uniform noise on the model's start, positions and velocities.
        max_episode_steps: steps after which an episode is truncated.
        min_return, max_return: returns of a random and of a good policy, which make 0 and 100 of
            the score; without them every score is NaN, and returns speak for themselves.
        shifts: family -> variant -> what changes at strength 1, for two families.

            * ``kinematic``: joint -> share of its range that is left, such as
              ``{"elbow": {"elbow_joint": 0.2}}``;
            * ``morph``: part -> factor on its size, such as ``{"arm": {"forearm": 0.7}}``.  A part
              is a body (its geoms, and where its joints, sites and child bodies sit), or a geom by
              itself; masses follow where they come from densities.  In place of the parts, a
              function ``edit(spec: mujoco.MjSpec, strength: float)`` may change anything that
              keeps the number of joints, motors, bodies and geoms.

            A sequence in place of a number gives the values at evenly spaced strengths from 0,
            where it has to begin with 1.  ``gravity`` and ``friction`` (of geoms; contact pairs
            keep theirs) come by themselves, as with the other robots.
        view: metres from camera to robot, degrees about the vertical, degrees above the ground
            (negative looks down), height looked at; None looks from the side.

    Returns:
        The robot, with ``observation_size`` and ``action_size`` as found out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the name belongs to the package; the model does not compile or has motors
            without ``ctrlrange``; a function returns the wrong shape or something not finite, or
            mixes rows; a shift names what the model does not have.  Nothing is registered then.
    """
    if name in ROBOTS and not isinstance(ROBOTS[name], OwnRobot):
        raise ValueError(f"name: {name!r} comes with the package; choose another")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(
            f"name: {name!r} should be lower-case letters, digits and _, such as 'my_robot'"
        )
    _check_numbers(name, frame_skip, reset_noise, max_episode_steps, min_return, max_return)
    text = isinstance(xml, str) and xml.lstrip().startswith("<")
    xml, path = (xml, "") if text else ("", str(Path(xml).expanduser().resolve()))
    edited = _load(xml, path)
    total_mass = edited.compiler.settotalmass
    model = _compiled(edited, path)
    robot = OwnRobot(
        name=name, gym_id=f"droco_lite/{name}-v0", asset=path, xml=xml, observation_size=0,
        action_size=model.nu, frame_skip=frame_skip, control_cost=0.0, reset_noise=reset_noise,
        min_return=float(min_return), max_return=float(max_return),
        total_mass=total_mass if total_mass > 0 else None, max_episode_steps=max_episode_steps,
        positions=model.nq, velocities=model.nv, control_range=_control_range(model, path),
        observation_of=observation, reward_of=reward, terminated_of=terminated,
    )  # fmt: skip
    robot = replace(robot, observation_size=_observation_size(robot, model))
    table, edits = _shift_table(name, model, shifts or {})
    before = _leave(name)
    try:
        _enter(robot, table, edits, _view(model) if view is None else tuple(map(float, view)))
        _try_out(robot, model)
    except Exception:
        _leave(name)
        if before is not None:
            _enter(*before)
        raise
    return robot


def unregister_robot(name: str) -> None:
    """Forget a robot of one's own.

    Raises:
        ValueError: there is none of that name, or it comes with the package.
    """
    if not isinstance(get_robot(name), OwnRobot):
        raise ValueError(f"name: {name!r} comes with the package and stays")
    _leave(name)


# ------------------------------------------------------------------------------------------------
# What the rest of the room keeps about a robot, entered and taken out as one.


def _enter(robot: OwnRobot, table: dict, edits: dict, view: tuple) -> None:
    name = robot.name
    ROBOTS[name] = robot
    SHIFT_TABLE[name] = table
    SHIFTS[name] = {family: list(variants) for family, variants in table.items()}
    OTDF_SHIFTS[name] = {}
    _MORPHS.update({(name, "morph", variant): edit for variant, edit in edits.items()})
    _VIEWS[name] = view
    gym_ids._TITLES[name] = name
    gym_ids._CLASSES[name] = partial(OwnEnvironment, name)
    gym_ids.register()


def _leave(name: str) -> tuple | None:
    """Take a robot of one's own out of every table; what :func:`_enter` needs to put it back."""
    if name not in ROBOTS:
        return None
    for family in (None, *SHIFTS[name]):
        gymnasium.registry.pop(gym_ids.environment_id(name, family), None)
    table = SHIFT_TABLE.pop(name)
    edits = {v: _MORPHS.pop((name, "morph", v)) for v in table.get("morph", {})}
    for tables in (SHIFTS, OTDF_SHIFTS, gym_ids._TITLES, gym_ids._CLASSES):
        del tables[name]
    return ROBOTS.pop(name), table, edits, _VIEWS.pop(name)


class OwnEnvironment(gymnasium.Env):
    """A robot of one's own behind ``gymnasium.Env``, the numbers being :class:`BatchedRobot`'s.

    ``gymnasium.make("droco_lite/NAME-v0", shift=...)`` gives it with its time limit.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"]}

    def __init__(self, robot: str, shift: Shift | str = NOMINAL, render_mode: str | None = None):
        self.robot, self.shift, self.render_mode = robot, Shift.parse(shift), render_mode
        endless = np.iinfo(np.int64).max
        self._row = BatchedRobot(
            robot, [shift], [None], threads=1, max_steps=endless, dtype=np.float64
        )
        spec = self._row.spec
        self.metadata = {**self.metadata, "render_fps": round(1 / self._row.dt)}
        size = (spec.observation_size,)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, size, np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (spec.action_size,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        return self._row.reset([0], [seed])[0], {}

    def step(self, action):
        observations, rewards, terminated, _ = self._row.step(np.asarray(action)[None])
        return observations[0], float(rewards[0]), bool(terminated[0]), False, {}

    def render(self):
        return render(self.robot, self.shift, self._row.qpos[0])


# ------------------------------------------------------------------------------------------------
# Checks, each with the mend.


def _load(xml: str, path: str) -> mujoco.MjSpec:
    if not xml and not Path(path).is_file():
        raise FileNotFoundError(
            f"xml: {path} does not exist; give the path of a MuJoCo file, or its text, which "
            "begins with '<'"
        )
    try:
        return mujoco.MjSpec.from_string(xml) if xml else mujoco.MjSpec.from_file(path)
    except ValueError as error:
        raise ValueError(f"xml: {path or 'the text'} is not a MuJoCo model: {error}") from error


def _compiled(edited: mujoco.MjSpec, path: str) -> mujoco.MjModel:
    edited.compiler.settotalmass = -1
    try:
        return edited.compile()
    except ValueError as error:
        raise ValueError(f"xml: {path or 'the text'} does not compile: {error}") from error


def _check_numbers(name, frame_skip, reset_noise, max_episode_steps, min_return, max_return):
    for key, value in (("frame_skip", frame_skip), ("max_episode_steps", max_episode_steps)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"robot {name!r}: {key} is a whole number from 1, got {value!r}")
    if not (np.isfinite(reset_noise) and reset_noise >= 0):
        raise ValueError(f"robot {name!r}: reset_noise is finite and not negative: {reset_noise}")
    if min_return >= max_return or np.isnan(min_return) != np.isnan(max_return):
        raise ValueError(
            f"robot {name!r}: min_return {min_return} should lie below max_return {max_return}; "
            "give both or neither"
        )


def _control_range(model: mujoco.MjModel, path: str) -> tuple[np.ndarray, np.ndarray]:
    if model.nu == 0:
        raise ValueError(f"xml: {path or 'the text'} has no actuator; a robot needs a motor")
    for motor in range(model.nu):
        if not model.actuator_ctrllimited[motor]:
            raise ValueError(
                f"xml: actuator {model.actuator(motor).name or motor} in {path or 'the text'} has "
                "no limits; give it ctrlrange='-1 1'"
            )
    return tuple(np.array(model.actuator_ctrlrange.T))


def _observation_size(robot: OwnRobot, model: mujoco.MjModel) -> int:
    rng, rows = np.random.default_rng(0), 3
    at_rest = np.zeros(model.nv)
    starts = [robot.initial_state(model.qpos0, at_rest, rng) for _ in range(rows)]
    state = State(*map(np.array, zip(*starts, strict=True)))
    seen = np.asarray(robot.observation_of(state))
    if seen.ndim != 2 or len(seen) != rows:
        raise ValueError(
            f"robot {robot.name!r}: observation gave shape {seen.shape} for {rows} rows of "
            f"{model.nq} positions and {model.nv} velocities; return [n, S], such as "
            "np.concatenate([s.qpos, s.qvel], axis=1)"
        )
    alone = np.asarray(robot.observation_of(State(state.qpos[:1], state.qvel[:1])))
    if alone.shape != (1, seen.shape[1]) or not np.array_equal(alone[0], seen[0], equal_nan=True):
        raise ValueError(
            f"robot {robot.name!r}: observation of a row depends on the rows beside it; take sums "
            "and means along axis=1 only"
        )
    return seen.shape[1]


def _knots(where: str, value) -> tuple[float, ...]:
    values = (1.0, value) if np.isscalar(value) else tuple(value)
    if not all(isinstance(v, int | float | np.number) and np.isfinite(v) for v in values):
        raise ValueError(f"{where}: {value!r} is neither a finite number nor a sequence of them")
    if len(values) < 2 or values[0] != 1 or min(values) <= 0:
        raise ValueError(
            f"{where}: {value!r} should be a positive share or factor at strength 1, or several "
            "from strength 0 on, the first being 1 (the nominal robot)"
        )
    return tuple(map(float, values))


def _shift_table(name: str, model: mujoco.MjModel, given: Mapping) -> tuple[dict, dict]:
    """The robot's part of ``SHIFT_TABLE``, and its morphs' edits by variant."""
    table: dict[str, dict[str, dict[str, tuple]]] = {}
    edits: dict[str, Callable] = {}
    for family, variants in given.items():
        if family not in ("kinematic", "morph"):
            free = " (which needs no entry)" if family in ("gravity", "friction") else ""
            raise ValueError(
                f"robot {name!r}: shifts has the family {family!r}{free}; give kinematic or morph"
            )
        for variant, parts in variants.items():
            where = f"robot {name!r}: shifts[{family!r}][{variant!r}]"
            if not _VARIANT.fullmatch(variant):
                raise ValueError(f"{where}: a variant is letters, digits and _, no dash")
            if family == "morph" and callable(parts):
                entry, edits[variant] = {"strength": (0.0, 1.0)}, _by_hand(parts)
            elif not isinstance(parts, Mapping) or not parts:
                kinds = "joints to shares" if family == "kinematic" else "parts to factors"
                raise ValueError(f"{where}: {parts!r} should map {kinds}, such as {{'arm': 0.5}}")
            else:
                check = _check_joint if family == "kinematic" else _check_part
                for part in parts:
                    check(f"{where}[{part!r}]", model, part)
                entry = {p: _knots(f"{where}[{p!r}]", value) for p, value in parts.items()}
                if family == "morph":
                    edits[variant] = _scale_parts
            table.setdefault(family, {})[variant] = entry
    table |= {"gravity": dict(_DOWN_UP), "friction": dict(_DOWN_UP)}
    return table, edits


def _names(model: mujoco.MjModel, kind: mujoco.mjtObj, count: int) -> list[str]:
    return [n for i in range(count) if (n := mujoco.mj_id2name(model, kind, i))]


def _check_joint(where: str, model: mujoco.MjModel, joint: str) -> None:
    names = _names(model, mujoco.mjtObj.mjOBJ_JOINT, model.njnt)
    limited = [n for n in names if model.joint(n).limited[0]]
    if joint not in names:
        raise ValueError(f"{where}: no such joint; with a range there are {_listed(limited)}")
    if joint not in limited:
        raise ValueError(
            f"{where}: the joint has no range to shrink; give it one in the XML (range='-60 60'), "
            f"or take one of {_listed(limited)}"
        )


def _check_part(where: str, model: mujoco.MjModel, part: str) -> None:
    bodies = _names(model, mujoco.mjtObj.mjOBJ_BODY, model.nbody)[1:]
    geoms = _names(model, mujoco.mjtObj.mjOBJ_GEOM, model.ngeom)
    if part not in bodies + geoms:
        raise ValueError(
            f"{where}: no such body or geom; bodies: {_listed(bodies)}; geoms: {_listed(geoms)}"
        )
    if part in bodies:
        at = np.flatnonzero(model.geom_bodyid == model.body(part).id)
    else:
        at = [model.geom(part).id]
    if any(model.geom_type[i] == mujoco.mjtGeom.mjGEOM_MESH for i in at):
        raise ValueError(f"{where}: a mesh has no size to scale; give a function in its place")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _by_hand(edit: Callable[[mujoco.MjSpec, float], None]) -> Callable:
    # The user's parameters may have any names.
    return lambda spec, strength: edit(spec, strength)


def _scale_parts(spec: mujoco.MjSpec, /, **factors: float) -> None:
    """Scale bodies (or geoms) by name, each about its own frame's origin."""
    for part, factor in factors.items():
        body = spec.body(part)
        if body is None:
            _scale_placed(spec.geom(part), factor)
            continue
        for piece in (*body.geoms, *body.sites):
            _scale_placed(piece, factor)
        for piece in (*body.joints, *body.bodies):
            piece.pos = np.asarray(piece.pos) * factor


def _scale_placed(piece, factor: float) -> None:
    piece.pos = np.asarray(piece.pos) * factor
    piece.size = np.asarray(piece.size) * factor
    piece.fromto = np.asarray(piece.fromto) * factor  # NaN where it is not used


def _try_out(robot: OwnRobot, nominal: mujoco.MjModel) -> None:
    """Build every shift at its strongest and take a few steps under each."""
    name = robot.name
    every = [
        Shift(family, variant, 1.0)
        for family, variants in SHIFTS[name].items()
        for variant in variants
    ]
    for shift in every:
        where = f"robot {name!r}: shifts[{shift.family!r}][{shift.variant!r}]"
        try:
            model = make_model(name, shift)
        except Exception as error:
            raise ValueError(f"{where} cannot be built at strength 1: {error}") from error
        for count in ("nq", "nv", "nu", "na", "nbody", "njnt", "ngeom"):
            if getattr(model, count) != getattr(nominal, count):
                raise ValueError(
                    f"{where} changes {count} from {getattr(nominal, count)} to "
                    f"{getattr(model, count)}; a shift has to keep the model's parts"
                )
    rows = [shift for shift in (NOMINAL, *every) for _ in range(_TRIAL_ROWS)]
    robots = BatchedRobot(name, rows, range(len(rows)), threads=1, dtype=np.float64)
    rng, observations = np.random.default_rng(0), robots.observations()
    for step in range(_TRIAL_STEPS):
        if observations.shape != (len(rows), robot.observation_size):
            raise ValueError(
                f"robot {name!r}: observation gave {observations.shape[1:]} columns at step "
                f"{step}, {robot.observation_size} before"
            )
        if not np.isfinite(observations).all():
            row, column = np.argwhere(~np.isfinite(observations))[0]
            raise ValueError(
                f"robot {name!r}: observation column {column} is {observations[row, column]} at "
                f"step {step} under {rows[row]}; mend the function, or calm the model (a smaller "
                "timestep, damping)"
            )
        actions = rng.uniform(-1, 1, (len(rows), robot.action_size))
        observations, _, terminated, _ = robots.step(actions)
        if terminated.any():
            observations = robots.reset(terminated)


def _dressed(spec: mujoco.MjSpec) -> mujoco.MjSpec:
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


def _view(model: mujoco.MjModel) -> tuple[float, float, float, float]:
    """From the side, at a distance from which all of the robot is seen."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    solid = (model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE) & (model.geom_bodyid > 0)
    if not solid.any():
        return 3.0, 90.0, -8.0, 0.0
    radius = model.geom_rbound[solid, None]
    low = (data.geom_xpos[solid] - radius).min(0)
    high = (data.geom_xpos[solid] + radius).max(0)
    return 1.25 * float((high - low).max()), 90.0, -8.0, float((low[2] + high[2]) / 2)
