"""Watching a whole collection: all that is there, then every change, without a hole.

What is kept for each object is its uid and its version, not the object: enough to tell, after a gap, what differs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ephemeral_castle.errors import CastleError, Unreachable
from ephemeral_castle.spi.kubernetes import Change, Manifest
from ephemeral_castle.world.kubernetes.answers import Expired
from ephemeral_castle.world.kubernetes.feed import Feeds, Topic
from ephemeral_castle.world.kubernetes.objects import Objects
from ephemeral_castle.world.kubernetes.waiting import number

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Clock

BACKLOG = 1000  # changes kept for a reader that is slow; beyond it, it lists again and is told what differs
PAUSE = 1.0  # seconds between tries to list

Key = tuple[str, str]


class Many:
    """Listens to a collection on behalf of one reader."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self.waiting: deque[tuple[str, Manifest]] = deque()
        self.stale = True
        self.error: CastleError | None = None

    def change(self, type_: str, manifest: Manifest) -> None:
        """See `feed.Listener`."""
        if len(self.waiting) >= BACKLOG:
            self.gap()
            return
        self.waiting.append((type_, manifest))
        self._news.set()

    def gap(self) -> None:
        """See `feed.Listener`."""
        self.waiting.clear()
        self.stale = True
        self._news.set()

    def broken(self, error: CastleError) -> None:
        """See `feed.Listener`."""
        self.error = error
        self._news.set()

    async def news(self) -> None:
        """Returns when something happened since the last call."""
        await self._news.wait()
        self._news.clear()


class Reader:
    """Turns lists and changes into one stream in which each object's story is whole."""

    def __init__(self, topic: Topic, objects: Objects, feeds: Feeds, clock: Clock) -> None:
        self._topic = topic
        self._objects = objects
        self._feeds = feeds
        self._clock = clock
        self._known: dict[Key, tuple[str, int, str]] = {}  # uid, version as a number and as it was written
        self._floor = 0  # the moment of the last list: what happened before it is told already

    async def changes(self) -> AsyncIterator[Change]:
        """See `spi.kubernetes.Cluster.watch`."""
        many = Many()
        with self._feeds.join(self._topic, many) as feed:
            while True:
                await feed.placed()
                if many.error is not None:
                    raise many.error
                if many.stale:
                    many.stale = False
                    async for change in self._differences(many):
                        yield change
                while many.waiting and not many.stale:
                    told = self._told(*many.waiting.popleft())
                    if told is not None:
                        yield told
                if not many.stale:
                    await many.news()

    async def _differences(self, many: Many) -> AsyncIterator[Change]:
        """Lists, and tells what is new, what changed and what is gone."""
        seen: set[Key] = set()
        try:
            async for page in self._objects.pages(self._topic.kind, self._topic.namespace, self._topic.labels):
                self._floor = number(page.version)
                for manifest in page.items:
                    seen.add(_key(manifest))
                    for change in self._compared(manifest):
                        yield change
        except (Expired, Unreachable):
            many.stale = True
            await self._clock.sleep(PAUSE)
            return
        for key in [key for key in self._known if key not in seen]:
            yield self._gone(key)

    def _compared(self, manifest: Manifest) -> list[Change]:
        key = _key(manifest)
        uid, _, version = self._known.get(key, ("", 0, ""))
        new = _stand(manifest)
        if uid and uid == new[0] and version == new[2]:
            return []
        replaced = [self._gone(key)] if uid and uid != new[0] else []
        self._known[key] = new
        return [*replaced, Change("MODIFIED" if uid and not replaced else "ADDED", manifest)]

    def _told(self, type_: str, manifest: Manifest) -> Change | None:
        """A change, made to fit what was told before; None when it is old news."""
        key, new = _key(manifest), _stand(manifest)
        uid, version, _ = self._known.get(key, ("", 0, ""))
        if new[1] and (new[1] <= version or new[1] <= self._floor):
            return None
        if type_ == "DELETED":
            return Change("DELETED", manifest) if self._known.pop(key, None) else None
        self._known[key] = new
        return Change("MODIFIED" if uid == new[0] else "ADDED", manifest)

    def _gone(self, key: Key) -> Change:
        """Nobody saw how it went: what is left of it is who it was."""
        uid = self._known.pop(key)[0]
        kind = self._topic.kind
        meta = {"name": key[1], "uid": uid, **({"namespace": key[0]} if key[0] else {})}
        return Change("DELETED", {"apiVersion": kind.api, "kind": kind.kind, "metadata": meta})


def _key(manifest: Manifest) -> Key:
    meta = manifest["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _stand(manifest: Manifest) -> tuple[str, int, str]:
    meta = manifest["metadata"]
    version = str(meta.get("resourceVersion") or "")
    return str(meta.get("uid") or ""), number(version), version
