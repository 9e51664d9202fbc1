"""Keeps the forwarders of a castle running."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import sys
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Permanent
from ephemeral_castle.world.forward import EXIT_TAKEN, address
from ephemeral_castle.world.pidfile import ProcessMark
from ephemeral_castle.world.setns import namespace_path

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from ephemeral_castle.spi.world import Clock, Exec

READY = 5.0  # seconds until a forwarder must have written its pid file
POLL = 0.01


@dataclass(frozen=True)
class Route:
    """What one forwarder carries.

    Attributes:
        listen: HOST:PORT; port 0 takes any free one.
        connect: HOST:PORT, or @FILE: what stands in the file when a connection comes.
        listen_in: network namespace of the listener, "" = this computer's.
        connect_in: network namespace of the target, "" = this computer's.
    """

    listen: str
    connect: str
    listen_in: str = ""
    connect_in: str = ""

    def mark(self) -> str:
        """A digest of the route and of the namespaces as they stand: one that was made anew gives another mark."""
        text = repr((*astuple(self), _inode(self.listen_in), _inode(self.connect_in)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Forwarders:
    """Forwarders by name; each outlives the runner that started it.

    Args:
        exec_: starts processes.
        clock: time.
        runtime: directory for pid and port files; it must not outlive a reboot for long (pids are checked anyway).
    """

    def __init__(self, exec_: Exec, clock: Clock, runtime: Path) -> None:
        self._exec = exec_
        self._clock = clock
        self._runtime = runtime

    async def ensure(self, name: str, route: Route) -> int:
        """Starts it unless the same route is served already; gives the port that is listened on.

        Raises:
            Permanent: the port is taken, or a namespace does not exist.
        """
        wanted = route.mark()
        running = ProcessMark.read(self._pid_file(name))
        if running is not None and running.alive:
            if self.serves(name, route):
                return self.port(name)
            await running.end(self._clock)
        self._runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pid_file(name).unlink(missing_ok=True)
        result = await self._exec.run(self._command(name, route, wanted), timeout=30.0)
        if result.code == EXIT_TAKEN:
            raise await self._taken(route)
        if not result.ok:
            raise Permanent(
                f"the forwarder for {name} cannot be started",
                where=f"{route.listen} to {route.connect}",
                why=result.last_words(1),
                hints=("castle doctor",),
            )
        await self._ready(name)
        return self.port(name)

    def alive(self, name: str) -> bool:
        """Whether it runs."""
        mark = ProcessMark.read(self._pid_file(name))
        return mark is not None and mark.alive

    def serves(self, name: str, route: Route) -> bool:
        """Whether it runs, and carries just this: also one that was told to take any port, and took this one."""
        running = ProcessMark.read(self._pid_file(name))
        if running is None or not running.alive:
            return False
        host, port = address(route.listen)
        any_port = replace(route, listen=f"{host}:0")
        return running.command == route.mark() or (port == self.port(name) and running.command == any_port.mark())

    def port(self, name: str) -> int:
        """The port it listens on (or last did); 0 when it was never started."""
        try:
            return int(self._port_file(name).read_text())
        except (OSError, ValueError):
            return 0

    def cut(self, name: str) -> None:
        """Ends the connections that are open, so that clients learn at once that their target has gone."""
        mark = ProcessMark.read(self._pid_file(name))
        if mark is not None and mark.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(mark.pid, signal.SIGHUP)

    async def stop(self, name: str) -> None:
        """Ends it; no error when it does not run."""
        mark = ProcessMark.read(self._pid_file(name))
        if mark is not None and mark.alive:
            await mark.end(self._clock)
        self._pid_file(name).unlink(missing_ok=True)
        self._port_file(name).unlink(missing_ok=True)

    async def stop_all(self, prefix: str = "", keep: Collection[str] = ()) -> None:
        """Ends every forwarder that has a pid file here, whose name begins so, and that is none of those to keep."""
        for path in sorted(self._runtime.glob(f"{prefix}*.forward.pid")):
            name = path.name.removesuffix(".forward.pid")
            if name not in keep:
                await self.stop(name)

    def _pid_file(self, name: str) -> Path:
        return self._runtime / f"{name}.forward.pid"

    def _port_file(self, name: str) -> Path:
        return self._runtime / f"{name}.forward.port"

    def _command(self, name: str, route: Route, mark: str) -> list[str]:
        return [
            *(sys.executable, "-m", "ephemeral_castle.world.forward"),
            *("--listen", route.listen, "--connect", route.connect),
            *(("--listen-in", route.listen_in) if route.listen_in else ()),
            *(("--connect-in", route.connect_in) if route.connect_in else ()),
            *("--pid-file", str(self._pid_file(name)), "--port-file", str(self._port_file(name)), "--mark", mark),
        ]

    async def _ready(self, name: str) -> None:
        deadline = self._clock.monotonic() + READY
        while not self.alive(name):
            if self._clock.monotonic() > deadline:
                raise Permanent(f"the forwarder for {name} does not come up", why=f"no pid file after {READY:g} s")
            await self._clock.sleep(POLL)

    async def _taken(self, route: Route) -> Permanent:
        port = address(route.listen)[1]
        holder = await port_holder(self._exec, port, route.listen_in)
        return Permanent(
            f"port {port} is taken",
            where=f"{route.listen} in {route.listen_in or 'this computer'}",
            why=f"held by {holder}" if holder else "held by a process that is not visible from here",
            state="nothing was changed",
            hints=(f"ss -ltnp 'sport = :{port}'",),
        )


async def port_holder(exec_: Exec, port: int, namespace: str = "") -> str:
    """Who listens on a TCP port: "nginx (pid 812)", or "" when it cannot be seen.

    Args:
        exec_: starts `ss` (iproute2).
        port: the port.
        namespace: network namespace, "" = this computer's.
    """
    argv: Sequence[str] = ["ss", "-Hltnp", f"sport = :{port}"]
    if namespace:
        argv = ["nsenter", f"--net={namespace_path(namespace)}", "--", *argv]
    result = await exec_.run(argv, timeout=10.0)
    holders = dict.fromkeys(re.findall(r'\("([^"]+)",pid=(\d+)', result.out))
    return ", ".join(f"{program} (pid {pid})" for program, pid in holders)


def _inode(namespace: str) -> int:
    try:
        return namespace_path(namespace).stat().st_ino if namespace else 0
    except OSError:
        return 0
