"""Processes in a namespace, by proc(5)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from ephemeral_castle.errors import Permanent

GRACE = 2.0  # seconds between SIGTERM and SIGKILL
POLL = 0.02


def in_namespace(kind: str, inode: int, proc: Path = Path("/proc")) -> dict[int, str]:
    """Processes in a namespace: pid and program name.

    Args:
        kind: "net" or "mnt".
        inode: the namespace's inode number.
        proc: where procfs is mounted.
    """
    found = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "ns" / kind).stat().st_ino == inode:
                    found[int(entry.name)] = (entry / "comm").read_text().strip()
    return found


async def end_all_in(kind: str, inode: int) -> None:
    """Ends every process in a namespace: SIGTERM, 2 s, SIGKILL.

    Args:
        kind: "net" or "mnt".
        inode: the namespace's inode number.

    Raises:
        Permanent: some are still there after SIGKILL, or it is the computer's own namespace.
    """
    if os.getpid() in in_namespace(kind, inode):
        raise Permanent("the computer's own namespace is never emptied", where=f"{kind}:[{inode}]")
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in in_namespace(kind, inode):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if await _empty(kind, inode):
            return
    left = ", ".join(f"{name} ({pid})" for pid, name in sorted(in_namespace(kind, inode).items()))
    if left:
        raise Permanent("processes in the castle's namespace do not end", why=left, state="the namespace still stands")


async def _empty(kind: str, inode: int) -> bool:
    for _ in range(int(GRACE / POLL)):
        if not in_namespace(kind, inode):
            return True
        await asyncio.sleep(POLL)
    return False
