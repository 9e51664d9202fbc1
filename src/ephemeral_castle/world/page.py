"""The maintenance page of a castle: answers every request with 503 until it is told to end.

    python -m ephemeral_castle.world.page --listen 10.89.77.1 --pid-file FILE < {"castle": ..., "retry": 30, ...}

It listens on port 80, and on 443 where it is given a certificate: standard input has both it and its key, and neither
touches a disk. It lives detached from whoever started it, until SIGTERM, or until the time in the file of `--until`,
which it reads on SIGHUP: resolvers give its address for a while after a castle has come back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import html
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ephemeral_castle.world.forward import EXIT_FAILED, EXIT_TAKEN, detach
from ephemeral_castle.world.pidfile import ProcessMark

PLAIN, SECURE = 80, 443
HEAD_LIMIT = 16 * 1024  # bytes of a request's head
HEAD_TIME = 5.0  # seconds until it must be there
MOST = 256  # connections at once
PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{castle}: back soon</title>
<style>body{{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:20vh auto;padding:0 1em}}</style></head>
<body><h1>Back soon</h1>
<p>The castle <strong>{castle}</strong> is being torn down and built anew. All that was saved comes back with it.</p>
<p>Please try again in {retry} seconds.</p></body></html>
"""


def response(castle: str, retry: int, *, body: bool = True) -> bytes:
    """The one answer there is. `retry`: seconds after which to ask again; `body`: false for HEAD."""
    text = PAGE.format(castle=html.escape(castle), retry=retry).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(text)}\r\nRetry-After: {retry}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (text if body else b"")


def secured(chain: str, key: str) -> ssl.SSLContext:
    """TLS from PEM texts, by files that exist in memory alone.

    Raises:
        ssl.SSLError: certificate and key do not fit, or are none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    handle = os.memfd_create("page", os.MFD_CLOEXEC)
    try:
        os.write(handle, f"{key}\n{chain}".encode())
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
    return context


def listeners(host: str, *, secure: bool) -> list[socket.socket]:
    """Listening sockets, port 80 first.

    Raises:
        OSError: a port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return [
        socket.create_server((host, port), family=family) for port in ((PLAIN, SECURE) if secure else (PLAIN,))
    ]  # fmt: skip


async def serve(
    sockets: list[socket.socket], context: ssl.SSLContext | None, told: Mapping[str, Any], end: Path
) -> None:
    """Answers until the process is told to end."""
    stop, loop, waiting = asyncio.Event(), asyncio.get_running_loop(), asyncio.Semaphore(MOST)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.call_later(_left(end), stop.set))

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with waiting:
            with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
                async with asyncio.timeout(HEAD_TIME):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(response(told["castle"], told["retry"], body=not head.startswith(b"HEAD ")))
                    await writer.drain()
            writer.close()

    servers = [
        await asyncio.start_server(accepted, sock=each, limit=HEAD_LIMIT, ssl=context if number else None)
        for number, each in enumerate(sockets)
    ]
    await stop.wait()
    for server in servers:
        server.close()


def _left(end: Path) -> float:
    try:
        return max(0.0, float(end.read_text()) - time.time())
    except (OSError, ValueError):
        return 0.0


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit status: 98 when a port is taken, 1 for other errors."""
    parser = argparse.ArgumentParser(prog="python -m ephemeral_castle.world.page", description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST")
    parser.add_argument("--pid-file", required=True, type=Path, help="written when requests are answered")
    parser.add_argument("--until", required=True, type=Path, help="file with the Unix second at which to end")
    parser.add_argument("--mark", default="", help="kept in the pid file")
    options = parser.parse_args(arguments)
    told = json.load(sys.stdin)
    try:
        context = secured(told["chain"], told["key"]) if told["chain"] else None
        sockets = listeners(options.listen, secure=context is not None)
    except OSError as error:  # an SSLError is one
        sys.stderr.write(f"{error.strerror or error}\n")
        return EXIT_TAKEN if error.errno == EXIT_TAKEN else EXIT_FAILED
    if not detach():
        return 0
    mark = ProcessMark.of(os.getpid(), options.mark)
    if mark:
        mark.write(options.pid_file)
    asyncio.run(serve(sockets, context, told, options.until))
    if ProcessMark.read(options.pid_file) == mark:
        options.pid_file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
