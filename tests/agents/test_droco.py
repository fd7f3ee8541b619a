"""What each of DROCO's terms and switches does, in numbers."""

import numpy as np
import pytest
import torch

from droco_lite.agents import DROCO, DROCOSettings, Ensemble, EnsembleSettings, ensemble_of
from droco_lite.agents.settings import Settings
from tests.agents.toy import N_ACT, N_OBS, batch_of, transitions

SOURCE, TARGET = transitions(300, 0, shift=0.3), transitions(400, 1)


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    settings = EnsembleSettings(max_epochs=15, hidden=32, batch_size=32)
    return ensemble_of(TARGET, settings)


@pytest.fixture
def make(ensemble):
    def build(*betas, **changes):
        # The toy's rewards are at most 0, and so is its ceiling, which would hide the rest.
        given = {"hidden": 16, "ceiling": float("inf")} | changes
        runs = [DROCOSettings(beta=b, **given) for b in betas or (1.0,)]
        agent = DROCO(runs, N_OBS, N_ACT, ensemble=ensemble)
        return agent, batch_of(agent, SOURCE, TARGET)

    return build


def values(agent, batch):
    """V(s') of source rows, and V of each member's prediction [R, B, N]."""
    k = batch.n_source
    predicted = batch.columns["predictions"][:, :k]
    v = agent.v(predicted.reshape(len(agent.runs), -1, N_OBS)).reshape(len(agent.runs), k, -1)
    return agent.v(batch.next_observations)[:, :k], v


def test_beta_one_backs_up_the_worst_predicted_value_and_zero_the_plain_one(make):
    agent, batch = make(0.0, 1.0, 0.5)
    v, predicted = values(agent, batch)
    robust = agent.source_value(batch, v)
    worst = predicted.amin(-1, keepdim=True)
    torch.testing.assert_close(robust[0], v[0])
    torch.testing.assert_close(robust[1], worst[1])
    torch.testing.assert_close(robust[2], 0.5 * (v + worst)[2])


def test_target_rows_are_backed_up_as_in_iql(make):
    agent, batch = make(0.0, 1.0)
    k = batch.n_source
    expected = batch.rewards + 0.99 * batch.continues * agent.v(batch.next_observations)
    torch.testing.assert_close(agent.q_targets(batch)[:, k:], expected[:, k:])
    assert not torch.allclose(agent.q_targets(batch)[1, :k], expected[1, :k])


def test_clamp_never_raises_a_target(make):
    agent, batch = make(clamp=True)
    free, _ = make(clamp=False)
    v, _ = values(agent, batch)
    assert bool((agent.source_value(batch, v) <= v + 1e-6).all())
    assert bool((free.source_value(batch, v) > v).any())  # without it some rows get a bonus


def test_coordinate_minimum_is_a_state_that_no_member_predicts(make):
    by_value, batch = make(worst="value")
    _, coordinate = make(worst="coordinate")
    members = batch.columns["predictions"].unflatten(-1, (7, N_OBS))
    worst = coordinate.columns["predictions"]
    k = batch.n_source
    torch.testing.assert_close(worst[:, :k], members[:, :k].amin(-2))
    nearest = (worst[:, :k, None] - members[:, :k]).abs().amax(-1).amin(-1)
    assert float(nearest.median()) > 0
    agent, _ = make(worst="coordinate")
    one = agent.source_value(coordinate, agent.v(coordinate.next_observations)[:, :k])
    other = by_value.source_value(batch, by_value.v(batch.next_observations)[:, :k])
    assert not torch.allclose(one, other)


def test_added_variance_moves_every_prediction_up(make, ensemble):
    _, plain = make()
    _, moved = make(add_variance=True)
    k = plain.n_source
    gap = (moved.columns["predictions"] - plain.columns["predictions"])[:, :k]
    assert float(gap.min()) >= 0 and float(gap.max()) > 0


def test_huber_on_target_clips_target_errors_too(make):
    assert make()[0].target_delta() == float("inf")
    agent, _ = make(huber_on_target=True, delta=3.0)
    assert float(agent.target_delta()) == 3.0


def test_pooled_loss_is_half_of_the_sum_of_means(make):
    summed, batch = make(pooled=False)
    pooled, _ = make(pooled=True)
    torch.testing.assert_close(2 * pooled.losses(batch)["q_loss"], summed.losses(batch)["q_loss"])


def test_floor_holds_the_backed_up_value(make):
    agent, batch = make(floor=0.0)
    v, _ = values(agent, batch)
    assert float(agent.source_value(batch, v).min()) >= 0.0
    assert float(make()[0].source_value(batch, v).min()) < 0.0


def test_ceiling_holds_it_too(make):
    agent, batch = make(ceiling=-0.05)
    v, _ = values(agent, batch)
    assert float(agent.source_value(batch, v).max()) == pytest.approx(-0.05)
    assert float(make()[0].source_value(batch, v).max()) > 0.0
    assert float(make(ceiling=None)[0].source_value(batch, v).max()) == 0.0


def test_delta_bounds_the_pull_of_a_source_row(make):
    wide, batch = make(delta=1e6)
    tight, _ = make(delta=1e-3)
    assert float(tight.losses(batch)["q_loss"].detach()) < float(
        wide.losses(batch)["q_loss"].detach()
    )


def test_a_target_row_in_the_source_half_has_no_penalty(make, ensemble):
    agent = DROCO([DROCOSettings(hidden=16)], N_OBS, N_ACT, ensemble=ensemble)
    columns = agent.prepare(SOURCE, TARGET)["predictions"][len(SOURCE) :]
    assert np.array_equal(columns, np.tile(TARGET.next_observations, (1, 7)))


def test_ensemble_learns_and_comes_back_from_its_tensors(ensemble):
    assert float(ensemble.holdout_error.max()) < 0.6  # 1 would be no better than the mean
    assert sorted(ensemble.elites, key=lambda k: float(ensemble.holdout_error[k])) == list(
        ensemble.elites
    )
    again = Ensemble.from_tensors(ensemble.tensors())
    s, a = torch.randn(4, N_OBS), torch.randn(4, N_ACT)
    for mine, theirs in zip(ensemble.predict(s, a), again.predict(s, a), strict=True):
        assert torch.equal(mine, theirs)
    states, std, reward = ensemble.predict(s, a)
    assert states.shape == std.shape == (7, 4, N_OBS) and reward.shape == (7, 4, 1)
    assert not torch.allclose(states[0], states[1])


def test_too_little_target_data_is_refused():
    few = TARGET.take(slice(0, 5))
    with pytest.raises(ValueError, match="at least 20 target rows"):
        ensemble_of(few)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"beta": -1.0}, "beta"),
        ({"expectile": 1.5}, "expectile"),
        ({"delta": float("nan")}, "delta"),
        ({"worst": "median"}, "worst"),
        ({"steps": "many"}, "steps"),
        ({"clamp": 3}, "clamp"),
    ],
)
def test_settings_out_of_range_name_the_field(change, name):
    with pytest.raises(ValueError, match=name):
        DROCOSettings(**change)


def test_unknown_key_names_the_file_and_the_known_ones():
    with pytest.raises(ValueError, match=r"run\.yaml.*'betta'.*beta"):
        DROCOSettings.from_dict({"betta": 1}, where="run.yaml")
    with pytest.raises(TypeError, match="betta"):  # Python's own, as the docstring says
        DROCOSettings(betta=1)
    said = " ".join(Settings.__doc__.split())
    assert "TypeError: an unknown field; :meth:`from_dict` refuses an unknown key by" in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"beta": -1.0}, r"^run\.yaml: beta must be at least 0\.0, got -1\.0$"),
        ({"beta": True}, r"^run\.yaml: beta must be of type float, got True$"),
        ({"worst": "mean"}, r"^run\.yaml: worst must be one of value, coordinate, got 'mean'$"),
        ([1], r"^run\.yaml: expected settings by name"),
    ],
)
def test_a_value_that_cannot_be_names_the_place_that_it_comes_from(given, said):
    with pytest.raises(ValueError, match=said):
        DROCOSettings.from_dict(given, where="run.yaml")


def test_settings_survive_a_dictionary():
    settings = DROCOSettings(beta=0.3, floor=0.0, clamp=True)
    assert DROCOSettings.from_dict(settings.to_dict()) == settings
