"""What may come in: distributions, metrics, radii and functions on a finite space of S states.

Each check returns its argument as a float64 array, or raises ValueError naming the argument, the
first entry that is wrong and what is wrong with it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_TOLERANCE = 1e-9  # slack for sums to one, symmetry and the triangle inequality


def check_distribution(p: ArrayLike, name: str = "p") -> Array:
    """Return ``p`` [..., S] as float64 if each row is a distribution.

    Raises:
        ValueError: a row has a negative entry, a NaN, or does not sum to 1 within 1e-9.
    """
    p = np.asarray(p, dtype=np.float64)
    if p.ndim == 0 or p.shape[-1] == 0:
        raise ValueError(f"{name}: expected shape [..., S] with S >= 1, got {p.shape}")
    if not np.isfinite(p).all():
        raise ValueError(f"{name}: holds NaN or an infinity")
    if (p < 0).any():
        where = tuple(int(i) for i in np.argwhere(p < 0)[0])
        raise ValueError(f"{name}: negative probability {p[where]:.3g} at index {where}")
    off = np.abs(p.sum(-1) - 1.0)
    if (off > _TOLERANCE).any():
        row = tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))
        raise ValueError(f"{name}: row {row} sums to {p[row].sum():.9g}, not to 1")
    return p


def check_metric(distances: ArrayLike, name: str = "distances", size: int | None = None) -> Array:
    """Return ``distances`` [S, S] as float64 if they are a metric.

    A metric is zero on the diagonal only, symmetric, and obeys the triangle inequality.

    Raises:
        ValueError: they are not, or there are not ``size`` states.
    """
    d = np.asarray(distances, dtype=np.float64)
    if d.ndim != 2 or d.shape[0] != d.shape[1] or (size is not None and len(d) != size):
        expected = "[S, S]" if size is None else f"[{size}, {size}]"
        raise ValueError(f"{name}: expected shape {expected}, got {d.shape}")
    if not np.isfinite(d).all():
        raise ValueError(f"{name}: holds NaN or an infinity")
    if (np.diagonal(d) != 0).any():
        raise ValueError(f"{name}: not a metric, the diagonal is not zero")
    if (d[~np.eye(len(d), dtype=bool)] <= 0).any():
        raise ValueError(f"{name}: not a metric, two different states lie at distance <= 0")
    slack = _TOLERANCE * max(1.0, d.max(initial=0.0))
    if np.abs(d - d.T).max(initial=0.0) > slack:
        raise ValueError(f"{name}: not a metric, it is not symmetric")
    for via in range(len(d)):
        if (d > d[:, via, None] + d[via] + slack).any():
            raise ValueError(f"{name}: not a metric, a way through state {via} is shorter")
    return d


def check_epsilon(epsilon: float, name: str = "epsilon") -> float:
    """Return ``epsilon`` as a float if it is a radius.

    Raises:
        ValueError: it is negative or not finite.
    """
    epsilon = float(epsilon)
    if not np.isfinite(epsilon) or epsilon < 0:
        raise ValueError(f"{name}: a radius must be finite and >= 0, got {epsilon:g}")
    return epsilon


def check_function(f: ArrayLike, size: int, name: str = "f") -> Array:
    """Return ``f`` as float64 if it holds ``size`` finite numbers.

    Raises:
        ValueError: another shape, a NaN or an infinity.
    """
    f = np.asarray(f, dtype=np.float64)
    if f.shape != (size,):
        raise ValueError(f"{name}: expected shape [{size}], got {f.shape}")
    if not np.isfinite(f).all():
        raise ValueError(f"{name}: holds NaN or an infinity")
    return f


def check_metric_size(distances: Array, p: Array) -> None:
    """Check that ``distances`` [S, S] and ``p`` [..., S] speak of as many states.

    Raises:
        ValueError: they do not.
    """
    if len(distances) != p.shape[-1]:
        raise ValueError(f"p: the metric has {len(distances)} states, a row has {p.shape[-1]}")


def check_order(order: float, name: str = "order") -> float:
    """Return the order of a Wasserstein distance if it is one.

    Raises:
        ValueError: it is below 1 or NaN.
    """
    if not order >= 1:
        raise ValueError(f"{name}: expected 1 <= order <= inf, got {order!r}")
    return float(order)
