"""A CloudNativePG cluster with an archive and no recovery is born empty."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import cnpg
from ephemeral_castle.manifests.rules.fields import ERROR, NOTE, WARNING, dig, fault
from ephemeral_castle.manifests.rules.living import advice, lives
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "cnpg-born-empty"
ALIVE = (
    "leave it: `bootstrap` is not read again while a volume is there; write `bootstrap.recovery` when it is dead, "
    "before it is applied again, with a new `serverName` to write to"
)
UNBORN = (
    "if the archive holds a backup, write `bootstrap.recovery` from it and a new `serverName` to write to, before the "
    "first apply; if this is its very first life, all is well"
)


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every cluster that archives and is born from nothing."""
    for cluster in cnpg.clusters(repository):
        archive = cnpg.archive(cluster)
        if archive is None or cnpg.recovers(cluster) or dig(cluster.manifest, "spec", "replica", "enabled") is True:
            continue
        alive = lives(setting, cluster)
        message = (
            f"it lives; a rebirth from this manifest would begin empty and refuse to archive into `{archive.server}`"
            if alive
            else f"it would be born empty, and if `{archive.server}` holds a history refuse to archive"
        )
        severity = NOTE if alive else WARNING if alive is None else ERROR
        hints = advice(setting, cluster, alive=ALIVE, unborn=UNBORN)
        yield fault(ID, severity, cluster, archive.path, message, key=True, hints=hints, says="Expected empty archive")


RULE = Rule(
    ID,
    "a CloudNativePG cluster archives into a store and has no recovery",
    "Without `bootstrap.recovery` a new cluster is made by initdb. CloudNativePG does not mix histories: it "
    "refuses to archive into one that is not empty, so the old backups are safe, and the new database is empty and "
    "unprotected. In a living cluster `bootstrap` is not read.",
    "CloudNativePG's documentation of bootstrap",
    find,
    ("L3",),
)
