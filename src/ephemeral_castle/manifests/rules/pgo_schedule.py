"""A repository that nothing fills: only the one backup that PGO takes at birth."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import NOTE, fault, mapping
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-schedule"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every repository in a bucket."""
    for cluster in pgo.clusters(repository):
        for found in pgo.clouds(cluster):
            if mapping(found.manifest.get("schedules")):
                continue
            yield fault(
                ID,
                NOTE,
                cluster,
                found.location,
                f"{found.name} has no `schedules`: after the backup at birth none is taken",
                key=True,
                hints=('set `schedules: {full: "0 1 * * 0", differential: "0 1 * * 1-6"}`, or back up by `castle`',),
            )


RULE = Rule(
    ID,
    "a pgBackRest repository in a bucket has no schedule",
    "PGO takes one backup when the cluster is born, and by itself none after it. The archive goes on, so nothing "
    "is lost, but each restore replays every change since that one backup: hours instead of minutes, and one lost "
    "segment ends it. Expiry runs only after a backup, so nothing is ever freed either.",
    "PGO's documentation of backup schedules",
    find,
)
