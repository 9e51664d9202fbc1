"""The objects of a drill: a namespace of its own with one pod, which nobody reaches. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.pgbackrest import scripts
from ephemeral_castle.drivers.pgbackrest.living import Living
from ephemeral_castle.spi.kubernetes import Manifest, Ref

POD, CLAIM, FILES = "drill", "drill-data", "castle-files"
ORDER, SERVER = "restore", "postgres"
RUN, LAYER = "castle.run", "castle.layer"
CONFIGURATION = "/etc/pgbackrest/conf.d"
LONGEST = 63  # characters of a namespace's name
LEAST = 1 << 30  # bytes of a volume whose size nobody tells


@dataclass(frozen=True)
class Shape:
    """What the objects are made from.

    Attributes:
        namespace: of the drill. marks: labels of all. run: id of the run.
        living: the database that is rehearsed. storage_class: "" for a folder of a node.
        preload: libraries of the server.
    """

    namespace: str
    marks: Mapping[str, str]
    run: str
    living: Living
    storage_class: str
    preload: Sequence[str] = ()

    @property
    def pod(self) -> Ref:
        """The one pod."""
        return Ref("v1", "Pod", POD, self.namespace)

    def meta(self, name: str) -> dict[str, Any]:
        """Name, marks and run."""
        return {"name": name, "namespace": self.namespace, "labels": dict(self.marks), "annotations": {RUN: self.run}}


def space(castle: str, layer: str) -> str:
    """The name of the namespace: the same for every drill of a layer, so that what one left the next one finds."""
    name = f"castle-drill-{castle}-{layer}"
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def namespace(shape: Shape) -> Manifest:
    """Bears the marks and the run."""
    meta = {key: value for key, value in shape.meta(shape.namespace).items() if key != "namespace"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def closed(shape: Shape) -> Manifest:
    """Nobody may come in; what the restore fetches it fetches itself."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": shape.meta("nobody-comes-in"),
        "spec": spec,
    }


def files(shape: Shape) -> Manifest:
    """Castle's own files. A Secret: `global` of a PostgresCluster may hold a pass."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": shape.meta(FILES),
        "stringData": scripts.files(shape.living),
    }


def sources(living: Living, namespace: str) -> list[tuple[Ref, bool]]:
    """Secrets and ConfigMaps of the living database that the drill needs a copy of, and whether each may be missing."""
    found = [
        (Ref("v1", "Secret" if kind == "secret" else "ConfigMap", str(each[kind]["name"]), namespace),
         bool(each[kind].get("optional")))
        for each in living.sources for kind in ("secret", "configMap") if kind in each
    ]  # fmt: skip
    return [*dict.fromkeys([*found, *((Ref("v1", "Secret", name, namespace), True) for name in living.pull)])]


def copied(shape: Shape, original: Manifest) -> Manifest:
    """The same content under the same name; it goes with the drill's namespace."""
    made = {
        "apiVersion": original["apiVersion"],
        "kind": original["kind"],
        "metadata": shape.meta(original["metadata"]["name"]),
    }
    return made | {key: original[key] for key in ("type", "data", "binaryData") if original.get(key)}


def claim(shape: Shape) -> Manifest | None:
    """The volume; None where it is a folder of a node."""
    if not shape.storage_class:
        return None
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": shape.storage_class,
        "resources": {"requests": {"storage": str(shape.living.size or LEAST)}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": shape.meta(CLAIM), "spec": spec}


def pod(shape: Shape) -> Manifest:
    """Restores, then serves; started again by nobody."""
    living = shape.living
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": dict(living.security),
        "tolerations": list(living.tolerations),
        "imagePullSecrets": [{"name": name} for name in living.pull],
        "initContainers": [_container(living, ORDER, scripts.restore(living))],
        "containers": [_container(living, SERVER, scripts.serve(living, shape.preload))],
        "volumes": list(_volumes(shape)),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": shape.meta(POD), "spec": spec}


def _container(living: Living, name: str, command: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "image": living.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "data", "mountPath": scripts.HOME},
            {"name": "castle", "mountPath": scripts.OWN, "readOnly": True},
            {"name": "configuration", "mountPath": CONFIGURATION, "readOnly": True},
            {"name": "sockets", "mountPath": scripts.SOCKETS},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the container
        ],
    }


def _volumes(shape: Shape) -> Iterator[dict[str, Any]]:
    if shape.storage_class:
        yield {"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}
    else:
        yield {"name": "data", "emptyDir": {}}
    servers = [{"key": key, "path": key} for key in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf")]
    yield {"name": "castle", "secret": {"secretName": FILES, "items": servers, "defaultMode": 0o440}}
    own = {"name": FILES, "items": [{"key": "pgbackrest.conf", "path": "castle-drill.conf"}]}
    given = [dict(each) for each in shape.living.sources]
    yield {"name": "configuration", "projected": {"defaultMode": 0o440, "sources": [{"secret": own}, *given]}}
    yield {"name": "sockets", "emptyDir": {"medium": "Memory"}}
    yield {"name": "tmp", "emptyDir": {}}
