"""What the restore reads must be what the backups wrote."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import ERROR, NOTE, dig, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-source-differs"
AGREE = ("cipher-type", "s3-uri-style", "storage-verify-tls", "storage-ca-file", "storage-port")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Compares the source of a cluster with the repository that it writes to."""
    for cluster in pgo.clusters(repository):
        source = pgo.source(cluster)
        if source is None or not source.cloud:
            continue
        read, write = (pgo.options(repository, cluster, section) for section in (pgo.SOURCE, pgo.BACKUPS))
        here = pgo.folder(source.name, read)
        beside = [found for found in pgo.clouds(cluster) if found.place == source.place]
        same = next((found for found in beside if pgo.folder(found.name, write) == here), None)
        at = (*pgo.SOURCE, "global") if dig(cluster.manifest, *pgo.SOURCE, "global") is not None else source.path
        if same is None and beside:
            there = pgo.folder(beside[0].name, write)
            message = f"it is born from `{here}` and writes to `{there}` of the same bucket"
            hint = "right for a copy; for a rebirth both are the path where the backups lie"
            yield fault(ID, NOTE, cluster, at, message, key=True, hints=(hint,))
        if same is None:
            continue
        for name in AGREE:
            wants, has = write.get(f"{same.name}-{name}"), read.get(f"{source.name}-{name}")
            if wants == has or (not (read.whole and write.whole) and None in (wants, has)):
                continue
            message = (
                f"`{source.name}-{name}` is {has or 'not set'} for the restore and {wants or 'not set'} for backups"
            )
            hint = f"set it in both `global`, as the backups in the repository were written; they lie in {source.place}"
            yield fault(ID, ERROR, cluster, at, message, key=True, hints=(hint,), says=SAYS.get(name, ""))


SAYS = {"cipher-type": "ERROR: [075]: no backup set found to restore"}

RULE = Rule(
    ID,
    "a PostgresCluster reads its repository otherwise than it writes it",
    "The options of `dataSource.pgbackrest.global` and of `backups.pgbackrest.global` must agree where both speak "
    "of one repository: its path, its cipher, how the bucket is addressed. A forgotten cipher makes every restore "
    "end with `no backup set found`, for ever; another path is right only for a copy.",
    "PGO 5 and 6, createRestoreConfig; pgBackRest 2.45, error 75",
    find,
    ("F152", "F153"),
)
