"""Dual-robust cross-domain offline reinforcement learning, small enough to read.

The names that a first program needs can be taken from here; each room is loaded when one of its
names is asked for.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
