"""One training step as a CUDA graph: recorded once, checked once, then replayed without a launch.

Where a method's steps are of several kinds that take turns, each kind is a graph of its own.

The step counter, the schedule and the batches live on the device, so that a replay needs nothing
from the host.  Before a graph is used, one replay is compared with one eager step from the same
state.  Otherwise a graph that recorded nothing, or on another device, would train nothing, and
nobody would see it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor

from droco_lite.agents.agent import Agent, HandStep
from droco_lite.training.rows import Rows

Gradients = Callable[[Tensor, Tensor | None], list[Tensor]]

WARM_UP_STEPS = 3  # for compiling, for the optimiser's state and for libraries' workspaces
#: Largest distance of a replay from an eager step, as a share of the step's own length.  Kernels
#: that round otherwise turn the sign of a few gradients near 0, where Adam moves by its full rate.
TOLERANCE = 0.1


class GraphError(RuntimeError):
    """A graph was recorded, and its replay is not the step."""


class GraphedStep:
    """A step that reads batch ``position`` of a block of indices, and moves on by itself.

    Args:
        agent: R runs; steps of a kind must do the same on the device (``agent.capturable``); of
            ``agent.phases`` kinds each is recorded.
        rows: the table of transitions.
        by_hand: the agent's step by hand and its ``(index, noise) -> gradients``, compiled or not;
            None takes ``agent.update``.
        index: the block of indices ``[block, R, 2B]``, whose address is read at every replay.
        noise: the block of noise ``[noise_block, R, k]``, or None.

    Raises:
        GraphError: a replay does not move the parameters as an eager step does.
        RuntimeError: CUDA refused the capture.
    """

    def __init__(
        self,
        agent: Agent,
        rows: Rows,
        by_hand: tuple[HandStep, Gradients] | None,
        index: Tensor,
        noise: Tensor | None,
    ):
        self.agent, self.rows, self.by_hand = agent, rows, by_hand
        self.index, self.noise, self.device = index, noise, rows.table.device
        self.position = torch.zeros(1, dtype=torch.long, device=self.device)
        self.noise_position = torch.zeros_like(self.position)
        self.count = torch.zeros((), device=self.device)
        # Detached: a copy that remembers its leaf keeps a node of the default stream alive, and
        # CUDA then refuses to record a step by autograd.
        before = {name: tensor.detach().clone() for name, tensor in agent.state().items()}
        try:
            with on_device(self.device):
                self.graphs = self._capture(before)
        finally:
            put_back(agent, before)

    def step(self, phase: int = 0) -> None:
        """The step of kind ``phase``, as it is recorded."""
        index = self.index.index_select(0, self.position)[0]
        noise = None if self.noise is None else self.noise.index_select(0, self.noise_position)[0]
        progress = self.count / self.agent.shared.steps
        if self.by_hand is not None:
            hand, gradients = self.by_hand
            hand.fill(gradients(index, noise))
            hand.apply(progress)
        else:
            with self.agent.as_step(phase):
                self.agent.update(self.rows.batch(index, noise), progress)
        self.position += 1
        self.noise_position += 1
        self.count += 1

    def seek(self, position: int, noise_position: int, step: int) -> None:
        """Let the next replay read this row of the blocks, as step number ``step``."""
        self.position.fill_(position)
        self.noise_position.fill_(noise_position)
        self.count.fill_(step)

    def replay(self, step: int) -> None:
        """Take step number ``step``; after :meth:`seek` the numbers follow one another."""
        self.graphs[step % len(self.graphs)].replay()

    # ---- Recording ------------------------------------------------------------------------------

    def _capture(self, before: Mapping[str, Tensor]) -> list[torch.cuda.CUDAGraph]:
        current = torch.cuda.current_stream()
        try:
            side = torch.cuda.Stream()
            side.wait_stream(current)
            with torch.cuda.stream(side):
                for _ in range(WARM_UP_STEPS):
                    for phase in range(self.agent.phases):
                        self.seek(0, 0, 0)
                        self.step(phase)
            current.wait_stream(side)
            self.seek(0, 0, 0)
            graphs: list[torch.cuda.CUDAGraph] = []
            for phase in range(self.agent.phases):
                graph = torch.cuda.CUDAGraph()
                # One after another they can use the same memory: a step leaves nothing in it.
                with torch.cuda.graph(graph, pool=graphs[0].pool() if graphs else None):
                    self.step(phase)
                graphs.append(graph)
            for phase, graph in enumerate(graphs):
                self._check(graph, phase, before)
            return graphs
        except Exception:
            # A capture that broke off may leave its own stream as the current one.
            torch.cuda.synchronize()
            torch.cuda.set_stream(current)
            raise

    def _check(self, graph: torch.cuda.CUDAGraph, phase: int, before: Mapping[str, Tensor]) -> None:
        """Compare one replay with one eager step of kind ``phase``, from the state ``before``."""
        moved, counts = [], []
        for take in (graph.replay, partial(self.step, phase)):
            put_back(self.agent, before)
            self.seek(0, 0, 0)
            take()
            tensors = self.agent.tensors()
            moved.append({n: tensors[n].detach() - before[n].detach() for n in tensors})
            counted = int(self.position.item())
            if counted != 1:
                raise GraphError(f"one step moved the counter of batches by {counted}")
            counts.append(integers(self.agent))
        if counts[0] != counts[1]:
            raise GraphError(f"a replay counts {counts[0]}, an eager step {counts[1]}")
        replayed, eager = moved
        length, apart = (
            float(torch.stack([t.double().square().sum().cpu() for t in parts]).sum().sqrt())
            for parts in (
                list(eager.values()),
                [replayed[name] - eager[name] for name in eager],
            )
        )
        if not (length > 0 and apart <= TOLERANCE * length):
            raise GraphError(
                f"a replay ends {apart:.3g} away from an eager step, which is {length:.3g} long"
            )


def on_device(device: torch.device) -> AbstractContextManager:
    """CUDA's streams and graphs belong to the current device: make it this one."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def integers(agent: Agent) -> dict[str, object]:
    """What the agent counts, by name."""
    state = agent.state().items()
    return {n: t.tolist() for n, t in state if not t.is_floating_point()}


@torch.no_grad()
def put_back(agent: Agent, before: Mapping[str, Tensor]) -> None:
    """Put back every tensor of the agent's state; those that did not exist yet become 0."""
    for name, tensor in agent.state().items():
        tensor.copy_(before[name]) if name in before else tensor.zero_()
