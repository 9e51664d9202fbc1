"""A PGUpgrade that stays in Git after its work is done."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.contents import same
from ephemeral_castle.manifests.rules.fields import ERROR, WARNING, dig, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-upgrade-left"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every PGUpgrade and its cluster."""
    for upgrade in repository.of("PGUpgrade", pgo.GROUP):
        name, into = (dig(upgrade.manifest, "spec", key) for key in ("postgresClusterName", "toPostgresVersion"))
        for cluster in pgo.clusters(repository):
            if cluster.name != name or not same(cluster.namespace, upgrade.namespace):
                continue
            have = dig(cluster.manifest, "spec", "postgresVersion")
            done = have == into
            message = (
                f"{cluster.subject} is of version {have} already: the upgrade is done, and a rebirth must not meet it"
                if done
                else f"an upgrade of {cluster.subject} to {into} is under way: a rebirth restores version {have}"
            )
            hints = ("take the PGUpgrade away, then raise `postgresVersion`",) if not done else ("take it away",)
            yield fault(ID, ERROR if done else WARNING, upgrade, ("metadata", "name"), message, hints=hints)


RULE = Rule(
    ID,
    "an upgrade of a PostgresCluster stays in the repository",
    "A PGUpgrade is for one time. Left in Git it is applied in the next life too, to a cluster that is of the new "
    "version or of none, and the operator refuses to go on. Its place in the order: upgrade, take it away, raise "
    "the version.",
    "PGO's documentation of major upgrades",
    find,
    ("F158",),
)
