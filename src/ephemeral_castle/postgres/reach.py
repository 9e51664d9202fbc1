"""How far the archive reaches for certain, from what the server itself says. Pure."""

from __future__ import annotations

from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.segments import DEFAULT_WAL_SEGMENT_SIZE, Segment


def reach(archived: str, here: Lsn, known: Lsn, wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE) -> Lsn:
    """A position that every honest copy of the repository reaches: for the record, which refuses a shorter one.

    Where the server stands is no such position: what it has not archived yet dies with its machine, and a repository
    that lacks it was neither rolled back nor emptied.

    Args:
        archived: the server's `last_archived_wal`: a segment, another file of the archive, or "" for none yet.
        here: where it stands.
        known: what the record has; 0/0 for nothing.
        wal_segment_size: bytes.
    """
    try:
        segment = Segment.parse(archived, wal_segment_size)
    except ValueError:  # a new timeline: all before the segment that it began in came out of the archive
        return min(known, Lsn(here.value - here.value % wal_segment_size))
    return min(here, Lsn((segment.number + 1) * wal_segment_size))
