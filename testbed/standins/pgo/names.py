"""What everything is called. Source: the operator's own names, as they are seen on an API server."""

from __future__ import annotations

import hashlib
import secrets

GROUP = "postgres-operator.crunchydata.com"
API = f"{GROUP}/v1beta1"
KIND = "PostgresCluster"
MANAGER = "postgrescluster-controller"
PATRONI = "Patroni"  # the field manager of what an instance writes about itself
FINALIZER = f"{GROUP}/finalizer"

# Labels.
CLUSTER = f"{GROUP}/cluster"
INSTANCE = f"{GROUP}/instance"
INSTANCE_SET = f"{GROUP}/instance-set"
DATA = f"{GROUP}/data"
ROLE = f"{GROUP}/role"
SCOPE = f"{GROUP}/patroni"
PGUSER = f"{GROUP}/pguser"
CERTIFICATE = f"{GROUP}/cluster-certificate"
BACKREST = f"{GROUP}/pgbackrest"
BACKREST_BACKUP = f"{GROUP}/pgbackrest-backup"  # of a Job: its kind; an annotation of the same name: its id
BACKREST_CONFIG = f"{GROUP}/pgbackrest-config"
BACKREST_CRONJOB = f"{GROUP}/pgbackrest-cronjob"
BACKREST_DEDICATED = f"{GROUP}/pgbackrest-dedicated"
BACKREST_REPO = f"{GROUP}/pgbackrest-repo"
BACKREST_RESTORE = f"{GROUP}/pgbackrest-restore"  # as an annotation of a cluster: the id of a restore in place
BACKREST_VOLUME = f"{GROUP}/pgbackrest-volume"
STARTUP_INSTANCE = f"{GROUP}/startup-instance"
BACKREST_HASH = f"{GROUP}/pgbackrest-hash"  # annotation
REMOVAL_AUTHORIZED = f"{GROUP}/authorizeBackupRemoval"  # annotation

LEADER, REPLICA = "master", "replica"  # the leader is called so under Patroni 4, too
DATABASE = "database"  # the container of PostgreSQL
BACKREST_CONTAINER = "pgbackrest"
RESTORE_CONTAINER = "pgbackrest-restore"
BOUNCER = "pgbouncer"
BOUNCER_USER = "_crunchypgbouncer"
REPLICATION_USER = "_crunchyrepl"
ROOT_SECRET = "pgo-root-cacert"
STANZA = "db"
SOCKETS = "/tmp/postgres"
DOMAIN = "cluster.local"
LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes' random names are made of: no words come out


def data_directory(major: int) -> str:
    """Where the database lies in a pod."""
    return f"/pgdata/pg{major}"


def wal_directory(major: int) -> str:
    """Where its write-ahead log lies: beside it, so that a restore may replace either."""
    return f"/pgdata/pg{major}_wal"


def scope(cluster: str) -> str:
    """What the members of one cluster share; also the name of the Service and the Endpoints of its leader."""
    return f"{cluster}-ha"


def random_instance(cluster: str, kind: str) -> str:
    """A new instance of a set."""
    return f"{cluster}-{kind}-{random_suffix()}"


def random_suffix() -> str:
    """Four letters that nobody has."""
    return "".join(secrets.choice(LETTERS) for _ in range(4))


def startup_instance(cluster: str, kind: str) -> str:
    """The instance that a restore fills: always the same for a cluster and a set, so that its volume is found again.

    The suffix is FNV-1 (32 bits) of both names, its decimal digits spelt in the alphabet of random names.
    """
    value = 0x811C9DC5
    for byte in (cluster + kind).encode():
        value = (value * 0x01000193 & 0xFFFFFFFF) ^ byte
    digits = str(value)
    return f"{cluster}-{kind}-" + "".join(LETTERS[ord(each) % len(LETTERS)] for each in digits[:4])


def digest(*parts: str) -> str:
    """A short mark of what was wanted, to be compared with what was done."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def service_names(service: str, namespace: str) -> list[str]:
    """All names by which a Service is reached in the cluster."""
    return [
        f"{service}.{namespace}.svc.{DOMAIN}",
        f"{service}.{namespace}.svc",
        f"{service}.{namespace}",
        service,
    ]


def pod_host(instance: str, cluster: str, namespace: str) -> str:
    """The name of an instance's pod in the cluster's DNS."""
    return f"{instance}-0.{cluster}-pods.{namespace}.svc.{DOMAIN}"
