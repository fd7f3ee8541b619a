"""The contract of an agent: all that training, export, attacks and selection may ask of one.

An agent is R runs of one method, stacked: every tensor has the run axis R first, and runs never see
one another.  To add a method, write its settings (a subclass of :class:`AgentSettings`) and a
subclass of :class:`Agent`, or of one of the three cores, which fill most of it in
(:class:`~droco_lite.agents.iql.IQL`, :class:`~droco_lite.agents.sac.SAC`,
:class:`~droco_lite.agents.bosa.BOSA`), and name it in ``droco_lite.agents.METHODS``.

=============  =====================================================================================
who asks       what
=============  =====================================================================================
all of them    ``runs`` and ``shared``, their settings; ``n_obs`` and ``n_act``; ``device``
training loop  ``Settings``; ``prepare``, ``on_epoch``, ``frozen``, ``load_frozen``;
               ``noise_size``, ``own_rows``, ``attach``, ``due``, ``refresh``; ``update``;
               ``diagnostics``, ``values``, ``reward_slack``; ``tensors``, ``state``,
               ``load_state``; ``capturable``, ``phases``, ``as_step``; ``by_hand``,
               ``step_by_hand``
evaluation     ``act``; of an agent on a card ``acts_by_layers`` and ``whole_policy``
export         ``whole_policy``; into the live lab ``stacks``, ``ensemble``, ``backup_bounds``
attacks        ``act``, ``twin_q`` and ``min_q``
selection      ``act``, ``twin_q``, ``v``, ``ensemble`` and ``models``
the contract   ``policy_layers`` and ``optimised``, of which it makes the rest; ``phase`` and
               ``column``, for a method's own ``update``
=============  =====================================================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from droco_lite.agents.batch import Batch
from droco_lite.agents.networks import Layers, affine, last_hidden, mlp, per_run_column
from droco_lite.agents.optimizers import Groups, adam_state, load_adam_state
from droco_lite.agents.settings import Settings, per_run, setting

if TYPE_CHECKING:  # MICRO and DROCO bring one; other methods load none
    from droco_lite.agents.ensemble import Ensemble
    from droco_lite.agents.fast.adam import Moments


@dataclass(frozen=True)
class AgentSettings(Settings):
    """Settings of every method: a run's name, its random numbers, and how long it learns."""

    ensemble_epochs = 0  # most passes of an ensemble's fit; a field where a method fits one

    label: str = per_run("", help="the run's name in tables and figures")
    seed: int = per_run(0, low=0, help="initial weights, batches and noise")
    halves: str = per_run(
        "union",
        among=("union", "target", "source"),
        help="where the two halves of a batch come from",
    )
    batch_size: int = setting(128, low=1, help="rows of each half of a batch")
    discount: float = setting(0.99, low=0.0, high=1.0, help="gamma")
    steps: int = setting(1_000_000, low=1, help="gradient steps, and the length of any schedule")


S = TypeVar("S", bound=AgentSettings)
F = TypeVar("F", bound=Callable[..., Tensor])

#: Sizes of the observations on which a declared ``act`` is tried, and how far its actions may be
#: from those of its layers.  The tolerance grows by the same share of the terms that the last sum
#: adds up, for rounding.
PROBED, ROUNDING = (0.1, 1.0, 10.0, 100.0), 1e-5


class RowTable(Protocol):
    """The part of :class:`droco_lite.training.rows.Rows` that an agent may use."""

    n_source: int
    n_target: int
    own: Tensor
    """The runs' own rows ``[R * own_rows, width]``, to be filled by the agent."""

    def batch(self, index: Tensor, noise: Tensor | None = None) -> Batch:
        """The rows ``index [R, rows]``."""
        ...

    def pack(self, **parts: Tensor) -> Tensor:
        """Arrays ``[..., k]`` of all fields of a row, by name, as rows ``[..., width]``."""
        ...


class HandStep(Protocol):
    """One step with gradients written by hand, in parts that may be compiled or recorded."""

    def gradients(self, batch: Batch) -> list[Tensor]:
        """Gradients of all that learns, from a batch as the rows give it."""
        ...

    def fill(self, gradients: list[Tensor]) -> None:
        """Put the gradients into the ``.grad`` of the optimiser's tensors."""
        ...

    def apply(self, progress: Tensor | float) -> None:
        """Take the optimiser's step with these gradients, then move the targets and the like."""
        ...

    def moments(self) -> Moments:
        """The optimiser's moments, as :meth:`move` needs them."""
        ...

    def move(self, gradients: list[Tensor], moments: list[list[Tensor]], schedule: Tensor) -> None:
        """:meth:`fill` and :meth:`apply` in one, with a row of the moments' ``schedule``."""
        ...


def by_layers(act: F) -> F:
    """Declare that a method's own :meth:`Agent.act` is tanh(MLP(s)) of ``policy_layers`` alone.

    Write it as a decorator above the method.  Without it the layers cannot replace the agent: they
    are not exported, and not copied from a GPU for an evaluation.
    """
    act.declared_by_layers = True  # type: ignore[attr-defined]
    return act


class Agent(ABC, Generic[S]):
    """R runs of one method.

    Args:
        runs: settings of each run; they may differ in fields declared with ``per_run`` only.
        n_obs: size S of an observation.
        n_act: size A of an action.
        device: where the networks live.
    """

    Settings: ClassVar[type[Any]] = AgentSettings
    """The method's settings class."""

    capturable: bool = True
    """Whether every step of a kind does the same on the device, so that a CUDA graph may repeat it.
    """

    phases: int = 1
    """Kinds of :meth:`update` that take turns: step n of a training is of kind n % phases."""

    phase: int | None = None
    """The kind of the update that is taken; None where nobody told (:meth:`as_step`)."""

    own_rows: int = 0
    """Rows that a run makes itself; the first half of its batches comes from them."""

    on_epoch: Callable[[int, np.ndarray], None] | None = None
    """Called with the epoch and each member's held-out error while an ensemble is fitted."""

    ensemble: Ensemble | None = None
    """Dynamics models, where a method fits them: of the target in DROCO's family, of the data that
    it learns from in MICRO."""

    def __init__(
        self, runs: Sequence[S], n_obs: int, n_act: int, device: torch.device | str = "cpu"
    ):
        self.runs, self.shared = list(runs), runs[0]
        self.n_obs, self.n_act, self.device = n_obs, n_act, torch.device(device)

    def column(self, name: str) -> Tensor:
        """A per-run setting as ``[R, 1, 1]``, to broadcast over rows; NaN where it is None."""
        return per_run_column(self.runs, name, self.device)

    # ---- Before the first step ------------------------------------------------------------------

    def prepare(self, source: Any, target: Any) -> dict[str, np.ndarray]:
        """Work done once, before the first step.

        An attribute that it makes is declared as :class:`~droco_lite.agents.preparation.Prepared`.

        Args:
            source: the source domain's rows, :class:`~droco_lite.data.Transitions`.
            target: the target domain's.

        Returns:
            Arrays ``[n_source + n_target, k]`` by name, which every batch carries as its
            ``columns``.
        """
        return {}

    def frozen(self) -> dict[str, Tensor]:
        """Tensors that :meth:`prepare` made and no step changes, saved for a resumed run."""
        return {}

    def load_frozen(self, saved: Mapping[str, Tensor]) -> None:
        """Take :meth:`frozen` back from a checkpoint; :meth:`prepare` is called afterwards."""

    # ---- What a step needs, and the step --------------------------------------------------------

    def noise_size(self) -> int:
        """Standard normal draws that one run needs in one step."""
        return 0

    def attach(self, rows: RowTable) -> None:
        """Take the part of the table that holds the runs' own rows."""

    def due(self, step: int) -> bool:
        """Whether :meth:`refresh` must be called before ``step``."""
        return False

    def refresh(self, rows: RowTable, step: int) -> None:
        """Make the runs' own rows again.  What is drawn depends on seed and ``step`` alone."""

    @abstractmethod
    def update(self, batch: Batch, progress: Tensor | float) -> None:
        """One gradient step of everything.

        A method that has several ``phases`` takes the kind of step that ``phase`` names.  Where
        ``phase`` is None, the method counts its updates itself, and a GPU has to wait for that.

        Args:
            batch: rows of both domains for every run, the source half first.
            progress: share of the training that is done, in [0, 1]; it drives any schedule.
        """

    @contextmanager
    def as_step(self, step: int) -> Iterator[None]:
        """Set the kind of step that :meth:`update` takes to that of step number ``step``."""
        self.phase = step % self.phases
        try:
            yield
        finally:
            self.phase = None

    def step_by_hand(self) -> HandStep | None:
        """The same step with gradients written by hand; None where a method has no such form.

        A method whose :meth:`update` does more than that step, or has phases, must return None.
        """
        return None

    @property
    def by_hand(self) -> bool:
        """Whether a step by hand exists that does all that this agent's step does."""
        return self.step_by_hand() is not None

    # ---- Policy and values ----------------------------------------------------------------------

    @abstractmethod
    def policy_layers(self) -> Layers:
        """The deterministic policy: a = tanh(MLP(s)) with ReLU between these layers."""

    def stacks(self) -> dict[str, Layers]:
        """The networks by kind: ``policy``, and where a method has such, ``value`` and ``critics``.

        ``value`` is V, R networks with ReLU from s to 1; ``critics`` are 2R from (s, a) to 1, all
        runs of the first critic before the second's.
        """
        return {"policy": self.policy_layers()}

    def act(self, observations: Tensor) -> Tensor:
        """Deterministic actions ``[R, rows, A]`` for observations ``[R, rows, S]``.

        A method that has its own, and acts by its layers all the same, says so (:func:`by_layers`).
        """
        with torch.no_grad():
            return torch.tanh(mlp(self.policy_layers(), observations))

    def acts_by_layers(self) -> bool:
        """Whether :meth:`act` is what :meth:`policy_layers` say.

        It is the contract's own, or is declared to be so and is so on observations that are tried.
        """
        if getattr(self.act, "__func__", None) is Agent.act:
            return True
        return _declared(self.act) and self._act_is_near_its_layers()

    @torch.no_grad()
    def _act_is_near_its_layers(self) -> bool:
        drawn = torch.randn(16, self.n_obs, generator=torch.Generator().manual_seed(0))
        seen = torch.cat([size * drawn for size in PROBED]).to(self.device)
        seen = seen.expand(len(self.runs), -1, -1)
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")  # what a card rounds for speed is no fault
        try:
            mine, layers = self.act(seen), self.policy_layers()
            expected, (weight, bias) = Agent.act(self, seen), layers[-1]
            terms = affine(last_hidden(layers, seen).abs(), weight.abs(), bias.abs())
        finally:
            torch.set_float32_matmul_precision(before)
        near = (mine - expected).abs() <= ROUNDING * (1 + terms)
        return bool((near | (mine.isnan() & expected.isnan())).all())  # NaN: networks that ran away

    def whole_policy(self) -> Layers:
        """:meth:`policy_layers`, for those who keep them in place of the agent.

        Raises:
            ValueError: the method acts otherwise than by these layers alone, or has an ``act`` of
                its own and does not declare that it does not.
        """
        if self.acts_by_layers():
            return self.policy_layers()
        if _declared(self.act):
            raise ValueError(
                f"{self.shared.method}: act is not tanh(MLP(s)) of policy_layers, though by_layers "
                "declares it, so these layers alone would be another policy; take @by_layers away, "
                "or let policy_layers return what act does"
            )
        raise ValueError(
            f"{self.shared.method}: the method has an act of its own, so its layers alone may be "
            "another policy; if act is tanh(MLP(s)) of policy_layers and nothing else, declare it: "
            "write @by_layers (of droco_lite.agents.agent) above it"
        )

    @abstractmethod
    def twin_q(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Both online critics, ``[2, R, rows, 1]``; gradients flow to observations and actions."""

    def min_q(self, observations: Tensor, actions: Tensor) -> Tensor:
        """min_j Q_j(s, a) of the online critics, ``[R, rows, 1]``."""
        return self.twin_q(observations, actions).amin(0)

    def v(self, observations: Tensor) -> Tensor:
        """V of each run ``[R, rows, 1]``, without gradients, where a method learns one.

        Raises:
            ValueError: the method learns no V.
        """
        raise ValueError(
            f"{self.shared.method} learns no V, which is asked for here; IQL and the methods built "
            "on it, such as DROCO, learn one"
        )

    @abstractmethod
    def values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """V(s) of all rows, and what is backed up for source rows.

        Args:
            batch: rows of both domains for every run, the source half first.

        Returns:
            V(s) ``[R, rows, 1]``; and the value of the next state, with any penalty, in the source
            rows' target ``[R, n_source, 1]``.
        """

    def backup_bounds(self) -> tuple[Tensor, Tensor]:
        """Least and largest value that is backed up for a source row, ``[R, 1, 1]`` each.

        They are infinite where a method, or a run, has none; bounds that follow from the data are
        known after :meth:`prepare`.
        """
        none = torch.full((len(self.runs), 1, 1), torch.inf, device=self.device)
        return -none, none

    def reward_slack(self, batch: Batch) -> tuple[Tensor | float, Tensor | float]:
        """How far a method moves rewards, down and up, two of ``[R, 1, 1]``.

        The range of possible returns is wider by as much.
        """
        return 0.0, 0.0

    @abstractmethod
    def diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        """Numbers to log.  They are computed apart from the steps, so that no step waits for them.

        Args:
            batch: rows of both domains for every run, the source half first.

        Returns:
            One number a run, ``[R]``, by the name that the curve shows.  A name that ends in
            ``_loss`` promises a finite number: the training stops where it is not.
        """

    @property
    def models(self) -> Ensemble:
        """:attr:`ensemble`, for those who cannot do without.

        Raises:
            ValueError: there is none.
        """
        if self.ensemble is None:
            raise ValueError(
                f"{self.shared.method} has no ensemble: methods of DROCO's family and MICRO fit "
                "one in prepare(source, target)"
            )
        return self.ensemble

    # ---- State ----------------------------------------------------------------------------------

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """All networks that a step changes, by name."""

    def optimised(self) -> Groups:
        """The torch optimisers by group name, each with its leaves."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """All tensors that a step changes.  From them a stopped run continues exactly."""
        return self.tensors() | adam_state(self.optimised())

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state` returned."""
        for name, tensor in self.tensors().items():
            tensor.copy_(state[name])
        load_adam_state(self.optimised(), state)


def _declared(act: object) -> bool:
    """Whether a method's ``act`` has :func:`by_layers` above it."""
    return getattr(act, "declared_by_layers", False) is True
