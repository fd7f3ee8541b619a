"""The old place of :mod:`droco_lite.figures.cliff`, until every chapter imports that."""

from droco_lite.figures.cliff import draw_cliff, draw_landing, draw_moves

__all__ = ["draw_cliff", "draw_landing", "draw_moves"]
