"""Read any data set by its name: a Minari id, a D4RL-style HDF5 file, a saved folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from droco_lite.data import minari_store
from droco_lite.data.hdf5 import read_hdf5
from droco_lite.data.transitions import Transitions

_SUFFIXES = (".hdf5", ".h5")


def load(
    source: str | os.PathLike,
    robot: str | None = None,
    *,
    size: int | float | None = None,
    replace: bool = False,
    seed: int = 0,
    download: bool = True,
    contact_cost_weight: float | None = None,
) -> Transitions:
    """Transitions from a file, a folder or a Minari data set, checked.

    Large sets come memory-mapped from a folder or a Minari id.  An HDF5 file is read into memory;
    ``droco-lite data import`` makes a Minari data set of it.

    Args:
        source: a ``.hdf5`` or ``.h5`` file (:func:`droco_lite.data.hdf5.read_hdf5`), a folder
            written by :meth:`Transitions.save`, or a Minari id such as ``mujoco/hopper/medium-v0``.
        robot: refuse any other robot's columns.
        size: draw that many rows (an integer) or that share of them (a float), see
            :meth:`Transitions.sample`; by default all, in order.
        replace: draw with replacement.
        seed: of the draw.
        download: fetch a Minari set that is not on disk.
        contact_cost_weight: for Ant with contact forces, see
            :func:`droco_lite.data.hdf5.ant_without_contacts`.

    Raises:
        FileNotFoundError: there is no such file, folder or set.
        ConnectionError: the set could not be fetched.
        DataError: the data must not be trained on; the message says where and why.
    """
    path = Path(source)
    if path.is_file() or path.suffix in _SUFFIXES:
        data = read_hdf5(path, robot, contact_cost_weight=contact_cost_weight)
    elif path.is_dir():
        data = Transitions.load(path).check(robot, str(path))
    else:
        named = re.search(r"-v\d+$", str(source)) or minari_store.is_local(str(source))
        if download and not named:
            raise FileNotFoundError(
                f"{source}: no such file or folder, and no Minari id such as "
                "mujoco/hopper/medium-v0"
            )
        data = minari_store.read_minari(
            str(source), robot, download=download, contact_cost_weight=contact_cost_weight
        )
    return data if size is None else data.sample(size, seed, replace)
