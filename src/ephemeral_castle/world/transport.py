"""A way into a machine by `podman exec`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ephemeral_castle.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ephemeral_castle.spi.world import Enclosure, Exec, Process, Result

# podman-exec(1): 125 is podman's own error, 126 and 127 the runtime's; 255 is podman 4.3's answer for a container
# that does not run, 137 what is left when the container dies under the command. A command inside, above all another
# podman, may end with any of them too.
AMBIGUOUS = frozenset({125, 126, 127, 137, 255})
PROBE_TIMEOUT = 10.0  # seconds


class PrefixTransport:
    """Runs commands on a machine by putting a command line before them; implements `spi.world.Transport`.

    Args:
        exec_: starts processes here.
        prefix: what stands before each command.
        env: environment of the prefix's program here.
        where: the machine, for messages.
        alive: a command whose output is "true" while the machine runs. It is asked only when an exit status may mean
            either side, so a failing command inside is never taken for a dead machine, nor the other way round.
    """

    def __init__(
        self,
        exec_: Exec,
        prefix: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        where: str = "",
        alive: Sequence[str] = (),
    ) -> None:
        self._exec = exec_
        self._prefix = list(prefix)
        self._env = dict(env or {})
        self._where = where or " ".join(self._prefix[-1:])
        self._alive = list(alive)

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Runs a command on the machine to its end.

        Raises:
            Unreachable: the machine does not run, or the time was up. The command may go on on the machine after a
                time-out: ending `podman exec` does not end what it started.
        """
        result = await self._exec.run([*self._prefix, *argv], stdin=stdin, env=self._env, timeout=timeout)
        if result.code in AMBIGUOUS:
            await self._check(result)
        return result

    async def spawn(self, argv: Sequence[str]) -> Process:
        """Starts a command on the machine and keeps standard input and output open.

        A machine that does not run shows at the first write or read.
        """
        return await self._exec.spawn([*self._prefix, *argv], env=self._env)

    async def _check(self, result: Result) -> None:
        if self._alive:
            probe = await self._exec.run(self._alive, env=self._env, timeout=PROBE_TIMEOUT)
            if probe.ok and probe.out.strip() == "true":
                return
            why = result.last_words(1) if result.err.strip() else probe.last_words(1)
            if probe.ok:  # podman knows the machine; what the command said is about its end, if that
                why = f"it does not run ({why})" if why and why != probe.out.strip() else "it does not run"
        elif result.err.lstrip().startswith("Error: "):
            why = result.last_words(1)
        else:
            return
        raise Unreachable("the machine does not answer", where=self._where, why=why)


def podman_transport(exec_: Exec, enclosure: Enclosure, container: str) -> PrefixTransport:
    """A way into a container of the castle's own podman."""
    return PrefixTransport(
        exec_,
        enclosure.podman("exec", "-i", container),
        enclosure.podman_env(),
        where=container,
        alive=enclosure.podman("container", "inspect", "--format", "{{.State.Running}}", container),
    )
