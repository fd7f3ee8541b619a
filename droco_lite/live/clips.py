"""Clips and stills of the live lab: what a page shows before it runs, in print, and without npm.

``python -m droco_lite.live.clips walker2d book/_static/lab`` records policies of the lab at four
strengths of one shift, from one start, and writes a short WebP and a still of each, with an index
that says what each shows: its own return, and the means of the card's seeds where the card has
them. Released trained policies are taken where there are any, and behaviour policies elsewhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from droco_lite.data.behaviour import load_behaviour
from droco_lite.files import atomic_file, write_json
from droco_lite.live.export import LAB_ROBOTS, label_of, trained
from droco_lite.provenance import as_json, provenance
from droco_lite.robots import NOMINAL, Shift, clip_frames, record, write_clip
from droco_lite.robots.rollouts import Policy

STRENGTHS = {"0": "nominal", "1/3": "easy", "2/3": "medium", "1": "hard"}
#: The shift of the clips: not the source's own.
SHIFTS = {
    "walker2d": ("kinematic", "footjnt"),
    "halfcheetah": ("morph", "torso"),
    "hopper": ("kinematic", "footjnt"),
}
WORDS = {
    ("kinematic", "footjnt"): "feet that lost range",
    ("morph", "torso"): "a torso of another size",
}
SEED, SECONDS, FPS, SIZE = 0, 4.0, 12.5, (360, 200)
MOST_BYTES = 4_000_000


def racers(robot: str) -> dict[str, tuple[str, Policy]]:
    """Name -> (label, policy) of what the clips show."""
    found: dict[str, tuple[str, Policy]] = {
        name: (f"{label_of(policy.card['settings'])[0]} ({policy.card['kind']})", policy.policy)
        for name, policy in trained(robot).items()
        if name == "iql" or name.startswith("droco")
    }
    return found or {
        "behaviour-target-medium": (
            "the behaviour policy of the target's data", load_behaviour(robot, NOMINAL, "medium")
        )
    }  # fmt: skip


def make(robot: str, folder: Path) -> Path:
    """Write a robot's clips, stills and index into a folder; returns the index's path.

    Raises:
        ValueError: the clips are larger than a page should carry.
    """
    family, variant = SHIFTS[robot]
    made, size = [], 0
    policies = racers(robot)
    for name, (label, policy) in policies.items():
        for number, (strength, level) in enumerate(STRENGTHS.items()):
            shift = NOMINAL if level == "nominal" else Shift.parse(f"{family}-{variant}-{level}")
            episode = record(robot, shift, policy, seed=SEED)
            frames = list(clip_frames(robot, shift, episode.qpos, *SIZE, fps=FPS, seconds=SECONDS))
            stem = f"{robot}-{name}-{number}"
            clip = write_clip(folder / f"{stem}.webp", frames, fps=FPS, quality=55)
            still = folder / f"{stem}-still.webp"
            with atomic_file(still) as temporary:
                picture = Image.fromarray(np.asarray(frames[len(frames) // 2]))
                picture.save(temporary, "WEBP", quality=70)
            size += clip.stat().st_size + still.stat().st_size
            steps, total = len(episode.rewards), episode.rewards.sum()
            worn = (
                "the nominal robot" if level == "nominal" else f"{WORDS[family, variant]}, {level}"
            )
            end = f"falls after {steps} steps" if steps < 1000 else "runs all 1,000 steps"
            made.append({
                "at": {"policy": name, "strength": strength}, "clip": clip.name,
                "still": still.name,
                "said": f"{label} on {worn}: it {end}, return {total:,.0f} from this start.",
            })  # fmt: skip
    if size > MOST_BYTES:
        raise ValueError(f"clips: {size / 1e6:.1f} MB for {robot}, more than {MOST_BYTES / 1e6} MB")
    axes = {
        "policy": {
            "label": "Policy",
            "options": [{"value": n, "text": label} for n, (label, _) in policies.items()],
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
    return write_json(folder / f"{robot}.json", index)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("robot", choices=LAB_ROBOTS)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    print(make(asked.robot, asked.folder))


if __name__ == "__main__":
    main()
