"""Offline data: one schema, and every way to load or make it.

* :class:`Transitions`, the one schema (:mod:`droco_lite.data.transitions`);
* :func:`make_task` makes both data sets of a task of the paper (:mod:`droco_lite.data.tasks`);
* :func:`load` reads what others have made: a Minari id, an HDF5 file, a saved folder;
* :func:`load_behaviour` gives the policies that the made sets come from
  (:mod:`droco_lite.data.behaviour`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
