"""Text, JSON and CSV: written whole, and checked when they are read."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droco_lite.files.atomic import atomic_file
from droco_lite.files.checksums import DamagedFile, expect, joined, read_bytes

if TYPE_CHECKING:
    import pandas as pd


def write_text(path: str | os.PathLike, text: str, *, checksum: bool = False) -> Path:
    """Write ``text`` in UTF-8 to ``path``: the whole of it or, on any error, nothing.

    Args:
        path: the file; one that stands there is replaced.
        text: its content.
        checksum: also keep the checksum in ``PATH.sha256``, for :func:`read_text`.

    Raises:
        OSError: see :func:`atomic_file`.
    """
    return write_bytes(path, text.encode("utf-8"), checksum=checksum)


def write_bytes(path: str | os.PathLike, content: bytes, *, checksum: bool = False) -> Path:
    """Write bytes whole or not at all.

    Args:
        path: the file; its folder is made if it is missing.
        content: what it will hold.
        checksum: write a checksum beside it.

    Raises:
        OSError: see :func:`atomic_file`.
    """
    path = Path(path)
    if checksum:
        expect(path, hashlib.sha256(content).hexdigest())
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_json(path: str | os.PathLike, content: Any, *, checksum: bool = False) -> Path:
    """Write ``content`` as indented JSON, see :func:`write_text`.

    Raises:
        TypeError: ``content`` holds something JSON has no word for.
        ValueError: ``content`` holds NaN or an infinity, which JSON does not allow.
        OSError: see :func:`atomic_file`.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return write_text(path, text, checksum=checksum)


def write_csv(
    path: str | os.PathLike, table: pd.DataFrame, *, checksum: bool = False, **options: Any
) -> Path:
    """Write a table without its index, whole or not at all.

    Args:
        path: the file; its folder is made if it is missing.
        table: the rows.
        checksum: write a checksum beside it.
        options: go to pandas.

    Raises:
        OSError: see :func:`atomic_file`.
    """
    return write_text(path, table.to_csv(index=False, **options), checksum=checksum)


def read_text(path: str | os.PathLike, mend: str = "") -> str:
    """The text of a file, checked; see :func:`droco_lite.files.read_bytes`.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: its checksum does not fit, or it is not UTF-8; ``mend`` follows.
    """
    try:
        return read_bytes(path, mend).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFile(joined(f"{path}: not text in UTF-8 ({error})", mend)) from None


def read_json(path: str | os.PathLike, mend: str = "") -> Any:
    """The content of a JSON file, checked.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: its checksum does not fit, or it is not JSON; ``mend`` follows.
    """
    text = read_text(path, mend)
    try:
        return json.loads(text)
    except ValueError as error:
        raise DamagedFile(joined(f"{path}: not JSON ({error})", mend)) from None


def read_csv(path: str | os.PathLike, mend: str = "", **options: Any) -> pd.DataFrame:
    """A table, checked.

    Args:
        path: the file.
        mend: what an error should advise.
        options: go to pandas.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: its checksum does not fit, or it holds no such table; ``mend`` follows.
    """
    import pandas as pd

    text = read_text(path, mend)
    try:
        return pd.read_csv(io.StringIO(text), **options)
    except (ValueError, KeyError) as error:  # pandas' own errors are ValueErrors
        raise DamagedFile(joined(f"{path}: not the table expected here ({error})", mend)) from None
