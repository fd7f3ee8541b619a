"""Saved outputs hold on every processor: words exactly, numbers to their last printed digit.

Another vector unit or BLAS sums in another order, and a figure that stood at a rounding edge
prints one digit differently. This pytest plugin sits on nbval: before nbval compares a cell's
outputs, each new number that is near the saved one is set equal to it. What nbval then reports is
a difference.

    python -m pytest -p tests.book.near --nbval book/ensembles.ipynb

Two numbers are near when they differ by at most one unit in the last printed digit, or by one
part in a million, or by 1e-12, the noise of a rounding error itself. Whole numbers are counts and
must agree, unless the cell says otherwise: its tag ``near-0.5`` allows an absolute difference,
``near-3%`` a relative one, for whole numbers too. Runs of spaces count as one, since a sign shifts
a column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

RELATIVE = 1e-6
ABSOLUTE = 1e-12
#: Shown beside a slider where the notebook asks for it; it is no result.
SCRIPT = "application/javascript"

# A sign counts where no word stands before it; a number ends where no letter or digit goes on that
# could make it part of a name. "3.2s" and "4 %" are numbers with their units.

_NUMBER = re.compile(
    r"(?<![\w.#])(?:(?<![\w)\]])[+\-−])?"  # a sign
    r"\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\d_]|\.\d)"
)
_TAG = re.compile(r"near-(\d+(?:\.\d+)?)(%?)")


def tolerance(tags: Iterable[str]) -> tuple[float, float] | None:
    """What a cell states: ``(absolute, relative)``, or None where it states nothing.

    Raises:
        ValueError: a tag that begins with ``near-`` does not go on with a number.
    """
    for tag in tags:
        if tag.startswith("near-"):
            found = _TAG.fullmatch(tag)
            if not found:
                raise ValueError(f"tag {tag!r}: write near-0.5 (absolute) or near-3% (relative)")
            size = float(found[1])
            return (0.0, size / 100) if found[2] else (size, 0.0)
    return None


def value(number: str) -> float:
    return float(number.replace("−", "-").replace(",", ""))


def last_digit(number: str) -> float | None:
    """The size of one unit in the last printed digit; None for a whole number."""
    mantissa, _, exponent = number.lower().partition("e")
    _whole, point, decimals = mantissa.partition(".")
    if not point and not exponent:
        return None
    return 10.0 ** (int(exponent or 0) - len(decimals))


def near(new: str, saved: str, stated: tuple[float, float] | None = None) -> bool:
    """Whether two printed numbers may stand for the same result."""
    a, b = value(new), value(saved)
    if a == b:
        return True
    difference = abs(a - b)
    if stated is not None:
        absolute, relative = stated
        return difference <= absolute * (1 + 1e-9) + relative * max(abs(a), abs(b))
    units = (last_digit(new), last_digit(saved))
    if None in units:
        return False
    allowed = max(min(units), RELATIVE * max(abs(a), abs(b)), ABSOLUTE)
    return difference <= allowed * (1 + 1e-9) or math.isclose(a, b, rel_tol=1e-15)


def words(text: str) -> list[str]:
    """What stands between the numbers, each run of spaces as one."""
    return [re.sub(r"[ \t]+", " ", part).strip(" ") for part in _NUMBER.split(text)]


def settled(new: str, saved: str, stated: tuple[float, float] | None = None) -> str:
    """``new``, with each number that is near the saved one written as it was saved.

    Where words and all numbers agree this is ``saved`` itself.
    """
    found, kept = _NUMBER.findall(new), _NUMBER.findall(saved)
    if len(found) != len(kept):
        return new
    agree = [near(a, b, stated) for a, b in zip(found, kept, strict=True)]
    if all(agree) and words(new) == words(saved):
        return saved
    fates = iter(zip(found, kept, agree, strict=True))

    def settle(_match: re.Match) -> str:
        a, b, same = next(fates)
        return b if same else a

    return _NUMBER.sub(settle, new)


def settle_outputs(new: list, saved: list, stated: tuple[float, float] | None = None) -> list:
    """The outputs of a cell, settled one by one against the saved ones of the same kind."""
    new = [output for output in new if set(output.get("data", {"": 0})) != {SCRIPT}]
    if len(new) != len(saved):
        return new
    for output, reference in zip(new, saved, strict=True):
        if output.output_type != reference.output_type:
            continue
        if "text" in output:
            output.text = settled(output.text, reference.text, stated)
        for kind, content in output.get("data", {}).items():
            kept = reference.get("data", {}).get(kind)
            if kind.startswith("text/") and isinstance(kept, str):
                output["data"][kind] = settled(content, kept, stated)
    return new


def pytest_configure(config) -> None:
    """Set near numbers equal before nbval compares; the rest is nbval's."""
    from nbval.plugin import IPyNbCell, NbCellError

    if hasattr(IPyNbCell, "exact_compare_outputs"):
        return
    IPyNbCell.exact_compare_outputs = IPyNbCell.compare_outputs

    def compare_outputs(self, test, ref, skip_compare=None):
        try:
            stated = tolerance(self.cell.metadata.get("tags", []))
        except ValueError as error:
            raise NbCellError(self.cell_num, str(error), self.cell.source) from error
        return self.exact_compare_outputs(settle_outputs(test, ref, stated), ref, skip_compare)

    IPyNbCell.compare_outputs = compare_outputs
