"""One watch of one collection, shared by all who wait for something in it.

A feed keeps no objects: it knows the moment up to which it has told every change, and tells the rest. Who joins looks
for itself after the feed has its moment, so nothing falls between; and looks again after a gap (410: the server forgot
the moment; a restarted server usually has).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ephemeral_castle.errors import CastleError, Denied, NotFound, Unreachable
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.world.kubernetes.answers import Expired, Said, failure
from ephemeral_castle.world.kubernetes.discovery import Kind
from ephemeral_castle.world.kubernetes.objects import Objects, slim
from ephemeral_castle.world.kubernetes.wire import LONGEST_WAIT, Wire

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Clock

WINDOW = (40, 60)  # seconds that the server keeps one stream open; between, so that many do not end together
OVER = 15.0  # seconds over the window until a silent stream counts as dead
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between tries to come back
SHORT = 1.0  # seconds; streams that end sooner than this are not opened again at once
LINGER = 5.0  # seconds that a feed outlives its last listener: the next wait is often for the same kind


class Listener(Protocol):
    """Who wants to be told."""

    def change(self, type_: str, manifest: Manifest) -> None:
        """An object came, changed or went."""
        ...

    def gap(self) -> None:
        """Changes may have been missed: look again."""
        ...

    def broken(self, error: CastleError) -> None:
        """Nothing more will be told."""
        ...


@dataclass(frozen=True)
class Topic:
    """What a feed is about."""

    kind: Kind
    namespace: str
    labels: str

    def __str__(self) -> str:
        within = f" of {self.namespace}" if self.namespace else ""
        return f"{self.kind.plural}{within}"


class Feed:
    """One watch. `trouble`: why it cannot tell anything at the moment, or None."""

    def __init__(self, topic: Topic, wire: Wire, objects: Objects, clock: Clock) -> None:
        self.topic = topic
        self.trouble: CastleError | None = None
        self.listeners: list[Listener] = []
        self.ended = False
        self._wire = wire
        self._objects = objects
        self._clock = clock
        self._moment = ""  # the resourceVersion up to which everything was told; "" when it is not known
        self._placed = asyncio.Event()
        self._doubted = False  # a ready server said no, once
        self._task = asyncio.ensure_future(self._run())

    async def placed(self) -> None:
        """Returns when every change from now on will be told."""
        await self._placed.wait()

    async def stop(self) -> None:
        """Ends it; whoever still listens is told."""
        self.ended = True
        for each in list(self.listeners):
            each.broken(Unreachable("the connection to the cluster was closed", where=str(self.topic)))
        self._placed.set()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        pauses = 0
        while True:
            began = self._clock.monotonic()
            try:
                if not self._moment:
                    await self._place()
                await self._follow()
                self.trouble = None
            except Expired:
                self._lose()
            except Unreachable as error:
                self.trouble = error
            except CastleError as error:
                if not await self._passing(error):
                    self._break(error)
                    return
            if self._clock.monotonic() - began > SHORT:
                pauses = 0  # it stood for a while: a server that ends a stream in time is asked again at once
                if self.trouble is None:
                    continue
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**pauses) * (0.5 + random.random() / 2)
            asked = self.trouble.retry_after if isinstance(self.trouble, Unreachable) else None
            await self._clock.sleep(max(pause, min(asked or 0.0, LONGEST_WAIT)))
            pauses = min(pauses + 1, 8)

    async def _place(self) -> None:
        """Takes the present moment of the collection: a list of one object carries it."""
        page = await self._objects.page(self.topic.kind, self.topic.namespace, self.topic.labels, limit=1)
        self._moment = page.version
        self.trouble = None
        self._placed.set()
        for each in list(self.listeners):
            each.gap()

    async def _follow(self) -> None:
        """Tells what one stream says, until the server ends it."""
        window = random.randint(*WINDOW)
        query = [
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._moment),
            ("timeoutSeconds", str(window)),
        ]
        query += [("labelSelector", self.topic.labels)] if self.topic.labels else []
        path, doing = self.topic.kind.collection(self.topic.namespace), f"watching {self.topic}"
        async with self._wire.lines(path, query, doing=doing, silence=window + OVER) as lines:
            self.trouble, self._doubted = None, False
            async for line in lines:
                if line.strip():
                    self._event(_read(line, doing, self._wire.where), doing)

    def _event(self, event: dict[str, Any], doing: str) -> None:
        type_, manifest = event.get("type"), event.get("object") or {}
        if type_ == "ERROR":
            said = Said(int(manifest.get("code") or 500), body=json.dumps(manifest).encode())
            if said.expired:
                raise Expired
            raise failure(said, doing, self._wire.where)
        version = str((manifest.get("metadata") or {}).get("resourceVersion") or "")
        if type_ != "BOOKMARK":
            slim(manifest)
            for each in list(self.listeners):
                each.change(str(type_), manifest)
        self._moment = version or self._moment

    def _lose(self) -> None:
        self._moment = ""
        self._placed.clear()

    async def _passing(self, error: CastleError) -> bool:
        """Whether a "no" may be a server's that is not ready: roles and custom kinds are read after it starts.

        It may become ready between its "no" and the question, so only a second one in a row is believed.
        """
        if not isinstance(error, Denied | NotFound):
            return False
        serves = await self._objects.serves()
        if serves and self._doubted:
            return False
        self._doubted = serves
        self.trouble = Unreachable(error.message, where=error.where, why=error.why)
        return True

    def _break(self, error: CastleError) -> None:
        self.trouble, self.ended = error, True
        for each in list(self.listeners):
            each.broken(error)
        self._placed.set()


class Feeds:
    """The feeds of one server, one for each topic."""

    def __init__(self, wire: Wire, objects: Objects, clock: Clock) -> None:
        self._make: Callable[[Topic], Feed] = lambda topic: Feed(topic, wire, objects, clock)
        self._clock = clock
        self._feeds: dict[Topic, Feed] = {}
        self._ends: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._feeds)

    @contextlib.contextmanager
    def join(self, topic: Topic, listener: Listener) -> Iterator[Feed]:
        """Has the listener told what happens; it looks for itself after `Feed.placed`."""
        feed = self._feeds.get(topic)
        if feed is None or feed.ended:
            feed = self._feeds[topic] = self._make(topic)
        feed.listeners.append(listener)
        try:
            yield feed
        finally:
            feed.listeners.remove(listener)
            if not feed.listeners:
                task = asyncio.ensure_future(self._leave(feed))
                self._ends.add(task)
                task.add_done_callback(self._ends.discard)

    async def close(self) -> None:
        """Ends all; whoever still listens is told."""
        for task in list(self._ends):
            task.cancel()
        feeds = list(self._feeds.values())
        self._feeds.clear()
        for feed in feeds:
            await feed.stop()

    async def _leave(self, feed: Feed) -> None:
        if not feed.ended:
            await self._clock.sleep(LINGER)
        if not feed.listeners and self._feeds.get(feed.topic) is feed:
            del self._feeds[feed.topic]
            await feed.stop()


def _read(line: bytes, doing: str, where: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        raise Unreachable(f"{doing}: the stream is damaged", where=where) from None
    if not isinstance(event, dict):
        raise Unreachable(f"{doing}: the stream is damaged", where=where)
    return event
