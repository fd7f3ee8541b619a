"""What a method of the IQL family may change: every hook, doing nothing.

A rival overrides the few hooks in which its paper differs from
:class:`droco_lite.agents.iql.IQL`; see :mod:`droco_lite.agents.droco` for the shortest example that
does something.  Both forms of the step, the readable one and the one by hand, call the same hooks,
and take what they return as numbers: no gradient goes through a hook, but for that of
``policy_term`` by the actions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from droco_lite.agents.agent import Agent, AgentSettings
from droco_lite.agents.batch import Batch

S = TypeVar("S", bound=AgentSettings)


class IQLHooks(Agent[S]):
    """Hooks of one IQL step, in the order in which the step calls them."""

    def select(self, batch: Batch) -> Batch:
        """Drop source rows from all losses; the number kept must be constant."""
        return batch

    def rewards(self, batch: Batch) -> Tensor:
        """Rewards ``[R, rows, 1]`` that the critics' targets use."""
        return batch.rewards

    def source_value(self, batch: Batch, next_value: Tensor) -> Tensor:
        """What stands for V(s') in the targets of source rows, ``[R, n_source, 1]``."""
        return next_value

    def target_value(self, batch: Batch, next_value: Tensor) -> Tensor:
        """What stands for V(s') in the targets of target rows, ``[R, rows - n_source, 1]``."""
        return next_value

    def source_delta(self) -> Tensor | float:
        """Huber's delta in the critic loss of source rows; infinity is L2."""
        return float("inf")

    def target_delta(self) -> Tensor | float:
        """Huber's delta in the critic loss of target rows; infinity is L2."""
        return float("inf")

    def source_weight(self, batch: Batch) -> Tensor | float:
        """Weights ``[R, n_source, 1]`` of source rows in the critic loss only."""
        return 1.0

    def target_weight(self, batch: Batch) -> Tensor | float:
        """Weights ``[R, rows - n_source, 1]`` of target rows in the critic loss only."""
        return 1.0

    def pool_weights(self, batch: Batch) -> tuple[float, float]:
        """Shares of the source and target halves in the critic loss.

        Pooled over all rows kept: with equal halves this is the sum of both means of half squares
        that the DROCO code takes.
        """
        rows = batch.rewards.shape[1]
        return 2 * batch.n_source / rows, 2 * (rows - batch.n_source) / rows

    def policy_weight(self, advantage: Tensor) -> Tensor:
        """Weights ``[R, rows, 1]`` of the policy's regression on actions.

        Args:
            advantage: Q - V of the same rows, ``[R, rows, 1]``.

        Raises:
            NotImplementedError: the method has none; each core gives one.
        """
        raise NotImplementedError

    policy_term: Callable[[Batch, Tensor], Tensor] | None = None
    """Optional ``policy_term(batch, mean) -> [R]``, added to the policy loss.  Its gradient goes to
    the actions ``mean``, and to no network that it asks, such as the critics."""

    value_activation: Callable[[Tensor], Tensor] = staticmethod(torch.relu)
    """What follows each hidden layer of Q and V."""
