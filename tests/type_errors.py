"""The type checker, mypy, finds nothing in the package.

python -m tests.type_errors
"""

from __future__ import annotations

import sys
from pathlib import Path

from mypy import api

ROOT = Path(__file__).resolve().parents[1]


def errors() -> list[str]:
    """One line for each error of ``mypy`` over the package, with the settings of pyproject.toml."""
    out, problem, _ = api.run(
        ["--config-file", str(ROOT / "pyproject.toml"), "--no-pretty", str(ROOT / "droco_lite")]
    )
    if problem:
        raise RuntimeError(problem)
    return [line for line in out.splitlines() if ": error:" in line]


if __name__ == "__main__":
    found = errors()
    print("\n".join(found))
    print(f"{len(found)} type errors")
    sys.exit(bool(found))
