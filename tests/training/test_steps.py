"""How steps run: a graph's bookkeeping without a GPU, what happens where no graph can be had, and
compilation in a long process."""

from contextlib import contextmanager, nullcontext
from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from droco_lite.agents import DROCOSettings
from droco_lite.training import steps
from droco_lite.training.steps import Stepper, manual_possible
from tests.agents.rivals import fitted, rows_of, tiny


def stepper_of(settings, mode):
    """A stepper whose blocks are so short that a few steps cross several."""
    agent, columns = fitted(settings)
    stepper = Stepper(agent, *rows_of(agent, columns), mode, block=7)
    stepper.noise_block = 4
    return stepper


@pytest.fixture
def replayed(monkeypatch):
    """In place of CUDA's graph one that takes the step again, in Python, when it is replayed."""

    class Stream:
        def wait_stream(self, other):
            pass

    class Graph:
        captured = None

        def replay(self):
            self.captured()

    @contextmanager
    def graph(one):
        one.captured = replayed.stepper._graph_step
        yield

    class replayed:
        stepper = None

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch, "compile", lambda function: function)
    return replayed


@pytest.mark.parametrize("method", ["iql", "otdf", "cql", "micro"])
def test_a_graph_reads_the_rows_noise_and_schedule_of_every_step(method, replayed):
    settings = tiny(method, steps=30)
    plain = stepper_of(settings, "manual")
    graphed = replayed.stepper = stepper_of(settings, "manual")
    graphed.mode = "graph"
    for first, count in ((0, 5), (5, 12), (17, 13)):
        plain.run(first, count)
        graphed.run(first, count)
    assert graphed.graph is not None
    mine, theirs = graphed.agent.state(), plain.agent.state()
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-3, atol=2e-5)


DROCO = DROCOSettings(hidden=16, batch_size=16, steps=30, ensemble_epochs=1, members=2)
ALL = [DROCO, *(tiny(method) for method in ("iql", "dara", "igdf", "otdf", "cql", "micro"))]


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.method)
@pytest.mark.parametrize("by_hand", [True, False])
def test_what_a_graph_records_asks_nothing_of_the_host(one, by_hand, replayed, monkeypatch):
    """No ``.item()``, no data-dependent shape, no number made on the host, nothing drawn."""
    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.append(str(function))
            return function(*args, **(kwargs or {}))

    if not by_hand:
        monkeypatch.setattr(steps, "manual_possible", lambda agent: False)
    stepper = replayed.stepper = stepper_of(one, "autograd")
    stepper.mode = "graph"
    stepper.run(0, 1)
    with Watch():
        stepper.graph.replay()
    never = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "lift_fresh", "rand")
    assert len(seen) > 10
    assert not [name for name in seen if any(word in name for word in never)]


@pytest.mark.parametrize("method", ["iql", "cql"])
def test_without_a_graph_training_goes_on_eagerly_and_says_so(method, replayed, monkeypatch):
    def broken(graph):
        raise RuntimeError("capture failed")

    monkeypatch.setattr(torch.cuda, "graph", broken)
    settings = tiny(method, steps=12)
    plain, tried = stepper_of(settings, "manual"), stepper_of(settings, "manual")
    tried.mode = "graph"
    with pytest.warns(UserWarning, match="no CUDA graph here"):
        tried.run(0, 12)
    plain.run(0, 12)
    assert tried.mode == ("manual" if manual_possible(tried.agent) else "autograd")
    for name, tensor in plain.agent.state().items():
        torch.testing.assert_close(tried.agent.state()[name], tensor)


def test_the_tenth_training_of_a_process_is_still_compiled(monkeypatch):
    compiled = []

    def count(module, inputs):
        compiled.append(module)
        return module.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=count))
    for _ in range(10):
        stepper_of(tiny("iql"), "compiled").run(0, 1)
    assert len(compiled) == 10
