"""Trained policies that come with the package, each with its value function and ensemble.

::

    found = load_policy("walker2d-droco-0.5")
    found.policy(observations)              # actions [n, A]
    found.value(observations)               # V [n]
    found.ensemble.predict(s, a)            # next observations of the seven models; None for IQL
    found.card["kind"], found.card["returns"]

A name is ROBOT-METHOD, and for DROCO ROBOT-droco-BETA. The networks lie in ``weights/`` as float16
with a JSON card; an ensemble has a file of its own, named after its content, so that runs that
share one share the file, and a robot may have several.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from droco_lite.agents.agent import Agent
from droco_lite.agents.ensemble import Ensemble
from droco_lite.agents.networks import Layers, mlp
from droco_lite.files import cache_folder, read_json, write_bytes, write_json
from droco_lite.provenance import as_json, provenance
from droco_lite.robots import get_robot

__all__ = [
    "WEIGHTS", "TrainedPolicy", "load_policy", "policy_names", "release_policy", "weights_folder",
]  # fmt: skip

WEIGHTS = Path(__file__).parent / "weights"
_CARD_KEYS = ("robot", "settings", "kind", "returns", "sha256", "ensemble")
_INTEGERS = ("elites", "epochs")


@dataclass(frozen=True)
class TrainedPolicy:
    """One run's networks.

    Attributes:
        name: as given to :func:`load_policy`.
        card: robot, settings, data, returns of each seed, versions and the command.
        policy_layers, value_layers, critic_layers: stacks of one network (two for the critics).
        ensemble: the N dynamics models, or None where the method has none.
    """

    name: str
    card: dict[str, Any]
    policy_layers: Layers
    value_layers: Layers
    critic_layers: Layers
    ensemble: Ensemble | None

    @torch.no_grad()
    def policy(self, observations: np.ndarray) -> np.ndarray:
        """Deterministic actions tanh(pi(s)), [n, A] float32, for observations [n, S]."""
        x = torch.as_tensor(np.asarray(observations), dtype=torch.float32)
        return torch.tanh(mlp(self.policy_layers, x[None]))[0].numpy()

    @torch.no_grad()
    def value(self, observations: np.ndarray) -> np.ndarray:
        """V(s), [n] float32, for observations [n, S]."""
        x = torch.as_tensor(np.asarray(observations), dtype=torch.float32)
        return mlp(self.value_layers, x[None])[0, :, 0].numpy()

    @torch.no_grad()
    def critic(self, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """min_j Q_j(s, a), [n] float32."""
        both = np.concatenate([observations, actions], axis=1)
        x = torch.as_tensor(both, dtype=torch.float32).expand(2, -1, -1)
        return mlp(self.critic_layers, x).amin(0)[:, 0].numpy()


def weights_folder(robot: str) -> Path:
    """Where a robot's trained policies lie: in the package, or in the cache for one's own."""
    return cache_folder() / "weights" if get_robot(robot).own else WEIGHTS


def policy_names(folder: Path = WEIGHTS) -> list[str]:
    """The names that :func:`load_policy` knows, in order."""
    return sorted(p.stem for p in Path(folder).glob("*.json"))


def load_policy(name: str, folder: Path = WEIGHTS) -> TrainedPolicy:
    """A trained policy with its value function, critics, ensemble and card.

    Args:
        name: ROBOT-METHOD or ROBOT-droco-BETA, such as ``"walker2d-droco-0.5"``.
        folder: where weights and cards lie; see :func:`weights_folder` for a robot of one's own.

    Raises:
        FileNotFoundError: there is no such policy; the message lists what there is.
        ValueError: a file is damaged, or does not belong to its card.
    """
    folder = Path(folder)
    path = folder / f"{name}.json"
    if not path.is_file():
        there = ", ".join(policy_names(folder)) or "none"
        raise FileNotFoundError(f"{path}: no such trained policy. There are: {there}")
    card = read_json(path, "fetch the file again")
    missing = [key for key in _CARD_KEYS if key not in card]
    if missing:
        raise ValueError(f"{path}: the card has no {missing[0]!r}; fetch the file again")
    named = _read(folder / f"{name}.safetensors", card["sha256"])
    stacks = {
        kind: _layers({n.removeprefix(f"{kind}."): t for n, t in named.items()})
        for kind in ("policy", "value", "critics")
    }
    ensemble = None
    if card["ensemble"]:
        tensors = _read(folder / card["ensemble"]["file"], card["ensemble"]["sha256"])
        for key in _INTEGERS:
            tensors[key] = tensors[key].long()
        ensemble = Ensemble.from_tensors(tensors)
    return TrainedPolicy(name, card, stacks["policy"], stacks["value"], stacks["critics"], ensemble)


def release_policy(agent: Any, run: int, path: Path, *, robot: str, **facts: Any) -> Path:
    """Write one run of an IQL or DROCO agent where :func:`load_policy` finds it.

    Args:
        agent: as ``train`` returns it.
        run: which of its runs.
        path: folder and name, without a suffix.
        robot: name in ``ROBOTS``.
        facts: what else the card says; ``kind`` and ``returns`` (by seed) have to be among them.

    Returns:
        The path of the weights. Networks are rounded to float16. Ensembles of the robot that no
        card names any more are removed.

    Raises:
        ValueError: the agent is not of IQL's family, a fact is missing, or nobody could say later
            from which commit the card was written.
        OverflowError: a weight is too large for float16; nothing is written then.
    """
    stacks = stacks_of(agent, run)
    for key in ("kind", "returns"):
        if key not in facts:
            raise ValueError(f"release_policy: the card needs {key!r}")
    about = provenance(**as_json(facts))
    if about["commit"] is None:
        raise ValueError(
            "release_policy: there is no git checkout here, so the card would name no commit; "
            "release from a checkout, or name the commit in the variable DROCO_LITE_COMMIT"
        )
    tensors = {}
    for kind, stack in stacks.items():
        for k, (weight, bias) in enumerate(stack):
            tensors[f"{kind}.weight.{k}"], tensors[f"{kind}.bias.{k}"] = weight, bias
    content, digest = _packed(tensors)
    shared = None
    if agent.ensemble is not None:
        models, models_digest = _packed(agent.ensemble.tensors())
        file = path.parent / f"{robot}-ensemble-{models_digest[:12]}.safetensors"
        write_bytes(file, models)
        shared = {"file": file.name, "sha256": models_digest}
    weights = path.parent / f"{path.name}.safetensors"
    write_bytes(weights, content)
    card = {
        **about, "robot": robot, "settings": agent.runs[run].to_dict(), "dtype": "float16",
        "sha256": digest, "ensemble": shared,
    }  # fmt: skip
    write_json(path.parent / f"{path.name}.json", as_json(card), checksum=True)
    _remove_unnamed_ensembles(path.parent, robot)
    return weights


def _remove_unnamed_ensembles(folder: Path, robot: str) -> None:
    """Remove a robot's ensembles of earlier releases that no card names any more."""
    names = policy_names(folder)
    cards = [read_json(folder / f"{name}.json", "fetch the file again") for name in names]
    named = {card["ensemble"]["file"] for card in cards if card.get("ensemble")}
    for file in folder.glob(f"{robot}-ensemble*.safetensors"):
        if file.name not in named:
            file.unlink()


def stacks_of(
    agent: Agent, run: int, needs: Sequence[str] = ("policy", "value", "critics")
) -> dict[str, Layers]:
    """Policy, and where there are such V and both critics, of one run: on the CPU, no gradients.

    Raises:
        ValueError: the agent lacks one of ``needs``: only those of IQL's family have a V, and only
            values of ReLU networks can be kept.
    """
    stacks = agent.stacks()
    if not set(needs) <= stacks.keys():
        raise ValueError(
            f"{type(agent).__name__}: only IQL and DROCO agents have V and a policy, and only "
            "values of ReLU networks can be kept"
        )
    agent.whole_policy()  # refuses a method that acts otherwise than by these layers
    # Critics are stacked critic by critic, all runs of the first before the second's.
    rows = slice(run, None, len(agent.runs))
    return {
        kind: [(weight.detach()[rows].cpu(), bias.detach()[rows].cpu()) for weight, bias in stack]
        for kind, stack in stacks.items()
    }


def _layers(named: dict[str, Tensor]) -> Layers:
    """The layers among tensors by name; names of other stacks keep their own beginning."""
    depth = sum(name.startswith("weight.") for name in named)
    return [(named[f"weight.{k}"], named[f"bias.{k}"]) for k in range(depth)]


def _read(path: Path, expected: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: these weights are missing; fetch the file again")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        raise ValueError(
            f"{path}: not the weights its card describes (sha256 differs); fetch the file again"
        )
    try:
        return {name: tensor.float() for name, tensor in load(content).items()}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file ({error}); fetch it again") from None


def _packed(tensors: dict[str, Tensor]) -> tuple[bytes, str]:
    """The tensors as float16 in a file's bytes, and their sha256.

    Raises:
        OverflowError: a number is too large for float16.
    """
    halves = {
        name: (t if name in _INTEGERS else t.detach().cpu().half()).contiguous()
        for name, t in tensors.items()
    }
    for name, t in halves.items():
        if not torch.isfinite(t).all():
            raise OverflowError(f"{name} holds a number that is too large for float16")
    content = save(halves)
    return content, hashlib.sha256(content).hexdigest()
