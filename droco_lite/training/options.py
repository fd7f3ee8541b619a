"""Options of a command line that are the fields of a settings class, with the fields' own help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

__all__ = ["add_settings"]


def add_settings(parser: argparse.ArgumentParser, kind: type[Any], names: Sequence[str]) -> None:
    """Give a parser an option for each of these fields; one without a default is required.

    Args:
        parser: of the command.
        kind: a dataclass whose fields are numbers, texts or tuples of whole numbers.
        names: of the fields.
    """
    hints = get_type_hints(kind)
    for field in fields(kind):
        if field.name not in names:
            continue
        default: Any = field.default
        required, many = default is MISSING, isinstance(default, tuple)
        said = field.metadata.get("help", "").replace("%", "%%")
        if not required and default != "":
            said += f" ({' '.join(map(str, default)) if many else default} by default)"
        parser.add_argument(
            "--" + field.name.replace("_", "-"), type=int if many else hints[field.name],
            nargs="+" if many else None, required=required, help=said.strip(),
            default=None if required else default,
        )  # fmt: skip
