"""Roll a policy out in the batched simulator and keep every transition."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from droco_lite.data.transitions import Transitions, empty
from droco_lite.robots import BatchedRobot, Shift, get_robot

Policy = Callable[[np.ndarray], np.ndarray]

#: Simulator rows.  Episode e always runs in row e % ROWS, whatever else is asked for: see collect.
ROWS = 64


def collect(
    robot: str,
    shift: Shift | str,
    policy: Policy,
    rows: int,
    *,
    noise: float = 0.0,
    seed: int = 0,
    stream: str = "",
    oracle: Shift | str | None = None,
    out: Transitions | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Transitions:
    """The first ``rows`` transitions of a policy's episodes 0, 1, 2, ... under a shift.

    Episode e has a seed of its own, drawn from ``(seed, stream, robot, shift, e)``; it starts the
    episode and its action noise.  Neither the number of threads nor the number of transitions asked
    for changes an episode, so a smaller set is the beginning of a larger one.  That holds on one
    machine: across processors the policy's matrix products differ in the last bit, which the
    simulator amplifies.

    Args:
        robot: name in ``ROBOTS``.
        shift: the dynamics.
        policy: maps observations ``[64, S]`` float32 to actions ``[64, A]``; one row must not
            depend on another, and a policy with noise of its own makes the result irreproducible.
        rows: transitions to collect; the last episode is cut there (a truncation).
        noise: standard deviation σ of the Gaussian action noise; the sum is clipped to [-1, 1].
        seed: of everything random.
        stream: keeps several uses of one seed apart.
        oracle: a second robot's dynamics: from every state it takes the same step too, and
            ``next_observations_target`` says where that led, exact to the last bit.  The episode
            itself goes on as if it had not.
        out: set of ``rows`` transitions to fill in place.
        threads: simulation threads; None uses the CPUs this process may use.
        progress: called with the number of transitions finished, now and then.

    Returns:
        ``out``, or a new set.

    Raises:
        ValueError: fewer than one row, σ negative or not finite, or ``out`` and ``oracle`` not of
            a kind.
    """
    if rows < 1:
        raise ValueError(f"rows: needs at least 1, got {rows}")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise: must be finite and not negative, got {noise}")
    spec = get_robot(robot)
    steps = spec.max_episode_steps
    if out is None:
        out = empty(rows, spec.observation_size, spec.action_size, oracle=oracle is not None)
    if (out.next_observations_target is None) != (oracle is None):
        raise ValueError(
            "out: next_observations_target is there if and only if an oracle is asked for; make "
            "the set with empty(..., oracle=True), or leave out or oracle away"
        )
    tag = int.from_bytes(f"{stream}/{robot}/{Shift.parse(shift)}".encode(), "little")
    played = _Episodes(robot, shift, oracle, steps, (seed, tag), threads)
    finished: dict[int, _Episode] = {}
    written = episode = 0
    with one_torch_thread():
        while written < rows:
            # Enough episodes to reach the goal if they last as long as those so far.
            mean_length = min(steps, played.simulated / played.over) if played.over else steps
            played.start(episode + math.ceil((rows - written) / max(mean_length, 1.0)))
            finished |= played.step(policy, noise)
            while episode in finished and written < rows:
                written = _append(out, written, rows, finished.pop(episode))
                episode += 1
                if progress is not None:
                    progress(written)
    return out


class _Episode(NamedTuple):
    """A whole episode of T steps.

    Attributes:
        seen: observations, ``[T + 1, S]``.
        actions: ``[T, A]``.
        rewards: ``[T]``.
        elsewhere: where the oracle's robot came from the same states, ``[T, S]``, if there is one.
        fell: whether it ended in a fall.
    """

    seen: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    elsewhere: np.ndarray | None
    fell: bool


class _Episodes:
    """``ROWS`` episodes at a time: row r plays episodes r, r + ROWS, r + 2 ROWS, ...

    Attributes:
        simulated: steps taken in all rows.
        over: episodes that are finished.
    """

    def __init__(
        self,
        robot: str,
        shift: Shift | str,
        oracle: Shift | str | None,
        steps: int,
        entropy: tuple[int, int],
        threads: int | None,
    ):
        spec = get_robot(robot)
        self.robots = BatchedRobot(robot, [shift] * ROWS, [0] * ROWS, threads)
        self.entropy = entropy
        self.seen = np.zeros((ROWS, steps + 1, spec.observation_size), np.float32)
        self.actions = np.zeros((ROWS, steps, spec.action_size), np.float32)
        self.rewards = np.zeros((ROWS, steps), np.float32)
        self.noises = np.zeros((ROWS, steps, spec.action_size), np.float32)
        self.oracle = None
        if oracle is not None:
            others = BatchedRobot(robot, [oracle] * ROWS, [0] * ROWS, threads)
            self.oracle = others, np.zeros_like(self.seen[:, 1:])
        self.upcoming = np.arange(ROWS)  # each row's next episode
        self.alive = np.zeros(ROWS, bool)
        self.simulated = self.over = 0

    def start(self, needed: int) -> None:
        """Begin the episodes before number ``needed`` whose rows are free."""
        started = np.flatnonzero(~self.alive & (self.upcoming < needed))
        if not len(started):
            return
        (seed, tag), upcoming, seeds = self.entropy, self.upcoming, []
        for row in started:
            sequence = np.random.SeedSequence([seed, tag, int(upcoming[row])])
            start, *rest = (int(x) for x in sequence.generate_state(3))
            seeds.append(start)
            rng = np.random.default_rng(rest)
            self.noises[row] = rng.standard_normal(self.noises.shape[1:], np.float32)
        self.seen[started, 0] = self.robots.reset(started, seeds)[started]
        self.alive[started] = True

    def step(self, policy: Policy, noise: float) -> dict[int, _Episode]:
        """One step of every row that has an episode; those that ended with it, by number."""
        acting = np.flatnonzero(self.alive)
        at = self.robots.steps[acting].copy()
        proposed = np.asarray(policy(self.robots.observations()), np.float32)
        chosen = np.zeros_like(proposed)
        chosen[acting] = proposed[acting] + np.float32(noise) * self.noises[acting, at]
        np.clip(chosen, -1.0, 1.0, out=chosen)
        if self.oracle is not None:
            others, elsewhere = self.oracle
            others.take_state(self.robots)
            elsewhere[acting, at] = others.step(chosen, self.alive)[0][acting]
        observations, reward, terminated, truncated = self.robots.step(chosen, self.alive)
        self.actions[acting, at] = chosen[acting]
        self.rewards[acting, at] = reward[acting]
        self.seen[acting, at + 1] = observations[acting]
        self.simulated += len(acting)
        ended = np.flatnonzero(terminated | truncated)
        numbers = self.upcoming[ended].tolist()
        return {
            number: self._take(row, bool(terminated[row]))
            for number, row in zip(numbers, ended.tolist(), strict=True)
        }

    def _take(self, row: int, fell: bool) -> _Episode:
        """The episode that ``row`` has finished; the row is free for its next."""
        length = int(self.robots.steps[row])
        self.upcoming[row] += ROWS
        self.alive[row] = False
        self.over += 1
        return _Episode(
            self.seen[row, : length + 1].copy(),
            self.actions[row, :length].copy(),
            self.rewards[row, :length].copy(),
            None if self.oracle is None else self.oracle[1][row, :length].copy(),
            fell,
        )


def _append(out: Transitions, start: int, rows: int, one: _Episode) -> int:
    """Write one episode behind the others; return the rows filled now."""
    stop = min(start + len(one.rewards), rows)
    kept = stop - start
    whole = kept == len(one.rewards)
    out.observations[start:stop] = one.seen[:kept]
    out.next_observations[start:stop] = one.seen[1 : kept + 1]
    out.actions[start:stop] = one.actions[:kept]
    out.rewards[start:stop] = one.rewards[:kept]
    elsewhere = out.next_observations_target
    if elsewhere is not None and one.elsewhere is not None:
        elsewhere[start:stop] = one.elsewhere[:kept]
    out.terminations[start:stop] = False
    out.truncations[start:stop] = False
    out.terminations[stop - 1] = whole and one.fell
    out.truncations[stop - 1] = not (whole and one.fell)
    return stop


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Small networks gain nothing from threads, which spin against the simulator's and others'."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
