"""Edits of a model that several robots share; each takes a ``mujoco.MjSpec`` before it compiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mujoco

__all__ = ["capsule", "capsule_ends", "resize", "torso"]


def capsule(geom, start, end, radius: float | None = None) -> None:
    """Lay a capsule from one point to another, in its body's frame."""
    import mujoco

    # The compiler refuses a geom with two placements, so the old one has to go first.
    geom.pos = [0, 0, 0]
    geom.quat = [1, 0, 0, 0]
    geom.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
    geom.fromto = [*start, *end]
    if radius is not None:
        geom.size = [radius, 0, 0]


def capsule_ends(geom) -> np.ndarray:
    """Both ends [2, 3] of a capsule that was turned about y."""
    angle = geom.alt.axisangle[3]
    half = geom.size[1] * np.array([np.sin(angle), 0.0, np.cos(angle)])
    ends = np.array([geom.pos - half, geom.pos + half])
    # Nearer to the body's own joint first.
    return ends[np.argsort(np.linalg.norm(ends, axis=1))]


def resize(geom, index: int, value: float) -> None:
    """Set one of a geom's sizes: 0 is a capsule's radius, 1 its half-length (metres)."""
    size = np.array(geom.size)
    size[index] = value
    geom.size = size


def torso(spec: mujoco.MjSpec, length: float, radius: float) -> None:
    """A longer, thicker torso of Hopper or Walker2d on the same hip (mostly a heavier one)."""
    hip = -0.2
    capsule(spec.geom("torso_geom"), (0, 0, hip + length), (0, 0, hip), radius)
