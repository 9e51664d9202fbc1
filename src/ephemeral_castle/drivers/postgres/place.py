"""Where a database lives in one life, as all parts of the driver see it: on a machine, or in a Kubernetes cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ephemeral_castle.drivers.postgres.session import Session
from ephemeral_castle.postgres.states import ClusterState
from ephemeral_castle.spi.world import Process, Result

RUNNING, ABSENT = "running", "absent"


@dataclass(frozen=True)
class Standing:
    """How a database stands. `state`: as `Place.state`; `cluster`: what lies there, None while a server runs on it."""

    state: str
    cluster: ClusterState | None


@dataclass(frozen=True)
class Door:
    """Where clients find PgBouncer: an address that machines and this computer's castle reach, and a port."""

    address: str
    port: int


class Carrier(Protocol):
    """A way in that carries sessions."""

    @property
    def alive(self) -> bool:
        """Whether more can be opened."""
        ...

    async def open(self, database: str) -> Process:
        """A new session with a database."""
        ...

    async def close(self) -> None:
        """Ends it and all its sessions."""
        ...


class Place(Protocol):
    """One life's database and pooler of one `postgres` layer.

    Every call raises Unreachable when what carries them does not answer, and Transient when it cannot tell.
    """

    async def state(self, *, pooler: bool = False) -> str:
        """RUNNING from the beginning of its order on, ABSENT when nothing of that name is there, else its own word."""
        ...

    async def at_rest(self) -> bool:
        """Whether no server runs, and none will but by castle's word: nothing can commit."""
        ...

    async def listed(self) -> bool | None:
        """Whether anything of it is there; None where that is for the ground to say, which lists its machines."""
        ...

    async def standing(self) -> Standing:
        """How it stands, and what lies on its volume where no server runs."""
        ...

    async def start(self, files: Mapping[str, str], order: Sequence[str]) -> None:
        """Hands over the configuration into memory and starts the database with an order; does not wait for its end.

        Args:
            files: name -> text; pgbackrest.conf and its like.
            order: for `image.FIRST`: "birth", "restore ...", "serve".
        """
        ...

    async def keep(self) -> None:
        """The data are home: from now on whoever starts it again serves what is there, and never makes or restores."""
        ...

    async def address(self) -> str:
        """Where PgBouncer finds the server."""
        ...

    async def start_pooler(self, files: Mapping[str, str]) -> None:
        """Starts PgBouncer anew, with its user list in memory."""
        ...

    async def door(self) -> Door:
        """Where clients find PgBouncer."""
        ...

    def networks(self) -> Sequence[str]:
        """From where PgBouncer and castle's own clients may come to the server, in CIDR form."""
        ...

    async def run(self, *argv: str, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """A command beside the server."""
        ...

    async def job(self, name: str, *argv: str, timeout: float, again: bool = False) -> Result:
        """A long command beside the server, once per run: see `spi.jobs.Jobs.do`."""
        ...

    async def peek(self, script: str, *args: str, timeout: float) -> tuple[str, Result]:
        """The state, and what a script of sh(1) beside the server says; an empty result where it does not run."""
        ...

    async def hub(self) -> Carrier:
        """Carries sessions as superuser over the local socket; each waits inside until the server answers."""
        ...

    async def pooler_session(self) -> Session:
        """PgBouncer's own console."""
        ...

    async def stop(self) -> str:
        """Stops PostgreSQL cleanly, for good, and gives the control data that were written after the stop."""
        ...

    async def stop_pooler(self) -> None:
        """Ends PgBouncer at once, so that its clients learn it before its address vanishes without a word."""
        ...

    async def stopped_cleanly(self) -> bool:
        """Whether the server that does not run was shut down, by the control data it left."""
        ...

    async def last_words(self) -> tuple[int, str, int]:
        """After its order failed: what pgBackRest ended with (0 if that is not known) and said, bytes left there."""
        ...

    def told(self) -> Mapping[str, Any]:
        """What the record keeps of it, so that a standing life is looked for where it was raised."""
        ...

    async def way_in(self, command: str) -> tuple[Mapping[str, Any], str, str]:
        """For people: facts that say where it runs, the same in words, and how they run a command beside the server."""
        ...


class Rewindable(Place, Protocol):
    """A database whose volume castle works on itself while it is stopped."""

    async def aside(
        self, name: str, files: Mapping[str, str], argv: Sequence[str], *, timeout: float, begun: bool
    ) -> Result:
        """A long command over the data of a database that is stopped, in a container of its own, once per run.

        Args:
            name: what it does.
            files: the configuration, handed over before it begins; never under a command that reads it.
            argv: the command.
            timeout: seconds to wait here, as `spi.jobs.Jobs.do`.
            begun: whether a former runner may have begun it: then it is looked for first.
        """
        ...


def read_words(text: str) -> tuple[int, str, int]:
    """What `image.WORDS` said, as `Place.last_words` gives it."""
    free, _, said = text.partition("\n")
    failed, _, log = said.partition("\n")
    what, _, code = failed.strip().rpartition(" ")
    if what == "restore" and code.isdecimal():
        return int(code), log.strip(), int(free) << 10
    words = [f"{what} failed with exit code {code}"] if what else []
    return 0, "; ".join([*words, *log.strip().splitlines()]), int(free) << 10
