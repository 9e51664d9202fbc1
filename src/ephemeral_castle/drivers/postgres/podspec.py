"""The pods of a database in a cluster, and of its pooler. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres.image import UID
from ephemeral_castle.drivers.postgres.shape import (
    DATA,
    FILES,
    HOSTNAME,
    ORDER,
    POOLER,
    REPO2,
    SERVER,
    Shape,
    claim_name,
    secret_name,
)
from ephemeral_castle.spi.kubernetes import Manifest

AWAY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
PATIENCE = 10  # seconds that a pod which could move waits for its node; Kubernetes' own are 300
STOPPING = 60  # seconds for a clean stop, as on machines
SHARED = "256Mi"  # of memory for parallel queries


def database(shape: Shape, files: Mapping[str, str], order: Sequence[str]) -> dict[str, Any]:
    """The specification of the pod that does the order, and then serves."""
    return {**_database_pod(shape, files), "initContainers": [_ordered(shape, order)], "containers": [_server(shape)]}


def pooler(shape: Shape, files: Mapping[str, str]) -> dict[str, Any]:
    """The specification of PgBouncer's pod."""
    container = {
        **_container(shape, POOLER),
        "command": ["pgbouncer", "/run/castle/pgbouncer.ini"],
        "ports": [{"containerPort": shape.pooler_port, "protocol": "TCP"}],
        "readinessProbe": _probe(shape.pooler_port),
        "volumeMounts": [{"name": FILES, "mountPath": "/run/castle", "readOnly": True}],
    }
    return {
        **_pod(shape, [_from_secret(secret_name(shape.pooler, files))]),
        "terminationGracePeriodSeconds": 1,
        "tolerations": _short(),
        "containers": [container],
    }


def aside(shape: Shape, name: str, files: Mapping[str, str], argv: Sequence[str], run: str) -> Manifest:
    """A pod that does one thing over the volumes of a stopped database, and ends."""
    container = {**_container(shape, "aside"), "command": list(argv), "volumeMounts": _mounts()}
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    spec = {**_database_pod(shape, files), "restartPolicy": "Never", "containers": [container]}
    if not files:  # a Secret for nothing is one more thing that could be left behind
        for key, holder in (("volumes", spec), ("volumeMounts", container)):
            holder[key] = [each for each in holder[key] if each["name"] != FILES]
    meta = shape.meta(name, "aside", annotations={"castle.run": run})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def glimpse(shape: Shape, name: str, script: str, folder: str = "") -> Manifest:
    """A pod that reads the volume with the data and tells what it saw in its state; changes nothing.

    Args:
        shape: of the database.
        name: of the pod.
        script: of sh(1); what it says is what it tells.
        folder: of its node, which is read instead of the volume where that has no claim; made where it is missing.
    """
    container = {
        **_container(shape, "look"),
        "command": ["sh", "-c", f"({script}) > /dev/termination-log"],
        "volumeMounts": [{"name": DATA, "mountPath": "/pg", "readOnly": True}],
    }
    volume = _from_folder(DATA, folder, "DirectoryOrCreate") if folder else _from_claim(shape, DATA)
    spec = {**_pod(shape, [volume]), "restartPolicy": "Never", "containers": [container]}
    spec |= {"terminationGracePeriodSeconds": 0, "tolerations": _tolerations(shape)}
    if folder:
        spec["nodeSelector"] = {HOSTNAME: shape.node}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": shape.meta(name, "look"), "spec": spec}


def emptying(shape: Shape, name: str, disk: Manifest, run: str) -> Manifest:
    """A pod that empties the folder of a volume of castle's own making, whether that has a claim or not."""
    folder, _, last = disk["spec"]["hostPath"]["path"].rpartition("/")
    container = {
        **_container(shape, "aside"),
        "command": ["sh", "-c", f"[ ! -e /pg/{last} ] || find /pg/{last} -xdev -mindepth 1 -delete"],
        "volumeMounts": [{"name": DATA, "mountPath": "/pg"}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    spec = {**_pod(shape, [_from_folder(DATA, folder, "DirectoryOrCreate")]), "restartPolicy": "Never"}
    spec |= {"containers": [container], "tolerations": _tolerations(shape), "nodeSelector": {HOSTNAME: shape.node}}
    meta = shape.meta(name, "aside", annotations={"castle.run": run})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def order_of(order: Sequence[str], *, disk: bool) -> list[str]:
    """The init container's command. A folder that a kubelet made belongs to root: it is handed over on the way."""
    command = ["castle-postgres", "only", *order]
    if not disk:
        return command
    give = (
        f"chown {UID}:{UID} /pg /var/lib/pgbackrest && chmod 700 /pg /var/lib/pgbackrest && "
        f'exec setpriv --reuid={UID} --regid={UID} --clear-groups "$@"'
    )
    return ["sh", "-c", give, "castle-order", *command]


def _ordered(shape: Shape, order: Sequence[str]) -> dict[str, Any]:
    container = {
        **_container(shape, ORDER),
        "command": order_of(order, disk=bool(shape.node)),
        "env": [{"name": "CASTLE_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
        "volumeMounts": _mounts(),
    }
    if shape.node:
        container["securityContext"] = {
            "runAsUser": 0,
            "runAsNonRoot": False,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "FOWNER", "SETUID", "SETGID"]},
        }
    return container


def _server(shape: Shape) -> dict[str, Any]:
    """Without a probe of its life: a server that replays or is fenced is not to be shot for it."""
    return {
        **_container(shape, SERVER),
        "command": ["castle-postgres", "stay"],
        "ports": [{"containerPort": shape.port, "protocol": "TCP"}],
        "readinessProbe": _probe(shape.port),
        "resources": {"requests": {"cpu": "100m", "memory": str(shape.memory)}},
        "volumeMounts": [*_mounts(), {"name": "shared", "mountPath": "/dev/shm"}],  # noqa: S108 - in the container
    }


def _database_pod(shape: Shape, files: Mapping[str, str]) -> dict[str, Any]:
    shared = {"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED}}
    volumes = [
        _from_claim(shape, DATA), _from_claim(shape, REPO2), _from_secret(secret_name(shape.layer, files)), shared,
    ]  # fmt: skip
    return {
        **_pod(shape, volumes),
        "terminationGracePeriodSeconds": STOPPING,
        "tolerations": _tolerations(shape),
    }


def _pod(shape: Shape, volumes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    host, address = shape.treasury
    aliases = [{"ip": address, "hostnames": [host]}] if host else []
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostAliases": aliases,
        "securityContext": {
            "runAsUser": UID, "runAsGroup": UID, "runAsNonRoot": True, "fsGroup": UID,
            # PostgreSQL refuses a directory that others may write, which is what a change of all files would make it.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": list(volumes),
    }  # fmt: skip


def _container(shape: Shape, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": shape.image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _mounts() -> list[dict[str, Any]]:
    return [
        {"name": DATA, "mountPath": "/pg"},
        {"name": REPO2, "mountPath": "/var/lib/pgbackrest"},
        {"name": FILES, "mountPath": "/run/castle", "readOnly": True},
    ]


def _from_claim(shape: Shape, volume: str) -> dict[str, Any]:
    return {"name": volume, "persistentVolumeClaim": {"claimName": claim_name(shape.layer, volume)}}


def _from_folder(volume: str, folder: str, kind: str) -> dict[str, Any]:
    return {"name": volume, "hostPath": {"path": folder, "type": kind}}


def _from_secret(name: str) -> dict[str, Any]:
    return {"name": FILES, "secret": {"secretName": name, "defaultMode": 0o440}}


def _probe(port: int) -> dict[str, Any]:
    return {"tcpSocket": {"port": port}, "periodSeconds": 5, "failureThreshold": 2}


def _tolerations(shape: Shape) -> list[dict[str, Any]]:
    """A pod whose disk is a node's waits for that node; another one is made elsewhere soon."""
    if shape.node:
        return [{"key": key, "operator": "Exists", "effect": "NoExecute"} for key in AWAY]
    return _short()


def _short() -> list[dict[str, Any]]:
    return [{"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": PATIENCE} for key in AWAY]
