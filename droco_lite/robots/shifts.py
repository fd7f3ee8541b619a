"""Every dynamics shift in numbers, and one function that builds a shifted robot.

A shift has a family (what kind of thing changes), a variant (which joint, limb or direction) and
a strength. Strength 0 is the nominal robot; 1/3, 2/3 and 1 are *easy*, *medium* and *hard*; what
lies between is interpolated, so that a slider passes through the published levels.

The numbers are ODRL's (Lyu et al. 2024) for ``kinematic`` and ``morph`` at the three levels. ODRL
has no levels for gravity and friction but the factors 0.1, 0.5, 2 and 5: here *down* is
10**-strength and *up* is 5**strength, and :meth:`Shift.from_factor` gives the strength of any
factor. OTDF's joints and limbs (Lyu et al. 2025), far harsher and often on one side only, have
families of their own (``otdf-kinematic``, ``otdf-morph``, ``otdf-gravity``): strength 1 is OTDF's
robot and the rest is interpolated.

Models are Gymnasium's, edited by program: no XML is copied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import mujoco
import numpy as np

from droco_lite.robots.specs import get_robot

__all__ = [
    "LEVELS",
    "NOMINAL",
    "OTDF_SHIFTS",
    "SHIFTS",
    "SHIFT_TABLE",
    "Shift",
    "make_model",
    "max_strength",
    "shift_values",
]

LEVELS: dict[str, float] = {"easy": 1 / 3, "medium": 2 / 3, "hard": 1.0}

# Beyond "hard" the joints close further, torsos and forces grow on. Limbs that shrink stop at 1:
# past it they would turn inside out, which MuJoCo compiles without a word.
_BEYOND = 4 / 3
_LEAST_SPAN = 0.01


@dataclass(frozen=True)
class Shift:
    """One change of a robot's dynamics: which kind, where, how much.

    Attributes:
        family: ``kinematic`` (joint ranges), ``morph`` (limbs), ``gravity``, ``friction``, one of
            those with ``otdf-`` before it, or ``nominal``.
        variant: joint, limb or direction; see ``SHIFTS[robot][family]``. Empty for nominal.
        strength: 0 is nominal, 1 is hard. :func:`make_model` refuses what a variant cannot do.

    Raises:
        ValueError: for an unknown family, or a strength that is negative or not finite.
    """

    family: str = "nominal"
    variant: str = ""
    strength: float = 0.0

    FAMILIES: ClassVar[tuple[str, ...]] = (
        "kinematic", "morph", "gravity", "friction", "otdf-kinematic", "otdf-morph", "otdf-gravity",
    )  # fmt: skip

    def __post_init__(self):
        if self.family == "nominal":
            if self.variant or self.strength:
                raise ValueError("family: 'nominal' takes neither a variant nor a strength")
            return
        if self.family not in self.FAMILIES:
            families = ", ".join(("nominal", *self.FAMILIES))
            raise ValueError(f"family: {self.family!r} is not one of {families}")
        if not self.variant:
            raise ValueError(f"variant: the {self.family} family needs one, such as 'thighjnt'")
        try:
            strength = float(self.strength)
        except (TypeError, ValueError):
            raise ValueError(f"strength: {self.strength!r} is not a number") from None
        if not (math.isfinite(strength) and strength >= 0):
            raise ValueError(f"strength: must be finite and not negative, got {strength}")
        object.__setattr__(self, "strength", strength)

    @classmethod
    def parse(cls, text: str | Shift) -> Shift:
        """Read ``"kinematic-thighjnt-hard"``, ``"gravity-up-0.5"`` or ``"nominal"``.

        The inverse of ``str``. A Shift is returned as it is.

        Raises:
            ValueError: if the text is none of these.
        """
        if isinstance(text, cls):
            return text
        if text == "nominal":
            return cls()
        for family in cls.FAMILIES:
            if str(text).startswith(f"{family}-"):
                variant, dash, strength = text[len(family) + 1 :].partition("-")
                if not dash or not variant:
                    break
                if strength not in LEVELS:
                    try:
                        float(strength)
                    except ValueError:
                        raise ValueError(
                            f"shift: {text!r} ends in {strength!r}, which is neither a number nor "
                            f"one of {', '.join(LEVELS)}"
                        ) from None
                return cls(family, variant, LEVELS.get(strength) or float(strength))
        raise ValueError(
            f"shift: cannot read {text!r}; write 'nominal' or FAMILY-VARIANT-LEVEL, such as "
            f"'kinematic-thighjnt-hard' (families: {', '.join(cls.FAMILIES)})"
        )

    @classmethod
    def from_factor(cls, family: str, factor: float) -> Shift:
        """The gravity or friction shift that multiplies by ``factor`` (ODRL: 0.1, 0.5, 2, 5)."""
        if family not in ("gravity", "friction"):
            raise ValueError(f"family: only gravity and friction have factors, not {family!r}")
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError(f"factor: must be finite and positive, got {factor}")
        if factor <= 1:
            return cls(family, "down", -math.log10(factor) + 0.0)
        return cls(family, "up", math.log(factor, 5))

    @property
    def level(self) -> str | None:
        """``"easy"``, ``"medium"`` or ``"hard"`` where the strength is one of theirs."""
        return next((name for name, s in LEVELS.items() if s == self.strength), None)

    def at(self, strength: float) -> Shift:
        """The same shift at another strength."""
        return Shift(self.family, self.variant, strength)

    def __str__(self) -> str:
        if self.family == "nominal":
            return "nominal"
        return f"{self.family}-{self.variant}-{self.level or repr(self.strength)}"


NOMINAL = Shift()

# ------------------------------------------------------------------------------------------------
# The table: robot -> family -> variant -> quantity -> its values at the knots. Four knots stand at
# strengths 0, 1/3, 2/3, 1 (nominal, easy, medium, hard), two at 0 and 1.
# kinematic: share of each joint's range that is left. morph: metres. gravity, friction: factors.

_ODRL_SPAN = (1.0, 0.8, 0.5, 0.2)
_DOWN_UP = {"down": {"factor": (1.0, 0.1)}, "up": {"factor": (1.0, 5.0)}}
_TORSO = {"length": (0.40, 0.48, 0.64, 0.80), "radius": (0.05, 0.075, 0.10, 0.125)}
_ANT_LEG = (0.4, 0.32, 0.20, 0.08)


def _joints(*names):
    return dict.fromkeys(names, _ODRL_SPAN)


SHIFT_TABLE: dict[str, dict[str, dict[str, dict[str, tuple]]]] = {
    "hopper": {
        "kinematic": {"legjnt": _joints("leg_joint"), "footjnt": _joints("foot_joint")},
        "morph": {
            "torso": _TORSO,
            "foot": {
                "heel": (-0.13, -0.104, -0.078, -0.052),
                "toe": (0.26, 0.208, 0.156, 0.104),
                "radius": (0.06, 0.048, 0.036, 0.024),
            },
        },
        "gravity": _DOWN_UP,
        "friction": _DOWN_UP,
        "otdf-kinematic": {"thighfootjnt": {"thigh_joint": (1.0, 0.001), "foot_joint": (1.0, 0.4)}},
        "otdf-morph": {
            "torsothigh": {"torso_radius": (0.05, 0.125), "thigh_radius": (0.05, 0.04)},
        },
        "otdf-gravity": {"down": {"factor": (1.0, 0.5)}},
    },
    "walker2d": {
        "kinematic": {
            "thighjnt": _joints("thigh_joint", "thigh_left_joint"),
            "footjnt": _joints("foot_joint", "foot_left_joint"),
        },
        "morph": {"torso": _TORSO, "leg": {"knee": (0.60, 0.50, 0.35, 0.20)}},
        "gravity": _DOWN_UP,
        "friction": _DOWN_UP,
        "otdf-kinematic": {"rightfootjnt": {"foot_joint": (1.0, 0.01)}},
        "otdf-morph": {"rightleg": {"knee": (0.60, 1.045), "ankle": (0.10, 0.30)}},
        "otdf-gravity": {"down": {"factor": (1.0, 0.5)}},
    },
    "halfcheetah": {
        "kinematic": {
            "thighjnt": _joints("bthigh", "fthigh"),
            "footjnt": _joints("bfoot", "ffoot"),
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
        "gravity": _DOWN_UP,
        "friction": _DOWN_UP,
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
    "ant": {
        "kinematic": {
            "hipjnt": _joints("hip_1", "hip_2", "hip_3", "hip_4"),
            "anklejnt": _joints("ankle_1", "ankle_2", "ankle_3", "ankle_4"),
        },
        "morph": {"alllegs": {"shin": _ANT_LEG}, "halflegs": {"shin": _ANT_LEG}},
        "gravity": _DOWN_UP,
        "friction": _DOWN_UP,
        "otdf-kinematic": {"fronthipjnt": {"hip_1": (1.0, 0.01), "hip_2": (1.0, 0.01)}},
        "otdf-morph": {"frontlegs": {"shin": (0.4, 0.1)}},
        "otdf-gravity": {"down": {"factor": (1.0, 0.5)}},
    },
}

SHIFTS: dict[str, dict[str, list[str]]] = {
    robot: {f: list(v) for f, v in families.items() if not f.startswith("otdf-")}
    for robot, families in SHIFT_TABLE.items()
}
OTDF_SHIFTS: dict[str, dict[str, list[str]]] = {
    robot: {f: list(v) for f, v in families.items() if f.startswith("otdf-")}
    for robot, families in SHIFT_TABLE.items()
}


def _entry(robot: str, shift: Shift) -> dict[str, tuple]:
    """The table's row for a shift, or a ValueError that says what there is."""
    get_robot(robot)
    variants = SHIFT_TABLE[robot][shift.family]
    if shift.variant not in variants:
        raise ValueError(
            f"variant: {robot} has no {shift.family} variant {shift.variant!r}; "
            f"it has {', '.join(variants)}"
        )
    return variants[shift.variant]


def max_strength(robot: str, shift: Shift | str) -> float:
    """The largest strength at which a shift makes sense (1, or 4/3 where it can go on)."""
    shift = Shift.parse(shift)
    if shift.family == "nominal":
        return 0.0
    _entry(robot, shift)
    if shift.family.startswith("otdf-"):
        return 1.0
    if shift.family == "morph" and (robot, shift.variant) not in {
        ("hopper", "torso"),
        ("walker2d", "torso"),
    }:
        return 1.0
    return _BEYOND


def shift_values(robot: str, shift: Shift | str) -> dict[str, float | np.ndarray]:
    """The numbers of a shift at its strength.

    Linear between the knots; geometric for gravity and friction, whose knots are factors.

    Args:
        robot: name in ``ROBOTS``.
        shift: the shift, or its text.

    Returns:
        Quantity to value: share of the range left (kinematic), metres (morph) or a factor.

    Raises:
        ValueError: for an unknown robot or variant, or a strength beyond :func:`max_strength`.
    """
    shift = Shift.parse(shift)
    if shift.family == "nominal":
        get_robot(robot)
        return {}
    entry = _entry(robot, shift)
    most = max_strength(robot, shift)
    if shift.strength > most:
        raise ValueError(
            f"strength: {robot} {shift.family}-{shift.variant} goes from 0 to {most:g}, "
            f"got {shift.strength:g}"
        )
    values = {name: _at(knots, shift) for name, knots in entry.items()}
    if shift.family == "kinematic":
        values = {name: max(share, _LEAST_SPAN) for name, share in values.items()}
    return values


def _at(knots: tuple, shift: Shift):
    knots = np.asarray(knots, dtype=float)
    if shift.family.endswith(("gravity", "friction")):
        return float(knots[0] * (knots[1] / knots[0]) ** shift.strength)
    strengths = np.linspace(0.0, 1.0, len(knots))
    if shift.strength in strengths:  # the published number itself, not a rounding of it
        value = knots[np.flatnonzero(strengths == shift.strength)[0]]
    else:  # beyond the last knot the last slope goes on
        i = min(int(np.searchsorted(strengths, shift.strength)), len(knots) - 1)
        share = (shift.strength - strengths[i - 1]) / (strengths[i] - strengths[i - 1])
        value = knots[i - 1] + share * (knots[i] - knots[i - 1])
    return float(value) if np.ndim(value) == 0 else value


# ------------------------------------------------------------------------------------------------
# The edits: each takes Gymnasium's model as a MjSpec and the numbers above.


def make_model(
    robot: str, shift: Shift | str = NOMINAL, *, scale_floor: bool = True
) -> mujoco.MjModel:
    """Build a robot under a shift.

    Args:
        robot: name in ``ROBOTS``.
        shift: the shift, or its text (``"morph-torso-easy"``).
        scale_floor: only for Hopper's friction. MuJoCo uses the larger friction of the two bodies
            in contact, so with the floor left at 1 a foot below 1 changes nothing. True scales the
            floor too; False is ODRL to the letter, where Hopper's factors 0.1 and 0.5 are the same
            environment.

    Returns:
        A compiled model. At strength 0 every number is Gymnasium's.

    Raises:
        ValueError: for an unknown robot, family or variant, or a strength out of range.
    """
    spec = get_robot(robot)
    shift = Shift.parse(shift)
    values = shift_values(robot, shift)
    edited = spec.load()
    # MuJoCo calls settotalmass deprecated, on the console and in a log file it leaves in the
    # working directory; setting the mass after compiling gives the same model in silence.
    edited.compiler.settotalmass = -1
    if shift.strength > 0:
        family = shift.family.removeprefix("otdf-")
        if family == "kinematic":
            _limit_joints(edited, values)
        elif family == "gravity":
            edited.option.gravity = np.asarray(edited.option.gravity) * values["factor"]
        elif family == "friction":
            floor = scale_floor or robot != "hopper"
            _scale_friction(edited, values["factor"], floor=floor)
        else:
            _MORPHS[robot, shift.family, shift.variant](edited, **values)
    model = edited.compile()
    if spec.total_mass is not None:
        mujoco.mj_setTotalmass(model, spec.total_mass)
        mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def _limit_joints(spec: mujoco.MjSpec, shares: dict[str, float]) -> None:
    """Shrink each range towards its point nearest zero, which every start pose keeps."""
    for name, share in shares.items():
        joint = spec.joint(name)
        low, high = joint.range
        anchor = np.clip(0.0, low, high)
        joint.range = [anchor + share * (low - anchor), anchor + share * (high - anchor)]


def _scale_friction(spec: mujoco.MjSpec, factor: float, *, floor: bool) -> None:
    for geom in spec.geoms:
        if floor or geom.name != "floor":
            friction = np.array(geom.friction)
            friction[0] *= factor
            geom.friction = friction


def _capsule(geom, start, end, radius: float | None = None) -> None:
    """Lay a capsule from one point to another, in its body's frame."""
    # The compiler refuses a geom with two placements, so the old one has to go first.
    geom.pos = [0, 0, 0]
    geom.quat = [1, 0, 0, 0]
    geom.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
    geom.fromto = [*start, *end]
    if radius is not None:
        geom.size = [radius, 0, 0]


def _torso(spec, length: float, radius: float) -> None:
    """A longer, thicker torso of Hopper or Walker2d on the same hip (mostly a heavier one)."""
    hip = -0.2
    _capsule(spec.geom("torso_geom"), (0, 0, hip + length), (0, 0, hip), radius)


def _hopper_foot(spec, heel: float, toe: float, radius: float) -> None:
    """Heel and toe are x about the ankle, which stands 0.13 behind the foot's frame."""
    _capsule(spec.geom("foot_geom"), (heel - 0.13, 0, 0.1), (toe - 0.13, 0, 0.1), radius)


def _hopper_torso_thigh(spec, torso_radius: float, thigh_radius: float) -> None:
    for name, radius in (("torso_geom", torso_radius), ("thigh_geom", thigh_radius)):
        size = np.array(spec.geom(name).size)
        size[0] = radius
        spec.geom(name).size = size


_HIP, _SHIN_FRAME, _ANKLE = 1.05, 0.35, 0.10  # heights in Walker2d's standing pose, metres


def _walker_leg(spec, side: str, knee: float, ankle: float = _ANKLE) -> None:
    """Move one knee (and ankle) to a height; thigh, shin and foot follow."""
    _capsule(spec.geom(f"thigh{side}_geom"), (0, 0, 0), (0, 0, knee - _HIP))
    _capsule(spec.geom(f"leg{side}_geom"), (0, 0, knee - _SHIN_FRAME), (0, 0, ankle - _SHIN_FRAME))
    spec.joint(f"leg{side}_joint").pos = [0, 0, knee - _SHIN_FRAME]
    if ankle != _ANKLE:
        spec.joint(f"foot{side}_joint").pos = [-0.2, 0, ankle]
        spec.geom(f"foot{side}_geom").pos = [-0.1, 0, ankle]


def _walker_knees(spec, knee: float) -> None:
    _walker_leg(spec, "", knee)
    _walker_leg(spec, "_left", knee)


def _walker_right_leg(spec, knee: float, ankle: float) -> None:
    _walker_leg(spec, "", knee, ankle)


def _cheetah_torso(spec, half_length: float) -> None:
    _capsule(spec.geom("torso"), (-half_length, 0, 0), (half_length, 0, 0))
    spec.geom("head").pos = [half_length + 0.1, 0, 0.1]
    spec.body("bthigh").pos = [-half_length, 0, 0]
    spec.body("fthigh").pos = [half_length, 0, 0]


_CHEETAH_CHILD = {"bthigh": "bshin", "bshin": "bfoot", "fthigh": "fshin", "fshin": "ffoot"}


def _cheetah_legs(
    spec, straighten: float, bfoot_half_length: float | None = None, **ends: np.ndarray
) -> None:
    """Hang each child at its limb's new end and let the limb's capsule follow.

    Gymnasium's capsules start and stop a little beside the joints, the shifted ones run from joint
    to joint: ``straighten`` is the share of that offset which is gone.
    """
    for limb, (x, z) in ends.items():
        child = spec.body(_CHEETAH_CHILD[limb])
        offset = (1 - straighten) * (_capsule_ends(spec.geom(limb)) - [(0, 0, 0), child.pos])
        child.pos = [x, 0, z]
        _capsule(spec.geom(limb), offset[0], offset[1] + child.pos)
    if bfoot_half_length is not None:
        size = np.array(spec.geom("bfoot").size)
        size[1] = bfoot_half_length
        spec.geom("bfoot").size = size


def _capsule_ends(geom) -> np.ndarray:
    """Both ends [2, 3] of a capsule that was turned about y."""
    angle = geom.alt.axisangle[3]
    half = geom.size[1] * np.array([np.sin(angle), 0.0, np.cos(angle)])
    ends = np.array([geom.pos - half, geom.pos + half])
    # Nearer to the body's own joint first.
    return ends[np.argsort(np.linalg.norm(ends, axis=1))]


def _ant_shins(spec, shin: float, legs: tuple[str, ...]) -> None:
    """Shorten the last segment of these legs; its end is ``shin`` along x and along y."""
    for leg in legs:
        geom = spec.geom(f"{leg}_ankle_geom")
        direction = np.sign(np.array(geom.fromto)[3:])
        _capsule(geom, (0, 0, 0), direction * shin)


_FRONT_LEGS = ("left", "right")
_ALL_LEGS = (*_FRONT_LEGS, "third", "fourth")

_MORPHS = {
    ("hopper", "morph", "torso"): _torso,
    ("hopper", "morph", "foot"): _hopper_foot,
    ("hopper", "otdf-morph", "torsothigh"): _hopper_torso_thigh,
    ("walker2d", "morph", "torso"): _torso,
    ("walker2d", "morph", "leg"): _walker_knees,
    ("walker2d", "otdf-morph", "rightleg"): _walker_right_leg,
    ("halfcheetah", "morph", "torso"): _cheetah_torso,
    ("halfcheetah", "morph", "thigh"): _cheetah_legs,
    ("halfcheetah", "otdf-morph", "thigh"): _cheetah_legs,
    ("ant", "morph", "alllegs"): partial(_ant_shins, legs=_ALL_LEGS),
    ("ant", "morph", "halflegs"): partial(_ant_shins, legs=_FRONT_LEGS),
    ("ant", "otdf-morph", "frontlegs"): partial(_ant_shins, legs=_FRONT_LEGS),
}
