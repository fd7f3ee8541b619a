"""Values stay values of something: the default bounds, the figures that watch it, the warning."""

import dataclasses
import math
import warnings

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
from droco_lite.training.health import Watch
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
@pytest.mark.parametrize(("high", "ceiling"), [(1.0, 100.0), (-0.25, 0.0)])
def test_by_default_nothing_that_no_return_of_the_target_can_be_is_backed_up(
    low, floor, high, ceiling
):
    """Both bounds are the target's: the source's rewards reach further here, on either side."""
    low = min(low, high)
    source, target = with_rewards(SOURCE, -9, 9), with_rewards(TARGET, low, high)
    floor, inf = min(floor, 100 * low), math.inf
    asked = {  # settings: floor and ceiling that they mean
        (None, None): (floor, ceiling),
        (-inf, None): (-inf, inf),
        (-inf, 5): (-inf, 5),
        (-7, None): (-7, ceiling),
        (-7, inf): (-7, inf),
        (None, inf): (floor, inf),
        (None, -1): (min(floor, -1), -1),
        (ceiling + 3, None): (ceiling + 3, ceiling + 3),
    }
    runs = [DROCOSettings(beta=50.0, floor=f, ceiling=c, **FIT) for f, c in asked]
    agent = DROCO(runs, N_OBS, N_ACT)
    batch = batch_of(agent, source, target)
    ends = (end.flatten().tolist() for end in (agent.floor, agent.ceiling))
    bounds = list(zip(*ends, strict=True))
    assert bounds == [pytest.approx(meant) for meant in asked.values()]
    with torch.no_grad():
        agent.networks.weights[2][2] *= 1e5  # V spreads over far more than any return
    following = agent.v(batch.next_observations[:, : batch.n_source])
    backed_up = agent.source_value(batch, following)
    printed = following - 50.0 * agent.penalty(batch, following)
    assert printed.min() < floor and printed.max() > ceiling
    for r, (least, most) in enumerate(asked.values()):
        torch.testing.assert_close(backed_up[r], printed[r].clamp(least, most))
    agent.prepare(source, target)  # again: what was given stays given
    assert agent.floor.flatten().tolist() == [least for least, _ in bounds]


def test_a_floor_above_its_ceiling_is_refused():
    runs = [DROCOSettings(**FIT), DROCOSettings(floor=2.0, ceiling=1.0, **FIT)]
    with pytest.raises(ValueError, match=r"floor 2\.0 of run 1 is above its ceiling 1\.0"):
        DROCO(runs, N_OBS, N_ACT)


def test_values_within_both_bounds_are_what_they_are_without():
    source, target = with_rewards(SOURCE, -1, 1), with_rewards(TARGET, -1, 1)
    free = {"floor": -math.inf, "beta": 1.0, "batch_size": 16, "steps": 40, **FIT}
    runs = [DROCOSettings(**free), DROCOSettings(**free | {"floor": None})]
    loop = LoopSettings(device="cpu", evaluate_every=40, diagnostic_rows=16)
    networks = train(runs, source, target, loop=loop).agent.networks
    for tensor in networks.weights + networks.biases:
        assert torch.equal(tensor[:, 0], tensor[:, 1])


def climbing():
    """Rows on which the penalty is a bonus: the source steps down, and the target up, in reward."""
    rng = torch.Generator().manual_seed(0)

    def half(seed, step, low):
        data = transitions(400, seed)
        s = (low + 2 * torch.rand(data.observations.shape, generator=rng)).numpy()
        rewards = (0.5 + 0.5 * s[:, 0]).clip(0, 1)
        return dataclasses.replace(
            data, observations=s, next_observations=s + step, rewards=rewards,
            terminations=data.terminations & False,
        )  # fmt: skip

    return half(0, -0.3, 0.0), half(1, 0.3, -2.0)


@pytest.mark.parametrize("mode", ["autograd", "manual"])
def test_a_bonus_cannot_lift_values_above_every_return(mode):
    """u < 0, and beta u feeds V upwards: with a floor alone values leave the range, above."""
    given = {"beta": 2.0, "delta": math.inf, "discount": 0.9, "learning_rate": 1e-2, "steps": 300}
    given |= {"batch_size": 32, "polyak": 0.05, "hidden": 16, "members": 3, "ensemble_epochs": 10}
    runs = [DROCOSettings(ceiling=ceiling, **given) for ceiling in (None, math.inf, 20.0)]
    loop = LoopSettings(device="cpu", evaluate_every=50, diagnostic_rows=64, mode=mode)
    with pytest.warns(UserWarning, match=r"run 1 .* outside 0 to 10 "):
        curve = train(runs, *climbing(), loop=loop).curve
    default, floored, between = (curve[curve["run"] == r] for r in range(3))
    assert curve["penalty_mean"].max() < 0 or floored["penalty_mean"].iloc[-1] < 0
    assert default["outside"].max() == 0 and default["v_source"].max() < 10
    assert floored["outside"].iloc[-1] > 0.5 and floored["v_source"].iloc[-1] > 20
    assert between["v_source"].iloc[-1] < floored["v_source"].iloc[-1]


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


def warned(runs, source, target, every=10, **options):
    """The messages about values out of range, and the curve."""
    loop = LoopSettings(device="cpu", evaluate_every=every, diagnostic_rows=16)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        curve = train(runs, source, target, loop=loop, **options).curve
    return [str(w.message) for w in caught if "outside" in str(w.message)], curve


def test_training_warns_once_a_run_when_its_values_leave_the_range():
    def run(**changes):
        given = {"beta": 1e5, "delta": math.inf, "learning_rate": 1e-2, "steps": 60}
        return DROCOSettings(batch_size=16, **FIT, **(given | changes))

    source, target = with_rewards(SOURCE, 0, 1), with_rewards(TARGET, 0, 1)
    runs = [run(beta=0.0), run(floor=-math.inf), run(), run(floor=-math.inf, label="again")]
    found, curve = warned(runs, source, target)
    assert (curve[curve["run"] == 1]["outside"] > 0.01).sum() > 1
    assert sorted(message[:13] for message in found) == ["run 1 (droco)", "run 3 (droco)"]
    assert all("outside 0 to 100 at step" in message for message in found)
    plain = IQLSettings(batch_size=16, hidden=16, steps=20)
    assert warned([plain], source, target)[0] == []


@pytest.mark.parametrize("high", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("method", ["iql", "bosa", "cql", "micro", "dara"])
def test_the_values_of_a_young_network_are_no_alarm(method, high):
    """Rewards of 0 leave a range of no width; networks are born on both sides of it."""
    one = dataclasses.replace(tiny(method), steps=60, discount=0.9)
    found, curve = warned([one], *(with_rewards(d, 0, high) for d in (PLANE.source, PLANE.target)))
    assert found == [] and curve["outside"].max() == 0


class Drawn:
    """An agent whose values a test chooses: ``level`` is V of every row, of each run."""

    shared = IQLSettings(discount=0.9)

    def __init__(self, runs):
        self.runs, self.level = [self.shared] * runs, torch.zeros(runs, 1, 1)

    def values(self, batch):
        rows = torch.linspace(0, 1, batch.rewards.shape[1]).reshape(1, -1, 1)
        backed_up = self.level.expand(-1, batch.n_source, 1)
        return torch.where(rows < self.share, self.level, 0.0), backed_up

    share = 1.0

    def reward_slack(self, batch):
        return 0.0, 0.0


def watching(runs=1):
    batch = batch_of(DROCO([DROCOSettings(**FIT)] * runs, N_OBS, N_ACT), SOURCE, TARGET)
    agent = Drawn(runs)
    data = with_rewards(SOURCE, 0, 1), with_rewards(TARGET, 0, 1)
    watch = Watch(agent, batch, *data)

    def look(*levels, share=1.0):
        agent.level, agent.share = torch.tensor(levels).reshape(-1, 1, 1), share
        outside = watch.figures()["outside"].tolist()
        lines = [
            {"run": r, "method": "iql", "step": 1, "kappa": 1.0, "outside": part}
            for r, part in enumerate(outside)
        ]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            watch.warn(lines)
        return [str(w.message).split(" (")[0] for w in caught]

    return look


def test_a_stray_share_that_comes_back_does_not_use_up_the_warning():
    look = watching()
    assert look(20.0, share=0.1) == []  # one look
    assert look(20.0, share=0.06) == []  # a share that shrinks
    assert look(5.0) == []
    assert look(20.0, share=0.1) == []
    assert look(20.0, share=0.1) == ["run 0"]  # two looks in a row
    assert look(20.0) == []  # once


def test_most_values_outside_are_warned_of_at_one_look():
    assert watching()(-4.0) == ["run 0"]
    assert watching()(-0.9) == []  # within the margin of small values


def test_one_run_that_strays_hides_no_other():
    look = watching(3)
    assert look(20.0, 0.0, 0.0) == ["run 0"]
    assert look(20.0, 0.0, -50.0) == ["run 2"]
    assert look(20.0, -50.0, -50.0) == ["run 1"]


def test_entropy_in_the_backup_widens_the_range():
    """SAC's values hold - alpha log pi: of rewards 0 to 0.1 they may well be above 1."""
    rewards = [with_rewards(d, 0, 0.1) for d in (PLANE.source, PLANE.target)]
    one = dataclasses.replace(tiny("cql"), steps=400, discount=0.9, alpha=1.0, learning_rate=3e-3)
    found, curve = warned([one], *rewards, every=100)
    assert curve["q_source"].max() > 2.0 and found == [] and curve["outside"].max() == 0
    agent, columns = fitted(one)
    (batch,) = batches(agent, columns, 1)
    down, up = agent.reward_slack(batch)
    n_act = PLANE.source.action_size
    assert float(up) == pytest.approx(0.9 * n_act * math.log(2))
    assert float(down) == 0.0  # a young policy is wide
    with torch.no_grad():
        agent.policy[-1][1][..., n_act:] = -4.0  # log sigma
        agent.policy[-1][0][..., n_act:] = 0.0
    down, _ = agent.reward_slack(batch)
    assert float(down) > 0.9 * n_act  # entropy of a narrow one is far below 0
    silent, _ = fitted(dataclasses.replace(one, backup_entropy=False))
    assert silent.reward_slack(batch) == (0.0, 0.0)


def test_alpha_widens_the_range_of_its_own_run_alone():
    runs = [dataclasses.replace(tiny("cql"), discount=0.9, alpha=alpha) for alpha in (0.0, 1.0)]
    agent = METHODS["cql"](runs, PLANE.source.observation_size, PLANE.source.action_size)
    batch = batch_of(agent, PLANE.source, PLANE.target)
    rewards = [with_rewards(d, 0, 0.1) for d in (PLANE.source, PLANE.target)]
    _, most = Watch(agent, batch, *rewards).possible()
    assert most.flatten()[0] == pytest.approx(1.0)
    assert most.flatten()[1] > 5.0


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
