"""SQLite's errors as messages for people."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ephemeral_castle.errors import CastleError, Conflict, Damaged, Denied, Permanent, Transient

_FULL = {sqlite3.SQLITE_FULL}
INDEX = 64 * 1024  # bytes; what SQLite needs for its index of the log (`-shm`), even to read
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DENIED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns sqlite3 errors of the block into CastleErrors that name the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error


def free(path: Path) -> int:
    """Bytes that are free under a journal: with none a runner could not even write why it ended."""
    found = os.statvfs(path.parent)
    return found.f_bavail * found.f_frsize


def is_full(error: BaseException, path: Path) -> bool:
    """Whether it is that the disk under the journal has no room: SQLite calls its index of the log an I/O error."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in _FULL or (code == sqlite3.SQLITE_IOERR and ("full" in str(error) or free(path) < INDEX))


def no_room(path: Path, why: str) -> CastleError:
    """The error for a full disk."""
    return Permanent(
        "no room left for the journal",
        where=str(path),
        why=why,
        state="the last event was not written; everything before it is safe",
        hints=[f"make room: df -h {path.parent}", "castle resume"],
    )


def explain(error: sqlite3.Error, path: Path) -> CastleError:
    """The CastleError for an error of SQLite. Codes: https://www.sqlite.org/rescode.html (primary = low byte)."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    why = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict("the journal has this already", where=str(path), why=why, state="nothing was written")
    if is_full(error, path):
        return no_room(path, why)
    if code in _DAMAGED:
        return Damaged(
            "the journal is damaged",
            where=str(path),
            why=why,
            state="it was not touched; the castle's record in the treasury does not depend on it",
            hints=[
                "a run that was going on cannot be resumed from this file; see first what stands: castle status",
                f"put it aside: mkdir {path.parent}/damaged && mv {path}* {path.parent}/damaged/",
            ],
        )
    if code in _BUSY:
        return Transient("the journal is in use by another process", where=str(path), why=why)
    if code in _DENIED:
        return Denied("cannot open the journal", where=str(path), why=why, hints=[f"ls -ld {path.parent} {path}"])
    hints = [f"look at the disk: df -h {path.parent}; dmesg | tail", "castle resume"]
    return Permanent("the journal cannot be written or read", where=str(path), why=why, hints=hints)
