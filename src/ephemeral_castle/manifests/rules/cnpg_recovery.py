"""Recoveries of CloudNativePG that end early, or whose result is not protected."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import cnpg
from ephemeral_castle.manifests.rules.fields import WARNING, Path, dig, fault, mapping
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "cnpg-recovery"
BASE: Path = ("spec", "bootstrap", "recovery")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every recovery."""
    for cluster in cnpg.clusters(repository):
        if dig(cluster.manifest, *BASE) is None:
            continue
        target = mapping(dig(cluster.manifest, *BASE, "recoveryTarget"))
        if target.get("targetImmediate") is True:
            message = "`targetImmediate` drops every change after the backup, and the restore reports success"
            at = (*BASE, "recoveryTarget", "targetImmediate")
            yield fault(
                ID, WARNING, cluster, at, message, hints=("take it away: all that was archived comes back",), key=True
            )
        if cnpg.archive(cluster) is None:
            message = "the restored cluster archives nothing: from its birth on there is no backup"
            hints = ("add the plugin with `isWALArchiver: true` and a new `serverName`",)
            yield fault(ID, WARNING, cluster, BASE, message, hints=hints, key=True)


RULE = Rule(
    ID,
    "a recovery of CloudNativePG ends early, or leads into a life without backups",
    "`targetImmediate` ends recovery as soon as the backup is consistent and loses what was written after it. And "
    "a cluster inherits nothing of its origin: without a plugin that archives the restored one has no backup at "
    "all.",
    "CloudNativePG's documentation of recoveryTarget and of WAL archiving",
    find,
    ("F154",),
)
