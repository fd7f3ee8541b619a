"""Training: packed rows, one loop for eager, compiled and graphed steps, checkpoints and logs."""

from droco_lite.training.checkpoint import CheckpointError
from droco_lite.training.device import choose_device
from droco_lite.training.health import TrainingError
from droco_lite.training.loop import LoopSettings, Result, train

__all__ = ["CheckpointError", "LoopSettings", "Result", "TrainingError", "choose_device", "train"]
