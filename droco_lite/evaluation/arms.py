"""The arms of a comparison, and the form of the tables that hold its results.

Methods and controls have labels, an order and, for a control, a partner. Nothing here trains: what
only reads results loads this file alone.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droco_lite import files

if TYPE_CHECKING:
    import pandas as pd

#: Label -> method and settings: the seven methods of the paper's table, then what a reader must see
#: beside them.  "DROCO, shuffled" charges the penalties to the wrong rows, "as printed" has no
#: floor, and "oracle" knows the target robot: it is a yardstick, not a method.  A control that
#: trains beside a partner has its settings (:mod:`droco_lite.evaluation.controls`).
ARMS: dict[str, dict[str, Any]] = {
    "IQL*": {"method": "iql"},
    "DROCO": {"method": "droco", "beta": 1.0, "delta": 30.0},
    "cloning, both": {"method": "iql", "temperature": 0.0},
    "cloning, target": {"method": "iql", "temperature": 0.0, "halves": "target"},
    "IQL, target": {"method": "iql", "halves": "target"},
    "DARA": {"method": "dara"},
    "IGDF": {"method": "igdf"},
    "BOSA": {"method": "bosa"},
    "DROCO, shuffled": {"method": "droco-shuffled"},
    "DROCO, as printed": {"method": "droco", "beta": 1.0, "delta": 30.0, "floor": -math.inf},
    "DROCO, oracle": {"method": "droco-oracle", "beta": 1.0, "delta": 30.0},
    "OTDF": {"method": "otdf"},
    "CQL*": {"method": "cql"},
    "MICRO": {"method": "micro"},
}
#: Every method of :data:`droco_lite.agents.METHODS`, without loading one.
METHOD_NAMES = (
    *dict.fromkeys(arm["method"] for arm in ARMS.values()),
    *("droco-bounds", "droco-wide"),
)
CONTROLS = (
    "cloning, both", "cloning, target", "IQL, target", "DROCO, shuffled", "DROCO, as printed",
    "DROCO, oracle",
)  # fmt: skip
#: The methods of the paper's table, in its order.
PAPER = ("IQL*", "CQL*", "BOSA", "DARA", "IGDF", "OTDF", "DROCO")
#: The order of tables and legends: the paper's, then other methods, then the controls.
ORDER = (*PAPER, *(arm for arm in ARMS if arm not in PAPER + CONTROLS), *CONTROLS)

COLUMNS = (
    "task", "label", "method", "seed", "steps", "shift", "family", "variant", "strength", "attack",
    "scale", "return_mean", "return_std", "score", "episodes", "checkpoints",
)  # fmt: skip
CURVE_COLUMNS = ("task", "label", "method", "seed", "step", "return_mean", "return_std", "score")


def unmarked(label: str) -> str:
    """An arm's label without the note that it stopped early (``OTDF (16,000 steps)``)."""
    return re.sub(r" \([\d,]+ steps\)$", "", label)


def place(label: str) -> tuple[float, str]:
    """Where an arm stands in tables and legends: one of a study's own after what it varies."""
    label = unmarked(label)
    kin = label if label in ORDER else label.split(",")[0]
    rank = ORDER.index(kin) if kin in ORDER else len(ORDER)
    return rank + 0.5 * (label not in ORDER), label


def file_name(text: str) -> str:
    """A task or an arm as part of a file name."""
    plain = text.replace("@", "--").replace("*", "").replace(" + ", "+").replace("β", "beta")
    return re.sub(r"[^\w.+-]+", "-", plain).lower()


#: What to do about a damaged table.
MEND_TABLE = "move it away, and `droco-lite study collect` or `compare` writes it again"


def read_table(folder: str | Path, task: str) -> pd.DataFrame:
    """The tidy table of a task, as :func:`collect` wrote it.

    Raises:
        FileNotFoundError: nothing of the task has been collected.
        DamagedFile: the table is not what was written.
    """
    path = Path(folder) / f"{file_name(task)}.csv"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `droco-lite study run` or `compare`")
    return files.read_csv(path, MEND_TABLE, keep_default_na=False)
