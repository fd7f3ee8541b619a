"""Batches: which rows go on, and streams of indices and noise that never meet."""

import numpy as np
import pytest
import torch

from droco_lite.agents import DROCOSettings
from droco_lite.data.transitions import Transitions
from droco_lite.training.rows import Rows, Sampler
from tests.agents.toy import transitions

SOURCE, TARGET = transitions(50, 0), transitions(30, 1)


def flagged(data, terminations, truncations):
    parts = dict(data.arrays()) | {"terminations": terminations, "truncations": truncations}
    return Transitions(**parts)


def test_a_truncated_row_goes_on_and_a_terminated_one_does_not():
    """A time limit ends the recording, not the task: the value of s' still counts."""
    flags = np.arange(50) % 4
    source = flagged(SOURCE, flags == 1, (flags == 2) | (flags == 1))
    target = flagged(TARGET, np.zeros(30, bool), np.ones(30, bool))
    batch = Rows(source, target, {}).batch(torch.arange(80).expand(1, -1))
    expected = np.concatenate([flags != 1, np.ones(30)]).astype(np.float32)
    np.testing.assert_array_equal(batch.continues[0, :, 0].numpy(), expected)


def test_source_rows_come_first_and_keep_their_own_columns():
    column = np.arange(80, dtype=np.float32).reshape(-1, 1)
    batch = Rows(SOURCE, TARGET, {"number": column}).batch(torch.arange(80).expand(1, -1))
    assert batch.columns["number"][0, :, 0].tolist() == list(range(80))
    np.testing.assert_array_equal(batch.rewards[0, :50, 0].numpy(), SOURCE.rewards)
    np.testing.assert_array_equal(batch.rewards[0, 50:, 0].numpy(), TARGET.rewards)


def sampler(*seeds, **options):
    runs = [DROCOSettings(seed=seed) for seed in seeds]
    return Sampler(runs, 5000, 3000, 64, noise_size=64, **options)


def test_no_two_streams_are_equal():
    """Runs, blocks, and the two halves of a batch draw independently of each other."""
    drawn = sampler(0, 1)
    first, second = drawn.block(0, 4), drawn.block(1, 4)
    source = first[..., :64]
    assert not torch.equal(source[:, 0], source[:, 1])  # two seeds
    assert not torch.equal(first, second)  # two blocks
    assert not torch.equal(source[0], source[1])  # two steps
    shares = source / 5000, (first[..., 64:] - 5000) / 3000
    assert abs(np.corrcoef(*(s.flatten().numpy() for s in shares))[0, 1]) < 0.2  # two halves
    noise, later = drawn.noise(0, 4), drawn.noise(1, 4)
    assert not torch.equal(noise[:, 0], noise[:, 1])
    assert not torch.equal(noise, later)
    assert not torch.equal(noise[0], noise[1])


def test_noise_has_a_stream_of_its_own():
    """Drawn from the stream of the indices, it would tell which rows a step takes."""
    rng = np.random.default_rng([0, 0, 0])
    assert not np.array_equal(
        sampler(0).noise(0, 4)[:, 0].numpy(), rng.standard_normal((4, 64), np.float32)
    )


def test_every_row_is_drawn_as_often_as_any_other():
    index = sampler(3).block(0, 2000)
    assert index[..., :64].min() == 0 and index[..., :64].max() == 4999
    assert index[..., 64:].min() == 5000 and index[..., 64:].max() == 7999
    counts = np.bincount(index[..., :64].flatten(), minlength=5000)
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.1)  # Poisson's


def test_a_run_with_rows_of_its_own_draws_from_its_own():
    drawn = sampler(0, 1, own=100).block(0, 50)
    for run, first in enumerate((8000, 8100)):
        half = drawn[:, run, :64]
        assert half.min() >= first and half.max() < first + 100
    assert drawn[..., 64:].max() < 8000
