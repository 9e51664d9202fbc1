"""Whether the history in the archive is unbroken, and where it ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.segments import DEFAULT_WAL_SEGMENT_SIZE, History, Segment, listed_segments

# A hole longer than this is reported by its first names only: a typo in a position must not fill the memory.
MOST_REPORTED = 1000


def unbroken(
    names: Iterable[str],
    start: str,
    end: str,
    *,
    history: History | None = None,
    wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE,
) -> list[str]:
    """Segments and history files that a recovery from `start` to `end` needs and the listing does not have.

    Args:
        names: object names as listed; directories and suffixes are understood.
        start: name of the first segment (the backup's archive start).
        end: name of the last segment.
        history: of the timeline of `end`. Without it a path over several timelines is accepted only if every
            number exists on one of them, timelines never fall along the path, and each history file is listed.
        wal_segment_size: bytes.

    Returns:
        Missing names in order, at most `MOST_REPORTED`; empty when nothing is missing.

    Raises:
        ValueError: `start` or `end` is no segment name, `end` lies before `start`, or the history is of another
            timeline or does not lead there from `start`.
    """
    first, last = Segment.parse(start, wal_segment_size), Segment.parse(end, wal_segment_size)
    if last.number < first.number or last.timeline < first.timeline:
        raise ValueError(f"{end} lies before {start}")
    present, histories = listed_segments(names, wal_segment_size)
    if history is None and first.timeline == last.timeline:
        history = History(last.timeline)
    if history is None:
        return _unbroken_by_names(present, histories, first, last, wal_segment_size)
    if history.timeline != last.timeline:
        raise ValueError(f"the history of timeline {history.timeline} does not describe {end}")
    _check_origin(history, first, wal_segment_size)
    missing = _missing_histories(histories, first.timeline, history)
    for number in range(first.number, last.number + 1):
        needed = Segment(history.timeline_of(number, wal_segment_size), number)
        if needed not in present:
            missing.append(needed.name(wal_segment_size))
            if len(missing) >= MOST_REPORTED:
                break
    return missing


def _check_origin(history: History, first: Segment, wal_segment_size: int) -> None:
    own = {history.timeline} | {parent for parent, _ in history.switches}
    if first.timeline not in own or history.timeline_of(first.number, wal_segment_size) < first.timeline:
        raise ValueError(f"{first.name(wal_segment_size)} is not in the history of timeline {history.timeline}")


def _missing_histories(histories: frozenset[int], since: int, history: History) -> list[str]:
    if since == history.timeline:
        return []
    needed = [parent for parent, _ in history.switches if parent > since] + [history.timeline]
    return [f"{timeline:08X}.history" for timeline in needed if timeline not in histories]


def _unbroken_by_names(
    present: frozenset[Segment], histories: frozenset[int], first: Segment, last: Segment, wal_segment_size: int
) -> list[str]:
    missing: list[str] = []
    used = {first.timeline}
    timeline = first.timeline
    for number in range(first.number, last.number + 1):
        ahead = last.timeline if number == last.number else timeline
        found = next((t for t in range(ahead, last.timeline + 1) if Segment(t, number) in present), None)
        if found is None:
            missing.append(Segment(ahead, number).name(wal_segment_size))
            if len(missing) >= MOST_REPORTED:
                break
            continue
        timeline = found
        used.add(found)
    used.add(last.timeline)
    unexplained = sorted(used - {first.timeline} - histories)
    return [f"{timeline:08X}.history" for timeline in unexplained] + missing


@dataclass(frozen=True)
class Chain:
    """The history from a start on.

    Attributes:
        end: last segment of the unbroken chain, None when not even the first exists.
        end_lsn: position behind it: nothing at or after this position can be restored.
        missing: the segment that breaks the chain, None when the chain has begun and nothing lies beyond.
        beyond: names of segments after the hole, in order; their changes would be lost.
        strangers: names on timelines that the history does not explain: another life may have written them.
    """

    end: Segment | None
    end_lsn: Lsn | None
    missing: str | None
    beyond: tuple[str, ...]
    strangers: tuple[str, ...]


def chain(
    names: Iterable[str],
    start: str,
    *,
    history: History | None = None,
    wal_segment_size: int = DEFAULT_WAL_SEGMENT_SIZE,
) -> Chain:
    """Follows the archive from a backup's first segment to the first hole.

    Args:
        names: object names as listed.
        start: name of the first segment.
        history: of the newest timeline to follow; without it only the timeline of `start` is followed.
        wal_segment_size: bytes.

    Raises:
        ValueError: `start` is no segment name, or not in that history.
    """
    first = Segment.parse(start, wal_segment_size)
    present, _ = listed_segments(names, wal_segment_size)
    path = history or History(first.timeline)
    _check_origin(path, first, wal_segment_size)

    def needed(number: int) -> Segment:
        return Segment(path.timeline_of(number, wal_segment_size), number)

    end: Segment | None = None
    number = first.number
    while needed(number) in present:
        end = needed(number)
        number += 1
    beyond = sorted((s for s in present if s.number >= number and s == needed(s.number)), key=lambda s: s.number)
    own = {path.timeline} | {parent for parent, _ in path.switches}
    strangers = sorted(s for s in present if s.number >= first.number and s.timeline not in own)
    return Chain(
        end=end,
        end_lsn=None if end is None else end.end(wal_segment_size),
        missing=needed(number).name(wal_segment_size) if beyond or end is None else None,
        beyond=tuple(s.name(wal_segment_size) for s in beyond),
        strangers=tuple(s.name(wal_segment_size) for s in strangers),
    )
