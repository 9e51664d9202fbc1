"""The real world: all doors of one castle on this computer in one bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ephemeral_castle.spi.acme import Acme
from ephemeral_castle.spi.kubernetes import Cluster, ClusterAccess
from ephemeral_castle.spi.names import Names
from ephemeral_castle.spi.pages import Pages
from ephemeral_castle.spi.room import Room
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import (
    Clock,
    Enclosure,
    Exec,
    Identities,
    Images,
    Objects,
    Source,
    Transport,
    TreasuryAccess,
)
from ephemeral_castle.world.forwarders import Forwarders, Route
from ephemeral_castle.world.names import TcpNames
from ephemeral_castle.world.pages import GatewayPage
from ephemeral_castle.world.ssh_transport import SshPeer, SshTransport
from ephemeral_castle.world.transport import podman_transport
from ephemeral_castle.world.treasury_server import LocalTreasury

CLOCKS = 2.0  # seconds by which a file's time may lie before ours


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
    runtime: Path
    treasury: LocalTreasury | None = None
    source: Source | None = None
    room: Room | None = None
    settled: float = 0.0

    @property
    def names(self) -> Names:
        """See `spi.world.World`."""
        return TcpNames(self.clock)

    @cached_property
    def acme(self) -> Acme:
        """See `spi.world.World`."""
        from ephemeral_castle.world.acme import HttpAcme

        return HttpAcme(self.clock)

    @property
    def pages(self) -> Pages:
        """See `spi.world.World`."""
        return GatewayPage(self.exec, self.clock, self.enclosure, self.runtime)

    async def settle(self) -> int:
        """See `spi.world.World`."""
        if self.treasury is None:
            return 0
        since, self.settled = self.settled, self.clock.now() - CLOCKS
        return await self.treasury.sync(since)

    async def publish(self, name: str, address: str, port: int) -> int:
        """See `spi.world.World`. The port stays the same from life to life where it is free."""
        file, target = self._target(name), f"{address}:{port}"
        changed = not file.exists() or file.read_text() != target
        file.write_text(target)
        route = self._route(name)
        listening = await self.forwarders.ensure(name, route)
        if changed:
            self.forwarders.cut(name)
        return listening

    def door(self, name: str, address: str, port: int) -> int:
        """See `spi.world.World`."""
        file = self._target(name)
        leads = file.exists() and file.read_text() == f"{address}:{port}"
        return self.forwarders.port(name) if leads and self.forwarders.serves(name, self._route(name)) else 0

    def _target(self, name: str) -> Path:
        return self.runtime / f"{name}.target"

    def _route(self, name: str) -> Route:
        listen = f"127.0.0.1:{self.forwarders.port(name)}"
        return Route(listen, f"@{self._target(name)}", connect_in=self.enclosure.name)

    def kubernetes(self, access: ClusterAccess) -> Cluster:
        """See `spi.world.World`."""
        from ephemeral_castle.world.kubernetes import HttpCluster

        return HttpCluster(access, self.clock)

    def kubeconfig(self, files: str, context: str, beside: str = "") -> ClusterAccess:
        """See `spi.world.World`."""
        from ephemeral_castle.world.kubeconfig import read

        return read(files, context, beside)

    def podman_transport(self, container: str) -> Transport:
        """See `spi.world.World`."""
        return podman_transport(self.exec, self.enclosure, container)

    def ssh_transport(self, address: str, user: str, key: str, host_key: str) -> Transport:
        """See `spi.world.World`."""
        return SshTransport(self.exec, SshPeer(address, user, host_key), Secret(key), self.enclosure.enter)
