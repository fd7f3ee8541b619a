"""How wide the uncertainty set is, beside how far the shifts move a state."""

from dataclasses import replace

import numpy as np
import pytest

from droco_lite.agents.ensemble import EnsembleSettings, ensemble_of
from droco_lite.agents.radius import widths
from droco_lite.data.tasks import make_dataset
from droco_lite.evaluation.suite import grid


@pytest.fixture(scope="module")
def ensemble():
    data, _ = make_dataset("hopper", "nominal", "medium", 300, cache=False, progress=False)
    return ensemble_of(data, EnsembleSettings(members=3, elites=3, max_epochs=2))


def found(ensemble, **options):
    shifts = grid("hopper", ["gravity"])[1:]
    return widths("hopper-medium", ensemble, shifts, episodes=1, steps=30, **options)


def test_c_grows_with_the_strength_and_eps_is_the_members(ensemble):
    table = found(ensemble)
    for _, lines in table.groupby(["rows", "variant"]):
        assert lines["c"].is_monotonic_increasing
        assert lines["c"].iloc[0] > 0
        assert lines["eps"].nunique() == lines["error"].nunique() == 1
    assert set(table["rows"]) == {"source", "target"}


def test_a_wider_set_covers_more(ensemble):
    *inner, (weight, bias) = ensemble.layers
    apart = replace(ensemble, layers=[*inner, (100 * weight, 100 * bias)])
    first = [(w[:1].expand_as(w).clone(), b[:1].expand_as(b).clone()) for w, b in ensemble.layers]
    single = replace(ensemble, layers=first)  # every member is the first one
    narrow, wide = found(single), found(apart)
    assert np.allclose(narrow["eps"], 0, atol=1e-5)
    assert narrow["covered"].max() < 0.05
    assert wide["covered"].min() > 0.9
    assert np.allclose(narrow["c"], wide["c"])
    assert np.isfinite(wide["error"]).all()
