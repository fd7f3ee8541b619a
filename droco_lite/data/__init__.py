"""Offline data: one schema, and every way to load or make it.

* :class:`Transitions`, the one schema (:mod:`droco_lite.data.transitions`);
* :func:`make_task` makes both data sets of a task of the paper (:mod:`droco_lite.data.tasks`);
* :func:`load` reads what others have made: a Minari id, an HDF5 file, a saved folder;
* :func:`load_behaviour` gives the policies that the made sets come from
  (:mod:`droco_lite.data.behaviour`).
"""

from droco_lite.data.behaviour import BehaviourPolicy, load_behaviour
from droco_lite.data.load import load
from droco_lite.data.tasks import TASKS, CrossDomainData, Task, make_task
from droco_lite.data.transitions import DataError, OracleTransitions, Transitions, concatenate

__all__ = [
    "TASKS",
    "BehaviourPolicy",
    "CrossDomainData",
    "DataError",
    "OracleTransitions",
    "Task",
    "Transitions",
    "concatenate",
    "load",
    "load_behaviour",
    "make_task",
]
