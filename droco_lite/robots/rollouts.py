"""Episodes of policies on batched robots: returns under many shifts, one recorded, one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from droco_lite.robots.batch import BatchedRobot
from droco_lite.robots.columns import refuse_other_columns
from droco_lite.robots.robot import Robot
from droco_lite.robots.shifts import Shift

__all__ = ["Episode", "RolloutResult", "one_step", "record", "rollout", "rollout_runs"]

Policy = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class RolloutResult:
    """Undiscounted returns and lengths of episodes, both [n_shifts, episodes], and how far they go.

    ``moved`` is the change of the first entry of ``qpos``: metres along x, for a robot that walks.
    """

    returns: np.ndarray
    lengths: np.ndarray
    moved: np.ndarray


def rollout(
    robot: str,
    shifts: Sequence[Shift | str],
    policy: Policy,
    *,
    episodes: int,
    seed: int,
    max_steps: int | None = None,
    observation_filter: Callable[[np.ndarray], np.ndarray] | None = None,
    threads: int | None = None,
) -> RolloutResult:
    """Returns of a policy under several shifts, all simulated together.

    Episode e starts from seed + e under every shift, so that shifts are compared on the same
    starts. Once an episode is over, neither physics nor policy is computed for it.

    Args:
        robot: name in ``ROBOTS``.
        shifts: the shifts to run under.
        policy: maps observations [m, S] (float32) to actions [m, A]; m is the number of episodes
            still running.
        episodes: episodes for each shift.
        seed: seed of the first episode.
        max_steps: longest episode; None takes the robot's own (1000 for those of the package).
        observation_filter: what the policy sees in place of each observation [m, S] (noise, an
            attack); the simulation itself is untouched.
        threads: simulation threads; None uses the CPUs this process may use.

    Raises:
        ValueError: for an unknown robot or shift, no shift, fewer than one episode, or a policy
            that gives other than one action a row with a column for each motor.
    """
    if episodes < 1:
        raise ValueError(f"episodes: needs at least 1, got {episodes}")
    shifts = [Shift.parse(shift) for shift in shifts]
    robots = BatchedRobot(
        robot,
        [shift for shift in shifts for _ in range(episodes)],
        [seed + e for _ in shifts for e in range(episodes)],
        threads,
        max_steps=max_steps,
    )
    actions = np.zeros((len(robots), robots.spec.action_size), dtype=np.float32)

    def choose(observations: np.ndarray, alive: np.ndarray) -> np.ndarray:
        seen = observations[alive]
        seen = seen if observation_filter is None else observation_filter(seen)
        actions[alive] = _acted("policy", policy, seen, robots.spec)
        return actions

    return _play(robots, choose, (len(shifts), episodes))


def rollout_runs(
    robot: str,
    shifts: Sequence[Shift | str],
    act: Policy,
    *,
    runs: int,
    episodes: int,
    seed: int,
    max_steps: int | None = None,
    observation_filter: Callable[[np.ndarray], np.ndarray] | None = None,
    threads: int | None = None,
) -> RolloutResult:
    """:func:`rollout` for stacked policies: every policy under every shift, as rows of one batch.

    Args:
        robot, shifts, episodes, seed, max_steps, threads: as in :func:`rollout`.
        act: maps observations [runs, m, S] (float32) to actions [runs, m, A], m being
            shifts x episodes; the actions of finished rows are not read.
        runs: number of stacked policies.
        observation_filter: what the policies see in place of observations [runs, m, S].

    Returns:
        Returns and lengths [runs, n_shifts, episodes]. Episode e starts from seed + e for every
        policy and shift.
    """
    shifts = [Shift.parse(shift) for shift in shifts]
    rows = [(shift, seed + e) for _ in range(runs) for shift in shifts for e in range(episodes)]
    robots = BatchedRobot(
        robot, [r[0] for r in rows], [r[1] for r in rows], threads, max_steps=max_steps
    )

    def choose(observations: np.ndarray, alive: np.ndarray) -> np.ndarray:
        seen = observations.reshape(runs, -1, robots.spec.observation_size)
        seen = seen if observation_filter is None else observation_filter(seen)
        return _acted("act", act, seen, robots.spec).reshape(len(rows), -1)

    return _play(robots, choose, (runs, len(shifts), episodes))


def _acted(name: str, policy: Policy, seen: np.ndarray, spec: Robot) -> np.ndarray:
    """A policy's actions for observations [..., S], refused if they are not [..., A]."""
    actions, (*rows, columns) = np.asarray(policy(seen)), seen.shape
    width = actions.shape[-1] if actions.ndim else 1
    needed = (spec.observation_size, spec.action_size)
    refuse_other_columns(name, (columns, width), spec.name, needed)
    if actions.shape not in ((width,), (*rows, width)):  # one action for all rows is fine
        raise ValueError(
            f"{name}: gives actions of shape {actions.shape} for observations of shape "
            f"{seen.shape}; give one action a row, {(*rows, width)}"
        )
    return np.broadcast_to(actions, (*rows, width))


def _play(
    robots: BatchedRobot,
    choose: Callable[[np.ndarray, np.ndarray], np.ndarray],
    shape: tuple[int, ...],
) -> RolloutResult:
    """An episode of each row, as ``shape``; ``choose(seen, alive)`` gives actions [n, A]."""
    begin = robots.qpos[:, 0].copy()
    observations = robots.observations()
    alive = np.ones(len(robots), dtype=bool)
    returns = np.zeros(len(robots))
    while alive.any():
        observations, rewards, terminated, truncated = robots.step(
            choose(observations, alive), alive
        )
        returns += rewards
        alive &= ~(terminated | truncated)
    found = (returns, robots.steps, robots.qpos[:, 0] - begin)
    return RolloutResult(*(each.reshape(shape) for each in found))


@dataclass(frozen=True)
class Episode:
    """One episode kept for drawing and for asking *what if*.

    Attributes:
        qpos: positions [T+1, nq].
        qvel: velocities [T+1, nv].
        actions: [T, A].
        rewards: [T].
    """

    qpos: np.ndarray
    qvel: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray


def record(
    robot: str,
    shift: Shift | str,
    policy: Policy,
    *,
    seed: int,
    steps: int | None = None,
) -> Episode:
    """Run one episode and keep its states and actions.

    Args:
        robot: name in ``ROBOTS``.
        shift: the shift to run under.
        policy: maps observations [1, S] to actions [1, A].
        seed: seed of the start; the episode is the one :func:`rollout` runs with it.
        steps: longest episode; None takes the robot's own.

    Raises:
        ValueError: for an unknown robot or shift, or a policy that gives other than [1, A].
    """
    robots = BatchedRobot(robot, [shift], [seed], threads=1, max_steps=steps)
    observations, over = robots.observations(), False
    states, actions, rewards = [(robots.qpos[0].copy(), robots.qvel[0].copy())], [], []
    while not over:
        actions.append(np.array(_acted("policy", policy, observations, robots.spec)[0]))
        observations, reward, terminated, truncated = robots.step(actions[-1][None])
        states.append((robots.qpos[0].copy(), robots.qvel[0].copy()))
        rewards.append(reward[0])
        over = bool(terminated[0] or truncated[0])
    qpos, qvel = map(np.array, zip(*states, strict=True))
    return Episode(qpos, qvel, np.array(actions), np.array(rewards))


def one_step(
    robot: str,
    shifts: Sequence[Shift | str],
    qpos: np.ndarray,
    qvel: np.ndarray,
    actions: np.ndarray,
) -> np.ndarray:
    """Where the same states and actions lead under several shifts.

    The robots are deterministic, so two shifts' next-state distributions are two points, and every
    Wasserstein distance between them is the distance of the points.

    Args:
        robot: name in ``ROBOTS``.
        shifts: the shifts to compare.
        qpos, qvel: states [m, nq] and [m, nv].
        actions: [m, A].

    Returns:
        Next observations [n_shifts, m, S], float64. MuJoCo's solver starts cold, so that even
        under the shift the states come from, a number may differ from the episode's in its last
        digits.
    """
    m, k = len(actions), len(shifts)
    robots = BatchedRobot(
        robot, [s for s in shifts for _ in range(m)], [0] * (k * m), dtype=np.float64
    )
    robots.set_state(np.tile(qpos, (k, 1)), np.tile(qvel, (k, 1)))
    observations, *_ = robots.step(np.tile(actions, (k, 1)))
    return observations.reshape(k, m, -1)
