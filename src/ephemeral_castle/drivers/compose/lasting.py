"""What services write and no life gives to the next: named volumes and paths of the machine. Pure.

A rebirth destroys them with their machine. So they are refused until a layer keeps them, or the definition says that
they may go, before the first thing is written there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ephemeral_castle.drivers.compose.finding import Finding
from ephemeral_castle.drivers.compose.project import Mount, Project

MEMORY = ("/dev", "/proc", "/run", "/sys", "/var/run")  # no reboot keeps what lies there: nobody expects it to stay
ENDS = "ends with the life"


def ends(found: Project, machine: str, kept: Collection[str], lost: Collection[str]) -> Iterator[Finding]:
    """Every place once: an error, or a warning where the layer accepts the loss.

    Args:
        found: the project.
        machine: on which it runs.
        kept: volumes of that machine that a treasure of the castle brings back.
        lost: volumes and paths that may end with the life.
    """
    seen = set(kept)
    for service in found.services.values():
        for mount in service.mounts:
            name = place_of(mount, found)
            if not name or name in seen or not mount.writable:
                continue
            seen.add(name)
            if name in lost:
                text = f"`{name}` {ENDS}, with what `{service.name}` writes there; accepted by `accept_loss`"
                yield Finding(mount.place, text, error=False)
            elif mount.kind == "volume":
                text = f"volume `{name}` is kept by no layer: what `{service.name}` writes there {ENDS}"
                files = f"files: a layer with `driver: restic`, `machine: {machine}`, `volume: {name}`"
                yield Finding(mount.place, text, f"{files}; a database: `driver: postgres`; {_accepting(name)}")
            else:
                text = f"`{name}` lies on the machine itself: what `{service.name}` writes there {ENDS}"
                yield Finding(mount.place, text, f"a named volume can be kept by a layer; {_accepting(name)}")


def place_of(mount: Mount, found: Project) -> str:
    """The podman volume, or the path of the machine, that a mount writes to; "" for anything else."""
    if mount.kind == "volume":
        return found.volumes.get(mount.source, "")
    if mount.kind != "bind" or not mount.source.startswith(("/", "~")):
        return ""
    inside = (mount.source == each or mount.source.startswith(f"{each}/") for each in MEMORY)
    return "" if any(inside) else mount.source


def places(found: Project) -> set[str]:
    """All that `accept_loss` may name in a project."""
    mounts = (mount for service in found.services.values() for mount in service.mounts)
    return {name for mount in mounts if (name := place_of(mount, found))}


def _accepting(name: str) -> str:
    return f"what may be lost: `accept_loss: [{name}]` in the layer"
