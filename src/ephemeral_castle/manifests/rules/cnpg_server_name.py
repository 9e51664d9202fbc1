"""A CloudNativePG cluster that would write where it reads."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import cnpg
from ephemeral_castle.manifests.rules.fields import ERROR, Path, dig, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "cnpg-server-name"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Compares the archive that a cluster is born from with the one that it writes."""
    for cluster in cnpg.clusters(repository):
        origin, archive = cnpg.origin(cluster), cnpg.archive(cluster)
        if origin is None or archive is None or (origin.store, origin.server) != (archive.store, archive.server):
            continue
        at: Path = _at(cluster, archive)
        message = f"it would archive into `{archive.server}`, from which it is restored: that is not empty"
        hints = (f"write into a new `serverName` in each life: read `{origin.server}`, write `{_next(origin.server)}`",)
        yield fault(ID, ERROR, cluster, at, message, hints=hints, says="Expected empty archive")


def _at(cluster: Object, archive: cnpg.Archive) -> Path:
    named = (*archive.path, "serverName")
    return named if dig(cluster.manifest, *named) is not None else archive.path


def _next(server: str) -> str:
    head, dash, tail = server.rpartition("-")
    return f"{head}-{int(tail) + 1:0{len(tail)}d}" if dash and tail.isdigit() else f"{server}-2"


RULE = Rule(
    ID,
    "a CloudNativePG cluster is restored from the archive that it writes to",
    "CloudNativePG demands an empty archive from a newborn cluster, restored or not, so that two histories never "
    "mix. With one `serverName` on both sides, or with none, which means the cluster's name, it stays in `Setting "
    "up primary`. Each life reads the former `serverName` and writes a new one.",
    "CloudNativePG's documentation of recovery: expected empty archive",
    find,
    ("L2", "L3"),
)
