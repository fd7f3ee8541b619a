"""A fit is taken only by who would make the very same."""

from dataclasses import replace

import fits
import numpy as np
import pytest
import torch

from droco_lite.agents import EnsembleSettings, fit_ensemble

SETTINGS = EnsembleSettings(members=2, elites=2, hidden=4, max_epochs=1)


def data(width=2):
    draw = np.random.default_rng(0)
    s, a, r, after = (draw.normal(size=(40, k)).astype(np.float32) for k in (width, 1, 1, width))
    return s, a, r[:, 0], after


def test_what_was_kept_is_taken_as_it_was(tmp_path):
    one = fits.keeping(fit_ensemble, tmp_path)(*data(), SETTINGS)
    other = fits.taking(pytest.fail, tmp_path)(*data(), SETTINGS)
    assert (one.elites, one.epochs) == (other.elites, other.epochs)
    mine, theirs = one.tensors(), other.tensors()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_other_rows_settings_or_wishes_are_fitted(tmp_path):
    fits.keeping(fit_ensemble, tmp_path)(*data(), SETTINGS)
    asked = []
    take = fits.taking(lambda *given, **named: asked.append(1), tmp_path)
    s, *rest = data()
    moved = s.copy()
    moved[3, 1] = np.nextafter(s[3, 1], 9)
    take(moved, *rest, SETTINGS)
    take(s, *rest, replace(SETTINGS, seed=1))
    take(s.astype(float), *rest, SETTINGS)
    take(s, *rest, SETTINGS, on_epoch=print)
    assert len(asked) == 4


def test_nothing_is_kept_outside_a_rehearsal(monkeypatch):
    monkeypatch.delenv("COLAB_PLACE", raising=False)
    assert fits.place() is None
