"""How many errors mypy finds in the package: a number that may only fall.

    python -m tests.type_errors

Errors are of other times' code; new code adds none.  Whoever mends some lowers ``MOST``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mypy import api

ROOT = Path(__file__).resolve().parents[1]
#: Errors that there are; lower it when you mend some, and never raise it.
MOST = 55


def errors() -> list[str]:
    """One line for each error of ``mypy`` over the package, with the settings of pyproject.toml."""
    out, problem, _ = api.run(
        ["--config-file", str(ROOT / "pyproject.toml"), "--no-pretty", str(ROOT / "droco_lite")]
    )
    if problem:
        raise RuntimeError(problem)
    return [line for line in out.splitlines() if ": error:" in line]


def verdict(found: list[str]) -> str:
    """What to do about this many errors; empty if they are no more than known."""
    if len(found) > MOST:
        return f"{len(found)} type errors, {MOST} were known: mend what you added"
    return ""


if __name__ == "__main__":
    found = errors()
    print("\n".join(found))
    print(f"{len(found)} type errors, {MOST} known")
    sys.exit(len(found) > MOST)
