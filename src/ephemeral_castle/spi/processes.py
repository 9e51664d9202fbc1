"""Processes on this computer and on machines, and the ways to start them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Result:
    """A finished process. `code` is negative for a signal; texts are decoded with `errors="replace"`."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether the exit status was 0."""
        return self.code == 0

    def last_words(self, lines: int = 3) -> str:
        """The last lines of what it said, errors first: for messages."""
        text = self.err.strip() or self.out.strip()
        return " / ".join(text.splitlines()[-lines:])


class Process(Protocol):
    """A running process that speaks lines."""

    @property
    def pid(self) -> int:
        """Process id on this computer."""
        ...

    @property
    def errors(self) -> str:
        """The last lines of its standard error."""
        ...

    async def write(self, text: str) -> None:
        """Writes to its standard input; raises Unreachable when it is gone."""
        ...

    async def read_line(self, timeout: float) -> str | None:
        """The next line without its end, None at the end of the stream; raises Unreachable after `timeout` s."""
        ...

    async def close(self) -> int:
        """Closes its standard input, waits a little, ends it if need be; gives the exit status."""
        ...


class Exec(Protocol):
    """Starts processes on this computer. Arguments are lists; nothing is passed through a shell."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Result:
        """Runs to the end. Raises Unreachable when `timeout` seconds pass (the process is ended)."""
        ...

    async def spawn(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Process:
        """Starts a process and keeps its standard input and output open."""
        ...


@dataclass(frozen=True)
class File:
    """A file to deliver to a machine: relative path, content, mode."""

    path: str
    content: bytes
    mode: int = 0o600


class Transport(Protocol):
    """A way into one machine: `podman exec` or SSH, the same protocol.

    Raises Unreachable when the machine does not answer; what the command itself says is in the Result.
    """

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Runs a command on the machine to its end."""
        ...

    async def spawn(self, argv: Sequence[str]) -> Process:
        """Starts a command on the machine and keeps standard input and output open."""
        ...


@dataclass(frozen=True)
class Machine:
    """One machine of one life. `id` is the number of the definition (431), `name` its name there (`data`)."""

    id: int
    name: str
    life: int
    address: str
    transport: Transport
    images: str = ""
