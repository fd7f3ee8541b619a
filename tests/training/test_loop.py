"""The loop: equal modes, independent runs, and trainings that survive being killed."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from droco_lite.agents import IQL, DROCOSettings, IQLSettings
from droco_lite.data.transitions import Transitions
from droco_lite.files import InUse
from droco_lite.training import CheckpointError, LoopSettings, TrainingError, train
from droco_lite.training import checkpoint as checkpoints
from droco_lite.training.rows import Sampler
from droco_lite.training.steps import Stepper
from tests.agents.rivals import tiny
from tests.agents.toy import N_ACT, transitions

SOURCE, TARGET = transitions(400, 0, shift=0.3), transitions(120, 1)
QUIET = LoopSettings(device="cpu", evaluate_every=20, save_every=20, diagnostic_rows=32)


def settings(**changes):
    base = {"hidden": 16, "steps": 60, "batch_size": 8, "ensemble_epochs": 2, "members": 3}
    return DROCOSettings(**base | changes)


def networks(result):
    return torch.cat([t.flatten() for t in result.agent.networks.tensors().values()])


def run(runs, loop=QUIET, **options):
    return train(runs, SOURCE, TARGET, loop=loop, **options)


@pytest.mark.slow
def test_every_mode_takes_the_same_steps():
    runs = [settings(beta=0.0), settings(beta=1.0, seed=1), settings(floor=-0.1, ceiling=0.1)]
    plain = run(runs, LoopSettings(device="cpu", mode="autograd", evaluate_every=60))
    manual = run(runs, LoopSettings(device="cpu", mode="manual", evaluate_every=60))
    assert (plain.mode, manual.mode) == ("autograd", "manual")
    torch.testing.assert_close(networks(plain), networks(manual), rtol=1e-3, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "modes"),
    [
        (settings(beta=2.0, floor=-0.1, ceiling=0.1), ("compiled", "manual")),
        (settings(), ("manual", "compiled")),
        (tiny("otdf", steps=60), ("manual", "compiled")),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else given.method,
)
def test_compiled_steps_agree_or_fall_back_with_a_warning(one, modes, tmp_path):
    """Half of a training each: Adam's moments and count, too, must mean the same in both."""
    for mode, stop in zip(modes, (33, None), strict=True):
        loop = LoopSettings(device="cpu", mode=mode, evaluate_every=60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mixed = run([one], loop, out=tmp_path, stop_after=stop)
        assert mixed.mode in (mode, "manual")  # manual where there is no C++ compiler
    manual = run([one], LoopSettings(device="cpu", mode="manual", evaluate_every=60))
    mine, theirs = mixed.agent.state(), manual.agent.state()
    assert mine.keys() == theirs.keys()
    assert {float(mine[n]) for n in mine if n.endswith(".step")} == {60.0}
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-3, atol=2e-5)


@pytest.mark.slow
def test_a_stacked_run_equals_the_same_run_alone():
    runs = [settings(beta=0.0), settings(beta=1.0, seed=3), settings(temperature=0.0, seed=5)]
    runs += [settings(floor=-math.inf), settings(floor=-0.1, ceiling=0.1)]
    together = run(runs)
    for r, one in enumerate(runs):
        alone = run([one])
        for mine, theirs in zip(
            together.agent.networks.weights, alone.agent.networks.weights, strict=True
        ):
            torch.testing.assert_close(mine[:, r], theirs[:, 0], rtol=1e-4, atol=1e-6)


def test_batches_do_not_depend_on_the_runs_beside_them():
    runs = [settings(seed=s) for s in (4, 9)]
    both = Sampler(runs, 400, 120, 8).block(3, 10)
    alone = Sampler(runs[1:], 400, 120, 8).block(3, 10)
    assert torch.equal(both[:, 1], alone[:, 0])
    assert int(both[..., :8].max()) < 400 <= int(both[..., 8:].min())
    only = Sampler([settings(halves="target")], 400, 120, 8).block(0, 10)
    assert int(only.min()) >= 400


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path, one_thread):
    """The killed training is a process of its own; this one goes on with what it left."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            import torch
            torch.set_num_threads(1)
            from tests.training.test_loop import QUIET, run, settings
            def pause(step, total):
                time.sleep(0.2)
            run([settings(seed=s) for s in (0, 1)], out=sys.argv[1], on_progress=pause)
            """
        )
    )
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = [sys.executable, str(script), str(tmp_path / "killed")]
    killed = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": here}, cwd=here)
    runs = [settings(seed=s) for s in (0, 1)]
    run(runs, out=tmp_path / "whole")
    first = tmp_path / "killed" / checkpoints.FILE
    deadline = time.monotonic() + 100
    while not first.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert checkpoints.load(tmp_path / "killed")[1]["step"] < 60
    run(runs, out=tmp_path / "killed")

    one, facts = checkpoints.load(tmp_path / "whole")
    other, others = checkpoints.load(tmp_path / "killed")
    assert facts["step"] == others["step"] == 60
    assert all(torch.equal(one[name], other[name]) for name in one)
    whole, resumed = (pd.read_csv(tmp_path / f / "curve.csv") for f in ("whole", "killed"))
    pd.testing.assert_frame_equal(whole, resumed)


@pytest.mark.slow
def test_stopping_early_and_going_on_is_the_same_training(tmp_path):
    whole = run([settings()], out=tmp_path / "whole")
    run([settings()], out=tmp_path / "parts", stop_after=33)
    parts = run([settings()], out=tmp_path / "parts")
    assert torch.equal(networks(whole), networks(parts))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_saves_and_says_where(tmp_path, number):
    before = signal.getsignal(number)

    def press(step, total):
        if step == 40:
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt, match="stopped at step 40, saved in"):
        run([settings()], out=tmp_path, on_progress=press)
    assert checkpoints.load(tmp_path)[1]["step"] == 40
    assert signal.getsignal(number) is before


def test_other_settings_are_refused_with_the_difference(tmp_path):
    run([settings(beta=0.5)], out=tmp_path)
    with pytest.raises(CheckpointError, match=r"runs\.0\.beta: 0\.5 in the checkpoint, 0\.7 now"):
        run([settings(beta=0.7)], out=tmp_path)
    with pytest.raises(CheckpointError, match=r"target\.rows: 120 in the checkpoint, 100 now"):
        train([settings(beta=0.5)], SOURCE, TARGET.take(slice(100)), loop=QUIET, out=tmp_path)


@pytest.mark.parametrize(("floor", "told"), [(None, True), (-math.inf, False)])
def test_a_checkpoint_from_before_there_was_a_ceiling_goes_on(floor, told, tmp_path):
    run([settings(floor=floor)], out=tmp_path, stop_after=20)
    tensors, about = checkpoints.load(tmp_path)
    for one in about["facts"]["runs"]:
        del one["ceiling"]
    checkpoints.save(tmp_path, tensors, about)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run([settings(floor=floor)], out=tmp_path)
    assert result.curve["step"].max() == 60
    assert any("older than the setting ceiling" in str(w.message) for w in caught) == told
    del about["facts"]["runs"][0]["floor"]
    checkpoints.save(tmp_path / "other", tensors, about)
    with pytest.raises(CheckpointError, match=r"runs\.0\.floor: '\(absent\)'"):
        run([settings(floor=floor)], out=tmp_path / "other")


def test_full_disk_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    run([settings()], out=tmp_path, stop_after=20)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CheckpointError, match=r"disk is full.*last good checkpoint is kept"):
        run([settings()], out=tmp_path)
    monkeypatch.undo()
    assert checkpoints.load(tmp_path)[1]["step"] == 20
    assert not list(tmp_path.glob("*.partial*"))


def test_broken_checkpoint_is_named(tmp_path):
    (tmp_path / checkpoints.FILE).write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"checkpoint.safetensors.*another output folder"):
        run([settings()], out=tmp_path)


def poisoned(monkeypatch, after):
    """From a step on, parameters that are not finite."""
    real = Stepper.run

    def step(self, first, count):
        real(self, first, count)
        if first + count > after:
            self.agent.networks.weights[0].data[0] = float("nan")

    monkeypatch.setattr(Stepper, "run", step)


@pytest.mark.parametrize(("every", "message"), [(20, "q_loss of run 0 is nan"), (60, "not finite")])
def test_what_is_not_finite_is_never_saved(tmp_path, monkeypatch, every, message):
    """Whether an evaluation or a checkpoint comes first, the good checkpoint stays and resumes."""
    quiet = replace(QUIET, evaluate_every=every)
    run([settings()], quiet, out=tmp_path, stop_after=20)
    with monkeypatch.context() as patch:
        poisoned(patch, 20)
        with pytest.raises(TrainingError, match=rf"{message}.*step 40; .*{checkpoints.FILE}.*rate"):
            run([settings()], quiet, out=tmp_path)
    assert checkpoints.load(tmp_path)[1]["step"] == 20
    assert torch.equal(
        networks(run([settings()], quiet, out=tmp_path)), networks(run([settings()]))
    )


def test_any_loss_that_is_not_finite_ends_a_training(monkeypatch):
    """Also one that only a rival knows; a figure that is no loss may be without a number."""
    real = IQL.diagnostics

    def with_own(name):
        def diagnostics(self, batch):
            found = real(self, batch)
            return found | {name: torch.full_like(found["q_loss"], torch.nan)}

        return diagnostics

    monkeypatch.setattr(IQL, "diagnostics", with_own("my_loss"))
    with pytest.raises(TrainingError, match=r"^my_loss of run 0 is nan at step 20\. Lower"):
        run([settings()], QUIET)
    monkeypatch.setattr(IQL, "diagnostics", with_own("my_figure"))
    assert run([settings()], QUIET).curve["my_figure"].isna().all()


def test_no_checkpoint_is_named_where_there_is_none(tmp_path, monkeypatch):
    poisoned(monkeypatch, 0)
    with pytest.raises(TrainingError, match=r"at step 20; no checkpoint was kept yet\."):
        run([settings()], out=tmp_path)
    assert not (tmp_path / checkpoints.FILE).exists()


def test_a_checkpoint_that_is_not_finite_is_refused(tmp_path):
    run([settings()], out=tmp_path, stop_after=20)
    tensors, facts = checkpoints.load(tmp_path)
    tensors["network.weight0"][0] = float("nan")
    checkpoints.save(tmp_path, tensors, facts)
    with pytest.raises(CheckpointError, match=r"network\.weight0 is not finite.*another output"):
        run([settings()], out=tmp_path)


def test_a_curve_is_rebuilt_from_the_checkpoint(tmp_path):
    """A process may die after the last checkpoint and before the curve is written."""
    run([settings()], out=tmp_path)
    path = tmp_path / "curve.csv"
    whole = path.read_bytes()
    for damage in (b"", whole[:-40], whole.replace(b"1", b"2")):
        path.write_bytes(damage)
        run([settings()], out=tmp_path)
        assert path.read_bytes() == whole
    path.unlink()
    run([settings()], out=tmp_path)
    assert path.read_bytes() == whole


def test_a_second_training_in_one_folder_is_refused(tmp_path):
    refused = []

    def again(step, total):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()

    def attempt():
        try:
            run([settings(beta=0.7)], out=tmp_path)
        except InUse as error:
            refused.append(str(error))

    first = run([settings()], out=tmp_path, on_progress=again)
    assert refused and all("choose another output folder" in message for message in refused)
    assert torch.equal(networks(first), networks(run([settings()])))


def test_bad_data_are_refused_before_training():
    holed = SOURCE.observations.copy()
    holed[7, 2] = np.nan
    bad = Transitions(
        holed, SOURCE.actions, SOURCE.rewards, SOURCE.next_observations,
        SOURCE.terminations, SOURCE.truncations,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"source: observations holds nan at row 7"):
        train([settings()], bad, TARGET, loop=QUIET)
    with pytest.raises(ValueError, match="target: the set is empty"):
        train([settings()], SOURCE, TARGET.take(slice(0)), loop=QUIET)
    narrow = Transitions(
        TARGET.observations[:, :4], TARGET.actions, TARGET.rewards,
        TARGET.next_observations[:, :4], TARGET.terminations, TARGET.truncations,
    )  # fmt: skip
    with pytest.raises(ValueError, match="source has 5 observation"):
        train([settings()], SOURCE, narrow, loop=QUIET)


def test_runs_that_cannot_share_a_loop_are_refused():
    with pytest.raises(ValueError, match="must share batch_size: run 0 has 8, run 1 16"):
        run([settings(), settings(batch_size=16)])
    with pytest.raises(ValueError, match="run 1 is IQLSettings, run 0 DROCOSettings"):
        run([settings(), IQLSettings()])
    with pytest.raises(ValueError, match="at least one"):
        run([])


def test_an_impossible_device_or_mode_is_refused():
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            run([settings()], LoopSettings(device="cuda"))
    with pytest.raises(ValueError, match="needs a CUDA device"):
        run([settings()], LoopSettings(device="cpu", mode="graph"))


def test_learning_lowers_the_losses_on_a_problem_that_can_be_learnt():
    runs = [IQLSettings(hidden=32, steps=400, batch_size=32, learning_rate=1e-3)]
    result = run(runs, LoopSettings(device="cpu", evaluate_every=20, diagnostic_rows=256))
    first, last = result.curve.iloc[0], result.curve.iloc[-1]
    assert last.q_loss < 0.5 * first.q_loss
    assert last.policy_loss < first.policy_loss
    assert result.policy()(SOURCE.observations[:9]).shape == (9, N_ACT)
