"""Whether the machine was quiet when a benchmark began: other work makes its figures too small."""

from __future__ import annotations

import os
import warnings
from functools import cache

#: A benchmark's figures count as a quiet machine's up to this load, in cores.
MOST = 0.5


def load() -> float | None:
    """Cores that were busy during the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


AT_START = load()  # when the benchmark was imported, before it made any load itself


@cache
def quiet() -> dict:
    """``quiet`` and ``load_at_start`` for a benchmark's JSON; warns, once, where they tell."""
    still = AT_START is not None and AT_START <= MOST
    if not still:
        warnings.warn(
            f"load at the start {AT_START}, above {MOST} of a core: these figures are not of a "
            "quiet machine, and say so",
            stacklevel=2,
        )
    return {"quiet": still, "load_at_start": AT_START}
