"""The objects of Kubernetes that carry a database and its pooler. Pure.

A StatefulSet of one pod: its init container does the order (see `image.FIRST`), its container serves. Volumes are
claims of castle's own and not templates of the StatefulSet: so castle knows each by its uid, and nothing makes an empty
one in the place of a lost one. `updateStrategy: OnDelete`: what an apply changes holds for the next pod, and no
controller ends a server of itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres import podspec
from ephemeral_castle.drivers.postgres.shape import DATA, HOSTNAME, LIFE, MANAGED, REPO2, Shape, claim_name, secret_name
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.marks import MARK

FOLDER = "/var/lib/castle/volumes"  # on a node; one folder for each volume of each life


def namespace(shape: Shape) -> Manifest:
    """For where it is missing."""
    labels = {**MANAGED, "castle.name": shape.castle, MARK: shape.marks[MARK]}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shape.namespace, "labels": labels}}


def secret(shape: Shape, owner: str, files: Mapping[str, str]) -> Manifest:
    """Configuration with its passwords; nodes keep it in memory."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": shape.meta(secret_name(owner, files), f"files-{owner}"),
        "immutable": True,
        "stringData": dict(files),
    }


def claims(shape: Shape) -> list[Manifest]:
    """The volumes: for the data, and for the local repository. Behind each its disk, where castle makes that."""
    made: list[Manifest] = []
    for volume, size in ((DATA, shape.size), (REPO2, shape.repo2_size)):
        if shape.node:
            made.append(_disk(shape, volume, size))
        made.append(_claim(shape, volume, size))
    return made


def disk_name(shape: Shape, volume: str) -> str:
    """Name of a volume on a node's disk: the cluster has one list of them for all castles and lives."""
    castle = shape.marks[MARK].replace(".", "-")
    return f"castle-{castle[:8]}{castle[36:]}-{shape.marks[LIFE]}-{claim_name(shape.layer, volume)}"


def _claim(shape: Shape, volume: str, size: int) -> Manifest:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": str(size)}},
        "storageClassName": shape.storage_class,
    }
    if shape.node:
        spec["volumeName"] = disk_name(shape, volume)
    name = claim_name(shape.layer, volume)
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": shape.meta(name, volume), "spec": spec}


def _disk(shape: Shape, volume: str, size: int) -> Manifest:
    """A folder on one node, which its kubelet makes: so nothing is needed of the node but that it is one.

    A volume of type `local` would want the folder to be there, and so a way into the machine.
    """
    name = disk_name(shape, volume)
    here = {"key": HOSTNAME, "operator": "In", "values": [shape.node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": shape.labels(volume)},
        "spec": {
            "capacity": {"storage": str(size)},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": shape.namespace,
                "name": claim_name(shape.layer, volume),
            },
            "hostPath": {"path": f"{FOLDER}/{name}", "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }  # fmt: skip


def statefulset(shape: Shape, files: Mapping[str, str], order: Sequence[str]) -> Manifest:
    """The database, with the order for its next pod."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": shape.meta(shape.layer, "database"),
        "spec": {
            "replicas": 1,
            "serviceName": shape.layer,
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": shape.selector("database")},
            "template": {
                "metadata": {"labels": shape.labels("database")},
                "spec": podspec.database(shape, files, order),
            },
        },
    }


def services(shape: Shape) -> list[Manifest]:
    """One for PgBouncer to find the server by, one for clients to find PgBouncer."""
    kind = {"nodeport": "NodePort", "loadbalancer": "LoadBalancer", "clusterip": "ClusterIP"}[shape.expose]
    return [
        _service(shape, shape.layer, "database", shape.port, "ClusterIP"),
        _service(shape, shape.pooler, "pooler", shape.pooler_port, kind),
    ]


def _service(shape: Shape, name: str, part: str, port: int, kind: str) -> Manifest:
    """Also of a pod that is not ready: whoever comes early is refused by the port, and nobody waits for a probe."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": shape.meta(name, part),
        "spec": {
            "type": kind,
            "selector": shape.selector(part),
            "publishNotReadyAddresses": True,
            "ports": [{"name": "postgres", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }


def deployment(shape: Shape, files: Mapping[str, str], started: str) -> Manifest:
    """PgBouncer. `started`: differs for each start, so that an apply replaces the pod."""
    template = {
        "metadata": {"labels": shape.labels("pooler"), "annotations": {"castle.started": started}},
        "spec": podspec.pooler(shape, files),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": shape.meta(shape.pooler, "pooler"),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": shape.selector("pooler")},
            "template": template,
        },
    }
