"""A door before an S3 server that breaks what pgBackRest asks, in the ways that servers and networks do.

Castle's own requests pass untouched, as do the answers that no fault chose: what is tried here is pgBackRest.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

CLIENT = "pgbackrest"
CHUNK = 64 * 1024  # bytes


@dataclass
class Message:
    """A request or an answer. `first`: its first line; `fields`: names in lower case."""

    first: str
    fields: dict[str, str]
    head: bytes
    body: bytes = b""

    @property
    def method(self) -> str:
        return self.first.split(" ")[0]

    @property
    def target(self) -> str:
        return self.first.split(" ")[1]

    @property
    def pgbackrest(self) -> bool:
        return CLIENT in self.fields.get("user-agent", "").lower()

    @property
    def whole(self) -> bytes:
        return self.head + self.body


class Fault:
    """Nothing is broken. `seen` and `broken` count requests of pgBackRest."""

    delay = 0.0  # seconds before each answer
    rate = 0.0  # bytes a second, each way; 0: as fast as it goes

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()

    def instead(self, request: Message) -> bytes:
        """An answer in place of the server's, which then hears nothing; b"" for none."""
        del request
        return b""

    def after(self, request: Message, answer: Message) -> bytes:
        """What is sent in place of the server's answer; b"" for that answer itself."""
        del request, answer
        return b""

    def cut(self, request: Message, answer: Message) -> int:
        """Bytes of the body after which the connection ends; 0: it does not."""
        del request, answer
        return 0


def refusal(status: str, code: str) -> bytes:
    """An S3 error."""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>by the test</Message></Error>'.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Slow(Fault):
    """A line of 1 MB/s with half a second to every answer."""

    delay, rate = 0.5, 1_000_000.0


class SlowDown(Fault):
    """Every tenth request is refused: the server has too much to do."""

    def instead(self, request: Message) -> bytes:
        if self.seen.total() % 10:
            return b""
        self.broken[request.method] += 1
        return refusal("503 Slow Down", "SlowDown")


class LostEnds(Fault):
    """Every multipart upload is completed, and the first answer to each says that it was not."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: set[str] = set()

    def after(self, request: Message, answer: Message) -> bytes:
        if request.method != "POST" or "uploadId=" not in request.target or request.target in self.ended:
            return b""
        if not answer.first.split(" ")[1].startswith("2"):
            return b""
        self.ended.add(request.target)
        self.broken["completed"] += 1
        return refusal("500 Internal Server Error", "InternalError")


class Cuts(Fault):
    """Every third long body that is read ends in its middle."""

    LONG = 16 * 1024  # bytes

    def __init__(self) -> None:
        super().__init__()
        self.long = 0

    def cut(self, request: Message, answer: Message) -> int:
        if request.method != "GET" or len(answer.body) < self.LONG:
            return 0
        self.long += 1
        if self.long % 3:
            return 0
        self.broken["GET"] += 1
        return len(answer.body) // 2


@dataclass
class Door:
    """Listens on the loopback with the server's own certificate. `port`: any free one; `server`: where it stands."""

    server: int
    certificate: str
    key: str
    port: int = 0
    fault: Fault = field(default_factory=Fault)

    @contextlib.contextmanager
    def open(self) -> Iterator[Door]:
        """Until the block ends."""
        ready, ended = threading.Event(), asyncio.Event()
        loops: list[asyncio.AbstractEventLoop] = []

        async def serve() -> None:
            loops.append(asyncio.get_running_loop())
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
            self.port = listening.sockets[0].getsockname()[1]
            ready.set()
            await ended.wait()
            listening.close()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="faulty-s3", daemon=True)
        thread.start()
        assert ready.wait(10)
        try:
            yield self
        finally:
            loops[0].call_soon_threadsafe(ended.set)
            thread.join(10)

    @contextlib.contextmanager
    def with_fault(self, fault: Fault) -> Iterator[Fault]:
        """For the time of the block."""
        self.fault = fault
        try:
            yield fault
        finally:
            self.fault = Fault()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        inside.check_hostname = False  # the one server of this test, on the loopback
        inside.verify_mode = ssl.CERT_NONE
        behind, towards = await asyncio.open_connection("127.0.0.1", self.server, ssl=inside)
        try:
            while (request := await read(reader)) is not None:
                if not await self._answer(request, behind, towards, writer):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side has gone: so does the other
        finally:
            for each in (writer, towards):
                each.close()

    async def _answer(
        self,
        request: Message,
        behind: asyncio.StreamReader,
        towards: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """One request; whether the connection goes on."""
        fault = self.fault if request.pgbackrest else Fault()
        fault.seen[request.method] += 1
        if instead := fault.instead(request):
            await send(writer, instead)
            return True
        await asyncio.sleep(len(request.body) / fault.rate if fault.rate else 0)
        await send(towards, request.whole)
        answer = await read(behind, bodiless=request.method == "HEAD")
        if answer is None:
            return False
        await asyncio.sleep(fault.delay)
        if after := fault.after(request, answer):
            await send(writer, after)
            return True
        if size := fault.cut(request, answer):
            await send(writer, answer.head + answer.body[:size])
            return False
        await send(writer, answer.whole, fault.rate)
        return True


async def send(writer: asyncio.StreamWriter, data: bytes, rate: float = 0.0) -> None:
    """Writes, at `rate` bytes a second if that is not 0."""
    for start in range(0, len(data), CHUNK):
        part = data[start : start + CHUNK]
        writer.write(part)
        await writer.drain()
        if rate:
            await asyncio.sleep(len(part) / rate)


async def read(reader: asyncio.StreamReader, *, bodiless: bool = False) -> Message | None:
    """The next message; None when there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    found = Message(first, fields, head)
    status = first.split(" ")[1] if first.startswith("HTTP/") else ""
    if bodiless or status in ("204", "304"):
        return found
    if fields.get("transfer-encoding", "").lower() == "chunked":
        found.body = await _chunks(reader)
    elif fields.get("content-length", "0") != "0":
        found.body = await reader.readexactly(int(fields["content-length"]))
    return found


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body as it was sent."""
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        body += line + await reader.readexactly(size + 2)
        if size == 0:
            return body
