"""Commands in pods, over a WebSocket server of the tests' own that speaks v5.channel.k8s.io."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from websockets.asyncio.server import Server as SocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ephemeral_castle.errors import Denied, NotFound, Permanent, Unreachable
from ephemeral_castle.spi.kubernetes import ClusterAccess
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.kubernetes import HttpCluster, handshake, sessions
from tests.papers import Authority
from tests.unit.world.kubernetes.server import Quick, Server

STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
Command = Callable[["Pod", ServerConnection], Awaitable[None]]


def status(code: int = 0, message: str = "", reason: str = "NonZeroExitCode") -> bytes:
    if not code and not message:
        return bytes([STATUS]) + b'{"status":"Success"}'
    causes = [{"reason": "ExitCode", "message": str(code)}] if code else []
    body = {"status": "Failure", "reason": reason, "message": message, "details": {"causes": causes}}
    return bytes([STATUS]) + json.dumps(body).encode()


class Pod:
    """What is asked of a pod, and how it answers."""

    def __init__(self) -> None:
        self.authority = Authority("cluster")
        self.command: Command | None = None
        self.refusals: list[tuple[int, str]] = []
        self.subprotocols: list[str] = [handshake.V5]
        self.queries: list[dict[str, list[str]]] = []
        self.paths: list[str] = []
        self.headers: list[Headers] = []
        self.read = b""
        self.input_ended = asyncio.Event()
        self.broken = False
        self.port = 0

    @property
    def access(self) -> ClusterAccess:
        paper = self.authority.client("admin", "system:masters")
        return ClusterAccess(
            f"https://127.0.0.1:{self.port}",
            self.authority.pem,
            paper.certificate,
            Secret(paper.key),
            Secret("a-token"),
        )

    async def start(self) -> SocketServer:
        helper = Server()
        helper.authority = self.authority
        protocols = [Subprotocol(each) for each in self.subprotocols]
        made = await serve(
            self._talk, "127.0.0.1", 0, ssl=helper.context, subprotocols=protocols, process_request=self._asked,
            max_size=None, compression=None,
        )  # fmt: skip
        self.port = next(iter(made.sockets)).getsockname()[1]
        return made

    def _asked(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(parts.query):
            query.setdefault(name, []).append(value)
        self.paths.append(parts.path)
        self.queries.append(query)
        self.headers.append(request.headers)
        if self.broken:
            connection.transport.abort()
        if not self.refusals:
            return None
        code, message = self.refusals.pop(0)
        body = json.dumps({"kind": "Status", "code": code, "message": message}).encode()
        headers = Headers([("content-type", "application/json"), ("content-length", str(len(body)))])
        return Response(code, HTTPStatus(code).phrase, headers, body)

    async def _talk(self, connection: ServerConnection) -> None:
        listener = asyncio.create_task(self._listen(connection))
        try:
            if self.command is not None:
                await self.command(self, connection)
        finally:
            listener.cancel()

    async def _listen(self, connection: ServerConnection) -> None:
        async for message in connection:
            assert isinstance(message, bytes)
            if message[0] == STDIN:
                self.read += message[1:]
            elif message == bytes([CLOSE, STDIN]):
                self.input_ended.set()


@pytest_asyncio.fixture
async def pod() -> AsyncIterator[Pod]:
    made = Pod()
    server = await made.start()
    yield made
    server.close()
    await server.wait_closed()


@pytest_asyncio.fixture
async def cluster(pod: Pod) -> AsyncIterator[HttpCluster]:
    made = HttpCluster(pod.access, Quick())
    yield made
    await made.close()


def says(*messages: bytes) -> Command:
    async def command(pod: Pod, socket: ServerConnection) -> None:
        for each in messages:
            await socket.send(each)

    return command


async def test_what_it_says_and_how_it_ends(pod: Pod, cluster: HttpCluster) -> None:
    pod.command = says(b"\x01", b"\x01out \xc3", b"\x02err", b"\x01\xa4\n", status(3, "command terminated"))
    result = await cluster.run("data", "db-0", ["sh", "-c", "echo ä & exit 3"], container="db")
    assert (result.code, result.out, result.err) == (3, "out ä\n", "err")
    assert pod.paths == ["/api/v1/namespaces/data/pods/db-0/exec"]
    query = {"command": ["sh", "-c", "echo ä & exit 3"], "container": ["db"], "stdout": ["true"], "stderr": ["true"]}
    assert pod.queries == [query]
    assert pod.headers[0]["authorization"] == "Bearer a-token"
    assert pod.headers[0]["user-agent"] == "ephemeral-castle"


async def test_success(pod: Pod, cluster: HttpCluster) -> None:
    pod.command = says(status())
    assert (await cluster.run("data", "db-0", ["true"])).ok


async def test_output_behind_the_status_is_not_lost(pod: Pod, cluster: HttpCluster) -> None:
    pod.command = says(b"\x01a", status(), b"\x01b")
    assert (await cluster.run("data", "db-0", ["cat"])).out == "ab"


async def test_standard_input_arrives_whole_and_ends(pod: Pod, cluster: HttpCluster) -> None:
    sent = bytes(range(256)) * 4096 + b"end"

    async def count(pod: Pod, socket: ServerConnection) -> None:
        await pod.input_ended.wait()
        await socket.send(b"\x01" + str(len(pod.read)).encode())
        await socket.send(status())

    pod.command = count
    result = await cluster.run("data", "db-0", ["wc", "-c"], stdin=sent)
    assert result.out == str(len(sent))
    assert pod.read == sent
    assert pod.queries[0]["stdin"] == ["true"]


async def test_a_command_that_ends_before_it_has_read_everything(pod: Pod, cluster: HttpCluster) -> None:
    pod.command = says(b"\x01enough", status(1, "x"))
    result = await cluster.run("data", "db-0", ["head"], stdin=b"x" * 20_000_000)
    assert (result.code, result.out) == (1, "enough")


async def test_a_flood_of_input_lets_the_end_of_the_connection_be_seen() -> None:
    """A command that had read enough: its connection was gone, and each piece of the rest was a warning in the log."""
    turns = 0

    class Socket:
        closed = asyncio.Event()

        async def send(self, message: bytes) -> None:
            """As into a transport whose end the loop has not had a chance to tell."""

        async def ping(self) -> asyncio.Future[float]:
            answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
            answer.set_result(0.0)
            return answer

        async def recv(self) -> bytes:
            await self.closed.wait()
            return b""

        async def close(self) -> None:
            self.closed.set()

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    session = sessions.Session(cast("Any", Socket()), "x", None)
    await session.send(b"x" * sessions.CHUNK * 10)
    assert turns >= 9
    counting.cancel()
    await session.drop()


async def test_the_status_of_a_command_that_left_its_input_unread_was_lost() -> None:
    """Writing on ended in an error of the transport, which forgot what lay unread: the status, and the last words."""
    sent = 0

    class Socket:
        said = asyncio.Queue[bytes]()

        async def send(self, message: bytes) -> None:
            nonlocal sent
            sent += 1

        async def ping(self) -> asyncio.Future[float]:
            """The command ends now, and nobody reads any more."""
            for message in (b"\x01five5", b"\x03" + json.dumps({"status": "Success"}).encode(), b""):
                self.said.put_nowait(message)
            return asyncio.get_running_loop().create_future()

        async def recv(self) -> bytes:
            message = await self.said.get()
            if not message:
                raise ConnectionClosedError(None, None)
            return message

        async def close(self) -> None:
            pass

    session = sessions.Session(cast("Any", Socket()), "x", None)
    with pytest.raises(Unreachable):
        await session.send(b"x" * sessions.CHUNK * 10)
    assert (sent, bytes(session.out), session.code()) == (1, b"five5", 0)
    await session.drop()


async def test_a_large_answer(pod: Pod, cluster: HttpCluster) -> None:
    pod.command = says(*[b"\x01" + b"x" * 1_000_000] * 20, status())
    assert len((await cluster.run("data", "db-0", ["cat"])).out) == 20_000_000


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('exec: "nix": executable file not found in $PATH: unknown', 127),
        ('exec: "/nix": stat /nix: no such file or directory', 127),
        ("exec /bin/x: permission denied", 126),
    ],
)
async def test_a_program_that_cannot_be_started_ends_as_in_a_shell(
    pod: Pod, cluster: HttpCluster, message: str, code: int
) -> None:
    pod.command = says(status(0, f"Internal error occurred: OCI runtime exec failed: {message}", "InternalError"))
    result = await cluster.run("data", "db-0", ["nix"])
    assert result.code == code
    assert message in result.err


async def test_a_container_that_does_not_run_is_not_found(pod: Pod, cluster: HttpCluster) -> None:
    message = 'error executing command: unable to upgrade connection: container not found ("db")'
    pod.command = says(status(0, message, "InternalError"))
    with pytest.raises(NotFound, match="no such pod or container runs") as missing:
        await cluster.run("data", "db-0", ["true"])
    assert "container not found" in missing.value.why
    for code, words in ((404, 'pods "db-0" not found'), (400, "container x is not valid for pod db-0")):
        pod.refusals = [(code, words)]
        with pytest.raises(NotFound) as missing:
            await cluster.run("data", "db-0", ["true"])
        assert missing.value.why == words
        assert missing.value.where == "pod data/db-0: true"


async def test_a_node_that_does_not_answer(pod: Pod, cluster: HttpCluster) -> None:
    pod.command = says(status(0, "error dialing backend: dial tcp 10.0.0.1:10250: connection refused", "InternalError"))
    with pytest.raises(Unreachable, match="could not be started") as gone:
        await cluster.run("data", "db-0", ["true"])
    assert "10250" in gone.value.why


async def test_a_connection_that_breaks_is_no_success(pod: Pod, cluster: HttpCluster) -> None:
    async def die(pod: Pod, socket: ServerConnection) -> None:
        await socket.send(b"\x01half")
        await socket.send(b"\x02last words\n")
        socket.transport.abort()

    pod.command = die
    with pytest.raises(Unreachable, match="is gone") as gone:
        await cluster.run("data", "db-0", ["dump"])
    assert gone.value.state == "the command may have been carried out"
    pod.command = says(b"\x01half")  # closed in order, and without a status
    with pytest.raises(Unreachable):
        await cluster.run("data", "db-0", ["dump"])


async def test_time_is_up(pod: Pod, cluster: HttpCluster) -> None:
    async def sleep(pod: Pod, socket: ServerConnection) -> None:
        await socket.wait_closed()

    pod.command = sleep
    with pytest.raises(Unreachable, match="did not end in time") as late:
        await cluster.run("data", "db-0", ["sleep", "9"], timeout=4)
    assert "may still run" in late.value.state


async def test_a_server_that_is_busy_is_asked_again(pod: Pod, cluster: HttpCluster) -> None:
    pod.refusals = [(503, "starting"), (429, "slow"), (500, "etcd")]
    pod.command = says(b"\x01x", status())
    assert (await cluster.run("data", "db-0", ["true"])).out == "x"


async def test_a_command_that_may_have_been_started_is_not_sent_again(pod: Pod, cluster: HttpCluster) -> None:
    """The wish was sent, and the connection broke before the answer: the command may run already."""
    pod.broken = True
    with pytest.raises(Unreachable) as lost:
        await cluster.run("data", "db-0", ["promote"])
    assert lost.value.state == "the command may have been started"
    assert len(pod.paths) == 1


async def test_denied(pod: Pod, cluster: HttpCluster) -> None:
    pod.refusals = [(403, 'User "x" cannot create resource "pods/exec"')]
    with pytest.raises(Denied) as denied:
        await cluster.run("data", "db-0", ["true"])
    assert "pods/exec" in denied.value.why


async def test_an_old_server_is_named(pod: Pod) -> None:
    old = Pod()
    old.subprotocols = ["v4.channel.k8s.io"]
    server = await old.start()
    cluster = HttpCluster(old.access, Quick())
    try:
        with pytest.raises((Permanent, Unreachable)) as refused:
            await cluster.run("data", "db-0", ["true"])
        assert "subprotocol" in refused.value.why or "v5.channel.k8s.io" in refused.value.why
    finally:
        await cluster.close()
        server.close()
        await server.wait_closed()


async def test_another_servers_certificate_is_refused(pod: Pod) -> None:
    cluster = HttpCluster(replace(pod.access, ca=Authority("another").pem), Quick())
    with pytest.raises(Denied, match="not the one that is expected"):
        await cluster.run("data", "db-0", ["true"])
    await cluster.close()


async def echo(pod: Pod, socket: ServerConnection) -> None:
    """A line editor: says every line again, and ends with its input."""
    said = 0
    while not pod.input_ended.is_set():
        while (end := pod.read.find(b"\n", said)) >= 0:
            await socket.send(b"\x01" + pod.read[said : end + 1].upper())
            said = end + 1
        await asyncio.sleep(0.002)
    await socket.send(b"\x02bye\n")
    await socket.send(status())


async def test_a_conversation(pod: Pod, cluster: HttpCluster) -> None:
    pod.command = echo
    process = await cluster.spawn("data", "db-0", ["psql"], container="db")
    await process.write("one\ntw")
    assert await process.read_line(5) == "ONE"
    await process.write("o\nthree\n")
    assert await process.read_line(5) == "TWO"
    assert await process.read_line(5) == "THREE"
    with pytest.raises(Unreachable, match="does not answer") as silent:
        await process.read_line(0.05)
    assert silent.value.why == "no line within 0.05 s"
    assert await process.close() == 0
    assert process.errors == "bye"
    assert process.pid == 0


async def test_the_end_of_what_it_says(pod: Pod, cluster: HttpCluster) -> None:
    pod.command = says(b"\x01last line\nwithout end", status(2, "x"))
    process = await cluster.spawn("data", "db-0", ["cat"])
    assert await process.read_line(5) == "last line"
    assert await process.read_line(5) == "without end"
    assert await process.read_line(5) is None
    with pytest.raises(Unreachable, match="is gone") as gone:
        await process.write("more")
    assert "it ended with status 2" in gone.value.why
    assert await process.close() == 2


async def test_a_broken_conversation_does_not_look_like_its_end(pod: Pod, cluster: HttpCluster) -> None:
    async def die(pod: Pod, socket: ServerConnection) -> None:
        await socket.send(b"\x01one\n")
        socket.transport.abort()

    pod.command = die
    process = await cluster.spawn("data", "db-0", ["cat"])
    assert await process.read_line(5) == "one"
    with pytest.raises(Unreachable):
        await process.read_line(5)
    assert await process.close() == -1


async def test_output_that_nobody_reads_waits_outside(pod: Pod, cluster: HttpCluster) -> None:
    sent = 0

    async def flood(pod: Pod, socket: ServerConnection) -> None:
        nonlocal sent
        for _ in range(400):
            await socket.send(b"\x01" + b"x" * 99_999 + b"\n")
            sent += 1
        await socket.send(status())

    pod.command = flood
    process = await cluster.spawn("data", "db-0", ["cat"])
    await asyncio.sleep(0.5)
    assert sent < 200
    for _ in range(400):
        assert await process.read_line(5) == "x" * 99_999
    assert await process.read_line(5) is None
    assert await process.close() == 0


async def test_a_very_long_line(pod: Pod, cluster: HttpCluster) -> None:
    pod.command = says(*[b"\x01" + b"x" * 500_000] * 12, b"\x01\n", status())
    process = await cluster.spawn("data", "db-0", ["cat"])
    line = await process.read_line(10)
    assert line is not None
    assert len(line) == 6_000_000
    await process.close()


async def test_close_of_a_command_that_does_not_end(pod: Pod, cluster: HttpCluster) -> None:
    async def stubborn(pod: Pod, socket: ServerConnection) -> None:
        while True:
            await socket.send(b"\x01" + b"x" * 100_000)

    pod.command = stubborn
    process = await cluster.spawn("data", "db-0", ["yes"])
    assert await asyncio.wait_for(process.close(), 30) == -1
