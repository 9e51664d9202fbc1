"""The guard against two histories in one archive, switched off."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import cnpg
from ephemeral_castle.manifests.rules.fields import ERROR, fault, notes
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "cnpg-empty-check"
NOTE = "cnpg.io/skipEmptyWalArchiveCheck"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks for the annotation."""
    for cluster in cnpg.clusters(repository):
        if str(notes(cluster).get(NOTE)) == "enabled":
            message = "the check for an empty archive is switched off: two histories may mix in one"
            hints = ("take the annotation away and write into a new `serverName` in each life",)
            yield fault(ID, ERROR, cluster, ("metadata", "annotations", NOTE), message, hints=hints, key=True)


RULE = Rule(
    ID,
    "a CloudNativePG cluster skips the check for an empty archive",
    "The check makes it impossible that a newborn cluster writes its history over an older one. Without it the "
    "newest backup may be that of an empty database, and a restore brings back emptiness.",
    "CloudNativePG's documentation of the annotation",
    find,
    ("L2", "L3"),
)
