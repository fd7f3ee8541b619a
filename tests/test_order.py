"""The order of the tests names files that exist."""

from pathlib import Path

from tests.conftest import LONG

ROOT = Path(__file__).resolve().parents[1]


def test_every_long_file_exists_once():
    for name in LONG:
        found = [*(ROOT / "tests").rglob(name), *(ROOT / "book").glob(name)]
        assert len(found) == 1, f"{name}: {found}"
