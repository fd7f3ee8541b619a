"""Values that a page shows are values: none is out of range, unless the page is about that."""

import pandas as pd
import pytest

from droco_lite.agents.soundness import WARN_ABOVE
from droco_lite.provenance import results_file

#: Arms without a bound that holds: they are shown because their values run away.
WITHOUT_FLOOR = {"DROCO, as printed", "as printed", "predictions clipped", "subset of two"}
WITHOUT_FLOOR |= {"layer norm", "low quantile", "outside rows left out"}


def curves():
    root = results_file("study").parent
    return sorted(p for name in ("study", "bounds") for p in (root / name).rglob("*-curves.csv"))


def test_there_are_curves():
    assert curves()


@pytest.mark.parametrize("path", curves(), ids=lambda path: path.stem)
def test_values_stay_in_the_range_that_returns_can_have(path):
    table = pd.read_csv(path)
    logged = table[table["outside"].notna() & ~table["label"].isin(WITHOUT_FLOOR)]
    assert len(logged)
    left = logged[logged["outside"] > WARN_ABOVE]
    assert left.empty, left[["label", "seed", "step", "outside"]].to_string()
