"""Values that a page shows are values: none is out of range, unless the page is about that."""

import pandas as pd
import pytest

from droco_lite.agents.soundness import WARN_ABOVE
from droco_lite.provenance import results_file

#: Arms without a bound that holds: they are shown because their values run away.
WITHOUT_FLOOR = {"DROCO, as printed", "as printed", "predictions clipped", "subset of two"}
WITHOUT_FLOOR |= {"layer norm", "low quantile", "outside rows left out"}
#: A yardstick that a floor does not hold: told the truth for long, its values climb without end.
CLIMBS = {("100k", "DROCO, oracle")}


def curves():
    root = results_file("study").parent
    return sorted(p for name in ("study", "bounds") for p in (root / name).rglob("*-curves.csv"))


def test_there_are_curves():
    assert curves()


@pytest.mark.parametrize("path", curves(), ids=lambda path: path.stem)
def test_values_stay_in_the_range_that_returns_can_have(path):
    table = pd.read_csv(path)
    climbs = {label for folder, label in CLIMBS if path.parent.name == folder}
    # A rival is its authors' method: whether its values are sound is for the page to say.
    kinds = table["method"].str.startswith(("droco", "iql"))
    logged = table[kinds & table["outside"].notna()]
    logged = logged[~logged["label"].isin(WITHOUT_FLOOR | climbs)]
    assert len(logged)
    left = logged[logged["outside"] > WARN_ABOVE]
    assert left.empty, left[["label", "seed", "step", "outside"]].to_string()
