"""Which of several trained policies to deploy, decided without the target's simulator.

beta and delta change a policy, and nobody may try policies on the target robot.  What may be used
are target transitions, some of them kept from training.  Each rule here turns them into one number
a run (Paine et al., 2020):

==================  ================================================================================
rule                prefers
==================  ================================================================================
``fqe``             a high start-state value by fitted Q evaluation (Le et al., 2019)
``bellman_error``   a small squared Bellman error of the run's own Q and V
``coverage``        u >= 0 on target rows as often as N + 1 exchangeable draws would make it
``noise_share``     a penalty that is small on target rows, where there is no shift to find
``imitation``       actions close to those of the target's data
``own_value``       a high V at the starts: what a run believes of itself
==================  ================================================================================

The last two are controls.  :func:`judge` then compares choices with true returns, which only an
exam has.  All arrays carry the run axis R of the stack first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from droco_lite.agents.agent import Agent
from droco_lite.agents.networks import (
    copy_of,
    init_mlp,
    mlp,
    parameters,
    seeded_generators,
    trainable,
)
from droco_lite.agents.settings import Settings, per_run_values, setting
from droco_lite.agents.snapshots import refuse_other_robot, refuse_others
from droco_lite.data import Task, load
from droco_lite.data.chunks import chunks
from droco_lite.data.collect import one_torch_thread
from droco_lite.data.tasks import make_dataset
from droco_lite.data.transitions import Transitions, concatenate
from droco_lite.evaluation.judging import RULES, judge
from droco_lite.robots import NOMINAL, BatchedRobot
from droco_lite.training.checkpoint import Facts
from droco_lite.training.loop import fingerprint, numpy_act

__all__ = [
    "RULES", "FQESettings", "evidence", "examine", "fitted_q_evaluation", "held_out_rows", "judge",
    "laid_aside", "logged_values", "refuse_other_rows", "start_observations",
]  # fmt: skip

CHUNK = 512  # rows of each run evaluated at a time
SET = "this data set"  # in errors


@dataclass(frozen=True)
class FQESettings(Settings):
    """Size and length of fitted Q evaluation.

    ``iterations`` backups of ``steps`` gradient steps each.  What lies beyond ``iterations`` steps
    of the future keeps the weight discount^iterations (0.13 for 200 at 0.99).
    """

    iterations: int = setting(200, low=1, help="backups, each with the targets held fixed")
    steps: int = setting(20, low=1, help="gradient steps of each backup")
    batch_size: int = setting(256, low=1, help="rows of a gradient step, equal for all policies")
    hidden: int = setting(128, low=1, help="width of both hidden layers of Q")
    learning_rate: float = setting(1e-3, low=0.0, help="Adam's step size")
    seed: int = setting(0, low=0, help="initial weights and batches")


@dataclass(frozen=True)
class FQE:
    """What fitted Q evaluation found.

    Attributes:
        values: the start-state value after each backup, ``[iterations, R]``.
    """

    values: np.ndarray

    @property
    def estimate(self) -> np.ndarray:
        """The mean over the last fifth of the backups, ``[R]``."""
        return self.values[-max(1, len(self.values) // 5) :].mean(0)


def logged_values(data: Transitions, discount: float) -> np.ndarray:
    """Discounted returns of the logged episodes, ``[episodes]``.

    They are Monte-Carlo start-state values of the behaviour policy. Episodes cut where more than
    1 % of the weight was still to come are left out, unless all were.
    """
    values, whole = [], []
    for episode in data.episodes():
        values.append(np.sum(discount ** np.arange(len(episode)) * episode.rewards))
        whole.append(episode.terminations[-1] or discount ** len(episode) < 0.01)
    return np.array(values)[whole] if any(whole) else np.array(values)


def start_observations(data: Transitions) -> np.ndarray:
    """First observation of every logged episode, ``[episodes, S]``."""
    return data.observations[np.concatenate([[0], data.episode_ends()[:-1] + 1])]


@one_torch_thread()
def fitted_q_evaluation(
    agent: Agent,
    data: Transitions,
    starts: np.ndarray,
    *,
    discount: float | None = None,
    settings: FQESettings = FQESettings(),
) -> FQE:
    """The value of every policy of ``agent`` at ``starts [n, S]``, from transitions alone.

    Backup k regresses, for each policy pi on the same batches of (s, a, r, d, s'),

        Q_k(s, a)  on  r + gamma (1 - d) Q_{k-1}(s', pi(s')),     Q_0 = the behaviour's value,

    and the value of pi is the mean of Q_k(s_0, pi(s_0)) over the starts.  All policies begin with
    the same weights and see the same batches, so that differences are theirs.  Targets stay within
    what any policy can earn, which keeps a diverging regression finite.

    Args:
        agent: R stacked policies with ``runs``, ``device`` and ``act``.
        discount: gamma; the agent's own unless given.

    Raises:
        ValueError: rows or starts of other columns than the policies'.
    """
    refuse_others(agent, SET, data.observation_size, data.action_size)
    refuse_others(agent, "this set of starts", np.shape(starts)[-1], data.action_size)
    gamma = agent.shared.discount if discount is None else discount
    runs, device = len(agent.runs), agent.device

    def tensor(array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, np.float32), device=device)

    s, a, s2, s0 = map(tensor, (data.observations, data.actions, data.next_observations, starts))
    r, continues = tensor(data.rewards)[:, None], tensor(1.0 - data.terminations)[:, None]
    a2, a0 = actions_of(agent, s2), actions_of(agent, s0)  # constant: pi does not move
    mean, scale = s.mean(0), s.std(0) + 1e-3

    # Q = base + unit f: differences between policies are small beside the value itself.
    base = float(logged_values(data, gamma).mean())
    unit = float(data.rewards.std()) / (1 - gamma) ** 0.5 or 1.0
    low, high = (float(f(data.rewards)) / (1 - gamma) for f in (np.min, np.max))
    low, high = min(low, 0.0), max(high, 0.0)
    sizes = (s.shape[1] + a.shape[1], settings.hidden, settings.hidden, 1)
    drawn = init_mlp(sizes, seeded_generators([settings.seed], "fqe"))
    last_weight, last_bias = drawn[-1]
    drawn[-1] = torch.zeros_like(last_weight), torch.zeros_like(last_bias)
    layers = trainable([(w.repeat(runs, 1, 1), b.repeat(runs, 1, 1)) for w, b in drawn], device)
    adam = torch.optim.Adam(parameters(layers), lr=settings.learning_rate, fused=True)

    def q(stack, observations: Tensor, actions: Tensor) -> Tensor:
        inputs = torch.cat([(observations - mean) / scale, actions], -1)
        return base + unit * mlp(stack, inputs.expand(runs, *inputs.shape[-2:]))

    rng = np.random.default_rng(settings.seed)
    values = np.empty((settings.iterations, runs))
    for k in range(settings.iterations):
        frozen = copy_of(layers)
        for index in rng.integers(0, len(data), (settings.steps, settings.batch_size)):
            index = torch.from_numpy(index).to(device)
            with torch.no_grad():
                after = q(frozen, s2[index].expand(runs, -1, -1), a2[:, index])
                y = (r[index] + gamma * continues[index] * after).clamp(low, high)
            adam.zero_grad(set_to_none=True)
            error = (q(layers, s[index], a[index]) - y) / unit
            error.square().mean((1, 2)).sum().backward()
            adam.step()
        with torch.no_grad():
            values[k] = q(layers, s0.expand(runs, -1, -1), a0).mean((1, 2)).cpu().numpy()
    return FQE(values)


@torch.no_grad()
def bellman_error(agent: Agent, data: Transitions) -> np.ndarray:
    """Mean over rows and both critics of (r + gamma (1 - d) V(s') - Q_j(s, a))^2, ``[R]``.

    The squared error of *one* next state a row; where dynamics are noisy it also holds the
    variance of V(s').  It grows with the square of the values themselves.
    """

    def errors(part: Transitions) -> Tensor:
        s, a, r, continues, s2 = _tensors(agent, part)
        y = r + agent.shared.discount * continues * agent.v(s2)
        return (y - agent.twin_q(s, a)).square().mean(0)[..., 0]

    return _over_rows(errors, data).mean(1)


@torch.no_grad()
def penalties(agent: Agent, data: Transitions) -> np.ndarray:
    """u = V(s') - min_i V(s'_i) of every row, ``[R, rows]``, without any clamp."""

    def u(part: Transitions) -> Tensor:
        s, a, _, _, s2 = _tensors(agent, part)
        predicted = agent.models.predict(s[0], a[0])[0]  # [N, rows, S]
        members, rows, size = predicted.shape
        values = agent.v(predicted.reshape(1, -1, size).expand(len(agent.runs), -1, -1))
        worst = values.unflatten(1, (members, rows)).amin(1)
        return (agent.v(s2) - worst)[..., 0]

    return _over_rows(u, data)


def coverage(agent: Agent, data: Transitions) -> np.ndarray:
    """Share of rows whose V(s') is not below all N predicted ones, ``[R]``.

    Were the next state and the N predictions exchangeable, each of the N + 1 values would be the
    smallest equally often and the share N / (N + 1): the rank histogram's first bar
    (Hamill, 2001).  Members predict means, so less is to be expected.
    """
    return (penalties(agent, data) >= 0).mean(1)


def noise_share(agent: Agent, target: Transitions, source: Transitions) -> np.ndarray:
    """Mean positive penalty on target rows over that on source rows, ``[R]``.

    Target rows have no shift: what u says there is the ensemble's error.  1 means that the penalty
    cannot tell the two domains apart.
    """
    floor, found = (np.maximum(penalties(agent, d), 0).mean(1) for d in (target, source))
    return floor / np.maximum(found, 1e-12)


def imitation(agent: Agent, data: Transitions) -> np.ndarray:
    """Mean squared distance of the policy's action to the data's, per action column, ``[R]``.

    Raises:
        ValueError: rows of other columns than the policies'.
    """
    refuse_others(agent, SET, data.observation_size, data.action_size)
    act = numpy_act(agent)

    def apart(part: Transitions) -> Tensor:
        seen = np.broadcast_to(part.observations, (len(agent.runs), *part.observations.shape))
        return torch.as_tensor(((act(seen) - part.actions) ** 2).mean(-1))

    return _over_rows(apart, data).mean(1)


def own_value(agent: Agent, starts: np.ndarray) -> np.ndarray:
    """Mean of the run's own V at ``starts``, ``[R]``."""
    refuse_others(agent, "this set of starts", np.shape(starts)[-1], agent.n_act)
    seen = torch.as_tensor(starts, device=agent.device).expand(len(agent.runs), -1, -1)
    return agent.v(seen).mean((1, 2)).cpu().numpy()


def evidence(
    agent: Agent,
    target: Transitions,
    held_out: Transitions,
    source: Transitions,
    *,
    fqe: FQESettings = FQESettings(),
    rows: int = 4000,
) -> pd.DataFrame:
    """Every rule's number for every run: one line a run, with its per-run settings.

    Args:
        agent: a stack of DROCO runs, as :func:`droco_lite.training.export.restore` returns it.
        target: the target rows of the training; fitted Q evaluation uses them with ``held_out``.
        held_out: target rows that no training saw.
        source: source rows, of which ``rows`` are drawn.

    Raises:
        ValueError: the agent is not of DROCO's family, and has no V or no ensemble.
    """
    if agent.ensemble is None:
        raise ValueError(
            f"{agent.shared.method} has no ensemble of target models; these rules need DROCO runs"
        )
    few = source.sample(min(rows, len(source)), seed=0)
    both = concatenate([target, held_out])
    starts = start_observations(both)
    believed = own_value(agent, starts)  # first: it refuses a method that learns no V
    numbers = {
        "fqe": fitted_q_evaluation(agent, both, starts, settings=fqe).estimate,
        "bellman_error": bellman_error(agent, held_out),
        "coverage": coverage(agent, held_out),
        "noise_share": noise_share(agent, held_out, few),
        "imitation": imitation(agent, held_out),
        "own_value": believed,
    }
    lines = [
        {"run": r, "method": run.method, **per_run_values(run), "members": agent.ensemble.members}
        for r, run in enumerate(agent.runs)
    ]
    return pd.DataFrame(lines).assign(**numbers)


def held_out_rows(experiment, rows: int = 5000, seed: int = 1000) -> Transitions:
    """Target rows that the experiment's training never saw, logged by the same policies.

    They stand for rows laid aside before a training.  ``seed`` is added to that of the data.
    """
    task = Task.parse(experiment.task["name"])
    seed += experiment.task.get("seed", 0)
    return make_dataset(
        task.robot, "nominal", task.quality, rows, seed=seed, cache=False, progress=False
    )[0]


def laid_aside(experiment, place: str, held_out: Transitions | None = None) -> Transitions:
    """Target rows that were kept from a training on recordings.

    Args:
        experiment: the training's.
        place: of rows that the reader kept: a file, folder or Minari id; or "".
        held_out: rows that the training itself laid aside, for where no place is named.

    Raises:
        ValueError: there are no such rows, or the training has seen them; or rows are refused.
    """
    if not experiment.recorded:
        raise ValueError("--held-out-data: a task's rows are made; say how many with --held-out")
    if not place and held_out is not None:
        return held_out
    if not place:
        raise ValueError(
            "--held-out-data is missing: the rules need target rows that no training has seen, and "
            "of recordings none can be made; name a file that you laid aside, or train again with "
            "--hold-out 0.05, which lays rows of the target's file aside"
        )
    own = [Path(experiment.task[name]).resolve() for name in ("source", "target")]
    if Path(place).resolve() in own:
        raise ValueError(f"--held-out-data: {place} is one of the training's own sets")
    return load(place, experiment.task.get("robot"))


def refuse_other_rows(facts: Facts, target: Transitions, place: str) -> None:
    """Refuse recordings that changed after a training read them; other rows may be held out now.

    Args:
        facts: of the training's checkpoint, as :func:`droco_lite.training.export.restore` has them.
        target: the target's rows as they are read now.
        place: where they lie.

    Raises:
        ValueError: they are not those that were trained on.
    """
    now, then = fingerprint(target), facts.target
    if now != then:
        raise ValueError(
            f"{place}: the rows are not those that were trained on ({now['rows']:,} now, "
            f"{then['rows']:,} then, or other values); bring that file back, or train again into "
            "another folder"
        )


def examine(
    agent: Agent,
    robot: str,
    *,
    episodes: int = 20,
    seed: int = 30_000,
    max_steps: int | None = None,
) -> pd.DataFrame:
    """True returns from the target's simulator, which no rule may use.

    Returns:
        One line a run: ``return_mean`` and ``return_std`` over episodes (undiscounted),
        ``episodes``, and ``true_value``, the mean discounted return, which is what fitted Q
        evaluation estimates.

    Raises:
        ValueError: an unknown robot, or policies of other columns than the robot's.
    """
    refuse_other_robot(agent, robot)
    runs = len(agent.runs)
    seeds = [seed + e for _ in range(runs) for e in range(episodes)]
    robots = BatchedRobot(robot, [NOMINAL] * len(seeds), seeds, max_steps=max_steps)
    act, gamma, weight = numpy_act(agent), agent.shared.discount, 1.0
    seen, alive = robots.observations(), np.ones(len(robots), bool)
    returns, values = np.zeros((2, len(robots)))
    while alive.any():
        actions = act(seen.reshape(runs, episodes, -1)).reshape(len(robots), -1)
        seen, rewards, terminated, truncated = robots.step(actions, alive)
        returns += rewards
        values += weight * rewards
        weight *= gamma
        alive &= ~(terminated | truncated)
    returns, values = returns.reshape(runs, episodes), values.reshape(runs, episodes)
    return pd.DataFrame(
        {
            "return_mean": returns.mean(1),
            "return_std": returns.std(1, ddof=min(1, episodes - 1)),
            "true_value": values.mean(1),
            "episodes": episodes,
        }
    )


def actions_of(agent: Agent, observations: Tensor) -> Tensor:
    """Every policy's actions ``[R, n, A]`` at the same observations ``[n, S]``."""
    parts = observations.split(CHUNK)
    return torch.cat([agent.act(p.expand(len(agent.runs), -1, -1)) for p in parts], 1)


def _tensors(agent: Agent, part: Transitions) -> tuple[Tensor, ...]:
    """s, a, r, 1 - d and s' of the rows, the same for every run: ``[R, rows, k]`` views.

    Raises:
        ValueError: rows of other columns than the policies'.
    """
    refuse_others(agent, SET, part.observation_size, part.action_size)
    arrays = (
        part.observations,
        part.actions,
        part.rewards[:, None],
        1.0 - part.terminations[:, None],
        part.next_observations,
    )
    return tuple(
        torch.as_tensor(np.asarray(x, np.float32), device=agent.device).expand(
            len(agent.runs), -1, -1
        )
        for x in arrays
    )


def _over_rows(function, data: Transitions) -> np.ndarray:
    """``function(part) -> [R, rows]`` over chunks of rows, joined."""
    parts = map(data.take, chunks(len(data), CHUNK))
    return np.concatenate([function(part).cpu().numpy() for part in parts], 1)
