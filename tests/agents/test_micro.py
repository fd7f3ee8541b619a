from dataclasses import replace

import numpy as np
import pytest
import torch

from droco_lite.agents.micro import termination
from droco_lite.agents.networks import mlp
from droco_lite.agents.sac import SAC, Noise
from droco_lite.robots import NOMINAL, ROBOTS, make_model
from droco_lite.training.rows import Rows
from tests.agents.rivals import PLANE, batches, fitted, tiny


def test_penalty_is_the_mean_over_models_minus_the_worst():
    agent, columns = fitted(tiny("micro", members=3))
    batch = batches(agent, columns, 1)[0]
    u = agent.penalty(batch, Noise(batch.noise)).detach()
    assert u.shape == (1, 16, 1) and bool((u >= 0).all()) and float(u.max()) > 0

    noise = Noise(batch.noise)
    for_states, for_actions = noise.take(48, 2), noise.take(48, 2)
    mean, std, _ = agent.ensemble.predict(batch.observations[0, :16], batch.actions[0, :16])
    q = []
    for e in range(3):
        part = slice(16 * e, 16 * (e + 1))
        s2 = (mean[e] + std[e] * for_states[0, part])[None]
        a, _ = agent.sample(s2, for_actions[:, part])
        both = mlp(agent.targets, torch.cat([s2, a], -1).repeat(2, 1, 1))
        q.append(both.amin(0))
    q = torch.stack(q)
    torch.testing.assert_close(u[0], q.mean(0) - q.amin(0), rtol=1e-4, atol=1e-6)


def test_only_model_rows_pay():
    agent, columns = fitted(tiny("micro", beta=2.0))
    free, _ = fitted(tiny("micro", beta=0.0))
    batch = batches(agent, columns, 1)[0]
    gap = free.q_targets(batch, Noise(batch.noise)) - agent.q_targets(batch, Noise(batch.noise))
    noise = Noise(batch.noise)
    noise.take(32, 2)
    expected = 2.0 * 0.99 * batch.continues[:, :16] * agent.penalty(batch, noise)
    torch.testing.assert_close(gap[:, :16], expected, rtol=1e-4, atol=1e-5)
    assert not gap[:, 16:].any()


def test_without_penalty_its_targets_are_sacs():
    agent, columns = fitted(tiny("micro", beta=0.0))
    batch = batches(agent, columns, 1)[0]
    mine = agent.q_targets(batch, Noise(batch.noise))
    torch.testing.assert_close(mine, SAC.q_targets(agent, batch, Noise(batch.noise)))


def test_faithful_clip_hides_negative_returns():
    """All rewards of the plane are negative, so every target of public code is 0."""
    corrected, columns = fitted(tiny("micro"))
    faithful, _ = fitted(tiny("micro", faithful=True))
    batch = batches(corrected, columns, 1)[0]
    batch = replace(batch, rewards=batch.rewards - 2.0)
    assert float(corrected.q_targets(batch, Noise(batch.noise)).mean()) < -1.5
    assert float(faithful.q_targets(batch, Noise(batch.noise)).abs().max()) < 0.5


def test_roll_outs_follow_the_models_and_depend_on_seed_and_step_alone():
    settings = tiny("micro", ensemble_epochs=40, members=2, rollout_starts=200, horizon=3)
    agent, columns = fitted(settings)
    rows = Rows(PLANE.source, PLANE.target, columns, own=agent.own_rows)
    agent.attach(rows)
    agent.refresh(rows, 0)
    first = rows.own.clone()
    everything = len(PLANE.source) + len(PLANE.target)
    batch = rows.batch(torch.arange(everything, everything + 600)[None])
    step = (batch.next_observations - batch.observations)[0, :200]
    moved = torch.stack([step[:, 0], batch.actions[0, :200, 0]])
    assert float(torch.corrcoef(moved)[0, 1]) > 0.7  # s' = s + a / 2, learnt, and its noise
    chained = batch.observations[0, 200:400]
    torch.testing.assert_close(chained, batch.next_observations[0, :200])
    assert float(batch.continues.min()) == 1.0

    agent.refresh(rows, 10)
    assert not torch.equal(rows.own, first)
    agent.refresh(rows, 0)
    assert torch.equal(rows.own, first)


@pytest.mark.parametrize("robot", list(ROBOTS))
def test_known_termination_is_the_simulators(robot):
    spec, model = ROBOTS[robot], make_model(robot, NOMINAL)
    ends = termination(robot, spec.observation_size)
    rng = np.random.default_rng(0)
    qpos = model.qpos0 + rng.uniform(-0.6, 0.6, (200, model.nq))
    qvel = rng.standard_normal((200, model.nv))
    seen = torch.tensor(spec.observation(qpos, qvel))[None]
    expected = spec.terminated(qpos, qvel)
    assert np.array_equal(ends(seen)[0, :, 0].numpy().astype(bool), expected)
    assert expected.any() != (robot == "halfcheetah")


def test_termination_refuses_another_robots_columns():
    with pytest.raises(ValueError, match="'hopper' has 11 observation columns, the data 17"):
        termination("hopper", 17)
    with pytest.raises(ValueError, match="not one of"):
        termination("hoper", 11)
    assert not termination("", 3)(torch.ones(2, 4, 3)).any()
