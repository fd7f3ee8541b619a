from . import agents, data, evaluation, explore, figures, live, report, robots, tabular, training
from .agents import (
    METHODS,
    BOSASettings,
    CQLSettings,
    DARASettings,
    DROCOSettings,
    IGDFSettings,
    IQLSettings,
    MICROSettings,
    OTDFSettings,
)
from .data import Task, Transitions, load, make_task
from .evaluation import evaluate, grid
from .robots import ROBOTS, Shift, make_model, register_robot
from .tabular import (
    KullbackLeiblerBall,
    TotalVariationBall,
    WassersteinBall,
    WindyCliff,
    rcb,
    robust,
    solve,
    standard,
)
from .training import LoopSettings, Result, train

__version__: str

__all__ = [
    "METHODS",
    "ROBOTS",
    "BOSASettings",
    "CQLSettings",
    "DARASettings",
    "DROCOSettings",
    "IGDFSettings",
    "IQLSettings",
    "KullbackLeiblerBall",
    "LoopSettings",
    "MICROSettings",
    "OTDFSettings",
    "Result",
    "Shift",
    "Task",
    "TotalVariationBall",
    "Transitions",
    "WassersteinBall",
    "WindyCliff",
    "agents",
    "data",
    "evaluate",
    "evaluation",
    "explore",
    "figures",
    "grid",
    "live",
    "load",
    "make_model",
    "make_task",
    "rcb",
    "register_robot",
    "report",
    "robots",
    "robust",
    "solve",
    "standard",
    "tabular",
    "train",
    "training",
]
