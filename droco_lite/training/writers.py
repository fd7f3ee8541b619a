"""Logs of a training besides its CSV file: TensorBoard, Weights & Biases.

:func:`droco_lite.training.train` takes anything with ``add_scalar(name, value, step)``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def tensorboard(folder: str | Path):
    """A writer of TensorBoard event files into ``folder``.

    Raises:
        ImportError: TensorBoard is not installed; the message says how.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("TensorBoard is missing: pip install 'droco-lite[logs]'") from error
    return SummaryWriter(str(folder))


class WeightsAndBiases:
    """A writer of one Weights & Biases run; ``WANDB_MODE=offline`` keeps it on this machine.

    Args:
        project: the project's name.
        folder: the training's folder. Its name is the run's id, so that a resumed training goes on
            in the same run.
        settings: what the run's page should say of it.

    Raises:
        ImportError: wandb is not installed; the message says how.
    """

    def __init__(self, project: str, folder: str | Path, settings: Mapping[str, Any]):
        try:
            import wandb
        except ImportError as error:
            raise ImportError("wandb is missing: pip install 'droco-lite[wandb]'") from error
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project=project, dir=str(folder), id=folder.name, resume="allow", config=dict(settings)
        )
        self.waiting: dict[int, dict[str, float]] = defaultdict(dict)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Keep a figure; a step's figures are sent together, once a later step begins."""
        for earlier in [s for s in self.waiting if s != step]:
            self.run.log(self.waiting.pop(earlier), step=earlier)
        self.waiting[step][name] = value

    def close(self) -> None:
        """Send what is left and end the run."""
        for step, figures in self.waiting.items():
            self.run.log(figures, step=step)
        self.waiting.clear()
        self.run.finish()


class Writers:
    """Several writers as one."""

    def __init__(self, *writers):
        self.writers = writers

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Hand the figure to every writer."""
        for writer in self.writers:
            writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Close every writer."""
        for writer in self.writers:
            writer.close()
