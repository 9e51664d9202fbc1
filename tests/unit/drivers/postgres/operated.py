"""Objects of a database that an operator runs, as an API server holds them, and a cluster in memory that has them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.drivers.postgres.pgo.place import PgoPlace
from ephemeral_castle.model.castle import Layer, Role, Site, Verb
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.world.simulated import ManualClock
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster

GROUP = "postgres-operator.crunchydata.com"
CREATED = "c0ffee00-0000-4000-8000-000000000001"
OPTIONS: dict[str, Any] = {
    "namespace": "data",
    "cluster": "db",
    "databases": {"app": {"owner": "app"}},
    "users": {"app": {}},
}
LAYER = Layer("database", Role.TREASURES, "pgo", needs=("cluster",))
MACHINES = Layer("machines", Role.GROUND, "podman")
SITE = Site("lab", (MACHINES, Layer("cluster", Role.FOUNDATIONS, "kubeadm", needs=("machines",)), LAYER))


def marks(life: int) -> dict[str, str]:
    """Labels of what castle made in a life."""
    return {"castle.id": CREATED, "castle.layer": "database", "castle.life": str(life)}


def named(kind: str, name: str, api: str = "v1", **more: Any) -> Manifest:
    """An object of the namespace."""
    labels = {f"{GROUP}/cluster": "db", **more.pop("labels", {})}
    meta = {"name": name, "namespace": "data", "labels": labels, "uid": f"uid-{name}", **more.pop("meta", {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **more}


def cluster(life: int, **more: Any) -> Manifest:
    """The PostgresCluster."""
    repos = [{"name": "repo1", "stanzaCreated": True}]
    conditions = [{"type": "PGBackRestReplicaCreate", "status": "True", "reason": "RepoBackupComplete"}]
    status = {"patroni": {"systemIdentifier": "7"}, "pgbackrest": {"repos": repos}, "conditions": conditions,
              "usersRevision": "a", "proxy": {"pgBouncer": {"postgresRevision": "b"}}}  # fmt: skip
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    instances = [{"name": "a", "replicas": 1, "dataVolumeClaimSpec": claim}]
    spec = {
        "postgresVersion": 17,
        "instances": instances,
        "proxy": {"pgBouncer": {}},
        "backups": {"pgbackrest": {"global": {"repo1-path": "/p"}}},
    }
    base: dict[str, Any] = {"labels": marks(life), "spec": spec, "status": status}
    return named("PostgresCluster", "db", f"{GROUP}/v1beta1", **{**base, **more})


def instance(replicas: int = 1) -> Manifest:
    """The StatefulSet of its only instance."""
    container = {"name": "database", "image": "postgres:17", "securityContext": {"runAsNonRoot": True}}
    template = {"spec": {"containers": [container], "securityContext": {"fsGroup": 26}}}
    spec = {"replicas": replicas, "template": template}
    return named("StatefulSet", "db-a-x", "apps/v1", labels={f"{GROUP}/instance": "db-a-x"}, spec=spec)


def leader(state: str = "running", **meta: Any) -> Manifest:
    """The pod that leads."""
    labels = {f"{GROUP}/instance": "db-a-x", f"{GROUP}/role": "master"}
    status = {"phase": "Running", "containerStatuses": [{"name": "database", "state": {state: {}}}]}
    return named("Pod", "db-a-x-0", labels=labels, status=status, meta=meta, spec={"containers": []})


def claim() -> Manifest:
    """The claim of its data."""
    labels = {f"{GROUP}/instance": "db-a-x", f"{GROUP}/role": "pgdata"}
    return named("PersistentVolumeClaim", "db-a-x-pgdata", labels=labels, spec={"volumeName": "pv-1"})


def pooler(replicas: int = 1, ready: int = 1) -> list[Manifest]:
    """PgBouncer's Deployment and Service."""
    spec = {"type": "ClusterIP", "clusterIP": "10.96.0.9", "ports": [{"name": "pgbouncer", "port": 6432}]}
    deployment = named("Deployment", "db-pgbouncer", "apps/v1", spec={"replicas": replicas},
                       status={"readyReplicas": ready})  # fmt: skip
    return [deployment, named("Service", "db-pgbouncer", spec=spec)]


def serving(life: int) -> list[Manifest]:
    """All that stands of a database that serves."""
    return [cluster(life), instance(), leader(), claim(), *pooler()]


def options(**more: Any) -> PgoOptions:
    """Of a database with one user."""
    return PgoOptions.model_validate({**OPTIONS, **more})


def context(board: MemoryCluster, *, lineage: dict[str, Any] | None = None, **more: Any) -> Any:
    """A context of a step of life 2 on that cluster."""

    async def asked(*, old: bool = False) -> MemoryCluster:
        del old
        return board

    async def intent(*_: Any, **__: Any) -> None:
        return None

    given = {
        "world": SimpleNamespace(clock=ManualClock(), access=access()), "options": options(), "layer": LAYER,
        "run": "r1", "life": 2, "old_life": 2, "attempt": 1, "passed_no_return": False, "cluster": asked,
        "record": SimpleNamespace(id=CREATED, lineage={"database": lineage or {}}, life=2),
        "facts": lambda _: {}, "intent": intent, "progress": lambda *_, **__: None,
        "diagnostic": lambda *_: None,
        "request": SimpleNamespace(verb=Verb.REBIRTH, castle=SimpleNamespace(name="lab"), site=SITE),
    }  # fmt: skip
    return cast("Any", SimpleNamespace(**{**given, **more}))


def access() -> Any:
    """How pods reach the treasury."""
    return SimpleNamespace(bucket="b", region="r", host="treasury.castle", port=8443, prefix="lab", path_style=True,
                           ca="PEM")  # fmt: skip


def place(board: MemoryCluster, *, old: bool = False, **more: Any) -> PgoPlace:
    """The database's place on that cluster."""
    return PgoPlace(context(board, **more), old=old)
