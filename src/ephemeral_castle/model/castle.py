"""What a person defines: castle, sites, layers, budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What a layer is for, in display order."""

    GROUND = "ground"
    FOUNDATIONS = "foundations"
    WALLS = "walls"
    TREASURES = "treasures"
    GATES = "gates"
    PROOF = "proof"


class Verb(StrEnum):
    """What a run is asked to do. Each yields its own plan."""

    REBIRTH = "rebirth"
    RAISE = "raise"
    WIPE = "wipe"
    SEAL = "seal"
    BACKUP = "backup"
    RESTORE = "restore"
    DRILL = "drill"


@dataclass(frozen=True)
class Budget:
    """Seconds that may pass. `rto`: destruction command to last service probe; `rpo`: data that may be lost."""

    rto: float | None = None
    rpo: float | None = None


@dataclass(frozen=True)
class Treasury:
    """The S3 bucket outside the castle.

    Attributes:
        bucket: bucket name, from `url: s3://BUCKET[/PREFIX]`.
        prefix: key prefix without slashes at its ends; the castle's name when the URL has none.
        server: "here" when castle itself keeps an S3 server beside the machines, else "".
        endpoint: https URL of any other S3 server; empty for `server: here`.
        region: the signing region.
        path_style: whether the bucket stands in the path (every private server) or in the host name.
        ca: path of a CA certificate (PEM) for a private endpoint, or "".
        keys: path of the key file.
        port: wished loopback port of a server kept here; 0 = any free one.
    """

    bucket: str
    prefix: str
    server: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    path_style: bool = True
    ca: str = ""
    keys: str = ""
    port: int = 0


@dataclass(frozen=True)
class Repository:
    """The Git repository that holds what the castle's walls are made from.

    Attributes:
        url: https or ssh URL, `USER@HOST:PATH`, or an absolute path on this computer.
        ref: branch, tag or whole commit id that is wanted.
        key: name of the secret that is the private SSH key, or "".
        host_keys: public keys of the SSH host, "TYPE BASE64" each; one of them must answer.
        token: name of the secret that is the password or access token of an https URL, or "".
        ca: path of the CA certificate (PEM) of a private https host, or "".
    """

    url: str
    ref: str = "main"
    key: str = ""
    host_keys: tuple[str, ...] = ()
    token: str = ""
    ca: str = ""


@dataclass(frozen=True)
class Layer:
    """One layer on one site.

    Attributes:
        id: unique in the castle.
        role: where it stands in the display and what it is for.
        driver: name of the driver that knows its system.
        needs: ids of layers that must stand before this one.
        options: the driver's options as written, already validated by its model.
        position: "file:line:col" of the layer, for messages.
    """

    id: str
    role: Role
    driver: str
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    position: str = ""


@dataclass(frozen=True)
class Reach:
    """A service that machines reach at the gateway of their network. `at`: port there; `host`, `port`: where it is."""

    at: int
    host: str
    port: int


@dataclass(frozen=True)
class Site:
    """One place where the castle can land, with how each layer is made there. `reach`: services by name."""

    name: str
    layers: tuple[Layer, ...]
    subnet: str = "10.89.77.0/24"
    reach: Mapping[str, Reach] = field(default_factory=dict)


@dataclass(frozen=True)
class Castle:
    """The whole definition.

    `proof_max_age`: seconds a proof restore stays valid. `path`: the definition file, absolute. `repository`: None for
    a castle without walls of its own.
    """

    name: str
    treasury: Treasury
    sites: Mapping[str, Site]
    budget: Budget = Budget()
    proof_max_age: float = 86400.0
    path: str = ""
    repository: Repository | None = None

    def site(self, name: str | None = None) -> Site:
        """The named site, or the only (first) one."""
        if name is None:
            return next(iter(self.sites.values()))
        return self.sites[name]
