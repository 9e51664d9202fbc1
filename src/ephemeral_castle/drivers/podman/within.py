"""A way into a machine for a look that somebody waits for: straight into its namespaces.

`podman exec` costs 0.2 s, for a process that watches over the command and for its place in a control group. A look
needs neither: it ends with whoever asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ephemeral_castle.drivers.podman.fleet import Seen
from ephemeral_castle.errors import Unreachable
from ephemeral_castle.spi.world import Exec, Process, Result

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
# What `podman exec` would give: nothing of this computer's environment means anything there.
CLEAN = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root")


class Within:
    """Implements `spi.world.Transport` by nsenter(1), for a machine that was just seen running."""

    def __init__(self, exec_: Exec, seen: Seen, proc: Path = Path("/proc")) -> None:
        self._exec = exec_
        self._seen = seen
        self._proc = proc

    def _enter(self, argv: Sequence[str]) -> list[str]:
        """The command line.

        Raises:
            Unreachable: the process that was the machine's first is gone, or is somebody else's by now.
        """
        try:
            groups = (self._proc / str(self._seen.pid) / "cgroup").read_text()
        except OSError:
            groups = ""
        if not self._seen.pid or self._seen.id not in groups:
            raise Unreachable("the machine does not answer", where=self._seen.name, why="it does not run any more")
        return ["nsenter", "--target", str(self._seen.pid), *NAMESPACES, "--", *CLEAN, *argv]

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Runs a command on the machine to its end."""
        return await self._exec.run(self._enter(argv), stdin=stdin, timeout=timeout)

    async def spawn(self, argv: Sequence[str]) -> Process:
        """Starts a command on the machine and keeps standard input and output open."""
        return await self._exec.spawn(self._enter(argv))
