"""D4RL-style HDF5 files for tests: whole episodes as arrays, and the file that holds them."""

import h5py
import numpy as np


def episodes(lengths, falls, columns=11, actions=3, seed=0):
    """Arrays of whole episodes as D4RL would store them; ``falls[i]`` if episode i terminates."""
    rng = np.random.default_rng(seed)
    parts = []
    for length, fall in zip(lengths, falls, strict=True):
        states = rng.normal(size=(length + 1, columns)).astype(np.float32)
        end = np.zeros(length, bool)
        end[-1] = True
        parts.append(
            {
                "observations": states[:-1],
                "next_observations": states[1:],
                "actions": rng.uniform(-1, 1, (length, actions)).astype(np.float32),
                "rewards": rng.normal(size=length).astype(np.float32),
                "terminals": end & fall,
                "timeouts": end & (not fall),
            }
        )
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def write(path, arrays, drop=()):
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            if key not in drop:
                file[key] = array
    return path
