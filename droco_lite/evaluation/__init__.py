"""Evaluation: trained policies under shifts that they have not seen."""

from droco_lite.evaluation.attacks import NO_ATTACK, Attack
from droco_lite.evaluation.suite import evaluate, grid

__all__ = ["NO_ATTACK", "Attack", "evaluate", "grid"]
