"""The tasks: robot x quality x source shift, and the data sets made for them.

In DROCO's direction (Qiao et al., 2026) the *source* is a shifted robot with much data, the
*target* the nominal robot with little, and a policy is deployed on the nominal robot.  D4RL's and
DROCO's own files are made elsewhere; these sets are made here, from the behaviour policies in the
package::

    data = make_task("halfcheetah-medium", source_size=20_000, target_size=5_000, cache=False)
    data.source, data.target           # Transitions

The source's shift of each robot, and the noise with which its policies act, stand in the robot's
record (:mod:`droco_lite.robots.models`), ODRL's variants and levels.  ``droco-lite data gate TASK``
says how far apart a pair is: a policy of Walker2d's kinematic source falls at once on the nominal
robot, one of Hopper's soon, Ant's earns nothing, HalfCheetah's keeps a little more than a third of
its return (its policy on short thighs moves backwards).  The numbers are in ``results/gates``.

``cache=True`` keeps each set as a Minari data set with its whole story, and reads it the next time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from droco_lite.data import minari_store
from droco_lite.data.behaviour import BehaviourPolicy, load_behaviour, load_snapshots
from droco_lite.data.collect import collect
from droco_lite.data.names import TUNED, Task
from droco_lite.data.transitions import Transitions, concatenate, empty, rows_of
from droco_lite.robots import NOMINAL, Shift, get_robot

if TYPE_CHECKING:
    from droco_lite.data.recorded import Recordings

#: Source transitions by default: the row counts that the sizes of DROCO's files suggest.
SOURCE_SIZES = {
    "medium": 1_000_000,
    "medium-replay": 500_000,
    "medium-expert": 1_000_000,
    "expert": 1_000_000,
    TUNED: 1_000_000,
}
#: Target transitions by default, as a share of the source's.
TARGET_SHARE = 0.1


@dataclass(frozen=True)
class CrossDomainData:
    """Source and target transitions of a task, or of recordings of the reader's own.

    Attributes:
        source: the shifted robot's, many.
        target: the nominal robot's, few.
        task: what they are of; its ``robot`` is None where there is no simulator.
        source_card, target_card: how each was made, see :func:`make_dataset`.
        held_out: target rows that were laid aside before a training; of recordings only.
    """

    source: Transitions
    target: Transitions
    task: Task | Recordings
    source_card: dict[str, Any]
    target_card: dict[str, Any]
    held_out: Transitions | None = None


def sizes_of(
    task: Task | str, source_size: int | None = None, target_size: int | float | None = None
) -> tuple[int, int]:
    """Source and target rows; a float target size is a share of the source's."""
    task = Task.parse(task)
    source = rows_of(SOURCE_SIZES[task.quality] if source_size is None else int(source_size), 1)
    return source, rows_of(TARGET_SHARE if target_size is None else target_size, source)


def make_task(
    name: Task | str,
    *,
    source_size: int | None = None,
    target_size: int | float | None = None,
    more_shifts: Sequence[str] = (),
    seed: int = 0,
    cache: bool = True,
    progress: bool = True,
) -> CrossDomainData:
    """Make (or read from the cache) both data sets of a task.

    The target set is rolled out at its size in whole episodes, the last one cut, where DROCO's code
    draws single transitions from a set ten times larger; ``Transitions.sample`` does that.

    Args:
        name: such as ``"halfcheetah-medium"`` or ``"ant-expert-morphology"``; see
            :meth:`Task.parse`.
        source_size: transitions; by default 1,000,000 (500,000 for medium-replay).
        target_size: transitions, or a float as the share of the source's; by default 0.1.
        more_shifts: further source robots, such as ``["morph-torso-hard"]``; each gives as many of
            the source's rows as the task's own.
        seed: of starts and action noise; source and target use streams of their own.
        cache: keep the sets among the user's Minari data sets, and use those that are there.
        progress: show progress bars.

    Raises:
        ValueError: an unknown task or shift, a shift named twice, or a size that is not positive.
        FileNotFoundError: a behaviour policy is not in the package; the message says which are.
        OSError: the disk is full; nothing half-written stays.
    """
    task = Task.parse(name)
    *sources, (target, target_card) = [
        make_dataset(
            task.robot, shift, task.quality, rows, seed=seed, cache=cache, progress=progress
        )
        for shift, rows in _sets(task, source_size, target_size, more_shifts)
    ]
    source, source_card = sources[0]
    if more_shifts:
        source = concatenate([rows for rows, _ in sources])
        source_card = {
            "shift": " ".join(card["shift"] for _, card in sources),
            "rows": len(source), "parts": [card for _, card in sources],
        }  # fmt: skip
    return CrossDomainData(source, target, task, source_card, target_card)


def _sets(
    task: Task,
    source_size: int | None,
    target_size: int | float | None,
    more_shifts: Sequence[str],
) -> list[tuple[str, int]]:
    """Shift and rows of every set of a task: its source's, the further sources', the target's."""
    source_rows, target_rows = sizes_of(task, source_size, target_size)
    shifts = [task.source_shift, *(str(Shift.parse(shift)) for shift in more_shifts)]
    if len(set(shifts)) < len(shifts) or source_rows < len(shifts):
        raise ValueError(
            f"more_shifts: {source_rows} source rows cannot come from {', '.join(shifts)}; name "
            "every shift once, and not the task's own"
        )
    ends = [round(source_rows * k / len(shifts)) for k in range(len(shifts) + 1)]
    sizes = [stop - start for start, stop in itertools.pairwise(ends)]
    return [*zip(shifts, sizes, strict=True), (str(NOMINAL), target_rows)]


def dataset_id(robot: str, shift: str, quality: str, rows: int, seed: int = 0) -> str:
    """The Minari id under which a set is cached; it names everything the set depends on."""
    shift = str(shift).replace(".", "_")
    return f"droco-lite/{robot}/{shift}-{quality}-{rows}-seed{seed}-v0"


def _further(report: Callable[[int], None], start: int, done: int) -> None:
    report(start + done)


def make_dataset(
    robot: str,
    shift: str,
    quality: str,
    rows: int,
    *,
    seed: int = 0,
    cache: bool = True,
    progress: bool = True,
) -> tuple[Transitions, dict[str, Any]]:
    """Make (or read from the cache) one data set.

    * ``medium`` and ``expert``: episodes of that behaviour policy;
    * ``medium-expert``: one half of each, the expert's first;
    * ``medium-tuned``: the medium policy on the nominal robot; on a shifted one the same policy
      after further training there;
    * ``medium-replay``: equal parts from policies spread over the training up to medium, oldest
      first.  D4RL's sets of that name are replay buffers, which hold every policy in between.

    All act with Gaussian noise, clipped to [-1, 1]: TD3's policies are deterministic, and without
    noise a set would hold one action a state.  Its standard deviation is the record's
    ``action_noise``.

    Returns:
        The transitions and a card: ``robot, shift, quality, rows, seed, action_noise, behaviour``
        (a short card for each policy), ``oracle, episodes, return_mean, return_sd, score``.
        :func:`~droco_lite.data.behaviour.read_card` says what ``return_sd`` is.

    A set of a shifted robot also says, row by row, where the nominal robot would have gone:
    :attr:`~droco_lite.data.Transitions.next_observations_target`.
    """
    name = dataset_id(robot, shift, quality, rows, seed)
    cached = minari_store.card_of(name) if cache and minari_store.is_local(name) else None
    try:
        parts = _behaviours(robot, shift, quality)
    except FileNotFoundError:
        if cached is None:
            raise
        return minari_store.read_minari(name, robot), cached
    # A set of another robot of that name, from other weights, or with other noise, is not the set
    # that is asked for.
    if cached is not None and _recipe(cached) == _recipe_of(robot, shift, parts):
        return minari_store.read_minari(name, robot), cached
    spec = get_robot(robot)
    oracle = "nominal" if _has_oracle(shift) else None
    out = empty(rows, spec.observation_size, spec.action_size, oracle=oracle is not None)
    with _progress_bar(f"{robot} {shift} {quality}", rows, progress) as report:
        start = 0
        for i, policy in enumerate(parts):
            stop = round(rows * (i + 1) / len(parts))
            if stop == start:
                continue
            collect(
                robot,
                shift,
                policy,
                stop - start,
                noise=spec.action_noise,
                seed=seed,
                stream=f"{quality}/{i}",
                oracle=oracle,
                out=out.take(slice(start, stop)),
                progress=partial(_further, report, start),
            )
            start = stop
    out.check(robot, name)
    card = _card(robot, shift, quality, seed, out, parts)
    if cache:
        minari_store.write_minari(name, out, card)
    return out, card


def refuse_missing(
    name: Task | str,
    *,
    source_size: int | None = None,
    target_size: int | float | None = None,
    more_shifts: Sequence[str] = (),
    seed: int = 0,
    cache: bool = True,
) -> None:
    """Refuse a task whose data :func:`make_task` could not give, without making them.

    Args:
        name: the task.
        source_size, target_size, more_shifts, seed, cache: as in :func:`make_task`.

    Raises:
        FileNotFoundError: a behaviour policy is not there, and the set that it makes is not cached;
            the message says how the policy is made.
    """
    task = Task.parse(name)
    for shift, count in _sets(task, source_size, target_size, more_shifts):
        try:
            _behaviours(task.robot, shift, task.quality)
        except FileNotFoundError:
            set_name = dataset_id(task.robot, shift, task.quality, count, seed)
            if not (cache and minari_store.is_local(set_name)):
                raise


def missing_policies(task: Task | str) -> list[str]:
    """What the package lacks to make a task's data: ``source``, ``target``, both or nothing."""
    task = Task.parse(task)
    missing = []
    for side, shift in (("source", task.source_shift), ("target", "nominal")):
        try:
            _behaviours(task.robot, shift, task.quality)
        except FileNotFoundError:
            missing.append(side)
    return missing


def _behaviours(robot: str, shift: str, quality: str) -> list:
    if quality == "medium-replay":
        return load_snapshots(robot, shift)
    if quality == "medium-expert":
        return [load_behaviour(robot, shift, q) for q in ("expert", "medium")]
    if quality == TUNED:
        return [load_behaviour(robot, shift, "tuned" if _has_oracle(shift) else "medium")]
    return [load_behaviour(robot, shift, quality)]


_CARD_KEYS = ("algorithm", "quality", "shift", "steps", "seed", "return_mean", "score", "sha256")


def _card(
    robot: str,
    shift: str,
    quality: str,
    seed: int,
    data: Transitions,
    policies: list[BehaviourPolicy],
) -> dict[str, Any]:
    spec = get_robot(robot)
    returns = whole_episode_returns(data, spec.max_episode_steps)
    score = float(spec.score(returns.mean()))
    return {
        "robot": robot,
        "shift": shift,
        "quality": quality,
        "rows": len(data),
        "seed": seed,
        "action_noise": spec.action_noise,
        "oracle": _has_oracle(shift),
        **({"robot_fingerprint": spec.fingerprint} if spec.fingerprint else {}),
        "behaviour": [{k: p.card[k] for k in _CARD_KEYS if k in p.card} for p in policies],
        "episodes": len(data.episode_ends()),
        "return_mean": round(float(returns.mean()), 1),
        "return_sd": round(float(returns.std()), 1),
        **({"score": round(score, 1)} if np.isfinite(score) else {}),
    }


def whole_episode_returns(data: Transitions, max_steps: int) -> np.ndarray:
    """Returns of the episodes that were not cut to size, of all if none is whole.

    Args:
        data: a set of this package's making: an episode ends in a fall, at the time limit or cut.
        max_steps: the time limit.
    """
    returns = data.episode_returns()
    whole = data.terminations[data.episode_ends()] | (data.episode_lengths() == max_steps)
    return returns[whole] if whole.any() else returns


def _has_oracle(shift: str) -> bool:
    """Whether the target robot takes each step too: on its own dynamics it would be the same."""
    return Shift.parse(shift) != NOMINAL


def _recipe(card: dict[str, Any]) -> tuple:
    weights = tuple((p.get("sha256"), p.get("steps")) for p in card.get("behaviour", []))
    robot = card.get("robot_fingerprint", "")
    return card.get("action_noise"), bool(card.get("oracle")), robot, weights


def _recipe_of(robot: str, shift: str, policies: list[BehaviourPolicy]) -> tuple:
    spec = get_robot(robot)
    return _recipe({
        "action_noise": spec.action_noise, "oracle": _has_oracle(shift),
        "robot_fingerprint": spec.fingerprint, "behaviour": [policy.card for policy in policies],
    })  # fmt: skip


@contextmanager
def _progress_bar(label: str, rows: int, shown: bool):
    if not shown or rows < 50_000:  # gone before the eye has found it
        yield lambda done: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} transitions"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(label, total=rows)
        yield lambda done: bar.update(task, completed=done)
