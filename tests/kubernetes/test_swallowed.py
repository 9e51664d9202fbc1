"""Writes to a real API server behind a way that swallows what is sent, or what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from ephemeral_castle.errors import Unreachable
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster, wire
from tests.kubernetes.control import Control
from tests.kubernetes.objects import config

pytestmark = [pytest.mark.kubernetes, pytest.mark.evidence("real", "api-server")]
NOBODY, SENT, ANSWERED = "", "sent", "answered"
IN_TIME = 30.0  # seconds, of the five minutes that it took


class Way:
    """Carries bytes to the API server and back, as long as nothing is swallowed.

    Attributes:
        swallows: what every connection loses from now on.
        once: what the next connection that carries anything loses from then on, and no other.
    """

    def __init__(self, port: int) -> None:
        self.target, self.port = port, 0
        self.swallows = self.once = NOBODY
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for each in self._writers:
            each.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers += [writer, back]
        lost: set[str] = set()
        ways = (self._carry(reader, back, SENT, lost), self._carry(there, writer, ANSWERED, lost))
        self._tasks += [asyncio.create_task(each) for each in ways]

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str, lost: set[str]
    ) -> None:
        try:
            while data := await reader.read(65536):
                if way == SENT and self.once:
                    lost.add(self.once)
                    self.once = NOBODY
                if way in (self.swallows, *lost):
                    continue
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture
async def way(control: Control) -> AsyncIterator[Way]:
    made = Way(control.port)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest_asyncio.fixture
async def behind(way: Way, control: Control, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpCluster]:
    """A client that takes the way, knows the kinds already, and has little patience."""
    for name, seconds in (("SHORT", 1.0), ("READYZ", 2.0), ("WRITE", 3.0)):
        monkeypatch.setattr(wire, name, seconds)
    made = HttpCluster(replace(control.access(), server=f"https://127.0.0.1:{way.port}"), SystemClock())
    await made.list("v1", "ConfigMap", "default")
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("lost", [SENT, ANSWERED])
async def test_what_is_created_is_known_whatever_was_swallowed(
    way: Way, behind: HttpCluster, cluster: HttpCluster, lost: str
) -> None:
    wanted = config(f"created-{lost}", a="1")
    way.once = lost
    async with asyncio.timeout(IN_TIME):
        made = await behind.create(wanted)
    seen = await cluster.get(Ref.of(wanted))
    assert seen is not None
    assert seen["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_deletion_whose_answer_was_swallowed_does_not_meet_the_next_one(
    way: Way, behind: HttpCluster, cluster: HttpCluster
) -> None:
    """A controller makes the next one as soon as the first is gone: it stays."""
    old = await cluster.apply(config("replaced", a="1"))
    ref, uid = Ref.of(old), old["metadata"]["uid"]

    async def controller() -> str:
        while await cluster.get(ref) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return str((await cluster.apply(config("replaced", a="2")))["metadata"]["uid"])

    later = asyncio.create_task(controller())
    way.once = ANSWERED
    async with asyncio.timeout(IN_TIME):
        await behind.delete(ref, uid=uid)
        new = await later
    seen = await cluster.get(ref)
    assert seen is not None
    assert seen["metadata"]["uid"] == new


# A connection whose handshake is never answered is left to the garbage collector by anyio.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_server_that_swallows_everything_is_given_up_and_found_again(
    way: Way, behind: HttpCluster, cluster: HttpCluster
) -> None:
    wanted = config("swallowed", a="1")
    way.swallows = SENT
    async with asyncio.timeout(IN_TIME):
        for write in (behind.apply, behind.create):
            with pytest.raises(Unreachable, match="the API server does not answer") as told:
                await write(wanted)
            assert told.value.state == "whether it was done is not known"
    assert await cluster.get(Ref.of(wanted)) is None
    way.swallows = NOBODY
    await behind.apply(wanted)
    assert await cluster.get(Ref.of(wanted)) is not None
