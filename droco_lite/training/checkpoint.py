"""Checkpoints: tensors in safetensors, everything else as JSON in its header, checked when read."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from droco_lite import files
from droco_lite.data.transitions import Transitions

FILE = "checkpoint.safetensors"


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written, read or continued; the message names file and mend."""


def save(folder: Path, tensors: Mapping[str, Tensor], facts: Mapping) -> Path:
    """Write tensors and JSON-able ``facts`` as one file: the whole of it or nothing.

    Raises:
        CheckpointError: it cannot be written; the last good one stays, if there was one.
    """
    path = Path(folder) / FILE
    try:
        return files.save_tensors(path, tensors, {"facts": json.dumps(facts)})
    except OSError as error:
        kept = "the last good checkpoint is kept" if path.exists() else "no checkpoint was kept yet"
        raise CheckpointError(
            f"cannot write {path}: {error}; {kept}, and the same command goes on from there"
        ) from error


def load(folder: Path, device="cpu") -> tuple[dict[str, Tensor], dict] | None:
    """What :func:`save` wrote, or None where nothing was.

    Raises:
        CheckpointError: the file is damaged or may not be read.
    """
    path = Path(folder) / FILE
    try:
        tensors, metadata = files.load_tensors(path, device)
        return tensors, json.loads(metadata["facts"])
    except FileNotFoundError:
        return None
    except files.DamagedFile as error:
        raise CheckpointError(f"cannot read {path}: {error}; {_MEND}") from error
    except (KeyError, ValueError) as error:
        reason = f"it is no checkpoint of this package ({error!r})"
        raise CheckpointError(f"cannot read {path}: {reason}; {_MEND}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error


@dataclass(frozen=True)
class Facts:
    """What the JSON in a checkpoint's header says.

    Attributes:
        runs: the settings of each run, as ``to_dict`` gives them.
        source, target: fingerprints of both data sets: ``rows``, ``columns`` [S, A], ``hash``.
        robot: the robot in whose simulator the policies were evaluated; None where there was none.
        step: gradient steps that were taken.
        curve: the lines of the training's curve, one for each evaluation and run.
    """

    runs: list[dict[str, Any]]
    source: dict[str, Any]
    target: dict[str, Any]
    robot: str | None
    step: int
    curve: list[dict[str, Any]]

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> Facts:
        """The facts in the second part of what ``load`` returns."""
        asked = header["facts"]  # what was asked for: a training goes on only if it is asked again
        parts = (asked["runs"], asked["source"], asked["target"])
        return cls(*parts, asked["evaluation"][0], header["step"], header["curve"])


_MEND = "choose another output folder to start again, or put a copy of the file in its place"


#: Settings that older checkpoints lack, by method, with the value that they go on with.
NEWER_SETTINGS = {"droco": {"ceiling": None}}


def with_newer_settings(facts: Mapping, folder: Path) -> dict:
    """The facts of a checkpoint, with the defaults of settings that did not exist when it was made.

    Warns where such a setting is on by default: from here on the training obeys it.
    """
    runs, added = [], set()
    for run in facts["runs"]:
        known = NEWER_SETTINGS.get(str(run.get("method")).partition("-")[0], {})
        newer = {name: value for name, value in known.items() if name not in run}
        if run.get("floor") not in (-float("inf"), "-inf"):
            added |= set(newer)
        runs.append({**run, **newer})
    if added:
        warnings.warn(
            f"{Path(folder) / FILE} is older than the setting {', '.join(sorted(added))}, which is "
            "on by default: this training goes on with it",
            stacklevel=5,
        )
    return {**facts, "runs": runs}


def differences(saved: Mapping, now: Mapping, prefix: str = "") -> list[str]:
    """Lines such as ``runs.0.beta: 0.5 in the checkpoint, 1.0 now`` for all that differs."""
    lines = []
    for key in sorted(set(saved) | set(now), key=str):
        old, new, name = saved.get(key, "(absent)"), now.get(key, "(absent)"), f"{prefix}{key}"
        if isinstance(old, list) and isinstance(new, list):
            old, new = dict(enumerate(old)), dict(enumerate(new))
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += differences(old, new, f"{name}.")
        elif old != new:
            lines.append(f"{name}: {old!r} in the checkpoint, {new!r} now")
    return lines


def refuse_other(saved: Mapping, now: Mapping, folder: Path) -> None:
    """Refuse a checkpoint that was made with other settings or data.

    Raises:
        CheckpointError: it was; the message lists what differs.
    """
    # A round through JSON, so that what was saved and what is now are of the same types.
    lines = differences(saved, json.loads(json.dumps(now)))
    if lines:
        raise CheckpointError(
            f"{Path(folder) / FILE} was made with other settings:\n  " + "\n  ".join(lines)
            + "\ngive another output folder, or the settings of the checkpoint"
        )  # fmt: skip


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name of the first tensor that holds NaN or an infinity."""
    bad = (name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all())
    return next(bad, None)


def refuse_not_finite(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Refuse tensors from which no training can go on.

    Raises:
        CheckpointError: one of them is not finite.
    """
    if name := not_finite(tensors):
        raise CheckpointError(
            f"{Path(folder) / FILE}: {name} is not finite, so that nothing can go on from there; "
            "choose another output folder to start again, with a lower learning rate"
        )


def fingerprint(data: Transitions) -> dict:
    """Enough of a data set to recognise it: rows, columns, and a hash of up to 1,000 rows."""
    spread = np.linspace(0, len(data) - 1, min(len(data), 1000)).astype(np.int64)
    part = data.without_oracle().take(spread)
    digest = hashlib.sha256(
        b"".join(np.ascontiguousarray(a).tobytes() for a in part.arrays().values())
    )
    columns = [data.observation_size, data.action_size]
    return {"rows": len(data), "columns": columns, "hash": digest.hexdigest()[:16]}
