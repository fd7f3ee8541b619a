"""What is saved and then damaged: how each kind is made, and how its readers use it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from droco_lite import files
from droco_lite.agents import DROCOSettings
from droco_lite.data import Transitions
from droco_lite.data.behaviour import POLICIES, load_behaviour
from droco_lite.data.minari_store import read_minari, write_minari
from droco_lite.evaluation import matrix
from droco_lite.training import LoopSettings, online, train
from droco_lite.training.curve import read_curve
from droco_lite.training.export import restore
from droco_lite.training.online_run import OnlineSettings

SET = "droco-lite/hopper/faults-v0"
LOOP = LoopSettings(device="cpu", mode="manual", evaluate_every=20, save_every=10, episodes=0)
TINY = OnlineSettings(
    "hopper", seed=3, batch_size=8, random_steps=40, rows=2, segment_steps=40,
    evaluation_episodes=1, hidden=(8, 8),
)  # fmt: skip


def transitions(rows: int, seed: int) -> Transitions:
    """Random episodes of Hopper's shape that stand all along."""
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(rows + 1, 11)).astype(np.float32)
    states[:, 0], states[:, 1] = 1.2, 0.0
    ends = np.arange(rows) % 50 == 49
    actions = rng.uniform(-1, 1, (rows, 3)).astype(np.float32)
    rewards = rng.normal(size=rows).astype(np.float32)
    return Transitions(states[:-1], actions, rewards, states[1:], np.zeros(rows, bool), ends)


SOURCE, TARGET = transitions(400, 0), transitions(100, 1)


def fit(folder: Path, seed: int = 0) -> None:
    """A small training, from where it stands to its end."""
    run = DROCOSettings(seed=seed, hidden=16, steps=60, batch_size=8, ensemble_epochs=2, members=2)
    train([run], SOURCE, TARGET, loop=LOOP, out=folder)


def study() -> matrix.Study:
    """A small comparison."""
    small = {"hidden": 16, "batch_size": 16}
    return matrix.Study(
        tasks=["hopper-medium"], steps=30, seeds=(0,), arms=("IQL*",), settings={"IQL*": small},
        data={"source_size": 300, "target_size": 100, "cache": False},
        evaluation=matrix.Evaluation(every=10, episodes=1, families=(), strengths=(1.0,)),
    )  # fmt: skip


# ------------------------------------------------------------------------------- what is compared


def digest(*parts: object) -> str:
    """A hash of tensors, arrays, tables and texts."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, dict):
            part = [x for key in sorted(part) for x in (key, part[key])]
        if isinstance(part, list | tuple):
            found.update(digest(*part).encode())
        elif isinstance(part, torch.Tensor):
            found.update(part.detach().numpy().tobytes())
        elif isinstance(part, np.ndarray):
            found.update(np.ascontiguousarray(part).tobytes())
        else:
            text = part.to_csv(index=False) if isinstance(part, pd.DataFrame) else repr(part)
            found.update(text.encode())
    return found.hexdigest()


def use_run(folder: Path) -> str:
    """A training's parameters, facts and curve."""
    agent, facts = restore(folder)
    return digest(agent.state(), facts, read_curve(folder))


def use_set(folder: Path) -> str:
    """A saved folder of transitions."""
    return digest(Transitions.load(folder / "set").arrays())


def use_minari(folder: Path) -> str:
    """One of our Minari sets."""
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    return digest(read_minari(SET, "hopper").arrays())


def use_jobs(folder: Path) -> str:
    """A study's jobs, collected into tables."""
    to = folder / "tables again"
    matrix.collect(study(), folder, to)
    curves = files.read_csv(to / "hopper-medium-curves.csv")
    about = files.read_json(to / "hopper-medium.json")
    return digest(matrix.read_table(to, "hopper-medium"), curves, about["arms"], about["seconds"])


def use_tables(folder: Path) -> str:
    """A study's tables, gone on from on another machine."""
    root = folder / "elsewhere"
    matrix.finish_from_tables(study(), root, folder)
    made = root / "hopper-medium" / "iql"
    return digest(*(files.read_bytes(made / name) for name in ("elsewhere.csv", "curve.csv")))


def use_policy(folder: Path) -> str:
    """A behaviour policy with its card."""
    policy = load_behaviour("hopper", "nominal", "medium", folder)
    return digest([layer for pair in policy.layers for layer in pair], dict(policy.card))


def use_online(folder: Path) -> str:
    """An online training, gone on with for one more segment."""
    curve = online.train(TINY, 120, folder, report=lambda line: None)
    tensors, _ = files.load_tensors(folder / "checkpoint.safetensors")
    return digest(tensors, [{**row, "seconds": 0} for row in curve])


def make_policy(folder: Path) -> None:
    for path in POLICIES.glob("hopper-nominal-medium.*"):
        shutil.copy(path, folder)
    files.seal(folder)


def make_minari(folder: Path) -> None:
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    write_minari(SET, SOURCE, {"robot": "hopper", "shift": "nominal", "algorithm": "random"})


def make_jobs(folder: Path) -> None:
    matrix.work(study(), folder, say=lambda line: None)


def make_tables(folder: Path) -> None:
    matrix.work(study(), folder / "jobs", say=lambda line: None)
    matrix.collect(study(), folder / "jobs", folder)
    shutil.rmtree(folder / "jobs")


@dataclass(frozen=True)
class Kind:
    """Something saved: how it is made, which of its files are damaged, and how it is used."""

    name: str
    make: Callable[[Path], object]
    use: Callable[[Path], str]
    files: str = "**/*"
    lost: bool = True  # whether a missing file is one of the faults


KINDS = (
    Kind("checkpoint", fit, use_run, "checkpoint.safetensors"),
    Kind("curve", fit, use_run, "curve.csv*"),
    Kind("data set (.npy)", lambda folder: SOURCE.save(folder / "set"), use_set),
    Kind("data set (Minari)", make_minari, use_minari, "**/data/*"),
    Kind("matrix jobs", make_jobs, use_jobs, "hopper-medium/iql/*.[cj]s*", lost=False),
    Kind("matrix tables", make_tables, use_tables, "*.[cj]s*", lost=False),
    Kind("policy", make_policy, use_policy),
    Kind("online training", lambda folder: online.train(TINY, 80, folder, lambda line: None),
         use_online, "*.*"),
)  # fmt: skip
