"""All robots by name: those of the package, and those that the user has registered.

Registering a robot is ``ROBOTS[name] = robot``, so that every table below and every part of the
package that asks for a robot has it at once.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping

from droco_lite.robots import models
from droco_lite.robots.robot import Robot

__all__ = ["OWN_ROBOT", "REFERENCE_RETURNS", "ROBOTS", "Table", "get_robot", "reference_returns"]

# The order in which tables and pictures show the robots; what is not named here follows.
_ORDER = ("hopper", "walker2d", "halfcheetah", "ant")


def _found() -> dict[str, Robot]:
    names = [module.name for module in pkgutil.iter_modules(models.__path__)]
    names.sort(key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    robots = [importlib.import_module(f"{models.__name__}.{name}").ROBOT for name in names]
    return {robot.name: robot for robot in robots}


ROBOTS: dict[str, Robot] = _found()

#: Called when a name is not in the table: who reads robots from elsewhere may add them then.
SEARCHES: list[Callable[[], None]] = []

OWN_ROBOT = (
    "a robot of your own needs --robot-file FILE on the command line, register_robot in Python"
)


class Table(Mapping):
    """A mapping from each robot's name to something of its record, live.

    Args:
        of: robot -> its entry.
        belongs: whether a robot has an entry; None for every robot.
    """

    def __init__(
        self, of: Callable[[Robot], object], belongs: Callable[[Robot], bool] | None = None
    ):
        self._of, self._belongs = of, belongs or (lambda robot: True)

    def __getitem__(self, name: str):
        if name in ROBOTS and self._belongs(ROBOTS[name]):
            return self._of(ROBOTS[name])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, robot in ROBOTS.items() if self._belongs(robot))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


def get_robot(name: str) -> Robot:
    """The robot of that name.

    Raises:
        ValueError: if there is none; the message lists the names.
    """
    try:
        if name not in ROBOTS:
            for search in SEARCHES:
                search()
        return ROBOTS[name]
    except (KeyError, TypeError):
        raise ValueError(
            f"robot: {name!r} is not one of {', '.join(ROBOTS)}; {OWN_ROBOT}"
        ) from None


# Returns (random, expert) that turn a return into a score, by who uses them.
# D4RL: Farama-Foundation/D4RL, d4rl/infos.py @0ace16d.  The book scores by these everywhere.
# ODRL: OffDynamicsRL/off-dynamics-rl, envs/infos.py @34bba73, for kinematic and morph; gravity and
# friction have a maximum per factor.
# OTDF: dmksjfl/OTDF, info.py @41e2e62.
def _source_table(source: str) -> Table:
    if source == "d4rl":
        return Table(
            lambda robot: (robot.min_return, robot.max_return), lambda robot: not robot.own
        )
    return Table(lambda robot: robot.references[source], lambda robot: source in robot.references)


#: benchmark -> robot -> (random, expert) return.
REFERENCE_RETURNS: dict[str, Table] = {
    source: _source_table(source)
    for source in dict.fromkeys(
        ("d4rl", *(s for robot in ROBOTS.values() for s in robot.references))
    )
}


def reference_returns(robot: str, source: str = "d4rl") -> tuple[float, float]:
    """Random and expert return of a robot according to one benchmark.

    Args:
        robot: name in :data:`ROBOTS`.
        source: key of :data:`REFERENCE_RETURNS`, such as ``"d4rl"`` or ``"odrl-gravity-0.5"``.
            Scores by different sources do not compare: the same Ant return is 1.30 times larger
            in D4RL's points than in ODRL's.

    Raises:
        ValueError: for an unknown robot or source, or a robot that the source does not have.
    """
    get_robot(robot)
    if source not in REFERENCE_RETURNS:
        raise ValueError(f"source: {source!r} is not one of {', '.join(REFERENCE_RETURNS)}")
    if robot not in REFERENCE_RETURNS[source]:
        raise ValueError(f"robot: {source} has no returns of {robot!r}; see its spec's own")
    return REFERENCE_RETURNS[source][robot]
