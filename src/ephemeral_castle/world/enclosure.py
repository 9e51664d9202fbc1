"""The castle's own corner of this computer: namespaces, bridge, podman with its own storage."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Conflict, Permanent
from ephemeral_castle.world.flock import locked
from ephemeral_castle.world.namespaces import Namespaces, mount_points_below
from ephemeral_castle.world.podman_config import PodmanRoot
from ephemeral_castle.world.processes import end_all_in
from ephemeral_castle.world.trees import delete_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ephemeral_castle.spi.world import Exec, Result

REMOVALS = 4  # further tries
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Site:
    """Where a castle's enclosure lies.

    Attributes:
        slug: short name of the castle, unique on this computer (a-z, 0-9, -).
        state: directory on disk that outlives a reboot (/var/lib/castle/SLUG).
        runtime: directory that becomes a tmpfs (/run/castle/SLUG).
        image_store: the shared image store.
        subnet: CIDR of the machines; its first host is the gateway.
        treasury_host: host name of the treasury for machines.
        treasury_port: port of the treasury at the gateway.
    """

    slug: str
    state: Path
    runtime: Path
    image_store: Path
    subnet: str = "10.89.77.0/24"
    treasury_host: str = "treasury.castle"
    treasury_port: int = 9443


class CastleEnclosure:
    """Implements `spi.world.Enclosure`.

    Networks, /etc, kernel settings and podman storage of the computer stay as they are: network, firewall rules and
    the forwarding switch live in the network namespace, podman's mounts and address book in a mount namespace, its
    storage, locks and configuration in directories of the castle.
    """

    def __init__(self, exec_: Exec, site: Site) -> None:
        if not SLUG.fullmatch(site.slug):
            raise Permanent(
                f"{site.slug!r} cannot name a namespace", why="only a-z, 0-9 and - are allowed, 40 characters at most"
            )
        self._exec = exec_
        self._site = site
        self._subnet = ipaddress.ip_network(site.subnet)
        self._state = site.state.resolve()
        self._namespaces = Namespaces(exec_, f"castle-{site.slug}", site.runtime.resolve())
        self._root = PodmanRoot(
            graph=self._state / "podman/storage",
            run=self._namespaces.runtime / "podman",
            config=self._state / "podman/config",
            networks=self._state / "podman/networks",
            shared=site.image_store.resolve(),
        )

    @property
    def name(self) -> str:
        """Name of the network namespace."""
        return self._namespaces.name

    @property
    def gateway(self) -> str:
        """The first host of the subnet; the bridge has it."""
        return str(next(self._subnet.hosts()))

    @property
    def treasury_host(self) -> str:
        """Host name by which machines reach the treasury."""
        return self._site.treasury_host

    @property
    def treasury_port(self) -> int:
        """Port of the treasury at the gateway."""
        return self._site.treasury_port

    @property
    def network(self) -> str:
        """Name of the podman network of the machines."""
        return self._namespaces.name

    @property
    def image_store(self) -> str:
        """Directory of the shared image store."""
        return str(self._root.shared)

    @property
    def runtime(self) -> Path:
        """The castle's tmpfs, mode 0700: what is written there never reaches a disk and ends with the computer."""
        return self._namespaces.runtime

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` in the network namespace (mounts stay the computer's)."""
        return self._namespaces.in_network(argv)

    def podman(self, *args: str) -> list[str]:
        """The command line of the castle's own podman; complete without `podman_env`."""
        return self._namespaces.in_both(self._root.command(*args))

    def podman_env(self) -> dict[str, str]:
        """The variables that `podman` sets by itself, for those who start it otherwise."""
        return self._root.environment

    async def exists(self) -> bool:
        """Whether it stands completely since this boot."""
        return self._namespaces.stand() and self._definition() is not None

    def left(self) -> list[str]:
        """Paths of what there is of it on this computer, also when it does not stand; empty when there is no trace."""
        storage = self._state / "podman"
        return [*self._namespaces.left(), *([str(storage)] if storage.exists() else [])]

    async def ensure(self) -> None:
        """Makes what is missing; after a reboot, all of it but the storage on disk. Cheap when it stands.

        Raises:
            Permanent: a step failed (no root, no podman, no namespaces), or the namespace is another castle's.
            Conflict: it stands with another subnet.
        """
        if await self.exists():
            self._check_subnet()
            return
        async with locked(self._state / "enclosure.lock"):
            if not await self.exists():
                await self._make()

    async def remove(self) -> None:
        """Removes containers, volumes, network, namespaces and directories, and ends what still runs inside.

        Everything in the namespace is the castle's. May be repeated; no error when nothing is there.

        Raises:
            Permanent: a container or a mount does not go; what was not removed stays as it was.
        """
        async with locked(self._state / "enclosure.lock"):
            if await self.exists():
                await self._empty()
            await self._end_processes()
            await self._namespaces.remove()
            for directory in (self._state / "podman", self._namespaces.runtime):
                await self._delete(directory)
            (self._state / "enclosure.lock").unlink(missing_ok=True)
        for directory in (self._state, self._namespaces.runtime.parent):
            with contextlib.suppress(OSError):  # not empty, or not there: others keep things beside us
                directory.rmdir()

    async def _make(self) -> None:
        if not (self._root.graph / "libpod").exists():  # deleted under machines that run: nobody could enter them again
            await self._end_processes()
        await self._namespaces.remove()
        await self._delete(self._namespaces.runtime)
        await self._namespaces.create()
        self._root.write()
        definition = self._definition()
        if definition is None:
            await self._namespaces.command(*self.podman(*self._network_arguments()))
            definition = self._definition()
        self._check_subnet()
        interface = str(definition["network_interface"]) if definition else ""
        if not interface:
            raise Permanent("podman does not tell the network's bridge", where=self.name, hints=("castle doctor",))
        await self._namespaces.bridge(interface, f"{self.gateway}/{self._subnet.prefixlen}")
        self._namespaces.ready.touch()

    def _network_arguments(self) -> list[str]:
        return [
            *("network", "create", "--driver", "bridge", "--disable-dns"),
            *("--subnet", str(self._subnet), "--gateway", self.gateway, self.network),
        ]

    def _definition(self) -> dict[str, object] | None:
        """The network as podman keeps it: the same JSON that `podman network inspect` prints."""
        path = self._state / "podman/networks" / f"{self.network}.json"
        try:
            return dict(json.loads(path.read_text()))
        except (OSError, ValueError):
            return None

    def _check_subnet(self) -> None:
        subnets = (self._definition() or {}).get("subnets")
        found = subnets[0].get("subnet") if isinstance(subnets, list) and subnets else None
        if found not in {None, str(self._subnet)}:
            raise Conflict(
                "the castle's network has another subnet",
                where=self.name,
                why=f"it was made with {found}, the definition says {self._subnet}",
                state="nothing was changed",
                hints=(
                    (
                        "with a treasury elsewhere another one can be had with the old one in place: castle wipe, then "
                        "`castle down`"
                    ),
                    f"set `subnet` back to {found} in the definition",
                    "castle status",
                ),
            )

    async def _empty(self) -> None:
        for arguments in (
            ("rm", "--all", "--force", "--time", "0", "--volumes"),
            ("volume", "rm", "--all", "--force"),
            ("network", "rm", "--force", self.network),
        ):
            result = await self._repeated(self.podman(*arguments))
            if not result.ok:
                raise Permanent(
                    "the castle's machines cannot be removed",
                    where=f"podman {' '.join(arguments[:2])} in {self.name}",
                    why=result.last_words(),
                    state="storage, network and namespace still stand",
                )

    async def _repeated(self, argv: Sequence[str]) -> Result:
        """Podman 4.3 now and then fails to remove a container right after its end, and succeeds when asked again."""
        result = await self._exec.run(argv, timeout=120.0)
        for attempt in range(REMOVALS):
            if result.ok:
                break
            await asyncio.sleep(0.1 * 2**attempt)
            result = await self._exec.run(argv, timeout=120.0)
        return result

    async def _end_processes(self) -> None:
        """Ends all that runs inside: machines that podman has forgotten first, then whatever else."""
        if self._namespaces.stand():
            await self._end_strays()
        # The network namespace may hold servers and forwarders; the mount namespace only what podman left.
        for kind in ("net", "mnt"):
            inode = self._namespaces.inode(kind)
            if inode is not None:
                await end_all_in(kind, inode)

    async def _end_strays(self) -> None:
        """Ends machines whose storage was deleted: runc keeps a list of its own."""
        inside = self._namespaces.in_both
        known = await self._namespaces.command(*inside(["runc", "list", "--quiet"]))
        for container in known.split():
            await self._namespaces.command(*inside(["runc", "delete", "--force", container]))

    async def _delete(self, directory: Path) -> None:
        """Deletes a tree, but never through a mount: it could be somebody else's data."""
        for point in mount_points_below(directory):
            await self._namespaces.command("umount", point)
        await asyncio.to_thread(delete_tree, directory)
