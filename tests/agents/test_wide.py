"""Sets on target rows: how far they reach, what is backed up over them, and what is refused."""

import numpy as np
import pytest
import torch

from droco_lite.agents import DROCO, DROCOSettings, WideDROCO, WideDROCOSettings
from droco_lite.agents.coverage import rms, step_scale
from droco_lite.agents.ensemble import EnsembleSettings, split_rows
from droco_lite.data.collect import collect
from droco_lite.robots import NOMINAL, one_step
from tests.agents.toy import N_ACT, N_OBS, batch_of, transitions

SOURCE, TARGET = transitions(300, 0, shift=0.3), transitions(400, 1)
FIT = {"hidden": 16, "members": 3, "ensemble_epochs": 3, "beta": 1.0, "floor": -float("inf")}


def targets_of(agent):
    batch = batch_of(agent, SOURCE, TARGET)
    return agent.q_targets(batch), batch


def test_without_a_radius_it_is_droco():
    wide, _ = targets_of(WideDROCO([WideDROCOSettings(radius=0.0, **FIT)], N_OBS, N_ACT))
    plain, _ = targets_of(DROCO([DROCOSettings(**FIT)], N_OBS, N_ACT))
    torch.testing.assert_close(wide, plain, rtol=1e-5, atol=1e-6)


def test_every_state_of_a_target_row_s_set_lies_at_the_radius():
    agent = WideDROCO([WideDROCOSettings(radius=0.7, **FIT)], N_OBS, N_ACT)
    sets = agent.prepare(SOURCE, TARGET)["predictions"][len(SOURCE) :]
    away = sets.reshape(len(TARGET), -1, N_OBS) - TARGET.next_observations[:, None]
    np.testing.assert_allclose(rms(away / step_scale(agent.ensemble)), 0.7, rtol=1e-4)


def test_a_wider_set_lowers_what_target_rows_are_taught_and_leaves_source_rows():
    narrow, batch = targets_of(WideDROCO([WideDROCOSettings(radius=0.1, **FIT)], N_OBS, N_ACT))
    wide, _ = targets_of(WideDROCO([WideDROCOSettings(radius=1.0, **FIT)], N_OBS, N_ACT))
    k = batch.n_source
    torch.testing.assert_close(wide[:, :k], narrow[:, :k])
    assert wide[:, k:].mean() < narrow[:, k:].mean()


def test_samples_are_as_far_from_the_members_mean_as_their_own_spread_says():
    agent = WideDROCO([WideDROCOSettings(sets="samples", **FIT)], N_OBS, N_ACT)
    found = agent.prepare(SOURCE, TARGET)["predictions"].reshape(
        len(SOURCE) + len(TARGET), -1, N_OBS
    )
    for data, centre in ((SOURCE, None), (TARGET, TARGET.next_observations)):
        rows = torch.from_numpy(data.observations), torch.from_numpy(data.actions)
        mean, std, _ = agent.ensemble.predict(*rows)
        own = found[: len(SOURCE)] if data is SOURCE else found[len(SOURCE) :]
        drawn = torch.from_numpy(own).transpose(0, 1)
        if centre is not None:
            drawn = drawn - torch.from_numpy(centre) + mean.mean(0)
        z = (drawn - mean) / std
        assert abs(float(z.mean())) < 0.1 and abs(float(z.std()) - 1) < 0.1


def test_a_scaled_spread_is_as_large_as_the_error_on_rows_held_out():
    fit = FIT | {"ensemble_epochs": 30}
    agent = WideDROCO([WideDROCOSettings(sets="scaled", **fit)], N_OBS, N_ACT)
    found = agent.prepare(SOURCE, TARGET)["predictions"][len(SOURCE) :]
    settings = EnsembleSettings(seed=0)
    held, train = split_rows(len(TARGET), settings, np.random.default_rng(settings.seed))
    assert len(held) == 40 and set(held).isdisjoint(train)
    rows = torch.from_numpy(TARGET.observations[held]), torch.from_numpy(TARGET.actions[held])
    mean = agent.ensemble.predict(*rows)[0].mean(0).numpy()
    unit = step_scale(agent.ensemble)
    sets = found.reshape(len(TARGET), -1, N_OBS)[held] - TARGET.next_observations[held, None]
    error = rms(((mean - TARGET.next_observations[held]) / unit).ravel())
    assert agent.factor > 1
    np.testing.assert_allclose(rms((sets / unit).ravel()), error, rtol=1e-3)


def test_source_sets_are_scaled_too():
    scaled, batch = targets_of(WideDROCO([WideDROCOSettings(sets="scaled", **FIT)], N_OBS, N_ACT))
    plain, _ = targets_of(DROCO([DROCOSettings(**FIT)], N_OBS, N_ACT))
    k = batch.n_source
    assert scaled[:, :k].mean() < plain[:, :k].mean()


def test_known_shifts_lead_where_the_simulator_says():
    shifts = ["gravity-up-hard", "morph-foot-hard"]
    target = collect("hopper", NOMINAL, lambda s: np.zeros((len(s), 3)), 60, seed=0)
    agent = WideDROCO([WideDROCOSettings(robot="hopper", shifts=" ".join(shifts), **FIT)], 11, 3)
    sets = agent.prepare(target, target)["predictions"][60:].reshape(60, -1, 11)
    qpos = np.pad(target.observations[:, :5].astype(np.float64), ((0, 0), (1, 0)))
    for place, shift in enumerate(shifts):
        (told,) = one_step("hopper", [shift], qpos, target.observations[:, 5:], target.actions)
        np.testing.assert_allclose(sets[:, place], told, atol=1e-4)
    assert np.abs(sets[:, 0] - sets[:, 1]).max() > 0.01


def test_known_shifts_need_a_robot():
    agent = WideDROCO([WideDROCOSettings(shifts="gravity-up-hard", **FIT)], N_OBS, N_ACT)
    with pytest.raises(ValueError, match="robot: '' is none of"):
        agent.prepare(SOURCE, TARGET)
