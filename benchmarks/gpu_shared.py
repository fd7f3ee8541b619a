"""What the parts of ``gpu.py`` share: words at once, the card's facts, and a stepper on it."""

from __future__ import annotations

import torch

from droco_lite.training.rows import Rows, Sampler
from droco_lite.training.steps import Stepper


def say(text: str) -> None:
    """Print at once: a log that ends early should still tell how far it came."""
    print(text, flush=True)


def wait_for(device: torch.device) -> None:
    """Let the card finish what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def card(device: torch.device) -> dict:
    """What ran this."""
    if device.type != "cuda":
        return {"card": "none"}
    facts = torch.cuda.get_device_properties(device)
    return {"card": facts.name, "card_gib": round(facts.total_memory / 2**30, 1)}


def stepper_of(agent, data, columns, mode: str, compiling: bool) -> Stepper:
    """The agent's stepper on the device, all rows there."""
    rows = Rows(*data, columns, agent.device, agent.own_rows * len(agent.runs))
    sampler = Sampler(
        agent.runs, len(data[0]), len(data[1]), agent.shared.batch_size, agent.noise_size(),
        agent.own_rows,
    )  # fmt: skip
    return Stepper(agent, rows, sampler, mode, compiling=compiling)
