"""Every rival at a size where a test takes a blink, and figures that tests share."""

import torch
from scipy.stats import mannwhitneyu

from droco_lite.agents import METHODS
from droco_lite.data.plane import Plane, windy_plane
from droco_lite.training.rows import Rows, Sampler

PLANE: Plane = windy_plane(n_source=600, n_target=200, seed=0)

TINY = {
    "iql": {},
    "cql": {"candidates": 2},
    "bosa": {"cvae_steps": 10, "cvae_hidden": 16, "members": 2, "latents": 2},
    "dara": {"classifier_steps": 20},
    "igdf": {"encoder_steps": 20, "encoder_batch": 16},
    "micro": {
        "members": 2,
        "ensemble_epochs": 1,
        "rollout_starts": 10,
        "horizon": 2,
        "rollout_every": 10,
    },
    "otdf": {"cvae_steps": 5, "cvae_hidden": 16, "latents": 2, "target_rows": 100},
}


def tiny(method, **changes):
    """Settings of ``method`` that train in a moment."""
    base = {"hidden": 16, "batch_size": 16, "steps": 30}
    return METHODS[method].Settings(**base | TINY[method] | changes)


def fitted(settings, plane=PLANE):
    """An agent whose preparation is done, and its columns."""
    size = plane.source.observation_size, plane.source.action_size
    agent = METHODS[settings.method]([settings], *size)
    return agent, agent.prepare(plane.source, plane.target)


def rows_of(agent, columns, plane=PLANE):
    """The rows that a training of ``agent`` would hold, and the sampler of its batches."""
    own = agent.own_rows
    rows = Rows(plane.source, plane.target, columns, own=own * len(agent.runs))
    sizes = (len(plane.source), len(plane.target), agent.shared.batch_size, agent.noise_size(), own)
    return rows, Sampler(agent.runs, *sizes)


def batches(agent, columns, count, plane=PLANE):
    """The first ``count`` batches that a training of ``agent`` would see."""
    rows, sampler = rows_of(agent, columns, plane)
    if sampler.own:
        agent.attach(rows)
        agent.refresh(rows, 0)
    index, noise = sampler.block(0, count), sampler.noise(0, count)
    return [rows.batch(index[k], None if noise is None else noise[k]) for k in range(count)]


def area_under_curve(scores, good):
    """Probability that a good row scores above a bad one."""
    statistic = mannwhitneyu(scores[good], scores[~good]).statistic
    return statistic / (good.sum() * (~good).sum())


def same_networks(one, other):
    """Whether two agents of the IQL core hold the same parameters, bit for bit."""
    mine, theirs = one.networks.tensors(), other.networks.tensors()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)
