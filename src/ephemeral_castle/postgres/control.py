"""What `pg_controldata` says about a data directory, and whether a server wrote anything after the mark.

Reference: https://www.postgresql.org/docs/current/app-pgcontroldata.html and `src/bin/pg_controldata`. The program must
run with `LC_ALL=C`: its labels are translated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ephemeral_castle.errors import Damaged
from ephemeral_castle.postgres.causes import printable
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.segments import Segment

# The first record of a segment lies behind its long page header (SizeOfXLogLongPHD).
_LONG_PAGE_HEADER = 40

# Two limits stand there under short names.
_SETTINGS = {"max_prepared_xacts": "max_prepared_transactions", "max_locks_per_xact": "max_locks_per_transaction"}


class ClusterCondition(StrEnum):
    """Values of "Database cluster state" in the vendor's words."""

    STARTING = "starting up"
    SHUT_DOWN = "shut down"
    SHUT_DOWN_IN_RECOVERY = "shut down in recovery"
    SHUTTING_DOWN = "shutting down"
    IN_CRASH_RECOVERY = "in crash recovery"
    IN_ARCHIVE_RECOVERY = "in archive recovery"
    IN_PRODUCTION = "in production"
    UNRECOGNIZED = "unrecognized status code"


@dataclass(frozen=True)
class Control:
    """The control file.

    Attributes:
        condition: state as last written; "in production" also after a crash.
        system_id: born at `initdb`, survives every restore.
        timeline: of the latest checkpoint; lags behind a promotion until the first checkpoint after it.
        checkpoint: position of the latest checkpoint record; redo: where its recovery would begin.
        next_xid: next transaction id at that checkpoint, with its epoch as one 64-bit number.
        minimum_recovery_end: what must be replayed before the data is consistent; 0/0 outside recovery.
        wal_segment_size: bytes.
        version: pg_control version number; catalog_version names the major version exactly.
        checksums: whether data pages carry checksums.
        settings: limits that a standby must not undercut (`max_connections`...), by setting name.
        raw: every line, label to value.
    """

    condition: ClusterCondition
    system_id: int
    timeline: int
    checkpoint: Lsn
    redo: Lsn
    next_xid: int
    minimum_recovery_end: Lsn
    wal_segment_size: int
    version: int
    catalog_version: int
    checksums: bool
    settings: Mapping[str, str]
    raw: Mapping[str, str]

    @property
    def running_or_crashed(self) -> bool:
        """Whether recovery would be needed if no server runs."""
        return self.condition not in {ClusterCondition.SHUT_DOWN, ClusterCondition.SHUT_DOWN_IN_RECOVERY}


def parse_control(text: str) -> Control:
    """Reads the output of `LC_ALL=C pg_controldata DIR`.

    Raises:
        Damaged: lines are missing, or the checksum of the control file is wrong.
    """
    raw: dict[str, str] = {}
    for line in text.splitlines():
        label, colon, value = line.partition(":")
        if colon:
            raw[label.strip()] = value.strip()
    if "WARNING" in raw and "checksum" in raw["WARNING"].lower():
        raise _damaged("the checksum of pg_control is wrong")
    try:
        return _control(raw)
    except KeyError as error:
        raise _damaged(
            f"the line {error.args[0]!r} is missing from {printable(text, 80) or 'empty output'!r}"
        ) from error
    except ValueError as error:
        raise _damaged(printable(str(error))) from error


def _damaged(why: str) -> Damaged:
    return Damaged(
        "the control file of PostgreSQL cannot be read",
        where="pg_controldata",
        why=why,
        state="what the data directory holds is unknown; nothing was changed",
        hints=("run pg_controldata with LC_ALL=C and look at its output", "castle status"),
    )


def _control(raw: Mapping[str, str]) -> Control:
    epoch, _, xid = raw["Latest checkpoint's NextXID"].partition(":")
    settings = {
        _SETTINGS.get(name, name): value
        for label, value in raw.items()
        if (name := label.removesuffix(" setting")) != label
    }
    return Control(
        condition=ClusterCondition(raw["Database cluster state"]),
        system_id=int(raw["Database system identifier"]),
        timeline=int(raw["Latest checkpoint's TimeLineID"]),
        checkpoint=Lsn.parse(raw["Latest checkpoint location"]),
        redo=Lsn.parse(raw["Latest checkpoint's REDO location"]),
        next_xid=int(epoch) << 32 | int(xid),
        minimum_recovery_end=Lsn.parse(raw["Minimum recovery ending location"]),
        wal_segment_size=int(raw["Bytes per WAL segment"]),
        version=int(raw["pg_control version number"]),
        catalog_version=int(raw["Catalog version number"]),
        checksums=int(raw["Data page checksum version"]) > 0,
        settings=settings,
        raw=dict(raw),
    )


def only_shutdown_after(
    control: Control, mark: Lsn, wal_segment_size: int, *, next_xid: int | None = None
) -> str | None:
    """Whether nothing but the shutdown record was written after the mark.

    At shutdown an archiving server finishes the current segment and writes its checkpoint at the start of the next
    one. When the segment of the mark was finished by a switch, the checkpoint must be the first record of the segment
    behind it. Two harmless writers can push it one segment further: the background writer's snapshot of running
    transactions, and, with data checksums, hint bits of pages that were read after the mark; so the digest is taken
    before it. `next_xid` tells these from a commit: every transaction that changes a row takes an id.

    Args:
        control: read after the server stopped.
        mark: position taken behind the fence. Without `next_xid` it must be the one that the switch returned: what
            is committed between an earlier mark and the switch cannot be told from the control file.
        wal_segment_size: bytes.
        next_xid: next transaction id (64 bit) taken with the mark; None if it is not known.

    Returns:
        None when only the shutdown followed, else the reason in words.
    """
    if control.condition is not ClusterCondition.SHUT_DOWN:
        return f"the server did not shut down cleanly: its state is {control.condition.value!r}"
    if control.redo != control.checkpoint:
        return "the latest checkpoint is not one of a shutdown"
    if control.wal_segment_size != wal_segment_size:
        return f"WAL segments have {control.wal_segment_size} bytes, not {wal_segment_size}: another cluster"
    if control.checkpoint < mark:
        return f"the shutdown at {control.checkpoint} lies before the mark {mark}: another or an older cluster"
    if next_xid is not None and control.next_xid != next_xid:
        return (
            f"{control.next_xid - next_xid} transaction ids were taken after the mark {mark}: "
            "something wrote behind the fence"
        )
    # A mark inside the page header of a segment means that no record of that segment lies before it.
    marked = max(mark.value - _LONG_PAGE_HEADER - 1, 0) // wal_segment_size
    stopped = Segment.of(control.timeline, control.checkpoint, wal_segment_size)
    allowed = 1 if next_xid is None else 2
    behind = stopped.number - marked
    first_record = control.checkpoint - stopped.start(wal_segment_size) == _LONG_PAGE_HEADER
    if behind == 0 or not first_record:
        return (
            f"the shutdown at {control.checkpoint} is not at the start of a segment: the mark {mark} was not archived"
        )
    if behind > allowed:
        return f"{behind - 1} more WAL segments were filled between the mark {mark} and the shutdown"
    return None
