"""Folders that one process works in at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from droco_lite.files.atomic import explained

#: Name of the file that is locked; it stays, empty.
LOCK = ".lock"


class InUse(OSError):
    """A folder that another process is at work in."""


@contextlib.contextmanager
def lock(
    folder: str | os.PathLike, *, wait: float = 0.0, again: bool = True, mend: str = ""
) -> Iterator[Path]:
    """Hold a folder, so that no other process (or thread) which asks works in it.

    The lock is the operating system's and dies with its process.

    Args:
        folder: it is made if it is missing.
        wait: seconds to wait for another holder; negative: for ever.
        again: whether the thread that holds the folder may take it again.
        mend: what the user can do besides waiting, added to the error's message.

    Raises:
        InUse: another process holds it.
        OSError: the folder cannot be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock((folder / LOCK).resolve(), is_singleton=True)
        if held.is_locked and not again:
            raise Timeout(held.lock_file)
        held.acquire(timeout=wait)
    except Timeout:
        message = f"{folder}: another process is at work in this folder; wait for it to end"
        raise InUse(f"{message}{', or ' + mend if mend else ''}") from None
    except OSError as error:
        if (told := explained(error, folder, mend)) is error:
            raise
        raise told from error
    try:
        yield folder
    finally:
        held.release()


@contextlib.contextmanager
def claimed(folder: str | os.PathLike) -> Iterator[bool]:
    """Hold a folder and yield True; or yield False if another process, or thread, does."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(lock(folder, again=False))
        except InUse:
            mine = False
        else:
            mine = True
        yield mine
