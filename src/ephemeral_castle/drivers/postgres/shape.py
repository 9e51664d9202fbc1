"""What the objects of one database in a cluster have in common. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ORDER, SERVER, POOLER = "order", "postgres", "pgbouncer"  # names of containers
DATA, REPO2, FILES = "data", "repo2", "files"  # names of volumes in a pod
LAYER, LIFE, PART = "castle.layer", "castle.life", "castle.part"
MANAGED = {"app.kubernetes.io/managed-by": "castle"}
HOSTNAME = "kubernetes.io/hostname"  # label of every node


@dataclass(frozen=True)
class Shape:
    """What all objects of one database in one life are made from.

    Attributes:
        castle: name of the castle, for people.
        layer: id of the layer, and so the name of the StatefulSet.
        namespace: where they lie.
        marks: labels that say whose they are: castle, life, layer.
        image: name under which nodes pull castle's image.
        treasury: host name of the treasury and the address at which pods reach it; "" for a name that DNS knows.
        node: on whose disk the volumes lie, or "".
        storage_class: which makes the volumes, or "".
        size, repo2_size: bytes.
        memory: bytes that the scheduler keeps for the server.
        port, pooler_port: of server and pooler.
        expose: kind of the pooler's Service, as the option has it.
    """

    castle: str
    layer: str
    namespace: str
    marks: Mapping[str, str]
    image: str
    treasury: tuple[str, str]
    node: str
    storage_class: str
    size: int
    repo2_size: int
    memory: int
    port: int
    pooler_port: int
    expose: str

    @property
    def pod(self) -> str:
        """Name of the database's pod."""
        return f"{self.layer}-0"

    @property
    def pooler(self) -> str:
        """Name of the pooler's objects."""
        return f"{self.layer}-pooler"

    def meta(self, name: str, part: str, **more: Any) -> dict[str, Any]:
        """Metadata of an object in the namespace."""
        return {"name": name, "namespace": self.namespace, "labels": self.labels(part), **more}

    def labels(self, part: str) -> dict[str, str]:
        """Marks, and what it is for."""
        return {**MANAGED, "castle.name": self.castle, **self.marks, PART: part}

    def selector(self, part: str) -> dict[str, str]:
        """Labels by which a controller or a Service knows its pods."""
        return {**self.marks, PART: part}


def secret_name(owner: str, files: Mapping[str, str]) -> str:
    """Files that differ have another name: a node that remembers the former ones cannot take them for these."""
    body = json.dumps(dict(files), sort_keys=True)
    return f"{owner}-{hashlib.sha256(body.encode()).hexdigest()[:10]}"


def claim_name(layer: str, volume: str) -> str:
    """Name of the claim of a volume."""
    return f"{layer}-{volume}"
