"""Controls that train beside a partner, with its settings, in one loop.

An arm of the method ``droco-shuffled`` is charged the penalties of a DROCO run of the same loop, on
other rows (:mod:`droco_lite.agents.shuffled`).  So it has its partner's settings:

.. code-block:: yaml

    arms: ["DROCO, β = 0.5", "DROCO, β = 0.5, shuffled", twin]
    settings:
      "DROCO, β = 0.5": {method: droco, beta: 0.5}
      "DROCO, β = 0.5, shuffled": {method: droco-shuffled}      # its label names its partner
      twin: {method: droco-shuffled, partner: "DROCO, β = 0.5"}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from droco_lite.agents import METHODS
from droco_lite.agents.agent import AgentSettings
from droco_lite.evaluation.arms import ARMS

if TYPE_CHECKING:
    from droco_lite.evaluation.study import Study

SHUFFLED, PARTNERS_METHOD = "droco-shuffled", "droco"
#: The partner's label and this make the control's label, where its settings name no partner.
SUFFIX = ", shuffled"

Own = Mapping[str, Mapping[str, Any]]


def partner_of(label: str, own: Own) -> str | None:
    """The label of the arm that a control trains beside; None for an arm that is no control.

    Args:
        label: of the arm.
        own: a study's settings by label. ``partner: LABEL`` among them names the partner; of a
            control without it whose label is "LABEL, shuffled", it is LABEL.
    """
    given = _given(label, own)
    control = given.get("method") == SHUFFLED and given.get("shuffled", True)
    usual = label.removesuffix(SUFFIX) if control else None
    return str(given["partner"]) if "partner" in given else usual


def arm_of(label: str, own: Own) -> dict[str, Any]:
    """Method and settings of an arm; a control has its partner's first.

    Args:
        label: of the arm.
        own: a study's settings by label.
    """
    given, partner = _given(label, own), partner_of(label, own)
    if partner is None:
        return given
    merged = {**_given(partner, own), "method": SHUFFLED, **given}
    return {key: value for key, value in merged.items() if key != "partner"}


def check_partner(study: Study, label: str) -> None:
    """Refuse a control that cannot be paired, before any data are made.

    Args:
        study: whose arms they are.
        label: of one of its arms.

    Raises:
        ValueError: the message names the arm and the key.
    """
    where, partner, given = f"settings of {label}", study.partner(label), study.arm(label)
    if partner is None:
        return
    if given["method"] != SHUFFLED or given.get("shuffled") is False:
        raise ValueError(f"{where}: only an arm of method {SHUFFLED} has a partner: leave it out")
    if partner == label:
        raise ValueError(f"{where}: a control needs a partner: add partner, the label of an arm")
    if partner not in study.arms:
        raise ValueError(f"arms: {label!r} is a control of {partner!r}: add that")
    once, theirs = study.once(label), study.once(partner)
    if theirs["method"] != PARTNERS_METHOD:
        raise ValueError(
            f"{where}: its partner {partner!r} has method {theirs['method']}; a control of method "
            f"{SHUFFLED} needs a partner of method {PARTNERS_METHOD}"
        )
    for key in theirs.keys() - {"method", "label"}:
        if once[key] != theirs[key]:
            raise ValueError(
                f"{where}: {key} is {once[key]}, and its partner {partner!r} has {theirs[key]}; "
                f"leave {key} out: a control takes its partner's settings"
            )


def beside(runs: Sequence[AgentSettings]) -> list[AgentSettings]:
    """The runs of a loop that holds a control: all of the control's class, as a stack must be."""
    kind = METHODS[SHUFFLED].Settings

    def changed(run: AgentSettings) -> AgentSettings:
        return run if type(run) is kind else kind.from_dict({**run.to_dict(), "shuffled": False})

    return [changed(run) for run in runs]


def _given(label: str, own: Own) -> dict[str, Any]:
    """Those of :data:`ARMS`, then the study's own."""
    return {**ARMS.get(label, {}), **own.get(label, {})}
