"""Two clusters that write one path of one bucket destroy each other's history."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import ERROR, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-shared-path"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks for a second cluster, of another name, with the bucket and path of a first one."""
    first: dict[tuple[str, str], Object] = {}
    for cluster in pgo.clusters(repository):
        chosen = pgo.options(repository, cluster, pgo.BACKUPS)
        for found in pgo.clouds(cluster):
            folder = pgo.folder(found.name, chosen)
            other = first.setdefault((found.place, folder), cluster)
            if other.name == cluster.name and other.namespace == cluster.namespace:
                continue
            option = f"{found.name}-path: /{cluster.name}/{found.name}"
            hint = f"give each a path of its own: `global: {{{option}}}`; the path of one that has backups stays"
            yield fault(
                ID,
                ERROR,
                cluster,
                found.location,
                f"{found.name} is `{folder}` of {found.place}, and so is that of {other.subject} ({other.mark})",
                key=True,
                says="ERROR: [028]: backup and archive info files exist but do not match the database",
                hints=(hint,),
            )


RULE = Rule(
    ID,
    "two PostgresClusters write to one path of one bucket",
    "PGO's stanza is always `db` and its path by default `/pgbackrest/repo1`, so two clusters with the defaults "
    "share one history. The second one's `stanza-upgrade` takes it over, and the first can no longer archive. One "
    "path has one living writer.",
    "pgBackRest 2.45, errors 28 and 45; PGO's default path",
    find,
    ("L2", "L3"),
)
