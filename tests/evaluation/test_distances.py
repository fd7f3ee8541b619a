"""How far trained policies go: along x, from every start, for robots that have a way forwards."""

import numpy as np
import pytest

from droco_lite.agents import IQLSettings
from droco_lite.data import make_task
from droco_lite.evaluation import distances
from droco_lite.robots import rollout_runs
from droco_lite.training import LoopSettings, train
from droco_lite.training.export import restore
from droco_lite.training.loop import numpy_act


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    data = make_task("hopper-medium", source_size=200, target_size=200, cache=False, progress=False)
    runs = [IQLSettings(label="IQL*", hidden=8, seed=seed, steps=4) for seed in (0, 1)]
    out = tmp_path_factory.mktemp("hoppers")
    loop = LoopSettings(evaluate_every=4, episodes=1, diagnostic_rows=8)
    train(runs, data.source, data.target, robot="hopper", loop=loop, out=out)
    return restore(out)[0]


def test_every_run_goes_from_every_start_and_earns_what_a_roll_out_says(agent):
    found = distances(agent, "hopper", starts=3, seed=7)
    assert list(found.columns) == ["label", "seed", "start", "metres", "steps", "return"]
    assert len(found) == 2 * 3 and set(found.start) == {7, 8, 9} and set(found.seed) == {0, 1}
    act = numpy_act(agent)
    played = rollout_runs("hopper", ["nominal"], act, runs=2, episodes=3, seed=7)
    np.testing.assert_allclose(found["return"], played.returns.ravel())
    np.testing.assert_array_equal(found["steps"], played.lengths.ravel())


def test_metres_are_the_rewards_for_moving_forwards(agent):
    """Hopper is paid its speed, one point for being upright, and little for its actions."""
    found = distances(agent, "hopper", starts=3)
    dt = 0.008
    np.testing.assert_allclose(found.metres / dt, found["return"] - found["steps"], atol=2.0)


def test_a_robot_that_goes_nowhere_is_refused(agent):
    from droco_lite.robots import register_robot, unregister_robot

    hinge = (
        "<mujoco><worldbody><body><joint name='h' axis='0 1 0'/><geom size='.1'/></body>"
        "</worldbody><actuator><motor joint='h' ctrlrange='-1 1'/></actuator></mujoco>"
    )
    register_robot(
        "hinge", hinge, observation=lambda s: np.concatenate([s.qpos, s.qvel], 1),
        reward=lambda s, a, after: after.qpos[:, 0],
    )  # fmt: skip
    try:
        with pytest.raises(ValueError, match="'hinge' does not move along x"):
            distances(agent, "hinge")
    finally:
        unregister_robot("hinge")
