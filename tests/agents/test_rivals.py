"""Promises that every method keeps: reduction, independence of the stack, resuming, refusals."""

import numpy as np
import pytest
import torch

from droco_lite.agents import IQL, METHODS
from droco_lite.data.transitions import DataError, Transitions
from droco_lite.training import LoopSettings, train
from tests.agents.rivals import PLANE, TINY, batches, fitted, same_networks, tiny

QUIET = LoopSettings(device="cpu", episodes=0, evaluate_every=12, save_every=12)
RIVALS = [name for name in TINY if name != "iql"]
PREPARED = [name for name in RIVALS if hasattr(METHODS[name].Settings, "prepare_seed")]


@pytest.mark.parametrize(
    "off",
    [
        tiny("dara", eta=0.0),
        tiny("igdf", keep=1.0, alpha=0.0),
        tiny("otdf", keep=1.0, weighted=False, reg_weight=0.0),
    ],
    ids=lambda s: s.method,
)
def test_with_its_term_off_a_method_is_iql(off):
    agent, columns = fitted(off)
    iql = IQL([tiny("iql")], 2, 2)
    for step, batch in enumerate(batches(agent, columns, 20)):
        agent.update(batch, step / 20)
        iql.update(batch, step / 20)
    assert same_networks(agent, iql)


@pytest.mark.parametrize("method", ["dara", "igdf", "otdf"])
def test_with_its_term_on_a_method_is_not_iql(method):
    agent, columns = fitted(tiny(method))
    iql = IQL([tiny("iql")], 2, 2)
    for batch in batches(agent, columns, 2):
        agent.update(batch, 0.0)
        iql.update(batch, 0.0)
    assert not same_networks(agent, iql)


def parameters_after(runs, **options):
    result = train(runs, PLANE.source, PLANE.target, loop=QUIET, **options)
    return result, result.agent.state()


@pytest.mark.parametrize("method", RIVALS)
def test_a_stacked_run_equals_the_same_run_alone(method):
    observations = torch.randn(1, 50, 2, generator=torch.Generator().manual_seed(0))
    runs = [tiny(method, seed=3), tiny(method, seed=8)]
    together, _ = parameters_after(runs)
    alone, _ = parameters_after(runs[1:])
    both = together.agent.act(observations.expand(2, -1, -1))
    assert not torch.allclose(both[0], both[1], atol=1e-3)
    torch.testing.assert_close(both[1:], alone.agent.act(observations), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", RIVALS)
def test_stopped_and_resumed_equals_uninterrupted(method, tmp_path, monkeypatch):
    runs = [tiny(method, seed=2)]
    _, expected = parameters_after(runs)
    parameters_after(runs, out=tmp_path, stop_after=17)
    resumed, found = parameters_after(runs, out=tmp_path)
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0, msg=name)
    assert resumed.curve["step"].tolist() == [12, 24, 30]


@pytest.mark.parametrize("method", PREPARED)
def test_too_few_target_rows_are_refused_before_training(method):
    with pytest.raises((DataError, ValueError), match=r"at least 20 target rows.*got 9"):
        train([tiny(method)], PLANE.source, PLANE.target.take(np.arange(9)), loop=QUIET)


@pytest.mark.parametrize("method", RIVALS)
def test_an_empty_domain_is_refused(method):
    with pytest.raises(DataError, match=r"source.*empty"):
        train([tiny(method)], PLANE.source.take(slice(0)), PLANE.target, loop=QUIET)


@pytest.mark.parametrize("method", RIVALS)
def test_domains_that_differ_in_columns_are_refused(method):
    t = PLANE.target
    wide = Transitions(
        np.tile(t.observations, 2), t.actions, t.rewards, np.tile(t.next_observations, 2),
        t.terminations, t.truncations,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"source has 2 observation.*target 4"):
        train([tiny(method)], PLANE.source, wide, loop=QUIET)


@pytest.mark.parametrize("method", PREPARED)
def test_preparation_is_seeded_and_independent_of_the_runs_seed(method):
    changes = {"seed": 1}, {"seed": 2}, {"prepare_seed": 1}
    one, two, other = (fitted(tiny(method, **change))[0].frozen() for change in changes)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("method", ["dara", "igdf", "otdf", "bosa"])
def test_what_is_prepared_is_asked_for_by_name_until_it_is_there(method):
    agent = METHODS[method]([tiny(method)], 2, 2)
    with pytest.raises(AttributeError, match=rf"{method.upper()}: \w+ is not there yet; call prep"):
        agent.frozen()
    ready, _ = fitted(tiny(method))
    agent.load_frozen(ready.frozen())
    assert agent.frozen().keys() == ready.frozen().keys()


@pytest.mark.parametrize("method", ["iql", "micro"])
def test_models_that_are_not_there_are_refused_by_method(method):
    with pytest.raises(ValueError, match=f"{method} has no ensemble: .* prepare"):
        _ = METHODS[method]([tiny(method)], 2, 2).models
