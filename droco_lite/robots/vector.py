"""The batch behind ``gymnasium.vector.VectorEnv``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from droco_lite.robots.batch import BatchedRobot
from droco_lite.robots.drawing import render
from droco_lite.robots.registry import get_robot
from droco_lite.robots.robot import Robot
from droco_lite.robots.shifts import NOMINAL, Shift

__all__ = ["VectorRobot"]

# Gymnasium's names of what a record holds.
_SETTINGS = {
    "healthy_reward": "healthy_reward",
    "forward_reward_weight": "forward_weight",
    "ctrl_cost_weight": "control_cost",
    "reset_noise_scale": "reset_noise",
}


class VectorRobot(VectorEnv):
    """:class:`BatchedRobot` behind ``gymnasium.vector.VectorEnv``.

    Observations, rewards and flags are those of a ``SyncVectorEnv`` of the same environments with
    the same seeds, bit for bit; ``infos`` holds nothing but ``final_obs`` (and its mask
    ``_final_obs``) where the mode gives one. Actions are clipped to [-1, 1] before the cost is
    taken.

    The automatic reset is Gymnasium's, chosen by ``autoreset_mode``:

    * ``NEXT_STEP`` (Gymnasium's default): the step after the end ignores the row's action, resets
      it and returns the first observation with reward 0 and both flags False. A learner has to
      leave that step out of its data.
    * ``SAME_STEP``: the ending step itself returns the first observation of the next episode, and
      the last one of the old in ``infos["final_obs"]``.
    * ``DISABLED``: the caller resets with ``options={"reset_mask": mask}``.

    Args:
        robot: name in ``ROBOTS``.
        num_envs: number of rows.
        shifts: one shift for all rows, or one a row.
        threads: simulation threads; None uses the CPUs this process may use.
        autoreset_mode: see above.
        max_episode_steps: steps after which an episode is truncated.
        render_mode: None or ``"rgb_array"``; :meth:`render` then gives a picture a row.
        width, height: pixels of these pictures.
        settings: Gymnasium's ``healthy_reward``, ``forward_reward_weight``, ``ctrl_cost_weight``
            and ``reset_noise_scale``, where the robot's environment has them.

    Raises:
        ValueError: for an unknown robot or shift, a wrong number of shifts, another render mode.
        TypeError: for settings that a batch cannot have; the message names the way that can.
    """

    def __init__(
        self,
        robot: str,
        num_envs: int = 1,
        shifts: Shift | str | Sequence[Shift | str] = NOMINAL,
        *,
        threads: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        width: int = 320,
        height: int = 240,
        **settings: float,
    ):
        spec = _with_settings(get_robot(robot), settings)
        if isinstance(shifts, (Shift, str)):
            shifts = [shifts] * num_envs
        if len(shifts) != num_envs:
            raise ValueError(f"shifts: {len(shifts)} for num_envs={num_envs}; give one or one each")
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode: {render_mode!r} is neither None nor 'rgb_array'")
        self.render_mode, self.width, self.height = render_mode, width, height
        self.metadata = {"render_modes": ["rgb_array"], "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = gymnasium.spaces.Box(
            -np.inf, np.inf, (spec.observation_size,), np.float64
        )
        self.single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (spec.action_size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._robots = BatchedRobot(
            spec, shifts, [None] * num_envs, threads, max_steps=max_episode_steps, dtype=np.float64
        )
        self.metadata["render_fps"] = round(1 / self._robots.dt)
        self._over = np.zeros(num_envs, dtype=bool)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Reset all rows, or those of ``options["reset_mask"]``.

        Args:
            seed: row i is seeded with ``seed + i``, or with ``seed[i]``; None lets the streams
                run on.

        Returns:
            Observations [num_envs, S] and an empty dict.

        Raises:
            TypeError: the mask is not an array of bool.
            ValueError: it is not of shape [num_envs] or holds no True; or another number of seeds.
        """
        if seed is None or isinstance(seed, (int, np.integer)):
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed: {len(seeds)} for num_envs={self.num_envs}")
        rows = np.arange(self.num_envs)
        if options is not None and "reset_mask" in options:
            rows = np.flatnonzero(self._checked_mask(options["reset_mask"]))
        self._over[rows] = False
        return self._robots.reset(rows, [seeds[row] for row in rows]), {}

    def _checked_mask(self, mask: np.ndarray) -> np.ndarray:
        """The mask, if Gymnasium's vector environments take it; else their kind of error."""
        if not isinstance(mask, np.ndarray):
            raise TypeError(f"options['reset_mask'] must be a numpy array, got {type(mask)}")
        if mask.shape != (self.num_envs,):
            raise ValueError(
                f"options['reset_mask'] must have shape ({self.num_envs},), got {mask.shape}"
            )
        if mask.dtype != np.bool_:
            raise TypeError(f"options['reset_mask'] must have dtype bool, got {mask.dtype}")
        if not mask.any():
            raise ValueError("options['reset_mask'] must contain at least one True value")
        return mask

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture [height, width, 3] of every row; None without ``render_mode="rgb_array"``."""
        if self.render_mode is None:
            return None
        name, rows = (
            self._robots.spec.name,
            zip(self._robots.shifts, self._robots.qpos, strict=True),
        )
        size = (self.width, self.height)
        return tuple(render(name, shift, qpos.copy(), *size) for shift, qpos in rows)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Advance every row by one step; see the class for what happens at an episode's end.

        Args:
            actions: [num_envs, A].

        Returns:
            Observations [num_envs, S]; rewards, terminated, truncated [num_envs]; infos.

        Raises:
            ValueError: actions of another shape or not finite, or rows that are over where the
                caller resets.
        """
        over = self._over
        if over.any() and self.autoreset_mode == AutoresetMode.DISABLED:
            raise ValueError(f"rows {np.flatnonzero(over).tolist()} are over: reset them first")
        observations, rewards, terminated, truncated = self._robots.step(actions, ~over)
        if over.any():
            observations = self._robots.reset(over)
        self._over = terminated | truncated
        infos: dict[str, Any] = {}
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._over.any():
            final = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(self._over):
                final[row] = observations[row]
            infos = {"final_obs": final, "_final_obs": self._over}
            observations = self._robots.reset(self._over)
            self._over = np.zeros(self.num_envs, dtype=bool)
        return observations, rewards, terminated, truncated, infos


def _with_settings(spec: Robot, settings: Mapping[str, float]) -> Robot:
    """The robot with Gymnasium's settings in its record."""
    if not settings:
        return spec
    known = inspect.signature(spec.gymnasium_class()).parameters if spec.gym_class else {}
    for name in settings:
        if name in _SETTINGS and name in known:
            continue
        instead = (
            f"gymnasium.make_vec(..., vectorization_mode='sync', {name}=...) takes it, slower"
            if name in known
            else f"a batch takes {', '.join(n for n in _SETTINGS if n in known) or 'none'}"
        )
        raise TypeError(f"{name}: the batch of {spec.name} has no such setting; {instead}")
    own: dict[str, Any] = {_SETTINGS[name]: float(value) for name, value in settings.items()}
    return replace(spec, **own)
