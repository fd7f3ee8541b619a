"""The courier's world: what is best where, and data that could have happened."""

import numpy as np
import pytest

from droco_lite.tabular.courier import (
    CROSS,
    DRIVE,
    PAIRS,
    RISKS,
    courier,
    courier_data,
    courier_return,
)


def test_what_is_best_changes_from_world_to_world():
    worlds = {name: courier(*risk) for name, risk in RISKS.items()}
    best = {n: np.argmax([courier_return(a, w) for a in range(3)]) for n, w in worlds.items()}
    assert best == {"source": CROSS, "target": DRIVE, "deployed": DRIVE}
    deployed = [courier_return(a, worlds["deployed"]) for a in range(3)]
    assert deployed[CROSS] < deployed[2]


def test_rows_are_possible_and_the_same_seed_draws_them_again():
    one, two = courier_data(3), courier_data(3)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    p = courier(*RISKS["target"]).transitions
    for pair, after in zip(one.pairs[36:], one.next_states[36:], strict=True):
        assert p[(*PAIRS[pair], after)] > 0
    assert one.predictions.shape == (36, 3)


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="fall"):
        courier(1.5, 0.1)
    with pytest.raises(ValueError, match="mud"):
        courier(0.1, -0.1)
