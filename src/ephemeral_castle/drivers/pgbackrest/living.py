"""What a PostgresCluster says of its repository, and of what it takes to restore it elsewhere. Pure.

Field names: the CRD of postgres-operator.crunchydata.com. The configuration of pgBackRest is put together as the
operator does: what it writes for a repository, then `global`, then the files of `configuration`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.drivers.pgbackrest.options import PgbackrestOptions
from ephemeral_castle.errors import Refused
from ephemeral_castle.manifests.quantity import whole
from ephemeral_castle.spi.kubernetes import Manifest

GROUP = "postgres-operator.crunchydata.com"
API, KIND = f"{GROUP}/v1beta1", "PostgresCluster"
CLUSTER, ROLE, DATA = f"{GROUP}/cluster", f"{GROUP}/role", f"{GROUP}/data"
LEADER, VOLUME = "master", "pgdata"
CONTAINER = "database"
STANZA = "db"
BUCKETS = ("s3", "gcs", "azure")
# What concerns the living server alone: where it logs, spools and archives, and how others reach it.
_NOT_HERE = ("archive-", "spool-path", "log-path", "log-level-file", "lock-path", "start-fast", "tls-server", "pg1-")


@dataclass(frozen=True)
class Living:
    """A database that serves, as far as a drill has to know it.

    Attributes:
        major: of PostgreSQL. system_id: of the database, "" while its cluster does not say.
        image: which the living server runs on; it holds PostgreSQL and pgBackRest.
        repo: number of the repository. where: the repository, for people.
        options: of pgBackRest, without secrets.
        sources: Secrets and ConfigMaps with more of them, as a projected volume has them.
        pull: names of the Secrets by which its image is pulled.
        security: securityContext of its pod. tolerations: of its pod.
        storage_class: of its volume, "" for none. size: bytes.
    """

    major: int
    system_id: str
    image: str
    repo: int
    where: str
    options: Mapping[str, str]
    sources: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    pull: tuple[str, ...] = ()
    security: Mapping[str, Any] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    storage_class: str = ""
    size: int = 0


def read(cluster: Manifest, pods: Sequence[Manifest], claims: Sequence[Manifest], wanted: PgbackrestOptions) -> Living:
    """What a drill needs.

    Args:
        cluster: the PostgresCluster.
        pods: of its instances.
        claims: of its instances' data.
        wanted: the options.

    Raises:
        Refused: it has no repository that can be reached from elsewhere, or no pod that serves.
    """
    where = f"PostgresCluster {wanted.namespace}/{wanted.cluster}"
    spec = cluster["spec"]
    backrest = (spec.get("backups") or {}).get("pgbackrest") or {}
    repo = _repository(backrest, wanted, where)
    pod = _pod(pods, where)
    claim: Mapping[str, Any] = next(iter(claims), {"spec": {}})["spec"]
    size = wanted.size or whole((claim.get("resources") or {}).get("requests", {}).get("storage")) or 0
    return Living(
        major=int(spec["postgresVersion"]),
        system_id=str((cluster.get("status") or {}).get("patroni", {}).get("systemIdentifier") or ""),
        image=next(str(each["image"]) for each in pod["spec"]["containers"] if each["name"] == CONTAINER),
        repo=number(repo),
        where=told(repo, backrest),
        options=configured(repo, backrest),
        sources=tuple(backrest.get("configuration") or ()),
        pull=tuple(str(each["name"]) for each in pod["spec"].get("imagePullSecrets") or ()),
        security=pod["spec"].get("securityContext") or {},
        tolerations=tuple(pod["spec"].get("tolerations") or ()),
        storage_class=str(claim.get("storageClassName") or ""),
        size=size,
    )


def number(repo: Mapping[str, Any]) -> int:
    """Of `repo1` to `repo4`."""
    return int(str(repo["name"]).removeprefix("repo"))


def kind(repo: Mapping[str, Any]) -> str:
    """`s3`, `gcs`, `azure` or `volume`."""
    return next((each for each in (*BUCKETS, "volume") if each in repo), "volume")


def told(repo: Mapping[str, Any], backrest: Mapping[str, Any]) -> str:
    """For people: `s3://bucket/path at endpoint`."""
    bucket: Mapping[str, Any] = repo.get(kind(repo)) or {}
    name = bucket.get("bucket") or bucket.get("container") or ""
    path = configured(repo, backrest)[f"{repo['name']}-path"]
    at = f" at {bucket['endpoint']}" if bucket.get("endpoint") else ""
    return f"{kind(repo)}://{name}{path}{at}"


def configured(repo: Mapping[str, Any], backrest: Mapping[str, Any]) -> dict[str, str]:
    """PgBackRest's options for one repository, as the operator and the spec's `global` write them."""
    name, sort = str(repo["name"]), kind(repo)
    own = {f"{name}-path": f"/pgbackrest/{name}", f"{name}-type": sort}
    bucket = repo.get(sort) or {}
    keys = {"s3": ("bucket", "endpoint", "region"), "gcs": ("bucket",), "azure": ("container",)}.get(sort, ())
    own |= {f"{name}-{sort}-{key}": str(bucket[key]) for key in keys if bucket.get(key)}
    given = {key: str(value) for key, value in (backrest.get("global") or {}).items()}
    others = tuple(f"repo{each}-" for each in range(1, 5) if f"repo{each}" != name)
    return {**own, **{key: value for key, value in given.items() if not key.startswith((*others, *_NOT_HERE))}}


def _repository(backrest: Mapping[str, Any], wanted: PgbackrestOptions, where: str) -> Mapping[str, Any]:
    repos = [each for each in backrest.get("repos") or () if wanted.repository in (None, number(each))]
    buckets = [each for each in repos if kind(each) in BUCKETS]
    if buckets:
        return dict(buckets[0])
    kinds = ", ".join(f"{each['name']} ({kind(each)})" for each in backrest.get("repos") or ()) or "none"
    raise Refused(
        "this database has no repository outside of its cluster",
        where=where,
        why=f"its repositories: {kinds}; a volume dies with the cluster, and nothing could be rehearsed from it",
        state="nothing was changed",
        hints=["give it a repository in a bucket (`spec.backups.pgbackrest.repos`) and wait for its first backup"],
    )


def _pod(pods: Sequence[Manifest], where: str) -> Manifest:
    """The leader's, or else any."""
    ordered = sorted(pods, key=lambda each: (each["metadata"].get("labels") or {}).get(ROLE) != LEADER)
    fitting = [each for each in ordered if any(one["name"] == CONTAINER for one in each["spec"]["containers"])]
    if fitting:
        return fitting[0]
    raise Refused(
        "no pod of this database is there",
        where=where,
        why="a drill restores by the image that the living server runs on, and none runs",
        state="nothing was changed",
        hints=["kubectl get pods -A -l " + CLUSTER, "castle status"],
    )
