"""The real world: all doors of one castle on this computer in one bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import (
    Clock,
    Enclosure,
    Exec,
    Identities,
    Images,
    Objects,
    Transport,
    TreasuryAccess,
)
from ephemeral_castle.world.forwarders import Forwarders, Route
from ephemeral_castle.world.ssh_transport import SshPeer, SshTransport
from ephemeral_castle.world.transport import podman_transport


@dataclass
class RealWorld:
    """Implements `spi.world.World`."""

    exec: Exec
    clock: Clock
    objects: Objects
    identities: Identities | None
    access: TreasuryAccess
    images: Images
    enclosure: Enclosure
    computer: Mapping[str, Any]
    forwarders: Forwarders

    async def publish(self, name: str, address: str, port: int) -> int:
        """See `spi.world.World`. The port stays the same from life to life where it is free."""
        kept = self.forwarders.port(name)
        route = Route(f"127.0.0.1:{kept}", f"{address}:{port}", connect_in=self.enclosure.name)
        return await self.forwarders.ensure(name, route)

    def podman_transport(self, container: str) -> Transport:
        """See `spi.world.World`."""
        return podman_transport(self.exec, self.enclosure, container)

    def ssh_transport(self, address: str, user: str, key: str, host_key: str) -> Transport:
        """See `spi.world.World`."""
        return SshTransport(self.exec, SshPeer(address, user, host_key), Secret(key), self.enclosure.enter)
