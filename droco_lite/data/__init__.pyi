from .behaviour import BehaviourPolicy, load_behaviour
from .names import TASKS, Task
from .plausible import DataWarning
from .reading import load
from .tasks import CrossDomainData, make_task
from .transitions import DataError, OracleTransitions, Transitions, concatenate

__all__ = [
    "TASKS",
    "BehaviourPolicy",
    "CrossDomainData",
    "DataError",
    "DataWarning",
    "OracleTransitions",
    "Task",
    "Transitions",
    "concatenate",
    "load",
    "load_behaviour",
    "make_task",
]
