"""Training: packed rows, one loop for eager, compiled and graphed steps, checkpoints and logs."""

from droco_lite.training.checkpoint import CheckpointError
from droco_lite.training.health import TrainingError
from droco_lite.training.loop import LoopSettings, Result, choose_device, train

__all__ = ["CheckpointError", "LoopSettings", "Result", "TrainingError", "choose_device", "train"]
