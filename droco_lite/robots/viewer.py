"""A recorded episode in MuJoCo's own window."""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from droco_lite.robots.registry import get_robot
from droco_lite.robots.shifts import Shift, make_model

__all__ = ["NoDisplay", "play", "require_display"]


class NoDisplay(RuntimeError):
    """There is nothing to open a window on; the message says what to do."""


def require_display() -> None:
    """Refuse where no window can be opened.

    Raises:
        NoDisplay: Linux without a display, or macOS without MuJoCo's own interpreter.
    """
    instead = "write a clip instead, with --to clip.webp"
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise NoDisplay(f"--viewer: there is no display here to open a window on; {instead}")
    if sys.platform == "darwin" and not os.environ.get("MJPYTHON_BIN"):
        raise NoDisplay(
            f"--viewer: on macOS windows need MuJoCo's interpreter: mjpython -m droco_lite.cli "
            f"watch ...; or {instead}"
        )


def play(robot: str, shift: Shift | str, qpos: np.ndarray) -> None:
    """Show an episode in real time, again and again, until the window is closed.

    Args:
        robot: name in ``ROBOTS``.
        shift: the dynamics it was recorded under.
        qpos: positions ``[T, nq]``, one a step of the environment.

    Raises:
        NoDisplay: no window can be opened.
    """
    require_display()
    import mujoco.viewer

    model = make_model(robot, shift)
    data = mujoco.MjData(model)
    dt = model.opt.timestep * get_robot(robot).frame_skip
    with mujoco.viewer.launch_passive(model, data) as window:
        while window.is_running():
            for pose in qpos:
                if not window.is_running():
                    return
                begun = time.perf_counter()
                data.qpos[:] = pose
                mujoco.mj_forward(model, data)
                window.sync()
                time.sleep(max(0.0, dt - (time.perf_counter() - begun)))
