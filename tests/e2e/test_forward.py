from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from ephemeral_castle.errors import Permanent
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.forward import address
from ephemeral_castle.world.forwarders import Forwarders, Route, port_holder
from ephemeral_castle.world.pidfile import ProcessMark

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", "podman")]
EXEC = LocalExec()

# Answers each connection: reads to the end, gives back the sum of what came, then as many bytes as it read.
SERVER = """
import hashlib, socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print(listener.getsockname()[1], flush=True)
while True:
    peer, _ = listener.accept()
    data = b"".join(iter(lambda: peer.recv(1 << 16), b""))
    peer.sendall(hashlib.sha256(data).hexdigest().encode() + b"\\n" + data)
    peer.close()
"""


class Server:
    """SERVER in a namespace (None: this computer's)."""

    def __init__(self, castle, host: str) -> None:
        self.argv = [sys.executable, "-c", SERVER, host, "0"]
        if castle is not None:
            self.argv = castle.enter(self.argv)

    async def __aenter__(self) -> int:
        self.process = await EXEC.spawn(self.argv)
        line = await self.process.read_line(10)
        assert line, "the server did not start"
        return int(line)

    async def __aexit__(self, *_: object) -> None:
        await self.process.close()


@pytest.fixture
async def forwarders(room):
    keeper = Forwarders(EXEC, SystemClock(), room / "run")
    yield keeper
    await keeper.stop_all()
    (room / "run").mkdir(exist_ok=True)


async def ask(port: int, data: bytes, host: str = "127.0.0.1") -> tuple[str, bytes]:
    reader, writer = await asyncio.open_connection(host, port)

    async def send() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    async with asyncio.timeout(30):
        answer = await reader.read(-1)
        await sending
    writer.close()
    await writer.wait_closed()
    digest, _, body = answer.partition(b"\n")
    return digest.decode(), body


def mark_in(room: Path) -> ProcessMark:
    mark = ProcessMark.read(room / "run/db.forward.pid")
    assert mark is not None
    return mark


async def test_carries_both_ways_with_half_close(castle, forwarders):
    data = os.urandom(8 * 2**20)
    async with Server(castle, castle.gateway) as target:
        port = await forwarders.ensure("db", Route("127.0.0.1:0", f"{castle.gateway}:{target}", connect_in=castle.name))
        answers = await asyncio.gather(*(ask(port, data) for _ in range(3)))
    for digest, body in answers:
        assert digest == hashlib.sha256(data).hexdigest()
        assert body == data


async def test_machines_reach_a_server_outside(castle, forwarders):
    async with Server(None, "127.0.0.1") as target:
        port = await forwarders.ensure("s3", Route(f"{castle.gateway}:0", f"127.0.0.1:{target}", castle.name))
        script = f"import socket; s = socket.create_connection(({castle.gateway!r}, {port})); s.sendall(b'hi');"
        script += "s.shutdown(socket.SHUT_WR); print(s.makefile().read())"
        result = await EXEC.run(castle.enter([sys.executable, "-c", script]), timeout=20)
    assert result.out.split() == [hashlib.sha256(b"hi").hexdigest(), "hi"]


async def test_nobody_behind_it_is_a_reset_not_an_empty_answer(castle, forwarders):
    port = await forwarders.ensure("db", Route("127.0.0.1:0", f"{castle.gateway}:9", connect_in=castle.name))
    with pytest.raises(ConnectionResetError):
        await ask(port, b"x")


async def test_ensure_keeps_what_serves_and_replaces_what_does_not(castle, forwarders, room):
    route = Route("127.0.0.1:0", f"{castle.gateway}:9", connect_in=castle.name)
    port = await forwarders.ensure("db", route)
    pid = mark_in(room).pid
    assert await forwarders.ensure("db", route) == port
    assert mark_in(room).pid == pid

    other = Route(f"127.0.0.1:{port}", f"{castle.gateway}:10", connect_in=castle.name)
    assert await forwarders.ensure("db", other) == port
    assert mark_in(room).pid != pid


async def test_a_namespace_made_anew_gets_a_new_forwarder(castle, forwarders, room):
    route = Route("127.0.0.1:0", f"{castle.gateway}:9", connect_in=castle.name)
    await forwarders.ensure("db", route)
    pid = mark_in(room).pid
    (castle.runtime / "ready").unlink()
    await castle.ensure()
    await forwarders.ensure("db", route)
    assert mark_in(room).pid != pid


async def test_is_detached_and_ends_on_sigterm(castle, forwarders, room):
    await forwarders.ensure("db", Route("127.0.0.1:0", f"{castle.gateway}:9", connect_in=castle.name))
    mark = mark_in(room)
    assert os.getsid(mark.pid) == mark.pid
    assert forwarders.alive("db")
    os.kill(mark.pid, signal.SIGTERM)
    for _ in range(300):
        if not mark.alive:
            break
        await asyncio.sleep(0.01)
    assert not forwarders.alive("db")
    assert not (room / "run/db.forward.pid").exists()


async def test_stop_is_repeatable(castle, forwarders):
    port = await forwarders.ensure("db", Route("127.0.0.1:0", f"{castle.gateway}:9", connect_in=castle.name))
    await forwarders.stop("db")
    await forwarders.stop("db")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_foreign_process_under_an_old_pid_is_left_alone(castle, forwarders, room):
    bystander = await EXEC.spawn(["sleep", "60"])
    (room / "run").mkdir(exist_ok=True)
    ProcessMark(bystander.pid, 1, "x").write(room / "run/db.forward.pid")
    await forwarders.ensure("db", Route("127.0.0.1:0", f"{castle.gateway}:9", connect_in=castle.name))
    await forwarders.stop("db")
    assert ProcessMark.of(bystander.pid) is not None
    await bystander.close()


async def test_taken_port_names_port_and_holder(castle, forwarders):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Permanent, match=f"port {port} is taken") as caught:
            await forwarders.ensure("db", Route(f"127.0.0.1:{port}", f"{castle.gateway}:9", connect_in=castle.name))
    assert f"(pid {os.getpid()})" in caught.value.why
    assert not forwarders.alive("db")


async def test_holder_inside_a_namespace(castle):
    async with Server(castle, castle.gateway) as port:
        assert "python" in await port_holder(EXEC, port, castle.name)
        assert await port_holder(EXEC, port) == ""


async def test_missing_namespace_is_permanent(forwarders):
    with pytest.raises(Permanent) as caught:
        await forwarders.ensure("db", Route("127.0.0.1:0", "10.0.0.1:9", connect_in="castle-nowhere"))
    assert "No such file" in caught.value.why


@pytest.mark.parametrize("text", ["9443", ":9443", "host:", "host:port"])
def test_addresses_that_are_none(text):
    with pytest.raises(ValueError):
        address(text)


def test_addresses():
    assert address("127.0.0.1:80") == ("127.0.0.1", 80)
    assert address("[::1]:80") == ("::1", 80)
