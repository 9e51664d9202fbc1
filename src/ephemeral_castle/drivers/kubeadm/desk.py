"""What one layer remembers while a runner lives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ephemeral_castle.drivers.kubeadm import watchers
from ephemeral_castle.drivers.kubeadm.access import access
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster, ClusterAccess
from ephemeral_castle.spi.world import Process


@dataclass
class Desk:
    """Ways to the clusters, by life, which hold keys, in memory alone; and the watchers that the new one will take."""

    known: dict[int, ClusterAccess] = field(default_factory=dict)
    open: dict[int, Cluster] = field(default_factory=dict)
    finding: asyncio.Lock = field(default_factory=asyncio.Lock)
    promise: Process | None = None
    waited: set[int] = field(default_factory=set)  # lives whose nodes this runner has waited for

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

    async def promised(self, ctx: Context) -> int:
        """The process that tells other castles of the watchers of this one, for as long as the runner lives."""
        if self.promise is None:
            self.promise = await watchers.promise(ctx)
        return self.promise.pid

    async def withdraw(self) -> None:
        """The cluster is not raised: others may have its watchers."""
        if self.promise is not None:
            await self.promise.close()
        self.promise = None

    async def close(self) -> None:
        """Ends all connections."""
        await self.withdraw()
        for life in list(self.open):
            await self.forget(life)
