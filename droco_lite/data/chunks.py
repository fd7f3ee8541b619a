"""Walks over many rows in chunks, so that what is made of them stays small beside the data."""

from __future__ import annotations

from collections.abc import Iterator


def chunks(rows: int, size: int) -> Iterator[slice]:
    """Slices of ``size`` rows each, in order, that together make up all rows; the last is shorter.

    Args:
        rows: how many there are; 0 gives no slice.
        size: rows of a chunk, at least 1.
    """
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
