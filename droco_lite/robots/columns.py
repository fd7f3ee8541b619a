"""Does a policy see what a robot observes, and move its motors?  Asked before anything is run."""

from __future__ import annotations

from droco_lite.robots.registry import ROBOTS

__all__ = ["refuse_other_columns"]


def refuse_other_columns(
    what: str, found: tuple[int, int], whose: str, needed: tuple[int, int]
) -> None:
    """Refuse policies whose columns are not those of a robot, or of a data set.

    Args:
        what: the argument that holds the policies, with which the message begins.
        found: columns S that they take and A that they give.
        whose: the robot's name, or what else they are tried on.
        needed: its columns S and A.

    Raises:
        ValueError: the columns differ; the message says which robot they would fit, if any does.
    """
    if found == needed:
        return
    fits = [name for name, r in ROBOTS.items() if (r.observation_size, r.action_size) == found]
    other = f"name {' or '.join(fits)}, which they fit, or " if fits else ""
    raise ValueError(
        f"{what}: takes {found[0]} observation columns and gives {found[1]} actions, but {whose} "
        f"needs {needed[0]} and {needed[1]}; {other}give policies from [rows, {needed[0]}] to "
        f"[rows, {needed[1]}], which a training on {whose} makes"
    )
