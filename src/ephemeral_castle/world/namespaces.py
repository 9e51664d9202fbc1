"""The two kernel namespaces of a castle on this computer: network and mounts.

Sources: ip-netns(8), unshare(1), nsenter(1), mount_namespaces(7), veth(4).
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Permanent
from ephemeral_castle.world.memory_files import mount_table, mount_types
from ephemeral_castle.world.podman_shared import SHARED, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ephemeral_castle.spi.world import Exec

NETNS = Path(SHARED["netns"])
KEPT = ("/run/netns",)  # of iproute2, which holds a mount there


@dataclass(frozen=True)
class Namespaces:
    """A network namespace, and a mount namespace pinned in a tmpfs of its own.

    The mount namespace keeps podman's mounts, and what all podmans would share, away from the computer's.

    Attributes:
        exec: starts processes.
        name: name of the network namespace.
        runtime: directory that becomes a tmpfs; it ends with the computer, and so says whether it was rebooted.
    """

    exec: Exec
    name: str
    runtime: Path

    @property
    def network(self) -> Path:
        """The file that holds the network namespace."""
        return NETNS / self.name

    @property
    def mounts(self) -> Path:
        """The file that holds the mount namespace."""
        return self.runtime / "mnt"

    @property
    def ready(self) -> Path:
        """Written last: without it, what stands is half made."""
        return self.runtime / "ready"

    def stand(self) -> bool:
        """Whether both namespaces stand completely since this boot."""
        types = mount_types()
        return types.get(str(self.network)) == "nsfs" and types.get(str(self.mounts)) == "nsfs" and self.ready.is_file()

    def left(self) -> list[str]:
        """Paths of what there is of them, also when only a part does, or what held them before a reboot."""
        return [str(path) for path in (self.network, self.runtime) if path.exists()]

    def inode(self, kind: str) -> int | None:
        """Inode number of the "net" or "mnt" namespace, None where it does not stand."""
        path = self.network if kind == "net" else self.mounts
        return path.stat().st_ino if mount_types().get(str(path)) == "nsfs" else None

    def in_network(self, argv: Sequence[str]) -> list[str]:
        """Runs `argv` in the network namespace alone; `ip netns exec` would hide the cgroups."""
        return ["nsenter", f"--net={self.network}", "--", *argv]

    def in_both(self, argv: Sequence[str]) -> list[str]:
        """Runs `argv` in both namespaces."""
        return ["nsenter", f"--net={self.network}", f"--mount={self.mounts}", "--", *argv]

    async def create(self) -> None:
        """Makes both; neither may stand before."""
        await self.command("ip", "netns", "add", self.name)
        await self.command(*self.in_network(["ip", "link", "set", "lo", "up"]))
        await self.command("mkdir", "-p", str(self.runtime), *SHARED.values())
        await self.command("mount", "-t", "tmpfs", "-o", "mode=0700,nosuid,nodev", "castle", str(self.runtime))
        # A mount namespace can be pinned on a private mount only, else it would hold itself.
        await self.command("mount", "--make-private", str(self.runtime))
        for own in SHARED:
            (self.runtime / own).mkdir()
        self.mounts.touch()
        await self._pin_mounts()
        for own, shared in SHARED.items():
            await self.command(*self.in_both(["mount", "--bind", f"{self.runtime}/{own}", shared]))

    async def _pin_mounts(self) -> None:
        """Makes the mount namespace and holds it by a file.

        The kernel refuses (EINVAL) to hold a namespace whose number is below that of the one it is held in, as it then
        might hold itself. Since Linux 6.18 every processor gives numbers from a stock of its own, so inside a younger
        mount namespace (a container, a chroot by unshare) some processors only give numbers that are too low; the one
        that made the namespace around us never does.
        """
        make = ("unshare", f"--mount={self.mounts}", "--propagation", "slave", "true")
        for processor in sorted(os.sched_getaffinity(0)):
            if (await self.exec.run(["taskset", "--cpu-list", str(processor), *make])).ok:
                return
        await self.command(*make)

    async def remove(self) -> None:
        """Removes what stands of them, also when only a part does."""
        for point in mount_points_below(self.runtime):
            await self.command("umount", point)
        if self.network.exists():
            await self.command("ip", "netns", "del", self.name)
        await asyncio.to_thread(tidy, [Path(path) for path in SHARED.values() if path not in KEPT], NETNS)

    async def bridge(self, interface: str, address: str) -> None:
        """Makes the bridge before netavark does, with a port of its own: without one it goes with the last container.

        Args:
            interface: the name that podman's network expects; netavark adopts what it finds under it.
            address: gateway with prefix length.
        """
        for line in (
            ("add", interface, "type", "bridge"),
            ("add", "keep0", "type", "veth", "peer", "name", "keep1"),
            ("set", "keep0", "master", interface),
            ("set", "keep0", "up"),
            ("set", "keep1", "up"),
            ("set", interface, "up"),
        ):
            await self.command(*self.in_network(["ip", "link", *line]))
        await self.command(*self.in_network(["ip", "address", "add", address, "dev", interface]))

    async def command(self, *argv: str) -> str:
        """Runs one command; gives its output.

        Raises:
            Permanent: it failed; `why` is what it said.
        """
        result = await self.exec.run(argv)
        if not result.ok:
            raise Permanent(
                "the castle's namespace cannot be changed",
                where=f"{self.name}: {' '.join(argv[:6])}",
                why=result.last_words(),
                hints=("castle doctor",),
            )
        return result.out


def mount_points_below(directory: Path) -> list[str]:
    """Mount points at and below a directory, deepest first; one that is mounted twice stands twice."""
    points = [p for p, _ in mount_table() if p == str(directory) or p.startswith(f"{directory}/")]
    return sorted(points, key=len, reverse=True)
