"""The live lab as a Jupyter widget, for kernels: JupyterLab, Colab, VS Code."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import ipywidgets
import traitlets

from droco_lite.agents.agent import Agent
from droco_lite.agents.trained_policies import TrainedPolicy, load_policy, stacks_of
from droco_lite.data.behaviour import BehaviourPolicy
from droco_lite.live.export import (
    backup_facts,
    ensemble_facts,
    lab_facts,
    label_of,
    policy_facts,
    require_shown,
)
from droco_lite.robots import max_strength, shift_values
from droco_lite.robots.shifts import SHIFT_TABLE, Shift
from droco_lite.training import Result

__all__ = ["Lab", "script_path"]

_HERE = Path(__file__).parent
CODE = "https://github.com/droco-lite/droco-lite"
SITE = "https://droco-lite.github.io/droco-lite"


def script_path() -> Path:
    """The lab's script: the one in the package, or the one that ``make book`` built in a checkout.

    Raises:
        FileNotFoundError: it has not been built; the message says how.
    """
    checkout = _HERE.parents[1]
    # A checkout's own build is never older than the copy that a wheel was made from.
    for path in (checkout / "book/vendor/lab.js", _HERE / "lab.js"):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"{_HERE / 'lab.js'}: the live lab's script is not built, as in an install from the "
        f"repository. Install the released wheel, which has it ({CODE}/releases), or take the lab "
        f"in the built book, which needs no kernel ({SITE}/book/deploying.html#live-lab). In a "
        "checkout with Node and npm run 'make book', or 'make wheel' for a wheel"
    )


def facts_of(policy: Any) -> dict[str, Any]:
    """A policy for the lab, from whatever of the package holds one.

    Args:
        policy: the name of a released policy, what ``load_policy`` or ``load_behaviour`` returned,
            a finished training or an agent of any method; of those run 0, or run ``k`` of
            ``(training, k)``.

    Raises:
        TypeError: something else.
        ValueError: there is no such run.
    """
    policy, run = policy if isinstance(policy, tuple) else (policy, 0)
    if isinstance(policy, str):
        policy = load_policy(policy)
    if isinstance(policy, BehaviourPolicy):
        return policy_facts(policy, label="behaviour", color="muted", kind="TD3", returns=None)
    if isinstance(policy, TrainedPolicy):
        label, color = label_of(policy.card["settings"])
        kept = {key: policy.card[key] for key in ("kind", "returns")}
        return policy_facts(policy, label=label, color=color, **kept)
    agent = policy.agent if isinstance(policy, Result) else policy
    if not isinstance(agent, Agent):
        raise TypeError(
            f"policies: the lab takes released policies, trainings and agents, not "
            f"{type(policy).__name__}"
        )
    if not isinstance(run, int) or not 0 <= run < len(agent.runs):
        raise ValueError(f"policies: run {run!r}; the training has runs 0 to {len(agent.runs) - 1}")
    return _facts_of_run(agent, run)


def _facts_of_run(agent: Agent, run: int) -> dict[str, Any]:
    """One run of an agent: its policy, and the critics and V that its method has."""
    stacks = stacks_of(agent, run, needs=("policy",))
    held = TrainedPolicy(
        "", {}, stacks["policy"], stacks.get("value", []), stacks.get("critics", []), None
    )
    settings = agent.runs[run].to_dict()
    for name, bounds in zip(("floor", "ceiling"), agent.backup_bounds(), strict=True):
        bound = bounds[run].item()  # of the data's own, known since the training
        if settings.get(name) is None and math.isfinite(bound):
            settings[name] = bound
    label, color = label_of(settings)
    facts: dict[str, Any] = {**backup_facts(settings)}
    if agent.ensemble is not None and "value" in stacks:  # the models are shown by V of theirs
        facts["models"] = ensemble_facts(agent.ensemble)
    return policy_facts(held, label=label, color=color, kind="just trained", returns=None, **facts)


class Lab(anywidget.AnyWidget):
    """The live lab of one robot.

    Every setting is a trait: set it, observe it, or tie it to a widget of your own.

    Attributes:
        family, variant, strength: the shift under which the robots run; no family is nominal.
        gravity, friction: strength of gravity's and friction's own shift, below 0 downwards.
        noise, attack: scale of the noise on observations and of the min-Q attack, in standard
            deviations.
        seed: of the start.
        swarm: whether thirty starts run at once.
        racing: names of the policies that race, one to four.

    Args:
        robot: one of ``LAB_ROBOTS`` of :mod:`droco_lite.live.export`: of the package's, those that
            a page can run.  Robots of your own observe and earn by Python functions, which it
            cannot; :mod:`droco_lite.live.clips` films them.
        views: ``"race"``, and ``"ghosts"`` for the mechanism where the robot has an ensemble.
        settings: any of the attributes; ``policies`` as in :attr:`policies`.

    Raises:
        FileNotFoundError: the lab's script has not been built.
        ValueError: the lab cannot show that robot, or the robot has no such shift.
    """

    _esm = _HERE / "widget.js"
    views = traitlets.List(traitlets.Unicode(), default_value=["race"]).tag(sync=True)
    family = traitlets.Unicode("").tag(sync=True)
    variant = traitlets.Unicode("").tag(sync=True)
    strength = traitlets.Float(0.0).tag(sync=True)
    gravity = traitlets.Float(0.0, min=-1, max=1).tag(sync=True)
    friction = traitlets.Float(0.0, min=-1, max=1).tag(sync=True)
    noise = traitlets.Float(0.0, min=0, max=1).tag(sync=True)
    attack = traitlets.Float(0.0, min=0, max=1).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=29).tag(sync=True)
    swarm = traitlets.Bool(False).tag(sync=True)
    racing = traitlets.List(traitlets.Unicode()).tag(sync=True)
    version = traitlets.Int(0).tag(sync=True)  # of the policies that the kernel has added

    #: Traits that :meth:`controls` gives a slider: description, least, largest.
    SLIDERS: ClassVar = {
        "strength": ("strength", 0.0, 4 / 3), "gravity": ("gravity", -1.0, 1.0),
        "friction": ("friction", -1.0, 1.0), "noise": ("noise", 0.0, 0.3),
        "attack": ("attack", 0.0, 0.3),
    }  # fmt: skip

    def __init__(self, robot: str = "walker2d", policies: Any = None, **settings: Any):
        require_shown(robot)
        self.robot = robot
        self._script = script_path()
        self._facts = lab_facts(robot)
        self._own: dict[str, Any] = {}
        super().__init__(**{"racing": list(self._facts["policies"])[:2], **settings})
        self.on_msg(self._answer)
        if policies is not None:
            self.policies = policies

    @property
    def policies(self) -> list[str]:
        """Names of all policies of this lab.

        Set a mapping of names to policies to add them and let them race: released ones by name, or
        what you have just trained, with any method; ``(training, k)`` is its run k.

        Raises:
            ValueError: when set to a policy with other columns, or to none or more than four.
        """
        return [*self._facts["policies"], *self._own]

    @policies.setter
    def policies(self, wanted: Mapping[str, Any] | list[str]) -> None:
        if isinstance(wanted, Mapping):
            added = {name: facts_of(policy) | {"label": name} for name, policy in wanted.items()}
            for name, facts in added.items():
                self._check_columns(name, facts["policy"])
            self._own |= added
            self.version += 1
        names = list(wanted)
        unknown = [name for name in names if name not in self.policies]
        if unknown or not 1 <= len(names) <= 4:
            raise ValueError(
                f"policies: one to four of {', '.join(self.policies)}, not {', '.join(names)}"
            )
        self.racing = names

    def _check_columns(self, name: str, layers: list[dict[str, Any]]) -> None:
        """Refuse a policy that was trained on another robot's columns."""
        spec = self._facts["spec"]
        ends = layers[0]["weight"]["shape"][0], layers[-1]["weight"]["shape"][1]
        if ends != (spec["observationSize"], spec["actionSize"]):
            raise ValueError(
                f"policies: {name!r} takes {ends[0]} observations and gives {ends[1]} actions, "
                f"{self.robot} has {spec['observationSize']} and {spec['actionSize']}"
            )

    @traitlets.validate("family")
    def _known_family(self, proposal):
        if proposal["value"] and proposal["value"] not in SHIFT_TABLE[self.robot]:
            known = ", ".join(SHIFT_TABLE[self.robot])
            raise ValueError(f"family: {self.robot} has {known}, not {proposal['value']!r}")
        return proposal["value"]

    @traitlets.validate("strength")
    def _possible_strength(self, proposal):
        most = 4 / 3
        if self.family and self.variant:
            shift = Shift(self.family, self.variant, 1.0)
            shift_values(self.robot, shift)  # names the variants where this one is unknown
            most = max_strength(self.robot, shift)
        if not 0 <= proposal["value"] <= most + 1e-9:
            raise ValueError(f"strength: goes from 0 to {most:g}, got {proposal['value']}")
        return proposal["value"]

    def controls(self) -> ipywidgets.VBox:
        """ipywidgets' own sliders, tied to this lab's traits in both directions."""
        sliders = []
        for name, (words, low, high) in self.SLIDERS.items():
            slider = ipywidgets.FloatSlider(
                min=low, max=high, step=0.01, value=getattr(self, name), description=words
            )
            traitlets.link((slider, "value"), (self, name))
            sliders.append(slider)
        return ipywidgets.VBox(sliders)

    def _answer(self, _widget, content: Any, _buffers: Any) -> None:
        """Send what the page asks for; large things go once, as bytes, and not into a notebook."""
        asked = content.get("ask", "") if isinstance(content, dict) else ""
        made = {
            "script": self._script.read_bytes,
            "robot": lambda: json.dumps(self._facts).encode(),
            "policies": lambda: json.dumps(self._own).encode(),
        }.get(asked)
        if made is not None:
            self.send({"answer": asked}, [made()])
