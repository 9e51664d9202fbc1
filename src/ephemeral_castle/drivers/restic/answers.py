"""What restic says, as data, and what its exit codes mean. Pure.

Source: restic 0.18 documentation, "Scripting": exit codes, JSON output. Codes that are not known count as failures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ephemeral_castle.errors import CastleError, Damaged, Denied, NotFound, Permanent, Transient, Unreachable

DOCTOR = "castle doctor"
PATHS = ("/data", "/castle/note")  # what a snapshot of this driver holds: the tree, and a note with its manifest


class Cause(StrEnum):
    """What stands between us and a repository, or what ended a command."""

    ABSENT = "absent"
    LOCKED = "locked"
    PASSWORD = "password"  # noqa: S105 - the name of a cause
    CLOCK = "clock"
    DENIED = "denied"
    TLS = "tls"
    NO_SPACE = "no space"
    DAMAGED = "damaged"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    KILLED = "killed"
    TIME = "time"
    OTHER = "other"


@dataclass(frozen=True)
class Meaning:
    """The error a cause becomes, why in words, and what to do; the last hint is the next command."""

    error: type[CastleError]
    why: str
    hints: tuple[str, ...] = (DOCTOR,)


MEANINGS: Mapping[Cause, Meaning] = {
    Cause.ABSENT: Meaning(NotFound, "there is no restic repository at that path"),
    Cause.LOCKED: Meaning(
        Transient,
        "another restic holds a lock of the repository",
        ("wait until it has ended; a lock that an earlier life or run left is taken away by itself", "castle resume"),
    ),
    Cause.PASSWORD: Meaning(
        Denied,
        "the repository's password is another one",
        (
            "an adopted repository's password belongs into the key file under [secrets]: 'LAYER/repository' = '...'",
            "compare the card (`castle card`)",
            DOCTOR,
        ),
    ),
    Cause.CLOCK: Meaning(Denied, "the clocks of this computer and of the treasury differ by more than 15 minutes"),
    Cause.DENIED: Meaning(Denied, "the treasury knows the key not, or refuses it"),
    Cause.TLS: Meaning(Denied, "the treasury's certificate is not accepted"),
    Cause.NO_SPACE: Meaning(Permanent, "the disk is full", ("df -h", "castle resume, once there is room")),
    Cause.DAMAGED: Meaning(
        Damaged,
        "objects of the repository are missing or damaged",
        (
            "older versions of them may still be in the bucket, if it keeps versions",
            "restic's own way: https://restic.readthedocs.io/en/stable/077_troubleshooting.html",
            DOCTOR,
        ),
    ),
    Cause.UNREACHABLE: Meaning(Unreachable, "the treasury does not answer"),
    Cause.UNREADABLE: Meaning(Transient, "some files could not be read: they vanished meanwhile, or their disk fails"),
    Cause.KILLED: Meaning(Transient, "restic was ended by a signal"),
    Cause.TIME: Meaning(
        Transient,
        "restic was not done in the time that it has: the treasury, the network or a disk is slow",
        (DOCTOR, "castle resume"),
    ),
    Cause.OTHER: Meaning(Permanent, "restic failed"),
}

_CODES = {3: Cause.UNREADABLE, 10: Cause.ABSENT, 11: Cause.LOCKED, 12: Cause.PASSWORD,
          130: Cause.KILLED, 137: Cause.KILLED, 143: Cause.KILLED}  # fmt: skip
TIME_IS_UP = 124  # of timeout(1)
# Ordered: a clock that is off also answers 403, and a cut connection also leaves an object incomplete.
_PATTERNS: tuple[tuple[Cause, str], ...] = (
    (Cause.CLOCK, r"RequestTimeTooSkewed|difference between the request time"),
    (Cause.DENIED, r"AccessDenied|Access Denied|InvalidAccessKeyId|SignatureDoesNotMatch|XAdminUserNotFound|403 Forb"),
    (Cause.TLS, r"x509:|certificate|tls: "),
    (Cause.NO_SPACE, r"no space left on device|disk quota exceeded"),
    (
        Cause.UNREACHABLE,
        (
            r"connection refused|connection reset|no such host|i/o timeout|network is unreachable|no route to host"
            r"|context deadline exceeded|server misbehaving|502 Bad|503 Serv|504 Gate|SlowDown"
        ),
    ),
    (
        Cause.DAMAGED,
        (
            r"ciphertext verification failed|hash does not match|invalid data returned|wrong data returned"
            r"|does not match id|not found in index|key does not exist|specified key|Load\(<|contains? errors"
            r"|data corruption|unable to load (snapshot|tree|index)|pack .{0,80}(damaged|missing)|damaged pack"
        ),
    ),
    (Cause.LOCKED, r"unable to create lock|already locked"),
)


def cause_of(code: int, said: str) -> Cause:
    """The cause by exit code, then by what was said: restic retries what does not answer until its time is up."""
    if code in _CODES:
        return _CODES[code]
    otherwise = Cause.TIME if code == TIME_IS_UP else Cause.OTHER
    return next((cause for cause, words in _PATTERNS if re.search(words, said, re.IGNORECASE)), otherwise)


def message_of(said: str) -> str:
    """What it said last, in one line of printable words; from its JSON where it speaks that."""
    found = ""
    for line in said.splitlines():
        text = line.strip()
        try:
            data = json.loads(text) if text.startswith("{") else None
        except ValueError:
            data = None
        if isinstance(data, dict):
            text = str(data.get("message") or (data.get("error") or {}).get("message") or "")
        found = text or found
    return " ".join("".join(c if c.isprintable() else " " for c in found).split())[:400]


def explain(code: int, said: str, doing: str, *, where: str = "", state: str = "") -> CastleError:
    """The error to raise after a command of restic failed.

    Args:
        code: its exit status.
        said: its standard error.
        doing: what was tried ("backing up the files").
        where: host, machine or path.
        state: of the world now.
    """
    cause = cause_of(code, said)
    meaning = MEANINGS[cause]
    text = message_of(said)
    why = f"{meaning.why}: {text}" if text else f"{meaning.why} (exit status {code})"
    return meaning.error(f"{doing} failed", where=where, why=why, state=state, hints=meaning.hints)


@dataclass(frozen=True)
class Snapshot:
    """One snapshot. `time`: Unix seconds when it began; `tags`: KEY=VALUE of castle's; sizes None where not told."""

    id: str
    time: float
    host: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    files: int | None = None
    bytes: int | None = None
    paths: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The short form that people use."""
        return self.id[:8]

    @property
    def tree(self) -> bool:
        """Whether it holds the tree where this driver expects it."""
        return "/data" in self.paths

    @property
    def whole(self) -> bool:
        """Whether it was made by this driver: tree and manifest in one."""
        return all(path in self.paths for path in PATHS)


def parse_snapshots(text: str) -> tuple[Snapshot, ...]:
    """The answer of `restic snapshots --json`, oldest first."""
    found = json.loads(text or "[]") or []
    return tuple(sorted((_snapshot(item) for item in found), key=lambda snapshot: snapshot.time))


def _snapshot(item: Mapping[str, Any]) -> Snapshot:
    tags = dict(tag.split("=", 1) for tag in item.get("tags") or () if "=" in tag)
    summary = item.get("summary") or {}
    return Snapshot(
        str(item["id"]), unix_time(str(item["time"])), str(item.get("hostname", "")), tags,
        summary.get("total_files_processed"), summary.get("total_bytes_processed"), tuple(item.get("paths") or ()),
    )  # fmt: skip


def unix_time(text: str) -> float:
    """Unix seconds. Go writes nanoseconds; Python 3.11 reads six digits."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()


def pick(snapshots: Sequence[Snapshot], wanted: str) -> Snapshot | None:
    """The snapshot of that id, or of that beginning of an id; None when there is none, or more than one."""
    found = [snapshot for snapshot in snapshots if wanted and snapshot.id.startswith(wanted)]
    return found[0] if len(found) == 1 else None


def fields_of(out: str, names: Iterable[str]) -> dict[str, Any]:
    """Lines `NAME JSON` that the script in the container prints; a missing or broken one is None."""
    found: dict[str, Any] = dict.fromkeys(names)
    for line in out.splitlines():
        name, _, value = line.partition(" ")
        if name in found:
            try:
                found[name] = json.loads(value)
            except ValueError:
                found[name] = None
    return found
