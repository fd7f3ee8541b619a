"""The training loop: prepare, step, look, save, and again.

>>> from droco_lite.agents import DROCOSettings
>>> from droco_lite.data import make_task
>>> from droco_lite.training import train
>>> data = make_task("halfcheetah-medium", source_size=20_000, target_size=5_000)
>>> runs = [DROCOSettings(beta=b, seed=s, steps=10_000) for b in (0.0, 0.5) for s in (0, 1)]
>>> curve = train(runs, data.source, data.target, robot="halfcheetah").curve
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import signal
import threading
import time
import warnings
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
from droco_lite.agents.soundness import WARN_ABOVE, possible_returns, value_figures
from droco_lite.data.transitions import Transitions
from droco_lite.robots import NOMINAL, get_robot, rollout_runs
from droco_lite.training import checkpoint
from droco_lite.training.precision import choose_precision, precision_restored
from droco_lite.training.rows import Rows, Sampler
from droco_lite.training.steps import MODES, Stepper

CURVE = "curve.csv"


class TrainingError(RuntimeError):
    """Training had to stop; the message says where and what can be done."""


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
        "set_float32_matmul_precision.  auto is float32, by the faster library: see "
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
        return lambda observations: numpy_act(self.agent)(
            np.broadcast_to(observations, (len(self.agent.runs), *observations.shape))
        )[run]


def numpy_act(agent) -> Callable[[np.ndarray], np.ndarray]:
    """The policies of all runs on NumPy arrays: ``[R, rows, S]`` to ``[R, rows, A]``."""
    return lambda seen: agent.act(torch.tensor(seen, device=agent.device)).cpu().numpy()


def choose_device(device: str = "auto") -> torch.device:
    """``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        ValueError: no such device, or none that this torch can use.
    """
    if device == "auto":
        mps = torch.backends.mps.is_available()
        device = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but this torch sees no CUDA device")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"device {device!r} cannot be used here: {reason}") from error
    if chosen.type == "meta":
        raise ValueError("device 'meta' holds no numbers; choose auto, cpu, cuda or mps")
    return chosen


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
        writer: a TensorBoard ``SummaryWriter``, or anything with ``add_scalar(name, value, step)``.
        lengthen: let a training found in ``out`` that asked for fewer steps go on. The policy's
            learning rate then takes the longer cosine up at its present step: it rises again from
            where the shorter one had let it fall, so that the result is not that of a training of
            this length from the start. Without it such a folder is refused.
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
    facts = {
        "runs": [run.to_dict() for run in runs],
        "source": fingerprint(source),
        "target": fingerprint(target),
        "precision": loop.precision,
        "evaluation": [robot, loop.evaluate_every, loop.episodes, loop.evaluation_seed],
    }
    held = files.lock(out, mend="choose another output folder") if out else nullcontext()
    with held:
        return _run(
            agent, source, target, facts, robot=robot, loop=loop, out=out, stop_after=stop_after,
            on_evaluation=on_evaluation, on_progress=on_progress, on_start=on_start, writer=writer,
            lengthen=lengthen,
        )  # fmt: skip


def _run(
    agent, source, target, facts, *, robot, loop, out, stop_after, on_evaluation, on_progress,
    on_start, writer, lengthen,
) -> Result:  # fmt: skip
    """Go on from the folder's checkpoint, if it holds one, to the last step."""
    device, runs, on_gpu = agent.device, agent.runs, agent.device.type == "cuda"
    saved = checkpoint.load(out, device) if out else None
    if saved is not None:
        asked = as_long_as(saved[1]["facts"], facts) if lengthen else facts
        checkpoint.refuse_other(saved[1]["facts"], asked, out)
        checkpoint.refuse_not_finite(saved[0], out)
        agent.load_frozen(saved[0])
    # A training that goes on keeps what "auto" chose for it, so that it ends as if never stopped.
    before = {} if saved is None else saved[1].get("chosen", {})
    precision = before.get("precision") if loop.precision == "auto" else None
    precision = precision or choose_precision(loop.precision, device)
    torch.set_float32_matmul_precision(precision)
    columns = agent.prepare(source, target)
    own = agent.own_rows
    rows = Rows(source, target, columns, device, own * len(runs))
    del columns
    sizes = (len(source), len(target), agent.shared.batch_size, agent.noise_size(), own)
    sampler = Sampler(runs, *sizes)
    step, lines = (0, []) if saved is None else (saved[1]["step"], saved[1]["curve"])
    total = agent.shared.steps
    last = total if stop_after is None else min(total, stop_after)
    mode = loop.mode
    if mode == "auto" and not lengthen and (before.get("mode") == "graph") == on_gpu:
        mode = before.get("mode", mode)
    stepper = Stepper(agent, rows, sampler, mode, steps=last - step)
    if saved is not None:  # after the stepper: rows of the runs' own have their place by now
        agent.load_state(saved[0])
        write_curve(Path(out) / CURVE, lines)  # a process may have died before it did
    probe = diagnostic_batch(rows, runs, loop.diagnostic_rows)
    if on_start:
        on_start()
    slack = agent.reward_slack
    possible = possible_returns(agent.shared.discount, source, target, slack=slack)
    warned = False

    def save() -> None:
        if out:
            tensors = agent.state() | agent.frozen()
            refuse_not_finite_state(tensors, step, out)
            chosen = {"precision": precision, "mode": stepper.mode}
            about = {"facts": facts, "step": step, "curve": lines, "chosen": chosen}
            checkpoint.save(out, tensors, about)
            write_curve(Path(out) / CURVE, lines)

    began, first, seconds_stepping = time.perf_counter(), step, 0.0
    with stop_on_signal() as interrupted:
        if step < last:
            stepper.warm_up(step)  # compiling is part of the wait, not of the rate
        while step < last:
            ahead = [n - step % n for n in (loop.evaluate_every, loop.save_every, 100)]
            count = min(*ahead, last - step)
            start = time.perf_counter()
            stepper.run(step, count)
            step += count
            if on_gpu and min(ahead[:2]) == count:
                torch.cuda.synchronize()
            seconds_stepping += time.perf_counter() - start
            if on_progress:
                on_progress(step, total)
            if step % loop.evaluate_every == 0 or step == total:
                new = look(agent, probe, possible, robot, loop, step)
                refuse_not_finite(new, out)
                warned = warned or warn_outside(new, possible)
                lines += new
                if writer is not None:
                    write_scalars(writer, new)
                if on_evaluation:
                    on_evaluation(pd.DataFrame(lines))
            if step % loop.save_every == 0 or step == last or interrupted():
                save()
            if interrupted():
                raise KeyboardInterrupt(
                    f"stopped at step {step}" + (f", saved in {out}" if out else "")
                )
    rate = (step - first) / seconds_stepping if seconds_stepping else float("nan")
    return Result(agent, pd.DataFrame(lines), time.perf_counter() - began, rate, stepper.mode)


def as_long_as(saved: dict, now: dict) -> dict:
    """``now`` with the saved numbers of steps, if every run asks for more than it had."""
    before, after = ([run.get("steps", 0) for run in facts["runs"]] for facts in (saved, now))
    if len(before) != len(after) or not all(b < a for b, a in zip(before, after, strict=True)):
        return now
    runs = [run | {"steps": steps} for run, steps in zip(now["runs"], before, strict=True)]
    return now | {"runs": runs}


def keep_freed_memory() -> None:
    """Ask glibc to keep freed blocks: given back, each step pays page faults for them again."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another system's C library
        mallopt, trim_threshold, mmap_threshold = ctypes.CDLL(None).mallopt, -1, -3
        mallopt(mmap_threshold, 32 * 2**20)
        mallopt(trim_threshold, 2**30)


def look(
    agent, probe, possible: tuple[float, float], robot: str | None, loop: LoopSettings, step: int
) -> list[dict]:
    """One line a run: its per-run settings, diagnostics, and returns in the nominal simulator."""
    found = agent.diagnostics(probe) | value_figures(agent, probe, possible)
    figures = {name: value.tolist() for name, value in found.items()}
    if robot is not None and loop.episodes > 0:
        returns = rollout_runs(
            robot, [NOMINAL], numpy_act(agent), runs=len(agent.runs),
            episodes=loop.episodes, seed=loop.evaluation_seed,
        ).returns[:, 0]  # fmt: skip
        figures["return_mean"] = returns.mean(1).tolist()
        figures["return_std"] = returns.std(1, ddof=min(1, loop.episodes - 1)).tolist()
        figures["score"] = get_robot(robot).score(returns.mean(1)).tolist()
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


def refuse_not_finite(lines: list[dict], out) -> None:
    """Raise :class:`TrainingError` naming the first run and figure that is not finite."""
    for line in lines:
        for name in ("q_loss", "value_loss", "policy_loss"):
            if name in line and not np.isfinite(line[name]):
                raise TrainingError(
                    f"{name} of run {line['run']} is {line[name]} at step {line['step']}"
                    f"{last_good(out)}. {TOO_FAR}"
                )


TOO_FAR = "Lower the learning rate, or look for extreme rewards in the data"


def refuse_not_finite_state(tensors: dict[str, torch.Tensor], step: int, out) -> None:
    """Raise :class:`TrainingError` before a state is saved that no training could go on from."""
    if name := checkpoint.not_finite(tensors):
        raise TrainingError(f"{name} is not finite at step {step}{last_good(out)}. {TOO_FAR}")


def last_good(out) -> str:
    """Where a training can go on from, if it can."""
    if out and (Path(out) / checkpoint.FILE).exists():
        return f"; the last good checkpoint is {Path(out) / checkpoint.FILE}"
    return "; no checkpoint was kept yet" if out else ""


def warn_outside(lines: list[dict], possible: tuple[float, float]) -> bool:
    """Warn of the first run whose values have left the range that returns can have."""
    for line in lines:
        if line["outside"] > WARN_ABOVE:
            low, high = possible
            warnings.warn(
                f"run {line['run']} ({line['method']}): {line['outside']:.0%} of its values lie "
                f"outside {low:.4g} to {high:.4g} at step {line['step']}, the range that returns "
                f"can have (kappa {line['kappa']:.3g}); its policy learns from values of nothing",
                stacklevel=3,
            )
            return True
    return False


def write_scalars(writer, lines: list[dict]) -> None:
    """Every number of every line, under ``run/name``."""
    for line in lines:
        for name, value in line.items():
            if isinstance(value, float) and np.isfinite(value):
                writer.add_scalar(f"{line['run']}/{name}", value, line["step"])


def write_curve(path: Path, lines: list[dict]) -> None:
    """The curve as CSV with its checksum, replaced whole; nothing before the first evaluation."""
    if not lines:
        return
    text = pd.DataFrame(lines).to_csv(index=False)
    with contextlib.suppress(OSError, files.DamagedFile):
        if files.read_text(path) == text:
            return
    files.write_text(path, text, checksum=True)


def read_curve(folder: str | Path, mend: str = "") -> pd.DataFrame:
    """The curve that a training left in ``folder``; a lost or damaged one is made again.

    Args:
        folder: the training's, with the checkpoint that holds the curve too.
        mend: what the user can do where there is no checkpoint, added to the error's message.

    Raises:
        FileNotFoundError: there is neither a curve nor a checkpoint.
        DamagedFile: the curve is not what was written, and there is no checkpoint.
        CheckpointError: the curve is lost or damaged, and the checkpoint cannot be read.
    """
    path = Path(folder) / CURVE
    try:
        return files.read_csv(path, mend)
    except (FileNotFoundError, files.DamagedFile):
        saved = checkpoint.load(Path(folder))
        if saved is None:
            raise
        write_curve(path, saved[1]["curve"])
    return files.read_csv(path, mend)


def fingerprint(data: Transitions) -> dict:
    """Enough of a data set to recognise it: rows, columns, and a hash of up to 1,000 rows."""
    spread = np.linspace(0, len(data) - 1, min(len(data), 1000)).astype(np.int64)
    part = data.without_oracle().take(spread)
    digest = hashlib.sha256(
        b"".join(np.ascontiguousarray(a).tobytes() for a in part.arrays().values())
    )
    columns = [data.observation_size, data.action_size]
    return {"rows": len(data), "columns": columns, "hash": digest.hexdigest()[:16]}


class stop_on_signal:
    """Ctrl-C and SIGTERM (a batch system's stop) set a flag, so that neither falls into a step.

    A second signal acts at once, as it would have without this.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __enter__(self) -> Callable[[], bool]:
        self.stopped, self.before = False, {}
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self._stop) for number in self.SIGNALS}
        return lambda: self.stopped

    def _stop(self, number, frame) -> None:
        self.stopped = True
        self.__exit__()

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
