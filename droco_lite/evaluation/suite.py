"""The perturbation suite: many policies under many shifts, as rows of one simulated batch.

The DROCO paper deploys a trained policy on robots shifted once more, by ODRL's kinematic and
morphology variants at three levels.  Here levels are strengths 1/3, 2/3 and 1 of a continuous
:class:`~droco_lite.robots.Shift`, and gravity and friction join them.  Its second kind of
perturbation, disturbed observations, is in :mod:`droco_lite.evaluation.attacks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from droco_lite.agents.settings import per_run_values
from droco_lite.agents.snapshots import Policies, refuse_other_robot
from droco_lite.evaluation.attacks import CANDIDATES, NO_ATTACK, Attack, Disturbance, smaller_critic
from droco_lite.robots import NOMINAL, SHIFTS, Shift, get_robot, rollout_runs
from droco_lite.robots.families import FAMILIES
from droco_lite.training.loop import numpy_act


def evaluated() -> tuple[str, ...]:
    """Families that an evaluation takes unless it names some: ODRL's four, and any added since."""
    return tuple(name for name, family in FAMILIES.items() if family.evaluated)


@dataclass(frozen=True)
class Evaluation:
    """How the trained policies are tried.

    ``every`` is the spacing of evaluations in steps, and ``episodes`` their number for each shift.
    The last policy is tried on the nominal robot with ``final_episodes``, if that is more, and
    there under ``attacks``, since it has its critics at hand.
    """

    every: int = 10_000
    episodes: int = 10
    final_episodes: int = 0
    families: Sequence[str] = field(default_factory=evaluated)
    strengths: Sequence[float] = (1 / 3, 2 / 3, 1.0)
    attacks: Sequence[str] = ()
    seed: int = 20_000


def grid(
    robot: str,
    families: Sequence[str] | None = None,
    strengths: Sequence[float] = (1 / 3, 2 / 3, 1.0),
) -> list[Shift]:
    """The nominal robot, then every variant of ``families`` at every strength.

    Args:
        robot: name in ``ROBOTS``.
        families: names in ``FAMILIES``; None: all that the robot has.
        strengths: as shares of the strongest that a variant knows, (0, 1].

    Raises:
        ValueError: an unknown robot or family, or a strength that a variant cannot have.
    """
    get_robot(robot)
    known = SHIFTS[robot]
    families = list(known) if families is None else families
    for family in families:
        if family not in known:
            raise ValueError(f"family {family!r} of {robot} is none of {', '.join(known)}")
    shifts = [
        Shift(family, variant, strength)
        for family in families
        for variant in known[family]
        for strength in strengths
    ]
    return [NOMINAL, *shifts]


def evaluate(
    agent: Policies,
    robot: str,
    shifts: Sequence[Shift | str],
    *,
    episodes: int = 10,
    seed: int = 20_000,
    rows: int = 1024,
    attacks: Sequence[Attack | str] = (NO_ATTACK,),
    deviation: np.ndarray | None = None,
    candidates: int = CANDIDATES,
) -> pd.DataFrame:
    """Every run of ``agent`` under every attack and every shift: one line each.

    Args:
        agent: R stacked policies, as :func:`droco_lite.training.train` or
            :func:`droco_lite.training.export.restore` return them; the min-Q attack asks an agent's
            critics, all else takes any :class:`~droco_lite.agents.snapshots.Policies`.
        robot: name in ``ROBOTS`` of the robot that they are put into; its observations and actions
            must be the policies'.
        shifts: what is changed about it, as :func:`grid` lists them; texts or shifts.
        seed: of the starts, see ``episodes``.
        episodes: episodes of each policy under each shift; episode e starts from ``seed + e``
            everywhere, so that policies and shifts are compared on the same starts.
        rows: most robots simulated side by side.
        attacks: what is done to observations, each under each shift.
        deviation: ``[S]``, the unit of an attack's scale in each observation column: their standard
            deviation in the target's data, ``data.target.observations.std(0)``.
        candidates: points that the min-Q attack tries at each step.

    Returns:
        A table with ``run``, the run's per-run settings, ``shift``, ``family``, ``variant``,
        ``strength``, ``attack``, ``scale``, ``return_mean``, ``return_std`` (over episodes),
        ``score`` and ``episodes``.

    Raises:
        ValueError: an unknown robot or shift, policies of other columns than the robot's, an
            attack without ``deviation``, or the min-Q attack on what has no critics.
    """
    spec = get_robot(robot)
    refuse_other_robot(agent, robot)
    robots, kinds = [Shift.parse(shift) for shift in shifts], [Attack.parse(a) for a in attacks]
    attacked = [attack for attack in kinds if attack.kind != "none"]
    if attacked and deviation is None:
        raise ValueError(
            f"attack {attacked[0]}: deviation is missing; give the standard deviation of each "
            "observation column in the target's data, data.target.observations.std(0)"
        )
    if any(attack.kind == "min-q" for attack in kinds):
        smaller_critic(agent)  # refuses what has none before anything is simulated
    runs = len(agent.runs)
    at_once = max(1, rows // (runs * episodes))
    parts = [robots[k : k + at_once] for k in range(0, len(robots), at_once)]
    act = numpy_act(agent)
    same = {"episodes": episodes, "seed": seed}

    def returns_under(attack: Attack) -> np.ndarray:  # [R, shifts, episodes]
        def one(part: list[Shift]) -> np.ndarray:
            disturbed = None
            if attack.kind != "none" and deviation is not None:
                disturbed = Disturbance(
                    agent, attack, deviation=deviation, candidates=candidates, **same
                )
            return rollout_runs(
                robot, part, act, runs=runs, observation_filter=disturbed, **same
            ).returns

        return np.concatenate([one(part) for part in parts], axis=1)

    returns = [returns_under(attack) for attack in kinds]
    lines = []
    for r, run in enumerate(agent.runs):
        for attack, found in zip(kinds, returns, strict=True):
            for shift, values in zip(robots, found[r], strict=True):
                lines.append(
                    {"run": r, "method": run.method, **per_run_values(run)}
                    | {"shift": str(shift), "family": shift.family, "variant": shift.variant}
                    | {"strength": shift.strength, "attack": attack.kind, "scale": attack.scale}
                    | {"return_mean": values.mean()}
                    | {"return_std": values.std(ddof=min(1, episodes - 1))}
                    | {"score": float(spec.score(values.mean())), "episodes": episodes}
                )
    return pd.DataFrame(lines)
