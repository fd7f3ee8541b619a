"""Files that cannot lie: written whole or not at all, checked when read, locked while in use.

Every file that this package writes goes through here.

* :func:`atomic_file` and :func:`atomic_folder` write beside the place and rename, so that a reader,
  a crash or a full disk never leaves half of anything.
* :func:`save_tensors` keeps the checksum inside the safetensors header.  :func:`write_text`,
  :func:`write_json` and :func:`write_csv` keep it, if asked, in ``NAME.sha256`` beside the file,
  and :func:`seal` keeps those of a whole folder in ``SHA256SUMS``.  ``sha256sum -c`` reads both.
* :func:`load_tensors`, :func:`read_text`, :func:`read_json`, :func:`read_csv`, :func:`check` and
  :func:`check_seal` refuse what is not what was written.  A file without a checksum is read as it
  is.
* :func:`lock` keeps a second process out of a folder, :func:`claimed` lets it look elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path

from droco_lite.files.atomic import atomic_file, atomic_folder
from droco_lite.files.checksums import (
    DamagedFile,
    check,
    check_seal,
    digest,
    read_bytes,
    read_seal,
    seal,
    version,
)
from droco_lite.files.locks import InUse, claimed, lock
from droco_lite.files.tensors import load_tensors, save_tensors
from droco_lite.files.text import (
    read_csv,
    read_json,
    read_text,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)

__all__ = [
    "DamagedFile",
    "InUse",
    "atomic_file",
    "atomic_folder",
    "cache_folder",
    "check",
    "check_seal",
    "claimed",
    "digest",
    "load_tensors",
    "lock",
    "read_bytes",
    "read_csv",
    "read_json",
    "read_seal",
    "read_text",
    "save_tensors",
    "seal",
    "version",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_text",
]


def cache_folder() -> Path:
    """Where runs and jobs are kept: ``DROCO_LITE_CACHE`` or ``~/.cache/droco_lite``."""
    return Path(os.environ.get("DROCO_LITE_CACHE") or Path.home() / ".cache" / "droco_lite")
