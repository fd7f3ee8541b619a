"""One interface for running many steps: eager, by hand, compiled, or as a CUDA graph.

==============  ====================================================================================
mode            what runs
==============  ====================================================================================
``autograd``    the step a reader sees in :mod:`droco_lite.agents.iql`, on any device
``manual``      the same step with gradients written by hand (IQL family)
``compiled``    gradients by hand and Adam in one ``torch.compile``; needs a C++ compiler on CPU
``graph``       a CUDA graph of compiled gradients and Adam (CUDA): no launch overhead, no sync;
                where a method's steps are of several kinds, each kind has its own graph
``auto``        one of these, by device, method and length of the run: :func:`choose_mode`
==============  ====================================================================================

Batches come from the sampler's blocks, so all modes see the same rows and give the same parameters
up to rounding.  Where compiling or recording fails, training warns and takes eager steps; where a
method lacks the mode that was asked for, it says so and steps by autograd.  A method that overrides
what the step by hand replaces (:mod:`droco_lite.agents.fast.step`) lacks that step.
"""

from __future__ import annotations

import os
import shutil
import sys
import types
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from droco_lite.agents.agent import Agent, HandStep
from droco_lite.agents.fast.adam import Moments
from droco_lite.training.graphs import Gradients, GraphedStep, put_back
from droco_lite.training.rows import Rows, Sampler

MODES = ("auto", "autograd", "manual", "compiled", "graph")

#: From so many steps on, ``auto`` compiles on a CPU.  Compiling takes 8 to 15 seconds.  A compiled
#: step is 2.9 ms shorter than one by hand on one thread, and 2.1 ms on two
#: (``results/benchmarks/training_step_cpu_1t.json`` and ``_2t.json``): so many steps save 40 s.
COMPILING_PAYS = 20_000


def manual_possible(agent: Agent) -> bool:
    """Whether hand-written gradients cover all that a step of this agent does."""
    return agent.by_hand


def choose_mode(agent: Agent, device: torch.device, steps: int) -> str:
    """What ``auto`` stands for in a run of ``steps``.

    A graph on CUDA; on a CPU the compiled step where it pays and a compiler is at hand, else the
    step by hand; autograd for methods that have neither.
    """
    if device.type == "cuda":
        return "graph" if agent.capturable else "autograd"
    if not manual_possible(agent):
        return "autograd"
    if device.type != "cpu" or steps < COMPILING_PAYS:
        return "manual"
    if not compiler_found():
        say_once(
            "no C++ compiler is at hand, so steps are not compiled and take about half as long "
            "again; install one (g++ or clang) to have them compiled"
        )
        return "manual"
    return "compiled"


def possible_mode(agent: Agent, mode: str) -> str:
    """The mode that was asked for, or autograd, with a warning, where the agent lacks it."""
    if mode in ("manual", "compiled") and not manual_possible(agent):
        lacks = "no step with gradients by hand"
    elif mode == "graph" and not agent.capturable:
        lacks = "no step that a CUDA graph can repeat"
    else:
        return mode
    say_once(f"mode {mode!r}: {agent.shared.method} has {lacks}, so its steps are by autograd")
    return "autograd"


@cache
def compiler_found() -> bool:
    """Whether a C++ compiler is where torch looks for one."""
    usual = ("cl",) if sys.platform == "win32" else ("g++", "clang++", "c++")
    return any(shutil.which(name) for name in (os.environ.get("CXX", ""), *usual) if name)


@cache
def say_once(message: str) -> None:
    """Warn, once in a process."""
    warnings.warn(message, stacklevel=4)


def compile_apart(method, device: torch.device):
    """``torch.compile`` of a bound method, by a copy of its code.

    torch counts compilations by code object and stops at eight.  Each training compiles again, so
    without a copy the ninth training of a process would run uncompiled, and slowly.

    Where torch allows it, nothing is checked before a call; the check would take a fortieth of a
    step.  It is not needed: a stepper calls with tensors of one shape and dtype, and an agent's
    settings are frozen.  On a CPU the calls between the kernels are compiled too; in Python they
    take .2 ms, a twentieth of a step.
    """
    code, names = method.__func__.__code__.replace(), method.__func__.__globals__
    copied = types.MethodType(types.FunctionType(code, names), method.__self__)
    options: dict[str, str | int | bool | Callable[..., Any]] = {}
    if hasattr(torch.compiler, "skip_all_guards_unsafe"):  # older versions lack it
        options["guard_filter_fn"] = torch.compiler.skip_all_guards_unsafe
    if device.type == "cpu":
        options["cpp_wrapper"] = True
    return torch.compile(copied, dynamic=False, options=options)


class Plan(NamedTuple):
    """What compiled steps from number ``first`` on need beside their batches."""

    first: int
    moments: Moments
    schedule: Tensor
    """A row of rates for each of them."""


class Stepper:
    """Runs steps ``[first, first + n)`` of a training.

    Args:
        agent: R runs, prepared.
        rows: the table of transitions, on the device.
        sampler: which rows each step sees.
        mode: one of ``MODES``.
        block: indices of so many steps are on the device at a time.
        steps: how many will be taken, for ``auto``; None: the whole run.
        compiling: whether a graph may be one of a compiled step.
        ahead: whether the next block of indices is drawn while steps run.  None means yes on a
            GPU, which would otherwise wait for it a tenth of the time.

    Raises:
        ValueError: no such mode, or a graph without a CUDA device.
    """

    def __init__(
        self,
        agent: Agent,
        rows: Rows,
        sampler: Sampler,
        mode: str = "auto",
        block: int = 1000,
        steps: int | None = None,
        compiling: bool = True,
        ahead: bool | None = None,
    ):
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        self.agent, self.rows, self.sampler, self.block = agent, rows, sampler, block
        self.device = rows.table.device
        if mode == "graph" and self.device.type != "cuda":
            raise ValueError(f"mode 'graph' needs a CUDA device, the data are on {self.device}")
        if mode == "auto":
            mode = choose_mode(agent, self.device, agent.shared.steps if steps is None else steps)
        mode = possible_mode(agent, mode)
        self.mode, self.compiling = mode, compiling
        self.hand = agent.step_by_hand()
        self.graph: GraphedStep | None = None
        self.index = torch.empty(0)  # as the noise, until a step asks for its block
        self.noise: Tensor | None = None
        self.loaded: int | None = None
        ahead = self.device.type == "cuda" if ahead is None else ahead
        self.drawing = ThreadPoolExecutor(1) if ahead else None
        self.drawn: dict[int, Future[Tensor]] = {}
        self.noise_loaded: int | None = None
        self.refreshed: int | None = None
        self.noise_block = sampler.noise_steps(block)
        self.moments: Moments | None = None
        if sampler.own:
            agent.attach(rows)
        if mode == "compiled":
            self.whole = compile_apart(self._whole, self.device)

    def warm_up(self, step: int) -> None:
        """Compile, or record the graph, before step number ``step`` and before any clock runs."""
        if self.mode not in ("compiled", "graph"):
            return
        self._ready(step)
        if self.mode == "graph":
            self._capture()
            return
        plan = self._plan(step, 1)
        before = {name: tensor.detach().clone() for name, tensor in self.agent.state().items()}
        self._step(step, plan)  # goes on by hand where it cannot be compiled
        put_back(self.agent, before)

    def run(self, first: int, steps: int) -> None:
        """Take ``steps`` steps, the first of them being number ``first`` of the whole run."""
        with warnings.catch_warnings():
            # Said of every step that is not captured, such as those that lead to a graph.
            warnings.filterwarnings("ignore", message=".*capturable=True.*")
            self._run(first, steps)

    def _run(self, first: int, steps: int) -> None:
        plan = self._plan(first, steps) if self.mode == "compiled" else None
        for step in range(first, first + steps):
            self._ready(step)
            if self.mode == "graph" and self.graph is None:
                self._capture()
            if self.graph is not None:
                at, noise_at = step % self.block, step % self.noise_block
                if step == first or at == 0 or noise_at == 0:
                    self.graph.seek(at, noise_at, step)
                self.graph.replay(step)
            else:
                self._step(step, plan)
        if plan is not None and self.mode == "compiled":
            plan.moments.steps += steps

    def _ready(self, step: int) -> None:
        """Put all that ``step`` reads on the device: indices, noise, and rows of the runs' own."""
        number, noise_number = step // self.block, step // self.noise_block
        if self.loaded != number:
            self.index = self._put(self.index, self._block(number))
            self.loaded = number
        if self.noise_loaded != noise_number:
            noise = self.sampler.noise(noise_number, self.noise_block, self.device)
            self.noise = None if noise is None else self._put(self.noise, noise)
            self.noise_loaded = noise_number
        if self.agent.due(step) and self.refreshed != step:
            self.agent.refresh(self.rows, step)
            self.refreshed = step

    def _block(self, number: int) -> Tensor:
        """Block ``number`` of indices, drawn by now or here; the next one is drawn meanwhile."""
        drawn = self.drawn.pop(number, None)
        made = self._draw(number) if drawn is None else drawn.result()
        if self.drawing is not None and (number + 1) * self.block < self.agent.shared.steps:
            self.drawn = {number + 1: self.drawing.submit(self._draw, number + 1)}
        return made

    def _draw(self, number: int) -> Tensor:
        """Block ``number``, in memory that a GPU can read without the CPU's help."""
        made = self.sampler.block(number, self.block)
        return made.pin_memory() if self.device.type == "cuda" else made

    def _put(self, place: Tensor | None, made: Tensor) -> Tensor:
        """``made`` on the device; at its old place if a graph reads that address."""
        if self.graph is None or place is None:
            return made.to(self.device, non_blocking=True)
        return place.copy_(made, non_blocking=True)

    # ---- Steps that are not a graph -------------------------------------------------------------

    @property
    def by_hand(self) -> HandStep:
        """The step by hand, for modes that are taken only where there is one.

        Raises:
            RuntimeError: there is none.
        """
        if self.hand is None:
            raise RuntimeError(f"{self.agent.shared.method} has no step with gradients by hand")
        return self.hand

    def _gradients(self, index: Tensor, noise: Tensor | None) -> list[Tensor]:
        return self.by_hand.gradients(self.rows.batch(index, noise))

    def _whole(self, index, noise, moments, schedule) -> None:
        self.by_hand.move(self._gradients(index, noise), moments, schedule)

    def _plan(self, first: int, steps: int) -> Plan:
        """For ``steps`` compiled steps, of which ``first`` is the first."""
        if self.moments is None or not self.moments.current:
            self.moments = self.by_hand.moments()
        progress = torch.arange(first, first + steps) / self.agent.shared.steps
        return Plan(first, self.moments, self.moments.schedule(progress).to(self.device))

    def _step(self, step: int, plan: Plan | None) -> None:
        progress = step / self.agent.shared.steps
        index = self.index[step % self.block]
        noise = None if self.noise is None else self.noise[step % self.noise_block]
        if self.mode == "autograd":
            with self.agent.as_step(step):
                self.agent.update(self.rows.batch(index, noise), progress)
            return
        if plan is not None and self.mode == "compiled":
            try:
                self.whole(index, noise, plan.moments.both, plan.schedule[step - plan.first])
                return
            except Exception as error:
                self._go_on_without("compiled step", error)
                plan.moments.steps += step - plan.first
        self.by_hand.fill(self._gradients(index, noise))
        self.by_hand.apply(progress)

    def _go_on_without(self, what: str, error: Exception) -> None:
        """Take eager steps from here on, and say so."""
        warnings.warn(f"no {what} here ({told(error)}); going on without", stacklevel=4)
        self.mode = "autograd" if self.hand is None else "manual"

    # ---- The graph ------------------------------------------------------------------------------

    def _capture(self) -> None:
        """Record a graph of the compiled step, or of the plain step, or else take eager steps."""
        attempts: list[tuple[HandStep, Gradients] | None] = [None]
        if self.hand is not None:
            attempts = [(self.hand, self._gradients)]
            if self.compiling:
                attempts.insert(0, (self.hand, compile_apart(self._gradients, self.device)))
        for k, by_hand in enumerate(attempts):
            try:
                self.graph = GraphedStep(self.agent, self.rows, by_hand, self.index, self.noise)
                return
            except Exception as error:
                if k + 1 < len(attempts):
                    warnings.warn(
                        f"no graph of a compiled step here ({told(error)}); "
                        "recording the step uncompiled",
                        stacklevel=4,
                    )
                else:
                    self._go_on_without("CUDA graph", error)


def told(error: Exception) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
