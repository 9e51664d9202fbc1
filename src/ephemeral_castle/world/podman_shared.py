"""Directories that all podmans of a computer share, whatever their configuration says.

Sources: netavark 1.4 (its address book), runc (state of containers), containers/image 5.23 (`blobinfocache`,
`sysregistriesv2/shortnames`), libpod 4.3.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

# Name of our own in their place -> path. netavark never frees addresses that died with the computer, and a /run that is
# no tmpfs would keep containers over a reboot, so that none could start again. The last two are caches of podman's that
# would stay on the computer for ever.
SHARED = {
    "networks": "/run/containers/networks",
    "netns": "/run/netns",
    "runc": "/run/runc",
    "blobs": "/var/lib/containers/cache",
    "names": "/var/cache/containers",
}
CACHES = ("blobs", "names")
APART = 'own=$1; shift; for each; do shift; [ "$each" = -- ] && break; mkdir -p "$own$each" "$each" && '
APART += 'mount --bind "$own$each" "$each" || exit; done; exec "$@"'


def apart(own: Path, argv: Sequence[str]) -> list[str]:
    """A command in a mount namespace of its own, with caches of its own below `own`."""
    paths = [SHARED[name] for name in CACHES]
    unshared = ("unshare", "--mount", "--propagation", "slave", "--")
    return [*unshared, "sh", "-c", APART, "sh", str(own), *paths, "--", *argv]


def tidy(paths: Iterable[Path], castles: Path) -> None:
    """Removes directories that hold nothing, and what then is empty above them, where no castle stands any more.

    Args:
        paths: of `SHARED`.
        castles: where the network namespaces of castles lie; while one stands it has mounts on those paths, which the
            kernel takes away with the directory below.
    """
    if any(castles.glob("castle-*")):
        return
    for path in paths:
        with contextlib.suppress(OSError):  # somebody's: there is something in it, or it is gone already
            path.rmdir()
            path.parent.rmdir()
