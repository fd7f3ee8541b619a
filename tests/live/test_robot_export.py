"""The lab's files say of a robot what the package says."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from droco_lite.live import clips
from droco_lite.live.export import (
    LAB_ROBOTS,
    array,
    health_ranges,
    planar,
    robot_facts,
    script,
    starts,
    why_not_in_a_page,
    write_scripts,
)
from droco_lite.live.model_tables import STRENGTHS, model_fields, nominal_xml, shift_table
from droco_lite.robots import ROBOTS, BatchedRobot, Shift, get_robot, make_model, shift_values


def read(facts):
    return np.frombuffer(base64.b64decode(facts["data"]), f"<{facts['dtype']}").reshape(
        facts["shape"]
    )


@pytest.mark.parametrize("robot", ROBOTS)
def test_bounds_of_health_are_the_robots_own(robot):
    spec, model = get_robot(robot), make_model(robot)
    rng = np.random.default_rng(0)
    qpos = model.qpos0 + rng.normal(0, 0.6, (5000, model.nq))
    qvel = rng.normal(0, 60, (5000, model.nv))
    state = np.concatenate([qpos, qvel], axis=1)
    bounds = health_ranges(spec)
    inside = np.all([(state[:, i] > a) & (state[:, i] < b) for i, a, b in bounds] or [[True]], 0)
    healthy = spec.healthy(qpos, qvel)
    assert np.array_equal(np.broadcast_to(inside, healthy.shape), healthy)
    if bounds:
        assert 0 < healthy.mean() < 1


@pytest.mark.parametrize(
    ("robot", "shift"),
    [("walker2d", "morph-leg-0.35"), ("walker2d", "kinematic-footjnt-0.43"),
     ("halfcheetah", "otdf-morph-thigh-0.8"), ("hopper", "kinematic-legjnt-1.25"),
     ("hopper", "morph-foot-hard"), ("ant", "gravity-up-0.75")],
)  # fmt: skip
def test_a_row_of_a_table_is_the_model(robot, shift):
    shift = Shift.parse(shift)
    fields = model_fields(make_model(robot))
    for name, part in shift_table(robot, shift.family, shift.variant).items():
        fields[name][part["index"]] = part["rows"][STRENGTHS.index(shift.strength)]
    wanted = model_fields(make_model(robot, shift))
    assert fields.keys() == wanted.keys()
    for name, values in wanted.items():
        assert np.array_equal(fields[name], values), name


def test_starts_are_those_of_the_packages_rollouts():
    found = starts("halfcheetah")
    robots = BatchedRobot("halfcheetah", ["nominal"] * 3, [0, 1, 2])
    assert np.array_equal(read(found["qpos"])[:3], robots.qpos)
    assert np.array_equal(read(found["qvel"])[:3], robots.qvel)


def test_the_xml_compiles_in_silence_and_small():
    import mujoco

    for robot in LAB_ROBOTS:
        model = mujoco.MjModel.from_xml_string(nominal_xml(robot))
        assert model.narena == 2**20
        assert model.nq == make_model(robot).nq


def test_arrays_keep_type_and_shape():
    values = np.arange(6.0).reshape(2, 3) / 3
    assert np.array_equal(read(array(values)), values)
    assert np.array_equal(read(array(values, "f2")), values.astype("f2"))


@pytest.mark.slow
def test_a_script_assigns_the_robot_and_nothing_else():
    text = script("hopper")
    head, _, body = text.partition(" = ")
    assert head == '(globalThis.drocoLabRobots ??= {})["hopper"]'
    facts = json.loads(body.removesuffix(";\n"))
    assert set(facts["policies"]) >= {"behaviour-target-medium", "behaviour-source-medium"}
    assert facts["source"] == "kinematic-legjnt-hard"


def test_a_robot_that_the_lab_does_not_know_is_named(tmp_path):
    with pytest.raises(ValueError, match="reacher"):
        robot_facts("reacher")
    with pytest.raises(ValueError, match="reacher"):
        write_scripts(tmp_path, ["hopper", "reacher"])
    assert list(tmp_path.iterdir()) == []


def test_the_lab_names_walker2d_first():
    assert LAB_ROBOTS[:4] == ("walker2d", "halfcheetah", "hopper", "ant")


def test_a_page_cannot_run_what_it_does_not_know():
    hopper = get_robot("hopper")
    assert why_not_in_a_page(hopper) == ""
    assert "healthy_ranges" in why_not_in_a_page(replace(hopper, healthy_ranges=None))
    assert "velocity by 1.25" in why_not_in_a_page(replace(hopper, forward_weight=1.25))

    class Other(type(hopper)):
        def reward(self, before, after, dt, actions, healthy):
            """Another reward than the page's."""

    other = Other(**{name: getattr(hopper, name) for name in hopper.__dataclass_fields__})
    assert "Python functions" in why_not_in_a_page(other)


def test_a_robot_without_policies_is_refused_with_the_command_that_makes_them(monkeypatch):
    monkeypatch.setitem(ROBOTS, "jumper", replace(get_robot("hopper"), name="jumper"))
    with pytest.raises(ValueError, match=r"'jumper' lacks behaviour policies.*training\.online"):
        write_scripts("nowhere", ["jumper"])


def test_ghosts_are_of_robots_that_move_in_the_plane_of_the_page():
    assert [planar(make_model(robot)) for robot in LAB_ROBOTS[:4]] == [True, True, True, False]


@pytest.mark.parametrize("robot", ROBOTS)
def test_clips_show_a_shift_that_the_robot_has_and_its_source_has_not(robot):
    shift, words = clips.shown_shift(robot)
    assert shift_values(robot, f"{shift}-hard") and words
    assert not ROBOTS[robot].source_shifts["kinematic"].startswith(f"{shift}-")


def test_a_record_may_leave_the_shift_of_its_clips_out(monkeypatch):
    monkeypatch.setitem(ROBOTS, "walker2d", replace(get_robot("walker2d"), clip_shift=None))
    assert clips.shown_shift("walker2d") == ("kinematic-footjnt", "kinematic-footjnt")
