"""The studies that come with the package, by name.

``quick`` is a first look that two cores finish in minutes. ``matrix`` and ``long`` are those behind
the results chapters; they are read from ``results``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from droco_lite.provenance import results_file

_HERE = Path(__file__).resolve().parent
#: Name -> (file within ``results`` or this folder, what it is for).
_SHIPPED = {
    "quick": (None, "a first look: two methods and a control on Hopper, some minutes"),
    "matrix": ("matrix/study.yaml", "every arm on two robots, short: the scorecard's first part"),
    "long": ("long/study-200k.yaml", "every arm, 200,000 steps: the scorecard's second part"),
}


def shipped() -> dict[str, Path]:
    """Name -> file of every study that comes with the package."""
    found = {}
    for name, (file, _) in _SHIPPED.items():
        try:
            found[name] = _HERE / f"{name}.yaml" if file is None else results_file(file)
        except FileNotFoundError:
            continue
    return found


def find(name: str | Path) -> Path:
    """The file of a study, by its name or its path.

    Raises:
        FileNotFoundError: neither a shipped study nor a file; the message lists the shipped ones.
    """
    known = shipped()
    if str(name) in known:
        return known[str(name)]
    if Path(name).is_file():
        return Path(name)
    raise FileNotFoundError(
        f"{name}: no such file, and no study of that name; there are {', '.join(known)}"
    )


def tables_folder(name: str | Path) -> Path:
    """Where a study's tables go unless said otherwise: beside its file.

    If the file is part of an installed package, that is ``study-NAME`` in the present folder.
    """
    path = find(name)
    package = _HERE.parent
    return Path(f"study-{name}") if package in path.resolve().parents else path.parent


def overview() -> list[dict[str, Any]]:
    """One line a study: its name, tasks, arms, seeds and steps, and what it is for."""
    rows = []
    for name, path in shipped().items():
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        arms = content.get("arms", "all")
        rows.append(
            {
                "name": name, "tasks": content["tasks"],
                "arms": arms if isinstance(arms, str) else len(arms),
                "seeds": len(content.get("seeds", [0, 1, 2])), "steps": content["steps"],
                "about": _SHIPPED[name][1], "file": str(path),
            }
        )  # fmt: skip
    return rows
