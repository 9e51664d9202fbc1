"""How many backups are kept: none said is all for ever, one is too few."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import NOTE, UNDECIDED, WARNING, dig, fault
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
                hints = (f'set `{name}: "4"` in `global`; it takes effect after the next backup',) if sure else ()
                yield fault(ID, NOTE if sure else UNDECIDED, cluster, found.location, message, key=True, hints=hints)
            elif counted and count in ("0", "1"):
                where = (*pgo.BACKUPS, "global", name)
                at = where if dig(cluster.manifest, *where) is not None else found.location
                message = f"`{name}` keeps {count} full backup: when a bad one is taken, no good one is left"
                yield fault(ID, WARNING, cluster, at, message, hints=("keep at least two, better four",))


RULE = Rule(
    ID,
    "a pgBackRest repository keeps all backups for ever, or only one",
    "Without `repoN-retention-full` pgBackRest expires nothing: backups and archive grow until the bucket or the "
    "bill ends it. With 1 each new full backup ends the one before: one bad backup, or one of an empty database, "
    "and nothing older is left. Retention takes effect when a full backup ends well.",
    "pgBackRest, option repo-retention-full; PGO's documentation of backup retention",
    find,
    ("F32", "L8"),
)
