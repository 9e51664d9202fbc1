"""Names of WAL segments, timelines, and whether a listing of the archive has a hole.

A restore over a hole succeeds: PostgreSQL takes the missing segment for the end of the history. So castle counts the
segments itself. Reference: PostgreSQL `src/include/access/xlog_internal.h` and `src/backend/access/transam/timeline.c`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from ephemeral_castle.postgres.lsn import Lsn

DEFAULT_WAL_SEGMENT_SIZE = 16 * 1024 * 1024

_SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")
# Names in the archive: SEGMENT, SEGMENT-SHA1.zst, SEGMENT.partial-..., SEGMENT.OFFSET.backup, TIMELINE.history
_ARCHIVED = re.compile(r"([0-9A-F]{24})(-[0-9a-f]{40})?(\.(gz|lz4|zst|bz2))?")
_HISTORY = re.compile(r"([0-9A-F]{8})\.history(-[0-9a-f]{40})?(\.(gz|lz4|zst|bz2))?")


@dataclass(frozen=True, order=True)
class Segment:
    """One WAL segment. `number`: counted from the start of the WAL in units of the segment size."""

    timeline: int
    number: int

    @classmethod
    def parse(cls, name: str, wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE) -> Segment:
        """Reads a name of 24 hexadecimal digits.

        Args:
            name: without any suffix.
            wal_segment_size: bytes.

        Raises:
            ValueError: not such a name, or impossible with this segment size.
        """
        match = _SEGMENT.fullmatch(name)
        if match is None:
            raise ValueError(f"not the name of a WAL segment: {name!r}")
        timeline, high, low = (int(group, 16) for group in match.groups())
        per_file = _per_log_file(wal_segment_size)
        if low >= per_file:
            raise ValueError(f"no WAL segment has the name {name} with segments of {wal_segment_size} bytes")
        return cls(timeline, high * per_file + low)

    @classmethod
    def of(cls, timeline: int, lsn: Lsn, wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE) -> Segment:
        """The segment that holds the byte at `lsn`."""
        _per_log_file(wal_segment_size)
        return cls(timeline, lsn.value // wal_segment_size)

    @classmethod
    def finished_by_switch(
        cls, timeline: int, switch: Lsn, wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE
    ) -> Segment:
        """The segment that `pg_switch_wal()` finished, from the position it returned.

        It returns the position behind the last byte, which may be the boundary of the next segment; there
        `pg_walfile_name()` names the finished one up to PostgreSQL 16 and the next one from 17 on.
        """
        return cls.of(timeline, Lsn(max(switch.value - 1, 0)), wal_segment_size)

    def name(self, wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE) -> str:
        """The 24 hexadecimal digits."""
        high, low = divmod(self.number, _per_log_file(wal_segment_size))
        return f"{self.timeline:08X}{high:08X}{low:08X}"

    def start(self, wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE) -> Lsn:
        """Position of its first byte."""
        return Lsn(self.number * wal_segment_size)

    def end(self, wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE) -> Lsn:
        """Position behind its last byte."""
        return Lsn((self.number + 1) * wal_segment_size)

    def next(self) -> Segment:
        """The following segment on the same timeline."""
        return Segment(self.timeline, self.number + 1)


def _per_log_file(wal_segment_size: int) -> int:
    power_of_two = wal_segment_size > 0 and wal_segment_size & (wal_segment_size - 1) == 0
    if not power_of_two or not 2**20 <= wal_segment_size <= 2**30:
        raise ValueError(f"a WAL segment has a power of two between 1 MiB and 1 GiB, not {wal_segment_size} bytes")
    return 2**32 // wal_segment_size


@dataclass(frozen=True)
class History:
    """Where a timeline came from. `switches`: (parent timeline, where it was left), oldest first.

    An empty history with timeline 1 is the timeline of `initdb`.
    """

    timeline: int
    switches: tuple[tuple[int, Lsn], ...] = ()

    @classmethod
    def parse(cls, timeline: int, text: str) -> History:
        """Reads the content of `0000000N.history`.

        Args:
            timeline: N.
            text: lines of parent timeline, switch position, reason, parted by blanks.

        Raises:
            ValueError: a line cannot be read, or the order of timelines or positions is impossible.
        """
        switches: list[tuple[int, Lsn]] = []
        for line in text.splitlines():
            fields = line.split("#", 1)[0].split(None, 2)
            if not fields:
                continue
            if len(fields) < 2 or not fields[0].isdecimal():
                raise ValueError(f"unreadable line in the history of timeline {timeline}: {line!r}")
            switches.append((int(fields[0]), Lsn.parse(fields[1])))
        parents = [parent for parent, _ in switches] + [timeline]
        if any(a >= b for a, b in pairwise(parents)):
            raise ValueError(f"timelines do not grow in the history of timeline {timeline}")
        if any(a[1] > b[1] for a, b in pairwise(switches)):
            raise ValueError(f"switch positions do not grow in the history of timeline {timeline}")
        return cls(timeline, tuple(switches))

    def timeline_of(self, number: int, wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE) -> int:
        """The timeline under whose name recovery needs segment `number`.

        The segment in which a timeline begins starts with a copy of its parent's bytes, so the child's is the one.
        """
        for parent, switch in self.switches:
            if number < switch.value // wal_segment_size:
                return parent
        return self.timeline

    def contains(self, timeline: int, lsn: Lsn) -> bool:
        """Whether a position reached on `timeline` lies in the past of this one."""
        if timeline == self.timeline:
            return True
        return any(parent == timeline and lsn <= switch for parent, switch in self.switches)


def listed_segments(
    names: Iterable[str], wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE
) -> tuple[frozenset[Segment], frozenset[int]]:
    """Complete segments and timelines with a history file in a listing of the archive.

    Directories before the name, the SHA-1 and the compression suffix that pgBackRest appends are dropped;
    `.partial` and `.backup` files are no segments.

    Args:
        names: object names.
        wal_segment_size: bytes.
    """
    segments: set[Segment] = set()
    histories: set[int] = set()
    for name in names:
        base = name.rsplit("/", 1)[-1]
        if match := _ARCHIVED.fullmatch(base):
            segments.add(Segment.parse(match[1], wal_segment_size))
        elif match := _HISTORY.fullmatch(base):
            histories.add(int(match[1], 16))
    return frozenset(segments), frozenset(histories)
