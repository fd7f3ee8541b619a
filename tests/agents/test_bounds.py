"""Settings of the other bounds that exclude one another are refused before anything is fitted."""

import numpy as np
import pytest

from droco_lite.agents.bounds import BoundedDROCO, BoundedDROCOSettings
from droco_lite.agents.ensemble import EnsembleSettings, ensemble_of
from tests.agents.toy import N_ACT, N_OBS, transitions

SMALL = {"hidden": 16, "batch_size": 16, "steps": 10, "ensemble_epochs": 1}


@pytest.mark.parametrize(
    ("wrong", "keys"),
    [
        ({"subset": 2, "worst": "coordinate", "members": 3}, ("subset", "worst")),
        ({"quantile": 0.5, "worst": "coordinate"}, ("quantile", "worst")),
        ({"subset": 5, "members": 3}, ("subset", "members")),
    ],
)
def test_settings_that_exclude_one_another_are_refused_and_both_named(wrong, keys):
    with pytest.raises(ValueError) as refused:
        BoundedDROCOSettings(**wrong)
    assert all(key in str(refused.value) for key in keys)


def test_a_given_ensemble_decides_how_many_members_a_subset_is_drawn_from():
    source, target = transitions(60, 0, 0.1), transitions(60, 1)
    ensemble = ensemble_of(target, EnsembleSettings(members=2, elites=2, hidden=8, max_epochs=1))
    runs = [BoundedDROCOSettings(subset=2, **SMALL)]
    agent = BoundedDROCO(runs, N_OBS, N_ACT, ensemble=ensemble)
    assert agent.noise_size() == 2
    assert np.isfinite(agent.prepare(source, target)["predictions"]).all()
    runs = [BoundedDROCOSettings(subset=3, **SMALL)]
    with pytest.raises(ValueError, match="subset 3 of members 2"):
        BoundedDROCO(runs, N_OBS, N_ACT, ensemble=ensemble)
