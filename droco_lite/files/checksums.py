"""Checksums beside files and in folders, in the format of ``sha256sum``."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from droco_lite.files.atomic import PARTIAL, atomic_file, os_error

#: Checksums of a sealed folder.
SEAL = "SHA256SUMS"
#: Suffix of the file that holds another file's checksum.
SIDECAR = ".sha256"


class DamagedFile(ValueError):
    """A file whose content is not what was written; the message names it and the way out."""


def read_bytes(path: str | os.PathLike, mend: str = "") -> bytes:
    """The content of a file, checked if a checksum is kept of it.

    Args:
        path: the file.
        mend: what the user can do about a damaged file, added to that error's message.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it may not be read.
        DamagedFile: it is not what was written.
    """
    path, content = Path(path), b""

    def digests() -> set[str]:
        nonlocal content
        with readable(path):
            content = path.read_bytes()
        # An editor or a checkout may have changed the ends of lines, which says the same.
        return {hashlib.sha256(c).hexdigest() for c in (content, content.replace(b"\r\n", b"\n"))}

    _refuse_other(path, digests, mend)
    return content


def check(path: str | os.PathLike, mend: str = "") -> None:
    """Refuse a file that is not what was written, if a checksum is kept of it.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it may not be read.
        DamagedFile: it is not what was written.
    """
    _refuse_other(Path(path), lambda: {digest(path)}, mend)


def digest(path: str | os.PathLike) -> str:
    """SHA-256 of a file's content, read in pieces."""
    with readable(Path(path)), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expect(path: Path, value: str) -> None:
    """Keep the checksum of the file to come in ``PATH.sha256``.

    To be called before the file is written: the checksum of the file that stands stays there as a
    comment, so that neither a reader nor a process that dies in between finds a file that does not
    fit.
    """
    _, accepted = _accepted(path)
    lines = [f"{value}  {path.name}\n"]
    with contextlib.suppress(OSError):
        before = digest(path)
        if before != value and (not accepted or before in accepted):
            lines.append(f"# {before}  {path.name}\n")
    _write(path.with_name(path.name + SIDECAR), lines)


def seal(folder: str | os.PathLike, within: str = "") -> Path:
    """Keep the checksums of a folder's files in its ``SHA256SUMS``.

    Args:
        folder: the folder.
        within: only the files below this folder in it.
    """
    folder = Path(folder)
    found = [p for p in sorted((folder / within).rglob("*")) if p.is_file() and _is_content(p)]
    lines = [f"{digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in found]
    return _write(folder / SEAL, lines)


def check_seal(folder: str | os.PathLike, mend: str = "") -> str | None:
    """Refuse a folder of which a sealed file is missing or not what was written.

    Args:
        folder: the folder.
        mend: what the user can do about a damaged file, added to that error's message.

    Returns:
        The seal, or None where the folder has none, so that nothing could be checked.

    Raises:
        PermissionError: a file may not be read.
        DamagedFile: names the file.
    """
    folder = Path(folder)
    before = version(folder)
    text = read_seal(folder)
    for name, accepted in _listed(text or "").items():
        try:
            fits = digest(folder / name) in accepted
        except FileNotFoundError:
            fits = False
        if fits:
            continue
        if version(folder) != before:  # the folder was replaced while it was read
            return check_seal(folder, mend)
        if not (folder / name).exists():
            raise DamagedFile(joined(f"{folder / name} is missing", mend))
        raise _damaged(folder / name, folder / SEAL, mend)
    return text


def version(folder: str | os.PathLike) -> tuple[int, ...] | None:
    """What tells a sealed folder from the one that replaces it; None where there is no seal.

    The seal's text does not: a folder may be replaced by others and then by its equal while it is
    read, file by file.
    """
    return _stand(Path(folder) / SEAL)


def read_seal(folder: str | os.PathLike) -> str | None:
    """The checksums of a sealed folder as text; None where there are none."""
    path = Path(folder) / SEAL
    try:
        with readable(path):
            return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say what a file needs that is there but cannot be opened.

    Raises:
        PermissionError: it may not be read; the message says the way out.
        IsADirectoryError: it is a folder.
    """
    try:
        yield
    except PermissionError as error:
        message = f"{path}: no permission to read it; ask its owner for it, or see chmod"
        raise os_error(error.errno or errno.EACCES, message) from error
    except IsADirectoryError as error:
        message = f"{path}: a folder, where a file was expected"
        raise os_error(error.errno or errno.EISDIR, message) from error


def joined(message: str, mend: str) -> str:
    """A message and the way out, if one is given."""
    return f"{message}; {mend}" if mend else message


def _is_content(path: Path) -> bool:
    own = path.name == SEAL or path.name.startswith(".") or path.suffix == SIDECAR
    return not own and PARTIAL not in path.name


def _listed(text: str) -> dict[str, list[str]]:
    """File names and the checksums that each may have, from lines of ``sha256sum``."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        value, _, name = line.removeprefix("# ").partition("  ")
        if name:
            found.setdefault(name, []).append(value)
    return found


def _accepted(path: Path) -> tuple[Path, list[str]]:
    """Where a file's checksum is kept, and the values it may have: none if it is not kept."""
    beside = path.with_name(path.name + SIDECAR)
    for place in (beside, path.parent / SEAL):
        with contextlib.suppress(FileNotFoundError), readable(place):
            found = _listed(place.read_text(encoding="utf-8", errors="replace"))
            if path.name in found:
                return place, found[path.name]
    return beside, []


def _refuse_other(path: Path, digests: Callable[[], set[str]], mend: str) -> None:
    """Refuse a file that does not fit its checksum while both stand still.

    A writer may come between the reading of the two; then both are read again.
    """
    places = (path, path.with_name(path.name + SIDECAR), path.parent / SEAL)
    while True:
        before = [_stand(each) for each in places]
        found = digests()
        place, accepted = _accepted(path)
        if not accepted or found & set(accepted):
            return
        if [_stand(each) for each in places] == before:
            raise _damaged(path, place, mend)


def _stand(path: Path) -> tuple[int, ...] | None:
    """What changes whenever a file is replaced or written to; None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size


def _damaged(path: Path, place: Path, mend: str) -> DamagedFile:
    return DamagedFile(
        joined(f"{path} is not what was written: its checksum is not the one in {place}", mend)
        + f". If you changed the file yourself, remove {place}"
    )


def _write(path: Path, lines: list[str]) -> Path:
    with atomic_file(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
    return path
