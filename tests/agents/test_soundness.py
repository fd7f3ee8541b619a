"""Values stay values of something: the default floor, the figures that watch it, the warning."""

import dataclasses
import math

import pytest
import torch

from droco_lite.agents import (
    DROCO,
    METHODS,
    BoundedDROCO,
    BoundedDROCOSettings,
    DROCOSettings,
    IQLSettings,
    OracleDROCO,
    OracleDROCOSettings,
)
from droco_lite.agents.soundness import possible_returns, value_figures
from droco_lite.data import OracleTransitions
from droco_lite.training import LoopSettings, train
from tests.agents.rivals import PLANE, TINY, batches, fitted, tiny
from tests.agents.toy import N_ACT, N_OBS, batch_of, transitions

SOURCE, TARGET = transitions(300, 0, shift=0.3), transitions(400, 1)
FIT = {"hidden": 16, "members": 3, "ensemble_epochs": 3}
LOOP = LoopSettings(device="cpu", evaluate_every=10, diagnostic_rows=16)


def with_rewards(data, low, high):
    """The same rows with rewards spread from ``low`` to ``high``."""
    spread = torch.linspace(low, high, len(data)).numpy()
    return dataclasses.replace(data, rewards=spread)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-2, 3, (-20, 30)), (1, 3, (0, 30)), (-3, -1, (-30, 0)), (0, 0, (0, 0))],
)
def test_the_range_that_returns_can_have(low, high, expected):
    assert possible_returns(0.9, with_rewards(TARGET, low, high)) == pytest.approx(expected)


def test_it_spans_all_sets_and_widens_by_the_slack():
    sets = with_rewards(SOURCE, -1, 0), with_rewards(TARGET, 0, 2)
    assert possible_returns(0.5, *sets, slack=0.5) == pytest.approx((-3, 5))
    assert possible_returns(1.0, sets[0]) == (-math.inf, 0.0)


@pytest.mark.parametrize(("low", "floor"), [(-2.0, -200.0), (0.5, 0.0)])
def test_by_default_nothing_below_the_least_return_of_the_target_is_backed_up(low, floor):
    """The floor is the target's: the source's smallest reward is lower here."""
    source, target = with_rewards(SOURCE, -9, 1), with_rewards(TARGET, low, 1)
    runs = [
        DROCOSettings(beta=50.0, **FIT),
        DROCOSettings(beta=50.0, floor=-math.inf, **FIT),
        DROCOSettings(beta=50.0, floor=-7, **FIT),
    ]
    agent = DROCO(runs, N_OBS, N_ACT)
    batch = batch_of(agent, source, target)
    assert agent.floor.flatten().tolist() == pytest.approx([floor, -math.inf, -7.0])
    with torch.no_grad():
        agent.networks.weights[2][2] *= 1e5  # V spreads over far more than any return
    following = agent.v(batch.next_observations[:, : batch.n_source])
    backed_up = agent.source_value(batch, following)
    printed = following - 50.0 * agent.penalty(batch, following)
    assert printed.min() < floor
    torch.testing.assert_close(backed_up[0], printed[0].clamp(min=floor))
    torch.testing.assert_close(backed_up[1], printed[1])
    torch.testing.assert_close(backed_up[2], printed[2].clamp(min=-7.0))


def test_kappa_and_the_share_outside_are_what_they_say():
    agent = DROCO([DROCOSettings(beta=0.0, floor=-math.inf, **FIT)], N_OBS, N_ACT)
    batch = batch_of(agent, SOURCE, TARGET)
    k = batch.n_source
    figures = value_figures(agent, batch, (-math.inf, math.inf))
    following = batch.continues[:, :k] * agent.v(batch.next_observations[:, :k])
    expected = following.mean() / agent.v(batch.observations[:, :k]).mean()
    torch.testing.assert_close(figures["kappa"], expected.reshape(1))
    assert figures["outside"].tolist() == [0.0]
    v = agent.v(batch.observations)
    middle = float(v.median())
    above = value_figures(agent, batch, (middle, middle + 1e-9))["outside"]
    assert 0.9 < float(above) <= 1.0
    half = value_figures(agent, batch, (float(v.min()) - 1.0, middle))["outside"]
    assert 0.2 < float(half) < 0.6


@pytest.mark.parametrize("method", [*TINY, "droco"])
def test_every_method_says_what_it_backs_up(method):
    droco = DROCOSettings(batch_size=16, steps=30, **FIT)
    agent, columns = fitted(droco if method == "droco" else tiny(method))
    (batch,) = batches(agent, columns, 1)
    value, backed_up = agent.values(batch)
    rows, k = batch.rewards.shape[1], batch.n_source
    assert value.shape == (1, rows, 1) and backed_up.shape == (1, k, 1)
    assert value.isfinite().all() and backed_up.isfinite().all()


@pytest.mark.parametrize("method", ["iql", "bosa", "cql"])
def test_every_training_logs_them(method):
    curve = train([tiny(method)], PLANE.source, PLANE.target, loop=LOOP).curve
    assert {"kappa", "outside"} <= set(curve.columns)
    assert curve["outside"].between(0, 1).all()


def test_training_warns_once_when_values_leave_the_range():
    def run(**changes):
        given = {"beta": 1e5, "delta": math.inf, "learning_rate": 1e-2, "steps": 60}
        return [DROCOSettings(batch_size=16, **FIT, **(given | changes))]

    source, target = with_rewards(SOURCE, 0, 1), with_rewards(TARGET, 0, 1)
    with pytest.warns(UserWarning, match=r"run 0 \(droco\): .* outside 0 to 100") as caught:
        curve = train(run(floor=-math.inf), source, target, loop=LOOP).curve
    assert len([w for w in caught if "outside" in str(w.message)]) == 1
    assert (curve["outside"] > 0.01).sum() > 1
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        train([IQLSettings(batch_size=16, hidden=16, steps=20)], source, target, loop=LOOP)


def test_the_oracle_predicts_the_truth_and_nothing_else():
    source = OracleTransitions(
        **SOURCE.arrays(), next_observations_target=SOURCE.next_observations + 0.25
    )
    agent = OracleDROCO([OracleDROCOSettings(beta=1.0, floor=-math.inf, **FIT)], N_OBS, N_ACT)
    batch = batch_of(agent, source, TARGET)
    k = batch.n_source
    following = batch.next_observations[:, :k]
    torch.testing.assert_close(
        agent.source_value(batch, agent.v(following)), agent.v(following + 0.25)
    )
    assert agent.frozen() == {}
    with pytest.raises(ValueError, match="next_observations_target is missing"):
        OracleDROCO([OracleDROCOSettings(**FIT)], N_OBS, N_ACT).prepare(SOURCE, TARGET)


def bounded(**changes):
    agent = BoundedDROCO(
        [BoundedDROCOSettings(beta=1.0, floor=-math.inf, **FIT, **changes)], N_OBS, N_ACT
    )
    return agent, batch_of(agent, SOURCE, TARGET)


def test_without_a_switch_the_bounded_form_is_droco():
    agent, batch = bounded()
    plain = DROCO([DROCOSettings(beta=1.0, floor=-math.inf, **FIT)], N_OBS, N_ACT, "cpu",
                  agent.ensemble)  # fmt: skip
    torch.testing.assert_close(agent.q_targets(batch), plain.q_targets(batch))


def test_clip_keeps_predictions_in_the_target_s_box():
    free, clipped = bounded()[0], bounded(clip=True)[0]
    far = dataclasses.replace(SOURCE, observations=SOURCE.observations * 20)
    both = torch.cat([torch.from_numpy(x) for x in (TARGET.observations, TARGET.next_observations)])
    low, high = both.amin(0), both.amax(0)
    wild, tame = (
        torch.from_numpy(a.predict(far, TARGET)).unflatten(1, (-1, N_OBS)) for a in (free, clipped)
    )
    assert (wild > high).any() and ((tame <= high) & (tame >= low)).all()
    torch.testing.assert_close(tame, wild.clamp(low, high))


def test_a_subset_s_minimum_lies_between_one_member_and_all():
    agent, batch = bounded(subset=2)
    noise = torch.randn(1, 3, generator=torch.Generator().manual_seed(0))
    values = torch.randn(1, batch.n_source, 3)
    drawn = agent.worst_value(values, dataclasses.replace(batch, noise=noise))
    left = values[..., noise[0].argsort()[:2]]
    torch.testing.assert_close(drawn, left.amin(-1, keepdim=True))
    assert agent.noise_size() == 3
    torch.testing.assert_close(  # a look takes all members
        agent.worst_value(values, dataclasses.replace(batch, noise=None)),
        values.amin(-1, keepdim=True),
    )


def test_a_quantile_is_the_members_own():
    agent, batch = bounded(quantile=0.5)
    values = torch.randn(1, batch.n_source, 3)
    torch.testing.assert_close(
        agent.worst_value(values, batch), values.median(-1, keepdim=True).values
    )


def test_rows_where_members_disagree_do_not_teach_the_critics():
    agent, batch = bounded(drop_outside=True)
    weight = agent.source_weight(batch)
    assert set(weight.unique().tolist()) <= {0.0, 1.0}
    limit = torch.quantile(torch.from_numpy(agent.disagreement(TARGET)), 0.95)
    spread = torch.from_numpy(agent.disagreement(SOURCE))
    taught = torch.from_numpy(agent.prepare(SOURCE, TARGET)["taught"])[: len(SOURCE), 0]
    torch.testing.assert_close(taught, (spread <= limit).float())


def test_layer_norm_stands_in_q_and_v_only():
    plain, normed = bounded()[0], bounded(layer_norm=True)[0]
    s = torch.randn(1, 5, N_OBS)
    assert not torch.allclose(plain.v(s), normed.v(s))
    torch.testing.assert_close(plain.act(s), normed.act(s))
    far = normed.v(1e4 * s)
    torch.testing.assert_close(far, normed.v(2e4 * s), rtol=1e-2, atol=1e-2)  # it saturates


def test_every_control_is_a_method():
    assert {"droco-shuffled", "droco-oracle", "droco-bounds"} <= set(METHODS)
