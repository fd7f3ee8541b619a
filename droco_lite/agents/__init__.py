"""Agents: stacked networks, the dynamics ensemble, three cores, and one file per method."""

from droco_lite.agents.agent import Agent, AgentSettings
from droco_lite.agents.bosa import BOSA, BOSASettings
from droco_lite.agents.bounds import BoundedDROCO, BoundedDROCOSettings
from droco_lite.agents.cql import CQL, CQLSettings
from droco_lite.agents.dara import DARA, DARASettings
from droco_lite.agents.droco import DROCO, DROCOSettings
from droco_lite.agents.ensemble import Ensemble, EnsembleSettings, ensemble_of, fit_ensemble
from droco_lite.agents.igdf import IGDF, IGDFSettings
from droco_lite.agents.iql import IQL, IQLSettings
from droco_lite.agents.micro import MICRO, MICROSettings
from droco_lite.agents.oracle import OracleDROCO, OracleDROCOSettings
from droco_lite.agents.otdf import OTDF, OTDFSettings
from droco_lite.agents.sac import SAC, SACSettings
from droco_lite.agents.shuffled import ShuffledDROCO, ShuffledDROCOSettings
from droco_lite.agents.wide import WideDROCO, WideDROCOSettings

METHODS: dict[str, type[Agent]] = {
    agent.Settings.method: agent
    for agent in (
        *(IQL, CQL, BOSA, DARA, IGDF, OTDF, MICRO, DROCO),
        *(ShuffledDROCO, OracleDROCO, BoundedDROCO, WideDROCO),
    )
}
"""Method name -> class; its settings are ``METHODS[name].Settings``."""

__all__ = [
    "BOSA",
    "CQL",
    "DARA",
    "DROCO",
    "IGDF",
    "IQL",
    "METHODS",
    "MICRO",
    "OTDF",
    "SAC",
    "Agent",
    "AgentSettings",
    "BOSASettings",
    "BoundedDROCO",
    "BoundedDROCOSettings",
    "CQLSettings",
    "DARASettings",
    "DROCOSettings",
    "Ensemble",
    "EnsembleSettings",
    "IGDFSettings",
    "IQLSettings",
    "MICROSettings",
    "OTDFSettings",
    "OracleDROCO",
    "OracleDROCOSettings",
    "SACSettings",
    "ShuffledDROCO",
    "ShuffledDROCOSettings",
    "WideDROCO",
    "WideDROCOSettings",
    "ensemble_of",
    "fit_ensemble",
]
