"""One run of online training: its settings, the folder it lies in, and how its checkpoint is read.

:mod:`droco_lite.training.online` trains it, :mod:`droco_lite.training.release` ships what it gave.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from droco_lite import files
from droco_lite.agents.settings import Settings, setting
from droco_lite.agents.td3 import HIDDEN
from droco_lite.robots import Shift, get_robot

#: :func:`~droco_lite.data.behaviour.read_card` says how ``return_sd`` differs from ``return_std``.
CURVE_COLUMNS = (
    "steps", "updates", "return_mean", "return_sd", "length_mean", "q", "td_error", "seconds",
)  # fmt: skip
# Checkpoints are chosen on episodes that start from these seeds, and reported on others.
SELECTION_SEED, REPORT_SEED = 1_000_000, 2_000_000

CHECKPOINT, REPLAY = "checkpoint.safetensors", "replay.f32"
_ELSEWHERE = "start again elsewhere (the environment variable DROCO_LITE_CACHE names the place)"
MEND = f"continue with its own settings, or {_ELSEWHERE}"
MEND_REPLAY = f"put a copy of the file in its place, or {_ELSEWHERE}"


@dataclass(frozen=True)
class OnlineSettings(Settings):
    """How one behaviour policy is trained. Everything here changes the result."""

    robot: str = setting(MISSING, help="the robot to train; it must be named")
    shift: str = setting("nominal", help="what is changed about it, such as gravity-up-hard")
    seed: int = setting(0, low=0, help="networks, noise and episodes")
    batch_size: int = setting(128, low=1, help="transitions in an update")
    learning_rate: float = setting(3e-4, low=0.0, help="Adam's step size")
    exploration_noise: float = setting(
        0.1, low=0.0, help="standard deviation of the noise on the actions taken"
    )
    random_steps: int = setting(
        10_000, low=0, help="first steps, with uniform actions and no updates"
    )
    rows: int = setting(1, low=1, help="episodes that run side by side; must divide segment_steps")
    updates_per_step: float = setting(1.0, low=0.0, help="updates for each environment step")
    segment_steps: int = setting(
        10_000, low=1, help="steps between checkpoints, evaluations and kept policies"
    )
    evaluation_episodes: int = setting(10, low=1, help="deterministic episodes of an evaluation")
    hidden: tuple[int, ...] = setting(HIDDEN, low=1, help="widths of both hidden layers")
    start: str = setting(
        "",
        help="quality of the nominal robot's behaviour policy to begin with, such as medium; it "
        "then takes the first random_steps, with noise; empty: random weights",
    )
    policy_after: int = setting(
        0, low=0, help="steps from which on the policy moves; before, only critics learn"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        get_robot(self.robot)
        object.__setattr__(self, "shift", str(Shift.parse(self.shift)))
        if self.segment_steps % self.rows:
            raise ValueError(f"rows: {self.rows} must divide segment_steps {self.segment_steps}")


def run_folder(settings: OnlineSettings) -> Path:
    """Folder of one run: its checkpoint, replay rows and policies."""
    return files.cache_folder() / "behaviour" / run_name(settings)


def run_name(settings: OnlineSettings) -> str:
    """Name of a run's folder and curve."""
    begun = f"-from-{settings.start}" if settings.start else ""
    return f"{settings.robot}-{settings.shift}{begun}-seed{settings.seed}"


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A run's record (settings, updates, curve) and its tensors.

    Raises:
        ValueError: it is no checkpoint of online training.
    """
    tensors, metadata = files.load_tensors(path, mend=MEND)
    try:
        return json.loads(metadata["record"]), tensors
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{path}: not a checkpoint of online training ({error!r}); {MEND}"
        ) from None
