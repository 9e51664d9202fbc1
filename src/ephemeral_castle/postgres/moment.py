"""Which backup and which timeline bring back a point in time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ephemeral_castle.errors import Refused
from ephemeral_castle.postgres.pgbackrest import Backup, RepoInfo

UNTOUCHED = "the living database was not touched"
FIND = "castle status, for the newest backup"


@dataclass(frozen=True)
class Moment:
    """What a restore to a point in time is told.

    Attributes:
        label: the backup that it begins with.
        archive_start: the first segment that the backup needs.
        timeline: the timeline to follow; 0 = the latest.
        target: the point for pgBackRest and PostgreSQL, "" = the end of the archive, or of the backup alone.
        alone: nothing but the backup itself is wanted.
    """

    label: str
    archive_start: str
    timeline: int = 0
    target: str = ""
    alone: bool = False

    @property
    def to_the_past(self) -> bool:
        """Whether anything but the newest state is wanted."""
        return bool(self.target) or self.alone

    def options(self) -> list[str]:
        """The options of `restore`, without those that name a repository."""
        timeline = [f"--target-timeline={self.timeline}"] if self.timeline else []
        if self.alone:
            return [f"--set={self.label}", "--type=immediate", "--target-action=promote"]
        if not self.target:
            return [f"--set={self.label}", "--type=default", *timeline]
        return [
            f"--set={self.label}", "--type=time", f"--target={self.target}", "--target-action=promote", *timeline
        ]  # fmt: skip


def choose(
    info: RepoInfo, to: str, timelines: Mapping[str, float], now: float, *, label: str = "", margin: float = 0.0
) -> Moment:
    """The backup and the timeline for a wish.

    A time belongs to the timeline that was written then: after a restore to an earlier time the history forks, and
    the same moment exists only on the branch that was left.

    Args:
        info: one repository, as `info` has it.
        to: point in time, ISO 8601 with offset; "" = the newest state.
        timelines: when each timeline began to be written, by its number, as far as the record knows.
        now: Unix seconds.
        label: a backup picked by a person, "" for none.
        margin: seconds by which clocks may differ.

    Raises:
        Refused: no such backup, or none from before that time, or the time has not come yet.
    """
    if label:
        return _picked(info, to, label)
    if not to:
        return _moment(_newest(info.backups, to), 0, "")
    at = datetime.fromisoformat(to).timestamp()
    if at > now + margin:
        raise Refused(f"{to} has not come yet", state=UNTOUCHED, hints=["give a time that has passed: --to TIME"])
    timeline = written_at(timelines, at)
    earlier = [backup for backup in info.backups if backup.stop < at and _timeline(backup) <= (timeline or 1 << 31)]
    same = [backup for backup in earlier if _timeline(backup) == timeline]
    return _moment(_newest(same or earlier, to, info.backups), timeline, _utc(at))


def written_at(timelines: Mapping[str, float], at: float) -> int:
    """The timeline that was written at that time: the one that had begun last. 0 when the record knows none."""
    known = sorted((since, int(number)) for number, since in timelines.items())
    begun = [number for since, number in known if since <= at]
    if begun:
        return begun[-1]
    return max(1, known[0][1] - 1) if known else 0


def _picked(info: RepoInfo, to: str, label: str) -> Moment:
    found = info.backup(label)
    if found is None:
        names = ", ".join(backup.label for backup in info.backups) or "none"
        raise Refused(f"there is no backup {label}", why=f"the repository has {names}", state=UNTOUCHED, hints=[FIND])
    if not to:
        return Moment(found.label, found.archive_start or "", alone=True)
    return _moment(found, _timeline(found), _utc(datetime.fromisoformat(to).timestamp()))


def _newest(backups: Sequence[Backup], to: str, every: Sequence[Backup] = ()) -> Backup:
    if backups:
        return max(backups, key=lambda backup: (backup.stop, backup.label))
    oldest = min((backup.stop for backup in every), default=None)
    why = "the repository holds none" if oldest is None else f"the oldest one ended at {_utc(oldest)}"
    raise Refused(f"there is no backup from before {to or 'now'}", why=why, state=UNTOUCHED, hints=[FIND])


def _moment(backup: Backup, timeline: int, target: str) -> Moment:
    return Moment(backup.label, backup.archive_start or "", timeline, target)


def _timeline(backup: Backup) -> int:
    """The name of a segment begins with its timeline."""
    return int(backup.archive_stop[:8], 16) if backup.archive_stop else 1


def _utc(at: float) -> str:
    """The form that pgBackRest and PostgreSQL read alike."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
