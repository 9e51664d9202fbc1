"""Directories and files that live in memory only: what is written there never reaches a disk."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Iterator

CANDIDATES = ("/run", "/dev/shm")


def memory_directory(prefix: str) -> Path:
    """A fresh directory of mode 0700 on a tmpfs (/run, else /dev/shm).

    Args:
        prefix: beginning of its name; `castle-` stands before it.

    Raises:
        Permanent: no writable tmpfs is mounted at either place.
    """
    types = mount_types()
    for candidate in CANDIDATES:
        if types.get(candidate) in {"tmpfs", "ramfs"}:
            try:
                return Path(tempfile.mkdtemp(prefix=f"castle-{prefix}-", dir=candidate))
            except OSError:
                continue
    raise Permanent(
        "there is no place in memory for secrets",
        where=", ".join(CANDIDATES),
        why="neither is a writable tmpfs",
        state="nothing was written",
        hints=("mount -t tmpfs -o mode=1777 tmpfs /dev/shm",),
    )


@contextmanager
def memory_file(name: str, text: str) -> Iterator[str]:
    """A file without a place in any directory; it ends with the `with`, and with this process however that dies.

    Args:
        name: shown by procfs, for people.
        text: its content.

    Returns:
        A path by which programs that this process starts can open it, mode 0600 (memfd_create(2), proc(5)).
    """
    handle = os.memfd_create(f"castle-{name}")
    try:
        os.fchmod(handle, 0o600)
        with os.fdopen(os.dup(handle), "w") as stream:
            stream.write(text)
        yield f"/proc/{os.getpid()}/fd/{handle}"
    finally:
        os.close(handle)


def mount_table(table: Path = Path("/proc/self/mountinfo")) -> list[tuple[str, str]]:
    """Mount point and file system type of every mount, in the order in which they were made (proc(5))."""
    mounts = []
    for line in table.read_text().splitlines():
        before, _, after = line.partition(" - ")
        mounts.append((before.split()[4].replace("\\040", " "), after.split()[0]))
    return mounts


def mount_types(table: Path = Path("/proc/self/mountinfo")) -> dict[str, str]:
    """File system type by mount point, the topmost mount of each."""
    return dict(mount_table(table))
