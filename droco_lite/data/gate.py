"""Is a pair of source and target worth learning from?  Two gates on returns, before any training.

1. *The shift matters*: the source's policy, put on the target robot, keeps less than a third of the
   return it has at home.  Else the source could be deployed as it is.
2. *The target data can be imitated*: behaviour cloning on a few target transitions reaches a good
   part of those data's own return.  Else nothing built on imitation can show much.

Shares are measured from a reference return.  The package's robots are paid for going forward, and
doing nothing useful earns about nothing: their reference is 0.  Where rewards may be costs, and
returns negative, the reference is a random policy's return.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from droco_lite.data.collect import one_torch_thread
from droco_lite.data.names import TUNED, Task
from droco_lite.data.tasks import make_dataset
from droco_lite.data.transitions import Transitions
from droco_lite.robots import get_robot, rollout

Policy = Callable[[np.ndarray], np.ndarray]

#: A source policy that keeps this share of its return on the target robot fails the first gate.
TRANSFER_LIMIT = 1 / 3
#: A clone that misses this share of its data's return fails the second; the bound is ours.
CLONING_LIMIT = 1 / 2


@dataclass(frozen=True)
class Gate:
    """Mean returns behind the two gates.

    Attributes:
        at_home: the source policy under the source shift, without noise.
        on_target: the same policy on the nominal robot.
        target_data: episodes of the target data, with their action noise.
        clone: behaviour cloning of those data, on the nominal robot.
        episodes: behind the source policy's two returns.
        reference: the return that shares are measured from, see :func:`reference_return`; NaN takes
            what the robot's record says.

    Raises:
        ValueError: no reference was given, and the robot's record says none.
    """

    task: Task
    at_home: float
    on_target: float
    target_data: float
    clone: float
    episodes: int = 20
    reference: float = float("nan")

    def __post_init__(self) -> None:
        if np.isnan(self.reference):
            known = recorded_reference(self.task.robot)
            if known is None:
                raise ValueError(
                    f"reference: {self.task.robot} has no min_return; give a random policy's "
                    "return (reference_return measures it)"
                )
            object.__setattr__(self, "reference", known)

    @property
    def kept(self) -> float:
        """The share of its return that the source's policy keeps; NaN if it fails at home."""
        return share(self.on_target, self.at_home, self.reference)

    @property
    def cloned(self) -> float:
        """The share of the data's return that the clone reaches; NaN if those earn nothing."""
        return share(self.clone, self.target_data, self.reference)

    @property
    def shift_matters(self) -> bool:
        """The first gate; a policy that fails at home cannot pass it."""
        return self.kept < TRANSFER_LIMIT

    @property
    def can_be_cloned(self) -> bool:
        """The second gate: what the clone misses is a part of what lies above the reference.

        Data that are worse than the reference can be cloned too, as closely.
        """
        worth = abs(self.target_data - self.reference)
        return self.target_data - self.clone <= (1 - CLONING_LIMIT) * worth

    def record(self) -> dict[str, Any]:
        """Task, source shift, the returns and both verdicts, ready for JSON."""
        returns = {k: round(v, 1) for k, v in asdict(self).items() if k != "task"}
        return {
            "task": str(self.task),
            "source_shift": self.task.source_shift,
            **returns,
            "shift_matters": self.shift_matters,
            "can_be_cloned": self.can_be_cloned,
        }


def gate(
    name: Task | str,
    *,
    target_size: int = 10_000,
    episodes: int = 20,
    seed: int = 0,
    cloner: Callable[[Transitions, int], Policy] | None = None,
    made: tuple[Transitions, dict[str, Any]] | None = None,
) -> Gate:
    """Run both gates of a task.

    Args:
        name: the task; the best policy of its quality stands for the source (the expert for
            medium-expert, the last snapshot for medium-replay).
        target_size: target transitions to clone, made for this and not cached.
        episodes: evaluation episodes for each number; five times as many for the source's policy
            where its share is not clearly on one side of the limit.
        seed: of data, cloning and evaluation.
        cloner: (transitions, seed) -> policy; by default :func:`clone`.
        made: the target data and their card, where they are at hand already.

    Raises:
        FileNotFoundError: a behaviour policy is not in the package.
    """
    from droco_lite.data.behaviour import load_behaviour, load_snapshots

    task = Task.parse(name)
    if task.quality == "medium-replay":
        policy: Policy = load_snapshots(task.robot, task.source_shift)[-1]
    else:
        quality = {"medium-expert": "expert", TUNED: "tuned"}.get(task.quality, task.quality)
        policy = load_behaviour(task.robot, task.source_shift, quality)
    shifts = [task.source_shift, "nominal"]
    reference = reference_return(task.robot, episodes=episodes, seed=seed)
    returns = rollout(task.robot, shifts, policy, episodes=episodes, seed=seed).returns
    if not clear(returns - reference):
        more = rollout(task.robot, shifts, policy, episodes=4 * episodes, seed=seed + episodes)
        returns = np.concatenate([returns, more.returns], axis=1)
    at_home, on_target = returns.mean(1)
    data, card = made or make_dataset(
        task.robot, "nominal", task.quality, target_size, seed=seed, cache=False, progress=False
    )
    cloned = (cloner or clone)(data, seed)
    copied = rollout(task.robot, ["nominal"], cloned, episodes=episodes, seed=seed)
    return Gate(
        task,
        float(at_home),
        float(on_target),
        float(card["return_mean"]),
        float(copied.returns.mean()),
        returns.shape[1],
        reference,
    )


def share(part: float, whole: float, reference: float = 0.0) -> float:
    """How much of a return is kept, both measured from a reference return.

    Args:
        part: what is kept.
        whole: of what.
        reference: 0 of the scale.

    Returns:
        1 if nothing is lost, negative below the reference; NaN if the whole is not above it.
    """
    return (part - reference) / (whole - reference) if whole > reference else float("nan")


def recorded_reference(robot: str) -> float | None:
    """The return from which shares are measured, as far as the robot's record says it.

    Args:
        robot: name in :data:`~droco_lite.robots.ROBOTS`.

    Returns:
        0 for the package's robots that a good policy earns something with; else the record's
        ``min_return``, a random policy's return, or None if it has none.
    """
    spec = get_robot(robot)
    if not spec.own and spec.max_return > 0:
        return 0.0
    return float(spec.min_return) if np.isfinite(spec.min_return) else None


def reference_return(robot: str, *, episodes: int = 20, seed: int = 0) -> float:
    """The return from which shares are measured.

    Args:
        robot: name in :data:`~droco_lite.robots.ROBOTS`.
        episodes: of the random policy.
        seed: of its actions and starts.

    Returns:
        :func:`recorded_reference`, or what uniform random actions earn on the nominal robot.
    """
    if (known := recorded_reference(robot)) is not None:
        return known
    rng, columns = np.random.default_rng(seed), get_robot(robot).action_size

    def policy(observations: np.ndarray) -> np.ndarray:
        return rng.uniform(-1, 1, (len(observations), columns)).astype(np.float32)

    return float(rollout(robot, ["nominal"], policy, episodes=episodes, seed=seed).returns.mean())


def clear(returns: np.ndarray) -> bool:
    """Whether the first gate's verdict is more than two standard errors away from the limit.

    Args:
        returns: of the source's policy at home and on the target ``[2, episodes]``, each less the
            reference return.
    """
    at_home, on_target = returns
    excess = on_target - TRANSFER_LIMIT * at_home.mean()
    return len(excess) > 1 and bool(abs(excess.mean()) > 2 * excess.std() / len(excess) ** 0.5)


def clone(data: Transitions, seed: int = 0, *, steps: int = 5000, batch: int = 256) -> Policy:
    """Behaviour cloning: tanh(μ(s)) fitted to the actions by least squares, 256-256 ReLU.

    Args:
        data: demonstrations.
        seed: of initial weights and batches.
        steps: updates with Adam at 1e-3.
        batch: rows in each, drawn with replacement.
    """
    import torch

    mean, scale = data.observations.mean(0), data.observations.std(0) + 1e-3
    states = torch.from_numpy((data.observations - mean) / scale)
    actions = torch.from_numpy(np.ascontiguousarray(data.actions))
    widths = (data.observation_size, 256, 256, data.action_size)
    # The layers draw from torch's global generator, which is the caller's: it is put back.  Only
    # that of the CPU is seeded; torch.manual_seed would reach into those of all cards as well.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers = [torch.nn.Linear(a, b) for a, b in pairwise(widths)]
    network = torch.nn.Sequential(
        layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2], torch.nn.Tanh()
    )
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    rng = torch.Generator().manual_seed(seed)
    with one_torch_thread():
        for _ in range(steps):
            rows = torch.randint(len(data), (batch,), generator=rng)
            loss = (network(states[rows]) - actions[rows]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()

    @torch.no_grad()
    def policy(observations: np.ndarray) -> np.ndarray:
        scaled = (observations - mean) / scale
        return network(torch.from_numpy(scaled.astype(np.float32))).numpy()

    return policy
