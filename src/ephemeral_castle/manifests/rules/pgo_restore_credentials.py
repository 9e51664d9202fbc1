"""The restore job sees nothing of `backups`: its keys and options stand under `dataSource` again."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import ERROR, fault
from ephemeral_castle.manifests.rules.living import advice
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-restore-credentials"
KEYLESS = ("s3-key-type", "gcs-key-type", "azure-key-type")  # web-id, auto: the pod's own identity


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every cluster that is born from a bucket."""
    for cluster in pgo.clusters(repository):
        source = pgo.source(cluster)
        if source is None or not source.cloud or list(pgo.projected(cluster, pgo.SOURCE)):
            continue
        chosen = pgo.options(repository, cluster, pgo.SOURCE)
        if any(chosen.get(f"{source.name}-{kind}") not in (None, "shared") for kind in KEYLESS):
            continue
        names = ", ".join(f"`{name}`" for _, _, name in pgo.projected(cluster, pgo.BACKUPS))
        yield fault(
            ID,
            ERROR,
            cluster,
            source.path,
            "the restore has no credentials: `dataSource.pgbackrest` has no `configuration`"
            + (f", and that of `backups` ({names}) does not reach it" if names else ""),
            key=True,
            says=f"ERROR: [037]: restore command requires option: {source.name}-{_key(source.cloud)}",
            hints=_hints(setting, cluster, names),
        )


def _key(cloud: str) -> str:
    return {"s3": "s3-key", "gcs": "gcs-key", "azure": "azure-account"}[cloud]


def _hints(setting: Setting, cluster: Object, names: str) -> tuple[str, ...]:
    write = f"write `configuration` under `spec.dataSource.pgbackrest`, with {names or 'the Secret of its keys'}"
    alive = f"{write}; it is read at the next birth only, as long as `dataSource` was there when it was born"
    return advice(setting, cluster, alive=alive, unborn=write)


RULE = Rule(
    ID,
    "a PostgresCluster is to be born from a bucket, without credentials for it",
    "PGO configures the restore job from `dataSource.pgbackrest` alone. Keys, path, cipher and address style that "
    "stand under `backups` do not reach it, so they stand twice. Without keys the job fails until it gives up, "
    "some eleven minutes later, and the cluster has no status that says so.",
    "PGO 5 and 6, createRestoreConfig; pgBackRest, error 37",
    find,
    ("F153",),
)
