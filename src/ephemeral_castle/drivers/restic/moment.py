"""Which snapshot a point in time means. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ephemeral_castle.drivers.restic.answers import Snapshot, pick
from ephemeral_castle.errors import Refused


def choose(snapshots: Sequence[Snapshot], to: str, label: str, where: str) -> Snapshot:
    """The newest snapshot that was begun at that time or before; the picked one; without both the newest.

    Args:
        snapshots: oldest first.
        to: point in time, ISO 8601 with offset, or "".
        label: beginning of a snapshot's id, or "".
        where: the repository, for messages.

    Raises:
        Refused: nothing fits.
    """
    if not snapshots:
        raise _refused("the repository holds no snapshot", where, "nothing was ever backed up", snapshots)
    if label:
        picked = pick(snapshots, label)
        if picked is None:
            raise _refused(f"there is no snapshot `{label}`", where, "or the name fits several", snapshots)
        return picked
    if not to:
        return snapshots[-1]
    wanted = datetime.fromisoformat(to).timestamp()
    found = [snapshot for snapshot in snapshots if snapshot.time <= wanted]
    if not found:
        raise _refused(f"there is no snapshot as old as {to}", where, "files come back as of a snapshot", snapshots)
    return found[-1]


def _refused(message: str, where: str, why: str, snapshots: Sequence[Snapshot]) -> Refused:
    listed = [f"{each.label} of {datetime.fromtimestamp(each.time, UTC):%Y-%m-%d %H:%M:%S} UTC" for each in snapshots]
    known = f"; the oldest is {listed[0]}, the newest {listed[-1]}" if listed else ""
    return Refused(message, where=where, why=why + known, state="nothing was changed", hints=["castle backup"])
