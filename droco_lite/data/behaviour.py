"""Behaviour policies: the shipped controllers whose episodes are the data sets.

Each is a small network trained online with TD3 (:mod:`droco_lite.training.online`) on one robot
under one shift.  Its weights lie in ``policies/`` as float16 with a JSON card that says
what it scores and how it came about::

    policy = load_behaviour("halfcheetah", "kinematic-thighjnt-hard", "medium")
    policy(observations)                                  # deterministic
    policy.with_noise(0.2, seed=0)(observations)          # as the data sets are collected
    policy.card["return_mean"]

``python -m droco_lite.training.online`` makes more, with its commands ``train`` and ``release``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from droco_lite import files
from droco_lite.files import cache_folder
from droco_lite.robots import NOMINAL, Shift, get_robot, shift_values

__all__ = [
    "POLICIES",
    "QUALITIES",
    "BehaviourPolicy",
    "Controller",
    "available",
    "load_behaviour",
    "load_snapshots",
    "policy_folder",
    "read_card",
]

POLICIES = Path(__file__).parent / "policies"
#: "tuned" is the nominal robot's medium policy after further training on a shifted robot.
TUNED = "tuned"
#: What a card says of a policy that is a function of the user's: nothing of it was trained here.
CONTROLLER = "a controller of the user's"
QUALITIES = ("medium", "expert", TUNED)
_CARD_KEYS = (
    "robot", "shift", "quality", "observation_size", "action_size", "hidden", "sha256", "steps",
    "seed", "episodes", "return_mean", "return_sd", "score", "versions",
)  # fmt: skip


#: Actions before noise are multiples of this: the finest that a controller's converter would tell
#: apart, and a power of two, so that float32 holds them exactly.
RESOLUTION = 2.0**-16


@dataclass(frozen=True)
class BehaviourPolicy:
    """a = tanh(μ(s)), plus clipped normal noise if asked for.

    Attributes:
        layers: pairs (weight [1, in, out], bias [1, 1, out]), ReLU between them.
        card: where it came from and what it scores; see :func:`read_card`.
        noise: standard deviation of the noise added to the action.
        rng: the noise's generator.
    """

    layers: Sequence[tuple[Tensor, Tensor]]
    card: dict[str, Any] = field(default_factory=dict)
    noise: float = 0.0
    rng: np.random.Generator | None = None

    @cached_property
    def _double(self) -> list[tuple[Tensor, Tensor]]:
        return [(weight[0].double(), bias[0].double()) for weight, bias in self.layers]

    @torch.no_grad()
    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """Actions [n, A] float32 in [-1, 1] for observations [n, S].

        They are the same on every processor, and so are the data made with them: a walking robot
        doubles a difference in the last bit every few steps. Sums are taken in float64 and actions
        rounded to :data:`RESOLUTION`, ten orders above what the order of a sum can change.
        """
        x = torch.as_tensor(np.asarray(observations, dtype=np.float32)).double()
        for weight, bias in self._double[:-1]:
            x = torch.addmm(bias, x, weight).relu_()
        weight, bias = self._double[-1]
        exact = torch.addmm(bias, x, weight).tanh_().numpy()
        actions = (np.round(exact / RESOLUTION) * RESOLUTION).astype(np.float32)
        if self.rng is not None and self.noise > 0:
            actions += self.noise * self.rng.standard_normal(actions.shape, dtype=np.float32)
            np.clip(actions, -1.0, 1.0, out=actions)
        return actions

    def with_noise(self, sigma: float, seed: int | Sequence[int]) -> BehaviourPolicy:
        """The same policy exploring with N(0, σ²) noise, drawn from a generator of its own.

        Raises:
            ValueError: if sigma is negative or not finite.
        """
        if not (np.isfinite(sigma) and sigma >= 0):
            raise ValueError(f"sigma: must be finite and not negative, got {sigma}")
        return BehaviourPolicy(self.layers, self.card, sigma, np.random.default_rng(seed))


@dataclass(frozen=True)
class Controller:
    """A controller of the user's own, from the ``policies`` of a registered robot.

    Attributes:
        robot: whose it is.
        function: observations [n, S] to actions [n, A].
        card: ``algorithm``, ``quality``, ``shift``, ``steps`` and ``sha256``, the hash of its
            answers to fixed observations: data made with another function are made anew.
    """

    robot: str
    function: Callable[[np.ndarray], np.ndarray]
    card: dict[str, Any] = field(default_factory=dict)

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """Actions [n, A] float32, clipped to [-1, 1], for observations [n, S].

        Raises:
            ValueError: the function gives another shape, or something not finite.
        """
        size = (len(observations), get_robot(self.robot).action_size)
        actions = np.asarray(self.function(observations), dtype=np.float32)
        if actions.shape != size or not np.isfinite(actions).all():
            found = f"shape {actions.shape}" if actions.shape != size else "numbers not finite"
            raise ValueError(
                f"robot {self.robot!r}: its policy {self.card.get('quality', '')} under "
                f"{self.card.get('shift', '')} gave {found}; return finite actions of shape {size}"
            )
        return np.clip(actions, -1.0, 1.0)


def _controller(robot: str, shift: Shift | str, quality: str) -> Controller | None:
    """The user's own controller, where the robot's record has one."""
    spec, shift = get_robot(robot), str(Shift.parse(shift))
    function = spec.policies.get(shift, {}).get(quality)
    if function is None:
        return None
    card = {
        "algorithm": CONTROLLER, "quality": quality, "shift": shift, "steps": 0,
    }  # fmt: skip
    probe = np.random.default_rng(0).uniform(-1, 1, (64, spec.observation_size)).astype(np.float32)
    answers = np.round(Controller(robot, function, card)(probe), 4).tobytes()
    return Controller(robot, function, {**card, "sha256": hashlib.sha256(answers).hexdigest()})


def policy_folder(robot: str) -> Path:
    """Where a robot's behaviour policies lie: in the package, or in the cache for one's own."""
    return cache_folder() / "policies" if get_robot(robot).own else POLICIES


def load_behaviour(
    robot: str,
    shift: Shift | str = NOMINAL,
    quality: str = "medium",
    folder: Path | None = None,
) -> BehaviourPolicy | Controller:
    """A behaviour policy with its card: shipped, trained by the user, or a controller of theirs.

    Args:
        robot: name in ``ROBOTS``.
        shift: the dynamics it was trained under.
        quality: ``"medium"``, ``"expert"`` or ``"tuned"``.
        folder: where weights and cards lie; None takes :func:`policy_folder`, after the
            controllers that a robot of the user's own was registered with.

    Raises:
        FileNotFoundError: that policy is not there; the message lists what is, and the command
            that trains it.
        ValueError: card and weights do not belong together, or a file is damaged.
    """
    own = _controller(robot, shift, quality) if folder is None else None
    return load_network(robot, shift, quality, folder) if own is None else own


def load_network(
    robot: str,
    shift: Shift | str = NOMINAL,
    quality: str = "medium",
    folder: Path | None = None,
) -> BehaviourPolicy:
    """A trained behaviour policy with its card, as :func:`load_behaviour` finds it.

    Raises:
        FileNotFoundError: that policy is not there; the message lists what is.
        ValueError: card and weights do not belong together, or a file is damaged.
    """
    path = _path(robot, shift, quality, folder)
    card = read_card(path.with_suffix(".json"))
    (layers,) = _read_weights(path, card)
    return BehaviourPolicy(layers, card)


def load_snapshots(
    robot: str, shift: Shift | str = NOMINAL, folder: Path | None = None
) -> list[BehaviourPolicy]:
    """Policies spread over the training up to "medium", oldest first: they make medium-replay.

    Each one's card has its own ``steps`` and ``return_mean`` (a few evaluation episodes).

    Raises:
        FileNotFoundError: they are not there; the message lists what is.
        ValueError: card and weights do not belong together, or a file is damaged.
    """
    path = _path(robot, shift, "snapshots", folder)
    card = read_card(path.with_suffix(".json"))
    stack = _read_weights(path, card)
    if not len(stack) == len(card["steps"]) == len(card["return_mean"]):
        raise ValueError(f"{path}: {len(stack)} policies, but the card lists {card['steps']}")
    facts = zip(card["steps"], card["return_mean"], strict=True)
    return [
        BehaviourPolicy(layers, {**card, "steps": steps, "return_mean": mean})
        for layers, (steps, mean) in zip(stack, facts, strict=True)
    ]


def available(folder: Path = POLICIES) -> list[dict[str, Any]]:
    """The cards of all shipped policies, by robot, shift and quality."""
    cards = [read_card(path) for path in sorted(folder.glob("*.json"))]
    return [card for card in cards if card["quality"] in QUALITIES]


def read_card(path: Path) -> dict[str, Any]:
    """A policy's card.

    Keys: ``robot, shift, quality``; ``algorithm, steps, updates, seed, settings`` of the training;
    ``episodes, return_mean, return_sd, length_mean, score`` (D4RL-normalised), ``evaluation_seed``
    of the report, which no choice was made on; ``nominal_return_mean, nominal_return_sd``, the same
    policy put into the nominal robot; ``selection``, how the checkpoint was chosen;
    ``observation_size, action_size, hidden, dtype, sha256`` of the weights; ``commit, versions``.

    ``return_sd`` is the standard deviation of the return over the n episodes, a mean over n.  The
    ``return_std`` in tables of evaluations divides by n - 1.

    Raises:
        FileNotFoundError: there is no such card.
        DamagedFile: it is not JSON, or not what was written.
        ValueError: it lacks a key.
    """
    if not path.exists():
        raise FileNotFoundError(_missing(path))
    card = files.read_json(path, _MEND)
    for key in _CARD_KEYS:
        if not isinstance(card, dict) or key not in card:
            raise ValueError(f"{path}: the card has no {key!r}; {_MEND}")
    return card


_MEND = "fetch the file again, or release the policy anew"


def _path(robot: str, shift: Shift | str, quality: str, folder: Path | None) -> Path:
    shift = Shift.parse(shift)
    shift_values(robot, shift)  # a robot without this variant is a slip, not a missing file
    if quality not in (*QUALITIES, "snapshots"):
        raise ValueError(f"quality: {quality!r} is not one of {', '.join(QUALITIES)}")
    return Path(folder or policy_folder(robot)) / f"{robot}-{shift}-{quality}.safetensors"


def _missing(path: Path) -> str:
    there = sorted(p.stem for p in path.parent.glob("*.safetensors"))
    robot, _, rest = path.stem.partition("-")
    own = [name for name in there if name.startswith(f"{robot}-")] or there
    shift, _, quality = rest.rpartition("-")
    said = f"{path}: no such behaviour policy. There are: {', '.join(own) or 'none'}. "
    if quality == TUNED:
        return said + _how_to_tune(path.parent, robot, shift)
    return (
        f"{said}To make it, run 'python -m droco_lite.training.online train --robot {robot} "
        f"--shift {shift} --steps 500000', then 'release' with the same robot and shift"
        f"{' and --quality expert' if quality == 'expert' else ''}"
    )


def _how_to_tune(folder: Path, robot: str, shift: str) -> str:
    """The commands that go on training the nominal robot's medium policy under a shift."""
    start = folder / f"{robot}-{NOMINAL}-medium.json"
    same = f"--robot {robot} --shift {shift} --start medium"
    hidden = " ".join(map(str, read_card(start)["hidden"])) if start.exists() else "H H"
    first = "" if start.exists() else f"It needs {start.stem} first, whose widths are H H. "
    return (
        f"No policy of quality {TUNED!r} comes with the package: it is the nominal robot's medium "
        f"policy, trained on under {shift}. {first}To make it, run 'python -m "
        f"droco_lite.training.online train {same} --hidden {hidden} --policy-after 10000 --steps "
        f"200000', then 'python -m droco_lite.training.online release {same} --quality {TUNED}'"
    )


def _read_weights(path: Path, card: dict[str, Any]) -> list[list[tuple[Tensor, Tensor]]]:
    """The networks in a weights file, each as layers in float32, checked against the card."""
    if not path.exists():
        raise FileNotFoundError(_missing(path))
    if files.digest(path) != card["sha256"]:
        raise ValueError(f"{path}: not the weights its card describes (sha256 differs); {_MEND}")
    stored, _ = files.load_tensors(path, mend=_MEND)
    tensors = {name: tensor.float() for name, tensor in stored.items()}
    sizes = [card["observation_size"], *card["hidden"], card["action_size"]]
    spec = get_robot(card["robot"])
    if (sizes[0], sizes[-1]) != (spec.observation_size, spec.action_size):
        raise ValueError(
            f"{path}: the card says {sizes[0]} observations and {sizes[-1]} actions, "
            f"{spec.name} has {spec.observation_size} and {spec.action_size}; {_MEND}"
        )
    layers = []
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        for name, shape in ((f"weight.{i}", (fan_in, fan_out)), (f"bias.{i}", (1, fan_out))):
            if name not in tensors or tensors[name].shape[1:] != shape:
                found = tuple(tensors[name].shape) if name in tensors else "nothing"
                raise ValueError(f"{path}: {name} should be [n, {shape}], found {found}; {_MEND}")
            if not torch.isfinite(tensors[name]).all():
                raise ValueError(f"{path}: {name} is not finite; {_MEND}")
        layers.append((tensors[f"weight.{i}"], tensors[f"bias.{i}"]))
    count = len(layers[0][0])
    return [[(w[k : k + 1], b[k : k + 1]) for w, b in layers] for k in range(count)]
