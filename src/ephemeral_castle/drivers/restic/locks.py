"""Whose a lock in the repository is, and whether it may be taken away. Pure.

restic itself calls a lock stale after 30 minutes, or when the process of its number is gone on the host of its name.
In containers numbers begin anew and names are ours to give, so castle judges by the name: `LIFE.RUN.CASTLE`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

NAME = re.compile(r"life(\d+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9-]+)")
LONGEST = 63  # characters of a host name


def host_name(life: int, run: str, castle: str) -> str:
    """The host name under which a container of this run locks; 63 characters at most."""
    return f"life{life}.{run}.{castle}"[:LONGEST]


@dataclass(frozen=True)
class Lock:
    """One lock. `exclusive`: nothing else may happen beside it."""

    id: str
    host: str
    time: str = ""
    exclusive: bool = False

    @classmethod
    def parse(cls, ident: str, data: Mapping[str, Any]) -> Lock:
        """From `restic cat lock ID`."""
        return cls(ident, str(data.get("hostname", "")), str(data.get("time", "")), bool(data.get("exclusive")))

    def __str__(self) -> str:
        kind = "exclusive lock" if self.exclusive else "lock"
        return f"{kind} {self.id[:8]} of {self.host or 'somebody'}, since {self.time or 'an unknown time'}"


def owner(lock: Lock) -> tuple[int, str] | None:
    """Life and run of the lock's owner; None when it is not castle's."""
    match = NAME.match(lock.host)
    return (int(match[1]), match[2]) if match else None


def stale(lock: Lock, run: str, busy: Collection[str] = ()) -> str:
    """Why a lock may be taken away; "" when it may not.

    One runner at a time holds a castle, so a lock of another run is left over, unless a job of that run still works.

    Args:
        lock: it.
        run: the run that asks; what it locks itself, it waits for.
        busy: runs of which a job still goes on.
    """
    found = owner(lock)
    if found is None or found[1] == run or found[1] in busy:
        return ""
    return f"life {found[0]}, run {found[1]}, has ended and left it"
