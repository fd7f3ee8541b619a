"""Figures that go to TensorBoard or Weights & Biases arrive there, each at its step."""

import sys
import types

import pytest

from droco_lite.training import writers


class Recorder:
    """Stands for the ``wandb`` package: its documented calls, kept in a list."""

    def __init__(self):
        self.init_options, self.logged, self.finished = None, [], False

    def init(self, **options):
        self.init_options = options
        return self

    def log(self, figures, step):
        self.logged.append((step, dict(figures)))

    def finish(self):
        self.finished = True


@pytest.fixture
def wandb(monkeypatch):
    recorder = Recorder()
    module = types.ModuleType("wandb")
    module.init = recorder.init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return recorder


def test_figures_of_one_step_are_sent_together_and_in_order(wandb, tmp_path):
    writer = writers.WeightsAndBiases("droco", tmp_path / "run-1", {"beta": 0.5})
    for step in (10, 20):
        writer.add_scalar("0/q_loss", 0.1 * step, step)
        writer.add_scalar("0/return_mean", 2.0 * step, step)
    writer.close()
    assert wandb.logged == [
        (10, {"0/q_loss": 1.0, "0/return_mean": 20.0}),
        (20, {"0/q_loss": 2.0, "0/return_mean": 40.0}),
    ]
    assert wandb.finished
    assert wandb.init_options["id"] == "run-1"  # a resumed training goes on in the same run
    assert wandb.init_options["config"] == {"beta": 0.5}


def test_several_writers_see_the_same(wandb, tmp_path):
    both = writers.Writers(
        writers.WeightsAndBiases("droco", tmp_path, {}),
        writers.WeightsAndBiases("droco", tmp_path, {}),
    )
    both.add_scalar("a", 1.0, 5)
    both.close()
    assert wandb.logged == [(5, {"a": 1.0})] * 2


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r"pip install 'droco-lite\[wandb\]'"):
        writers.WeightsAndBiases("droco", tmp_path, {})
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'droco-lite\[logs\]'"):
        writers.tensorboard(tmp_path)
