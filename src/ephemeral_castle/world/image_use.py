"""Who stands on an image: overlay mounts of all mount namespaces of this computer (overlayfs, proc(5))."""

from __future__ import annotations

import contextlib
from pathlib import Path


def users_of(store: Path, layer: str, proc: Path = Path("/proc")) -> list[str]:
    """Programs in whose mount namespace a container stands on a layer of the store: "conmon (pid 812)".

    A machine mounts the store under another path, so the layer is looked for by its short name alone, which is unique.

    Args:
        store: the shared graph root.
        layer: id of the image's uppermost layer.
        proc: where procfs is mounted.
    """
    try:
        link = (store / "overlay" / layer / "link").read_text().strip()
    except OSError:
        return []
    users, seen = [], set()
    for process in sorted(path for path in proc.iterdir() if path.name.isdigit()):
        with contextlib.suppress(OSError):
            namespace = (process / "ns/mnt").stat().st_ino
            if namespace in seen:
                continue
            seen.add(namespace)
            if any(" - overlay " in line and f"/l/{link}" in line for line in _lines(process / "mountinfo")):
                users.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
    return users


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
