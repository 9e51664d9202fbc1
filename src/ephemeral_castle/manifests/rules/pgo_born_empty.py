"""A cluster with a repository outside and no source is born empty beside whatever lies there."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import ERROR, NOTE, WARNING, fault
from ephemeral_castle.manifests.rules.living import advice, lives
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-born-empty"
ALIVE = "leave the manifest as it is: `dataSource` added to a living cluster deletes its data"
UNBORN = (
    "before the first apply, look what the repository holds: with a backup, write `spec.dataSource.pgbackrest` "
    "(stanza, repo, `configuration`, `global` as in `backups`)"
)


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every cluster that writes to a bucket and is born from nothing."""
    for cluster in pgo.clusters(repository):
        outside = next(pgo.clouds(cluster), None)
        if outside is None or pgo.has_source(cluster):
            continue
        alive = lives(setting, cluster)
        where = f"its repository {outside.name} ({outside.place})"
        message = (
            f"it lives; a rebirth from this manifest would begin empty beside {where}"
            if alive
            else f"it would be born empty beside {where}, and then overwrite what counts there as newest"
        )
        yield fault(
            ID,
            NOTE if alive else WARNING if alive is None else ERROR,
            cluster,
            outside.location,
            message,
            key=True,
            hints=advice(setting, cluster, alive=ALIVE, unborn=UNBORN),
        )


RULE = Rule(
    ID,
    "a PostgresCluster has a repository in a bucket and no `dataSource`",
    "On a new Kubernetes such a cluster starts with an empty database. PGO then runs `stanza-create || "
    "stanza-upgrade`: the upgrade adopts the old history silently, the next backup is one of the empty database, "
    "and from then on a plain restore brings back emptiness. With little retention the real backups expire. The "
    "source must stand in the manifest at the first apply of a life. It must never be added to a cluster that "
    "lives: PGO takes it as the wish for a restore and runs one over the living data. `castle rebirth` decides "
    "this by what lies in the repository.",
    "tried with pgBackRest 2.45 (stanza-upgrade, then restore: the empty database); PGO 5 and 6, reconcileDataSource",
    find,
    ("L3",),
)
