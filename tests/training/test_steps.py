"""How steps run: a graph's bookkeeping without a GPU, what happens where no graph can be had, and
compilation in a long process."""

import warnings
from contextlib import contextmanager, nullcontext
from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from droco_lite.agents import IQL, METHODS, DROCOSettings
from droco_lite.agents.fast.step import REPLACED
from droco_lite.training import LoopSettings, graphs, precision, steps, train
from droco_lite.training.steps import Stepper, manual_possible
from tests.agents.rivals import PLANE, fitted, rows_of, tiny


def stepper_of(settings, mode):
    """A stepper whose blocks are so short that a few steps cross several."""
    agent, columns = fitted(settings)
    stepper = Stepper(agent, *rows_of(agent, columns), mode, block=7)
    stepper.noise_block = 4
    return stepper


def beside_a_graph(method):
    """Two steppers of one training: by hand, and as a graph."""
    settings = tiny(method, steps=12)
    plain, tried = stepper_of(settings, "manual"), stepper_of(settings, "manual")
    tried.mode = "graph"
    return plain, tried


def assert_same_state(tried, plain, **tolerance):
    for name, tensor in plain.agent.state().items():
        torch.testing.assert_close(tried.agent.state()[name], tensor, **tolerance)


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

        def pool(self):
            return "a pool"

    @contextmanager
    def graph(one, pool=None):
        yield
        one.captured = partial(replayed.last.step, *replayed.phase)

    class replayed:
        last, phase = None, ()

    def noted(one, *phase):
        replayed.last, replayed.phase = one, phase
        step(one, *phase)

    step = graphs.GraphedStep.step
    monkeypatch.setattr(graphs.GraphedStep, "step", noted)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    return replayed


@pytest.mark.parametrize("method", ["iql", "otdf", "cql", "micro", "bosa"])
def test_a_graph_reads_the_rows_noise_and_schedule_of_every_step(method, replayed):
    settings = tiny(method, steps=30)
    plain = stepper_of(settings, "manual")
    graphed = stepper_of(settings, "manual")
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
ALL = [DROCO, *(tiny(method) for method in ("iql", "dara", "igdf", "otdf", "cql", "micro", "bosa"))]


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
    stepper = stepper_of(one, "autograd")
    stepper.mode = "graph"
    stepper.run(0, 1)
    with Watch():
        for step in range(stepper.agent.phases):
            stepper.graph.replay(step)
    never = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "lift_fresh", "rand")
    assert len(seen) > 10
    assert not [name for name in seen if any(word in name for word in never)]


@pytest.mark.parametrize("method", ["iql", "cql"])
def test_without_a_graph_training_goes_on_eagerly_and_says_so(method, replayed, monkeypatch):
    def broken(graph, pool=None):
        raise RuntimeError("capture failed")

    monkeypatch.setattr(torch.cuda, "graph", broken)
    plain, tried = beside_a_graph(method)
    with pytest.warns(UserWarning, match="no CUDA graph here"):
        tried.run(0, 12)
    plain.run(0, 12)
    assert tried.mode == ("manual" if manual_possible(tried.agent) else "autograd")
    assert_same_state(tried, plain)


@pytest.mark.parametrize("method", ["cql", "micro"])
def test_what_a_graph_keeps_aside_holds_no_node_of_autograd(method, replayed, monkeypatch):
    """Such a node belongs to the default stream, and CUDA then refuses to record the step."""
    kept = []
    put_back = graphs.put_back
    monkeypatch.setattr(graphs, "put_back", lambda agent, b: kept.append(b) or put_back(agent, b))
    tried = stepper_of(tiny(method, steps=12), "autograd")
    tried.mode = "graph"
    tried.warm_up(0)
    assert kept and not any(t.requires_grad for before in kept for t in before.values())


def test_blocks_that_are_drawn_ahead_are_the_same_blocks():
    plain = stepper_of(tiny("iql", steps=20), "manual")
    agent, columns = fitted(tiny("iql", steps=20))
    tried = Stepper(agent, *rows_of(agent, columns), "manual", block=7, ahead=True)
    for stepper in (plain, tried):
        stepper.run(0, 15)
        stepper.run(15, 5)
    assert_same_state(tried, plain, rtol=0.0, atol=0.0)
    assert list(tried.drawn) == []  # none beyond the last step


@pytest.mark.slow
def test_the_tenth_training_of_a_process_is_still_compiled(monkeypatch):
    compiled = []

    def count(module, inputs, **options):
        compiled.append(module)
        return module.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=count))
    for _ in range(10):
        stepper_of(tiny("iql"), "compiled").run(0, 1)
    assert len(compiled) == 10


@pytest.mark.parametrize("method", ["iql", "cql", "bosa"])
def test_a_graph_that_does_nothing_is_refused_and_training_goes_on(method, replayed, monkeypatch):
    """What a capture on another device would record: nothing at all."""

    class Empty(torch.cuda.CUDAGraph):
        def replay(self):
            pass

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Empty)
    plain, tried = beside_a_graph(method)
    with pytest.warns(UserWarning, match="no CUDA graph here.*moved the counter of batches by 0"):
        tried.run(0, 12)
    plain.run(0, 12)
    assert_same_state(tried, plain)


def test_a_graph_whose_replay_is_another_step_is_refused(replayed, monkeypatch):
    class Wrong:
        def replay(self):
            replayed.last.step()
            replayed.last.agent.networks.weights[1] += 0.5

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Wrong)
    tried = stepper_of(tiny("iql", steps=12), "manual")
    tried.mode = "graph"
    with pytest.warns(UserWarning, match="no CUDA graph here.*away from an eager step"):
        tried.run(0, 1)


def test_where_compiling_fails_the_plain_step_is_recorded_and_the_reason_given(
    replayed, monkeypatch
):
    def broken(function, **options):
        def fails(*args):
            raise RuntimeError("no compiler on this machine")

        return fails

    monkeypatch.setattr(torch, "compile", broken)
    settings = tiny("iql", steps=12)
    plain, tried = stepper_of(settings, "manual"), stepper_of(settings, "manual")
    tried.mode = "graph"
    with pytest.warns(
        UserWarning, match=r"no compiler on this machine\); recording the step uncomp"
    ):
        tried.run(0, 12)
    assert tried.mode == "graph" and tried.graph is not None
    plain.run(0, 12)
    assert_same_state(tried, plain, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("mode", ["compiled", "graph"])
def test_warming_up_changes_nothing(mode, replayed):
    settings = tiny("iql", steps=12)
    cold, warm = stepper_of(settings, "manual"), stepper_of(settings, "manual")
    cold.mode = warm.mode = mode
    for stepper in (cold, warm):
        stepper.whole = stepper._whole
    cold.run(0, 6)
    warm.run(0, 3)
    before = {name: tensor.clone() for name, tensor in warm.agent.state().items()}
    warm.graph = None
    warm.warm_up(3)
    for name, tensor in warm.agent.state().items():
        assert torch.equal(tensor, before[name]), name
    warm.run(3, 3)
    for name, tensor in cold.agent.state().items():
        torch.testing.assert_close(warm.agent.state()[name], tensor, rtol=1e-5, atol=1e-7)


def with_its_own(name):
    """A rival of IQL that brings its own ``name``, and notes each call of it."""

    def own(agent, *args):
        agent.called = True
        return getattr(super(Rival, agent), name)(*args)

    Rival = type("Rival", (IQL,), {name: own})
    return Rival


@pytest.mark.parametrize("mode", steps.MODES)
@pytest.mark.parametrize("name", REPLACED)
def test_what_a_rival_overrides_is_called_in_every_mode(name, mode, replayed, monkeypatch):
    monkeypatch.setattr(steps, "COMPILING_PAYS", 1)
    monkeypatch.setitem(METHODS, "iql", with_its_own(name))
    agent, columns = fitted(tiny("iql"))
    stepper = Stepper(agent, *rows_of(agent, columns), "auto" if mode == "graph" else mode)
    if mode == "graph":
        stepper.mode = "graph"
    stepper.run(0, 1)
    assert agent.called


@pytest.mark.parametrize(
    ("method", "mode"), [("cql", "manual"), ("micro", "compiled"), ("bosa", "compiled")]
)
def test_a_mode_that_a_method_does_not_have_is_said_to_be_left_out(method, mode):
    steps.say_once.cache_clear()
    with pytest.warns(UserWarning, match=f"mode '{mode}': {method} has no step with gradients"):
        stepper = stepper_of(tiny(method), mode)
    assert stepper.mode == "autograd"


def test_a_graph_of_a_method_that_cannot_be_captured_is_said_to_be_left_out():
    steps.say_once.cache_clear()
    agent = fitted(tiny("cql"))[0]
    agent.capturable = False
    with pytest.warns(UserWarning, match="mode 'graph': cql has no step that a CUDA graph"):
        assert steps.possible_mode(agent, "graph") == "autograd"


def test_auto_and_a_mode_that_there_is_say_nothing():
    steps.say_once.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert stepper_of(tiny("cql"), "auto").mode == "autograd"
        assert stepper_of(tiny("iql"), "manual").mode == "manual"


def with_weight_decay(agent):
    agent.optimizer.param_groups[0]["weight_decay"] = 0.1


def with_another_rate(agent):
    agent.optimizer.param_groups[0]["lr"] = 1e-5


def with_a_higher_rate_of_critics(agent):
    agent.fixed_rate.fill_(3e-3)


def with_other_betas(agent):
    agent.optimizer.param_groups[1]["betas"] = (0.5, 0.9)


def with_another_eps(agent):
    agent.optimizer.param_groups[0]["eps"] = 1e-4


def with_a_part_that_does_not_learn(agent):
    agent.optimizer.param_groups[0]["params"].pop()


def with_a_hook_before_its_step(agent):
    agent.optimizer.register_step_pre_hook(lambda *args: None)


def with_a_hook_after_its_step(agent):
    agent.optimizer.register_step_post_hook(lambda *args: None)


def with_a_step_of_its_own(agent):
    step = agent.optimizer.step
    agent.optimizer.step = lambda *args: step(*args)


def with_another_optimiser(agent):
    agent.optimizer = torch.optim.SGD(agent.networks.critic_value_leaves, lr=0.1)


def with_another_activation(agent):
    agent.value_activation = torch.tanh


def with_losses_of_its_own(agent):
    agent.losses = lambda batch: IQL.losses(agent, batch)


@pytest.mark.parametrize(
    "change",
    [
        with_weight_decay,
        with_another_rate,
        with_a_higher_rate_of_critics,
        with_other_betas,
        with_another_eps,
        with_a_part_that_does_not_learn,
        with_a_hook_before_its_step,
        with_a_hook_after_its_step,
        with_a_step_of_its_own,
        with_another_optimiser,
        with_another_activation,
        with_losses_of_its_own,
    ],
)
def test_an_agent_that_was_changed_is_not_stepped_by_hand(change):
    agent = fitted(tiny("iql"))[0]
    assert agent.by_hand
    change(agent)
    assert not agent.by_hand and agent.step_by_hand() is None


@pytest.mark.parametrize("changed", [{"betas": (0.5, 0.9), "eps": 1e-3}, {"betas": [0.9, 0.99]}])
def test_an_adam_of_other_numbers_throughout_is_the_same_in_every_form(changed):
    settings = tiny("iql", steps=20)
    plain, tried = stepper_of(settings, "autograd"), stepper_of(settings, "autograd")
    for stepper in (plain, tried):
        groups, kind = stepper.agent.optimizer.param_groups, torch.optim.Adam
        parts = [{name: group[name] for name in ("params", "lr")} for group in groups]
        stepper.agent.optimizer = kind(parts, fused=True, **changed)
    assert tried.agent.by_hand
    tried.mode, tried.whole = "compiled", tried._whole
    plain.run(0, 20)
    tried.run(0, 20)
    assert_same_state(tried, plain, rtol=1e-3, atol=2e-5)


def test_a_policy_rate_half_way_down_its_cosine_is_still_stepped_by_hand():
    stepper = stepper_of(tiny("iql", steps=30), "manual")
    stepper.run(0, 15)
    agent = stepper.agent
    assert float(agent.policy_rate) < 0.6 * agent.shared.learning_rate and agent.by_hand


def test_the_package_knows_which_of_its_methods_step_by_hand():
    one = {"droco-shuffled": {"shuffled": False}}  # its twin needs this run beside it
    agents = {
        name: kind([kind.Settings(hidden=8, **one.get(name, {}))], 3, 2)
        for name, kind in METHODS.items()
    }
    without = {"cql", "bosa", "micro"}  # a rival that is added may be of either kind
    assert not any(agents[name].by_hand for name in without)
    family = [name for name in METHODS if name.startswith("droco")]
    assert all(agents[name].by_hand for name in (*family, "iql", "dara", "igdf", "otdf"))


def test_auto_takes_the_fastest_form_for_the_length_of_the_run(monkeypatch):
    iql, cql, cpu = fitted(tiny("iql"))[0], fitted(tiny("cql"))[0], torch.device("cpu")
    few, many = steps.COMPILING_PAYS - 1, steps.COMPILING_PAYS
    monkeypatch.setattr(steps, "compiler_found", lambda: True)
    assert steps.choose_mode(iql, cpu, few) == "manual"
    assert steps.choose_mode(iql, cpu, many) == "compiled"
    assert steps.choose_mode(cql, cpu, many) == "autograd"
    for agent in (cql, fitted(tiny("bosa"))[0]):
        assert steps.choose_mode(agent, torch.device("cuda"), few) == "graph"
    assert steps.choose_mode(iql, torch.device("mps"), many) == "manual"


def test_without_a_compiler_auto_says_so_once_and_steps_by_hand(monkeypatch):
    agent = fitted(tiny("iql"))[0]
    monkeypatch.setattr(steps, "compiler_found", lambda: False)
    steps.say_once.cache_clear()
    with pytest.warns(UserWarning, match=r"no C\+\+ compiler.*install one"):
        assert steps.choose_mode(agent, torch.device("cpu"), 10**6) == "manual"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert steps.choose_mode(agent, torch.device("cpu"), 10**6) == "manual"


@pytest.mark.parametrize(("medium", "chosen"), [(1.0, "medium"), (1.2, "medium"), (1.4, "highest")])
def test_auto_takes_the_clearly_faster_of_the_exact_products(medium, chosen, monkeypatch):
    seconds = {"medium": medium, "highest": 1.0}
    monkeypatch.setattr(precision, "seconds_of_products", lambda names: seconds)
    monkeypatch.setattr(precision, "EXACT", 1.0)  # whatever this CPU does with "medium"
    assert precision._for_cpu.__wrapped__() == chosen
    monkeypatch.setattr(precision, "EXACT", -1.0)
    assert precision._for_cpu.__wrapped__() == "highest"


def test_a_training_that_goes_on_keeps_its_mode(tmp_path, monkeypatch):
    """Chosen for a long run, kept for its short rest: so it ends as if it had never stopped."""
    monkeypatch.setattr(steps, "COMPILING_PAYS", 25)
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setattr(steps, "compiler_found", lambda: True)
    loop = LoopSettings(device="cpu", episodes=0, evaluate_every=30, save_every=30)
    data = {"source": PLANE.source, "target": PLANE.target, "loop": loop}
    whole = train([tiny("iql")], **data)
    started = train([tiny("iql")], **data, out=tmp_path, stop_after=27)
    rest = train([tiny("iql")], **data, out=tmp_path)
    assert [whole.mode, started.mode, rest.mode] == ["compiled"] * 3
    for name, tensor in whole.agent.state().items():
        assert torch.equal(rest.agent.state()[name], tensor), name
