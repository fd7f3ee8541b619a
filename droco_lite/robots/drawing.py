"""Pictures of robots without a display: MuJoCo's renderer on EGL or OSMesa, else a stick drawing.

What a shift has changed is drawn in orange. A joint that has lost range looks like any other at
rest, so :func:`render` can lay *ghosts* under the robot, such as the two ends of the range that
:func:`range_poses` gives.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from droco_lite.files import atomic_file
from droco_lite.robots.families import FAMILIES, limit_joints
from droco_lite.robots.registry import get_robot
from droco_lite.robots.shifts import NOMINAL, Shift, make_model

__all__ = [
    "Camera",
    "backend",
    "clip_frames",
    "filmstrip",
    "range_poses",
    "render",
    "shifted_geoms",
    "write_clip",
]

_BODY = (0.42, 0.55, 0.70, 1.0)
_CHANGED = (0.90, 0.49, 0.13, 1.0)
_SKY = (240, 243, 247)
_FLOOR = ((222, 227, 233), (232, 236, 241))
_LINE = (150, 158, 168)

_FOV = 45.0

_PROBE = (
    "import mujoco\nfrom mujoco.{0} import GLContext\ncontext = GLContext(32, 32)\n"
    "context.make_current()\n"
    "model = mujoco.MjModel.from_xml_string('<mujoco><worldbody/></mujoco>')\n"
    "mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)\nprint('drawn')"
)


@functools.cache
def backend() -> str:
    """What draws here: ``"egl"``, ``"osmesa"``, ``"cgl"`` (macOS) or ``"sticks"``.

    Each is tried in a process of its own, as a failed OpenGL import cannot be undone. The
    environment variable ``MUJOCO_GL`` puts its choice first; ``MUJOCO_GL=off`` draws sticks.
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    if wanted in ("off", "disable", "disabled", "false", "no", "0", "sticks"):
        return "sticks"
    candidates = ["cgl"] if sys.platform == "darwin" else ["egl", "osmesa"]
    if wanted in candidates:
        candidates = [wanted, *(c for c in candidates if c != wanted)]
    for candidate in candidates:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(
                [sys.executable, "-c", _PROBE.format(candidate)],
                capture_output=True,
                text=True,
                timeout=60,
                env={**os.environ, "MUJOCO_GL": candidate},
            )
            if done.returncode == 0 and done.stdout.strip().endswith("drawn"):
                return candidate
    return "sticks"


@functools.cache
def _gl_context(name: str):
    # One for all cameras: the first picture in a context takes a fifth of a second to prepare.
    return importlib.import_module(f"mujoco.{name}").GLContext(1024, 1024)


def shifted_geoms(robot: str, shift: Shift | str) -> np.ndarray:
    """Which geoms [ngeom] a shift changes: new shape, or on a body whose joint lost range."""
    model, nominal = make_model(robot, shift), make_model(robot)
    joint = ~np.isclose(model.jnt_range, nominal.jnt_range).all(axis=1)
    return (
        ~np.isclose(model.geom_size, nominal.geom_size).all(axis=1)
        | ~np.isclose(model.geom_pos, nominal.geom_pos, atol=1e-6).all(axis=1)
        | np.isin(model.geom_bodyid, model.jnt_bodyid[joint])
    )


def range_poses(robot: str, shift: Shift | str) -> np.ndarray:
    """The start pose with the joints of a kinematic shift at the low and high ends, [2, nq].

    For other shifts, and for nominal, the start pose twice.
    """
    shift = Shift.parse(shift)
    model = make_model(robot, shift)
    poses = np.array([_standing(robot, model)] * 2)
    if shift != NOMINAL and FAMILIES[shift.family].edit is limit_joints:
        hard = make_model(robot, shift.at(1.0))
        for joint in np.flatnonzero(
            ~np.isclose(hard.jnt_range, make_model(robot).jnt_range).all(axis=1)
        ):
            poses[:, model.jnt_qposadr[joint]] = model.jnt_range[joint]
    return poses


class Camera:
    """A renderer for one robot under one shift; keep it for the frames of a film.

    A context manager; :meth:`close` frees its buffers.

    Args:
        robot: name in ``ROBOTS``.
        shift: the shift, or its text.
        width, height: pixels.
        distance: metres to the robot; None takes the robot's own.

    Raises:
        ValueError: an unknown robot or shift, or fewer than 16 pixels.
    """

    def __init__(
        self,
        robot: str,
        shift: Shift | str = NOMINAL,
        width: int = 320,
        height: int = 240,
        *,
        distance: float | None = None,
    ):
        get_robot(robot)
        if min(width, height) < 16:
            raise ValueError(f"width, height: at least 16 pixels each, got {width} x {height}")
        self.robot, self.width, self.height = robot, width, height
        self.model = make_model(robot, shift)
        _paint(self.model, shifted_geoms(robot, shift))
        self.data = mujoco.MjData(self.model)
        self.standing = _standing(robot, self.model)
        standard, azimuth, elevation, self._look_at = get_robot(robot).view
        self.view = mujoco.MjvCamera()
        self.view.distance = standard if distance is None else distance
        self.view.azimuth, self.view.elevation = azimuth, elevation
        self.backend = backend()
        if self.backend != "sticks":
            self._open()

    def _open(self) -> None:
        self.model.vis.global_.offwidth = self.width
        self.model.vis.global_.offheight = self.height
        self.model.vis.global_.fovy = _FOV
        self.model.vis.quality.offsamples = 4
        self.model.vis.quality.shadowsize = 0
        self._gl = _gl_context(self.backend)
        self._gl.make_current()
        self._context = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(self.model, maxgeom=1000)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = False
        self._option = mujoco.MjvOption()
        self._rect = mujoco.MjrRect(0, 0, self.width, self.height)

    def frame(
        self, qpos: np.ndarray | None = None, ghosts: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        """Draw the robot at a pose.

        Args:
            qpos: positions [nq]; None for the standing pose.
            ghosts: further poses [nq] drawn translucently beneath.

        Returns:
            Picture [height, width, 3], uint8.

        Raises:
            ValueError: for a pose of the wrong shape.
        """
        poses = [self.standing if qpos is None else qpos, *ghosts]
        for pose in poses:
            if np.shape(pose) != (self.model.nq,):
                raise ValueError(f"qpos: expected shape ({self.model.nq},), got {np.shape(pose)}")
        self.data.qpos[:] = poses[0]
        mujoco.mj_kinematics(self.model, self.data)
        self.view.lookat[:] = (self.data.xpos[1, 0], self.data.xpos[1, 1], self._look_at)
        draw = self._sticks if self.backend == "sticks" else self._render
        return draw(poses)

    def _render(self, poses) -> np.ndarray:
        self._gl.make_current()
        mujoco.mj_forward(self.model, self.data)
        mujoco.mjv_updateScene(
            self.model, self.data, self._option, None, self.view,
            mujoco.mjtCatBit.mjCAT_ALL.value, self._scene,
        )  # fmt: skip
        for pose in poses[1:]:
            first = self._scene.ngeom
            self.data.qpos[:] = pose
            mujoco.mj_forward(self.model, self.data)
            mujoco.mjv_addGeoms(
                self.model, self.data, self._option, mujoco.MjvPerturb(),
                mujoco.mjtCatBit.mjCAT_DYNAMIC.value, self._scene,
            )  # fmt: skip
            for geom in self._scene.geoms[first : self._scene.ngeom]:
                geom.rgba[3] = 0.28
                geom.transparent = 1
        mujoco.mjr_render(self._rect, self._scene, self._context)
        picture = np.empty((self.height, self.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(picture, None, self._rect, self._context)
        return picture[::-1].copy()

    def _sticks(self, poses) -> np.ndarray:
        """The robot's capsules and spheres as round strokes, seen from the camera's side."""
        times = 2  # drawn larger and scaled down, for smooth edges
        width, height = times * self.width, times * self.height
        scale = height / (2 * self.view.distance * np.tan(np.deg2rad(_FOV / 2)))
        azimuth, elevation = np.deg2rad([self.view.azimuth, self.view.elevation])
        right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
        ahead = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation),
                          np.sin(elevation)])  # fmt: skip
        axes = np.stack([right, np.cross(right, ahead)])

        def pixels(points):
            seen = (np.atleast_2d(points) - self.view.lookat) @ axes.T * scale
            return seen * [1, -1] + [width / 2, height / 2]

        picture = Image.new("RGB", (width, height), _SKY)
        ink = ImageDraw.Draw(picture)
        ground = pixels([self.view.lookat[0], self.view.lookat[1], 0.0])[0, 1]
        if elevation > -0.2:  # from the side the ground is a line, from above it is everywhere
            ink.rectangle([0, ground, width, height], fill=_FLOOR[0])
            ink.line([0, ground, width, ground], fill=_LINE, width=times)
        for pose, share in [*((pose, 0.3) for pose in poses[1:]), (poses[0], 1.0)]:
            self.data.qpos[:] = pose
            mujoco.mj_kinematics(self.model, self.data)
            depth = (self.data.geom_xpos - self.view.lookat) @ ahead
            for geom in np.argsort(-depth):
                if self.model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
                    continue
                radius, half = self.model.geom_size[geom, :2]
                axis = self.data.geom_xmat[geom].reshape(3, 3)[:, 2] * half
                centre = self.data.geom_xpos[geom]
                ends = pixels([centre - axis, centre + axis])
                color = share * 255 * self.model.geom_rgba[geom, :3]
                color = tuple(int(c) for c in color + (1 - share) * np.array(_SKY))
                r = radius * scale
                ink.line([*ends[0], *ends[1]], fill=color, width=max(1, round(2 * r)))
                for x, y in ends:
                    ink.ellipse([x - r, y - r, x + r, y + r], fill=color)
        return np.asarray(picture.resize((self.width, self.height), Image.Resampling.LANCZOS))

    def close(self) -> None:
        """Free what the camera holds on the graphics side."""
        if self.backend != "sticks" and self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._context = None

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def render(
    robot: str,
    shift: Shift | str = NOMINAL,
    qpos: np.ndarray | None = None,
    width: int = 320,
    height: int = 240,
    *,
    ghosts: Sequence[np.ndarray] = (),
    distance: float | None = None,
) -> np.ndarray:
    """One picture of a robot, with what the shift changed in orange.

    Args:
        robot: name in ``ROBOTS``.
        shift: the shift, or its text.
        qpos: positions [nq]; None for the standing pose.
        width, height: pixels.
        ghosts: further poses, drawn translucently; see :func:`range_poses`.
        distance: metres from camera to robot; None takes the robot's own.

    Returns:
        Picture [height, width, 3], uint8. Works without a display, and without OpenGL (as a stick
        drawing).

    Raises:
        ValueError: for an unknown robot or shift, or a pose of the wrong shape.
    """
    with Camera(robot, shift, width, height, distance=distance) as camera:
        return camera.frame(qpos, ghosts)


def filmstrip(
    robot: str,
    shift: Shift | str,
    poses: Sequence[np.ndarray],
    width: int = 160,
    height: int = 160,
    *,
    distance: float | None = None,
) -> np.ndarray:
    """Poses side by side, as one picture.

    Args:
        robot: name in ``ROBOTS``.
        shift: the shift that changed its body.
        poses: positions [nq] of each.
        width, height: of one pose, in pixels.
        distance: of the camera, in metres; None takes the robot's own view.

    Returns:
        Colours [height, k * width, 3], uint8.
    """
    with Camera(robot, shift, width, height, distance=distance) as camera:
        return np.concatenate([camera.frame(pose) for pose in poses], axis=1)


def clip_frames(
    robot: str,
    shift: Shift | str,
    qpos: np.ndarray,
    width: int = 240,
    height: int = 180,
    *,
    fps: float = 20.0,
    seconds: float | None = None,
) -> Iterator[np.ndarray]:
    """Frames of a recorded episode in real time, from its positions qpos [T, nq].

    Args:
        fps: frames a second of simulated time (rounded to whole environment steps).
        seconds: length; None for all of it.
    """
    with Camera(robot, shift, width, height) as camera:
        dt = camera.model.opt.timestep * get_robot(robot).frame_skip
        stride = max(1, round(1 / (fps * dt)))
        last = len(qpos) if seconds is None else min(len(qpos), round(seconds / dt) + 1)
        for pose in qpos[:last:stride]:
            yield camera.frame(pose)


def write_clip(
    path: str | os.PathLike,
    frames: Sequence[np.ndarray],
    *,
    fps: float = 20.0,
    hold: float = 0.5,
    quality: int = 60,
) -> Path:
    """Write frames as an animated WebP (or GIF) that loops, whole or not at all.

    Args:
        path: ends in ``.webp`` or ``.gif``.
        frames: pictures [h, w, 3], uint8.
        fps: frames a second.
        hold: seconds that the last frame stays before the clip begins again, so that a short fall
            does not flicker.
        quality: of the WebP, 0 to 100.

    Raises:
        ValueError: for another ending, or no frame.
    """
    path = Path(path)
    if path.suffix not in (".webp", ".gif"):
        raise ValueError(f"path: {path.name} should end in .webp or .gif")
    pictures = [Image.fromarray(np.asarray(frame)) for frame in frames]
    if not pictures:
        raise ValueError("frames: none given")
    durations = [round(1000 / fps)] * len(pictures)
    durations[-1] += round(1000 * hold)
    options = {"quality": quality, "method": 4} if path.suffix == ".webp" else {}
    with atomic_file(path) as temporary:
        pictures[0].save(
            temporary, format=path.suffix[1:], save_all=True, append_images=pictures[1:],
            duration=durations, loop=0, **options,
        )  # fmt: skip
    return path


def _standing(robot: str, model: mujoco.MjModel) -> np.ndarray:
    """A pose to be looked at: upright, legs as at the start unless the robot bends them."""
    qpos, bend = model.qpos0.copy(), get_robot(robot).pose
    if bend is not None:
        bend(model, qpos)
    return qpos


def _paint(model: mujoco.MjModel, changed: np.ndarray) -> None:
    """Light colours that read on a light and on a dark page, in place of Gymnasium's."""
    floor = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    model.geom_rgba[:] = _BODY
    model.geom_rgba[changed & ~floor] = _CHANGED
    model.geom_rgba[floor] = (1.0, 1.0, 1.0, 1.0)
    model.geom_matid[~floor] = -1
    model.mat_reflectance[:] = 0.0
    model.mat_specular[:] = 0.1
    for texture in range(model.ntex):
        first = model.tex_adr[texture]
        height, width = model.tex_height[texture], model.tex_width[texture]
        channels = model.tex_nchannel[texture]
        pixels = model.tex_data[first : first + height * width * channels]
        pixels = pixels.reshape(height, width, channels)
        if model.tex_type[texture] == mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            pixels[..., :3] = _SKY
        elif model.tex_type[texture] == mujoco.mjtTexture.mjTEXTURE_2D:
            rows, columns = np.indices((height, width))
            dark = ((rows * 2 // height) + (columns * 2 // width)) % 2 == 0
            pixels[dark, :3] = _FLOOR[0]
            pixels[~dark, :3] = _FLOOR[1]
    model.vis.headlight.ambient[:] = 0.62
    model.vis.headlight.diffuse[:] = 0.35
    model.vis.headlight.specular[:] = 0.0
    model.light_diffuse[:] = 0.25
    model.light_specular[:] = 0.0
