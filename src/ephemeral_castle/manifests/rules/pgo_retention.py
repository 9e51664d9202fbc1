"""How many backups are kept: none said is all for ever, one is too few."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import UNDECIDED, WARNING, dig, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-retention"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every repository."""
    for cluster in pgo.clusters(repository):
        chosen = pgo.options(repository, cluster, pgo.BACKUPS)
        for found in pgo.clouds(cluster):
            name = f"{found.name}-retention-full"
            count = chosen.get(name)
            counted = chosen.get(f"{name}-type") != "time"
            if count is None:
                sure = chosen.whole
                message = f"`{name}` is not set: {found.name} grows without end" if sure else f"whether `{name}` is set"
                hints = _hints(name) if sure else ()
                yield fault(ID, WARNING if sure else UNDECIDED, cluster, found.location, message, key=True, hints=hints)
            elif counted and count in ("0", "1"):
                where = (*pgo.BACKUPS, "global", name)
                at = where if dig(cluster.manifest, *where) is not None else found.location
                message = f"`{name}` keeps {count} full backup: when a bad one is taken, no good one is left"
                yield fault(ID, WARNING, cluster, at, message, hints=("keep at least two, better four",))


def _hints(name: str) -> tuple[str, ...]:
    """How to begin without losing what is there: the first full backup under a limit deletes all beyond it."""
    begin = f"look at `pgbackrest info` first, then set `{name}` in `global` to at least as many full backups as you "
    begin += 'want to keep ("4"): the next full backup deletes older ones, and their archive, for good'
    wait = (
        "not while it is open whose backups these are: where a cluster was born empty beside them, the limit deletes "
    )
    return begin, wait + "those of the life before"


RULE = Rule(
    ID,
    "a pgBackRest repository keeps all backups for ever, or only one",
    "Without `repoN-retention-full` pgBackRest expires nothing: backups and archive grow until the bucket or the "
    "bill ends it. With 1 each new full backup ends the one before: one bad backup, or one of an empty database, "
    "and nothing older is left. It takes effect when a full backup ends "
    "well: it then deletes what lies beyond it for good.",
    "pgBackRest, option repo-retention-full; PGO's documentation of backup retention",
    find,
    ("F32", "L8"),
)
