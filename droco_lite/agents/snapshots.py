"""The policies of a training at one step, without the rest: a small file, enough to try them.

So a training does not wait for the simulator.  It goes on, and the policies are tried later, by
another process, or on another machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from droco_lite import files
from droco_lite.agents import METHODS
from droco_lite.agents.agent import Agent, AgentSettings
from droco_lite.agents.networks import Layers, mlp
from droco_lite.robots import get_robot
from droco_lite.robots.columns import refuse_other_columns


class Policies(Protocol):
    """R stacked policies: all that an evaluation asks, of an agent, a snapshot or anything else."""

    @property
    def runs(self) -> Sequence[AgentSettings]:
        """Settings of each run."""
        ...

    @property
    def n_obs(self) -> int:
        """Size S of an observation."""
        ...

    @property
    def n_act(self) -> int:
        """Size A of an action."""
        ...

    @property
    def device(self) -> torch.device:
        """Where observations have to be to be acted on."""
        ...

    def act(self, observations: Tensor) -> Tensor:
        """Deterministic actions ``[R, rows, A]`` for observations ``[R, rows, S]``."""
        ...


def refuse_other_robot(agent: Policies, robot: str) -> None:
    """Refuse policies that do not see what a robot observes, or do not move its motors.

    Raises:
        ValueError: there is no such robot, or its columns are others; the message names both.
    """
    spec = get_robot(robot)
    refuse_others(agent, robot, spec.observation_size, spec.action_size)


def refuse_others(agent: Policies, whose: str, observations: int, actions: int) -> None:
    """Refuse policies whose columns are not those of a robot or a data set.

    Those that do not say theirs, such as a stack of functions, are not refused here.

    Args:
        agent: the policies.
        whose: what they are tried on.
        observations, actions: its columns S and A.

    Raises:
        ValueError: the columns differ; the message names both.
    """
    if hasattr(agent, "n_obs") and hasattr(agent, "n_act"):
        found = (agent.n_obs, agent.n_act)
        refuse_other_columns("agent", found, whose, (observations, actions))


@dataclass(frozen=True)
class Snapshot:
    """R stacked policies, as :func:`droco_lite.evaluation.suite.evaluate` takes them.

    Attributes:
        runs: settings of each run.
        layers: the policies' layers, ``(weight [R, in, out], bias [R, 1, out])``, on the CPU.
    """

    runs: Sequence[AgentSettings]
    layers: Layers

    @property
    def n_obs(self) -> int:
        """Size S of an observation."""
        return self.layers[0][0].shape[-2]

    @property
    def n_act(self) -> int:
        """Size A of an action."""
        return self.layers[-1][0].shape[-1]

    @property
    def device(self) -> torch.device:
        """Where the layers are."""
        return self.layers[0][0].device

    @classmethod
    def of(cls, agent: Agent) -> Snapshot:
        """A copy of an agent's present policies.

        Raises:
            ValueError: the agent acts otherwise than by its ``policy_layers`` alone, or does not
                declare (:func:`~droco_lite.agents.agent.by_layers`) that it does not.
        """
        layers = [
            (w.detach().cpu().clone(), b.detach().cpu().clone()) for w, b in agent.whole_policy()
        ]
        return cls(agent.runs, layers)

    def act(self, observations: Tensor) -> Tensor:
        """Deterministic actions ``[R, rows, A]`` for observations ``[R, rows, S]``."""
        with torch.no_grad():
            return torch.tanh(mlp(self.layers, observations))

    def save(self, path: str | Path) -> Path:
        """Write it, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        tensors: dict[str, Tensor] = {}
        for k, (weight, bias) in enumerate(self.layers):
            tensors |= {f"{k}.weight": weight, f"{k}.bias": bias}
        about = {"runs": json.dumps([run.to_dict() for run in self.runs])}
        return files.save_tensors(path, tensors, about)

    @classmethod
    def load(cls, path: str | Path, mend: str = "") -> Snapshot:
        """Read what :meth:`save` wrote.

        Args:
            path: the file.
            mend: what to do about a damaged file, for the error's message.

        Raises:
            FileNotFoundError: there is no such file.
            DamagedFile: it is not what was written.
        """
        tensors, about = files.load_tensors(path, "cpu", mend)
        runs = [
            METHODS[run["method"]].Settings.from_dict(run, where=str(path))
            for run in json.loads(about["runs"])
        ]
        count = len(tensors) // 2
        return cls(runs, [(tensors[f"{k}.weight"], tensors[f"{k}.bias"]) for k in range(count)])
