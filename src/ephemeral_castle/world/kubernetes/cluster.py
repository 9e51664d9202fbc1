"""One API server by HTTP and WebSocket: implements `spi.kubernetes.Cluster`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Unreachable
from ephemeral_castle.spi.kubernetes import Change, ClusterAccess, Judge, Manifest, Ref
from ephemeral_castle.spi.processes import Process, Result
from ephemeral_castle.world.kubernetes.discovery import Kinds
from ephemeral_castle.world.kubernetes.explain import Explaining
from ephemeral_castle.world.kubernetes.feed import Feeds, Topic
from ephemeral_castle.world.kubernetes.objects import Objects
from ephemeral_castle.world.kubernetes.waiting import Waiting
from ephemeral_castle.world.kubernetes.watching import PAUSE, Reader
from ephemeral_castle.world.kubernetes.wire import Wire

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Clock


class HttpCluster:
    """Implements `spi.kubernetes.Cluster`. Belongs to one event loop; `close()` it there.

    Args:
        access: where the API server is, and who we are.
        clock: counts deadlines and pauses.
    """

    def __init__(self, access: ClusterAccess, clock: Clock) -> None:
        self._clock = clock
        self._wire = Wire(access, clock)
        self._kinds = Kinds(self._wire)
        self._objects = Objects(self._wire, self._kinds)
        self._feeds = Feeds(self._wire, self._objects, clock)
        self._waiting = Waiting(self._objects, self._kinds, self._feeds, clock)
        self._explaining = Explaining(self._wire, self._kinds, self._objects)

    @property
    def server(self) -> str:
        """See `spi.kubernetes.Cluster`."""
        return self._wire.access.server

    async def version(self) -> str:
        """See `spi.kubernetes.Cluster`."""
        said = await self._wire.call("GET", "/version", doing="reading the API server's version")
        return str(said.json().get("gitVersion") or "")

    async def ready(self) -> bool:
        """See `spi.kubernetes.Cluster`."""
        return await self._objects.serves()

    async def get(self, ref: Ref) -> Manifest | None:
        """See `spi.kubernetes.Cluster`."""
        return await self._objects.get(ref)

    async def list(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> Sequence[Manifest]:
        """See `spi.kubernetes.Cluster`."""
        return await self._objects.list(api, kind, namespace, labels)

    async def create(self, manifest: Manifest) -> Manifest:
        """See `spi.kubernetes.Cluster`."""
        return await self._objects.create(manifest)

    async def apply(self, manifest: Manifest, *, dry_run: bool = False, force: bool = True) -> Manifest:
        """See `spi.kubernetes.Cluster`."""
        return await self._objects.apply(manifest, dry_run=dry_run, force=force)

    async def patch(self, ref: Ref, body: Manifest, *, subresource: str = "") -> Manifest:
        """See `spi.kubernetes.Cluster`."""
        return await self._objects.patch(ref, body, subresource)

    async def delete(self, ref: Ref, *, uid: str = "", grace: int | None = None, foreground: bool = False) -> None:
        """See `spi.kubernetes.Cluster`."""
        await self._objects.delete(ref, uid=uid, grace=grace, foreground=foreground)

    async def watch(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> AsyncIterator[Change]:
        """See `spi.kubernetes.Cluster`."""
        while True:
            try:
                topic = Topic(await self._objects.kind(api, kind), namespace, labels)
                break
            except Unreachable:
                await self._clock.sleep(PAUSE)
        async for change in Reader(topic, self._objects, self._feeds, self._clock).changes():
            yield change

    async def until(self, ref: Ref, judge: Judge, *, timeout: float, title: str = "") -> Manifest | None:
        """See `spi.kubernetes.Cluster`."""
        return await self._waiting.until(ref, judge, timeout=timeout, title=title, explain=self.explain)

    async def explain(self, ref: Ref) -> str:
        """See `spi.kubernetes.Cluster`."""
        return await self._explaining.explain(ref)

    async def log(
        self, namespace: str, pod: str, *, container: str = "", lines: int = 20, previous: bool = False
    ) -> str:
        """See `spi.kubernetes.Cluster`."""
        return await self._explaining.log(namespace, pod, container=container, lines=lines, previous=previous)

    async def run(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        container: str = "",
        stdin: bytes = b"",
        timeout: float = 60.0,
    ) -> Result:
        """See `spi.kubernetes.Cluster`."""
        from ephemeral_castle.world.kubernetes import sessions

        return await sessions.run(self._wire, (namespace, pod, container), argv, stdin=stdin, timeout=timeout)

    async def spawn(self, namespace: str, pod: str, argv: Sequence[str], *, container: str = "") -> Process:
        """See `spi.kubernetes.Cluster`."""
        from ephemeral_castle.world.kubernetes import sessions

        return await sessions.spawn(self._wire, (namespace, pod, container), argv)

    async def close(self) -> None:
        """See `spi.kubernetes.Cluster`."""
        await self._feeds.close()
        await self._wire.close()
