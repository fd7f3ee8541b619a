"""Pictures: by OpenGL where there is one, as sticks everywhere."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from droco_lite.robots import ROBOTS, clip_frames, filmstrip, make_model, range_poses, render
from droco_lite.robots.drawing import backend, shifted_geoms, write_clip

# The package's function of that name hides the module.
MODULE = importlib.import_module("droco_lite.robots.drawing")


@pytest.fixture(params=["sticks", "opengl"])
def drawing(request, monkeypatch):
    """Run a test with the stick drawing and, where there is OpenGL, with MuJoCo's renderer."""
    if request.param == "sticks":
        monkeypatch.setattr(MODULE, "backend", lambda: "sticks")
    elif backend() == "sticks":
        pytest.skip("no OpenGL here (EGL or OSMesa)")
    return request.param


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_robot_is_drawn(robot, drawing):
    picture = render(robot, width=96, height=72)
    assert picture.shape == (72, 96, 3)
    assert picture.dtype == np.uint8
    # The robot stands in the middle in its own blue, the corners are background.
    middle = picture[20:60, 30:66].astype(int)
    assert (middle[..., 2] - middle[..., 0] > 30).any()
    corners = picture[[0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
    assert (np.ptp(corners, axis=1) < 25).all()


def orange(picture):
    picture = picture.astype(int)
    return (picture[..., 0] - picture[..., 2] > 90).sum()


def test_what_changed_is_orange(drawing):
    assert orange(render("hopper", width=96, height=72)) == 0
    assert orange(render("hopper", "morph-torso-hard", width=96, height=72)) > 50


def test_ghosts_show_the_range_a_joint_has(drawing):
    plain = render("walker2d", "kinematic-thighjnt-hard", width=96, height=72)
    poses = range_poses("walker2d", "kinematic-thighjnt-hard")
    assert (
        render("walker2d", "kinematic-thighjnt-hard", None, 96, 72, ghosts=poses) != plain
    ).any()


def test_the_poses_at_the_ends_of_the_range():
    model = make_model("halfcheetah", "kinematic-thighjnt-0.5")
    poses = range_poses("halfcheetah", "kinematic-thighjnt-0.5")
    joint = model.joint("bthigh")
    np.testing.assert_array_equal(poses[:, joint.qposadr[0]], joint.range)
    np.testing.assert_array_equal(*range_poses("hopper", "morph-torso-hard"))


HIPS = ("left_leg_geom", "right_leg_geom", "back_leg_geom", "rightback_leg_geom")


def test_which_parts_a_shift_changes():
    model = make_model("ant")
    for shift, expected in (
        ("nominal", set()),
        ("gravity-up-hard", set()),
        ("morph-halflegs-hard", {"left_ankle_geom", "right_ankle_geom"}),
        ("kinematic-hipjnt-hard", set(HIPS)),
    ):
        found = {model.geom(i).name for i in np.flatnonzero(shifted_geoms("ant", shift))}
        assert found == expected


def test_a_film(drawing, tmp_path):
    model = make_model("halfcheetah")
    qpos = np.repeat(model.qpos0[None], 11, axis=0)
    qpos[:, 3] = np.linspace(0, 0.5, 11)
    strip = filmstrip("halfcheetah", "nominal", qpos[::5], width=48, height=32)
    assert strip.shape == (32, 144, 3)
    frames = list(clip_frames("halfcheetah", "nominal", qpos, 48, 32, fps=10))
    assert len(frames) == 6  # 0.5 s of simulated time
    path = write_clip(tmp_path / "clips" / "run.webp", frames, fps=10)
    with Image.open(path) as clip:
        assert clip.n_frames == 6
        assert clip.size == (48, 32)
        clip.load()
        assert clip.info["duration"] == 100
        clip.seek(5)
        clip.load()
        assert clip.info["duration"] == 600  # the last frame stays
    assert [p.name for p in path.parent.iterdir()] == ["run.webp"]


def test_bad_input_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(MODULE, "backend", lambda: "sticks")
    with pytest.raises(ValueError, match=r"qpos: expected shape \(6,\), got \(3,\)"):
        render("hopper", qpos=np.zeros(3))
    with pytest.raises(ValueError, match="at least 16 pixels"):
        render("hopper", width=4)
    with pytest.raises(ValueError, match=r"run\.avi should end in \.webp or \.gif"):
        write_clip(tmp_path / "run.avi", [np.zeros((8, 8, 3), np.uint8)])
    with pytest.raises(ValueError, match="frames: none given"):
        write_clip(tmp_path / "run.gif", [])


def test_without_opengl_sticks_are_drawn():
    code = (
        "from droco_lite.robots.drawing import backend, render\n"
        "print(backend(), render('ant', width=32, height=32).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MUJOCO_GL": "off"},
    )
    assert done.stdout.split("\n")[0] == "sticks (32, 32, 3)"
