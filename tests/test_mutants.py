"""The mutants have a place in the package and a test that names them."""

import pytest

from tests.mutants import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.file}: {m.wrong.strip()[:40]}")
def test_a_mutant_can_be_tried(mutant):
    """``python -m tests.mutants`` runs for minutes, so that stale ones would go unseen."""
    assert (ROOT / "droco_lite" / mutant.file).read_text().count(mutant.right) == 1
    file, name = mutant.test.split("::")
    assert f"def {name}" in (ROOT / file).read_text()
