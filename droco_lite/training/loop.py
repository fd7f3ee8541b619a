"""The training loop: prepare once, then step, evaluate and save, again and again.

>>> from droco_lite.agents import DROCOSettings
>>> from droco_lite.data import make_task
>>> from droco_lite.training import train
>>> data = make_task("halfcheetah-medium", source_size=20_000, target_size=5_000)
>>> runs = [DROCOSettings(beta=b, seed=s, steps=10_000) for b in (0.0, 0.5) for s in (0, 1)]
>>> curve = train(runs, data.source, data.target, robot="halfcheetah").curve
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from droco_lite import files
from droco_lite.agents import METHODS
from droco_lite.agents.agent import Agent, AgentSettings
from droco_lite.agents.settings import Settings, check_stack, per_run_values, setting
from droco_lite.agents.snapshots import Policies, Snapshot
from droco_lite.data.transitions import Transitions
from droco_lite.robots import NOMINAL, get_robot, rollout_runs
from droco_lite.training import checkpoint
from droco_lite.training.curve import CURVE, write_curve, write_scalars
from droco_lite.training.device import choose_device, keep_freed_memory
from droco_lite.training.health import Watch, refuse_not_finite, refuse_not_finite_state
from droco_lite.training.precision import choose_precision, precision_restored
from droco_lite.training.rows import Rows, Sampler
from droco_lite.training.signals import stop_on_signal
from droco_lite.training.steps import MODES, Stepper


@dataclass(frozen=True)
class LoopSettings(Settings):
    """How a training is run, as opposed to what is trained."""

    device: str = setting("auto", help="auto, cpu, cuda, cuda:1, mps ...")
    mode: str = setting("auto", among=MODES, help="how steps run; see droco_lite.training.steps")
    evaluate_every: int = setting(10_000, low=1, help="steps between evaluations, and CSV lines")
    episodes: int = setting(10, low=0, help="episodes of each evaluation; 0: no simulator")
    evaluation_seed: int = setting(
        10_000, low=0, help="first episode's seed, equal at every evaluation"
    )
    save_every: int = setting(10_000, low=1, help="steps between checkpoints")
    precision: str = setting(
        "auto",
        among=("auto", "highest", "high", "medium"),
        help="float32 matrix products: highest is float32; high is TF32 on CUDA; see torch's "
        "set_float32_matmul_precision.  auto is highest, but on a CPU it is medium where that is "
        "exact to float32, unless highest is over 1.25 times as fast: "
        ":func:`choose_precision`",
    )
    diagnostic_rows: int = setting(1024, low=1, help="rows of each half in a diagnostic batch")


@dataclass
class Result:
    """A finished training.

    ``curve`` has one row per evaluation and run: step, run, the per-run settings, diagnostics,
    ``return_mean``, ``return_std`` and ``score`` over the evaluation's episodes.  ``agent.act`` is
    the policy.
    """

    agent: Agent
    curve: pd.DataFrame
    seconds: float
    steps_per_second: float
    mode: str

    def policy(self, run: int = 0) -> Callable[[np.ndarray], np.ndarray]:
        """Run ``run``'s deterministic policy: observations ``[n, S]`` to actions ``[n, A]``."""
        act, runs = numpy_act(self.agent), len(self.agent.runs)
        return lambda seen: act(np.broadcast_to(seen, (runs, *seen.shape)))[run]


def numpy_act(agent: Policies) -> Callable[[np.ndarray], np.ndarray]:
    """The policies of all runs on NumPy arrays: ``[R, rows, S]`` to ``[R, rows, A]``.

    Policies of an agent on a GPU are copied to the CPU.  A simulator asks for a few hundred actions
    at a time, and a GPU that trains would answer late.
    """
    acting: Policies = agent
    if isinstance(agent, Agent) and agent.device.type == "cuda" and agent.acts_by_layers():
        acting = Snapshot.of(agent)
    return lambda seen: acting.act(torch.tensor(seen, device=acting.device)).cpu().numpy()


@precision_restored()
def train(
    runs: Sequence[AgentSettings],
    source: Transitions,
    target: Transitions,
    *,
    robot: str | None = None,
    loop: LoopSettings = LoopSettings(),
    out: str | Path | None = None,
    stop_after: int | None = None,
    on_evaluation: Callable[[pd.DataFrame], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[int, np.ndarray], None] | None = None,
    on_start: Callable[[], None] | None = None,
    on_save: Callable[[int, Agent], None] | None = None,
    writer=None,
    lengthen: bool = False,
    **agent_options,
) -> Result:
    """Train ``runs`` side by side; they may differ in per-run settings only.

    Args:
        runs: one settings object a run, all of one method.
        source, target: the two data sets.
        robot: evaluate in this robot's nominal simulator; None leaves evaluation out.
        out: folder for checkpoint, curve and settings. A training found there goes on from where it
            was, to the same parameters as if it had never stopped; one made with other settings or
            data is refused.
        stop_after: stop (and save) after this step, before ``steps`` are done.
        on_evaluation, on_progress: called with the curve so far, and with (step, steps).
        on_epoch: called with (epoch, held-out errors) while a dynamics ensemble is fitted.
        on_start: called once, when nothing is left that could be refused.
        on_save: called with (step, agent) before each checkpoint is written.
        writer: a TensorBoard ``SummaryWriter``, or anything with ``add_scalar(name, value, step)``.
        lengthen: let a training found in ``out`` that asked for fewer steps go on. The policy's
            learning rate then follows the longer cosine from its present step on. It rises above
            the rate at which the shorter training ended, so that the result differs from that of a
            training of this length from the start. Without ``lengthen`` such a folder is refused.
        agent_options: passed to the method, such as ``ensemble=`` of DROCO.

    Raises:
        ValueError: settings that cannot share a loop; data that are empty, not finite, or of
            another robot.
        TrainingError: a loss that is no longer finite.
        CheckpointError: a checkpoint that cannot be written, read or continued.
        InUse: another process trains into the same folder.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint was saved.
    """
    check_stack(runs)
    for name, part in (("source", source), ("target", target)):
        part.check(robot, where=name)
    sizes = (source.observation_size, source.action_size)
    if sizes != (target.observation_size, target.action_size):
        raise ValueError(
            f"source has {sizes[0]} observation and {sizes[1]} action columns, "
            f"target {target.observation_size} and {target.action_size}"
        )
    device = choose_device(loop.device)
    if device.type == "cpu":
        torch.set_flush_denormal(True)  # tiny Adam moments cost 7 % of a step otherwise
        keep_freed_memory()

    agent = METHODS[runs[0].method](runs, *sizes, device=device, **agent_options)
    agent.on_epoch = on_epoch
    out = Path(out) if out else None
    facts = {
        "runs": [run.to_dict() for run in runs],
        "source": checkpoint.fingerprint(source),
        "target": checkpoint.fingerprint(target),
        "precision": loop.precision,
        "evaluation": [robot, loop.evaluate_every, loop.episodes, loop.evaluation_seed],
    }
    held = files.lock(out, mend="choose another output folder") if out else nullcontext()
    with held:
        training = _Training(
            agent, source, target, facts, robot=robot, loop=loop, out=out, stop_after=stop_after,
            lengthen=lengthen,
        )  # fmt: skip
        if on_start:
            on_start()
        return training.run(on_evaluation, on_progress, on_save, writer)


class _Training:
    """One training: what its folder's checkpoint holds, and all that its next step needs."""

    def __init__(
        self,
        agent: Agent,
        source: Transitions,
        target: Transitions,
        facts: dict,
        *,
        robot: str | None,
        loop: LoopSettings,
        out: Path | None,
        stop_after: int | None,
        lengthen: bool,
    ):
        self.agent, self.facts, self.robot, self.loop, self.out = agent, facts, robot, loop, out
        self.total = agent.shared.steps
        self.last = self.total if stop_after is None else min(self.total, stop_after)
        self.on_gpu = agent.device.type == "cuda"
        saved = self._saved(lengthen)
        tensors, about = ({}, {}) if saved is None else saved
        # A resumed training keeps what "auto" chose before, so that it ends as if it had never
        # stopped.
        before = about.get("chosen", {})
        precision = before.get("precision") if loop.precision == "auto" else None
        self.precision = precision or choose_precision(loop.precision, agent.device)
        torch.set_float32_matmul_precision(self.precision)
        self.step, self.lines = about.get("step", 0), about.get("curve", [])
        mode = loop.mode
        if mode == "auto" and not lengthen and (before.get("mode") == "graph") == self.on_gpu:
            mode = before.get("mode", mode)
        self._prepare(source, target, mode)
        self.watch.seen(self.lines)
        if out is not None and saved is not None:
            # After the stepper: rows of the runs' own have their place by now.
            agent.load_state(tensors)
            write_curve(out / CURVE, self.lines)  # a process may have died before it did

    def _saved(self, lengthen: bool) -> tuple[dict[str, torch.Tensor], dict] | None:
        """The folder's checkpoint, unless it is of another training or no longer finite."""
        if self.out is None:
            return None
        saved = checkpoint.load(self.out, self.agent.device)
        if saved is not None:
            tensors, about = saved
            facts = checkpoint.with_newer_settings(about["facts"], self.out)
            asked = as_long_as(facts, self.facts) if lengthen else self.facts
            checkpoint.refuse_other(facts, asked, self.out)
            checkpoint.refuse_not_finite(tensors, self.out)
            self.agent.load_frozen(tensors)
        return saved

    def _prepare(self, source: Transitions, target: Transitions, mode: str) -> None:
        """Fit what the method fits first, pack all rows, and make the stepper and the watch."""
        agent, own = self.agent, self.agent.own_rows
        columns = agent.prepare(source, target)
        rows = Rows(source, target, columns, agent.device, own * len(agent.runs))
        del columns
        sizes = (len(source), len(target), agent.shared.batch_size, agent.noise_size(), own)
        sampler = Sampler(agent.runs, *sizes)
        self.stepper = Stepper(agent, rows, sampler, mode, steps=self.last - self.step)
        probe = diagnostic_batch(rows, agent.runs, self.loop.diagnostic_rows)
        self.watch = Watch(agent, probe, source, target)

    def run(self, on_evaluation, on_progress, on_save, writer) -> Result:
        """Take all steps that are left."""
        loop, began, first, stepping = self.loop, time.perf_counter(), self.step, 0.0
        with stop_on_signal() as interrupted:
            if self.step < self.last:
                self.stepper.warm_up(self.step)  # compiling is part of the wait, not of the rate
            while self.step < self.last:
                ahead = [n - self.step % n for n in (loop.evaluate_every, loop.save_every, 100)]
                count = min(*ahead, self.last - self.step)
                start = time.perf_counter()
                self.stepper.run(self.step, count)
                self.step += count
                if self.on_gpu and min(ahead[:2]) == count:
                    torch.cuda.synchronize()
                stepping += time.perf_counter() - start
                if on_progress:
                    on_progress(self.step, self.total)
                if self.step % loop.evaluate_every == 0 or self.step == self.total:
                    self.evaluate(on_evaluation, writer)
                if self.step % loop.save_every == 0 or self.step == self.last or interrupted():
                    self.save(on_save)
                if interrupted():
                    where = f", saved in {self.out}" if self.out else ""
                    raise KeyboardInterrupt(f"stopped at step {self.step}{where}")
        rate = (self.step - first) / stepping if stepping else float("nan")
        seconds = time.perf_counter() - began
        return Result(self.agent, pd.DataFrame(self.lines), seconds, rate, self.stepper.mode)

    def evaluate(self, on_evaluation, writer) -> None:
        """Add one line a run to the curve, and call the listeners."""
        figures = looked_at(self.watch)
        # Check first: with NaN as actions the simulator would fail with a less helpful error.
        refuse_not_finite(figures, self.step, self.out)
        refuse_not_finite_state(self.agent.tensors(), self.step, self.out)
        figures |= returns_of(self.agent, self.robot, self.loop)
        new = lines_of(self.agent, figures, self.step)
        self.watch.warn(new)
        self.lines += new
        if writer is not None:
            write_scalars(writer, new)
        if on_evaluation:
            on_evaluation(pd.DataFrame(self.lines))

    def save(self, on_save) -> None:
        """Tell the listener, then write checkpoint and curve, if there is a folder for them."""
        if on_save:  # first, so that each checkpoint on disk was announced
            on_save(self.step, self.agent)
        if self.out:
            tensors = self.agent.state() | self.agent.frozen()
            refuse_not_finite_state(tensors, self.step, self.out)
            chosen = {"precision": self.precision, "mode": self.stepper.mode}
            about = {"facts": self.facts, "step": self.step, "curve": self.lines, "chosen": chosen}
            checkpoint.save(self.out, tensors, about)
            write_curve(self.out / CURVE, self.lines)


def as_long_as(saved: dict, now: dict) -> dict:
    """``now`` with the saved numbers of steps, if every run asks for more steps than saved."""
    before, after = ([run.get("steps", 0) for run in facts["runs"]] for facts in (saved, now))
    if len(before) != len(after) or not all(b < a for b, a in zip(before, after, strict=True)):
        return now
    runs = [run | {"steps": steps} for run, steps in zip(now["runs"], before, strict=True)]
    return now | {"runs": runs}


def looked_at(watch: Watch) -> dict[str, list[float]]:
    """Diagnostics by name, a number for each run."""
    found = watch.agent.diagnostics(watch.probe) | watch.figures()
    return {name: value.tolist() for name, value in found.items()}


def returns_of(agent: Agent, robot: str | None, loop: LoopSettings) -> dict[str, list[float]]:
    """Returns in the nominal simulator by name, a number for each run; empty without one."""
    if robot is None or loop.episodes <= 0:
        return {}
    returns = rollout_runs(
        robot, [NOMINAL], numpy_act(agent), runs=len(agent.runs),
        episodes=loop.episodes, seed=loop.evaluation_seed,
    ).returns[:, 0]  # fmt: skip
    return {
        "return_mean": returns.mean(1).tolist(),
        "return_std": returns.std(1, ddof=min(1, loop.episodes - 1)).tolist(),
        "score": get_robot(robot).score(returns.mean(1)).tolist(),
    }


def lines_of(agent: Agent, figures: dict[str, list[float]], step: int) -> list[dict]:
    """One line a run: its per-run settings, and its number of each figure."""
    lines = []
    for r, run in enumerate(agent.runs):
        line = {"step": step, "run": r, "method": run.method, **per_run_values(run)}
        lines.append(line | {name: values[r] for name, values in figures.items()})
    return lines


def diagnostic_batch(rows: Rows, runs: Sequence[AgentSettings], half: int):
    """A fixed batch, the same for every run: source rows first, then target rows."""
    rng = np.random.default_rng(0)
    source = rng.integers(0, rows.n_source, half)
    target = rng.integers(rows.n_source, rows.n_source + rows.n_target, half)
    index = torch.from_numpy(np.concatenate([source, target])).to(rows.table.device)
    return rows.batch(index.expand(len(runs), -1))
