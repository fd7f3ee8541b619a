"""Releasing a behaviour policy: choose a checkpoint of a run, score it, ship it with its card."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from droco_lite import files
from droco_lite.data.behaviour import QUALITIES, BehaviourPolicy, policy_folder, read_card
from droco_lite.data.gate import recorded_reference, share
from droco_lite.provenance import provenance
from droco_lite.robots import Robot, get_robot, rollout
from droco_lite.training.online_run import (
    CHECKPOINT,
    CURVE_COLUMNS,
    REPORT_SEED,
    SELECTION_SEED,
    OnlineSettings,
    read_checkpoint,
    run_folder,
    run_name,
)

SNAPSHOTS = 7
GATE = 1 / 3
_NOT_OF_SNAPSHOTS = (
    "updates", "length_mean", "nominal_return_mean", "nominal_return_sd", "selection",
)  # fmt: skip


def release(
    settings_or_folder: OnlineSettings | Path,
    quality: str,
    policies: Path | None = None,
    results: Path | None = None,
    gate: bool = False,
    note: str = "",
    candidates: int = 5,
    selection_episodes: int = 20,
    episodes: int = 100,
) -> dict[str, Any]:
    """Choose a checkpoint of a run, score it on fresh episodes, write weights, card and curve.

    "medium" is the checkpoint whose return is nearest to a third of D4RL's expert return, steady
    ones preferred (distance plus half the standard deviation); "expert" the one with the highest
    return.  The ``candidates`` best on the learning curve are scored again on
    ``selection_episodes``.  The best of them is reported on ``episodes`` others, with its weights
    rounded to float16 as they are shipped.  "medium" comes with :data:`SNAPSHOTS` policies spread
    over the training up to it, from which medium-replay is made.

    For a robot without an expert return, the goal of "medium" lies a third of the way from its
    curve's first return to its best.

    Args:
        policies: folder of weights and cards; None takes the package's, or for a robot of one's own
            :func:`~droco_lite.data.behaviour.policy_folder`, where ``make_task`` looks for them.
        results: folder of the curve; None takes ``results/behaviour``, or for a robot of one's own
            the policies' folder.
        gate: consider only checkpoints that keep less than a third of their return when put into
            the nominal robot: a source whose policy works in the target leaves nothing to teach.
        note: for the card: what a reader should know and the numbers do not say.

    Returns:
        The card, see :func:`droco_lite.data.behaviour.read_card`.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: it cannot be read, the quality is not one of ``QUALITIES``, or no candidate
            passes the gate.
    """
    if quality not in QUALITIES:
        raise ValueError(f"quality: {quality!r} is not one of {', '.join(QUALITIES)}")
    given = settings_or_folder
    folder = given if isinstance(given, Path) else run_folder(given)
    settings, record = recorded(folder / CHECKPOINT)
    if (quality == "tuned") != bool(settings.start):
        raise ValueError(
            f"quality: 'tuned' is for runs that started from a policy, this one started from "
            f"{settings.start or 'random weights'!r}"
        )
    spec, curve = get_robot(settings.robot), record["curve"]
    policies = policy_folder(spec.name) if policies is None else policies
    if results is None:
        results = policies if spec.own else Path("results/behaviour")
    goal = _medium_goal(spec, curve) if quality == "medium" else math.inf
    trained = [row for row in curve if row["updates"] > 0]
    trials = _trials(folder, settings, trained, goal, candidates, selection_episodes)
    best = _best(trials, goal, gate, folder.name, _reference(spec, curve))
    selection = {
        "goal": round(goal, 1) if quality == "medium" else "highest return",
        "gate": gate,
        "episodes": selection_episodes,
        "seed": SELECTION_SEED + 1000,
        "candidates": trials,
    }
    chosen = next(row for row in curve if row["steps"] == best["steps"])
    policy = kept_policy(folder, int(best["steps"]))
    scores = _scores(settings, policy, episodes)
    card = _card(settings, quality, chosen, scores, selection, note)
    name = f"{settings.robot}-{settings.shift}"
    _ship([policy], card, policies / f"{name}-{quality}.safetensors")
    if quality == "medium":
        before = [row for row in trained if row["steps"] <= best["steps"]]
        _ship_snapshots(folder, settings, before, card, policies / f"{name}-snapshots.safetensors")
    write_curve(settings, curve, results)
    return read_card(policies / f"{name}-{quality}.json")


def _cost(mean: float, sd: float, goal: float) -> float:
    """Distance from the goal plus half the deviation, or minus the return; smaller is better."""
    return abs(mean - goal) + sd / 2 if math.isfinite(goal) else -mean


def _trials(
    folder: Path,
    settings: OnlineSettings,
    trained: list[dict[str, float]],
    goal: float,
    candidates: int,
    episodes: int,
) -> list[dict[str, float]]:
    """The best checkpoints of the learning curve, each tried on further episodes."""
    ranked = sorted(trained, key=lambda row: _cost(row["return_mean"], row["return_sd"], goal))
    trials = []
    for row in ranked[:candidates]:
        steps = int(row["steps"])
        result = rollout(
            settings.robot, [settings.shift, "nominal"], kept_policy(folder, steps),
            episodes=episodes, seed=SELECTION_SEED + 1000, threads=1,
        )  # fmt: skip
        (mean, elsewhere), (sd, _) = result.returns.mean(1), result.returns.std(1)
        trials.append({
            "steps": steps, "return_mean": round(mean, 1), "return_sd": round(sd, 1),
            "nominal_return_mean": round(elsewhere, 1),
        })  # fmt: skip
    return trials


def _best(
    trials: list[dict[str, float]], goal: float, gate: bool, name: str, reference: float = 0.0
) -> dict[str, float]:
    """The trial of least cost, among those that pass the gate if there is one.

    Shares of a return are measured from ``reference``, as in :mod:`droco_lite.data.gate`.
    """
    passing = [
        t for t in trials if share(t["nominal_return_mean"], t["return_mean"], reference) < GATE
    ]
    if gate and not passing:
        raise ValueError(
            f"{name}: none of {[t['steps'] for t in trials]} keeps less than a third of its"
            " return in the nominal robot; train another seed or shift, or release without the gate"
        )
    return min(
        passing if gate else trials,
        key=lambda t: _cost(t["return_mean"], t["return_sd"], goal),
    )


def _scores(settings: OnlineSettings, policy: BehaviourPolicy, episodes: int) -> dict[str, Any]:
    """Returns for the card, on fresh episodes of the run's own robot and of the nominal one."""
    result = rollout(
        settings.robot, [settings.shift, "nominal"], policy, episodes=episodes, seed=REPORT_SEED,
        threads=1,
    )  # fmt: skip
    returns, transferred = result.returns
    return {
        "episodes": episodes,
        "return_mean": round(returns.mean(), 1),
        "return_sd": round(returns.std(), 1),
        "length_mean": round(result.lengths[0].mean(), 1),
        "nominal_return_mean": round(transferred.mean(), 1),
        "nominal_return_sd": round(transferred.std(), 1),
        "score": _score(get_robot(settings.robot), returns.mean()),
        "evaluation_seed": REPORT_SEED,
    }


def _card(
    settings: OnlineSettings,
    quality: str,
    chosen: dict[str, float],
    scores: dict[str, Any],
    selection: dict[str, Any],
    note: str,
) -> dict[str, Any]:
    spec, source = get_robot(settings.robot), provenance()
    return {
        "robot": settings.robot,
        "shift": settings.shift,
        "quality": quality,
        "algorithm": "TD3",
        "steps": int(chosen["steps"]),
        "updates": int(chosen["updates"]),
        "seed": settings.seed,
        **scores,
        "selection": selection,
        **({"note": note} if note else {}),
        "settings": asdict(settings),
        "observation_size": spec.observation_size,
        "action_size": spec.action_size,
        "hidden": list(settings.hidden),
        "dtype": "float16",
        "commit": source["commit"],
        "date": source["date"],
        "versions": source["versions"],
    }


def _ship_snapshots(
    folder: Path,
    settings: OnlineSettings,
    before: list[dict[str, float]],
    card: dict[str, Any],
    path: Path,
) -> None:
    """Policies spread over the training up to "medium", from which medium-replay is made."""
    places = np.linspace(0, len(before) - 1, min(SNAPSHOTS, len(before))).round().astype(int)
    rows = [before[place] for place in places]
    spread = {
        **{k: v for k, v in card.items() if k not in _NOT_OF_SNAPSHOTS},
        "quality": "snapshots",
        "steps": [int(row["steps"]) for row in rows],
        "episodes": settings.evaluation_episodes,
        "evaluation_seed": SELECTION_SEED,
        "return_mean": [round(row["return_mean"], 1) for row in rows],
        "return_sd": [round(row["return_sd"], 1) for row in rows],
        "score": [_score(get_robot(settings.robot), row["return_mean"]) for row in rows],
    }
    _ship([kept_policy(folder, steps) for steps in spread["steps"]], spread, path)


def _medium_goal(spec: Robot, curve: list[dict[str, float]]) -> float:
    if spec.max_return <= 0:  # rewards are costs: a third of the way from a random policy's
        return spec.min_return + (spec.max_return - spec.min_return) / 3
    if math.isfinite(spec.max_return):
        return spec.max_return / 3
    returns = [row["return_mean"] for row in curve]
    return returns[0] + (max(returns) - returns[0]) / 3


def _reference(spec: Robot, curve: list[dict[str, float]]) -> float:
    known = recorded_reference(spec.name)
    return curve[0]["return_mean"] if known is None else known


def _score(spec: Robot, mean: float) -> float | None:
    """Rounded; None for a robot without reference returns, as JSON knows no NaN."""
    score = float(spec.score(mean))
    return round(score, 1) if math.isfinite(score) else None


def write_curve(settings: OnlineSettings, curve: list[dict[str, float]], results: Path) -> Path:
    """The learning curve as CSV, with a provenance record of the same name beside it."""
    path = results / f"{run_name(settings)}.csv"
    lines = [",".join(CURVE_COLUMNS)]
    lines += [",".join(f"{row[column]:.6g}" for column in CURVE_COLUMNS) for row in curve]
    files.write_text(path, "\n".join(lines) + "\n")
    given = {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if getattr(settings, field.name) != field.default
    }
    if "hidden" in given:
        given["hidden"] = " ".join(map(str, settings.hidden))
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in given.items())
    command = f"python -m droco_lite.training.online train {options}"
    source = provenance(
        command=f"{command} --steps {int(curve[-1]['steps'])}",
        seeds=[settings.seed],
        threads=1,
        settings=asdict(settings),
        wall_time_seconds=round(curve[-1]["seconds"], 1),
        evaluation=f"{settings.evaluation_episodes} deterministic episodes from seed"
        f" {SELECTION_SEED}, the ones checkpoints are chosen on",
    )
    files.write_json(path.with_suffix(".json"), source)
    return path


def recorded(path: Path) -> tuple[OnlineSettings, dict[str, Any]]:
    """Settings and record of a run, from its checkpoint.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: the file is no checkpoint of one.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such run; train it first")
    record, _ = read_checkpoint(path)
    return OnlineSettings(**record["settings"]), record


def kept_policy(folder: Path, steps: int) -> BehaviourPolicy:
    """The policy kept at ``steps``, rounded to float16."""
    kept, _ = files.load_tensors(folder / "policies" / f"{steps:09d}.safetensors")
    tensors = [kept[f"actor.{i}"].half().float() for i in range(len(kept))]
    return BehaviourPolicy(list(zip(tensors[::2], tensors[1::2], strict=True)))


def _ship(policies: list[BehaviourPolicy], card: dict[str, Any], path: Path) -> None:
    """Write a stack of policies and their card; the card goes last and names the weights' hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for i in range(len(policies[0].layers)):
        tensors[f"weight.{i}"] = torch.cat([policy.layers[i][0] for policy in policies]).half()
        tensors[f"bias.{i}"] = torch.cat([policy.layers[i][1] for policy in policies]).half()
    files.save_tensors(path, tensors)
    card["sha256"] = files.digest(path)
    files.write_json(path.with_suffix(".json"), card)
    files.seal(path.parent)
