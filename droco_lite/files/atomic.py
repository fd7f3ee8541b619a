"""Files and folders that exist whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

#: Part of the name of what is being written.
PARTIAL = ".partial-"
_ABANDONED_AFTER = 3600.0  # seconds without a write: longer than any set takes between two files


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike, mend: str = "") -> Iterator[Path]:
    """Yield a hidden file beside ``path`` that becomes ``path`` when the block ends well.

    A reader sees the old file or the new one, and so does whoever looks after a power cut.  The
    new file has the permissions of the old one or, without one, those of any new file.

    Args:
        path: the file to write; missing folders above it are made.
        mend: what the user can do about a full disk, added to that error's message.

    Raises:
        OSError: the disk is full or the place cannot be written.  The message names the file; what
            stood there before is left as it was.
    """
    path = _followed(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        temporary = _hidden(path)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(path.stat().st_mode & 0o7777)
        _flush(temporary)
        os.replace(temporary, path)
        temporary = None
        _flush(path.parent)
    except (OSError, RuntimeError) as error:
        if (told := explained(error, path, mend)) is error:
            raise
        raise told from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike, mend: str = "", needed: int = 0) -> Iterator[Path]:
    """Yield a hidden folder beside ``path`` that becomes ``path`` when the block ends well.

    On any error the hidden folder is removed and what stood at ``path`` before is left as it was,
    so a second attempt starts clean.  What a killed process left behind is removed once it has
    been still for an hour.

    Args:
        path: the folder to write; an existing one is replaced.
        mend: what the user can do when the disk is full, added to that error's message.
        needed: bytes that will be written; a disk without them is refused at once.

    Raises:
        OSError: the disk is full or the place cannot be written, with the folder named.
    """
    path = _followed(path)
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        if _free_bytes(path.parent) < needed:
            raise OSError(errno.ENOSPC, f"{needed / 2**20:,.0f} MiB needed")
        partial = _hidden(path)
        partial.mkdir(mode=0o777)
        yield partial
        for file in partial.rglob("*"):
            _flush(file)
        _flush(partial)
        _replace_folder(partial, path)
        _flush(path.parent)
    except (OSError, RuntimeError) as error:
        if (told := explained(error, path, mend)) is error:  # asked before the folder makes room
            raise
        raise told from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _followed(path: str | os.PathLike) -> Path:
    """The place that a link leads to, so that the link itself stays."""
    path = Path(path)
    return path.resolve() if path.is_symlink() else path


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}{PARTIAL}{secrets.token_hex(4)}")


def _flush(path: Path) -> None:
    """Wait until the disk has a file or a folder's table of names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot
            raise
    finally:
        os.close(handle)


def _replace_folder(new: Path, path: Path) -> None:
    if not path.exists():
        os.replace(new, path)
        return
    if not _exchange(new, path):
        # Elsewhere a rename takes an empty folder only, so the old one steps aside first.
        old = _hidden(path)
        os.replace(path, old)
        try:
            os.replace(new, path)
        except OSError:
            os.replace(old, path)
            raise
        new = old
    shutil.rmtree(new, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step, where Linux and the file system can."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _remove_abandoned(path: Path) -> None:
    for left in path.parent.glob(f".{glob.escape(path.name)}{PARTIAL}*"):
        with contextlib.suppress(OSError):
            latest = max(p.stat().st_mtime for p in (left, *left.rglob("*")))
            if time.time() - latest > _ABANDONED_AFTER:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = ("No space left", "requested and", "File too large")
_NO_ROOM = 64 * 2**10
_NOT_WRITABLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
    errno.ENAMETOOLONG, errno.ELOOP,
}  # fmt: skip


def explained(error: Exception, path: Path, mend: str = "") -> Exception:
    """The same error or, for a full or closed disk, one that names the place and the way out."""
    code, other = getattr(error, "errno", None), getattr(error, "filename", None)
    if other is not None and not _related(Path(os.fsdecode(other)), path):
        return error
    # NumPy, HDF5 and torch do not always pass on the number of the error.
    unnumbered = code is None and (
        any(words in str(error) for words in _FULL_WORDS) or _free_bytes(path.parent) < _NO_ROOM
    )
    if code in _FULL or unnumbered:
        reason = f"the disk is full; nothing was kept of {path}. Free some space"
        message = f"{reason}{', or ' + mend if mend else ''}, and run it again"
        return os_error(code or errno.ENOSPC, message)
    if code in _NOT_WRITABLE:
        reason = f"{path} could not be written ({os.strerror(code)})"
        return os_error(code, f"{reason}; {mend or 'choose another place'}")
    return error


def _related(one: Path, path: Path) -> bool:
    return path.is_relative_to(one) or one.is_relative_to(path.parent)


def os_error(code: int, message: str) -> OSError:
    """An error of the operating system's kind with a message of ours, without its number."""
    error = type(OSError(code, ""))(message)
    error.errno = code
    return error


def _free_bytes(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return float("inf")
