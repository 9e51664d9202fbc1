"""What one layer remembers while a runner lives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ephemeral_castle.drivers.kubeadm.access import access
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster, ClusterAccess


@dataclass
class Desk:
    """Ways to the clusters, by life. They hold keys, in memory alone."""

    known: dict[int, ClusterAccess] = field(default_factory=dict)
    open: dict[int, Cluster] = field(default_factory=dict)
    finding: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def access(self, ctx: Context, life: int) -> ClusterAccess:
        """How the API server of a life is reached; found once. Raises what `access.access` does."""
        async with self.finding:
            if life not in self.known:
                self.known[life] = await access(ctx, life)
            return self.known[life]

    async def cluster(self, ctx: Context, life: int) -> Cluster:
        """The API server of a life; opened once."""
        found = await self.access(ctx, life)
        if life not in self.open:
            self.open[life] = ctx.world.kubernetes(found)
        return self.open[life]

    async def forget(self, life: int) -> None:
        """A cluster that is born anew has other keys."""
        self.known.pop(life, None)
        opened = self.open.pop(life, None)
        if opened is not None:
            await opened.close()

    async def close(self) -> None:
        """Ends all connections."""
        for life in list(self.open):
            await self.forget(life)
