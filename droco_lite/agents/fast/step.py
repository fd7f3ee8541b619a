"""IQL's step with gradients by hand, as :class:`~droco_lite.agents.agent.HandStep` asks for it.

It replaces some methods of :class:`~droco_lite.agents.iql.IQL` and calls all others.  A method that
brings its own of what is replaced is stepped by autograd, so that nothing it changes is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.fast.adam import Moments, apply_by_hand
from droco_lite.agents.fast.gradients import by_hand, fill
from droco_lite.agents.fast.padded import PaddedNetworks
from droco_lite.agents.hooks import IQLHooks

if TYPE_CHECKING:
    from droco_lite.agents.iql import IQL

#: Methods of IQL whose work the step by hand does itself.
REPLACED = ("update", "gradients", "apply", "losses", "q", "v")


class StepByHand:
    """The parts of one step of an agent of the IQL family."""

    def __init__(self, agent: IQL):
        self.agent = agent

    def gradients(self, batch: Batch) -> list[Tensor]:
        """Of weights, then biases, ``[4, R, in, out]``: Q1, Q2, V, pi."""
        return by_hand(self.agent, self.agent.select(batch))

    def fill(self, gradients: list[Tensor]) -> None:
        """Hand the gradients to the optimiser's leaves."""
        fill(self.agent, gradients)

    def apply(self, progress: Tensor | float) -> None:
        """:meth:`IQL.apply`: the optimiser's step, then the target critics' move."""
        self.agent.apply(progress)

    def moments(self) -> Moments:
        """Adam's moments in the shapes that :meth:`move` needs."""
        return Moments(self.agent)

    def move(self, gradients: list[Tensor], moments: list[list[Tensor]], schedule: Tensor) -> None:
        """What :meth:`apply` does, in a form that can be compiled."""
        apply_by_hand(self.agent, gradients, moments, schedule)


def covers(agent: IQL, core: type[IQL]) -> bool:
    """Whether the step by hand is the agent's own: all that it replaces is still that of ``core``.

    The core is IQL itself, which is handed over since its file reads this one.
    """
    methods = all(
        getattr(getattr(agent, name), "__func__", None) is getattr(core, name) for name in REPLACED
    )
    activation = agent.value_activation is IQLHooks.value_activation
    return methods and activation and type(agent.networks) is PaddedNetworks and _adam(agent)


def _adam(agent: IQL) -> bool:
    """Whether the optimiser is still the one that :mod:`droco_lite.agents.fast.adam` writes out.

    That takes the rate of critics and V from the settings, both betas and eps from the optimiser's
    defaults, and calls no ``step``.  The policy's rate may be any: every step sets it anew.
    """
    optimizer, net = agent.optimizer, agent.networks
    if type(optimizer) is not torch.optim.Adam or len(optimizer.param_groups) != 2:
        return False
    hooks = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
    if hooks or "step" in vars(optimizer):
        return False
    plain = {"weight_decay": 0, "amsgrad": False, "maximize": False}
    plain |= {name: optimizer.defaults[name] for name in ("betas", "eps")}
    fixed, moving = optimizer.param_groups
    same = all(group[name] == value for group in (fixed, moving) for name, value in plain.items())
    rates = fixed["lr"] is agent.fixed_rate and moving["lr"] is agent.policy_rate
    in_settings = agent.fixed_rate.new_tensor(agent.shared.learning_rate)
    leaves = ((fixed, net.critic_value_leaves), (moving, net.policy_leaves))
    all_move = all([*map(id, group["params"])] == [*map(id, of)] for group, of in leaves)
    return same and rates and all_move and torch.equal(agent.fixed_rate, in_settings)
