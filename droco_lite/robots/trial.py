"""What a robot of the reader's own has to pass to be registered; each refusal says the mend."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from droco_lite.robots.batch import BatchedRobot
from droco_lite.robots.families import FAMILIES, Family, edit_limbs, limit_joints
from droco_lite.robots.own import READABLE, OwnRobot, State
from droco_lite.robots.robot import Start
from droco_lite.robots.shifts import NOMINAL, SHIFTS, Shift, make_model

__all__ = [
    "check_numbers", "control_range", "discover", "from_the_side", "shift_table", "try_out",
]  # fmt: skip

# What the variants of a family map to what, where the family's quantities are parts of the model.
_PARTS = {limit_joints: "joints to shares", edit_limbs: "parts to factors"}
_VARIANT = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Rows and steps of the trial that a robot has to pass: enough to fall, to touch and to overflow.
_TRIAL_ROWS, _TRIAL_STEPS = 4, 25


def check_numbers(name, frame_skip, reset_noise, max_episode_steps, min_return, max_return):
    """Refuse numbers of a robot that cannot be.

    Raises:
        ValueError: the message names the key.
    """
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


def control_range(model: mujoco.MjModel, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest control of each motor, [A] both.

    Raises:
        ValueError: the model has no motor, or one without limits.
    """
    if model.nu == 0:
        raise ValueError(f"xml: {path or 'the text'} has no actuator; a robot needs a motor")
    for motor in range(model.nu):
        if not model.actuator_ctrllimited[motor]:
            raise ValueError(
                f"xml: actuator {model.actuator(motor).name or motor} in {path or 'the text'} has "
                "no limits; give it ctrlrange='-1 1'"
            )
    return tuple(np.array(model.actuator_ctrlrange.T))


def discover(robot: OwnRobot, model: mujoco.MjModel) -> dict[str, Any]:
    """What the user's functions read and give, found by calling them on a few starts.

    Returns:
        ``observation_size``, ``hidden_positions`` (-1 where an observation is not the state),
        ``reads`` and ``shapes`` of the record.
    """
    rng, rows = np.random.default_rng(0), 3
    datas, starts = [mujoco.MjData(model) for _ in range(rows)], []
    for data in datas:
        start = Start.of(model)
        robot.begin(start, rng)
        for name in ("qpos", "qvel", "act", "mocap_pos", "mocap_quat"):
            getattr(data, name)[:] = getattr(start, name)
        mujoco.mj_forward(model, data)
        starts.append(start)
    fields = {name: np.array([getattr(data, name) for data in datas]) for name in READABLE}
    read = _Noted(fields)

    def state(rows=slice(None)) -> State:
        qpos, qvel = (np.array([getattr(s, name) for s in starts]) for name in ("qpos", "qvel"))
        return State(qpos[rows], qvel[rows], read.of(rows), robot.ids)

    size = _observation_size(robot, model, state)
    actions = rng.uniform(-1, 1, (rows, robot.action_size))
    with np.errstate(all="ignore"):  # the trial will say it
        robot.reward_of(state(), actions, state())
        if robot.terminated_of is not None:
            robot.terminated_of(state())
    reads = tuple(name for name in READABLE if name in read.names)
    whole, seen = state(), np.asarray(robot.observation_of(state()))
    shown = [np.concatenate([whole.qpos[:, k:], whole.qvel], axis=1) for k in range(model.nq + 1)]
    hidden = [k for k, plain in enumerate(shown) if np.array_equal(plain, seen)]
    return {
        "observation_size": size,
        "hidden_positions": hidden[0] if hidden else -1,
        "reads": reads,
        "shapes": {name: fields[name].shape[1:] for name in reads},
    }


class _Noted(dict):
    """Fields that note which of them is taken."""

    def __init__(self, fields: Mapping[str, np.ndarray], names: set[str] | None = None):
        super().__init__(fields)
        self.names: set[str] = set() if names is None else names

    def __getitem__(self, name: str) -> np.ndarray:
        self.names.add(name)
        return super().__getitem__(name)

    def of(self, rows) -> _Noted:
        return _Noted({name: array[rows] for name, array in self.items()}, self.names)


def _observation_size(robot: OwnRobot, model: mujoco.MjModel, state: Callable[..., State]) -> int:
    seen = np.asarray(robot.observation_of(state()))
    rows = len(state().qpos)
    if seen.ndim != 2 or len(seen) != rows:
        raise ValueError(
            f"robot {robot.name!r}: observation gave shape {seen.shape} for {rows} rows of "
            f"{model.nq} positions and {model.nv} velocities; return [n, S], such as "
            "np.concatenate([s.qpos, s.qvel], axis=1)"
        )
    alone = np.asarray(robot.observation_of(state(slice(1))))
    if alone.shape != (1, seen.shape[1]) or not np.array_equal(alone[0], seen[0], equal_nan=True):
        raise ValueError(
            f"robot {robot.name!r}: observation of a row depends on the rows beside it; take sums "
            "and means along axis=1 only"
        )
    return seen.shape[1]


def _knots(where: str, value, family: Family) -> tuple[float, ...]:
    """The numbers of a quantity from strength 0 on."""
    shares = family.edit in _PARTS
    values = (1.0, value) if np.isscalar(value) and (shares or family.geometric) else value
    values = (value,) if np.isscalar(values) else tuple(values)
    if not all(isinstance(v, int | float | np.number) and np.isfinite(v) for v in values):
        raise ValueError(f"{where}: {value!r} is neither a finite number nor a sequence of them")
    if not shares and (len(values) < 2 or (family.geometric and min(values) <= 0)):
        raise ValueError(
            f"{where}: {value!r} should be the numbers from strength 0 on, at least two"
            + ", all positive" * family.geometric
        )
    if shares and (len(values) < 2 or values[0] != 1 or min(values) <= 0):
        raise ValueError(
            f"{where}: {value!r} should be a positive share or factor at strength 1, or several "
            "from strength 0 on, the first being 1 (the nominal robot)"
        )
    return tuple(map(float, values))


def shift_table(name: str, model: mujoco.MjModel, given: Mapping) -> tuple[dict, dict]:
    """The record's ``shifts`` and ``edits``.

    Args:
        name: of the robot, for messages.
        model: the nominal one.
        given: family -> variant -> what changes, as :func:`register_robot` takes it.

    Raises:
        ValueError: a family, a variant, a part or a number that cannot be; the message says which.
    """
    table: dict[str, dict[str, dict[str, tuple]]] = {}
    edits: dict[tuple[str, str], Callable] = {}
    entry: dict[str, tuple[float, ...]]
    for family, variants in given.items():
        takes = [known for known, kind in FAMILIES.items() if not kind.everywhere]
        if family not in takes:
            free = " (which needs no entry)" if family in FAMILIES else ""
            raise ValueError(
                f"robot {name!r}: shifts has the family {family!r}{free}; give {' or '.join(takes)}"
            )
        edit = FAMILIES[family].edit
        for variant, parts in variants.items():
            where = f"robot {name!r}: shifts[{family!r}][{variant!r}]"
            if not _VARIANT.fullmatch(variant):
                raise ValueError(f"{where}: a variant is letters, digits and _, no dash")
            if edit is edit_limbs and callable(parts):
                entry = {"strength": (0.0, 1.0)}
                edits[family, variant] = _ByHand(parts)
            elif not isinstance(parts, Mapping) or not parts:
                kinds = _PARTS.get(edit, "quantities to numbers")
                raise ValueError(f"{where}: {parts!r} should map {kinds}, such as {{'arm': 0.5}}")
            else:
                if edit in _PARTS:
                    check = _check_joint if edit is limit_joints else _check_part
                    for part in parts:
                        check(f"{where}[{part!r}]", model, part)
                kind = FAMILIES[family]
                entry = {p: _knots(f"{where}[{p!r}]", value, kind) for p, value in parts.items()}
                if edit is edit_limbs:
                    edits[family, variant] = _scale_parts
            table.setdefault(family, {})[variant] = entry
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
        at = np.array([model.geom(part).id])
    if any(model.geom_type[i] == mujoco.mjtGeom.mjGEOM_MESH for i in at):
        raise ValueError(f"{where}: a mesh has no size to scale; give a function in its place")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


@dataclass(frozen=True)
class _ByHand:
    """The user's edit of a model, whose parameters may have any names."""

    edit: Callable[[mujoco.MjSpec, float], None]

    def __call__(self, spec: mujoco.MjSpec, strength: float) -> None:
        self.edit(spec, strength)


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


def try_out(robot: OwnRobot, nominal: mujoco.MjModel) -> str:
    """Build every shift at its strongest and take a few steps under each.

    Returns:
        A hash of all that was observed and earned.

    Raises:
        ValueError: a shift does not compile, changes the model's parts or makes an observation that
            is not finite; the message says which.
    """
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
    rng, observations, told = np.random.default_rng(0), robots.observations(), hashlib.sha256()
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
        observations, rewards, terminated, _ = robots.step(actions)
        for array in (observations, rewards):
            told.update(np.round(array, 4).tobytes())
        if terminated.any():
            observations = robots.reset(terminated)
    return told.hexdigest()[:16]


def from_the_side(model: mujoco.MjModel) -> tuple[float, float, float, float]:
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
