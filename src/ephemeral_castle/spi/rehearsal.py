"""A context and a world in which a driver can be tried without any system: used by the contract suite.

Every door either answers as told, or is silent. What a driver asks is kept, and what would change something is named.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.errors import Unreachable
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi.acme import AcmeDirectory, RateLimited
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.kubernetes import ClusterAccess
from ephemeral_castle.spi.names import NameAnswer, NameChange, NameSet, TsigKey
from ephemeral_castle.spi.rehearsal_cluster import RehearsalCluster
from ephemeral_castle.spi.rehearsal_doors import MOST_SLEEPS
from ephemeral_castle.spi.rehearsal_doors import Answer as Answer  # noqa: PLC0414, for tests
from ephemeral_castle.spi.rehearsal_doors import Doors as Doors  # noqa: PLC0414, for tests
from ephemeral_castle.spi.rehearsal_doors import silent as silent  # noqa: PLC0414, for tests
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.source import lent_url
from ephemeral_castle.spi.world import File, Machine, Recipe, Result, Revision, Stat, TreasuryAccess


class _Process:
    """A conversation in which nobody says a word."""

    pid, errors = 1, ""

    def __init__(self, doors: Doors, argv: Sequence[str]) -> None:
        self.doors, self.argv = doors, argv

    async def write(self, text: str) -> None:
        if not self.doors.reads(self.argv, text.encode()):
            self.doors.wrote.append(text)

    async def read_line(self, timeout: float) -> str | None:
        return None

    async def close(self) -> int:
        return 0


class _Commands:
    """Commands on this computer, or on a machine."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Result:
        return self.doors.command(argv, stdin)

    async def spawn(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> _Process:
        self.doors.ask(" ".join(argv))
        return _Process(self.doors, argv)


class _Clock:
    """Time that passes as soon as one waits for it."""

    def __init__(self, doors: Doors) -> None:
        self.doors, self.passed = doors, 0.0

    def now(self) -> float:
        return 1_700_000_000.0 + self.passed

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += max(0.001, seconds)
        self.doors.sleeps += 1
        if self.doors.sleeps > MOST_SLEEPS:
            raise Unreachable("nothing answers", why="the driver waited for ever")


class _Objects:
    """An empty bucket."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def get(self, key: str) -> tuple[bytes, str] | None:
        self.doors.ask(f"get {key}")
        return None

    async def head(self, key: str) -> Stat | None:
        self.doors.ask(f"head {key}")
        return None

    async def create(self, key: str, body: bytes) -> str:
        self.doors.ask(f"create {key}", writes=True)
        return "etag"

    async def swap(self, key: str, body: bytes, etag: str) -> str:
        self.doors.ask(f"swap {key}", writes=True)
        return "etag"

    async def put(self, key: str, body: bytes) -> str:
        self.doors.ask(f"put {key}", writes=True)
        return "etag"

    async def delete(self, key: str) -> None:
        self.doors.ask(f"delete {key}", writes=True)

    async def list(self, prefix: str) -> AsyncIterator[Stat]:
        self.doors.ask(f"list {prefix}")
        nothing: tuple[Stat, ...] = ()
        for each in nothing:
            yield each


class _Accounts:
    """A treasury without accounts."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def exists(self, name: str) -> bool:
        self.doors.ask(f"look for account {name}")
        return False

    def __getattr__(self, name: str) -> Any:
        async def change(*_: object) -> None:
            self.doors.ask(f"{name} of an account", writes=True)

        return change


class _Images:
    """An image store that has every image."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    def reference(self, recipe: Recipe) -> str:
        return f"localhost/castle-{recipe.name}:rehearsal"

    async def present(self, recipe: Recipe) -> bool:
        self.doors.ask(f"look for image {recipe.name}")
        return True

    async def build(self, recipe: Recipe, progress: Any) -> str:
        self.doors.ask(f"build image {recipe.name}", writes=True)
        return self.reference(recipe)

    async def present_reference(self, reference: str) -> bool:
        self.doors.ask(f"look for image {reference}")
        return True

    async def pull(self, reference: str, progress: Any) -> str:
        self.doors.ask(f"look for image {reference}")  # it is there
        return reference

    async def published(self, recipe: Recipe, at: str) -> bool:
        self.doors.ask(f"look for image {recipe.name} at {at}")
        return True

    async def publish(self, recipe: Recipe, at: str, progress: Any) -> None:
        self.doors.ask(f"publish image {recipe.name} at {at}", writes=True)

    async def drop(self, recipe: Recipe) -> None:
        self.doors.ask(f"drop image {recipe.name}", writes=True)


class _Names:
    """Name servers of a zone in which nothing stands, and which take every change."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def query(self, server: str, name: str, type_: str) -> NameAnswer:
        self.doors.ask(f"query {name} {type_}")
        if type_ == "SOA":
            soa = NameSet(name, "SOA", ("ns. root. 1 60 60 60 60",), 60)
            return NameAnswer("NOERROR", authoritative=True, sets=(soa,))
        return NameAnswer("NXDOMAIN", authoritative=True)

    async def update(self, server: str, change: NameChange, key: TsigKey | None) -> None:
        self.doors.ask(f"update {change.zone}", writes=bool(change.put))


class _Acme:
    """A certificate authority that has just answered, and gives nothing more."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def directory(self, url: str, ca: str) -> AcmeDirectory:
        self.doors.ask(f"directory {url}")
        return AcmeDirectory(url)

    def __getattr__(self, name: str) -> Any:
        async def change(*_: object) -> None:
            self.doors.ask(f"{name} of a certificate authority", writes=True)
            raise RateLimited("no more certificates in a rehearsal")

        return change


class _Pages:
    """A page that nobody sees."""

    address, shown, ending = "10.0.0.1", False, False

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def show(self, castle: str, retry: int, chain: str, key: Secret | None) -> None:
        self.doors.ask("show a page", writes=True)

    async def end(self, at: float) -> None:
        self.doors.ask("end a page", writes=True)


class _Enclosure:
    """A network namespace that is not there; commands carry its name."""

    name = network = treasury_host = "rehearsal"
    gateway, treasury_port, image_store = "10.0.0.1", 443, "/images"

    def enter(self, argv: Sequence[str]) -> list[str]:
        return ["enter", *argv]

    def podman(self, *args: str) -> list[str]:
        return ["podman", *args]

    def podman_env(self) -> dict[str, str]:
        return {}


class _Source:
    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def resolve(self, ref: str = "") -> Revision:
        self.doors.ask(f"resolve {ref}")
        return Revision("0" * 40, ref or "main", "remote", "rehearsal", 1_700_000_000.0)

    async def read(self, sha: str, folder: str = "") -> Mapping[str, File]:
        self.doors.ask(f"read {folder}")
        return {}

    async def is_kept(self, sha: str, ref: str = "") -> bool:
        self.doors.ask(f"is kept {sha}")
        return True

    async def keep(self, sha: str, ref: str = "") -> None:
        self.doors.ask(f"keep {sha}", writes=True)

    async def lend(self, sha: str, branch: str) -> str:
        self.doors.ask(f"lend {sha}", writes=True)
        return lent_url("10.0.0.1")


class RehearsalWorld:
    """All doors, over one `Doors`."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self.exec = _Commands(doors)
        self.clock = _Clock(doors)
        self.objects = _Objects(doors)
        self.identities = _Accounts(doors)
        self.images = _Images(doors)
        self.names = _Names(doors)
        self.acme = _Acme(doors)
        self.pages = _Pages(doors)
        self.enclosure = _Enclosure()
        self.access = TreasuryAccess("bucket", "castle", "us-east-1", "treasury", 443, "", path_style=True)
        self.computer = {"id": "computer-1", "host": "tower", "boot": "boot-1", "memory_total": 1 << 40, "cpus": 2}

    @property
    def source(self) -> _Source:
        """A repository in which every revision is the same empty commit."""
        return _Source(self.doors)

    @property
    def room(self) -> None:
        """Layers know nothing of a drill's room."""
        return

    async def publish(self, name: str, address: str, port: int) -> int:
        """Opens no door."""
        self.doors.ask(f"publish {name}", writes=True)
        return 1

    def door(self, name: str, address: str, port: int) -> int:
        """Stands already."""
        self.doors.ask(f"look for the door {name}")
        return 1

    async def settle(self) -> int:
        """Has no disk."""
        self.doors.ask("settle", writes=True)
        return 0

    def kubernetes(self, access: ClusterAccess) -> RehearsalCluster:
        """A cluster that answers as told."""
        return RehearsalCluster(self.doors)

    def kubeconfig(self, files: str, context: str, beside: str = "") -> ClusterAccess:
        """A key that opens nothing."""
        return ClusterAccess(RehearsalCluster.server, "ca", token=Secret("token"))

    def podman_transport(self, container: str) -> _Commands:
        """A way into a machine that answers as told."""
        return _Commands(self.doors)

    def ssh_transport(self, address: str, user: str, key: str, host_key: str) -> _Commands:
        """A way into a machine that answers as told."""
        return _Commands(self.doors)


class RehearsalSecrets:
    """Every secret is known. `known`: those that must have a form."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self.known = known or {}

    async def get(self, name: str) -> Secret | None:
        """The known one, or one that is made from its name."""
        return Secret(self.known.get(name, f"secret of {name}"))

    async def put(self, name: str, value: Secret) -> None:
        """Keeps nothing."""


@dataclass
class RehearsalContext:
    """Implements `spi.driver.Context` for one step of a run that never takes place."""

    layer: Layer
    options: Any
    request: Request
    record: Record
    known: Mapping[str, Mapping[str, Any]]
    world: Any
    secrets: RehearsalSecrets = field(default_factory=RehearsalSecrets)
    run: str = "rehearsal"
    attempt: int = 2
    started: float = 1_700_000_000.0
    old_life: int = 1
    life: int = 2
    passed_no_return: bool = False
    said: list[str] = field(default_factory=list)

    def facts(self, step_id: str) -> Mapping[str, Any]:
        """What the subject says that earlier steps found."""
        return self.known.get(step_id, {})

    def published(self, layer: str, fact: str) -> Any:
        """From what the subject says that earlier steps found."""
        found = [facts[fact] for step, facts in self.known.items() if step.split(".")[0] == layer and fact in facts]
        return found[-1] if found else None

    def claims(self) -> Sequence[Claim]:
        """Nothing is claimed."""
        return ()

    def progress(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        """Keeps the text."""
        self.said.append(text)

    async def intent(self, what: str, /, **data: Any) -> None:
        """Keeps the text."""
        self.said.append(f"{what} {data}")

    def decided(self, decision: str, reason: str, /, **inputs: Any) -> None:
        """Keeps the text."""
        self.said.append(f"{decision}: {reason}")

    def diagnostic(self, severity: str, text: str) -> None:
        """Keeps the text."""
        self.said.append(f"{severity}: {text}")

    async def machine(self, name: str, *, old: bool = False) -> Machine:
        """A machine that answers as told."""
        life = self.old_life if old else self.life
        return Machine(431, name, life, "10.0.0.31", _Commands(self.world.doors), "/opt/images")

    async def cluster(self, *, old: bool = False) -> RehearsalCluster:
        """A cluster that answers as told."""
        return RehearsalCluster(self.world.doors)
