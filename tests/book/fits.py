"""Ensembles that one run of the tests fits in one process and looks at in another.

The kernel of a rehearsal keeps what a chapter fits, each under a digest of its data and settings;
it takes none. The tests of the chapter's claims take these, so that they judge the page's own
models, and fit what is not there. The place is of one run of the tests, so that nothing in it is
older than the code. ``rehearsal.py`` copies this file beside its kernel.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np


def name(arrays, settings) -> str:
    """The file of a fit: a digest of its arrays, to the last bit, and of its settings."""
    made = hashlib.sha256(repr(settings).encode())
    for array in map(np.asarray, arrays):
        made.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    return f"{made.hexdigest()}.safetensors"


def keeping(fit: Callable, folder: Path) -> Callable:
    """``fit_ensemble`` that keeps what it fits."""
    from droco_lite.files import save_tensors

    def fitted(*given, **named):
        ensemble = fit(*given, **named)
        if len(given) == 5 and not named:  # data and settings, on the CPU, told to nobody
            folder.mkdir(parents=True, exist_ok=True)
            save_tensors(folder / name(given[:4], given[4]), ensemble.tensors(), {})
        return ensemble

    return fitted


def taking(fit: Callable, folder: Path) -> Callable:
    """``fit_ensemble`` that takes what was kept."""
    from droco_lite.agents import Ensemble

    def fitted(*given, **named):
        if len(given) == 5 and not named:
            path = folder / name(given[:4], given[4])
            if path.is_file():
                return Ensemble.load(path)
        return fit(*given, **named)

    return fitted


def place() -> Path | None:
    """Where fits are kept in this run of the tests; None where no chapter is rehearsed."""
    root = os.environ.get("COLAB_PLACE")
    return Path(root) / "fits" if root else None


def keep_those_of(shell, folder: Path) -> None:
    """From the first cell that names ``fit_ensemble``, keep what the notebook fits."""

    def before(info) -> None:
        if "fit_ensemble" in info.raw_cell:
            import droco_lite.agents as agents

            agents.fit_ensemble = keeping(agents.fit_ensemble, folder)
            shell.events.unregister("pre_run_cell", before)

    shell.events.register("pre_run_cell", before)
