"""Commands in containers: the exec of the Kubernetes API over WebSocket, with the standard library alone.

Source: RFC 6455; Kubernetes' protocol v5.channel.k8s.io (1.30 on): each message begins with the number of its channel,
the end comes as a Status on channel 3, and channel 255 closes another one.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import struct
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .api import Api, Refused, Silent

PROTOCOL = "v5.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
CONTINUATION, TEXT, BINARY, END, PING, PONG = 0, 1, 2, 8, 9, 10
CHUNK = 32 * 1024


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status, standard output and standard error."""

    code: int
    out: str
    errors: str


def run(api: Api, pod: tuple[str, str, str], argv: Sequence[str], stdin: str = "", timeout: float = 60.0) -> Ended:
    """Runs a command in a container to its end.

    Args:
        api: the server.
        pod: namespace, pod and container.
        argv: program and arguments.
        stdin: what it reads.
        timeout: seconds without a word from it.

    Raises:
        Refused: no such container runs. Silent: the connection ended before the command did.
    """
    namespace, name, container = pod
    query = [("container", container), ("stdout", "true"), ("stderr", "true")]
    query += [("stdin", "true")] if stdin else []
    query += [("command", word) for word in argv]
    path = f"{api.path('v1', 'Pod', namespace, name)}/exec?{urllib.parse.urlencode(query)}"
    connection = api.connection(timeout)
    try:
        stream = _open(api, connection, path)
        if stdin:
            _feed(stream, stdin.encode())
        return _collect(stream, f"{namespace}/{name}")
    except (OSError, http.client.HTTPException, struct.error) as error:
        raise Silent(f"a command in {namespace}/{name}: {error or type(error).__name__}") from None
    finally:
        connection.close()


class _Stream:
    """Messages over a connection that was upgraded. `early`: what came with the upgrade's answer."""

    def __init__(self, link: socket.socket, early: bytes) -> None:
        self._link = link
        self._held = bytearray(early)

    def send(self, kind: int, payload: bytes) -> None:
        """One message, masked as RFC 6455 wants it of clients."""
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([0x80 | kind])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack("!H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack("!Q", size)
        repeated = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
        self._link.sendall(head + mask + masked)

    def messages(self) -> Iterator[bytes]:
        """Whole messages until the server closes."""
        parts = bytearray()
        while True:
            first, second = self._take(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", self._take(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._take(8))
            payload, kind = self._take(size), first & 0x0F
            if kind == END:
                return
            if kind == PING:
                self.send(PONG, payload)
            elif kind in (CONTINUATION, TEXT, BINARY):
                parts += payload
                if first & 0x80:
                    yield bytes(parts)
                    parts.clear()

    def _take(self, count: int) -> bytes:
        while len(self._held) < count:
            more = self._link.recv(65536)
            if not more:
                raise ConnectionError("the connection ended before the command did")
            self._held += more
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken


def _open(api: Api, connection: http.client.HTTPSConnection, path: str) -> _Stream:
    """Asks for the upgrade by hand: http.client closes the socket of an answer without a body."""
    connection.connect()
    link = connection.sock
    asked = {
        "Host": f"{connection.host}:{connection.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": PROTOCOL,
        **api.headers(),
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items()), "", ""]
    link.sendall("\r\n".join(lines).encode())
    head, early = _head(link)
    status = int(head.split(b" ", 2)[1])
    if status == 101:
        return _Stream(link, early)
    said = _rest(link, early)
    start, end = said.find(b"{"), said.rfind(b"}")  # the body may come in chunks
    try:
        told = json.loads(said[start : end + 1])
    except ValueError:
        told = {"message": said[:300].decode(errors="replace")}
    raise Refused(status, str(told.get("reason", "")), str(told.get("message", "")))


def _head(link: socket.socket) -> tuple[bytes, bytes]:
    held = b""
    while b"\r\n\r\n" not in held:
        more = link.recv(4096)
        if not more:
            raise ConnectionError("no answer")
        held += more
    head, _, early = held.partition(b"\r\n\r\n")
    return head, early


def _rest(link: socket.socket, early: bytes) -> bytes:
    link.settimeout(1.0)
    held = early
    try:
        while len(held) < 65536 and not held.rstrip().endswith(b"}") and (more := link.recv(4096)):
            held += more
    except (TimeoutError, ssl.SSLError):
        pass
    return held


def _feed(stream: _Stream, data: bytes) -> None:
    for start in range(0, len(data), CHUNK):
        stream.send(BINARY, bytes([STDIN]) + data[start : start + CHUNK])
    stream.send(BINARY, bytes([CLOSE, STDIN]))


def _collect(stream: _Stream, where: str) -> Ended:
    said = {STDOUT: bytearray(), STDERR: bytearray()}
    for message in stream.messages():
        channel, payload = message[0], message[1:]
        if channel in said:
            said[channel] += payload
        elif channel == STATUS:
            code = _code(json.loads(payload), where)
            return Ended(code, said[STDOUT].decode(errors="replace"), said[STDERR].decode(errors="replace"))
    raise Silent(f"a command in {where}: the connection ended before the command did")


def _code(status: dict[str, object], where: str) -> int:
    if status.get("status") == "Success":
        return 0
    details = status.get("details")
    causes = details.get("causes", []) if isinstance(details, dict) else []
    for cause in causes:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise Refused(500, str(status.get("reason", "")), f"{where}: {status.get('message', '')}")
