"""Whose a lock in the repository is, and whether it may be taken away. Pure.

restic itself calls a lock stale after 30 minutes, or when the process of its number is gone on the host of its name.
In containers numbers begin anew and names are ours to give, so castle judges by the name: `LIFE.RUN.CASTLE.COMPUTER`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.restic.answers import unix_time

NAME = re.compile(r"life(\d+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9-]+)(?:\.([0-9a-f]{8}))?")
LONGEST = 63  # characters of a host name
OLD = 1800.0  # seconds; a restic that lives renews its lock every five minutes


def host_name(life: int, run: str, castle: str, computer: str) -> str:
    """The host name under which a container of this run locks; 63 characters at most.

    Args:
        life: whose writer works.
        run: id of the run.
        castle: its name, cut where it is too long.
        computer: id of the computer on which the run works; a digest of it goes into the name.
    """
    mark = hashlib.sha256(computer.encode()).hexdigest()[:8]
    head = f"life{life}.{run}.{castle}"
    return f"{head[: LONGEST - len(mark) - 1]}.{mark}"


@dataclass(frozen=True)
class Lock:
    """One lock. `exclusive`: nothing else may happen beside it. `time`: of its last renewal, as Go writes it."""

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


@dataclass(frozen=True)
class Asks:
    """Who asks for the way to be free: run, castle's name, computer's id. `now`: Unix seconds."""

    run: str
    castle: str
    computer: str
    now: float


@dataclass(frozen=True)
class Owner:
    """Life and run of a lock's owner. `here`: whether that run worked on the computer that asks."""

    life: int
    run: str
    here: bool


def owner(lock: Lock, asks: Asks) -> Owner | None:
    """The run of this castle that locked; None when no run of it did."""
    match = NAME.fullmatch(lock.host)
    if match is None:
        return None
    life, run = int(match[1]), match[2]
    wanted = host_name(life, run, asks.castle, asks.computer)
    if match[3] != wanted.split(".")[2]:
        return None
    return Owner(life, run, lock.host == wanted)


def stale(lock: Lock, asks: Asks) -> str:
    """Why a lock may be taken away; "" when it may not.

    One runner at a time holds a castle, so a lock of another run is left over. Yet what a run began on another computer
    may outlive its runner there: an exclusive lock, under which objects are deleted, goes only when nobody renews it.
    What the asking run locks itself, it waits for.
    """
    found = owner(lock, asks)
    if found is None or found.run == asks.run:
        return ""
    if lock.exclusive and not found.here and asks.now - _renewed(lock, asks.now) <= OLD:
        return ""
    return f"life {found.life}, run {found.run}, has ended and left it"


def _renewed(lock: Lock, now: float) -> float:
    """When it was renewed last; just now where nobody can tell."""
    try:
        return unix_time(lock.time)
    except ValueError:
        return now
