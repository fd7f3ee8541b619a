"""The control that charges DROCO's penalties to the wrong rows."""

import torch

from droco_lite.agents import DROCO, DROCOSettings, ShuffledDROCO, ShuffledDROCOSettings
from tests.agents.toy import N_ACT, N_OBS, batch_of, transitions

SOURCE, TARGET = transitions(300, 0, shift=0.3), transitions(400, 1)
MEANS = (0.0, 2.5)
FIT = {"hidden": 16, "members": 2, "ensemble_epochs": 3}


def both():
    """The control, DROCO with the same networks, and a batch."""
    control = ShuffledDROCO(
        [ShuffledDROCOSettings(beta=1.0, penalty_mean=m, **FIT) for m in MEANS], N_OBS, N_ACT
    )
    batch = batch_of(control, SOURCE, TARGET)
    true = DROCO(
        [DROCOSettings(beta=1.0, **FIT) for _ in MEANS], N_OBS, N_ACT, ensemble=control.ensemble
    )
    return control, true, batch


def test_the_mean_penalty_is_the_one_asked_for():
    control, _, batch = both()
    u = control.penalty(batch, control.v(batch.next_observations[:, : batch.n_source]))
    torch.testing.assert_close(u.mean((1, 2)), torch.tensor(MEANS), atol=1e-5, rtol=0)


def test_penalties_are_droco_s_own_on_other_rows():
    control, true, batch = both()
    next_value = true.v(batch.next_observations[:, : batch.n_source])
    ours, theirs = control.penalty(batch, next_value), true.penalty(batch, next_value)
    centred = [u - u.mean(1, keepdim=True) for u in (ours, theirs)]
    assert not torch.allclose(*centred)  # no row keeps its own
    torch.testing.assert_close(*(u.sort(1).values for u in centred))


def test_target_rows_are_not_charged():
    control, true, batch = both()
    k = batch.n_source
    torch.testing.assert_close(control.q_targets(batch)[:, k:], true.q_targets(batch)[:, k:])
    assert not torch.allclose(control.q_targets(batch)[:, :k], true.q_targets(batch)[:, :k])
