"""The names of the tasks: robot x quality x family of the source's shift.

Nothing here makes data, so that what only reads a task's name loads neither torch nor MuJoCo.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from droco_lite.robots import ROBOTS, Shift, get_robot
from droco_lite.robots.families import task_families
from droco_lite.robots.registry import OWN_ROBOT

#: The paper's four, and one of ours: in ``medium-tuned`` the source's policy is the target's medium
#: one, trained on under the source's shift, as a simulator's is that was tuned from the robot's.
PAPER_QUALITIES = ("medium", "medium-replay", "medium-expert", "expert")
TUNED = "medium-tuned"
QUALITIES = (*PAPER_QUALITIES, TUNED)

#: The paper's robots in the order of its tables, which is that of tasks; others follow. Readers
#: are told the robots as ``ROBOTS`` has them.
PAPER_ROBOTS = ("halfcheetah", "hopper", "walker2d", "ant")


@dataclass(frozen=True)
class Task:
    """One cell of the paper's table: a robot, a quality and the family of the source's shift.

    Attributes:
        robot, quality, family: one of ``ROBOTS``, ``QUALITIES`` and ``task_families()``.
        shift: a source shift of the user's own in place of the family's, which then says nothing.
            Only shifts with a behaviour policy can be made into data.

    Raises:
        ValueError: a part is not known; the message lists what is.
    """

    robot: str
    quality: str = "medium"
    family: str = "kinematic"
    shift: str = ""

    def __post_init__(self) -> None:
        if self.robot not in ROBOTS:
            # Robot files that the environment names are read before the robot is refused.
            with suppress(ValueError):
                get_robot(self.robot)
        for kind, value, known in (
            ("robot", self.robot, ROBOTS),
            ("quality", self.quality, QUALITIES),
            ("family", self.family, task_families()),
        ):
            if value not in known:
                advice = f"; {OWN_ROBOT}" if kind == "robot" else ""
                raise ValueError(f"{kind}: {value!r} is not one of {', '.join(known)}{advice}")
        if self.shift:
            object.__setattr__(self, "shift", str(Shift.parse(self.shift)))

    @classmethod
    def parse(cls, text: str | Task) -> Task:
        """Read ``"halfcheetah-medium"`` or ``"hopper-medium-replay-morphology"``.

        The family is ``kinematic`` where none is given.  ``"hopper-medium@gravity-up-0.5"`` names a
        source shift that is not in the table.  The inverse of ``str``.

        Raises:
            ValueError: the text names no task.
        """
        if isinstance(text, Task):
            return text
        text, at, shift = text.partition("@")
        robot, _, rest = text.partition("-")
        family = cls.family
        for name in task_families():
            if rest.endswith(f"-{name}"):
                rest, family = rest.removesuffix(f"-{name}"), name
        if not rest or bool(at) != bool(shift):
            raise ValueError(
                f"task: {text!r} is not ROBOT-QUALITY or ROBOT-QUALITY-FAMILY, such as "
                "halfcheetah-medium or hopper-medium-replay-morphology"
            )
        return cls(robot, rest, family, shift)

    def __str__(self) -> str:
        family = "" if self.family == Task.family else f"-{self.family}"
        shift = f"@{self.shift}" if self.shift else ""
        return f"{self.robot}-{self.quality}{family}{shift}"

    @property
    def source_shift(self) -> str:
        """The shift of the source robot, as :meth:`droco_lite.robots.Shift.parse` reads it.

        Raises:
            ValueError: the robot's record has none of this family, and the task names none.
        """
        if self.shift:
            return self.shift
        shifts = get_robot(self.robot).source_shifts
        if self.family not in shifts:
            raise ValueError(
                f"task: {self} has no source: robot {self.robot!r} has no source shift of the "
                f"family {self.family!r}; give it source_shifts={{{self.family!r}: 'SHIFT'}}, or "
                f"name one here, such as {self.robot}-{self.quality}@gravity-up-0.5"
            )
        return shifts[self.family]


def robots() -> tuple[str, ...]:
    """Names of all robots in the order of the paper's tables, the user's own last."""
    others = [name for name in ROBOTS if name not in PAPER_ROBOTS]
    return (*(name for name in PAPER_ROBOTS if name in ROBOTS), *others)


def all_tasks() -> tuple[Task, ...]:
    """Every quality of the paper of every robot and family that has a source shift, now."""
    return tuple(
        Task(robot, quality, family)
        for family in task_families()
        for robot in robots()
        if family in ROBOTS[robot].source_shifts
        for quality in PAPER_QUALITIES
    )


def shipped_qualities() -> tuple[str, ...]:
    """The qualities whose policies come with the package, for one robot or more."""
    tuned = any(Path(__file__).with_name("policies").glob("*-tuned.safetensors"))
    return QUALITIES if tuned else PAPER_QUALITIES


#: The package's tasks, as long as no robot was registered before this file was imported;
#: :func:`all_tasks` also has those of the user's own robots.
TASKS = all_tasks()
#: A pair outside the paper's table: HalfCheetah with OTDF's locked thigh.
OTDF_TASK = Task("halfcheetah", "medium", shift="otdf-kinematic-backthighjnt-hard")


def gate_tasks() -> tuple[Task, ...]:
    """The tasks whose gates are run: the paper's, OTDF's pair, and those with a tuned source."""
    tasks = all_tasks()  # with robots of the user's own, which come after this file was imported
    tuned = tuple(Task(t.robot, TUNED, t.family) for t in tasks if t.quality == "medium")
    return (*tasks, OTDF_TASK, *tuned)
