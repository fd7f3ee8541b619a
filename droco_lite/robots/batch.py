"""Many robots at once, each row its own model, exact to the last bit of Gymnasium's environments.

MuJoCo's batch engine advances all rows on several threads; observation, reward and termination
are NumPy over the rows. A whole grid of perturbations, levels, seeds and episodes is one batch,
and rows whose episode is over are not simulated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from gymnasium.utils.seeding import np_random
from mujoco.batch import Batch

from droco_lite.robots.shifts import NOMINAL, Shift, make_model
from droco_lite.robots.specs import RobotSpec, get_robot

__all__ = [
    "BatchedRobot",
    "Episode",
    "RolloutResult",
    "one_step",
    "record",
    "rollout",
    "rollout_runs",
]

Policy = Callable[[np.ndarray], np.ndarray]


class BatchedRobot:
    """n copies of a robot, one shift and one random stream each.

    Rows are episodes of Gymnasium's environment (``ROBOTS[robot].gym_id`` with its ``gym_kwargs``)
    on the model of the row's shift: same start for the same seed, same numbers afterwards, bit for
    bit, as long as the actions lie in [-1, 1]. Actions beyond are clipped first, as D4RL does.

    There is no automatic reset: reset the rows you want with :meth:`reset`, or use
    :class:`droco_lite.robots.VectorRobot`.

    Attributes:
        spec: the robot's :class:`~droco_lite.robots.RobotSpec`.
        shifts: the shift of each row.
        qpos, qvel: live views [n, nq] and [n, nv] of the state, float64.
        steps: steps taken in the running episode [n].
        dt: seconds of one environment step.

    Args:
        robot: name in ``ROBOTS``.
        shifts: one shift (or its text) per row.
        seeds: one seed per row, as in ``env.reset(seed=...)``.
        threads: simulation threads; None uses the CPUs this process may use.
        max_steps: steps after which an episode is truncated.
        dtype: of the observations returned; float64 gives every bit of Gymnasium's.

    Raises:
        ValueError: for an unknown robot or shift, no rows, or unequal numbers of shifts and seeds.
    """

    def __init__(
        self,
        robot: str,
        shifts: Sequence[Shift | str],
        seeds: Sequence[int | None],
        threads: int | None = None,
        *,
        max_steps: int | None = None,
        dtype: type = np.float32,
    ):
        self.spec: RobotSpec = get_robot(robot)
        self.shifts = tuple(Shift.parse(shift) for shift in shifts)
        if not self.shifts:
            raise ValueError("shifts: needs at least one row")
        if len(seeds) != len(self.shifts):
            raise ValueError(f"seeds: {len(seeds)} for {len(self.shifts)} shifts; give one a row")
        self.max_steps = self.spec.max_episode_steps if max_steps is None else max_steps
        self.dtype = dtype
        models = {shift: _simulation_model(robot, shift) for shift in dict.fromkeys(self.shifts)}
        first = models[self.shifts[0]]
        self.dt = first.opt.timestep * self.spec.frame_skip
        self._batch = Batch(first, len(self.shifts), nthread=threads or _cpus())
        if len(models) > 1:
            self._batch.set_models([models[shift] for shift in self.shifts])
        self._start = np.array([models[shift].qpos0 for shift in self.shifts])
        self.qpos = self._batch.bind("qpos")
        self.qvel = self._batch.bind("qvel")
        self._ctrl = self._batch.bind("ctrl")
        # Ant's reward reads the torso's position in the world, which lags the joints by one stage
        # of the integrator; the other robots' reward reads the joint.
        self._torso = self._batch.bind("xpos")[:, 1, 0] if robot == "ant" else None
        self._before = np.zeros_like(self.spec.reward_state(self.qpos, self.qvel))
        self.steps = np.zeros(len(self), dtype=np.int64)
        self._rngs = [np_random(None if seed is None else int(seed))[0] for seed in seeds]
        self.reset()

    def __len__(self) -> int:
        return len(self.shifts)

    def reset(
        self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None
    ) -> np.ndarray:
        """Start a new episode in some rows and return the observations of all.

        Args:
            rows: mask [n] or indices; None for all.
            seeds: new seeds for these rows; None (or None for a row) lets its stream run on, as
                ``env.reset()`` does.

        Returns:
            Observations [n, S].
        """
        rows = _indices(rows, len(self))
        if seeds is not None:
            if len(seeds) != len(rows):
                raise ValueError(f"seeds: {len(seeds)} for {len(rows)} rows to reset")
            for row, seed in zip(rows, seeds, strict=True):
                if seed is not None:
                    self._rngs[row] = np_random(int(seed))[0]
        if len(rows):
            self._batch.reset(rows, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
            at_rest = np.zeros(self.qvel.shape[1])
            for row in rows:
                self.qpos[row], self.qvel[row] = self.spec.initial_state(
                    self._start[row], at_rest, self._rngs[row]
                )
            self._before[rows] = self.spec.reward_state(self.qpos[rows], self.qvel[rows])
            self.steps[rows] = 0
        return self.observations()

    def set_state(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Put every row where you want it, at the start of an episode; return the observations.

        Args:
            qpos, qvel: positions [n, nq] and velocities [n, nv].

        Raises:
            ValueError: for arrays of the wrong shape.
        """
        for name, given, own in (("qpos", qpos, self.qpos), ("qvel", qvel, self.qvel)):
            if np.shape(given) != own.shape:
                raise ValueError(f"{name}: expected shape {own.shape}, got {np.shape(given)}")
        self._batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self.qpos[:], self.qvel[:] = qpos, qvel
        self._before[:] = self.spec.reward_state(self.qpos, self.qvel)
        self.steps[:] = 0
        return self.observations()

    def take_state(self, other: BatchedRobot) -> None:
        """Put every row into the state of the same row of ``other``, to the last bit.

        The contact solver's starting point is part of that state: without it the next step would
        differ in its last digits.  Steps and reward bookkeeping stay as they are.

        Args:
            other: robots of the same kind and number, under any shifts.
        """
        for name in ("qpos", "qvel", "qacc_warmstart"):
            self._batch.bind(name)[:] = other._batch.bind(name)

    def observations(self) -> np.ndarray:
        """What each row's robot observes now, [n, S]."""
        return self.spec.observation(self.qpos, self.qvel).astype(self.dtype)

    def step(
        self, actions: np.ndarray, alive: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Advance the rows by one environment step.

        Args:
            actions: [n, A]. The rows of ``alive`` have to be finite; the others are not read.
            alive: mask [n] of the rows to advance; None for all. The rest costs nothing: it keeps
                its observation, with reward 0 and both flags False.

        Returns:
            Observations [n, S], rewards [n] (float64), terminated [n], truncated [n].

        Raises:
            ValueError: for actions of the wrong shape or not finite.
        """
        actions = np.asarray(actions)
        if actions.shape != self._ctrl.shape:
            raise ValueError(f"actions: expected shape {self._ctrl.shape}, got {actions.shape}")
        rows = None if alive is None or np.all(alive) else np.flatnonzero(alive)
        at = slice(None) if rows is None else rows
        actions = actions[at]
        if not np.isfinite(actions).all():
            row = np.flatnonzero(~np.isfinite(actions).all(axis=1))[0]
            row = row if rows is None else rows[row]
            raise ValueError(f"actions: row {row} is not finite")
        actions = np.clip(actions, -1.0, 1.0)
        rewards = np.zeros(len(self))
        terminated = np.zeros(len(self), dtype=bool)
        truncated = np.zeros(len(self), dtype=bool)
        if len(actions):
            self._ctrl[at] = self.spec.control(actions)
            self._batch.step(rows, nstep=self.spec.frame_skip)
            qpos, qvel = self.qpos[at], self.qvel[at]
            healthy = self.spec.healthy(qpos, qvel)
            before = self._before[at]
            after = self.spec.reward_state(qpos, qvel) if self._torso is None else self._torso[at]
            rewards[at] = self.spec.reward(before, after, self.dt, actions, healthy)
            self._before[at] = after
            self.steps[at] += 1
            terminated[at] = ~healthy
            truncated[at] = self.steps[at] >= self.max_steps
        return self.observations(), rewards, terminated, truncated


@dataclass(frozen=True)
class RolloutResult:
    """Undiscounted returns and lengths of episodes, both [n_shifts, episodes]."""

    returns: np.ndarray
    lengths: np.ndarray


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
        ValueError: for an unknown robot or shift, no shift, or fewer than one episode.
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
        actions[alive] = policy(seen if observation_filter is None else observation_filter(seen))
        return actions

    returns = _play(robots, choose)
    shape = (len(shifts), episodes)
    return RolloutResult(returns.reshape(shape), robots.steps.reshape(shape))


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
        return act(seen).reshape(len(rows), -1)

    returns = _play(robots, choose)
    shape = (runs, len(shifts), episodes)
    return RolloutResult(returns.reshape(shape), robots.steps.reshape(shape))


def _play(robots: BatchedRobot, choose: Callable[[np.ndarray, np.ndarray], np.ndarray]):
    """Returns [n] of the rows' episodes; ``choose(observations, alive)`` gives actions [n, A]."""
    observations = robots.observations()
    alive = np.ones(len(robots), dtype=bool)
    returns = np.zeros(len(robots))
    while alive.any():
        observations, rewards, terminated, truncated = robots.step(
            choose(observations, alive), alive
        )
        returns += rewards
        alive &= ~(terminated | truncated)
    return returns


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
    """
    robots = BatchedRobot(robot, [shift], [seed], threads=1, max_steps=steps)
    observations, over = robots.observations(), False
    states, actions, rewards = [(robots.qpos[0].copy(), robots.qvel[0].copy())], [], []
    while not over:
        actions.append(np.array(policy(observations)[0]))
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


def _simulation_model(robot: str, shift: Shift = NOMINAL) -> mujoco.MjModel:
    model = make_model(robot, shift)
    # One robot is one island, so splitting constraints by island only costs time; the results are
    # the same to the last bit.
    if model.ntree == 1:
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
    return model


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _indices(rows, n: int) -> np.ndarray:
    if rows is None:
        return np.arange(n)
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if rows.shape != (n,):
            raise ValueError(f"rows: a mask needs shape ({n},), got {rows.shape}")
        return np.flatnonzero(rows)
    return rows.astype(np.int64).reshape(-1)
