"""The numbers of every shift, against ODRL's and OTDF's published ones."""

import math
from itertools import pairwise

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from droco_lite.robots import (
    LEVELS,
    NOMINAL,
    OTDF_SHIFTS,
    ROBOTS,
    SHIFTS,
    Shift,
    make_model,
    max_strength,
    shift_values,
)
from droco_lite.robots.shifts import FAMILIES, SHIFT_TABLE

ALL = [
    (robot, family, variant)
    for robot, families in SHIFT_TABLE.items()
    for family, variants in families.items()
    for variant in variants
]


def numbers(model):
    """Every float field of a compiled model, and its physics options."""
    names = [n for n in dir(model) if isinstance(getattr(model, n), np.ndarray)]
    fields = {n: getattr(model, n) for n in names if getattr(model, n).dtype.kind == "f"}
    return {**fields, "gravity": model.opt.gravity, "timestep": model.opt.timestep}


def degrees(model, joint):
    return np.rad2deg(model.joint(joint).range)


def capsule(model, name):
    """Both ends of a capsule in the world at the start pose, lower first in z then x."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    geom = data.geom(name)
    half = geom.xmat.reshape(3, 3)[:, 2] * model.geom(name).size[1]
    ends = np.array([geom.xpos - half, geom.xpos + half])
    return ends[np.lexsort(ends.round(9).T)]


# ------------------------------------------------------------------- names and strengths


@pytest.mark.parametrize(("robot", "family", "variant"), ALL)
def test_text_and_shift_are_the_same_thing(robot, family, variant):
    for strength in (*LEVELS.values(), 0.0, 0.5, 0.123456789, 1e-7):
        shift = Shift(family, variant, strength)
        assert Shift.parse(str(shift)) == shift
    assert str(Shift(family, variant, 2 / 3)) == f"{family}-{variant}-medium"


@given(st.floats(0, 10))
def test_every_strength_survives_its_text(strength):
    shift = Shift("gravity", "up", strength)
    assert Shift.parse(str(shift)) == shift


def test_nominal_is_a_shift():
    assert Shift.parse("nominal") == NOMINAL == Shift()
    assert str(NOMINAL) == "nominal"
    assert Shift.parse("kinematic-thighjnt-hard").level == "hard"
    assert Shift.parse("kinematic-thighjnt-0.5").level is None
    assert Shift.parse("kinematic-thighjnt-0.5").at(1) == Shift("kinematic", "thighjnt", 1.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kinematic", "cannot read"),
        ("kinematic-thighjnt", "cannot read"),
        ("flying-wing-hard", "cannot read"),
        ("kinematic-thighjnt-harder", "neither a number nor"),
        ("kinematic-thighjnt--1", "strength: must be finite"),
        ("gravity-up-nan", "strength: must be finite"),
        ("", "cannot read"),
    ],
)
def test_unreadable_text_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        Shift.parse(text)


def test_wrong_parts_are_refused():
    with pytest.raises(ValueError, match="family: 'wing' is not one of"):
        Shift("wing", "left", 1.0)
    with pytest.raises(ValueError, match="variant: the morph family needs one"):
        Shift("morph", "", 1.0)
    with pytest.raises(ValueError, match="strength: 'strong' is not a number"):
        Shift("morph", "torso", "strong")
    with pytest.raises(ValueError, match="'nominal' takes neither"):
        Shift("nominal", "", 1.0)
    with pytest.raises(ValueError, match="robot: 'spot' is not one of hopper"):
        make_model("spot")
    with pytest.raises(ValueError, match="hopper has no kinematic variant 'wing'; it has legjnt"):
        make_model("hopper", "kinematic-wing-hard")
    with pytest.raises(ValueError, match="ant morph-alllegs goes from 0 to 1, got 1"):
        make_model("ant", "morph-alllegs-1.1")
    with pytest.raises(ValueError, match=r"goes from 0 to 1\.33333"):
        make_model("hopper", "kinematic-legjnt-1.5")


def test_factors_of_gravity_and_friction():
    for factor in (0.1, 0.5, 1.0, 2.0, 5.0):
        for family in ("gravity", "friction"):
            shift = Shift.from_factor(family, factor)
            assert shift_values("ant", shift)["factor"] == pytest.approx(factor, rel=1e-12)
    assert Shift.from_factor("gravity", 0.5).strength == pytest.approx(math.log10(2))
    with pytest.raises(ValueError, match="factor: must be"):
        Shift.from_factor("gravity", -1)
    with pytest.raises(ValueError, match="only gravity and friction"):
        Shift.from_factor("morph", 2)


def test_the_two_sets_do_not_mix():
    for robot in ROBOTS:
        of_all = {family for family, kind in FAMILIES.items() if kind.everywhere}
        assert {*SHIFTS[robot], *OTDF_SHIFTS[robot]} == {*ROBOTS[robot].shifts, *of_all}
        assert all(FAMILIES[family].evaluated for family in SHIFTS[robot])
        assert all(family.startswith("otdf-") for family in OTDF_SHIFTS[robot])


# ------------------------------------------------------------------- what each shift does


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_nominal_robot_is_gymnasiums(robot, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where MuJoCo would leave a log of its warnings
    ours = numbers(make_model(robot))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert list(tmp_path.iterdir()) == []
    theirs = numbers(mujoco.MjModel.from_xml_path(ROBOTS[robot].xml_path))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


@pytest.mark.parametrize(("robot", "family", "variant"), ALL)
def test_strength_zero_is_nominal_and_more_is_farther(robot, family, variant, capfd):
    nominal = numbers(make_model(robot))
    for name, value in numbers(make_model(robot, Shift(family, variant, 0.0))).items():
        np.testing.assert_array_equal(value, nominal[name], err_msg=name)
    most = max_strength(robot, Shift(family, variant, 1.0))
    strengths = np.linspace(0, most, 9)
    for quantity, knots in SHIFT_TABLE[robot][family][variant].items():
        if np.ndim(knots[0]):
            continue  # a point in the plane has no order
        values = [shift_values(robot, Shift(family, variant, s))[quantity] for s in strengths]
        steps = np.diff(values) * np.sign(knots[-1] - knots[0])
        assert (steps >= -1e-12).all(), quantity
        assert values[0] == knots[0]
    model = make_model(robot, Shift(family, variant, most))
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    for _ in range(100):
        data.ctrl[:] = rng.uniform(-1, 1, model.nu)
        mujoco.mj_step(model, data, nstep=ROBOTS[robot].frame_skip)
    assert np.isfinite(data.qpos).all()
    assert sum(w.number for w in data.warning) == 0
    assert capfd.readouterr().err == ""


# ODRL's joint ranges in degrees (HalfCheetah: in its model's radians, turned into degrees).
ODRL_RANGES = [
    ("hopper", "legjnt", "leg_joint", [(-150, 0), (-120, 0), (-75, 0), (-30, 0)]),
    ("hopper", "footjnt", "foot_joint", [(-45, 45), (-36, 36), (-22.5, 22.5), (-9, 9)]),
    ("walker2d", "thighjnt", "thigh_joint", [(-150, 0), (-120, 0), (-75, 0), (-30, 0)]),
    ("walker2d", "thighjnt", "thigh_left_joint", [(-150, 0), (-120, 0), (-75, 0), (-30, 0)]),
    ("walker2d", "footjnt", "foot_joint", [(-45, 45), (-36, 36), (-22.5, 22.5), (-9, 9)]),
    ("walker2d", "footjnt", "foot_left_joint", [(-45, 45), (-36, 36), (-22.5, 22.5), (-9, 9)]),
    ("ant", "hipjnt", "hip_3", [(-30, 30), (-24, 24), (-15, 15), (-6, 6)]),
    ("ant", "anklejnt", "ankle_1", [(30, 70), (30, 62), (30, 50), (30, 38)]),
    ("ant", "anklejnt", "ankle_2", [(-70, -30), (-62, -30), (-50, -30), (-38, -30)]),
    *(
        ("halfcheetah", variant, joint, np.rad2deg(np.outer((1, 0.8, 0.5, 0.2), full)))
        for variant, joint, full in (
            ("thighjnt", "bthigh", (-0.52, 1.05)),
            ("thighjnt", "fthigh", (-1.0, 0.7)),
            ("footjnt", "bfoot", (-0.4, 0.785)),
            ("footjnt", "ffoot", (-0.5, 0.5)),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("robot", "variant", "joint", "ranges"), ODRL_RANGES)
def test_joint_ranges_are_odrls(robot, variant, joint, ranges):
    for strength, expected in zip((0, *LEVELS.values()), ranges, strict=True):
        model = make_model(robot, Shift("kinematic", variant, strength))
        np.testing.assert_allclose(degrees(model, joint), expected, atol=1e-9)


def test_a_kinematic_shift_leaves_the_other_joints_alone():
    model, nominal = make_model("ant", "kinematic-hipjnt-hard"), make_model("ant")
    ankles = [model.joint(f"ankle_{i}").id for i in range(1, 5)]
    np.testing.assert_array_equal(model.jnt_range[ankles], nominal.jnt_range[ankles])
    np.testing.assert_array_equal(model.body_mass, nominal.body_mass)


# Whole-robot masses in kg at nominal, easy, medium, hard, to the digits ODRL's models give.
ODRL_MASSES = [
    ("hopper", "torso", (15.82, 22.40, 36.45, 59.61)),
    ("hopper", "foot", (15.82, 13.23, 11.65, 10.84)),
    ("walker2d", "torso", (23.68, 30.26, 44.31, 67.46)),
    ("walker2d", "leg", (23.68, 24.24, 25.09, 25.94)),
    ("halfcheetah", "torso", (14.0, 14.0, 14.0, 14.0)),
    ("halfcheetah", "thigh", (14.0, 14.0, 14.0, 14.0)),
    ("ant", "alllegs", (0.911, 0.865, 0.797, 0.729)),
    ("ant", "halflegs", (0.911, 0.888, 0.854, 0.820)),
]


@pytest.mark.parametrize(("robot", "variant", "masses"), ODRL_MASSES)
def test_masses_are_odrls(robot, variant, masses):
    for strength, mass in zip((0, *LEVELS.values()), masses, strict=True):
        model = make_model(robot, Shift("morph", variant, strength))
        assert model.body_mass.sum() == pytest.approx(mass, abs=0.006 if mass > 1 else 0.0006)


@pytest.mark.parametrize(
    ("level", "length", "radius"),
    [("easy", 0.48, 0.075), ("medium", 0.64, 0.10), ("hard", 0.80, 0.125)],
)
@pytest.mark.parametrize("robot", ["hopper", "walker2d"])
def test_torsos_grow_upwards(robot, level, length, radius):
    model = make_model(robot, f"morph-torso-{level}")
    bottom, top = capsule(model, "torso_geom")
    np.testing.assert_allclose([bottom[2], top[2]], [1.05, 1.05 + length], atol=1e-9)
    assert model.geom("torso_geom").size[0] == pytest.approx(radius)


@pytest.mark.parametrize(("level", "share"), [("easy", 0.8), ("medium", 0.6), ("hard", 0.4)])
def test_hoppers_foot_shrinks_about_the_ankle(level, share):
    model = make_model("hopper", f"morph-foot-{level}")
    ends = capsule(model, "foot_geom")
    np.testing.assert_allclose(np.sort(ends[:, 0]), share * np.array([-0.13, 0.26]), atol=1e-9)
    assert model.geom("foot_geom").size[0] == pytest.approx(0.06 * share)


@pytest.mark.parametrize(("level", "knee"), [("easy", 0.5), ("medium", 0.35), ("hard", 0.2)])
def test_walkers_knees_sink(level, knee):
    model = make_model("walker2d", f"morph-leg-{level}")
    for side in ("", "_left"):
        thigh, leg = capsule(model, f"thigh{side}_geom"), capsule(model, f"leg{side}_geom")
        np.testing.assert_allclose(thigh[:, 2], [knee, 1.05], atol=1e-9)
        np.testing.assert_allclose(leg[:, 2], [0.1, knee], atol=1e-9)
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        assert data.joint(f"leg{side}_joint").xanchor[2] == pytest.approx(knee)


@pytest.mark.parametrize(("level", "half"), [("easy", 0.4), ("medium", 0.25), ("hard", 0.1)])
def test_cheetahs_torso_shortens_with_hips_and_head(level, half):
    model = make_model("halfcheetah", f"morph-torso-{level}")
    np.testing.assert_allclose(np.sort(capsule(model, "torso")[:, 0]), [-half, half], atol=1e-9)
    assert model.body("bthigh").pos[0] == -half
    assert model.body("fthigh").pos[0] == half
    assert model.geom("head").pos[0] == pytest.approx(half + 0.1)


@pytest.mark.parametrize(
    ("level", "back", "front"),
    [
        ("easy", (0.11, -0.11), (-0.09, -0.10)),
        ("medium", (0.08, -0.08), (-0.07, -0.08)),
        ("hard", (0.02, -0.02), (-0.04, -0.05)),
    ],
)
def test_cheetahs_thighs_shorten(level, back, front):
    model = make_model("halfcheetah", f"morph-thigh-{level}")
    for child, end in (
        ("bshin", back),
        ("fshin", front),
        ("bfoot", (-0.13, -0.15)),
        ("ffoot", (0.11, -0.13)),
    ):
        np.testing.assert_allclose(model.body(child).pos, [end[0], 0, end[1]], atol=1e-12)
        geom = model.geom(model.body(model.body(child).parentid[0]).name)
        assert 2 * geom.size[1] == pytest.approx(math.hypot(*end))


@pytest.mark.parametrize(
    ("variant", "shortened"),
    [("alllegs", {"left", "right", "third", "fourth"}), ("halflegs", {"left", "right"})],
)
def test_ants_legs_shorten(variant, shortened):
    for level, length in (("easy", 0.32), ("medium", 0.20), ("hard", 0.08)):
        model = make_model("ant", f"morph-{variant}-{level}")
        for leg in ("left", "right", "third", "fourth"):
            expected = length if leg in shortened else 0.4
            half = model.geom(f"{leg}_ankle_geom").size[1]
            assert 2 * half == pytest.approx(expected * math.sqrt(2))


@pytest.mark.parametrize("robot", ROBOTS)
def test_gravity(robot):
    for factor in (0.1, 0.5, 2.0, 5.0):
        model = make_model(robot, Shift.from_factor("gravity", factor))
        np.testing.assert_allclose(model.opt.gravity, [0, 0, -9.81 * factor], rtol=1e-12)
    if "otdf-gravity" in OTDF_SHIFTS[robot]:
        halved = make_model(robot, "otdf-gravity-down-hard").opt.gravity[2]
        np.testing.assert_allclose(halved, -4.905)


@pytest.mark.parametrize("robot", ROBOTS)
def test_friction(robot):
    nominal = make_model(robot).geom_friction[:, 0]
    for factor in (0.1, 0.5, 2.0, 5.0):
        model = make_model(robot, Shift.from_factor("friction", factor))
        np.testing.assert_allclose(model.geom_friction[:, 0], factor * nominal, rtol=1e-12)


def test_hoppers_floor_decides_whether_friction_down_is_real():
    shift = Shift.from_factor("friction", 0.1)
    to_the_letter = make_model("hopper", shift, scale_floor=False)
    assert to_the_letter.geom("floor").friction[0] == 1.0
    assert to_the_letter.geom("foot_geom").friction[0] == pytest.approx(0.2)
    # MuJoCo takes the larger of the two: the foot's 0.2 never acts.
    pair = max(to_the_letter.geom(g).friction[0] for g in ("floor", "foot_geom"))
    assert pair == 1.0
    assert make_model("hopper", shift).geom("floor").friction[0] == pytest.approx(0.1)


def test_walker_has_d4rls_feet():
    model = make_model("walker2d")
    assert model.geom("foot_geom").friction[0] == 0.9
    assert model.geom("foot_left_geom").friction[0] == 1.9


def test_otdfs_joints():
    for robot, shift, joint, low, high in (
        ("hopper", "otdf-kinematic-thighfootjnt-hard", "thigh_joint", -0.15, 0),
        ("hopper", "otdf-kinematic-thighfootjnt-hard", "foot_joint", -18, 18),
        ("walker2d", "otdf-kinematic-rightfootjnt-hard", "foot_joint", -0.45, 0.45),
        ("walker2d", "otdf-kinematic-rightfootjnt-hard", "foot_left_joint", -45, 45),
        ("halfcheetah", "otdf-kinematic-backthighjnt-hard", "bthigh", -0.298, 0.602),
        ("ant", "otdf-kinematic-fronthipjnt-hard", "hip_2", -0.3, 0.3),
        ("ant", "otdf-kinematic-fronthipjnt-hard", "hip_3", -30, 30),
    ):
        np.testing.assert_allclose(degrees(make_model(robot, shift), joint), [low, high], atol=1e-3)


def test_otdfs_limbs():
    hopper = make_model("hopper", "otdf-morph-torsothigh-hard")
    assert hopper.geom("torso_geom").size[0] == pytest.approx(0.125)
    assert hopper.geom("thigh_geom").size[0] == pytest.approx(0.04)
    walker = make_model("walker2d", "otdf-morph-rightleg-hard")
    np.testing.assert_allclose(capsule(walker, "thigh_geom")[:, 2], [1.045, 1.05], atol=1e-9)
    np.testing.assert_allclose(capsule(walker, "leg_geom")[:, 2], [0.3, 1.045], atol=1e-9)
    np.testing.assert_allclose(capsule(walker, "foot_geom")[:, 2], 0.3, atol=1e-9)
    np.testing.assert_allclose(capsule(walker, "leg_left_geom")[:, 2], [0.1, 0.6], atol=1e-9)
    cheetah = make_model("halfcheetah", "otdf-morph-thigh-hard")
    assert 2 * cheetah.geom("bthigh").size[1] == pytest.approx(1e-4)
    assert cheetah.geom("bfoot").size[1] == pytest.approx(0.07)
    ant = make_model("ant", "otdf-morph-frontlegs-hard")
    assert 2 * ant.geom("left_ankle_geom").size[1] == pytest.approx(0.1 * math.sqrt(2))
    assert 2 * ant.geom("third_ankle_geom").size[1] == pytest.approx(0.4 * math.sqrt(2))


@pytest.mark.parametrize(("robot", "family", "variant"), ALL)
def test_between_two_published_levels_the_numbers_move_evenly(robot, family, variant):
    """A quarter of the way is a quarter of the change; of its logarithm where knots are factors."""
    for quantity, knots in SHIFT_TABLE[robot][family][variant].items():
        knots = np.asarray(knots, float)
        geometric = FAMILIES[family].geometric
        for i, (low, high) in enumerate(pairwise(knots)):
            strength = (i + 0.25) / (len(knots) - 1)
            found = shift_values(robot, Shift(family, variant, strength))[quantity]
            between = low * (high / low) ** 0.25 if geometric else low + 0.25 * (high - low)
            np.testing.assert_allclose(found, between, rtol=1e-9)
