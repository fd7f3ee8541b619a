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

The kinds of change stand in :mod:`droco_lite.robots.families`, the numbers of each robot in its
own file in :mod:`droco_lite.robots.models`: family -> variant -> quantity -> its values at the
knots. Four knots stand at strengths 0, 1/3, 2/3, 1 (nominal, easy, medium, hard), two at 0 and 1.
*kinematic* numbers are shares of each joint's range that are left, *morph* metres, *gravity* and
*friction* factors. Models are Gymnasium's, edited by program: no XML is copied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droco_lite.robots.families import BEYOND, FAMILIES
from droco_lite.robots.registry import Table, get_robot
from droco_lite.robots.robot import Robot

if TYPE_CHECKING:
    import mujoco

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


@dataclass(frozen=True)
class Shift:
    """One change of a robot's dynamics: which kind, where, how much.

    Attributes:
        family: one of ``FAMILIES``: ``kinematic`` (joint ranges), ``morph`` (limbs), ``gravity``,
            ``friction``, or one of those with ``otdf-`` before it; or ``nominal``.
        variant: joint, limb or direction; see ``SHIFTS[robot][family]``. Empty for nominal.
        strength: 0 is nominal, 1 is hard. :func:`make_model` refuses what a variant cannot do.

    Raises:
        ValueError: for an unknown family, or a strength that is negative or not finite.
    """

    family: str = "nominal"
    variant: str = ""
    strength: float = 0.0

    def __post_init__(self):
        if self.family == "nominal":
            if self.variant or self.strength:
                raise ValueError("family: 'nominal' takes neither a variant nor a strength")
            return
        if self.family not in FAMILIES:
            families = ", ".join(("nominal", *FAMILIES))
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
        if isinstance(text, Shift):
            return text
        if text == "nominal":
            return cls()
        for family in FAMILIES:
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
            f"'kinematic-thighjnt-hard' (families: {', '.join(FAMILIES)})"
        )

    @classmethod
    def from_factor(cls, family: str, factor: float) -> Shift:
        """The gravity or friction shift that multiplies by ``factor`` (ODRL: 0.1, 0.5, 2, 5).

        Raises:
            ValueError: another family, or a factor that is not finite and positive.
        """
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


def _table(robot: Robot, evaluated: tuple[bool, ...] = (True, False)) -> dict[str, dict]:
    """A robot's shifts with those that its families give to every robot, in the families' order."""
    table = {}
    for name, family in FAMILIES.items():
        variants = {**family.everywhere, **robot.shifts.get(name, {})}
        if variants and family.evaluated in evaluated:
            table[name] = variants
    return table


def _variants(evaluated: bool) -> Table:
    return Table(lambda robot: {f: list(v) for f, v in _table(robot, (evaluated,)).items()})


#: robot -> family -> variant -> quantity -> its values at the knots.
SHIFT_TABLE: Table = Table(_table)
#: robot -> family -> variants, of the families that evaluations take by default.
SHIFTS: Table = _variants(True)
#: The same of OTDF's families.
OTDF_SHIFTS: Table = _variants(False)


def _entry(robot: str, shift: Shift) -> dict[str, tuple]:
    """The table's row for a shift, or a ValueError that says what there is."""
    families = _table(get_robot(robot))
    if shift.family not in families:
        raise ValueError(
            f"family: {robot} has no {shift.family} shifts; it has {', '.join(families)}"
        )
    variants = families[shift.family]
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
    if (shift.family, shift.variant) in get_robot(robot).unbounded:
        return BEYOND
    return FAMILIES[shift.family].most


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
    least = FAMILIES[shift.family].least
    return values if least is None else {name: max(value, least) for name, value in values.items()}


def _at(published: tuple, shift: Shift):
    knots = np.asarray(published, dtype=float)
    strengths = np.linspace(0.0, 1.0, len(knots))
    if FAMILIES[shift.family].geometric:
        if len(knots) == 2:
            return float(knots[0] * (knots[1] / knots[0]) ** shift.strength)
        return float(np.exp(_linear(np.log(knots), strengths, shift.strength)))
    value = _linear(knots, strengths, shift.strength)
    return float(value) if np.ndim(value) == 0 else value


def _linear(knots: np.ndarray, strengths: np.ndarray, strength: float):
    if strength in strengths:  # the published number itself, not a rounding of it
        return knots[np.flatnonzero(strengths == strength)[0]]
    # Beyond the last knot the last slope goes on.
    i = min(int(np.searchsorted(strengths, strength)), len(knots) - 1)
    share = (strength - strengths[i - 1]) / (strengths[i] - strengths[i - 1])
    return knots[i - 1] + share * (knots[i] - knots[i - 1])


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
    import mujoco

    spec = get_robot(robot)
    shift = Shift.parse(shift)
    values = shift_values(robot, shift)
    edited = spec.load()
    # MuJoCo calls settotalmass deprecated, on the console and in a log file it leaves in the
    # working directory; setting the mass after compiling gives the same model in silence.
    edited.compiler.settotalmass = -1
    if shift.strength > 0:
        floor = scale_floor or spec.floor_scales
        FAMILIES[shift.family].edit(edited, spec, shift, values, floor)
    model = edited.compile()
    if spec.total_mass is not None:
        mujoco.mj_setTotalmass(model, spec.total_mass)
        mujoco.mj_setConst(model, mujoco.MjData(model))
    return model
