"""Where a training runs: its device, and how a CPU keeps memory at hand."""

from __future__ import annotations

import contextlib
import ctypes

import torch


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


def keep_freed_memory() -> None:
    """Ask glibc to keep freed memory, which each step would otherwise fetch by page faults."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another system's C library
        mallopt, trim_threshold, mmap_threshold = ctypes.CDLL(None).mallopt, -1, -3
        mallopt(mmap_threshold, 32 * 2**20)
        mallopt(trim_threshold, 2**30)
