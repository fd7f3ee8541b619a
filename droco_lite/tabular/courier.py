"""A courier between a bridge, a road and a rest: six states, small enough to see every target.

He *crosses* a bridge to the goal in two steps and may fall off it; or *drives* by a road in three
and may get stuck in the mud, where he stays; or *rests* for a small reward. The source (a
simulator) knows the bridge as safe; the target does not. Used by the chapters on beta and delta.
"""

from typing import NamedTuple

import numpy as np

from droco_lite.tabular.checks import Array
from droco_lite.tabular.ensembles import fit_models
from droco_lite.tabular.operators import MDP, policy_values
from droco_lite.tabular.worlds import TabularData, sample_transitions

STATES = ("depot", "bridge", "road 1", "road 2", "goal", "ditch")
ACTIONS = ("cross", "drive", "rest")
DEPOT, BRIDGE, ROAD1, ROAD2, GOAL, DITCH = range(6)
CROSS, DRIVE, REST = range(3)
#: What can be done where: the (state, action) pairs that the data hold.
PAIRS = (
    (DEPOT, CROSS), (BRIDGE, CROSS), (DEPOT, DRIVE), (ROAD1, DRIVE), (ROAD2, DRIVE), (DEPOT, REST)
)  # fmt: skip
GAMMA = 0.9
#: Probabilities of a fall off the bridge and of getting stuck, in one step.
RISKS = {"source": (0.02, 0.1), "target": (0.25, 0.2), "deployed": (0.5, 0.4)}


def courier(fall: float, mud: float, ditch: float = 0.0) -> MDP:
    """Return the courier's world.

    Args:
        fall: probability of falling off the bridge, in [0, 1].
        mud: probability of staying where he is in a step by road, in [0, 1].
        ditch: reward of the ditch, where a fall ends. The goal pays 10, a rest 0.5.

    Raises:
        ValueError: ``fall`` or ``mud`` is no probability.
    """
    for name, value in (("fall", fall), ("mud", mud)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: expected a probability, got {value!r}")
    p = np.zeros((6, 3, 6))
    p[np.arange(6), :, np.arange(6)] = 1.0  # what cannot be done changes nothing
    p[[DEPOT, BRIDGE], CROSS] = 0.0
    p[DEPOT, CROSS, BRIDGE] = 1.0
    p[BRIDGE, CROSS, [GOAL, DITCH]] = 1 - fall, fall
    for here, there in ((DEPOT, ROAD1), (ROAD1, ROAD2), (ROAD2, GOAL)):
        p[here, DRIVE] = 0.0
        p[here, DRIVE, [there, here]] = 1 - mud, mud
    rewards = np.zeros((6, 3))
    rewards[GOAL], rewards[DITCH], rewards[DEPOT, REST] = 10.0, ditch, 0.5
    return MDP(p, rewards, GAMMA, terminal=np.isin(np.arange(6), [GOAL, DITCH]))


def courier_return(first: int, mdp: MDP) -> float:
    """Return the discounted return from the depot if his choice there is the action ``first``."""
    return float(policy_values(mdp, np.array([first, CROSS, DRIVE, DRIVE, REST, REST]))[DEPOT])


class CourierData(NamedTuple):
    """36 source rows, six from each pair of PAIRS, then 24 target rows, four from each.

    ``pairs`` [60] is the index into PAIRS of each row, ``rewards`` [60] and ``next_states`` [60]
    what followed, and ``predictions`` [36, N] one draw from each member for each source row: a
    table has no mean between *goal* and *ditch*.
    """

    pairs: Array
    rewards: Array
    next_states: Array
    predictions: Array


N_SOURCE = 36
_PAIR_OF_ROW = np.r_[np.repeat(range(6), 6), np.repeat(range(6), 4)]


def courier_data(seed: int, target: MDP | None = None, members: int = 3) -> CourierData:
    """Draw source and target rows, and what ``members`` bootstrapped models predict.

    Args:
        seed: of all that is drawn.
        target: the target's world; by default RISKS' own.
        members: N, models fitted on the 24 target rows.
    """
    rng = np.random.default_rng(seed)
    source = courier(*RISKS["source"])
    target = courier(*RISKS["target"]) if target is None else target
    s, t = _from_every_pair(source, 6, rng), _from_every_pair(target, 4, rng)
    models = fit_models(t, source.transitions, members, rng)
    levels = np.cumsum(models[:, s.states, s.actions], -1)
    predictions = (rng.random((members, len(s), 1)) >= levels).sum(-1).T.clip(max=5)
    return CourierData(
        _PAIR_OF_ROW, np.r_[s.rewards, t.rewards], np.r_[s.next_states, t.next_states], predictions
    )


def _from_every_pair(mdp: MDP, each: int, rng: np.random.Generator) -> TabularData:
    parts = []
    for pair in PAIRS:
        only = np.zeros((6, 3))
        only[pair] = 1.0
        one = sample_transitions(mdp, each, rng, only)
        parts.append((one.states, one.actions, one.rewards, one.next_states))
    return TabularData(*map(np.concatenate, zip(*parts, strict=True)))
