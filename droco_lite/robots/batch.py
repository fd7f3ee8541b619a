"""Many robots at once, each row its own model, exact to the last bit of Gymnasium's environments.

MuJoCo's batch engine advances all rows on several threads; observation, reward and termination
are NumPy over the rows. A whole grid of perturbations, levels, seeds and episodes is one batch,
and rows whose episode is over are not simulated.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from gymnasium.utils.seeding import np_random
from mujoco.batch import Batch

from droco_lite.robots.registry import get_robot
from droco_lite.robots.robot import Robot, Start
from droco_lite.robots.shifts import NOMINAL, Shift, make_model

__all__ = ["BatchedRobot"]


class BatchedRobot:
    """n copies of a robot, one shift and one random stream each.

    Rows are episodes of Gymnasium's environment (``ROBOTS[robot].gym_id`` with its ``gym_kwargs``)
    on the model of the row's shift: same start for the same seed, same numbers afterwards, bit for
    bit, as long as the actions lie in [-1, 1]. Actions beyond are clipped first, as D4RL does.

    There is no automatic reset: reset the rows you want with :meth:`reset`, or use
    :class:`droco_lite.robots.VectorRobot`.  A batch can be pickled in the middle of its episodes:
    the copy goes on with the same numbers.

    Attributes:
        spec: the robot's record, a :class:`~droco_lite.robots.Robot`.
        shifts: the shift of each row.
        qpos, qvel: live views [n, nq] and [n, nv] of the state, float64.
        steps: steps taken in the running episode [n].
        dt: seconds of one environment step.

    Args:
        robot: name in ``ROBOTS``, or a record such as ``dataclasses.replace`` makes of one.
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
        robot: str | Robot,
        shifts: Sequence[Shift | str],
        seeds: Sequence[int | None],
        threads: int | None = None,
        *,
        max_steps: int | None = None,
        dtype: type = np.float32,
    ):
        self.spec = robot if isinstance(robot, Robot) else get_robot(robot)
        self.shifts = tuple(Shift.parse(shift) for shift in shifts)
        if not self.shifts:
            raise ValueError("shifts: needs at least one row")
        if len(seeds) != len(self.shifts):
            raise ValueError(f"seeds: {len(seeds)} for {len(self.shifts)} shifts; give one a row")
        self.max_steps = self.spec.max_episode_steps if max_steps is None else max_steps
        self.dtype = dtype
        self._threads = threads
        self._open()
        self.steps = np.zeros(len(self), dtype=np.int64)
        self._rngs = [np_random(None if seed is None else int(seed))[0] for seed in seeds]
        self.reset()

    def _open(self) -> None:
        """Build the models and the simulator's rows, all at their models' start."""
        name = self.spec.name
        models = {shift: _simulation_model(name, shift) for shift in dict.fromkeys(self.shifts)}
        first = models[self.shifts[0]]
        self.dt = first.opt.timestep * self.spec.frame_skip
        self._batch = Batch(first, len(self.shifts), nthread=self._threads or _cpus())
        if len(models) > 1:
            self._batch.set_models([models[shift] for shift in self.shifts])
        starts = {shift: Start.of(model) for shift, model in models.items()}
        self._starts = [starts[shift] for shift in self.shifts]
        self.qpos = self._batch.bind("qpos")
        self.qvel = self._batch.bind("qvel")
        self._ctrl = self._batch.bind("ctrl")
        names = ("qpos", "qvel", "act", "mocap_pos", "mocap_quat")
        self._written = [n for n in names if getattr(self._starts[0], n).size]
        self._fields = {name: self._batch.bind(name) for name in self.spec.reads}
        current = self.spec.reads and self.spec.fields_current
        stage = mujoco.mjtStage.mjSTAGE_VEL if current else mujoco.mjtStage.mjSTAGE_NONE
        self._stage = stage.value
        self._before = np.zeros_like(self.spec.reward_state(*self._state()[:2], **self._state()[2]))

    def __len__(self) -> int:
        return len(self.shifts)

    def __getstate__(self) -> dict[str, Any]:
        kept = ("spec", "shifts", "max_steps", "dtype", "steps", "_threads", "_before", "_rngs")
        fields = {name: array.copy() for name, array in self._fields.items()}
        return {n: getattr(self, n) for n in kept} | {"rows": self._batch.state.copy(), "f": fields}

    def __setstate__(self, state: dict[str, Any]) -> None:
        rows, fields, before = state.pop("rows"), state.pop("f"), state.pop("_before")
        self.__dict__.update(state)
        self._open()
        self._before, self._batch.state[:] = before, rows
        for name, array in self._fields.items():
            if not array.flags.writeable:  # what MuJoCo has computed: overwritten at the next step
                array.flags.writeable = True
                array[:] = fields[name]
                array.flags.writeable = False

    def _state(self, at=slice(None)) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Positions, velocities and the fields that the robot reads, of some rows."""
        return self.qpos[at], self.qvel[at], {name: a[at] for name, a in self._fields.items()}

    def _begin(self, rows=None) -> None:
        """Note what the reward compares, at the start of an episode in these rows."""
        at = slice(None) if rows is None else rows
        if self._fields:
            self._batch.forward(rows)
        qpos, qvel, fields = self._state(at)
        self._before[at] = self.spec.reward_state(qpos, qvel, **fields)
        self.steps[at] = 0

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

        Raises:
            ValueError: the mask has another length than the batch, or there is not one seed for
                each row to reset.
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
            for row in rows:
                start = self._starts[row].copy()
                self.spec.begin(start, self._rngs[row])
                for name in self._written:
                    self._batch.bind(name)[row] = getattr(start, name)
            self._begin(rows)
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
        self._begin()
        return self.observations()

    def take_state(self, other: BatchedRobot) -> None:
        """Put every row into the state of the same row of ``other``, to the last bit.

        The contact solver's starting point is part of that state: without it the next step would
        differ in its last digits.  Steps and reward bookkeeping stay as they are.

        Args:
            other: robots of the same kind and number, under any shifts.
        """
        for name in (*self._written, "qacc_warmstart", "time"):
            self._batch.bind(name)[:] = other._batch.bind(name)

    def observations(self) -> np.ndarray:
        """What each row's robot observes now, [n, S]."""
        qpos, qvel, fields = self._state()
        return self.spec.observation(qpos, qvel, **fields).astype(self.dtype)

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
            self._batch.step(rows, nstep=self.spec.frame_skip, stage=self._stage)
            qpos, qvel, fields = self._state(at)
            healthy = self.spec.healthy(qpos, qvel, **fields)
            before = self._before[at]
            after = self.spec.reward_state(qpos, qvel, **fields)
            rewards[at] = self.spec.reward(before, after, self.dt, actions, healthy)
            self._before[at] = after
            self.steps[at] += 1
            terminated[at] = ~healthy
            truncated[at] = self.steps[at] >= self.max_steps
        return self.observations(), rewards, terminated, truncated


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
