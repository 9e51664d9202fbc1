"""Names of the operator, as they stand in an API server. Source: PGO v6.0.3, its reference and its labels."""

from __future__ import annotations

GROUP = "postgres-operator.crunchydata.com"
API = f"{GROUP}/v1beta1"  # the version that is stored
KIND = "PostgresCluster"
PLURAL = "postgresclusters"
CRD = f"{PLURAL}.{GROUP}"

# Labels of what it makes.
CLUSTER = f"{GROUP}/cluster"
ROLE = f"{GROUP}/role"
PGUSER = f"{GROUP}/pguser"
INSTANCE = f"{GROUP}/instance"
BACKUP = f"{GROUP}/pgbackrest-backup"
RESTORE = f"{GROUP}/pgbackrest-restore"
LEADER = "master"  # the leader is called so under Patroni 4, too
DATABASE = "database"  # the container of PostgreSQL
RESTORING = "pgbackrest-restore"  # the container of a restore

# Conditions of a PostgresCluster. It has no condition that says that it serves.
INITIALIZED = "PostgresDataInitialized"
FIRST_BACKUP = "PGBackRestReplicaCreate"

REPO = "repo1"
STANZA = "db"
SET = "a"  # name of the instance set that castle makes
FOLDER = "/etc/pgbackrest/conf.d"  # where `configuration` arrives in pods
CONF = "s3.conf"  # key of the Secret; only keys that end so are read by pgBackRest
CA = "ca.crt"
BEATER = "castle_heartbeat"  # castle's own login role: see `heartbeat`
NOT_PEOPLE = ("postgres", "_crunchypgbouncer", "_crunchyrepl", BEATER)  # login roles of the operator, and castle's


def users(name: str) -> str:
    """Labels of the Secrets of a cluster's users."""
    return f"{where(name)},{ROLE}=pguser"


def where(name: str) -> str:
    """Labels by which everything of a cluster is found."""
    return f"{CLUSTER}={name}"
