from .attacks import NO_ATTACK, Attack
from .distances import distances
from .suite import evaluate, grid

__all__ = ["NO_ATTACK", "Attack", "distances", "evaluate", "grid"]
