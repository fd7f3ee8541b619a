"""The live lab: the book's robots and policies, running where the reader looks.

The static book runs them in the page (:mod:`droco_lite.live.export` writes its files). In
JupyterLab and on Colab the same lab is a widget::

    lab = droco_lite.live("walker2d", family="kinematic", variant="footjnt")
    lab                                  # shows it
    lab.strength = 0.7                   # moves its slider, and the robots run on
    lab.policies = {"mine": result}      # what `train` has just returned
"""

import sys
import types


class _Callable(types.ModuleType):
    """This package can be called: it shares its name with the lab that it makes."""

    def __call__(self, robot: str = "walker2d", **settings):
        """A :class:`droco_lite.live.widget.Lab`."""
        from droco_lite.live.widget import Lab

        return Lab(robot, **settings)


sys.modules[__name__].__class__ = _Callable
