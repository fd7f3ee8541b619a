"""Laying rows aside: whole episodes, nothing lost, nothing on both sides."""

import numpy as np
import pytest

from droco_lite.data.recorded import lay_aside
from droco_lite.data.transitions import Transitions, concatenate


def episodes(*lengths, flagged=True):
    """Rows that are numbered from 0, with an end of episode after each length."""
    count = sum(lengths)
    number = np.arange(count, dtype=np.float32)[:, None]
    ends = np.zeros(count, bool)
    ends[np.cumsum(lengths) - 1] = True
    if not flagged:
        ends[-1] = False
    return Transitions(number, 0 * number, number[:, 0], number + 1, np.zeros(count, bool), ends)


def numbers(rows):
    return rows.observations[:, 0].astype(int).tolist()


@pytest.mark.parametrize("flagged", [True, False])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.5])
def test_whole_episodes_until_the_share_is_reached(share, seed, flagged):
    lengths = (10, 3, 25, 7, 14, 1)
    rows = episodes(*lengths, flagged=flagged)
    kept, aside = lay_aside(rows, share, seed)
    assert sorted(numbers(kept) + numbers(aside)) == list(range(60))
    assert numbers(kept) == sorted(numbers(kept)) and numbers(aside) == sorted(numbers(aside))
    assert len(aside) >= share * 60 and len(kept) > 0
    ends = np.cumsum(lengths)
    for start, end in zip(ends - lengths, ends, strict=True):
        sides = {row in set(numbers(aside)) for row in range(start, end)}
        assert len(sides) == 1, f"rows {start} to {end} are on both sides"
    assert sorted([*kept.episode_lengths(), *aside.episode_lengths()]) == sorted(lengths)


def test_the_draw_is_the_seed_s():
    rows = episodes(*[5] * 20)
    drawn = [tuple(numbers(lay_aside(rows, 0.2, seed)[1])) for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1] and len(set(drawn)) > 2
    assert all(len(some) == 20 for some in drawn)


def test_one_is_left_of_two_and_one_recording_is_cut_at_its_end():
    assert sorted(len(part) for part in lay_aside(episodes(30, 5), 0.5, 0)) == [5, 30]
    kept, aside = lay_aside(episodes(50), 0.1)
    assert numbers(aside) == list(range(45, 50)) and len(kept) == 45
    assert numbers(concatenate([kept, aside])) == list(range(50))


@pytest.mark.parametrize("share", [0.0, -1.0, 0.51, float("nan")])
def test_no_other_share(share):
    with pytest.raises(ValueError, match="hold_out must be a share above 0"):
        lay_aside(episodes(5, 5), share)


def test_a_single_row_cannot_be_split():
    with pytest.raises(ValueError, match=r"one\.hdf5: 1 rows are too few"):
        lay_aside(episodes(1), 0.5, where="one.hdf5")
