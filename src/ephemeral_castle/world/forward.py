"""Carries bytes between a listener and a target that live in different network namespaces.

    python -m ephemeral_castle.world.forward --listen 127.0.0.1:9443 --connect 10.89.77.1:9443 --connect-in castle-home

People and the runner reach a castle's services from the computer's loopback by it; with `--listen-in`, machines
reach a server outside. It opens its listener in one namespace, then lives in the other, detached from whoever
started it, until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import struct
import sys
from pathlib import Path

from ephemeral_castle.world.pidfile import ProcessMark
from ephemeral_castle.world.setns import enter_network, namespace_path

BUFFER = 256 * 1024
BACKLOG = 128
CONNECT_TIMEOUT = 10.0  # seconds
EXIT_TAKEN = 98  # the number of EADDRINUSE
EXIT_FAILED = 1


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, an IPv6 host in brackets.

    Raises:
        ValueError: there is no port.
    """
    host, separator, port = text.rpartition(":")
    if not separator or not host:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def target_of(text: str) -> tuple[str, int]:
    """HOST:PORT, or what stands in the file of `@FILE` now.

    Raises:
        ValueError: there is no port. OSError: the file cannot be read.
    """
    return address(Path(text[1:]).read_text().strip() if text.startswith("@") else text)


def open_listener(listen: str, namespace: str) -> socket.socket:
    """A listening socket in a network namespace ("" = this one); the process is back in its own afterwards.

    Raises:
        OSError: the port is taken (EADDRINUSE), the namespace does not exist.
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if namespace:
            enter_network(namespace_path(namespace))
        host, port = address(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener
    finally:
        if namespace:
            enter_network(Path(f"/proc/self/fd/{home}"))
        os.close(home)


async def serve(listener: socket.socket, target: str) -> None:
    """Forwards until SIGTERM or SIGINT; connections that are open then, or at SIGHUP, are cut."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    connections: set[asyncio.Task[None]] = set()

    def cut() -> None:
        for task in list(connections):
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, cut)

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            connections.add(task)
            task.add_done_callback(connections.discard)
        with contextlib.suppress(asyncio.CancelledError):
            await _carry(reader, writer, target)

    server = await asyncio.start_server(accepted, sock=listener, limit=BUFFER)
    await stop.wait()
    server.close()
    cut()
    await asyncio.gather(*connections, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    """One connection, both directions, each ended by its own side (half-close)."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            far_reader, far_writer = await asyncio.open_connection(*target_of(target), limit=BUFFER)
    except (OSError, ValueError):  # TimeoutError is one; the file may be away for a moment
        _reset(writer)  # the client must not take it for an empty answer
        return
    for end in (writer, far_writer):
        raw = end.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, far_writer))
            both.create_task(_copy(far_reader, writer))
    except BaseException as error:
        for end in (writer, far_writer):
            _reset(end)
        if not isinstance(error, ExceptionGroup):
            raise
    finally:
        for end in (writer, far_writer):
            end.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes a connection by RST (socket(7), SO_LINGER with 0 s): the other side sees an error, not an end."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(BUFFER):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def detach() -> bool:
    """Leaves the caller: True in the process that goes on, in a session of its own and without its streams."""
    if os.fork():
        return False
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    return True


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit status: 98 when the port is taken, 1 for other errors."""
    parser = argparse.ArgumentParser(prog="python -m ephemeral_castle.world.forward", description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="port 0 takes any free one")
    parser.add_argument("--listen-in", default="", metavar="NETNS", help="network namespace of the listener")
    parser.add_argument(
        "--connect", required=True, metavar="HOST:PORT|@FILE", help="@FILE is read anew for each connection"
    )
    parser.add_argument("--connect-in", default="", metavar="NETNS", help="network namespace of the target")
    parser.add_argument("--pid-file", type=Path, help="written when connections are accepted")
    parser.add_argument("--port-file", type=Path, help="receives the port that is listened on")
    parser.add_argument("--mark", default="", help="kept in the pid file, to tell one forwarder from another")
    parser.add_argument("--foreground", action="store_true", help="do not detach")
    options = parser.parse_args(arguments)
    try:
        if not options.connect.startswith("@"):
            address(options.connect)
        listener = open_listener(options.listen, options.listen_in)
        if options.connect_in:
            enter_network(namespace_path(options.connect_in))
    except OSError as error:
        sys.stderr.write(f"{error.strerror}\n")
        return EXIT_TAKEN if error.errno == EXIT_TAKEN else EXIT_FAILED
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    if options.port_file:
        options.port_file.write_text(f"{listener.getsockname()[1]}\n")
    if not options.foreground and not detach():
        return 0
    mark = ProcessMark.of(os.getpid(), options.mark)
    if options.pid_file and mark:
        mark.write(options.pid_file)
    asyncio.run(serve(listener, options.connect))
    if options.pid_file and ProcessMark.read(options.pid_file) == mark:
        options.pid_file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
