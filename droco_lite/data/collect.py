"""Roll a policy out in the batched simulator and keep every transition."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
        ValueError: fewer than one row, or σ negative or not finite.
    """
    if rows < 1:
        raise ValueError(f"rows: needs at least 1, got {rows}")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise: must be finite and not negative, got {noise}")
    spec = get_robot(robot)
    steps = spec.max_episode_steps
    if out is None:
        out = empty(rows, spec.observation_size, spec.action_size, oracle=oracle is not None)
    tag = int.from_bytes(f"{stream}/{robot}/{Shift.parse(shift)}".encode(), "little")
    robots = BatchedRobot(robot, [shift] * ROWS, [0] * ROWS, threads)
    others = None if oracle is None else BatchedRobot(robot, [oracle] * ROWS, [0] * ROWS, threads)

    seen = np.zeros((ROWS, steps + 1, spec.observation_size), np.float32)
    actions = np.zeros((ROWS, steps, spec.action_size), np.float32)
    rewards = np.zeros((ROWS, steps), np.float32)
    noises = np.zeros((ROWS, steps, spec.action_size), np.float32)
    elsewhere = None if oracle is None else np.zeros_like(seen[:, 1:])
    upcoming = np.arange(ROWS)  # each row's next episode
    alive = np.zeros(ROWS, bool)
    finished: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None, bool]] = {}
    simulated = over = written = episode = 0

    with one_torch_thread():
        while written < rows:
            # Enough episodes to reach the goal if they last as long as those so far.
            mean_length = min(steps, simulated / over) if over else steps
            needed = episode + math.ceil((rows - written) / max(mean_length, 1.0))
            started = np.flatnonzero(~alive & (upcoming < needed))
            if len(started):
                seeds = []
                for row in started:
                    sequence = np.random.SeedSequence([seed, tag, int(upcoming[row])])
                    start, *rest = (int(x) for x in sequence.generate_state(3))
                    seeds.append(start)
                    rng = np.random.default_rng(rest)
                    noises[row] = rng.standard_normal(noises.shape[1:], np.float32)
                seen[started, 0] = robots.reset(started, seeds)[started]
                alive[started] = True
            acting = np.flatnonzero(alive)
            at = robots.steps[acting].copy()
            proposed = np.asarray(policy(robots.observations()), np.float32)
            chosen = np.zeros_like(proposed)
            chosen[acting] = proposed[acting] + np.float32(noise) * noises[acting, at]
            np.clip(chosen, -1.0, 1.0, out=chosen)
            if others is not None:
                others.take_state(robots)
                elsewhere[acting, at] = others.step(chosen, alive)[0][acting]
            observations, reward, terminated, truncated = robots.step(chosen, alive)
            actions[acting, at] = chosen[acting]
            rewards[acting, at] = reward[acting]
            seen[acting, at + 1] = observations[acting]
            simulated += len(acting)
            for row in np.flatnonzero(terminated | truncated):
                length = int(robots.steps[row])
                finished[int(upcoming[row])] = (
                    seen[row, : length + 1].copy(),
                    actions[row, :length].copy(),
                    rewards[row, :length].copy(),
                    None if elsewhere is None else elsewhere[row, :length].copy(),
                    bool(terminated[row]),
                )
                upcoming[row] += ROWS
                alive[row] = False
                over += 1
            while episode in finished and written < rows:
                written = _append(out, written, rows, *finished.pop(episode))
                episode += 1
                if progress is not None:
                    progress(written)
    return out


def _append(
    out: Transitions,
    start: int,
    rows: int,
    seen: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    elsewhere: np.ndarray | None,
    fell: bool,
) -> int:
    """Write one episode behind the others; return the rows filled now."""
    stop = min(start + len(rewards), rows)
    kept = stop - start
    whole = kept == len(rewards)
    out.observations[start:stop] = seen[:kept]
    out.next_observations[start:stop] = seen[1 : kept + 1]
    out.actions[start:stop] = actions[:kept]
    out.rewards[start:stop] = rewards[:kept]
    if elsewhere is not None:
        out.next_observations_target[start:stop] = elsewhere[:kept]
    out.terminations[start:stop] = False
    out.truncations[start:stop] = False
    out.terminations[stop - 1] = whole and fell
    out.truncations[stop - 1] = not (whole and fell)
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
