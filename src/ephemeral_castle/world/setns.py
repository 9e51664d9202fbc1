"""Moves this process into a network namespace (setns(2)); Python learned it only with 3.12."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CLONE_NEWNET = 0x40000000
NETNS = Path("/run/netns")


def namespace_path(name: str) -> Path:
    """The file of a named network namespace (ip-netns(8)); a path is taken as it is."""
    return Path(name) if "/" in name else NETNS / name


def enter_network(path: Path) -> None:
    """Moves the calling thread into a network namespace; sockets that are open stay where they were made.

    Args:
        path: /run/netns/NAME or /proc/PID/ns/net.

    Raises:
        OSError: it does not exist, or the rights are missing (CAP_SYS_ADMIN).
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(handle)
