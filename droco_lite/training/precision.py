"""Which of torch's settings multiplies float32 matrices: "medium" where exact, else "highest"."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from functools import cache

import torch

#: "medium" is taken where it is exact, unless "highest" is faster by more than this factor.  Both
#: are equally fast on many CPUs, and chance in two timings must not decide there.
CLEARLY = 1.25
EXACT = 1e-5  # largest error of a float32 product, relative to the largest entry
ROUNDS, TIMES = 7, 3


@contextlib.contextmanager
def precision_restored() -> Iterator[None]:
    """What follows a training, such as making data, must not depend on how it was run."""
    before = torch.get_float32_matmul_precision()
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def choose_precision(precision: str, device: torch.device) -> str:
    """What ``auto`` stands for on this device.

    On a CPU it is "medium" where that is exact to float32, unless "highest" is more than 1.25 times
    as fast (:data:`CLEARLY`); elsewhere it is "highest".

    With "medium" torch hands a CPU's products to oneDNN.  oneDNN may round factors to bfloat16
    where the CPU has matrix units for that, and is exact to float32 on other CPUs.  There it is up
    to twice as fast as MKL (on AMD's CPUs), or as fast.  A small product shows whether it is exact.
    Timings of the step's own products show whether it is slower.

    Args:
        precision: "auto", or the setting to keep.
        device: where the training runs.
    """
    if precision != "auto":
        return precision
    return _for_cpu() if device.type == "cpu" else "highest"


@cache
def _for_cpu() -> str:
    """ "medium" or "highest", decided once in a process."""
    with precision_restored(), torch.no_grad():
        torch.set_float32_matmul_precision("medium")
        x = torch.linspace(0, 1, 4 * 256 * 256).reshape(4, 256, 256)
        exact = x.double() @ x.double()
        if (x @ x - exact).abs().max() / exact.max() > EXACT:
            return "highest"
        seconds = seconds_of_products(("medium", "highest"))
    return "highest" if seconds["medium"] > CLEARLY * seconds["highest"] else "medium"


def seconds_of_products(precisions: tuple[str, ...]) -> dict[str, float]:
    """Median seconds of six products of 256 x 256, as in a step, by each setting in turn."""
    x = torch.randn(6, 256, 256)
    found: dict[str, list[float]] = {name: [] for name in precisions}
    for _ in range(ROUNDS):
        for name, times in found.items():
            torch.set_float32_matmul_precision(name)
            torch.bmm(x, x)
            start = time.perf_counter()
            for _ in range(TIMES):
                torch.bmm(x, x)
            times.append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in found.items()}
