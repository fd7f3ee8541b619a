from .behaviour import BehaviourPolicy, load_behaviour
from .names import TASKS, Task
from .plausible import DataWarning
from .reading import load
from .recorded import Recordings, load_recordings
from .tasks import CrossDomainData, make_task
from .transitions import DataError, OracleTransitions, Transitions, concatenate

__all__ = [
    "TASKS",
    "BehaviourPolicy",
    "CrossDomainData",
    "DataError",
    "DataWarning",
    "OracleTransitions",
    "Recordings",
    "Task",
    "Transitions",
    "concatenate",
    "load",
    "load_behaviour",
    "load_recordings",
    "make_task",
]
