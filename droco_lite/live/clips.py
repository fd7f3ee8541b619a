"""Clips and stills of the live lab: what a page shows before it runs, in print, and without npm.

``python -m droco_lite.live.clips walker2d book/_static/clips`` records policies of the lab at four
strengths of one shift, from one start, and writes a short WebP and a still of each, with an index
that says what each shows: its own return, and the return of every trained seed where the card has
it. Trained policies are taken where a robot has any: DROCO's by their β, IQL* standing at β = 0.
Elsewhere the target's behaviour policy stands in. What has not changed is not filmed again. A robot
of the reader's own is filmed as well: ``clips my_robot FOLDER --robot-file my_robot.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from droco_lite import files
from droco_lite.agents.trained_policies import weights_folder
from droco_lite.data.behaviour import load_behaviour
from droco_lite.evaluation.arms import file_name
from droco_lite.files import atomic_file
from droco_lite.live.export import beta_of, label_of, trained
from droco_lite.provenance import as_json, provenance
from droco_lite.robots import NOMINAL, SHIFTS, Shift, clip_frames, get_robot, record, write_clip
from droco_lite.robots.robot_file import robot_file_option, told_by
from droco_lite.robots.rollouts import Policy

STRENGTHS = {"0": "nominal", "1/3": "easy", "2/3": "medium", "1": "hard"}
SEED, SECONDS, FPS, SIZE = 0, 4.0, 12.5, (360, 200)
MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Racer:
    """A policy that the clips show: the words of its option, its weights' hash, its returns."""

    option: str
    label: str
    policy: Policy
    made_from: str
    returns: dict[str, dict[str, float]]  # strength -> seed -> mean return


def shown_shift(robot: str) -> tuple[str, str]:
    """The shift of a robot's clips without its strength, and what it means in words."""
    spec = get_robot(robot)
    if spec.clip_shift is not None:
        return spec.clip_shift
    source = Shift.parse(spec.source_shifts.get("kinematic", NOMINAL))
    found = next(
        f"{family}-{variant}"
        for family, variants in SHIFTS[robot].items()  # every robot has two of gravity
        for variant in variants
        if (family, variant) != (source.family, source.variant)
    )
    return found, found


def racers(robot: str, weights: Path) -> dict[str, Racer]:
    """Value of the clips' first axis -> what it shows: β, or the name of a behaviour policy."""
    found: dict[str, Racer] = {}
    for policy in trained(robot, weights).values():
        card, settings = policy.card, policy.card["settings"]
        beta, label = beta_of(settings), label_of(settings)[0]
        if beta is None:
            continue
        option = f"{beta:g}" if beta else f"0, which is {label}"
        worn = card.get("worn", {})
        known = worn.get("returns", {}) if worn.get("shift") == shown_shift(robot)[0] else {}
        found[f"{beta:g}"] = Racer(
            option, f"{label} ({card['kind']})", policy.policy, card["sha256"],
            {"0": card["returns"], **known},
        )  # fmt: skip
    if found:
        return dict(sorted(found.items(), key=lambda item: float(item[0])))
    label = "the behaviour policy of the target's data"
    own = get_robot(robot).policies.get(str(NOMINAL), {})
    quality = "expert" if "expert" in own and "medium" not in own else "medium"
    behaviour = load_behaviour(robot, NOMINAL, quality)
    racer = Racer(label, label, behaviour, behaviour.card["sha256"], {})
    return {f"behaviour-target-{quality}": racer}


def film(robot: str, racer: Racer, name: str, number: int, folder: Path) -> dict[str, Any]:
    """Record one policy at one strength: clip, still, and what is said of them."""
    spec, (changed, words) = get_robot(robot), shown_shift(robot)
    strength, level = list(STRENGTHS.items())[number]
    shift = NOMINAL if level == "nominal" else Shift.parse(f"{changed}-{level}")
    episode = record(robot, shift, racer.policy, seed=SEED)
    frames = list(clip_frames(robot, shift, episode.qpos, *SIZE, fps=FPS, seconds=SECONDS))
    stem = f"{robot}-{file_name(name)}-{number}"
    clip = write_clip(folder / f"{stem}.webp", frames, fps=FPS, quality=55)
    still = folder / f"{stem}-still.webp"
    with atomic_file(still) as temporary:
        picture = Image.fromarray(np.asarray(frames[len(frames) // 2]))
        picture.save(temporary, "WEBP", quality=70)
    steps, total = len(episode.rewards), episode.rewards.sum()
    worn = "the nominal robot" if level == "nominal" else f"{words}, {level}"
    ends = "ends" if spec.own else "falls"  # what ends an own robot's episode need not be a fall
    most = spec.max_episode_steps
    end = f"{ends} after {steps} steps" if steps < most else f"runs all {most:,} steps"
    shown = f"{total:,.0f}".replace("-", "−")
    return {
        "clip": clip.name, "still": still.name, "returns": racer.returns.get(strength, {}),
        "said": f"{racer.label} on {worn}: it {end}, return {shown} from this start.",
    }  # fmt: skip


def make(robot: str, folder: Path, weights: Path | None = None) -> Path:
    """Write a robot's clips, stills and index into a folder; returns the index's path.

    Args:
        robot: name in ``ROBOTS``.
        folder: where they go; clips there of the same weights are kept.
        weights: folder of the trained policies; None takes the robot's :func:`weights_folder`.

    Raises:
        FileNotFoundError: the robot has neither trained policies nor one of its data.
        ValueError: the clips are larger than a page should carry.
    """
    policies = racers(robot, weights or weights_folder(robot))
    path = folder / f"{robot}.json"
    spec = get_robot(robot)
    # A robot of the reader's own may change while its policies stay.
    own = {"robot": spec.fingerprint, "shift": shown_shift(robot)[0]} if spec.own else {}
    kept = files.read_json(path, "move it away") if path.is_file() else {"clips": []}
    made: list[dict[str, Any]] = []
    for name, racer in policies.items():
        for number, strength in enumerate(STRENGTHS):
            about: dict[str, Any] = {
                "at": {"policy": name, "strength": strength},
                "made_from": {"weights": racer.made_from, "label": racer.label, **own},
            }  # fmt: skip
            found = [
                clip for clip in kept["clips"]
                if about.items() <= clip.items() and (folder / clip["clip"]).is_file()
                and clip["returns"] == racer.returns.get(strength, {})
            ]  # fmt: skip
            made.append(found[0] if found else about | film(robot, racer, name, number, folder))
    names = {clip[kind] for clip in made for kind in ("clip", "still")}
    size = sum((folder / name).stat().st_size for name in names)
    if size > MOST_BYTES:
        raise ValueError(f"clips: {size / 1e6:.1f} MB for {robot}, more than {MOST_BYTES / 1e6} MB")
    axes = {
        "policy": {
            "label": "β" if "0" in policies or len(policies) > 1 else "Policy",
            "options": [{"value": n, "text": racer.option} for n, racer in policies.items()],
        },
        "strength": {
            "label": "Strength",
            "options": [{"value": s, "text": f"{s}, {level}"} for s, level in STRENGTHS.items()],
        },
    }
    index = {
        "width": SIZE[0], "height": SIZE[1], "axes": axes, "clips": made,
        "made": provenance(**as_json({"seed": SEED})),
    }  # fmt: skip
    written = files.write_json(path, index)
    for old in folder.glob(f"{robot}-*.webp"):  # of policies that are no longer shown
        if old.name not in names:
            old.unlink()
    return written


def main(arguments: Sequence[str] | None = None) -> None:
    """The command: make the clips of one robot."""
    option = robot_file_option()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], parents=[option])
    parser.add_argument("robot", help="whose clips are made")
    parser.add_argument("folder", type=Path, help="where they go, such as book/_static/clips")
    parser.add_argument(
        "--weights", type=Path,
        help="folder of trained policies and cards (the package's; for yours in the cache)",
    )  # fmt: skip
    asked = parser.parse_args(arguments)
    with told_by(parser):
        print(make(asked.robot, asked.folder, asked.weights))


if __name__ == "__main__":
    main()
