"""When a backup is a full one: incremental ones need all before them, and only full ones let old backups expire."""

from __future__ import annotations

from ephemeral_castle.postgres.pgbackrest import Backup, RepoInfo

FULL, INCREMENTAL = "full", "incr"
DAY = 86400


def newest_full(info: RepoInfo) -> Backup | None:
    """The full backup that ended last, or None."""
    return max((b for b in info.backups if b.type == FULL), key=lambda b: (b.stop, b.label), default=None)


def kind_of(info: RepoInfo, now: float, every: float, *, asked: bool = False) -> tuple[str, str]:
    """What the next backup is, and why, in words.

    A clock that went back makes no full backup older than it is: then it is incremental.

    Args:
        info: the repository that survives.
        now: Unix seconds.
        every: longest age of the newest full backup in seconds.
        asked: `--full`.
    """
    if asked:
        return FULL, "--full was given"
    newest = newest_full(info)
    if newest is None:
        return FULL, "there is no full backup yet"
    age = now - newest.stop
    if age >= every:
        return FULL, f"the last full one is {age / DAY:.1f} days old, and `full_every` is {every / DAY:g}"
    return INCREMENTAL, f"the last full one is {max(0.0, age) / DAY:.1f} days old"
