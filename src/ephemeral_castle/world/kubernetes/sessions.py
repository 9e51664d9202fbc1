"""Commands in pods: the exec of the Kubernetes API over WebSocket (protocol v5.channel.k8s.io, Kubernetes 1.30 on).

Each message begins with the number of its channel. The exit status comes as JSON on channel 3; 255 closes one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ephemeral_castle.errors import CastleError, NotFound, Permanent, Unreachable
from ephemeral_castle.spi.processes import Result
from ephemeral_castle.world.kubernetes.handshake import Target, connect_to, name_of
from ephemeral_castle.world.kubernetes.wire import Wire, within

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
CHUNK = 64 * 1024
HIGH = 1024 * 1024  # bytes of output kept for a reader; then the command has to wait
LONGEST_LINE = 64 * 1024 * 1024
ERRORS = 8 * 1024  # last bytes of standard error that are kept
GRACE = 1.0  # seconds for a command to end after its input
WRITE_TIMEOUT = 60.0  # seconds
NO_PROGRAM = ("executable file not found", "no such file or directory")
NO_CONTAINER = ("container not found", "not running", "is not created or running", "stopped container", "not found")


async def run(wire: Wire, target: Target, argv: Sequence[str], *, stdin: bytes, timeout: float) -> Result:
    """See `spi.kubernetes.Cluster.run`."""
    session = await _open(wire, target, argv, stdin=bool(stdin), keep=None)
    work = asyncio.ensure_future(_whole(session, stdin))
    try:
        if await within(wire.clock, timeout, work):
            return work.result()
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError, CastleError):
            await work
        await session.drop()
    raise Unreachable(
        "the command in the pod did not end in time",
        where=session.name,
        why=f"no end after {timeout:g} s",
        state="the connection was closed; the command may still run in the pod",
    )


async def spawn(wire: Wire, target: Target, argv: Sequence[str]) -> PodProcess:
    """See `spi.kubernetes.Cluster.spawn`."""
    return PodProcess(await _open(wire, target, argv, stdin=True, keep=HIGH))


class Session:
    """One command: what it said so far, and its end. `keep`: bytes of output at which it has to wait; None: never."""

    def __init__(self, socket: ClientConnection, name: str, keep: int | None) -> None:
        self.name = name
        self.out = bytearray()
        self.errors = bytearray()
        self.status: dict[str, Any] | None = None
        self.news = asyncio.Event()
        self.room = asyncio.Event()
        self.hungry = False  # whoever reads waits for the rest of a line, however long it is
        self._keep = keep
        self._socket = socket
        self.ended = asyncio.ensure_future(self._listen())

    async def send(self, data: bytes) -> None:
        """Writes to its standard input. Raises Unreachable: the connection is gone."""
        from websockets.exceptions import ConnectionClosed

        try:
            for start in range(0, len(data), CHUNK):
                await self._socket.send(bytes([STDIN]) + data[start : start + CHUNK])
                if start + CHUNK < len(data):
                    await self._taken()
        except ConnectionClosed:
            raise self.gone() from None

    async def _taken(self) -> None:
        """Until the server has read what was sent, or the command has ended.

        A command that ends without reading all of its input closes the connection: whoever writes on learns by an error
        that it is gone, and its last words and its status, which lie unread on this side, are lost with it.
        """
        answer = asyncio.ensure_future(await self._socket.ping())
        await asyncio.wait({answer, self.ended}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            raise self.gone()
        answer.result()

    async def end_input(self) -> None:
        """Closes its standard input."""
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):  # it ended by itself
            await self._socket.send(bytes([CLOSE, STDIN]))

    def code(self) -> int:
        """Its exit status.

        Raises:
            NotFound: no such container runs. Unreachable: the connection ended before the command did.
        """
        if self.status is None:
            raise self.gone()
        return _code(self.status, self.name)

    def gone(self) -> Unreachable:
        """The connection ended too soon."""
        code = None
        if self.status is not None:
            with contextlib.suppress(CastleError):
                code = _code(self.status, self.name)
        words = " / ".join(self.errors.decode(errors="replace").strip().splitlines()[-3:])
        ended = "the connection ended" if code is None else f"it ended with status {code}"
        state = "the command may have been carried out" if code is None else ""
        why = f"{ended}: {words}" if words else ended
        return Unreachable("the command in the pod is gone", where=self.name, why=why, state=state)

    async def drop(self) -> None:
        """Ends the connection."""
        self.room.set()
        self.ended.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.ended
        await self._socket.close()

    async def _listen(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                message = await self._socket.recv()
                if isinstance(message, bytes) and message:
                    self._take(message[0], message[1:])
                while self._keep is not None and len(self.out) > self._keep and not self.hungry:
                    self.room.clear()
                    await self.room.wait()
        except ConnectionClosed:
            pass
        finally:
            self._keep = None
            self.news.set()

    def _take(self, channel: int, data: bytes) -> None:
        if channel == STDOUT:
            self.out += data
        elif channel == STDERR:
            self.errors += data
            if self._keep is not None:
                del self.errors[:-ERRORS]
        elif channel == STATUS and data:
            self.status = _json(data)
        self.news.set()


class PodProcess:
    """A command in a pod that speaks lines; implements `spi.processes.Process`."""

    pid = 0  # it is no process of this computer

    def __init__(self, session: Session) -> None:
        self._session = session
        self._searched = 0

    @property
    def errors(self) -> str:
        """See `spi.processes.Process`."""
        return " / ".join(self._session.errors.decode(errors="replace").strip().splitlines()[-3:])

    async def write(self, text: str) -> None:
        """See `spi.processes.Process`."""
        if self._session.ended.done():
            raise self._session.gone()
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self._session.send(text.encode())
        except TimeoutError:
            raise self._silent(f"its input stayed unread for {WRITE_TIMEOUT:g} s") from None

    async def read_line(self, timeout: float) -> str | None:
        """See `spi.processes.Process`."""
        try:
            async with asyncio.timeout(timeout):
                return await self._line()
        except TimeoutError:
            raise self._silent(f"no line within {timeout:g} s") from None

    async def close(self) -> int:
        """Closes its standard input, waits 1 s for its end, then drops the connection.

        Returns:
            Its exit status; -1 when it did not end: a command in a pod cannot be killed from here.
        """
        session = self._session
        await session.end_input()
        try:
            async with asyncio.timeout(GRACE):
                while not session.ended.done():
                    session.out.clear()  # nobody reads it any more
                    session.room.set()
                    session.news.clear()
                    await session.news.wait()
        except TimeoutError:
            pass
        finally:
            await session.drop()
        try:
            return session.code()
        except CastleError:
            return -1

    async def _line(self) -> str | None:
        session = self._session
        while True:
            end = session.out.find(b"\n", self._searched)
            if end >= 0:
                return self._take(end, 1)
            if session.ended.done():
                if session.out:
                    return self._take(len(session.out), 0)
                session.code()  # raises when the connection broke: that is no end of what the command says
                return None
            self._searched = len(session.out)
            if self._searched > LONGEST_LINE:
                raise Permanent("a line is too long", where=session.name, why=f"more than {LONGEST_LINE} bytes")
            session.hungry = True
            session.room.set()
            session.news.clear()
            await session.news.wait()

    def _take(self, end: int, over: int) -> str:
        line = bytes(self._session.out[:end])
        del self._session.out[: end + over]
        self._searched = 0
        self._session.hungry = False
        self._session.room.set()
        return line.decode(errors="replace")

    def _silent(self, why: str) -> Unreachable:
        why = f"{why}: {self.errors}" if self.errors else why
        return Unreachable("the command in the pod does not answer", where=self._session.name, why=why)


async def _whole(session: Session, stdin: bytes) -> Result:
    async def feed() -> None:
        with contextlib.suppress(Unreachable):  # it may end without having read all of it
            await session.send(stdin)
            await session.end_input()

    feeding = asyncio.ensure_future(feed()) if stdin else None
    try:
        await session.ended
    finally:
        if feeding is not None:
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeding
    code = session.code()
    errors = session.errors.decode(errors="replace")
    if code in (126, 127) and not errors:
        errors = str((session.status or {}).get("message") or "")
    return Result(code, session.out.decode(errors="replace"), errors)


async def _open(wire: Wire, target: Target, argv: Sequence[str], *, stdin: bool, keep: int | None) -> Session:
    return Session(await connect_to(wire, target, argv, stdin=stdin), name_of(target, argv), keep)


def _code(status: dict[str, Any], name: str) -> int:
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or ()
    for cause in causes:
        if cause.get("reason") == "ExitCode":
            return int(cause.get("message") or 1)
    text = " ".join(str(status.get("message") or "").split())
    if any(each in text for each in NO_PROGRAM):
        return 127  # as a shell has it
    if "permission denied" in text:
        return 126
    if any(each in text for each in NO_CONTAINER):
        raise NotFound("no such pod or container runs", where=name, why=text)
    raise Unreachable("the command in the pod could not be started", where=name, why=text)


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": data.decode(errors="replace")}
