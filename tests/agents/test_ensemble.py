"""The ensemble's books: which weights it keeps, which members it prefers, how wide it is."""

import numpy as np
import pytest
import torch

from droco_lite.agents import (
    DROCO,
    DROCOSettings,
    Ensemble,
    EnsembleSettings,
    droco,
    ensemble_of,
    fit_ensemble,
)
from droco_lite.agents.ensemble import gaussian
from tests.agents.toy import N_ACT, N_OBS, transitions

DATA = transitions(400, 1)
SETTINGS = EnsembleSettings(max_epochs=12, hidden=32, batch_size=32, learning_rate=1e-2)


def fit(data=DATA, settings=SETTINGS, **options):
    return ensemble_of(data, settings, **options)


@pytest.fixture(scope="module")
def fitted():
    errors = []
    return fit(on_epoch=lambda epoch, error: errors.append(error)), np.array(errors)


def held_out_error(ensemble, data=DATA, settings=SETTINGS):
    """The standardised error on the held-out rows, from the returned weights alone."""
    rows = np.random.default_rng(settings.seed).permutation(len(data))
    held = torch.as_tensor(rows[: int(settings.holdout * len(data))])
    x = torch.as_tensor(np.concatenate([data.observations, data.actions], 1))[held]
    change = data.next_observations - data.observations
    y = torch.as_tensor(np.concatenate([change, data.rewards[:, None]], 1))[held]
    x = ((x - ensemble.input_mean) / ensemble.input_std).expand(settings.members, -1, -1)
    mean = gaussian(ensemble.layers, x)[0]
    return ((mean - (y - ensemble.output_mean) / ensemble.output_std) ** 2).mean((1, 2)).detach()


def test_each_member_keeps_the_weights_of_its_own_best_pass(fitted):
    ensemble, errors = fitted
    assert len({int(column.argmin()) for column in errors.T}) > 1, "all were best in one pass"
    torch.testing.assert_close(held_out_error(ensemble), ensemble.holdout_error)


def test_the_error_that_is_told_is_the_best_by_a_hundredth(fitted):
    ensemble, errors = fitted
    for member, told in enumerate(ensemble.holdout_error.tolist()):
        best = np.inf
        for error in errors[:, member]:
            best = error if error < 0.99 * best else best
        assert told == pytest.approx(best)
        assert told <= errors[:, member].min() / 0.99


def test_elites_are_the_best_members_best_first(fitted):
    ensemble, _ = fitted
    order = np.argsort(ensemble.holdout_error.numpy()).tolist()
    assert list(ensemble.elites) == order[: SETTINGS.elites]


def test_it_stops_after_as_many_passes_without_progress_as_it_has_patience():
    settings = EnsembleSettings(max_epochs=200, hidden=16, batch_size=32, patience=2)
    errors = []
    ensemble = fit(settings=settings, on_epoch=lambda epoch, error: errors.append(error))
    assert ensemble.epochs == len(errors) < 200
    best, since = np.full(7, np.inf), 0
    for error in errors:
        assert since < 2, "it went on"
        better = error < 0.99 * best
        best, since = np.where(better, error, best), 0 if better.any() else since + 1
    assert since == 2, "it stopped too soon"


def test_members_differ_and_seeds_do():
    """Not their bootstraps alone: seeds 0 and 1 have no member's first weights in common."""
    first = vars(SETTINGS) | {"learning_rate": 0.0, "max_epochs": 1}
    ensemble, other = (fit(settings=EnsembleSettings(**first | {"seed": s})) for s in (0, 1))
    weights = ensemble.layers[0][0]
    pairs = [(i, j) for i in range(7) for j in range(i)]
    assert not any(torch.equal(weights[i], weights[j]) for i, j in pairs)
    assert not any(torch.equal(a, b) for a in weights for b in other.layers[0][0])


def test_it_survives_its_tensors(fitted):
    ensemble = fitted[0]
    again = Ensemble.from_tensors(ensemble.tensors())
    assert (again.elites, again.epochs) == (ensemble.elites, ensemble.epochs)
    s, a = torch.as_tensor(DATA.observations[:9]), torch.as_tensor(DATA.actions[:9])
    for mine, theirs in zip(again.predict(s, a), ensemble.predict(s, a), strict=True):
        assert torch.equal(mine, theirs)


def test_the_spread_is_a_standard_deviation_in_the_datas_units():
    """s' = s + noise of a known deviation: neither its square nor a share of the column's."""
    rng = np.random.default_rng(0)
    s = rng.normal(size=(4000, 2)).astype(np.float32)
    noise = rng.normal(size=(4000, 2)).astype(np.float32) * [0.2, 3.0]
    settings = EnsembleSettings(members=2, elites=1, hidden=16, max_epochs=30)
    ensemble = fit_ensemble(s, s[:, :1], s[:, 0], (s + noise).astype(np.float32), settings)
    _, std, _ = ensemble.predict(torch.as_tensor(s), torch.as_tensor(s[:, :1]))
    np.testing.assert_allclose(std.mean((0, 1)).numpy(), [0.2, 3.0], rtol=0.3)


def test_droco_adds_the_variance_where_it_is_asked_to():
    """Public code adds sigma^2 (not sigma) to the mean; see DROCOSettings.add_variance."""
    source, target = transitions(40, 0, shift=0.3), DATA
    ensemble = fit()
    told = {}
    for add in (False, True):
        run = DROCOSettings(hidden=16, add_variance=add)
        told[add] = DROCO([run], N_OBS, N_ACT, ensemble=ensemble).predict(source, target)
    s, a = torch.as_tensor(source.observations), torch.as_tensor(source.actions)
    _, std, _ = ensemble.predict(s, a)
    expected = (std**2).transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(told[True] - told[False], expected, atol=1e-5)


def test_droco_fits_its_ensemble_to_target_rows_alone(monkeypatch):
    """It has to say where the target would go; of source rows it must know nothing."""
    source, target, seen = transitions(300, 0, shift=0.3), transitions(100, 1), []

    def spy(data, *rest):
        seen.append(data)
        return ensemble_of(data, *rest)

    monkeypatch.setattr(droco, "ensemble_of", spy)
    run = DROCOSettings(hidden=16, members=2, ensemble_epochs=1)
    DROCO([run], N_OBS, N_ACT).prepare(source, target)
    assert len(seen) == 1 and seen[0] is target
