from .attacks import NO_ATTACK, Attack
from .suite import evaluate, grid

__all__ = ["NO_ATTACK", "Attack", "evaluate", "grid"]
