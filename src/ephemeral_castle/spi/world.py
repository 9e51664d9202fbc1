"""The only doors to the outside: processes, objects, clock, images. Implemented in `world`, faked in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ephemeral_castle.spi.acme import Acme
from ephemeral_castle.spi.kubernetes import Cluster, ClusterAccess
from ephemeral_castle.spi.names import Names
from ephemeral_castle.spi.pages import Pages
from ephemeral_castle.spi.processes import Exec as Exec  # noqa: PLC0414, for drivers
from ephemeral_castle.spi.processes import File as File  # noqa: PLC0414
from ephemeral_castle.spi.processes import Machine as Machine  # noqa: PLC0414
from ephemeral_castle.spi.processes import Process as Process  # noqa: PLC0414
from ephemeral_castle.spi.processes import Result as Result  # noqa: PLC0414
from ephemeral_castle.spi.processes import Transport as Transport  # noqa: PLC0414
from ephemeral_castle.spi.room import Room
from ephemeral_castle.spi.source import Revision as Revision  # noqa: PLC0414, for drivers
from ephemeral_castle.spi.source import Source as Source  # noqa: PLC0414, for drivers


class Enclosure(Protocol):
    """A network namespace of the castle's own on this computer."""

    @property
    def name(self) -> str:
        """Name of the namespace."""
        ...

    @property
    def gateway(self) -> str:
        """Address of the namespace's side of the bridge; the treasury answers there."""
        ...

    @property
    def treasury_host(self) -> str:
        """Host name by which machines reach the treasury; resolve it to `gateway`."""
        ...

    @property
    def treasury_port(self) -> int:
        """Port of the treasury at the gateway."""
        ...

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` inside the namespace."""
        ...

    def podman(self, *args: str) -> list[str]:
        """The command line of the castle's own podman (own storage, own networks), inside the namespace."""
        ...

    def podman_env(self) -> dict[str, str]:
        """Environment that `podman` needs."""
        ...

    @property
    def network(self) -> str:
        """Name of the podman network of the machines."""
        ...

    @property
    def image_store(self) -> str:
        """Directory of the shared image store, mounted read-only into machines."""
        ...


@dataclass(frozen=True)
class Recipe:
    """An image made from Debian packages in one go.

    Attributes:
        name: image name without registry ("machine").
        packages: Debian packages, all installed together.
        files: path in the image -> content (text); mode 0644, or 0755 when it starts with "#!".
        commands: shell lines run in the new root after the packages.
        suite: Debian suite.
    """

    name: str
    packages: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    suite: str = "bookworm"


class Images(Protocol):
    """The image store of this computer, shared by all castles, keyed by a digest of the recipe."""

    def reference(self, recipe: Recipe) -> str:
        """The name under which the image is or will be stored: `localhost/castle-NAME:DIGEST`."""
        ...

    async def present(self, recipe: Recipe) -> bool:
        """Whether it is in the store."""
        ...

    async def build(self, recipe: Recipe, progress: Progress) -> str:
        """Builds and stores it; gives the reference. Raises Permanent when a package is missing."""
        ...

    async def present_reference(self, reference: str) -> bool:
        """Whether an image of that name, as a Compose file or a registry has it, is in the store."""
        ...

    async def pull(self, reference: str, progress: Progress) -> str:
        """Pulls it on this computer's network unless it is in the store.

        Gives `NAME@sha256:...`, by which it stays the same whatever the name means later; the name itself for an image
        that never came from a registry. Raises Denied, NotFound, Unreachable, or Permanent when the disk is too full.
        """
        ...

    async def published(self, recipe: Recipe, at: str) -> bool:
        """Whether the registry `at` (HOST[:PORT]) has it, under its name without `localhost`. Raises Unreachable."""
        ...

    async def publish(self, recipe: Recipe, at: str, progress: Progress) -> None:
        """Hands it to a registry. Raises Denied, NotFound, Unreachable, or Permanent."""
        ...

    async def drop(self, recipe: Recipe) -> None:
        """Removes it from the store; no error when it is not there. Raises Conflict when something stands on it."""
        ...


class Progress(Protocol):
    """Says what is going on, for the screen; `done` of `total` when that is known."""

    def __call__(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        """Shows one line."""
        ...


class Clock(Protocol):
    """Time. `now`: Unix seconds; `monotonic`: for durations."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


@dataclass(frozen=True)
class Stat:
    """An object in the treasury. `modified`: Unix seconds by the server's clock; 0 when not told."""

    key: str
    size: int
    etag: str
    modified: float = 0.0


class Objects(Protocol):
    """A bucket, with conditions. Keys are relative to the castle's prefix.

    All raise Unreachable (nothing answered, 5xx after retries), Denied (403, unknown key, clock skew: `why` says
    which), NotFound (missing bucket). An outcome that is unknown after a time-out is settled by reading back.
    """

    async def get(self, key: str) -> tuple[bytes, str] | None:
        """Body and ETag, or None when the object does not exist (404 with a living bucket)."""
        ...

    async def head(self, key: str) -> Stat | None:
        """Size and ETag without the body."""
        ...

    async def create(self, key: str, body: bytes) -> str:
        """Writes only if absent (`If-None-Match: *`), gives the ETag; Conflict when it exists."""
        ...

    async def swap(self, key: str, body: bytes, etag: str) -> str:
        """Writes only if the ETag still holds (`If-Match`), gives the new one; Conflict otherwise."""
        ...

    async def put(self, key: str, body: bytes) -> str:
        """Writes without a condition."""
        ...

    async def delete(self, key: str) -> None:
        """Deletes; no error when it is gone already."""
        ...

    def list(self, prefix: str) -> AsyncIterator[Stat]:
        """All objects under a prefix, every page."""
        ...


@dataclass(frozen=True)
class Rights:
    """What a life's writer may do for one treasure; everything else is closed to it.

    Attributes:
        keeps: folders below the castle's prefix, where it may get and put.
        replaces: keys that it may delete, since its program writes them anew or takes them back; `*` stands for any
            name, or, at the end, for all that lies below.
    """

    keeps: tuple[str, ...]
    replaces: tuple[str, ...] = ()


class Identities(Protocol):
    """Accounts of the treasury, where it has them: every life of a castle gets its own writer."""

    async def mint_writer(self, name: str, secret: str, rights: Sequence[Rights]) -> None:
        """Creates (or adopts, when it exists already) the account; it may list the bucket, and has these rights."""
        ...

    async def may_write(self, name: str, rights: Sequence[Rights]) -> bool:
        """Whether the account exists with exactly these rights: a layer may have been added since it was made."""
        ...

    async def mint_reader(self, name: str, secret: str, repositories: str = "pgbackrest") -> None:
        """Creates (or adopts) an account that lists, and reads below this folder: proofs and drills."""
        ...

    async def may_read(self, name: str, repositories: str = "pgbackrest") -> bool:
        """Whether the account exists with exactly the rights of such a reader."""
        ...

    async def mint_keeper(self, name: str, secret: str, repositories: str = "pgbackrest") -> None:
        """Creates (or adopts) an account that may also put and delete below this folder: it expires backups."""
        ...

    async def may_keep(self, name: str, repositories: str = "pgbackrest") -> bool:
        """Whether the account exists with exactly the rights of such a keeper."""
        ...

    async def revoke(self, name: str) -> None:
        """Removes the account: whoever still holds its key can never write again. No error when it is gone."""
        ...

    async def exists(self, name: str) -> bool:
        """Whether the account exists."""
        ...


@dataclass(frozen=True)
class TreasuryAccess:
    """How pgBackRest (on machines, by `host` and `port`) reaches the repository.

    `host`/`port`: as seen from machines and from containers in the enclosure; `ca`: PEM text of the CA to trust
    ("" = the system's).
    """

    bucket: str
    prefix: str
    region: str
    host: str
    port: int
    ca: str
    path_style: bool


class World(Protocol):
    """All doors in one bundle, built once in `cli/wiring.py`."""

    @property
    def exec(self) -> Exec:
        """Processes on this computer."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def objects(self) -> Objects:
        """The castle's prefix in the treasury."""
        ...

    @property
    def identities(self) -> Identities | None:
        """Accounts of the treasury; None where the server has none that castle can manage."""
        ...

    @property
    def access(self) -> TreasuryAccess:
        """How machines reach the treasury."""
        ...

    @property
    def names(self) -> Names:
        """Authoritative name servers."""
        ...

    @property
    def acme(self) -> Acme:
        """Certificate authorities that speak ACME."""
        ...

    @property
    def pages(self) -> Pages:
        """The castle's maintenance page."""
        ...

    @property
    def images(self) -> Images:
        """Images of this computer."""
        ...

    @property
    def enclosure(self) -> Enclosure:
        """The castle's own network namespace and podman on this computer."""
        ...

    @property
    def source(self) -> Source | None:
        """The castle's Git repository; None where the definition names none."""
        ...

    @property
    def room(self) -> Room | None:
        """Where a drill's castle stands; None in the world of the castle itself."""
        ...

    async def settle(self) -> int:
        """Brings what the treasury acknowledged to a disk, where it is kept here and does not do so itself.

        Gives the number of files; only what changed since the last call is looked at.
        """
        ...

    async def publish(self, name: str, address: str, port: int) -> int:
        """Lets people on this computer reach an address of the enclosure; gives the port on the loopback."""
        ...

    def door(self, name: str, address: str, port: int) -> int:
        """The port of the door that `publish` opened there, when it still stands and leads there; else 0."""
        ...

    def kubernetes(self, access: ClusterAccess) -> Cluster:
        """The API server of a cluster; nothing is asked before the first call."""
        ...

    def kubeconfig(self, files: str, context: str, beside: str = "") -> ClusterAccess:
        """How the cluster of a kubeconfig's context is reached, and with which key, which stays in memory.

        Args:
            files: of kubeconfig, joined by `:`; "" as kubectl finds them.
            context: its name; "" for the current one.
            beside: directory that relative files are relative to.

        Raises:
            NotFound: no such file or context. Damaged: no kubeconfig. Permanent: it asks for what castle does not do.
        """
        ...

    def podman_transport(self, container: str) -> Transport:
        """A way into a machine by the castle's own `podman exec`."""
        ...

    def ssh_transport(self, address: str, user: str, key: str, host_key: str) -> Transport:
        """A way into a machine by SSH.

        Args:
            address: of the machine.
            user: who logs in.
            key: private key, a text that is never written to a disk.
            host_key: the public host key that must answer, else Denied.
        """
        ...

    @property
    def computer(self) -> Mapping[str, Any]:
        """Facts of this computer.

        `id` (machine id), `host`, `boot` (boot id), `memory_total`, `memory_available`, `disk_available` (bytes),
        `cpus`.
        """
        ...
