"""Steps whose kinds take turns: BOSA's policy moves at every ``policy_delay``-th."""

import pytest
import torch

from droco_lite.training import LoopSettings, graphs, train
from tests.agents.rivals import PLANE, batches, fitted, tiny
from tests.training.test_steps import assert_same_state, replayed, stepper_of

__all__ = ["replayed"]  # a fixture

EXACT = {"rtol": 0, "atol": 0}


def bosa(delay=2, **changes):
    return tiny("bosa", steps=12, policy_delay=delay, **changes)


def taken_directly(settings, count):
    """The agent after ``count`` updates of which nobody told the kind, and its batches."""
    agent, columns = fitted(settings)
    seen = batches(agent, columns, 12)
    for batch in seen[:count]:
        agent.update(batch, 0.0)
    return agent, seen


def batches_of(stepper):
    """What the stepper shows its agent in each step."""
    seen = []
    for step in range(12):
        stepper._ready(step)
        index, noise = (
            stepper.index[step % stepper.block],
            stepper.noise[step % stepper.noise_block],
        )
        seen.append(stepper.rows.batch(index, noise))
    return seen


def copied(agent):
    return {name: tensor.detach().clone() for name, tensor in agent.state().items()}


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_a_training_is_the_updates_one_after_another_from_any_step_on(delay):
    agent, whole, resumed = (stepper_of(bosa(delay), "autograd") for _ in range(3))
    seen, agent = batches_of(agent), agent.agent
    for batch in seen[:5]:
        agent.update(batch, 0.0)
    resumed.agent.load_state(copied(agent))
    for batch in seen[5:]:
        agent.update(batch, 0.0)
    whole.run(0, 12)
    resumed.run(5, 7)
    for stepper in (whole, resumed):
        for name, tensor in agent.state().items():
            assert torch.equal(stepper.agent.state()[name], tensor), name
    assert int(agent.state()["td3.updates"]) == 12


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_the_kind_that_is_told_is_the_kind_that_is_counted(delay):
    counted, seen = taken_directly(bosa(delay), 0)
    told, _ = taken_directly(bosa(delay), 0)
    for step, batch in enumerate(seen):
        before = told.td3.actor[0][0].clone()
        counted.update(batch, 0.0)
        with told.as_step(step):
            told.update(batch, 0.0)
        moved = not torch.equal(told.td3.actor[0][0], before)
        assert moved == ((step + 1) % delay == 0)
        for name, tensor in counted.state().items():
            assert torch.equal(told.state()[name], tensor), name
    assert told.phase is None


def test_the_kind_is_forgotten_where_an_update_fails():
    agent = fitted(bosa())[0]
    with pytest.raises(ZeroDivisionError), agent.as_step(3):
        assert agent.phase == 1
        raise ZeroDivisionError
    assert agent.phase is None


def test_restoring_and_loading_put_the_count_back_where_it_is_read():
    agent, seen = taken_directly(bosa(), 3)
    before, place = copied(agent), agent.state()["td3.updates"].data_ptr()
    for batch in seen[3:6]:
        agent.update(batch, 0.0)
    assert int(agent.state()["td3.updates"]) == 6
    graphs.put_back(agent, before)
    assert int(agent.td3.updates) == 3
    agent.update(seen[3], 0.0)
    once = copied(agent)
    agent.load_state(before)
    assert agent.state()["td3.updates"].data_ptr() == place
    agent.update(seen[3], 0.0)
    for name, tensor in agent.state().items():
        assert torch.equal(once[name], tensor), name


def test_the_count_is_saved_as_it_always_was():
    """So that checkpoints of earlier versions are read, and theirs are by them."""
    agent, _ = taken_directly(bosa(), 3)
    saved = agent.state()["td3.updates"]
    assert saved.shape == () and saved.dtype == torch.tensor(3).dtype and int(saved) == 3
    other = fitted(bosa())[0]
    other.load_state(copied(agent) | {"td3.updates": torch.tensor(3)})
    assert int(other.td3.updates) == 3


@pytest.mark.parametrize("delay", [1, 2, 3])
@pytest.mark.parametrize("first", [0, 5])
def test_each_step_replays_the_graph_of_its_kind(delay, first, replayed):
    plain, graphed = stepper_of(bosa(delay), "autograd"), stepper_of(bosa(delay), "autograd")
    for stepper in (plain, graphed):
        stepper.run(0, first)
    graphed.mode = "graph"
    graphed.warm_up(first)
    assert_same_state(graphed, plain, **EXACT)
    used = []
    for kind, graph in enumerate(graphed.graph.graphs):
        graph.replay = lambda kind=kind, graph=graph: (used.append(kind), graph.captured())
    for stepper in (plain, graphed):
        stepper.run(first, 2)
        stepper.run(first + 2, 10 - first)
    assert len(graphed.graph.graphs) == delay
    assert used == [step % delay for step in range(first, 12)]
    # The graph's progress is a tensor, which nothing in BOSA reads.
    assert_same_state(graphed, plain, **EXACT)


def test_kinds_that_are_recorded_in_each_others_place_are_refused(replayed, monkeypatch):
    take = graphs.GraphedStep.step

    class Swapped(torch.cuda.CUDAGraph):
        def replay(self):
            one = replayed.last
            take(one, 1 - self.captured.args[0])

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Swapped)
    tried = stepper_of(bosa(), "autograd")
    tried.mode = "graph"
    with pytest.warns(UserWarning, match="no CUDA graph here.*away from an eager step"):
        tried.run(0, 1)


def test_a_graph_that_forgets_to_count_is_refused(replayed, monkeypatch):
    class Forgets(torch.cuda.CUDAGraph):
        def replay(self):
            super().replay()
            replayed.last.agent.td3.updates -= 1

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Forgets)
    tried = stepper_of(bosa(), "autograd")
    tried.mode = "graph"
    with pytest.warns(UserWarning, match="no CUDA graph here.*a replay counts"):
        tried.run(0, 1)


def test_a_training_that_stops_at_an_odd_step_goes_on_exactly(tmp_path):
    loop = LoopSettings(device="cpu", episodes=0, evaluate_every=30, save_every=30)
    data = {"source": PLANE.source, "target": PLANE.target, "loop": loop}
    whole = train([tiny("bosa")], **data)
    train([tiny("bosa")], **data, out=tmp_path, stop_after=15)
    rest = train([tiny("bosa")], **data, out=tmp_path)
    for name, tensor in whole.agent.state().items():
        assert torch.equal(rest.agent.state()[name], tensor), name
