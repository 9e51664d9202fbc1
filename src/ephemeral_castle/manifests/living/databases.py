"""Treasures of a cluster: databases with their repositories, and other things that keep state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.manifests.living.finding import (
    Fate,
    Finding,
    Objects,
    counted,
    labels,
    named,
    owners,
)
from ephemeral_castle.manifests.readiness import Manifest

SECTION = "treasures"
BUCKETS = ("s3", "gcs", "azure")
OURS = "castle.id"


@dataclass(frozen=True)
class Database:
    """A PostgresCluster with a repository outside of the cluster."""

    namespace: str
    name: str


def rehearsable(objects: Objects) -> list[Database]:
    """PostgresClusters that `castle drill` can bring up beside the living one."""
    return [
        Database(each["metadata"]["namespace"], each["metadata"]["name"])
        for each in objects.get("PostgresCluster", ())
        if any(set(repo) & set(BUCKETS) for repo in _repos(each))
    ]


def findings(objects: Objects) -> Iterator[Finding]:
    """Databases of operators, and StatefulSets that keep volumes."""
    for each in objects.get("PostgresCluster", ()):
        yield _postgres(each)
        if not each["spec"].get("dataSource"):
            yield Finding(
                SECTION, named(each), "born without `dataSource`", Fate.LOOK,
                "applied to a new cluster as it stands in Git, it begins empty over its repository; never add "
                "`dataSource` to the living one: that restores over its data",
            )  # fmt: skip
    for each in objects.get("Cluster", ()):
        text = "castle has no driver for CloudNativePG yet: its own recovery brings it back"
        yield Finding(SECTION, named(each), "PostgreSQL by CloudNativePG", Fate.LOOK, text)
    for each in objects.get("StatefulSet", ()):
        yield from _stateful(each)


def _postgres(cluster: Manifest) -> Finding:
    spec, repos = cluster["spec"], _repos(cluster)
    fact = f"PostgreSQL {spec.get('postgresVersion')}, repositories: {', '.join(map(_repo, repos)) or 'none'}"
    if any(set(repo) & set(BUCKETS) for repo in repos):
        return Finding(SECTION, named(cluster), fact, Fate.RETURNS, "from its bucket; `castle drill` rehearses that")
    text = "its backups die with the cluster: give it a repository in a bucket"
    return Finding(SECTION, named(cluster), fact, Fate.LOST, text)


def _repos(cluster: Manifest) -> list[Mapping[str, Any]]:
    return list(((cluster["spec"].get("backups") or {}).get("pgbackrest") or {}).get("repos") or ())


def _repo(repo: Mapping[str, Any]) -> str:
    for kind in BUCKETS:
        bucket = repo.get(kind)
        if bucket:
            at = f" at {bucket['endpoint']}" if bucket.get("endpoint") else ""
            return f"{repo['name']} ({kind} bucket {bucket.get('bucket') or bucket.get('container')}{at})"
    return f"{repo['name']} (volume)"


def _stateful(controller: Manifest) -> Iterator[Finding]:
    """Those with volumes, unless an operator made them or castle did."""
    claims = controller["spec"].get("volumeClaimTemplates") or ()
    if owners(controller) or not claims:
        return
    if OURS in labels(controller):
        yield Finding(SECTION, named(controller), "castle's own", Fate.RETURNS, "castle brings it home")
        return
    fact = f"{counted(len(claims), 'volume')} for each of {counted(controller['spec'].get('replicas', 1), 'pod')}"
    text = "nothing that castle knows backs its volumes up: its data would be gone"
    yield Finding(SECTION, named(controller), fact, Fate.LOST, text)
