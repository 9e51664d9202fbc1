"""Waiting for one object: until it exists, then until it is ready; with a deadline, and a reason when that passes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ephemeral_castle.errors import CastleError, Denied, NotFound, Permanent, Transient, Unreachable
from ephemeral_castle.manifests.readiness import Readiness, Stage
from ephemeral_castle.spi.kubernetes import Judge, Manifest, Ref
from ephemeral_castle.world.kubernetes.discovery import Kind, Kinds
from ephemeral_castle.world.kubernetes.feed import Feed, Feeds, Topic
from ephemeral_castle.world.kubernetes.objects import Objects
from ephemeral_castle.world.kubernetes.wire import within

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Clock

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0  # seconds between looks for a kind that is not there yet
EXPLAINING = 10.0  # seconds that finding the reason may take


@dataclass
class Note:
    """What a wait knows when its time is up.

    Attributes:
        verdict: what the object said last.
        existed: whether it was ever seen.
        manifest: the object as it was seen last.
        feed: the watch that is listened to; it knows why nothing comes.
        trouble: why nothing could be seen at all.
    """

    verdict: Readiness = field(default_factory=lambda: Readiness(Stage.WAITING, "nothing was seen of it yet"))
    existed: bool = False
    manifest: Manifest | None = None
    feed: Feed | None = None
    trouble: str = ""

    @property
    def blind(self) -> str:
        """Why nothing can be seen at the moment, or ""."""
        trouble = self.feed.trouble if self.feed is not None else None
        return (trouble.why or trouble.message) if trouble is not None else self.trouble


class One:
    """Listens for one object, and knows it as it was last."""

    def __init__(self, name: str, namespace: str) -> None:
        self._key = name, namespace
        self._news = asyncio.Event()
        self._version = 0  # of what was seen last: what is older is not believed
        self._heard = 0  # changes told so far
        self.stale = True
        self.manifest: Manifest | None = None
        self.error: CastleError | None = None

    def change(self, type_: str, manifest: Manifest) -> None:
        """See `feed.Listener`."""
        meta = manifest.get("metadata") or {}
        if (meta.get("name"), meta.get("namespace", "")) != self._key:
            return
        version = number(meta.get("resourceVersion"))
        if version and version <= self._version:
            return
        self._heard += 1
        self._version = version
        self.manifest = None if type_ == "DELETED" else manifest
        self._news.set()

    def gap(self) -> None:
        """See `feed.Listener`."""
        self.stale = True
        self._news.set()

    def broken(self, error: CastleError) -> None:
        """See `feed.Listener`."""
        self.error = error
        self._news.set()

    async def look(self, kind: Kind, objects: Objects) -> None:
        """Reads the object with the moment of the reading; what the watch still tells from before it is old news."""
        self.stale, self._version, heard = False, 0, self._heard
        try:
            seen, moment = await objects.look(kind, *self._key)
        except Unreachable:
            self.stale = True
            raise
        if self._heard == heard or number(moment) > self._version:
            self._version, self.manifest = number(moment), seen

    async def news(self) -> None:
        """Returns when something happened since the last call."""
        await self._news.wait()
        self._news.clear()


class Waiting:
    """All waits of one cluster."""

    def __init__(self, objects: Objects, kinds: Kinds, feeds: Feeds, clock: Clock) -> None:
        self._objects = objects
        self._kinds = kinds
        self._feeds = feeds
        self._clock = clock

    async def until(
        self,
        ref: Ref,
        judge: Judge,
        *,
        timeout: float,
        title: str,
        explain: Callable[[Ref], Awaitable[str]],
    ) -> Manifest | None:
        """See `spi.kubernetes.Cluster.until`. `explain`: finds the reason when it does not become ready."""
        note = Note()
        work = asyncio.ensure_future(self._reach(ref, judge, note))
        try:
            if await within(self._clock, timeout, work):
                return work.result()
        except _Failed:
            reason = await self._reason(ref, note, explain)
            raise Permanent(f"{title or ref} will not become ready", where=str(ref), why=reason) from None
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, CastleError, _Failed):
                await work
        raise await self._late(ref, note, timeout, title, explain)

    async def _late(
        self, ref: Ref, note: Note, timeout: float, title: str, explain: Callable[[Ref], Awaitable[str]]
    ) -> CastleError:
        what = f"{ref} " + ("is not ready after" if note.existed else "did not appear within")
        late = f"{title}: not within {timeout:g} s" if title else f"{what} {timeout:g} s"
        if note.blind:
            why = f"the API server does not answer: {note.blind}\nlast seen: {note.verdict.why}"
            return Unreachable(late, where=str(ref), why=why)
        return Transient(late, where=str(ref), why=await self._reason(ref, note, explain))

    async def _reason(self, ref: Ref, note: Note, explain: Callable[[Ref], Awaitable[str]]) -> str:
        """The verdict, and what the cluster says about it where that can still be asked."""
        more = ""
        asked = asyncio.ensure_future(explain(ref))
        try:
            if await within(self._clock, EXPLAINING, asked):
                more = asked.result()
        except CastleError:
            pass  # the reason that is known must not be hidden by one that cannot be found
        finally:
            asked.cancel()
            with contextlib.suppress(asyncio.CancelledError, CastleError):
                await asked
        known = note.verdict.why
        return "\n".join(dict.fromkeys(filter(None, [known, *(each for each in more.splitlines() if each != known)])))

    async def _reach(self, ref: Ref, judge: Judge, note: Note) -> Manifest | None:
        """Follows the object until it is ready; goes on when its kind is not there yet, or no longer."""
        pause, doubted = FIRST_PAUSE, False
        while True:
            try:
                kind = await self._kinds.find(ref.api, ref.kind)
                note.trouble = ""
                return await self._follow(kind, ref, judge, note)
            except (NotFound, Denied) as error:
                # A server that starts knows neither roles nor custom kinds, and may become ready between its "no" and
                # this question: only a second "no" in a row is believed.
                serves, note.feed = await self._objects.serves(), None
                if serves and doubted:
                    if isinstance(error, Denied):
                        raise
                    note.trouble = ""
                    if _judged(judge, None, note, f"its kind is not known: {error.why}"):
                        return None
                doubted = serves
            except Unreachable as error:
                note.feed, note.trouble, doubted = None, error.why or error.message, False
            await self._clock.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)

    async def _follow(self, kind: Kind, ref: Ref, judge: Judge, note: Note) -> Manifest | None:
        kind.path(ref.name, ref.namespace)  # refuses an object that cannot be meant, before anything is waited for
        namespace = ref.namespace if kind.namespaced else ""
        one, topic = One(ref.name, namespace), Topic(kind, namespace, "")
        with self._feeds.join(topic, one) as feed:
            note.feed = feed
            while True:
                await feed.placed()
                if one.error is not None:
                    raise one.error
                if one.stale:
                    await one.look(kind, self._objects)
                if _judged(judge, one.manifest, note, "it does not exist"):
                    return one.manifest
                await one.news()


class _Failed(Exception):
    """The judge said so."""


def _judged(judge: Judge, manifest: Manifest | None, note: Note, absent: str) -> bool:
    """Whether it is ready; keeps what was seen. Raises _Failed."""
    verdict = judge(manifest)
    words = verdict.why or (absent if manifest is None else "")
    note.verdict, note.manifest = Readiness(verdict.stage, words), manifest
    note.existed = note.existed or manifest is not None
    if verdict.stage is Stage.FAILED:
        raise _Failed
    return verdict.stage is Stage.READY


def number(version: object) -> int:
    """A resourceVersion for comparing: numbers that grow, since 1.35 by contract; 0 for what is none."""
    return int(version) if isinstance(version, str) and version.isdigit() else 0
