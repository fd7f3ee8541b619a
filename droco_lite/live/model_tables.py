"""A robot's compiled models as numbers, for a simulator that cannot compile them itself.

The lab's MuJoCo reads the nominal robot's XML and then takes every number of the compiled model
from here, so that it holds what :func:`droco_lite.robots.make_model` holds: an XML keeps six
digits or so, and HalfCheetah's mass is set after compiling. For each variant of each shift there is
a table of the entries that it changes, one row for every strength of :data:`STRENGTHS` up to the
variant's largest: the hundredths and the thirds, among which are the published levels. Nothing is
interpolated.
"""

from __future__ import annotations

import functools

import mujoco
import numpy as np

from droco_lite.robots import NOMINAL, Shift, get_robot, make_model, max_strength
from droco_lite.robots.shifts import SHIFT_TABLE

__all__ = ["STRENGTHS", "model_fields", "nominal_fields", "nominal_xml", "shift_table"]

#: Strengths of a table's rows.
STRENGTHS = tuple(sorted({*(k / 100 for k in range(134)), 1 / 3, 2 / 3, 4 / 3}))
# MuJoCo's own integers number things (types, addresses) and may be numbered otherwise in another
# version; these two say which frames coincide, which a shift does change.
_INTEGERS = ("body_sameframe", "geom_sameframe")
# Buffers of a thousand contacts, 13 MB a robot, would not let thirty robots into one page.
_ARENA = 2**20


def nominal_xml(robot: str) -> str:
    """The nominal robot as XML, with the settings of the batched simulator."""
    edited = get_robot(robot).load()
    edited.compiler.settotalmass = -1
    edited.memory, edited.nstack = _ARENA, -1
    if make_model(robot).ntree == 1:
        edited.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
    edited.compile()
    return edited.to_xml()


def model_fields(model: mujoco.MjModel) -> dict[str, np.ndarray]:
    """Every number of a compiled model that its physics depends on, flat, by name.

    Names are MuJoCo's; those of ``model.opt`` and ``model.stat`` have that word and a dot in front.
    """
    found = {}
    for prefix, owner in (("", model), ("opt.", model.opt), ("stat.", model.stat)):
        for name in _numbers(owner):
            value = np.asarray(getattr(owner, name))
            if value.size and (value.dtype.kind == "f" or name in _INTEGERS):
                found[prefix + name] = value.reshape(-1).astype(np.float64)
    return found


_NUMBERS: dict[type, list[str]] = {}


def _numbers(owner) -> list[str]:
    """Attributes that are floats or arrays, the same for every object of a type; asked once."""
    kind = type(owner)
    if kind not in _NUMBERS:
        names = [name for name in dir(owner) if not name.startswith("_")]
        _NUMBERS[kind] = [n for n in names if isinstance(getattr(owner, n), (np.ndarray, float))]
    return _NUMBERS[kind]


def nominal_fields(robot: str) -> dict[str, np.ndarray]:
    """:func:`model_fields` of the nominal robot."""
    return model_fields(make_model(robot, NOMINAL))


def shift_table(robot: str, family: str, variant: str) -> dict[str, dict[str, np.ndarray]]:
    """What a shift changes at every strength.

    Args:
        robot: name in ``ROBOTS``.
        family, variant: as in ``SHIFT_TABLE``.

    Returns:
        Field to ``{"index": [k], "rows": [n, k]}``: entry ``index[j]`` of the flat field takes
        ``rows[i, j]`` at strength ``STRENGTHS[i]``; the last row is the variant's largest strength.
        Entries that no strength changes are left out.

    Raises:
        ValueError: the robot has no such shift.
    """
    shift = Shift(family, variant, 1.0)
    most = max_strength(robot, shift)
    strengths = [*(s for s in STRENGTHS if s < most), most]
    models = [model_fields(make_model(robot, shift.at(s))) for s in strengths]
    table = {}
    for name in models[0]:
        rows = np.array([fields[name] for fields in models])
        changed = np.flatnonzero((rows != rows[0]).any(axis=0))
        if len(changed):
            table[name] = {"index": changed, "rows": rows[:, changed]}
    return table


@functools.cache  # a thousand models or more: seconds, and a kernel may open several labs
def all_shifts(robot: str) -> dict[str, dict[str, dict[str, dict[str, np.ndarray]]]]:
    """:func:`shift_table` of every family and variant of a robot."""
    return {
        family: {variant: shift_table(robot, family, variant) for variant in variants}
        for family, variants in SHIFT_TABLE[robot].items()
    }
