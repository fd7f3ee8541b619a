"""Large sets are read in pieces: never a second copy, whatever the layout."""

import tracemalloc

import minari  # noqa: F401 - its own import is not to be measured
import numpy as np
import pytest

from droco_lite.data import Transitions, load, minari_store
from droco_lite.data.minari_store import write_minari

from .hdf5_files import write

ROWS, COLUMNS, ACTIONS = 100_000, 27, 8


@pytest.fixture(scope="module")
def ant():
    """Ant's sizes, 25 MiB: episodes of 1,000 steps."""
    rng = np.random.default_rng(0)
    states = rng.standard_normal((ROWS + 1, COLUMNS), np.float32)
    ends = np.arange(ROWS) % 1000 == 999
    return Transitions(
        states[:-1],
        np.zeros((ROWS, ACTIONS), np.float32),
        np.zeros(ROWS, np.float32),
        states[1:],
        np.zeros(ROWS, bool),
        ends,
    )


def peak_share(read):
    """Peak of what NumPy and Python allocate while reading, as a multiple of the arrays' size."""
    tracemalloc.start()
    try:
        data = read()
        return tracemalloc.get_traced_memory()[1] / data.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("drop", [[], ["next_observations"], ["next_observations", "timeouts"]])
def test_hdf5(tmp_path, ant, drop):
    arrays = {
        "observations": ant.observations,
        "actions": ant.actions,
        "rewards": ant.rewards,
        "next_observations": ant.next_observations,
        "terminals": ant.terminations,
        "timeouts": ant.truncations,
    }
    path = write(tmp_path / "ant.hdf5", arrays, drop)
    assert peak_share(lambda: load(path, "ant")) < 1.5


def test_minari(tmp_path, monkeypatch, ant):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    name = "droco-lite/ant/large-v0"
    write_minari(name, ant, {"robot": "ant"})
    assert peak_share(lambda: load(name, "ant")) < 1.5
    monkeypatch.setattr("droco_lite.data.minari_read.MEMORY_MAP_ABOVE", 1)
    load(name)
    assert (tmp_path / name / minari_store.ARRAYS).is_dir()
    assert peak_share(lambda: load(name, "ant")) < 0.3
