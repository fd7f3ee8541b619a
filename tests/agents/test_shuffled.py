"""The control that charges DROCO's penalties, step by step, to the wrong rows."""

import pytest
import torch

from droco_lite.agents import DROCO, DROCOSettings, ShuffledDROCO, ShuffledDROCOSettings
from droco_lite.training import LoopSettings, train
from tests.agents.toy import N_ACT, N_OBS, batch_of, transitions

SOURCE, TARGET = transitions(300, 0, shift=0.3), transitions(400, 1)
FIT = {"hidden": 16, "members": 2, "ensemble_epochs": 3, "floor": -float("inf")}
RUNS = [
    ShuffledDROCOSettings(seed=seed, shuffled=shuffled, beta=1.0, **FIT)
    for shuffled in (False, True)
    for seed in (0, 1)
]


def both():
    """Two DROCO runs and their twins, DROCO alone with the same networks, and a batch."""
    control = ShuffledDROCO(RUNS, N_OBS, N_ACT)
    batch = batch_of(control, SOURCE, TARGET)
    alone = DROCO(
        [DROCOSettings(seed=run.seed, beta=1.0, **FIT) for run in RUNS], N_OBS, N_ACT,
        ensemble=control.ensemble,
    )  # fmt: skip
    return control, alone, batch


def test_a_twin_is_charged_its_partner_s_penalties_of_this_step_on_other_rows():
    control, alone, batch = both()
    with torch.no_grad():  # the twins' networks differ by now, as after some steps
        control.networks.weights[0][:, 2:] += 0.5
    next_value = control.v(batch.next_observations[:, : batch.n_source])
    u = control.penalty(batch, next_value)
    theirs = alone.penalty(batch, alone.v(batch.next_observations[:, : batch.n_source]))
    torch.testing.assert_close(u[:2], theirs[:2])  # DROCO itself pays its own
    for twin, partner in ((2, 0), (3, 1)):
        assert not torch.allclose(u[twin], u[partner])
        torch.testing.assert_close(u[twin].sort(0).values, u[partner].sort(0).values)
        torch.testing.assert_close(u[twin].mean(), u[partner].mean())
    assert not torch.allclose(u[0].mean(), u[1].mean())  # and each has a partner of its own


def test_target_rows_are_not_charged():
    control, alone, batch = both()
    k = batch.n_source
    ours, theirs = control.q_targets(batch), alone.q_targets(batch)
    torch.testing.assert_close(ours[:, k:], theirs[:, k:])
    assert not torch.allclose(ours[2:, :k], theirs[2:, :k])


def test_beside_its_twin_droco_learns_what_it_learns_alone():
    short = {"steps": 20, "batch_size": 16}
    loop = LoopSettings(device="cpu", evaluate_every=20, diagnostic_rows=16)
    runs = [
        ShuffledDROCOSettings(shuffled=shuffled, beta=1.0, **FIT, **short)
        for shuffled in (False, True)
    ]
    pair = train(runs, SOURCE, TARGET, loop=loop).agent
    alone = train([DROCOSettings(beta=1.0, **FIT, **short)], SOURCE, TARGET, loop=loop).agent
    for ours, theirs in zip(pair.networks.weights, alone.networks.weights, strict=True):
        torch.testing.assert_close(ours[:, :1], theirs)
        assert not torch.allclose(ours[:, 1:], theirs)


def test_a_twin_without_its_partner_is_refused():
    with pytest.raises(ValueError, match="run 0 is shuffled, and its DROCO run is not among"):
        ShuffledDROCO([ShuffledDROCOSettings(seed=0, **FIT)], N_OBS, N_ACT)
    apart = [ShuffledDROCOSettings(beta=b, shuffled=b == 0.5, **FIT) for b in (1.0, 0.5)]
    with pytest.raises(ValueError, match=r"seed 0, beta 0\.5"):
        ShuffledDROCO(apart, N_OBS, N_ACT)
