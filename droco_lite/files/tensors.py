"""Tensors in safetensors files, with a checksum in the header."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droco_lite.files.atomic import atomic_file
from droco_lite.files.checksums import DamagedFile, joined, read_bytes

if TYPE_CHECKING:
    from torch import Tensor

# Two marks, so that no flipped bit makes a file look as if it had no checksum.
_FORMAT, _KEY = "droco-lite 2", "droco-lite-sha256"


def save_tensors(
    path: str | os.PathLike,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a safetensors file with a checksum in its header: the whole file or nothing.

    Args:
        path: the file; one that stands there is replaced.
        tensors: by name, on any device.
        metadata: more text for the header.

    Raises:
        OSError: see :func:`atomic_file`.
    """
    from safetensors.torch import save

    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    blank = {"format": _FORMAT, _KEY: "0" * 64}
    content = save(flat, {**(metadata or {}), **blank})
    at = _checksum_place(content)
    value = hashlib.sha256(content).hexdigest().encode()
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        for piece in (content[:at], value, memoryview(content)[at + 64 :]):
            file.write(piece)
    return Path(path)


def load_tensors(
    path: str | os.PathLike, device: Any = "cpu", mend: str = ""
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file, from one read of its bytes.

    Files without a checksum, as others make them, are read too.

    Args:
        path: the file.
        device: where the tensors go.
        mend: what the user can do about a damaged file, added to that error's message.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it may not be read.
        DamagedFile: it is no safetensors file, or not what was written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = read_bytes(path, mend)
    try:
        tensors, metadata = load(content), _metadata(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as e:
        raise DamagedFile(joined(f"{path}: not a safetensors file ({e})", mend)) from None
    if _KEY in metadata or metadata.get("format") == _FORMAT:
        at = _checksum_place(content)
        found = hashlib.sha256(content[:at] + b"0" * 64)
        found.update(memoryview(content)[at + 64 :])
        if metadata.get(_KEY) != found.hexdigest():
            raise DamagedFile(
                joined(f"{path} is not what was written (its checksum does not fit)", mend)
            )
    return {name: tensor.to(device) for name, tensor in tensors.items()}, metadata


def _metadata(content: bytes) -> dict[str, str]:
    """The text that a safetensors header holds besides the tensors' places."""
    size = int.from_bytes(content[:8], "little")
    return dict(json.loads(content[8 : 8 + size]).get("__metadata__") or {})


def _checksum_place(content: bytes) -> int:
    """Where the header's checksum begins; inside other texts its quotes would be escaped."""
    key = f'"{_KEY}":"'.encode()
    size = int.from_bytes(content[:8], "little")
    return content.find(key, 8, 8 + size) + len(key)
