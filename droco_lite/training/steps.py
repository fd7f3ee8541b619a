"""One interface for running many steps: eager, by hand, compiled, or as a CUDA graph.

==============  ====================================================================================
mode            what runs
==============  ====================================================================================
``autograd``    the step a reader sees in :mod:`droco_lite.agents.iql`, on any device
``manual``      the same step with gradients written by hand (IQL family)
``compiled``    gradients by hand and Adam in one ``torch.compile``; needs a C++ compiler on CPU
``graph``       a CUDA graph of compiled gradients and Adam (CUDA): no launch overhead, no sync
``auto``        ``graph`` on CUDA, else ``manual``; ``autograd`` for methods without the latter
==============  ====================================================================================

Batches come from the sampler's blocks, so all modes see the same rows and give the same parameters
up to rounding.  Where a compiled step or a graph cannot be had, training warns and goes on eagerly.
"""

from __future__ import annotations

import types
import warnings

import torch

from droco_lite.agents.fast.adam import Moments, apply_by_hand
from droco_lite.agents.fast.gradients import by_hand, fill
from droco_lite.training.rows import Rows, Sampler

MODES = ("auto", "autograd", "manual", "compiled", "graph")


def manual_possible(agent) -> bool:
    """Whether hand-written gradients cover all that this method's loss contains."""
    return agent.by_hand


def compile_apart(method):
    """``torch.compile`` of a bound method, by a copy of its code.

    torch counts compilations by code object and stops at eight.  Each training compiles anew, so
    without a copy the ninth of a process would go on uncompiled, and slowly.
    """
    code, names = method.__func__.__code__.replace(), method.__func__.__globals__
    return torch.compile(types.MethodType(types.FunctionType(code, names), method.__self__))


class Stepper:
    """Runs steps ``[first, first + n)`` of a training, ``block`` indices at a time on the
    device."""

    def __init__(self, agent, rows: Rows, sampler: Sampler, mode: str = "auto", block: int = 1000):
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        self.agent, self.rows, self.sampler, self.block = agent, rows, sampler, block
        self.device = rows.table.device
        if mode == "graph" and self.device.type != "cuda":
            raise ValueError(f"mode 'graph' needs a CUDA device, the data are on {self.device}")
        if mode == "auto":
            mode = "graph" if self.device.type == "cuda" else "manual"
        by_hand_only = mode in ("manual", "compiled") and not manual_possible(agent)
        if by_hand_only or (mode == "graph" and not agent.capturable):
            mode = "autograd"
        self.mode, self.graph = mode, None
        self.loaded, self.noise, self.noise_loaded = None, None, None
        self.noise_block = sampler.noise_steps(block)
        if sampler.own:
            agent.attach(rows)
        if mode == "compiled":
            self.moments, self.whole = None, compile_apart(self._whole)

    def _gradients(self, index, noise):
        batch = self.rows.batch(index, noise)
        return by_hand(self.agent, self.agent.select(batch))

    def _whole(self, index, noise, moments, schedule) -> None:
        apply_by_hand(self.agent, self._gradients(index, noise), moments, schedule)

    def _load(self, step: int) -> None:
        """Have the blocks of indices and noise that ``step`` reads on the device."""
        number, noise_number = step // self.block, step // self.noise_block
        if self.loaded != number:
            index = self.sampler.block(number, self.block)
            if self.graph is not None:  # a graph reads fixed addresses
                self.index.copy_(index, non_blocking=True)
            else:
                self.index = index.to(self.device)
            self.loaded = number
        if self.sampler.noise_size and self.noise_loaded != noise_number:
            noise = self.sampler.noise(noise_number, self.noise_block)
            if self.graph is not None:
                self.noise.copy_(noise, non_blocking=True)
            else:
                self.noise = noise.to(self.device)
            self.noise_loaded = noise_number

    def run(self, first: int, steps: int) -> None:
        """Take ``steps`` gradient steps, the first of them being number ``first`` of the whole
        run."""
        if self.mode == "compiled":
            if self.moments is None or not self.moments.current:
                self.moments = Moments(self.agent)
            progress = torch.arange(first, first + steps) / self.agent.shared.steps
            self.first, self.schedule = first, self.moments.schedule(progress).to(self.device)
        for step in range(first, first + steps):
            self._load(step)
            if self.agent.due(step):
                self.agent.refresh(self.rows, step)
            if self.mode == "graph" and self.graph is None:
                self._capture()
            if self.mode == "graph":
                if step == first or step % self.block == 0:
                    self.position.fill_(step % self.block)
                    self.count.fill_(step)
                if step == first or step % self.noise_block == 0:
                    self.noise_position.fill_(step % self.noise_block)
                self.graph.replay()
            else:
                self._step(step)
        if self.mode == "compiled":
            self.moments.steps += steps

    def _step(self, step: int) -> None:
        progress = step / self.agent.shared.steps
        index = self.index[step % self.block]
        noise = None if self.noise is None else self.noise[step % self.noise_block]
        if self.mode == "autograd":
            self.agent.update(self.rows.batch(index, noise), progress)
            return
        if self.mode == "compiled":
            try:
                self.whole(index, noise, self.moments.both, self.schedule[step - self.first])
                return
            except Exception as error:
                self._go_on_without("compiled step", error)
                self.moments.steps += step - self.first
        fill(self.agent, self._gradients(index, noise))
        self.agent.apply(progress)

    def _go_on_without(self, what: str, error: Exception) -> None:
        """Take eager steps from here on, and say so."""
        warnings.warn(f"no {what} here ({type(error).__name__}); going on without", stacklevel=3)
        self.mode = "manual" if manual_possible(self.agent) else "autograd"

    # ---- CUDA graph: the step counter, the schedule and the batches live on the device ----------

    def _graph_step(self) -> None:
        index = self.index.index_select(0, self.position)[0]
        noise = None if self.noise is None else self.noise.index_select(0, self.noise_position)[0]
        progress = self.count / self.agent.shared.steps
        if manual_possible(self.agent):
            fill(self.agent, self.compiled(index, noise))
            self.agent.apply(progress)
        else:
            self.agent.update(self.rows.batch(index, noise), progress)
        self.position += 1
        self.noise_position += 1
        self.count += 1

    def _capture(self) -> None:
        self.position = torch.zeros(1, dtype=torch.long, device=self.device)
        self.noise_position = torch.zeros_like(self.position)
        self.count = torch.zeros((), device=self.device)
        self.compiled = compile_apart(self._gradients)
        before = {name: tensor.clone() for name, tensor in self.agent.state().items()}
        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):  # compile, and let the optimiser make its state, first
                    self._graph_step()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._graph_step()
            self.graph = graph
        except Exception as error:
            self._go_on_without("CUDA graph", error)
        with torch.no_grad():
            for name, tensor in self.agent.state().items():  # undo the warm-up
                tensor.copy_(before[name]) if name in before else tensor.zero_()
