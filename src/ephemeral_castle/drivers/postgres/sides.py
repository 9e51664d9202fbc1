"""Both sides as the pure decisions want them: the old treasure, the repository, the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres.listing import is_empty, listed
from ephemeral_castle.drivers.postgres.part import PRESENT, Part
from ephemeral_castle.drivers.postgres.whereabouts import folder
from ephemeral_castle.errors import CastleError, Permanent, Unreachable
from ephemeral_castle.postgres import datadir
from ephemeral_castle.postgres.chain import Chain, chain
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import RepoInfo, StatusCode
from ephemeral_castle.postgres.presence import Listing, OldTreasure
from ephemeral_castle.postgres.segments import History, listed_segments
from ephemeral_castle.postgres.states import ClusterState, Intent, Lineage, Recorded, RepoState, views


def path_of(part: Part) -> str:
    """The repository's path in the bucket, as pgBackRest has it."""
    return f"/{part.ctx.world.access.prefix}/{folder(part.ctx.layer)}"


async def old_treasure(part: Part) -> OldTreasure:
    """What was observed of the former life. Listing happened in the steps before; here the server is asked."""
    record = part.ctx.record
    carried = bool(part.facts_of_ground().get("containers"))
    present = part.facts("revive").get("presence") == PRESENT
    starts, archives, obstacle = None, None, ""
    here = record.computer == str(part.ctx.world.computer["id"])
    away = str(part.facts("revive").get("elsewhere") or "")
    if present:
        starts, archives, obstacle = await _answers(part)
    return OldTreasure(
        lived=bool(record.site) or record.life > 0,
        same_place=here and not away if record.site else None,
        host_answered=True,
        machines=Listing.PRESENT if carried else Listing.ABSENT,
        volume=Listing.PRESENT if present else Listing.ABSENT,
        server_starts=starts,
        archive_works=archives,
        ours=True if present else None,
        obstacle=obstacle,
        away=away,
    )


async def _answers(part: Part) -> tuple[bool, bool, str]:
    """Whether the server answers, and whether what it writes reaches the treasury."""
    try:
        session = await part.session(old=True)
    except CastleError as error:
        return False, False, f"its server does not answer: {error.why or error}"
    state = await session.json(
        "select jsonb_build_object('failing', coalesce(last_failed_time > last_archived_time, "
        "last_failed_time is not null), 'last', last_failed_wal) from pg_stat_archiver;"
    )
    if state["failing"]:
        return True, *await _archives_now(part, str(state["last"]))
    return True, True, ""


async def _archives_now(part: Part, segment: str) -> tuple[bool, str]:
    """An old failure may be over: `check` switches a segment and waits for it."""
    result = await part.place(old=True).run(*part.layout.backrest, "--archive-timeout=10", "check", timeout=90)
    if result.ok:
        return True, ""
    return False, f"segment {segment} could not be archived: {result.last_words(1)}"


def recorded(part: Part) -> Recorded | None:
    """What the record says about this treasure, or None before its first life."""
    lineage = part.lineage
    if not lineage.get("system_id"):
        return None
    seal: dict[str, Any] = lineage.get("seal") or {}
    record = part.ctx.record
    # A seal ends a life. While a later life stands (or stood), the history goes on behind it.
    # One that was promoted and never entered the record left its announcement: its history goes on behind the seal.
    sealed = bool(seal) and seal["life"] == record.life and not lineage.get("arriving")
    mark = seal["mark"]["lsn"] if sealed else lineage.get("mark", "0/0")
    return Recorded(
        system_id=int(lineage["system_id"]),
        timeline=int(seal["mark"]["timeline"]) if sealed else int(lineage.get("timeline", 1)),
        stanza=str(lineage.get("stanza", part.layout.stanza)),
        path=str(lineage.get("path", path_of(part))),
        generation=record.life,
        label=str(seal["label"]) if sealed else "",
        marker=str(seal["marker"]) if sealed else "",
        mark=Lsn.parse(str(mark)),
        sealed=sealed,
    )


def odd_one(part: Part, cluster: ClusterState | None) -> dict[str, Any] | None:
    """What lies in the recorded database's place and is not it, as facts for the survey: no server is started on it.

    None: it is the recorded one, or nothing is recorded to compare with.
    """
    known = recorded(part)
    if known is None or cluster is None:
        return None
    if isinstance(cluster, Lineage) and cluster.system_id == known.system_id and cluster.timeline >= known.timeline:
        return None
    return datadir.to_json(cluster)


async def repo_state(part: Part, info: RepoInfo, known: Recorded | None, intent: Intent | None = None) -> RepoState:
    """The repository, with castle's own listing of its archive from the wanted backup on.

    Args:
        part: whose.
        info: what pgBackRest says.
        known: what the record says.
        intent: which backup is wanted; without it nothing is to be restored, and the chain is not followed.
    """
    chains: dict[int, Chain] = {}
    timelines: dict[int, int] = {}
    if info.status.known is StatusCode.OK:
        label = (intent.set_label if intent else "") or (known.label if known else "")
        backup = info.backup(label) if label else info.newest()
        if backup is not None and backup.archive_start is not None:
            names = await listed(part, backup.archive_start)
            timelines[1] = newest_timeline(names)
            if intent is not None:
                chains[1] = await followed(part, info, backup.archive_start, names)
    return RepoState(
        stanza=part.layout.stanza,
        path=path_of(part),
        views=views(info.only(1), chains, timelines),
        prefix_empty=await is_empty(part),
        lineage_object=known is not None,
        pass_name=f"`{part.layer}/cipher`",
    )


def newest_timeline(names: Iterable[str]) -> int:
    """The highest timeline among listed names."""
    segments, histories = listed_segments(names)
    return max({s.timeline for s in segments} | set(histories), default=1)


async def followed(part: Part, info: RepoInfo, start: str, names: Sequence[str] | None = None) -> Chain:
    """The history from a backup's first segment on, as castle lists it.

    Raises:
        ValueError: the segment is not in the history of the newest timeline.
    """
    names = await listed(part, start) if names is None else names
    return chain(names, start, history=await _history(part, newest_timeline(names), info))


async def _history(part: Part, timeline: int, info: RepoInfo) -> History:
    """The history file of a timeline, read through pgBackRest: it is encrypted like everything else."""
    if timeline == 1:
        return History(1)
    archive = max(info.archives, key=lambda found: found.database_id, default=None)
    if archive is None:
        raise Permanent("the repository names no archive", hints=["castle doctor"])
    path = f"archive/{part.layout.stanza}/{archive.id}/{timeline:08X}.history"
    result = await part.outside().pgbackrest("--repo=1", "repo-get", path)
    if not result.ok:
        raise Unreachable(f"the history of timeline {timeline} cannot be read", why=result.last_words())
    return History.parse(timeline, result.out)
