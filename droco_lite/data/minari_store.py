"""Minari data sets in and out: the cache of made sets, and everybody else's sets by id.

Sets live where Minari keeps them (``MINARI_DATASETS_PATH``, by default ``~/.minari/datasets``), so
``minari list`` shows ours and any Minari user can read them.  A large set is turned into
memory-mapped arrays once, in a folder beside Minari's own file, and used from there.

This is the door: :mod:`~droco_lite.data.minari_write` and :mod:`~droco_lite.data.minari_read` do
the work, :mod:`~droco_lite.data.minari_metadata` knows what a set says of itself.
"""

from __future__ import annotations

from droco_lite.data.minari_metadata import (
    ARRAYS,
    CARD_KEY,
    card_of,
    datasets_root,
    describe,
    guess_robot,
    is_local,
    list_local,
    robot_of,
    specification,
)
from droco_lite.data.minari_read import fetch, read_minari
from droco_lite.data.minari_write import AUTHOR, CODE, import_file, write_minari

__all__ = [
    "ARRAYS",
    "AUTHOR",
    "CARD_KEY",
    "CODE",
    "card_of",
    "datasets_root",
    "describe",
    "fetch",
    "guess_robot",
    "import_file",
    "is_local",
    "list_local",
    "read_minari",
    "robot_of",
    "specification",
    "write_minari",
]
