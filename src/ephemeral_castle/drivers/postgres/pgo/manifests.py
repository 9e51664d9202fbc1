"""The objects that castle writes for a database that the operator runs. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.postgres.pgo.birth import Birth, Repository, data_source
from ephemeral_castle.drivers.postgres.pgo.layout import VERSION
from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.drivers.postgres.pgo.vocabulary import API, CLUSTER, KIND, PGUSER, ROLE, SET
from ephemeral_castle.spi.kubernetes import Manifest

SERVICES = {"nodeport": "NodePort", "loadbalancer": "LoadBalancer", "clusterip": "ClusterIP"}
PERIOD, LEASE = 3, 10  # seconds: Patroni's own 10 and 30 would be waited for at each birth


def secret(namespace: str, name: str, labels: Mapping[str, str], data: Mapping[str, str]) -> Manifest:
    """A Secret of texts."""
    coded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    meta = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": coded}


def user_secret(namespace: str, cluster: str, user: str, labels: Mapping[str, str], password: str) -> Manifest:
    """A user's Secret with his password alone: the operator adopts it by its labels and adds the rest."""
    known = {**labels, CLUSTER: cluster, ROLE: "pguser", PGUSER: user}
    return secret(namespace, f"{cluster}-pguser-{user}", known, {"password": password})


def cluster(options: PgoOptions, name: str, labels: Mapping[str, str], repo: Repository, birth: Birth) -> Manifest:
    """The PostgresCluster, with `dataSource` where it is born by a restore."""
    source = data_source(birth, repo)
    spec = {
        "postgresVersion": VERSION,
        "port": options.port,
        "metadata": {"labels": dict(labels)},
        "instances": [_instance(options)],
        "users": _users(options),
        "proxy": {"pgBouncer": _pooler(options)},
        "patroni": {"syncPeriodSeconds": PERIOD, "leaderLeaseDurationSeconds": LEASE},
        "config": {"parameters": _parameters(options)},
        "backups": {"pgbackrest": {
            "configuration": repo.configuration(), "global": dict(repo.options), "repos": [repo.repo()],
        }},
        **({"dataSource": source} if source is not None else {}),
    }  # fmt: skip
    meta = {"name": name, "namespace": options.namespace, "labels": dict(labels)}
    return {"apiVersion": API, "kind": KIND, "metadata": meta, "spec": spec}


def _instance(options: PgoOptions) -> dict[str, Any]:
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": str(options.size)}},
    }
    if options.storage_class:
        claim["storageClassName"] = options.storage_class
    return {"name": SET, "replicas": 1, "dataVolumeClaimSpec": claim}


def _users(options: PgoOptions) -> list[dict[str, Any]]:
    found = []
    for user in sorted(options.users):
        owned = sorted(name for name, database in options.databases.items() if database.owner == user)
        found.append({"name": user, **({"databases": owned} if owned else {})})
    return found


def _pooler(options: PgoOptions) -> dict[str, Any]:
    return {
        "replicas": 1,
        "port": options.pooler_port,
        "service": {"type": SERVICES[options.expose]},
        "config": {"global": {"pool_mode": options.pool_mode, "server_login_retry": "1"}},
    }


def _parameters(options: PgoOptions) -> dict[str, Any]:
    return {
        "archive_timeout": f"{max(1, int(options.archive_timeout))}s",
        "max_wal_size": f"{options.max_wal_size >> 20}MB",
        "shared_buffers": f"{options.shared_buffers >> 10}kB",
    }
