"""Locks between processes of this computer."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

POLL = 0.1  # seconds between two tries; the kernel has no queue that asyncio could wait in


@asynccontextmanager
async def locked(path: Path, waiting: Callable[[], None] | None = None) -> AsyncIterator[None]:
    """Holds the kernel's lock on a file (flock(2)); it is free again when the process dies.

    Args:
        path: the lock file; it and its directory are created, and it is never removed.
        waiting: called once when somebody else holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        told = False
        while not _try(handle):
            if not told and waiting is not None:
                waiting()
            told = True
            await asyncio.sleep(POLL)
        yield
    finally:
        os.close(handle)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
