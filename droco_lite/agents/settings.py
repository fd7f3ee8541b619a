"""Settings as frozen dataclasses whose ranges are checked, and that travel as plain dictionaries.

A method declares each field with :func:`setting`, or with :func:`per_run` if runs stacked in one
loop may differ in it.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


def setting(default, *, low=None, high=None, among=None, help=""):
    """A field that all runs of a stack share, with its range (inclusive) or choices."""
    meta = {"low": low, "high": high, "among": among, "help": help, "per_run": False}
    return dataclasses.field(default=default, metadata=meta)


def per_run(default, *, low=None, high=None, among=None, help=""):
    """A field in which the runs of one stack may differ."""
    meta = {"low": low, "high": high, "among": among, "help": help, "per_run": True}
    return dataclasses.field(default=default, metadata=meta)


@dataclass(frozen=True)
class Settings:
    """Base of every method's settings.

    Raises:
        ValueError: a value outside its range or of the wrong type, named in the message.
        TypeError: an unknown field; :meth:`from_dict` refuses an unknown key by ``ValueError``, and
            lists those that there are.
    """

    method: ClassVar[str] = ""

    def __post_init__(self) -> None:
        types = _types(type(self))
        for field in dataclasses.fields(self):
            value = _checked(field, types[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    def to_dict(self) -> dict[str, Any]:
        """All fields and the method's name, ready for JSON, YAML or TOML."""
        return {"method": self.method} | dataclasses.asdict(self)

    @classmethod
    def completed(cls, runs: Sequence[Settings]) -> list[Settings]:
        """The runs of one stack, and those that some of them cannot be trained without."""
        return list(runs)

    @classmethod
    def check_together(cls, runs: Sequence[Settings]) -> None:
        """Refuse runs of one stack that lack a run which they cannot be trained without."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "settings"):
        """Settings from a mapping; ``where`` (a file name, say) goes into error messages.

        Raises:
            ValueError: no mapping, an unknown key, or a value out of its range.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"{where}: expected settings by name, got {values!r}")
        values = {k: v for k, v in values.items() if k != "method"}
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise ValueError(
                f"{where}: unknown key {unknown[0]!r}; {cls.__name__} has {', '.join(names)}"
            )
        try:
            return cls(**values)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error


_TYPES: dict[type, dict[str, Any]] = {}


def _types(kind: type) -> dict[str, Any]:
    """Types of a class's fields; they are compiled from text, which takes a millisecond."""
    if kind not in _TYPES:
        _TYPES[kind] = typing.get_type_hints(kind)
    return _TYPES[kind]


def _checked(field: dataclasses.Field, kind, value):
    """The value in the field's type, if it is in its range; of a tuple every item must be."""
    name, meta = field.name, field.metadata
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"{name} must be a list of at least one value, got {value!r}")
        return tuple(_checked(field, typing.get_args(kind)[0], item) for item in value)
    allowed = typing.get_args(kind) or (kind,)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise ValueError(f"{name} must be of type {getattr(kind, '__name__', kind)}, got {value!r}")
    if isinstance(value, float) and math.isnan(value):
        raise ValueError(f"{name} must be a number, got NaN")
    if value is None:
        return value
    if meta.get("low") is not None and value < meta["low"]:
        raise ValueError(f"{name} must be at least {meta['low']}, got {value}")
    if meta.get("high") is not None and value > meta["high"]:
        raise ValueError(f"{name} must be at most {meta['high']}, got {value}")
    if meta.get("among") is not None and value not in meta["among"]:
        raise ValueError(f"{name} must be one of {', '.join(meta['among'])}, got {value!r}")
    return value


def per_run_values(run: Settings) -> dict[str, Any]:
    """The settings of ``run`` in which the runs of one stack may differ."""
    names = [f.name for f in dataclasses.fields(run) if f.metadata.get("per_run")]
    return {name: getattr(run, name) for name in names}


def check_stack(runs: Sequence[Settings]) -> None:
    """Refuse runs that cannot share one loop.

    Raises:
        ValueError: there is none, or they differ in their method or in a setting that all share.
    """
    if not runs:
        raise ValueError("runs is empty; give at least one settings object")
    first = runs[0]
    for k, run in enumerate(runs):
        if type(run) is not type(first):
            raise ValueError(
                f"run {k} is {type(run).__name__}, run 0 {type(first).__name__}; stack one method"
            )
        for field in dataclasses.fields(first):
            mine, theirs = getattr(first, field.name), getattr(run, field.name)
            if not field.metadata["per_run"] and mine != theirs:
                raise ValueError(
                    f"runs of one stack must share {field.name}: "
                    f"run 0 has {mine!r}, run {k} {theirs!r}"
                )
    first.check_together(runs)


def describe(kind: type[Settings]) -> list[dict[str, Any]]:
    """Every field of a settings class, as its own metadata describe it.

    Returns:
        One dictionary a field: ``name``, ``type``, ``default``, ``range`` (in words, empty where
        there is none), ``per_run`` (whether stacked runs may differ in it) and ``help``.
    """
    types = _types(kind)
    rows = []
    for field in dataclasses.fields(kind):
        meta, hint = field.metadata, types[field.name]
        low, high = meta.get("low"), meta.get("high")
        bounds = [f"at least {low:g}"] if low is not None else []
        bounds += [f"at most {high:g}"] if high is not None else []
        if low is not None and high is not None:
            bounds = [f"{low:g} to {high:g}"]
        among = meta.get("among")
        rows.append(
            {
                "name": field.name,
                "type": getattr(hint, "__name__", str(hint)) if not typing.get_args(hint)
                else str(hint),
                "default": "required" if field.default is dataclasses.MISSING else field.default,
                "range": ", ".join(map(str, among)) if among is not None else ", ".join(bounds),
                "per_run": bool(meta.get("per_run")),
                "help": meta.get("help", ""),
            }
        )  # fmt: skip
    return rows
