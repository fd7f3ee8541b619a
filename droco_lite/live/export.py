"""The lab's files: one script a robot, holding its models, policies and starts.

``python -m droco_lite.live.export FOLDER`` writes ``lab-ROBOT.js`` for each robot that the lab
shows: those of the package whose physics a page can run and whose behaviour policies are there.
Every number comes from the package: models from ``make_model``, starts from the robots' own
initial states, policies from their released weights.
"""

from __future__ import annotations

import argparse
import base64
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from droco_lite.agents.trained_policies import (
    WEIGHTS,
    TrainedPolicy,
    load_policy,
    policy_names,
)
from droco_lite.data.behaviour import POLICIES, BehaviourPolicy, available, load_network
from droco_lite.figures.colors import COLORS
from droco_lite.files import write_text
from droco_lite.live.model_tables import (
    STRENGTHS,
    all_shifts,
    nominal_fields,
    nominal_xml,
)
from droco_lite.robots import (
    LEVELS,
    NOMINAL,
    ROBOTS,
    BatchedRobot,
    Robot,
    Shift,
    get_robot,
    make_model,
    max_strength,
    record,
)
from droco_lite.robots.drawing import shifted_geoms
from droco_lite.robots.robot_file import robot_file_option, told_by

__all__ = [
    "LAB_ROBOTS",
    "array",
    "policy_facts",
    "require_shown",
    "robot_facts",
    "why_not_in_a_page",
    "write_scripts",
]

# Robots that the lab names first; the others follow as in ROBOTS.
_FIRST = ("walker2d", "halfcheetah")
# A page has the formulas of the record's class, written once more in JavaScript.
_FORMULAS = ("observation", "reward", "reward_state", "control")
#: Seeds whose starts the lab has: so many robots run in its swarm.
START_SEEDS = tuple(range(30))
RECORDED_STEPS = 300


def array(values: Any, dtype: str = "f8") -> dict[str, Any]:
    """Numbers as the lab reads them: type, shape and little-endian bytes in base64."""
    values = np.asarray(values, dtype=f"<{dtype}")
    data = base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
    return {"dtype": dtype, "shape": list(values.shape), "data": data}


# Robots ---------------------------------------------------------------------------------------


def why_not_in_a_page(spec: Robot) -> str:
    """Why no page can run a robot; empty where one can."""
    if any(getattr(type(spec), name) is not getattr(Robot, name) for name in _FORMULAS):
        return "its observation and reward are Python functions, which a browser cannot run"
    if spec.forward_weight != 1:
        return f"its reward weighs forward velocity by {spec.forward_weight:g}, the page's by 1"
    if spec.can_fall and spec.healthy_ranges is None:
        return "its record has no healthy_ranges, so a page does not know when its episodes end"
    return ""


def _has_policies(spec: Robot) -> bool:
    """Whether the package has the policies of the target and of the source that the lab shows."""
    shifts = (str(NOMINAL), spec.source_shifts.get("kinematic"))
    return all((POLICIES / f"{spec.name}-{shift}-medium.json").is_file() for shift in shifts)


def _lab_robots() -> tuple[str, ...]:
    found = [n for n, spec in ROBOTS.items() if not why_not_in_a_page(spec) and _has_policies(spec)]
    return (*(n for n in _FIRST if n in found), *(n for n in found if n not in _FIRST))


#: Robots that race in the lab: all that can.
LAB_ROBOTS = _lab_robots()


def require_shown(robot: str) -> None:
    """Refuse a robot that the lab cannot show.

    Raises:
        ValueError: there is no such robot, a page cannot run it, or its policies are missing.
    """
    spec = get_robot(robot)
    if why := why_not_in_a_page(spec):
        file = " --robot-file FILE" if spec.own else ""
        raise ValueError(
            f"robot: the live lab runs in a page and cannot show {robot!r}: {why}. Film it in "
            f"Python: 'python -m droco_lite.live.clips {robot} FOLDER{file}' makes its clips; "
            "record, render and write_clip of droco_lite.robots make any picture of it"
        )
    if not _has_policies(spec):
        raise ValueError(
            f"robot: the live lab has {', '.join(LAB_ROBOTS)}; {robot!r} lacks behaviour policies "
            "of quality medium, nominal and under its kinematic source shift: train and release "
            "them with 'python -m droco_lite.training.online'"
        )


def robot_facts(robot: str) -> dict[str, Any]:
    """A robot's physics for the lab: nominal model, shifts, reward, starts.

    Raises:
        ValueError: a page cannot run this robot.
    """
    spec = get_robot(robot)
    if why := why_not_in_a_page(spec):
        raise ValueError(f"robot: {robot!r}: {why}")
    model = make_model(robot)
    clip = spec.velocity_clip
    return {
        "robot": robot,
        "xml": nominal_xml(robot),
        "nominal": {name: array(values) for name, values in nominal_fields(robot).items()},
        "strengths": STRENGTHS,
        "levels": LEVELS,
        "shifts": {
            family: {
                variant: {
                    "max": max_strength(robot, Shift(family, variant, 1.0)),
                    "count": len(next(iter(table.values()))["rows"]),
                    "geoms": np.flatnonzero(
                        shifted_geoms(robot, Shift(family, variant, 1.0))
                    ).tolist(),
                    "fields": {
                        name: {"index": array(part["index"], "i4"), "rows": array(part["rows"])}
                        for name, part in table.items()
                    },
                }
                for variant, table in variants.items()
            }
            for family, variants in all_shifts(robot).items()
        },
        "source": get_robot(robot).source_shifts["kinematic"],
        # The limbs on the far side of the robot are drawn behind the others.
        "far": [g for g in range(model.ngeom) if "left" in model.geom(g).name],
        "planar": planar(model),
        "spec": {
            "observationSize": spec.observation_size,
            "actionSize": spec.action_size,
            "frameSkip": spec.frame_skip,
            "dt": model.opt.timestep * spec.frame_skip,
            "hiddenPositions": spec.hidden_positions,
            "velocityClip": None if np.isinf(clip) else clip,
            "controlCost": spec.control_cost,
            "healthyReward": spec.healthy_reward,
            "healthy": health_ranges(spec),
            "rewardReadsTorso": "xpos" in spec.reads,
            "maxSteps": spec.max_episode_steps,
            "minReturn": spec.min_return,
            "maxReturn": spec.max_return,
        },
        "starts": starts(robot),
    }


def health_ranges(spec: Robot) -> list[tuple[int, float, float]]:
    """Which entries of qpos followed by qvel lie between which bounds while an episode goes on."""
    # JSON has no infinity.
    return [(i, *np.clip((a, b), -1e300, 1e300)) for i, a, b in spec.healthy_ranges or ()]


def planar(model: mujoco.MjModel) -> bool:
    """Whether a robot moves in the plane of x and z alone, so that a side view shows all of it."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    along_y = np.abs(data.xaxis[:, 1])
    slides = (model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE) & (along_y < 1e-6)
    hinges = (model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE) & (along_y > 1 - 1e-6)
    return bool((slides | hinges).all())


def starts(robot: str) -> dict[str, Any]:
    """The states from which episodes of ``START_SEEDS`` begin, as the package's roll-outs do."""
    robots = BatchedRobot(robot, [NOMINAL] * len(START_SEEDS), START_SEEDS)
    return {"seeds": list(START_SEEDS), "qpos": array(robots.qpos), "qvel": array(robots.qvel)}


# Policies -------------------------------------------------------------------------------------


def _stack(layers, member: int = 0) -> list[dict[str, Any]]:
    return [
        {"weight": array(w[member].numpy(), "f2"), "bias": array(b[member, 0].numpy(), "f2")}
        for w, b in layers
    ]


def policy_facts(policy: TrainedPolicy | BehaviourPolicy, **facts: Any) -> dict[str, Any]:
    """A policy's networks for the lab.

    Args:
        policy: released by the package, so that its weights are float16 numbers.
        facts: what the lab says of it: ``label``, ``color``, ``kind``, ``returns``.
    """
    if isinstance(policy, BehaviourPolicy):
        return {"policy": _stack(policy.layers), **facts}
    found: dict[str, Any] = {"policy": _stack(policy.policy_layers)}
    if policy.value_layers:
        found["value"] = _stack(policy.value_layers)
    if policy.critic_layers:
        found["critics"] = [_stack(policy.critic_layers, k) for k in range(2)]
    return {**found, **facts}


def ensemble_facts(ensemble) -> dict[str, Any]:
    """The dynamics models for the lab. Scales are float32, as the released file's are rounded."""
    scales = ("input_mean", "input_std", "output_mean", "output_std")
    return {
        "members": [_stack(ensemble.layers, k) for k in range(ensemble.members)],
        **{name: array(getattr(ensemble, name).numpy(), "f4") for name in scales},
    }


def as_printed(settings: dict[str, Any]) -> bool:
    """Whether DROCO's settings, or those on a card, ask for the formula without a floor."""
    return settings.get("floor") in (-np.inf, "-inf", "-Infinity")


def label_of(settings: dict[str, Any]) -> tuple[str, str]:
    """How the lab names a trained policy, and the key of its colour in ``explore.COLORS``."""
    if settings["method"] == "droco":
        printed = ", as printed" if as_printed(settings) else ""
        return f"DROCO β = {settings['beta']:g}{printed}", "droco"
    if (method := settings["method"]) != "iql":
        return method.upper(), method if method in COLORS else method.partition("-")[0]
    target = ", target only" if settings.get("halves") == "target" else ""
    if settings.get("temperature") == 0:
        return f"cloning{target}", "cloning"
    return (f"IQL{target}" if target else "IQL*"), "iql"


def beta_of(settings: dict[str, Any]) -> float | None:
    """Where a trained policy stands along β: DROCO at its own, IQL* at 0; None off that axis."""
    if settings["method"] == "droco":
        return None if as_printed(settings) else float(settings["beta"])
    return 0.0 if label_of(settings)[0] == "IQL*" else None


def backup_facts(settings: dict[str, Any]) -> dict[str, float]:
    """What DROCO's backup needs of a run's settings, and where the run stands along β."""
    found = {
        key: value
        for key in ("beta", "delta", "floor", "ceiling", "discount")
        if isinstance(value := settings.get(key), (int, float)) and np.isfinite(value)
    }
    if (beta := beta_of(settings)) is not None:
        found["alongBeta"] = beta
    return found


def trained(robot: str, folder: Path = WEIGHTS) -> dict[str, TrainedPolicy]:
    """The released policies of a robot, by the name within the lab (without the robot)."""
    names = [name for name in policy_names(folder) if name.startswith(f"{robot}-")]
    return {name.removeprefix(f"{robot}-"): load_policy(name, folder) for name in names}


def policies(robot: str) -> dict[str, Any]:
    """Every policy that the lab offers for a robot: the trained ones, then behaviour policies."""
    found = {}
    for name, policy in trained(robot).items():
        label, color = label_of(policy.card["settings"])
        settings = policy.card["settings"]
        facts = {key: policy.card[key] for key in ("kind", "returns")}
        facts |= backup_facts(settings | {"floor": policy.card.get("floor")})
        if policy.ensemble is not None:
            facts["ensemble"] = policy.card["ensemble"]["file"]
        found[name] = policy_facts(policy, label=label, color=color, **facts)
    source = get_robot(robot).source_shifts["kinematic"]
    for card in available():
        if card["robot"] != robot or card["shift"] not in (str(NOMINAL), source):
            continue
        where = "target" if card["shift"] == str(NOMINAL) else "source"
        behaviour = load_network(robot, card["shift"], card["quality"])
        mean = card["return_mean"] if where == "target" else card["nominal_return_mean"]
        found[f"behaviour-{where}-{card['quality']}"] = policy_facts(
            behaviour,
            label=f"behaviour of the {where}, {card['quality']}",
            color=where,
            kind=f"TD3, {card['steps']:,} steps online",
            returns={"mean": round(mean, 1)},
        )
    return found


def recorded(robot: str) -> dict[str, Any]:
    """An episode of the source robot under its own behaviour policy: rows as in the data set."""
    shift = get_robot(robot).source_shifts["kinematic"]
    policy = load_network(robot, shift, "medium").with_noise(get_robot(robot).action_noise, seed=0)
    episode = record(robot, shift, policy, seed=0, steps=RECORDED_STEPS)
    return {
        "qpos": array(episode.qpos), "qvel": array(episode.qvel),
        "actions": array(episode.actions, "f4"), "rewards": array(episode.rewards),
    }  # fmt: skip


@functools.cache
def deviation(robot: str) -> np.ndarray:
    """The unit of noise in each observation column, ``[S]``.

    It is the column's spread over the behaviour policy's own episodes on the target robot, as
    ``evaluation.attacks`` takes it from the target's data.
    """
    policy = load_network(robot, NOMINAL, "medium").with_noise(
        get_robot(robot).action_noise, seed=0
    )
    spec, seen = get_robot(robot), []
    for seed in range(3):
        episode = record(robot, NOMINAL, policy, seed=seed)
        seen.append(spec.observation(episode.qpos[:-1], episode.qvel[:-1]))
    return np.concatenate(seen).std(axis=0)


def lab_facts(robot: str) -> dict[str, Any]:
    """Everything that the lab's page needs of a robot."""
    facts = robot_facts(robot)
    ensembles = {
        policy.card["ensemble"]["file"]: policy.ensemble
        for policy in trained(robot).values()
        if policy.ensemble is not None and facts["planar"]  # others have no ghosts in the page
    }
    return {
        **facts,
        "policies": policies(robot),
        "ensembles": {name: ensemble_facts(ensemble) for name, ensemble in ensembles.items()},
        "recorded": recorded(robot),
        "deviation": array(deviation(robot)),
        "colors": dict(COLORS),
    }


def script(robot: str) -> str:
    """A robot's file: a classic script, since a page on the disk may not fetch JSON."""
    facts = json.dumps(lab_facts(robot), ensure_ascii=False, separators=(",", ":"))
    return f'(globalThis.drocoLabRobots ??= {{}})["{robot}"] = {facts};\n'


def write_scripts(folder: str | Path, robots: Sequence[str] = LAB_ROBOTS) -> list[Path]:
    """Write each robot's file into a folder, whole or not at all.

    Raises:
        ValueError: the lab cannot show one of them; nothing is written then.
    """
    for robot in robots:
        require_shown(robot)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [write_text(folder / f"lab-{robot}.js", script(robot)) for robot in robots]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command: write the lab's robots and policies into a folder."""
    option = robot_file_option()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], parents=[option])
    parser.add_argument("folder", type=Path, help="where the scripts go; it is made if missing")
    parser.add_argument(
        "robots", nargs="*", help="these alone; else all that the lab shows, and yours of a file"
    )
    asked = parser.parse_args(arguments)
    own = [name for name, spec in ROBOTS.items() if spec.own]
    with told_by(parser):
        paths = write_scripts(asked.folder, asked.robots or (*LAB_ROBOTS, *own))
    for path in paths:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
