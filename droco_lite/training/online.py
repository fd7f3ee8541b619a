"""Online TD3 in the simulator: how the behaviour policies are trained.

    python -m droco_lite.training.online train --robot halfcheetah --shift nominal --steps 1000000
    python -m droco_lite.training.online release --robot halfcheetah --shift nominal

A run is a chain of segments of 10,000 environment steps.  Each segment starts its episodes anew and
draws from generators seeded by (run seed, segment).  So it depends only on the networks and the
replay rows before it, and a run that is killed and resumed ends with the parameters of a run that
is not.
Everything it keeps lies in one folder of the cache (``DROCO_LITE_CACHE``, by default
``~/.cache/droco_lite``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from droco_lite import files
from droco_lite.agents.networks import seeded_generators
from droco_lite.agents.td3 import (
    TD3Batch,
    TD3Settings,
    TD3State,
    act,
    init_td3,
    td3_update_,
)
from droco_lite.data.behaviour import QUALITIES, BehaviourPolicy, load_network
from droco_lite.robots import BatchedRobot, get_robot, rollout
from droco_lite.robots.robot_file import robot_file_option
from droco_lite.training.online_run import (
    CHECKPOINT,
    CURVE_COLUMNS,
    MEND,
    MEND_REPLAY,
    REPLAY,
    SELECTION_SEED,
    OnlineSettings,
    read_checkpoint,
    run_folder,
)
from droco_lite.training.options import add_settings
from droco_lite.training.release import release


class Replay:
    """All transitions of a run as packed float32 rows [s, a, r, s', continues], on disk.

    The file is mapped into memory, so what was written survives the process, and rows past the
    last checkpoint are simply written again.
    """

    def __init__(self, path: Path, capacity: int, observation_size: int, action_size: int):
        self.sizes = [observation_size, action_size, 1, observation_size, 1]
        self.file = _mapped(path, capacity, sum(self.sizes))
        self.rows = torch.from_numpy(self.file)

    def write(self, start: int, *columns: np.ndarray) -> None:
        """Put rows into the table from ``start`` on, each column ``[n, ...]`` beside the others."""
        end = start + len(columns[0])
        np.concatenate([c.reshape(len(c), -1) for c in columns], 1, out=self.file[start:end])

    def digest(self, start: int, end: int) -> str:
        """Checksum of the rows from ``start`` to ``end``, once they are on the disk."""
        self.file.flush()
        return hashlib.sha256(self.file[start:end].data).hexdigest()

    @staticmethod
    def check(
        path: Path,
        rows: int,
        observation_size: int,
        action_size: int,
        digests: list[str],
        each: int,
    ) -> None:
        """Refuse a file that is not the replay of a run.

        Args:
            path: the file.
            rows: how many the run has written.
            observation_size: S.
            action_size: A.
            digests: of every ``each`` rows; a checkpoint of an earlier version has none.
            each: rows of a segment.

        Raises:
            ValueError: the file is missing, short, or holds other rows.
        """
        width = 2 * observation_size + action_size + 2
        if not path.exists() or path.stat().st_size < 4 * width * rows:
            kept = path.stat().st_size // (4 * width) if path.exists() else 0
            raise ValueError(f"{path}: {kept:,} of the {rows:,} rows are there; {MEND_REPLAY}")
        file = np.memmap(path, np.float32, "r", shape=(rows, width))
        for segment, start in enumerate(range(0, rows, each)):
            part = file[start : start + each]
            if digests:
                fits = hashlib.sha256(part.data).hexdigest() == digests[segment]
            else:
                fits = bool(part.any(1).all())  # rows that were never written are zero
            if not fits:
                raise ValueError(
                    f"{path}: rows {start:,} to {start + len(part):,} are not what was written; "
                    f"{MEND_REPLAY}"
                )

    def batch(self, index: Tensor) -> TD3Batch:
        """The rows at ``index`` ``[B]`` as a batch of one run."""
        parts = self.rows[index].unsqueeze(0).split(self.sizes, -1)
        observations, actions, rewards, next_observations, continues = parts
        return TD3Batch(observations, actions, rewards, next_observations, continues)


def _mapped(path: Path, capacity: int, width: int) -> np.memmap:
    """A writable memory map [capacity, width] that keeps the rows already in the file."""
    if path.exists():
        with open(path, "r+b") as file:
            rows = file.seek(0, os.SEEK_END) // (4 * width)
            if rows < capacity:
                file.truncate(4 * width * capacity)  # sparse: costs nothing until written
            capacity = max(rows, capacity)
    else:
        with open(path, "wb") as file:
            file.truncate(4 * width * capacity)
    return np.memmap(path, np.float32, "r+", shape=(capacity, width))


# ------------------------------------------------------------------------------------ training


def train(
    settings: OnlineSettings, steps: int, folder: Path | None = None, report=print
) -> list[dict[str, float]]:
    """Train up to ``steps`` environment steps, going on from the folder's checkpoint if it has one.

    Args:
        folder: of the run; by default :func:`run_folder`.
        report: called with a line of text after each segment.

    Returns:
        The learning curve: one row per segment, keys :data:`CURVE_COLUMNS`.

    Raises:
        ValueError: the checkpoint was made with other settings or cannot be read, or the rows of
            the replay are not those that it was made with; the message names the file and what to
            do.
        InUse: another process trains this run.
    """
    torch.set_flush_denormal(True)
    folder = folder or run_folder(settings)
    with files.lock(folder, mend="give this run another seed"):
        return _train_in(folder, settings, steps, report)


def _train_in(folder: Path, settings: OnlineSettings, steps: int, report) -> list[dict]:
    spec = get_robot(settings.robot)
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    state = init_td3(spec.observation_size, spec.action_size, [settings.seed], settings.hidden)
    if settings.start:
        _begin_with_(state, load_network(settings.robot, quality=settings.start))
    curve, digests = _resume_(state, folder / CHECKPOINT, settings)
    segments = math.ceil(steps / settings.segment_steps)
    rows = settings.segment_steps
    sizes = (spec.observation_size, spec.action_size)
    if curve:
        Replay.check(folder / REPLAY, len(curve) * rows, *sizes, digests, rows)
    replay = Replay(folder / REPLAY, segments * rows, *sizes)
    for segment in range(len(curve), segments):
        began = time.perf_counter()
        logs = train_segment_(state, replay, settings, segment)
        policy = BehaviourPolicy(state.actor)
        result = rollout(
            settings.robot, [settings.shift], policy, episodes=settings.evaluation_episodes,
            seed=SELECTION_SEED, threads=1,
        )  # fmt: skip
        returns, lengths = result.returns[0], result.lengths[0]
        done = (segment + 1) * settings.segment_steps
        seconds = time.perf_counter() - began + (curve[-1]["seconds"] if curve else 0.0)
        values = (
            done, int(state.updates), returns.mean(), returns.std(), lengths.mean(),
            logs["q"], logs["td_error"], seconds,
        )  # fmt: skip
        curve.append(dict(zip(CURVE_COLUMNS, map(float, values), strict=True)))
        _save_policy(state, folder / "policies" / f"{done:09d}.safetensors")
        digests.append(replay.digest(done - rows, done))
        _save_checkpoint(state, folder / CHECKPOINT, settings, curve, digests)
        report(
            f"{folder.name} step {done:>8,} return {returns.mean():7.0f} ± {returns.std():5.0f}"
            f"  Q {logs['q']:8.1f}  {seconds:7.0f} s"
        )
    return curve


def _begin_with_(state: TD3State, policy: BehaviourPolicy) -> None:
    """Copy a behaviour policy's weights into the actor and its target.

    Raises:
        ValueError: its layers are of other sizes.
    """
    theirs = [tuple(weight.shape) for weight, _ in policy.layers]
    mine = [tuple(weight.shape) for weight, _ in state.actor]
    if mine != theirs:
        hidden = " ".join(str(shape[2]) for shape in theirs[:-1])
        raise ValueError(f"hidden: the policy to start from has other layers; ask for {hidden}")
    for stack in (state.actor, state.target_actor):
        for own, given in zip(stack, policy.layers, strict=True):
            for tensor, value in zip(own, given, strict=True):
                tensor.copy_(value)


def train_segment_(
    state: TD3State, replay: Replay, settings: OnlineSettings, segment: int
) -> dict[str, float]:
    """Take one segment: act, store, update; episodes start again. Returns its updates' mean logs.

    Moves ``state`` and writes the segment's rows of ``replay``; draws only from generators made of
    (seed, segment).
    """
    td3 = TD3Settings(learning_rate=settings.learning_rate)
    tag = f"segment{segment}"
    rng = np.random.default_rng([settings.seed, segment])
    (generator,) = seeded_generators([settings.seed], tag)
    starts = rng.integers(2**31, size=settings.rows).tolist()
    rows = BatchedRobot(settings.robot, [settings.shift] * settings.rows, starts, threads=1)
    action_size = rows.spec.action_size
    first = segment * settings.segment_steps
    observations = rows.observations()
    owed, sums, updates = 0.0, torch.zeros(2, dtype=torch.float64), 0
    for step in range(first, first + settings.segment_steps, settings.rows):
        if step < settings.random_steps and not settings.start:
            actions = rng.uniform(-1, 1, (settings.rows, action_size)).astype(np.float32)
        else:
            noise = rng.standard_normal((settings.rows, action_size), dtype=np.float32)
            mean = act(state.actor, torch.from_numpy(observations).unsqueeze(0))[0].numpy()
            actions = np.clip(mean + settings.exploration_noise * noise, -1, 1)
        after, rewards, terminated, truncated = rows.step(actions)
        replay.write(step, observations, actions, rewards, after, ~terminated)
        over = terminated | truncated
        observations = rows.reset(over) if over.any() else after
        if step < settings.random_steps:
            continue
        owed += settings.rows * settings.updates_per_step
        while owed >= 1:
            owed -= 1
            index = torch.randint(step + settings.rows, (settings.batch_size,), generator=generator)
            smoothing = torch.randn(1, settings.batch_size, action_size, generator=generator)
            moves = step >= settings.policy_after
            logs = td3_update_(state, replay.batch(index), smoothing, td3, move_policy=moves)
            updates += 1
            if updates % 50 == 0:
                sums += torch.stack([logs["q"][0], logs["td_error"][0]])
    q, td_error = (sums / max(updates // 50, 1)).tolist()
    return {"q": q, "td_error": td_error}


# --------------------------------------------------------------------------------- checkpoints


def _resume_(
    state: TD3State, path: Path, settings: OnlineSettings
) -> tuple[list[dict[str, float]], list[str]]:
    """Copy a checkpoint into ``state``; its curve and its replay's checksums, empty without one."""
    if not path.exists():
        return [], []
    record, tensors = read_checkpoint(path)
    mine = json.loads(json.dumps(asdict(settings)))
    for field in fields(settings):
        theirs = record["settings"].get(field.name, field.default)
        if theirs != mine[field.name]:
            raise ValueError(
                f"{path}: {field.name} was {theirs!r}, now it is {mine[field.name]!r}; {MEND}"
            )
    try:
        state.load_(tensors, record["updates"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {MEND}") from None
    return record["curve"], record.get("replay", [])


def _save_checkpoint(
    state: TD3State,
    path: Path,
    settings: OnlineSettings,
    curve: list[dict[str, float]],
    replay: list[str],
) -> None:
    record = {"settings": asdict(settings), "updates": int(state.updates), "curve": curve}
    files.save_tensors(path, state.tensors(), {"record": json.dumps(record | {"replay": replay})})


def _save_policy(state: TD3State, path: Path) -> None:
    files.save_tensors(path, {n: t for n, t in state.tensors().items() if n.startswith("actor.")})


# ------------------------------------------------------------------------------------- command


def _parser() -> argparse.ArgumentParser:
    option = robot_file_option()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], parents=[option])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train or go on training", parents=[option])
    training.add_argument("--steps", type=int, required=True, help="of the environment, in all")
    add_settings(training, OnlineSettings, [field.name for field in fields(OnlineSettings)])
    releasing = commands.add_parser(
        "release", help="choose a checkpoint, score it, ship it", parents=[option]
    )
    add_settings(releasing, OnlineSettings, ["robot", "shift", "seed", "start"])
    releasing.add_argument(
        "--quality", default="medium", choices=QUALITIES,
        help="medium: nearest to a third of the expert's return; expert: the highest; tuned: of a "
        "run that started from a policy (medium by default)",
    )  # fmt: skip
    releasing.add_argument(
        "--gate", action="store_true",
        help="only checkpoints that keep less than a third of their return on the nominal robot",
    )  # fmt: skip
    releasing.add_argument("--note", default="", help="what the card should also say")
    releasing.add_argument(
        "--candidates", type=int, default=5,
        help="checkpoints, the best of the learning curve, that are scored again (5 by default)",
    )  # fmt: skip
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run one of the commands; see ``--help``."""
    options = vars(_parser().parse_args(arguments))
    torch.set_num_threads(1)
    # Lets products go to oneDNN, 1.5 times as fast as MKL on some CPUs. Where the CPU has units for
    # it the factors are rounded to bfloat16: enough to train a controller, which is judged after.
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        _do(options)
    finally:  # whoever called this goes on with products of their own choice
        torch.set_float32_matmul_precision(before)


def _do(options: dict[str, Any]) -> None:
    command = options.pop("command")
    if command == "train":
        steps = options.pop("steps")
        train(OnlineSettings(**options), steps, report=lambda line: print(line, flush=True))
    else:
        how = {name: options.pop(name) for name in ("quality", "gate", "note", "candidates")}
        print(json.dumps(release(OnlineSettings(**options), **how), indent=2))


if __name__ == "__main__":
    main()
