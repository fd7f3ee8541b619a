"""The curve of a training: one line for each evaluation and run, kept beside its checkpoint."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd

from droco_lite import files
from droco_lite.training import checkpoint

CURVE = "curve.csv"


def write_scalars(writer, lines: list[dict]) -> None:
    """Every number of every line, under ``run/name``."""
    for line in lines:
        for name, value in line.items():
            if isinstance(value, float) and np.isfinite(value):
                writer.add_scalar(f"{line['run']}/{name}", value, line["step"])


def write_curve(path: Path, lines: list[dict]) -> None:
    """The curve as CSV with its checksum, replaced whole; nothing before the first evaluation."""
    if not lines:
        return
    text = pd.DataFrame(lines).to_csv(index=False)
    with contextlib.suppress(OSError, files.DamagedFile):
        if files.read_text(path) == text:
            return
    files.write_text(path, text, checksum=True)


def read_curve(folder: str | Path, mend: str = "") -> pd.DataFrame:
    """The curve that a training left in ``folder``; a lost or damaged one is made again.

    Args:
        folder: the training's, with the checkpoint that holds the curve too.
        mend: what the user can do where there is no checkpoint, added to the error's message.

    Raises:
        FileNotFoundError: there is neither a curve nor a checkpoint.
        DamagedFile: the curve is not what was written, and there is no checkpoint.
        CheckpointError: the curve is lost or damaged, and the checkpoint cannot be read.
    """
    path = Path(folder) / CURVE
    try:
        return files.read_csv(path, mend)
    except (FileNotFoundError, files.DamagedFile):
        saved = checkpoint.load(Path(folder))
        if saved is None:
            raise
        write_curve(path, saved[1]["curve"])
    return files.read_csv(path, mend)
