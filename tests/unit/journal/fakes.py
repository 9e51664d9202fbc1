"""Time that one turns by hand, and a bucket that loses answers and delivers late."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ephemeral_castle.errors import Conflict, Unreachable
from ephemeral_castle.spi.world import Stat


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(60):
        await asyncio.sleep(0)


class Time:
    """True time, shared by all clocks."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._count = itertools.count()
        self._due: list[tuple[float, int, asyncio.Future[None], FakeClock]] = []

    def sleep(self, seconds: float, clock: FakeClock) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._due, (self.seconds + max(0.0, seconds), next(self._count), future, clock))
        return future

    async def advance(self, seconds: float) -> None:
        """Moves on, waking sleepers in order; those of a frozen clock sleep on until it is thawed."""
        target = self.seconds + seconds
        await settle()
        while (index := self._next(target)) is not None:
            at, _, future, _ = self._due.pop(index)
            heapq.heapify(self._due)
            self.seconds = max(self.seconds, at)
            if not future.done():
                future.set_result(None)
            await settle()
        self.seconds = target

    def _next(self, target: float) -> int | None:
        awake = [(item[:2], i) for i, item in enumerate(self._due) if item[0] <= target and not item[3].frozen]
        return min(awake)[1] if awake else None


class FakeClock:
    """One computer's clock. Its monotonic zero and its wall clock are its own; `frozen`: its processes are stopped."""

    def __init__(self, time: Time, *, monotonic_offset: float = 0.0, wall_offset: float = 1_700_000_000.0) -> None:
        self.time = time
        self.monotonic_offset = monotonic_offset
        self.wall_offset = wall_offset
        self.frozen = False

    def now(self) -> float:
        return self.time.seconds + self.wall_offset

    def monotonic(self) -> float:
        return self.time.seconds + self.monotonic_offset

    async def sleep(self, seconds: float) -> None:
        await self.time.sleep(seconds, self)


class JumpingClock(FakeClock):
    """A sleep is over at once, and time has passed."""

    def __init__(self) -> None:
        super().__init__(Time())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.time.seconds += seconds


@dataclass
class Fault:
    """What happens to the next write: `arrives` (at once, "late", or never), `answered`."""

    arrives: bool = True
    answered: bool = True
    late: bool = False


@dataclass
class FakeObjects:
    """Like S3: ETags are digests of the content, so equal bytes have equal ETags.

    `before`, `after`: seconds that a request and its answer travel. `faults`: for the next writes, in order.
    """

    clock: FakeClock
    before: float = 0.0
    after: float = 0.0
    faults: deque[Fault] = field(default_factory=deque)
    down: bool = False
    stored: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    in_flight: list[tuple[str, bytes, str | None]] = field(default_factory=list)
    writes: list[bytes] = field(default_factory=list)

    async def get(self, key: str) -> tuple[bytes, str] | None:
        await self._travel(self.before)
        found = self.stored.get(key)
        await self._travel(self.after)
        return found

    async def head(self, key: str) -> Stat | None:
        found = await self.get(key)
        return Stat(key, len(found[0]), found[1]) if found else None

    async def create(self, key: str, body: bytes) -> str:
        return await self._write(key, body, None)

    async def swap(self, key: str, body: bytes, etag: str) -> str:
        return await self._write(key, body, etag)

    async def put(self, key: str, body: bytes) -> str:
        self.stored[key] = (body, hashlib.md5(body).hexdigest())
        return self.stored[key][1]

    async def delete(self, key: str) -> None:
        self.stored.pop(key, None)

    async def list(self, prefix: str) -> AsyncIterator[Stat]:
        for key, (body, etag) in sorted(self.stored.items()):
            if key.startswith(prefix):
                yield Stat(key, len(body), etag)

    def land(self) -> None:
        """Delivers what was late."""
        for key, body, etag in self.in_flight:
            self._apply(key, body, etag)
        self.in_flight.clear()

    async def _write(self, key: str, body: bytes, etag: str | None) -> str:
        await self._travel(self.before)
        fault = self.faults.popleft() if self.faults else Fault()
        if fault.late:
            self.in_flight.append((key, body, etag))
        done = fault.arrives and not fault.late and self._apply(key, body, etag)
        await self._travel(self.after)
        if fault.late or not fault.arrives or not fault.answered:
            raise Unreachable("no answer")
        if not done:
            raise Conflict("the condition does not hold", why="412")
        return hashlib.md5(body).hexdigest()

    def _apply(self, key: str, body: bytes, etag: str | None) -> bool:
        found = self.stored.get(key)
        if (found[1] if found else None) != etag:
            return False
        self.stored[key] = (body, hashlib.md5(body).hexdigest())
        self.writes.append(body)
        return True

    async def _travel(self, seconds: float) -> None:
        if self.down:
            raise Unreachable("connection refused")
        if seconds:
            await self.clock.sleep(seconds)
