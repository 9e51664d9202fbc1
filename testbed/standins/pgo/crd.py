"""The definition of PostgresCluster: strict, and of the fields that this stand-in serves, nothing else.

What it accepts, the vendor's definition accepts as well; a field that the stand-in does not serve is refused by the API
server with its path, instead of being ignored in silence.
"""

from __future__ import annotations

from ..api import Object
from . import names

Schema = Object
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "format": "int32"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
QUANTITY: Schema = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "pattern": r"^[0-9]+(\.[0-9]+)?([KMGTPE]i|[munkMGTPE])?$",
    "x-kubernetes-int-or-string": True,
}
EITHER: Schema = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
QUANTITIES: Schema = {"type": "object", "additionalProperties": QUANTITY}
REPO_NAME: Schema = {"type": "string", "pattern": "^repo[1-4]$"}
PORT: Schema = {"type": "integer", "format": "int32", "minimum": 1024, "maximum": 65535, "default": 5432}

# Of PostgreSQL's parameters, those that somebody sets for a reason and that the operator does not keep for itself.
PARAMETERS = (
    "archive_timeout", "autovacuum_max_workers", "autovacuum_naptime", "checkpoint_completion_target",
    "checkpoint_timeout", "default_statistics_target", "effective_cache_size", "effective_io_concurrency",
    "idle_in_transaction_session_timeout", "jit", "lock_timeout", "log_connections", "log_disconnections",
    "log_min_duration_statement", "log_statement", "maintenance_work_mem", "max_connections",
    "max_locks_per_transaction", "max_logical_replication_workers", "max_parallel_workers",
    "max_parallel_workers_per_gather", "max_prepared_transactions", "max_replication_slots", "max_wal_senders",
    "max_wal_size", "max_worker_processes",
    "min_wal_size", "random_page_cost", "shared_buffers", "shared_preload_libraries", "statement_timeout",
    "synchronous_commit", "temp_buffers", "timezone", "wal_buffers", "wal_compression", "wal_keep_size", "work_mem",
)  # fmt: skip

# Of PgBouncer's settings, those that the operator does not keep for itself.
BOUNCER = (
    "default_pool_size", "log_connections", "log_disconnections", "max_client_conn", "max_db_connections",
    "max_prepared_statements", "min_pool_size", "pool_mode", "query_wait_timeout", "reserve_pool_size",
    "server_idle_timeout", "server_lifetime", "server_login_retry", "server_reset_query",
)  # fmt: skip


def thing(properties: dict[str, Schema], required: tuple[str, ...] = (), **more: object) -> Schema:
    """An object with these fields and no others."""
    made: Schema = {"type": "object", "properties": properties, **more}
    return {**made, "required": list(required)} if required else made


def several(items: Schema, **more: object) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **more}


METADATA = thing({"annotations": TEXTS, "labels": TEXTS})
RESOURCES = thing({"limits": QUANTITIES, "requests": QUANTITIES})
TOLERATIONS = several(
    thing({
        "effect": TEXT,
        "key": TEXT,
        "operator": TEXT,
        "tolerationSeconds": {"type": "integer", "format": "int64"},
        "value": TEXT,
    })
)  # fmt: skip
PLACED: dict[str, Schema] = {"priorityClassName": TEXT, "resources": RESOURCES, "tolerations": TOLERATIONS}
CLAIM = thing(
    {
        "accessModes": several(TEXT, **{"x-kubernetes-list-type": "atomic", "minItems": 1}),
        "resources": thing(
            {"limits": QUANTITIES, "requests": thing({"storage": QUANTITY}, ("storage",))}, ("requests",)
        ),
        "storageClassName": TEXT,
        "volumeMode": TEXT,
        "volumeName": TEXT,
    },
    ("accessModes", "resources"),
)
ITEMS = several(
    thing({"key": TEXT, "mode": COUNT, "path": TEXT}, ("key", "path")), **{"x-kubernetes-list-type": "atomic"}
)
PROJECTED = thing({"items": ITEMS, "name": {"type": "string", "default": ""}, "optional": FLAG})
CONFIGURATION = several(thing({"configMap": PROJECTED, "secret": PROJECTED}))
S3 = thing({"bucket": TEXT, "endpoint": TEXT, "region": TEXT}, ("bucket", "endpoint", "region"))
SCHEDULE: Schema = {"type": "string", "minLength": 6}
SCHEDULES = thing({"differential": SCHEDULE, "full": SCHEDULE, "incremental": SCHEDULE})
REPO = thing(
    {
        "name": REPO_NAME,
        "s3": S3,
        "schedules": SCHEDULES,
        "volume": thing({"volumeClaimSpec": CLAIM}, ("volumeClaimSpec",)),
    },
    ("name",),
)
OPTIONS = several(TEXT)


def named(items: Schema, **more: object) -> Schema:
    """A list whose entries are told apart by their name."""
    return several(items, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], **more})


def spec() -> Schema:
    """What may be wanted."""
    return thing(
        {
            "backups": thing({"pgbackrest": _backrest()}),
            "config": thing({"parameters": thing(dict.fromkeys(PARAMETERS, EITHER), maxProperties=50)}),
            "dataSource": thing({"pgbackrest": _data_source()}),
            "databaseInitSQL": thing({"key": TEXT, "name": TEXT}, ("key", "name")),
            "image": TEXT,
            "imagePullPolicy": {"type": "string", "maxLength": 12, "enum": ["Always", "Never", "IfNotPresent"]},
            "instances": named(_instance(), minItems=1, maxItems=1),
            "metadata": METADATA,
            "patroni": _patroni(),
            "paused": FLAG,
            "port": PORT,
            "postgresVersion": {**COUNT, "minimum": 17, "maximum": 17},
            "proxy": thing({"pgBouncer": _bouncer()}, ("pgBouncer",)),
            "service": _service(),
            "shutdown": FLAG,
            "users": named(_user(), maxItems=64),
        },
        ("instances", "postgresVersion"),
    )


def _instance() -> Schema:
    return thing(
        {
            "dataVolumeClaimSpec": CLAIM,
            "metadata": METADATA,
            "name": {"type": "string", "default": "", "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"},
            # One alone: there is nobody here who would let another one follow.
            "replicas": {**COUNT, "minimum": 1, "maximum": 1, "default": 1},
            **PLACED,
        },
        ("dataVolumeClaimSpec",),
    )


def _backrest() -> Schema:
    restore = {"enabled": {"type": "boolean", "default": False}, "options": OPTIONS, "repoName": REPO_NAME, **PLACED}
    return thing(
        {
            "configuration": CONFIGURATION,
            "global": TEXTS,
            "image": TEXT,
            "jobs": thing({**PLACED, "ttlSecondsAfterFinished": {**COUNT, "minimum": 60}}),
            "manual": thing({"options": OPTIONS, "repoName": REPO_NAME}, ("repoName",)),
            "metadata": METADATA,
            "repoHost": thing(PLACED),
            "repos": named(REPO, minItems=1),
            "restore": thing(restore, ("enabled", "repoName")),
        },
        ("repos",),
    )


def _data_source() -> Schema:
    repo = {"name": REPO_NAME, "s3": S3}
    return thing(
        {
            "configuration": CONFIGURATION,
            "global": TEXTS,
            "options": OPTIONS,
            "repo": thing(repo, ("name", "s3")),
            "stanza": {"type": "string", "default": "db"},
            **PLACED,
        },
        ("repo", "stanza"),
    )


def _patroni() -> Schema:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return thing({
        "dynamicConfiguration": anything,
        "leaderLeaseDurationSeconds": {**COUNT, "minimum": 3, "default": 30},
        "syncPeriodSeconds": {**COUNT, "minimum": 1, "default": 10},
    })  # fmt: skip


def _service() -> Schema:
    policy = {"type": "string", "maxLength": 7, "enum": ["Cluster", "Local"]}
    return thing({
        "externalTrafficPolicy": policy,
        "internalTrafficPolicy": policy,
        "metadata": METADATA,
        "nodePort": COUNT,
        "type": {
            "type": "string", "maxLength": 12, "enum": ["ClusterIP", "NodePort", "LoadBalancer"],
            "default": "ClusterIP",
        },
    })  # fmt: skip


def _bouncer() -> Schema:
    return thing({
        "config": thing({"databases": TEXTS, "global": thing(dict.fromkeys(BOUNCER, TEXT)), "users": TEXTS}),
        "image": TEXT,
        "metadata": METADATA,
        "port": PORT,
        "replicas": {**COUNT, "minimum": 0, "default": 1},
        "service": _service(),
        **PLACED,
    })  # fmt: skip


def _user() -> Schema:
    database = {"type": "string", "minLength": 1, "maxLength": 63}
    return thing(
        {
            "databases": several(database, **{"x-kubernetes-list-type": "set"}),
            "name": {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
            # Words that roles are described by: neither passwords nor comments nor a second statement.
            "options": {"type": "string", "maxLength": 200, "pattern": _ROLE_OPTIONS},
            "password": thing(
                {"type": {"type": "string", "maxLength": 12, "default": "ASCII", "enum": ["ASCII", "AlphaNumeric"]}},
                ("type",),
            ),
        },
        ("name",),
    )


_WORDS = "SUPERUSER|CREATEDB|CREATEROLE|INHERIT|LOGIN|REPLICATION|BYPASSRLS"
_ROLE_OPTIONS = f"^((NO)?({_WORDS})|CONNECTION LIMIT [0-9]+| )*$"


def status() -> Schema:
    """What is said of a cluster."""
    ended = {"active": COUNT, "completionTime": MOMENT, "failed": COUNT, "startTime": MOMENT, "succeeded": COUNT}
    job = thing({**ended, "finished": FLAG, "id": TEXT}, ("finished", "id"))
    repo = thing({
        "bound": FLAG, "name": TEXT, "replicaCreateBackupComplete": FLAG, "repoOptionsHash": TEXT,
        "stanzaCreated": FLAG, "volume": TEXT,
    }, ("name",))  # fmt: skip
    counts = {"name": TEXT, "readyReplicas": COUNT, "replicas": COUNT, "updatedReplicas": COUNT}
    generation = {"type": "integer", "format": "int64", "minimum": 0}
    condition = {
        "lastTransitionTime": MOMENT,
        "message": {"type": "string", "maxLength": 32768},
        "observedGeneration": generation,
        "reason": {
            "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "status": {"type": "string", "maxLength": 7, "enum": ["True", "False", "Unknown"]},
        "type": {"type": "string", "maxLength": 316, "pattern": "^[A-Za-z][A-Za-z0-9]*$"},
    }  # fmt: skip
    required = ("lastTransitionTime", "message", "reason", "status", "type")
    backrest = {
        "manualBackup": job,
        "repoHost": thing({"apiVersion": TEXT, "kind": TEXT, "ready": FLAG}),
        "repos": named(repo),
        "restore": job,
        "scheduledBackups": several(thing({**ended, "cronJobName": TEXT, "repo": TEXT, "type": TEXT})),
    }
    return thing({
        "conditions": several(
            thing(condition, required),
            **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
        "databaseInitSQL": TEXT,
        "databaseRevision": TEXT,
        "instances": named(thing(counts, ("name",))),
        "observedGeneration": generation,
        "patroni": thing({"systemIdentifier": TEXT}),
        "pgbackrest": thing(backrest),
        "postgresVersion": COUNT,
        "proxy": thing(
            {"pgBouncer": thing({"postgresRevision": TEXT, "readyReplicas": COUNT, "replicas": COUNT})}
        ),
        "startupInstance": TEXT,
        "startupInstanceSet": TEXT,
        "usersRevision": TEXT,
    })  # fmt: skip


def definition() -> Object:
    """The CustomResourceDefinition."""
    schema = thing(
        {"apiVersion": TEXT, "kind": TEXT, "metadata": {"type": "object"}, "spec": spec(), "status": status()}
    )
    versions: list[Object] = [
        {
            "name": version,
            "served": True,
            "storage": version == "v1beta1",
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        }
        for version in ("v1", "v1beta1")
    ]
    plural = "postgresclusters"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{names.GROUP}",
            "labels": {"app.kubernetes.io/name": "pgo", "app.kubernetes.io/version": "6.0.3"},
        },
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": plural,
                "singular": "postgrescluster",
            },
            "scope": "Namespaced",
            "versions": versions,
        },
    }
