"""The contract: consumers ask for nothing else, and both forms of a step mean the same."""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest
import torch

import droco_lite
from droco_lite.agents import IQL, METHODS, DROCOSettings, IQLSettings
from droco_lite.agents import agent as contract
from droco_lite.agents.agent import Agent, by_layers
from droco_lite.agents.bounds import BoundedDROCO, BoundedDROCOSettings
from droco_lite.agents.networks import mlp
from droco_lite.agents.snapshots import Snapshot
from droco_lite.agents.soundness import possible_returns
from droco_lite.agents.trained_policies import stacks_of
from tests.agents.toy import N_ACT, N_OBS, batch_of, transitions

PACKAGE = Path(droco_lite.__file__).parent
SOURCE, TARGET = transitions(60, 0, 0.1), transitions(60, 1)


def asked_of_agents() -> set[tuple[str, str]]:
    """(file, name) of every attribute that a consumer reads of something called ``agent``."""
    found = set()
    for room in ("training", "evaluation", "live", "cli", "report"):
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if _asks_by_a_variable(node):
                    found.add((path.relative_to(PACKAGE).as_posix(), "getattr"))
                if not isinstance(node, ast.Attribute):
                    continue
                of = node.value.attr if isinstance(node.value, ast.Attribute) else node.value
                if "agent" in (of, getattr(of, "id", "")):
                    found.add((path.relative_to(PACKAGE).as_posix(), node.attr))
    return found


def _asks_by_a_variable(node: ast.AST) -> bool:
    """Whether it is ``getattr(agent, ...)``, which no list of names would show."""
    if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr"):
        return False
    return getattr(node.args[0], "id", "") == "agent"


def test_consumers_ask_an_agent_for_what_the_contract_has_and_nothing_else():
    bare = object.__new__(IQL)
    Agent.__init__(bare, [IQLSettings()], N_OBS, N_ACT)
    asked = asked_of_agents()
    assert ("evaluation/selection.py", "v") in asked and ("training/steps.py", "update") in asked
    known = set(dir(Agent)) | set(vars(bare))
    assert {one for one in asked if one[1] not in known} == set()


def test_the_contracts_table_names_all_that_it_has():
    bare = object.__new__(IQL)
    Agent.__init__(bare, [IQLSettings()], N_OBS, N_ACT)
    public = {name for name in set(vars(Agent)) | set(vars(bare)) if not name.startswith("_")}
    named = set(re.findall(r"``(\w+)``", contract.__doc__))
    assert {"tensors", "on_epoch", "runs", "n_obs", "device"} <= public <= named


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_method_calls_a_figure_a_loss_that_may_have_no_number(name):
    """What ends in _loss has to be finite, or the training stops."""
    one = {"shuffled": False} if name == "droco-shuffled" else {}
    agent = METHODS[name]([METHODS[name].Settings(hidden=8, **one)], N_OBS, N_ACT)
    source = ast.parse(textwrap.dedent(inspect.getsource(type(agent).diagnostics)))
    texts = {n.value for n in ast.walk(source) if isinstance(n, ast.Constant)}
    found = {text for text in texts if isinstance(text, str) and text.endswith("_loss")}
    assert found <= {"q_loss", "value_loss", "policy_loss"}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_says_between_which_values_it_backs_up(name):
    one = {"shuffled": False} if name == "droco-shuffled" else {}
    runs = [METHODS[name].Settings(hidden=8, seed=seed, **one) for seed in (0, 1)]
    agent = METHODS[name](runs, N_OBS, N_ACT)
    for bound, end in zip(agent.backup_bounds(), (-torch.inf, torch.inf), strict=True):
        assert bound.shape == (2, 1, 1) and (bound == end).all()


def test_droco_knows_its_bounds_once_it_is_prepared():
    runs = [DROCOSettings(hidden=8, members=2, ensemble_epochs=1, floor=f) for f in (None, -7.0)]
    agent = METHODS["droco"](runs, N_OBS, N_ACT)
    agent.prepare(SOURCE, TARGET)
    low, high = possible_returns(runs[0].discount, TARGET)
    floor, ceiling = agent.backup_bounds()
    assert floor.flatten().tolist() == pytest.approx([low, -7.0])
    assert ceiling.flatten().tolist() == pytest.approx([high, high])


def test_every_method_says_how_many_passes_its_ensemble_takes_at_most():
    assert IQLSettings().ensemble_epochs == 0
    assert DROCOSettings(ensemble_epochs=7).ensemble_epochs == 7


class AsksCritics(IQL):
    """Hooks that read networks which the step moves."""

    def __init__(self, *args):
        super().__init__(*args)
        self.policy_term = lambda batch, mean: -self.min_q(batch.observations, mean).mean((1, 2))

    def source_weight(self, batch):
        s, a = batch.observations[:, : batch.n_source], batch.actions[:, : batch.n_source]
        return torch.sigmoid(self.min_q(s, a))

    def policy_weight(self, advantage):
        return super().policy_weight(advantage) * self.networks.value[0][0].square().mean()


def test_no_gradient_goes_through_a_hook_in_either_form_of_the_step():
    agent = AsksCritics([IQLSettings(hidden=16)] * 2, N_OBS, N_ACT)
    batch = batch_of(agent, SOURCE, TARGET)
    leaves = agent.networks.critic_value_leaves + agent.networks.policy_leaves
    agent.gradients(batch)
    by_autograd = [leaf.grad.clone() for leaf in leaves]
    step = agent.step_by_hand()
    step.fill(step.gradients(batch))
    for leaf, expected in zip(leaves, by_autograd, strict=True):
        torch.testing.assert_close(leaf.grad, expected, rtol=1e-4, atol=1e-6)
    agent.policy_term = None
    agent.gradients(batch)
    felt = (leaf.grad - with_it for leaf, with_it in zip(leaves, by_autograd, strict=True))
    apart = [float(change.abs().max()) for change in felt]
    critics, policy = apart[:6], apart[6:]
    assert max(critics) == 0 and max(policy) > 1e-4


def clips_what_it_sees(agent, observations):
    return Agent.act(agent, observations.clamp(-2.5, 2.5))


def clips_far_out(agent, observations):
    return Agent.act(agent, observations.clamp(-50.0, 50.0))


def clips_actions(agent, observations):
    return Agent.act(agent, observations).clamp(-0.9, 0.9)


def adds_a_little(agent, observations):
    return Agent.act(agent, observations) + 0.009


def gives_no_number(agent, observations):
    return Agent.act(agent, observations) * float("nan")


def acts_the_same(agent, observations):
    return torch.tanh(mlp(agent.policy_layers(), observations))


OTHERWISE = [clips_what_it_sees, clips_far_out, clips_actions, adds_a_little, gives_no_number]


#: What keeps a policy's layers in the agent's place.
KEEPS = (Snapshot.of, lambda one: stacks_of(one, 0))


def of_two_runs(act):
    kind = type("Acts", (IQL,), {"act": act})
    return kind([IQLSettings(hidden=16, seed=seed) for seed in (0, 1)], N_OBS, N_ACT)


@pytest.mark.parametrize("act", [*OTHERWISE, acts_the_same])
def test_layers_are_not_kept_for_an_act_that_is_not_declared(act):
    agent = of_two_runs(act)
    assert not agent.acts_by_layers()
    for keep in KEEPS:
        with pytest.raises(ValueError, match=r"iql: .*declare it: write @by_layers"):
            keep(agent)


@pytest.mark.parametrize("act", OTHERWISE)
def test_a_declaration_that_is_wrong_is_found(act):
    agent = of_two_runs(by_layers(lambda *args: act(*args)))
    assert not agent.acts_by_layers()
    for keep in KEEPS:
        with pytest.raises(ValueError, match=r"iql: act is not tanh.*though by_layers declares it"):
            keep(agent)


@pytest.mark.parametrize("size", [1.0, 30.0, float("nan")])
def test_layers_are_kept_for_an_act_that_is_declared_and_right(size):
    """Also where weights are large, or no numbers any more: rounding is no other policy."""

    def act(agent, observations):
        rows = reversed(range(observations.shape[1]))  # one by one: other sums, other rounding
        done = [Agent.act(agent, observations[:, k : k + 1]) for k in rows]
        return torch.cat(done[::-1], 1)

    agent = of_two_runs(by_layers(act))
    with torch.no_grad():
        for weight, _ in agent.policy_layers():
            weight *= size
    assert agent.acts_by_layers()
    for keep in KEEPS:
        keep(agent)


def test_a_declaration_holds_for_the_act_that_it_stands_above_and_for_no_other():
    class Halved(type(of_two_runs(by_layers(acts_the_same)))):
        def act(self, observations):
            return super().act(observations) / 2

    agent = Halved([IQLSettings(hidden=16)], N_OBS, N_ACT)
    assert not agent.acts_by_layers()
    plain = IQL([IQLSettings(hidden=16)], N_OBS, N_ACT)
    assert plain.acts_by_layers()
    plain.act = lambda observations: Agent.act(plain, observations)
    assert not plain.acts_by_layers()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_of_the_package_acts_by_its_layers(name):
    kind = METHODS[name]
    one = {"shuffled": False} if name == "droco-shuffled" else {}
    agent = kind([kind.Settings(hidden=8, **one)], N_OBS, N_ACT)
    assert agent.acts_by_layers() and len(agent.whole_policy()) > 1


def test_values_that_are_not_of_relu_networks_are_no_stacks():
    kind = {"hidden": 8, "members": 2}
    plain, normed = (
        BoundedDROCO([BoundedDROCOSettings(layer_norm=on, **kind)], N_OBS, N_ACT)
        for on in (False, True)
    )
    assert set(plain.stacks()) == {"policy", "value", "critics"}
    assert set(normed.stacks()) == {"policy"}

    class Scaled(IQL):
        def v(self, observations):
            return 2 * super().v(observations)

    assert set(Scaled([IQLSettings(hidden=8)], N_OBS, N_ACT).stacks()) == {"policy"}
