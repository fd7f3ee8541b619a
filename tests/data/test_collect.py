"""Rollouts into transitions: true to the simulator, and the same whatever is asked around them."""

import gymnasium
import numpy as np
import pytest

import droco_lite.robots as robots
from droco_lite.data.collect import ROWS, collect
from droco_lite.data.transitions import Transitions, empty


def push(observations):
    """A feedback policy that keeps Hopper up for a few dozen steps, by rows."""
    gain = np.linspace(-1, 1, 33, dtype=np.float32).reshape(11, 3)
    return np.tanh(0.3 * np.asarray(observations, np.float32) @ gain)


def same(a, b, rows):
    for name in Transitions.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(a, name)[:rows], getattr(b, name)[:rows], name)


@pytest.fixture(scope="module")
def hops():
    return collect("hopper", "nominal", push, 3000, noise=0.3, seed=4)


def test_the_set_is_whole(hops):
    assert len(hops.check("hopper")) == 3000
    assert len(hops.episode_ends()) > 2 * ROWS / 3
    inside = np.setdiff1d(np.arange(2999), hops.episode_ends())
    np.testing.assert_array_equal(hops.next_observations[inside], hops.observations[inside + 1])
    assert hops.terminations.sum() >= len(hops.episode_ends()) - 1  # the last one is cut
    assert hops.truncations[-1] != hops.terminations[-1]


def test_a_smaller_set_on_one_thread_is_its_beginning(hops):
    few = collect("hopper", "nominal", push, 700, noise=0.3, seed=4, threads=1)
    same(few, hops, 699)


def test_seed_stream_and_shift_change_it(hops):
    for changes in ({"seed": 5}, {"seed": 4, "stream": "b"}):
        other = collect("hopper", "nominal", push, 50, noise=0.3, **changes)
        assert not np.array_equal(other.observations[0], hops.observations[0])
    other = collect("hopper", "gravity-up-0.5", push, 50, noise=0.3, seed=4)
    assert not np.array_equal(other.observations[0], hops.observations[0])


def test_episodes_are_gymnasiums(hops):
    """Replaying the actions of an episode in the registered environment gives its transitions."""
    environment = gymnasium.make(robots.environment_id("hopper"))
    tag = int.from_bytes(b"/hopper/nominal", "little")
    for number, episode in zip(range(3), hops.episodes(), strict=False):
        seed = int(np.random.SeedSequence([4, tag, number]).generate_state(3)[0])
        state, _ = environment.reset(seed=seed)
        for i in range(len(episode)):
            np.testing.assert_array_equal(episode.observations[i], state.astype(np.float32))
            state, reward, fell, *_ = environment.step(episode.actions[i])
            assert episode.rewards[i] == np.float32(reward)
            assert episode.terminations[i] == fell
        np.testing.assert_array_equal(episode.next_observations[-1], state.astype(np.float32))


def test_noise_and_time_limits():
    """HalfCheetah never falls, so 2,500 steps are two whole episodes and a cut one."""

    def still(observations):
        return np.zeros((len(observations), 6), np.float32)

    data = collect("halfcheetah", "nominal", still, 2500, noise=0.2)
    assert data.episode_ends().tolist() == [999, 1999, 2499]
    assert np.flatnonzero(data.truncations).tolist() == [999, 1999, 2499]
    assert not data.terminations.any()
    assert abs(data.actions.std() - 0.2) < 0.005
    assert np.abs(np.corrcoef(data.actions.T) - np.eye(6)).max() < 0.1


def test_noise_is_clipped_and_its_absence_exact():
    loud = collect("hopper", "nominal", push, 100, noise=2.0)
    assert np.abs(loud.actions).max() == 1.0
    quiet = collect("hopper", "nominal", push, 50)
    np.testing.assert_allclose(quiet.actions, push(quiet.observations), atol=1e-6)


def test_progress_and_bad_arguments():
    seen = []
    collect("hopper", "nominal", push, 200, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 200
    with pytest.raises(ValueError, match="rows: needs at least 1"):
        collect("hopper", "nominal", push, 0)
    with pytest.raises(ValueError, match="noise: must be finite"):
        collect("hopper", "nominal", push, 5, noise=np.nan)


def still(observations):
    """No action of its own: what is recorded is the noise."""
    return np.zeros((len(observations), 3), np.float32)


def first_noise(**changes):
    """Start and noise of the first step of every episode."""
    options = {"shift": "nominal", "noise": 0.3, "seed": 4, "stream": "a"} | changes
    shift = options.pop("shift")
    data = collect("hopper", shift, still, 600, **options)
    starts = np.concatenate([[0], data.episode_ends()[:-1] + 1])
    return data.observations[starts], data.actions[starts]


def test_every_episode_has_a_start_and_noise_of_its_own():
    for drawn in first_noise():
        assert len(np.unique(drawn, axis=0)) == len(drawn) > 5


@pytest.mark.parametrize(
    "changes", [{"seed": 5}, {"stream": "b"}, {"shift": "gravity-up-0.5"}], ids=str
)
def test_no_start_and_no_noise_of_one_set_is_in_another(changes):
    """Seeds, uses of a seed and dynamics have streams of their own: source and target must not
    share their noise."""
    for one, other in zip(first_noise(), first_noise(**changes), strict=True):
        both = np.concatenate([one, other])
        assert len(np.unique(both, axis=0)) == len(both)


def test_noise_has_the_deviation_that_was_asked_for():
    data = collect("hopper", "nominal", still, 3000, noise=0.2, seed=1)
    assert data.actions.std() == pytest.approx(0.2, rel=0.05)  # and not 0.04, or 0.45
    assert abs(data.actions.mean()) < 0.01


@pytest.mark.parametrize("oracle", [None, "nominal"])
def test_a_set_without_the_oracles_column_or_with_one_too_many_is_refused(oracle):
    out = empty(50, 11, 3, oracle=oracle is None)
    with pytest.raises(ValueError, match="out: next_observations_target is there if and only if"):
        collect("hopper", "nominal", push, 50, noise=0.3, oracle=oracle, out=out)
