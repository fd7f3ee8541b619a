"""Robots of one's own: what registering gives and refuses, and that its numbers are MuJoCo's."""

from functools import partial
from pathlib import Path

import gymnasium
import gymnasium.envs.mujoco
import minari
import mujoco
import numpy as np
import pytest

from droco_lite.agents import DROCOSettings
from droco_lite.data import DataError, Transitions, load, minari_store
from droco_lite.data.collect import collect
from droco_lite.evaluation import evaluate, grid
from droco_lite.robots import (
    ROBOTS,
    SHIFTS,
    BatchedRobot,
    VectorRobot,
    get_robot,
    make_model,
    range_poses,
    record,
    reference_returns,
    register_robot,
    render,
    rollout,
    shift_values,
    shifts,
    unregister_robot,
)
from droco_lite.training import LoopSettings, train

# A sledge that a two-joint oar pushes over the ground; the second motor has limits of its own.
XML = """
<mujoco model="sledge">
  <compiler angle="degree"/>
  <option timestep="0.01"/>
  <worldbody>
    <geom name="floor" type="plane" size="10 10 1"/>
    <body name="sledge" pos="0 0 0.1">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="z" type="slide" axis="0 0 1"/>
      <geom name="hull" type="box" size="0.2 0.1 0.08" density="200"/>
      <body name="oar" pos="0.2 0 0.1">
        <joint name="shoulder" axis="0 1 0" range="-60 45" damping="0.3"/>
        <geom name="shaft" type="capsule" fromto="0 0 0 0.2 0 0.1" size="0.03"/>
        <body name="blade" pos="0.2 0 0.1">
          <joint name="wrist" axis="0 1 0" range="-50 50" damping="0.3"/>
          <geom name="paddle" type="capsule" fromto="0 0 0 0.05 0 -0.2" size="0.02"/>
          <site name="tip" pos="0.05 0 -0.2"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="pull" joint="shoulder" gear="4" ctrlrange="-1 1"/>
    <motor name="turn" joint="wrist" ctrlrange="-1 3"/>
  </actuator>
</mujoco>
"""
FRAME_SKIP = 4
SPEED = 1 / (FRAME_SKIP * 0.01)


def see(s):
    return np.concatenate([s.qpos[:, 1:], s.qvel], axis=1)


def earn(s, a, after):
    return (after.qpos[:, 0] - s.qpos[:, 0]) * SPEED - 0.01 * (a**2).sum(axis=1)


def heavier(spec, strength):
    spec.geom("hull").density = 200 * (1 + strength)


SLEDGE = {
    "xml": XML,
    "observation": see,
    "reward": earn,
    "frame_skip": FRAME_SKIP,
    "reset_noise": 0.05,
    "max_episode_steps": 60,
    "shifts": {
        "kinematic": {"oar": {"shoulder": 0.2, "wrist": (1.0, 0.9, 0.5)}},
        "morph": {"blade": {"blade": 1.5}, "shaft": {"shaft": 0.5}, "load": heavier},
    },
}
register = partial(register_robot, "sledge", **SLEDGE)


def tables():
    """Everything the room keeps about robots, as values that compare."""
    tables = (ROBOTS, shifts.SHIFT_TABLE, SHIFTS, shifts.OTDF_SHIFTS, gymnasium.registry)
    return [dict(table) for table in tables]


@pytest.fixture(autouse=True)
def no_trace():
    before = tables()
    yield
    for name in [name for name in ROBOTS if ROBOTS[name].own]:
        unregister_robot(name)
    assert tables() == before


@pytest.fixture
def sledge():
    return register()


def sample(seed, steps, rows=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (steps, rows, 2)).astype(np.float32)


# Registering --------------------------------------------------------------------------------


def test_a_file_and_its_text_are_the_same_robot(tmp_path):
    path = tmp_path / "sledge.xml"
    path.write_text(XML)
    models = []
    for xml in (XML, path, str(path)):
        spec = register_robot("sledge", **{**SLEDGE, "xml": xml})
        assert (spec.observation_size, spec.action_size) == (7, 2)
        models.append(make_model("sledge", "morph-blade-0.5"))
    for model in models[1:]:
        np.testing.assert_array_equal(model.geom_size, models[0].geom_size)
        np.testing.assert_array_equal(model.body_mass, models[0].body_mass)


def test_the_name_works_everywhere(sledge):
    assert get_robot("sledge") is sledge
    assert SHIFTS["sledge"]["morph"] == ["blade", "shaft", "load"]
    assert len(grid("sledge")) == 1 + 3 * (1 + 3 + 2 + 2)
    assert np.isnan(sledge.score(3.0))
    assert register_robot("sledge", **SLEDGE, min_return=0, max_return=4).score(3.0) == 75.0
    with pytest.raises(ValueError, match="d4rl has no returns of 'sledge'"):
        reference_returns("sledge")
    image = render("sledge", "kinematic-oar-hard", width=64, height=48)
    assert image.shape == (48, 64, 3)
    assert image[:8].min() > 200  # a sky, though the file has none
    assert range_poses("sledge", "kinematic-oar-hard").shape == (2, 4)
    episode = record("sledge", "nominal", lambda o: np.zeros((1, 2)), seed=0)
    assert len(episode.rewards) == 60  # its own time limit, not the package's robots'


def test_gymnasium_makes_it_by_id(sledge):
    env = gymnasium.make("droco_lite/sledge-v0", shift="morph-load-0.5", render_mode="rgb_array")
    rows = BatchedRobot("sledge", ["morph-load-0.5"], [3], dtype=np.float64)
    np.testing.assert_array_equal(env.reset(seed=3)[0], rows.observations()[0])
    for action in sample(0, 60):
        observation, reward, *_, truncated, _ = env.step(action[0])
        observations, rewards, *_ = rows.step(action)
        np.testing.assert_array_equal(observation, observations[0])
        assert reward == rewards[0]
    assert truncated
    assert env.render().ndim == 3
    assert gymnasium.make("droco_lite/sledgeKinematic-v0").unwrapped.shift.variant == "oar"
    assert VectorRobot("sledge", 3).reset(seed=0)[0].shape == (3, 7)


def test_registering_again_replaces_and_a_refused_robot_leaves_the_old(sledge):
    again = register_robot("sledge", **{**SLEDGE, "frame_skip": 2})
    assert ROBOTS["sledge"] is again and again.frame_skip == 2
    with pytest.raises(ValueError, match="reward is nan"):
        register_robot("sledge", **{**SLEDGE, "reward": lambda s, a, after: 0 * a[:, 0] * np.nan})
    assert ROBOTS["sledge"] is again
    rollout("sledge", ["morph-load-hard"], lambda o: np.zeros((len(o), 2)), episodes=1, seed=0)


# Numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", ["nominal", "kinematic-oar-0.7", "morph-load-hard"])
def test_parity_with_a_plain_mujoco_loop(sledge, shift):
    rows = BatchedRobot("sledge", [shift, "gravity-up-0.5"], [5, 6], dtype=np.float64)
    plain = mujoco.MjModel.from_xml_string(XML)  # the file as MuJoCo reads it, for nominal
    model = plain if shift == "nominal" else make_model("sledge", shift)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = rows.qpos[0], rows.qvel[0]
    touched = False
    for action in sample(1, 200, rows=2):
        before = data.qpos[0]
        data.ctrl[:] = action[0, 0], 1.0 + 2.0 * float(action[0, 1])  # the second motor's -1 to 3
        for _ in range(FRAME_SKIP):
            mujoco.mj_step(model, data)
        touched |= data.ncon > 0
        observations, rewards, *_ = rows.step(action)
        np.testing.assert_array_equal(rows.qpos[0], data.qpos)
        np.testing.assert_array_equal(observations[0], np.concatenate([data.qpos[1:], data.qvel]))
        cost = np.float32(0.01) * (action[0] ** 2).sum()
        assert rewards[0] == pytest.approx((data.qpos[0] - before) * SPEED - cost, abs=1e-7)
    assert touched


def test_parity_with_gymnasiums_swimmer():
    # Its joints and fluid are unlike those of the package's robots.
    dt = 0.04
    register_robot(
        "eel",
        Path(gymnasium.envs.mujoco.__path__[0]) / "assets/swimmer.xml",
        observation=lambda s: np.concatenate([s.qpos[:, 2:], s.qvel], axis=1),
        reward=lambda s, a, after: (
            (after.qpos[:, 0] - s.qpos[:, 0]) / dt - 1e-4 * np.sum(np.square(a), axis=1)
        ),
        frame_skip=4,
        reset_noise=0.1,
    )
    env = gymnasium.make("Swimmer-v5")
    rows = BatchedRobot("eel", ["nominal"] * 2, [3, 4], dtype=np.float64)
    np.testing.assert_array_equal(env.reset(seed=3)[0], rows.observations()[0])
    for action in sample(2, 200, rows=2):
        observation, reward, *_ = env.step(action[0])
        observations, rewards, *_ = rows.step(action)
        np.testing.assert_array_equal(observations[0], observation)
        assert rewards[0] == reward


def test_rows_are_single_rows(sledge):
    every = [s.at(0.6) for s in grid("sledge", strengths=(1.0,))[1:]]
    actions = sample(3, 50, rows=len(every))
    together = BatchedRobot("sledge", every, range(len(every)), threads=2, dtype=np.float64)
    alone = [BatchedRobot("sledge", [s], [i], dtype=np.float64) for i, s in enumerate(every)]
    ends = []
    for action in actions:
        observations, rewards, *_ = together.step(action)
        for i, row in enumerate(alone):
            observation, reward, *_ = row.step(action[i : i + 1])
            np.testing.assert_array_equal(observations[i], observation[0])
            assert rewards[i] == reward[0]
    ends = {tuple(row) for row in observations}
    assert len(ends) == len(every)  # and every shift leads elsewhere


@pytest.mark.parametrize(
    "family, variant",
    [("kinematic", "oar"), ("morph", "blade"), ("morph", "load"), ("gravity", "up")],
)
def test_strength_zero_is_the_nominal_robot(sledge, family, variant):
    zero, nominal = make_model("sledge", shifts.Shift(family, variant, 0.0)), make_model("sledge")
    for name in (
        "jnt_range",
        "geom_size",
        "geom_pos",
        "body_mass",
        "body_inertia",
        "geom_friction",
    ):
        np.testing.assert_array_equal(getattr(zero, name), getattr(nominal, name))
    np.testing.assert_array_equal(zero.opt.gravity, nominal.opt.gravity)


def test_shifts_in_numbers(sledge):
    nominal, hard = make_model("sledge"), make_model("sledge", "kinematic-oar-hard")
    np.testing.assert_allclose(hard.joint("shoulder").range, np.deg2rad([-12, 9]))
    np.testing.assert_allclose(hard.joint("wrist").range, np.deg2rad([-25, 25]))
    assert shift_values("sledge", "kinematic-oar-0.5")["wrist"] == 0.9
    blade = make_model("sledge", "morph-blade-hard")
    np.testing.assert_allclose(blade.geom("paddle").size[:2], 1.5 * nominal.geom("paddle").size[:2])
    np.testing.assert_allclose(blade.site("tip").pos, 1.5 * nominal.site("tip").pos)
    np.testing.assert_allclose(blade.body("blade").mass, 1.5**3 * nominal.body("blade").mass)
    np.testing.assert_array_equal(blade.body("blade").pos, nominal.body("blade").pos)
    shaft = make_model("sledge", "morph-shaft-hard")  # a geom: its body's child stays
    np.testing.assert_allclose(shaft.geom("shaft").size[:2], 0.5 * nominal.geom("shaft").size[:2])
    np.testing.assert_array_equal(shaft.body("blade").pos, nominal.body("blade").pos)
    oar = {**SLEDGE, "shifts": {"morph": {"oar": {"oar": 2.0}}}}  # a body: its child moves along
    register_robot("sledge", **oar)
    longer = make_model("sledge", "morph-oar-hard")
    np.testing.assert_allclose(longer.body("blade").pos, 2 * nominal.body("blade").pos)


def test_a_total_mass_set_in_the_file_holds():
    xml = XML.replace('angle="degree"', 'angle="degree" settotalmass="5"')
    register_robot("sledge", **{**SLEDGE, "xml": xml})
    assert make_model("sledge").body_mass.sum() == pytest.approx(5.0)


# Refusals -----------------------------------------------------------------------------------


def changed(**given):
    return {**SLEDGE, **given}


def without(text, by=""):
    assert text in XML
    return changed(xml=XML.replace(text, by))


def kinematic(**parts):
    return changed(shifts={"kinematic": {"oar": parts}})


def morph(parts):
    return changed(shifts={"morph": {"oar": parts}})


@pytest.mark.parametrize(
    "given, message",
    [
        (changed(xml="<mujoco><wrong/></mujoco>"), "xml: the text is not a MuJoCo model"),
        (without('gear="4" ctrlrange="-1 1"'), "actuator pull in the text has no limits; give it"),
        (without(XML[XML.index("  <actuator>") : XML.index("</mujoco>")]), "has no actuator"),
        (kinematic(knee=0.5), r"\['oar'\]\['knee'\]: no such joint; .* shoulder, wrist$"),
        (kinematic(x=0.5), "has no range to shrink; give it one in the XML"),
        (kinematic(wrist=-0.5), "should be a positive share or factor"),
        (kinematic(wrist=(0.9, 0.5)), "the first being 1"),
        (kinematic(wrist="half"), "neither a finite number nor"),
        (morph({"mast": 2.0}), "no such body or geom; bodies: sledge, oar, blade; geoms: floor"),
        (morph(2.0), "should map parts to factors"),
        (morph(lambda spec, strength: 1 / 0), "cannot be built at strength 1: division by zero"),
        (morph(lambda spec, s: spec.body("oar").add_geom(size=[1, 0, 0])), "changes ngeom from 4"),
        (changed(shifts={"colour": {}}), "the family 'colour'; give kinematic or morph or "),
        (changed(shifts={"gravity": {}}), r"'gravity' \(which needs no entry\)"),
        (changed(shifts={"morph": {"a-b": {"oar": 2.0}}}), "letters, digits and _, no dash"),
        (changed(observation=lambda s: s.qpos.ravel()), r"observation gave shape \(12,\) for 3"),
        (changed(observation=lambda s: s.qpos - s.qpos.mean()), "depends on the rows beside it"),
        (changed(observation=lambda s: see(s) / 0 * 0), "observation column 0 is nan at step 0"),
        (changed(reward=lambda s, a, after: a), r"reward gave shape \(\d+, 2\) for \d+ rows"),
        (changed(reward=lambda s, a, after: np.log(a[:, 0])), "reward is nan at qpos"),
        (changed(terminated=lambda s: s.qpos[:, 0]), "terminated gave float64 of shape"),
        (changed(frame_skip=0), "frame_skip is a whole number from 1, got 0"),
        (changed(max_episode_steps=2.5), "max_episode_steps is a whole number"),
        (changed(reset_noise=-1.0), "reset_noise is finite and not negative"),
        (changed(min_return=3.0, max_return=1.0), "should lie below max_return"),
        (changed(max_return=1.0), "give both or neither"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_wrong_is_said_and_nothing_registered(given, message):
    with pytest.raises(ValueError, match=message):
        register_robot("sledge", **given)
    assert "sledge" not in ROBOTS


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"xml: .*nowhere\.xml does not exist; give the"):
        register_robot("sledge", **changed(xml=tmp_path / "nowhere.xml"))


@pytest.mark.parametrize("name", ["Sledge", "my-robot", "", "1st"])
def test_names_that_would_not_survive_a_file_name(name):
    with pytest.raises(ValueError, match="lower-case letters, digits and _"):
        register_robot(name, **SLEDGE)


def test_the_packages_robots_cannot_be_replaced_or_removed():
    with pytest.raises(ValueError, match="'hopper' comes with the package; choose another"):
        register_robot("hopper", **SLEDGE)
    with pytest.raises(ValueError, match="'hopper' comes with the package and stays"):
        unregister_robot("hopper")
    with pytest.raises(ValueError, match="'sledge' is not one of hopper"):
        unregister_robot("sledge")


def test_a_reward_that_fails_later_is_caught_then(sledge):
    register_robot(
        "sledge",
        **changed(reward=lambda s, a, after: np.where(np.abs(a[:, 0]) == 1, np.inf, 0.0)),
    )
    rows = BatchedRobot("sledge", ["nominal"] * 2, [0, 1])
    rows.step(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="robot 'sledge': reward is inf at qpos"):
        rows.step(np.ones((2, 2)))


def test_a_function_cannot_write_into_the_simulation(sledge):
    def wrap(s):
        s.qpos[:, 2:] %= 1.0
        return s.qpos

    with pytest.raises(ValueError, match="read-only"):
        register_robot("sledge", **changed(observation=wrap))
    rows = BatchedRobot("sledge", ["nominal"], [0])
    rows.observations()[:] = 9.0
    assert rows.qpos.max() < 1.0


# From data to a report ----------------------------------------------------------------------


def test_from_data_to_a_report(sledge, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))

    def wave(observations):
        angles = observations[:, 1:3]
        return np.clip(2 * np.stack([-angles[:, 1], angles[:, 0]], axis=1), -1, 1)

    source = collect("sledge", "kinematic-oar-hard", wave, 300, noise=0.3, seed=0)
    target = collect("sledge", "nominal", wave, 150, noise=0.3, seed=1)
    name = "mine/sledge/target-v0"
    card = {"robot": "sledge", "shift": "nominal", "algorithm": "a wave", "rows": len(target)}
    minari_store.write_minari(name, target, card)
    read = load(name, "sledge")
    np.testing.assert_array_equal(read.observations, target.observations)
    np.testing.assert_array_equal(read.rewards, target.rewards)
    assert minari_store.robot_of(name) == "sledge"
    env = minari.load_dataset(name).recover_environment()
    assert env.unwrapped.robot == "sledge"
    with pytest.raises(DataError, match="the data has 7 and 2; they fit sledge"):
        load(name, "walker2d")
    with pytest.raises(DataError, match="sledge has 7 observation and 2 action columns, the data"):
        Transitions(**{**vars(target), "actions": target.actions[:, :1]}).check("sledge")

    runs = [
        DROCOSettings(label="DROCO", hidden=16, batch_size=16, steps=20, ensemble_epochs=1),
        DROCOSettings(
            label="IQL*", beta=0.0, delta=float("inf"), hidden=16, batch_size=16, steps=20,
            ensemble_epochs=1,
        ),
    ]  # fmt: skip
    loop = LoopSettings(evaluate_every=20, episodes=2, diagnostic_rows=32)
    result = train(runs, source, read, robot="sledge", loop=loop)
    assert result.curve.return_mean.notna().all()
    table = evaluate(result.agent, "sledge", grid("sledge", strengths=(0.0, 1.0)), episodes=2)
    assert len(table) == 2 * len(grid("sledge", strengths=(0.0, 1.0)))
    clean = table[table["shift"] == "nominal"].set_index("run").return_mean
    zero = table[table.strength == 0.0]
    np.testing.assert_array_equal(zero.return_mean, clean[zero.run])
    assert table[table.strength == 1.0].return_mean.nunique() > 4
