"""Stand-ins for the outside, for tests and rehearsals: a bucket in memory, a clock that is turned by hand."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ephemeral_castle.errors import Conflict, NotFound
from ephemeral_castle.spi.kubernetes import ClusterAccess
from ephemeral_castle.spi.room import Room
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.source import lent_url
from ephemeral_castle.spi.world import Clock, File, Revision, Rights, Stat, TreasuryAccess
from ephemeral_castle.world.simulated_names import MemoryNames, MemoryPages

Hook = Callable[[str, str], Awaitable[None]]


class ManualClock:
    """Time that passes only by `sleep` and `advance`. `start`: Unix seconds."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._monotonic = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Lets the time pass at once."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Lets the time pass."""
        self._now += seconds
        self._monotonic += seconds


class MemoryObjects:
    """A bucket with the semantics of S3: conditional writes, ETags that are the body's MD5, listing in key order.

    Attributes:
        data: key -> (body, ETag, modified). Change it directly to play somebody else.
        calls: every operation as (name, key), in order.
        before: awaited ahead of each operation as (name, key); raise from it for a server that does not answer.
        after: awaited once it was carried out; raise from it for an answer that got lost on its way.
        latency: seconds by the clock that each operation takes.
    """

    def __init__(self, clock: Clock | None = None, *, latency: float = 0.0) -> None:
        self.data: dict[str, tuple[bytes, str, float]] = {}
        self.calls: list[tuple[str, str]] = []
        self.before: Hook | None = None
        self.after: Hook | None = None
        self.latency = latency
        self.clock: Clock = clock or ManualClock()

    async def _begin(self, name: str, key: str) -> None:
        self.calls.append((name, key))
        if self.latency:
            await self.clock.sleep(self.latency)
        if self.before is not None:
            await self.before(name, key)

    async def _end(self, name: str, key: str) -> None:
        if self.after is not None:
            await self.after(name, key)

    def _store(self, key: str, body: bytes) -> str:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self.data[key] = (bytes(body), etag, self.clock.now())
        return etag

    async def get(self, key: str) -> tuple[bytes, str] | None:
        """See `spi.world.Objects`."""
        await self._begin("get", key)
        found = self.data.get(key)
        await self._end("get", key)
        return None if found is None else found[:2]

    async def head(self, key: str) -> Stat | None:
        """See `spi.world.Objects`."""
        await self._begin("head", key)
        found = self.data.get(key)
        await self._end("head", key)
        return None if found is None else Stat(key, len(found[0]), found[1], found[2])

    async def create(self, key: str, body: bytes) -> str:
        """See `spi.world.Objects`."""
        await self._begin("create", key)
        if key in self.data:
            raise Conflict(f"writing {key} under a condition failed", why="it exists already")
        etag = self._store(key, body)
        await self._end("create", key)
        return etag

    async def swap(self, key: str, body: bytes, etag: str) -> str:
        """See `spi.world.Objects`."""
        await self._begin("swap", key)
        found = self.data.get(key)
        if found is None or found[1] != etag:
            why = "it was deleted" if found is None else "somebody else changed it"
            raise Conflict(f"writing {key} under a condition failed", why=why)
        new = self._store(key, body)
        await self._end("swap", key)
        return new

    async def put(self, key: str, body: bytes) -> str:
        """See `spi.world.Objects`."""
        await self._begin("put", key)
        etag = self._store(key, body)
        await self._end("put", key)
        return etag

    async def delete(self, key: str) -> None:
        """See `spi.world.Objects`."""
        await self._begin("delete", key)
        self.data.pop(key, None)
        await self._end("delete", key)

    async def list(self, prefix: str) -> AsyncIterator[Stat]:
        """See `spi.world.Objects`."""
        await self._begin("list", prefix)
        for key in sorted(self.data):
            if key.startswith(prefix) and key in self.data:
                body, etag, modified = self.data[key]
                yield Stat(key, len(body), etag, modified)
        await self._end("list", prefix)


class MemoryIdentities:
    """Accounts of a treasury.

    Attributes:
        accounts: name -> kind.
        revoked: names of those that were taken away, in order.
        before: awaited ahead of each operation as (name, account).
    """

    def __init__(self) -> None:
        self.accounts: dict[str, str] = {}
        self.rights: dict[str, tuple[Rights, ...]] = {}
        self.folders: dict[str, str] = {}
        self.revoked: list[str] = []
        self.before: Hook | None = None

    async def _begin(self, name: str, account: str) -> None:
        if self.before is not None:
            await self.before(name, account)

    async def mint_writer(self, name: str, secret: str, rights: Sequence[Rights]) -> None:
        """See `spi.world.Identities`."""
        await self._begin("mint_writer", name)
        self.accounts[name] = "writer"
        self.rights[name] = tuple(rights)

    async def may_write(self, name: str, rights: Sequence[Rights]) -> bool:
        """See `spi.world.Identities`."""
        await self._begin("may_write", name)
        return name in self.accounts and self.rights.get(name) == tuple(rights)

    async def mint_reader(self, name: str, secret: str, repositories: str = "pgbackrest") -> None:
        """See `spi.world.Identities`."""
        await self._begin("mint_reader", name)
        self.accounts[name] = "reader"
        self.folders[name] = repositories

    async def may_read(self, name: str, repositories: str = "pgbackrest") -> bool:
        """See `spi.world.Identities`."""
        await self._begin("may_read", name)
        return self.accounts.get(name) == "reader" and self.folders.get(name) == repositories

    async def mint_keeper(self, name: str, secret: str, repositories: str = "pgbackrest") -> None:
        """See `spi.world.Identities`."""
        await self._begin("mint_keeper", name)
        self.accounts[name] = "keeper"
        self.folders[name] = repositories

    async def may_keep(self, name: str, repositories: str = "pgbackrest") -> bool:
        """See `spi.world.Identities`."""
        await self._begin("may_keep", name)
        return self.accounts.get(name) == "keeper" and self.folders.get(name) == repositories

    async def revoke(self, name: str) -> None:
        """See `spi.world.Identities`."""
        await self._begin("revoke", name)
        if self.accounts.pop(name, None) is not None:
            self.revoked.append(name)

    async def exists(self, name: str) -> bool:
        """See `spi.world.Identities`."""
        await self._begin("exists", name)
        return name in self.accounts


class MemorySecrets:
    """A source of secrets that remembers them as long as it lives."""

    def __init__(self) -> None:
        self.known: dict[str, Secret] = {}

    async def get(self, name: str) -> Secret | None:
        """See `spi.secret.SecretSource`."""
        return self.known.get(name)

    async def put(self, name: str, value: Secret) -> None:
        """See `spi.secret.SecretSource`."""
        self.known[name] = value


class MemorySource:
    """A repository in memory: refs, and the files of each commit.

    Attributes:
        refs: branch or tag -> commit id. Change it to play a push.
        commits: commit id -> path -> file.
        kept: commit ids that were kept in the treasury, with what was asked for, in order.
        lent: commit ids that machines may read, with their branch, in order.
        before: awaited ahead of each operation as (name, ref or commit); raise from it for a host that is silent.
    """

    def __init__(self) -> None:
        self.refs: dict[str, str] = {}
        self.commits: dict[str, dict[str, File]] = {}
        self.kept: list[tuple[str, str]] = []
        self.lent: list[tuple[str, str]] = []
        self.before: Hook | None = None

    def commit(self, files: Mapping[str, str | bytes], ref: str = "main") -> str:
        """Adds a commit with these files and lets a ref name it; gives its id."""
        made = {
            path: File(path, text.encode() if isinstance(text, str) else text, 0o644) for path, text in files.items()
        }
        content = repr(sorted((path, file.content) for path, file in made.items()))
        sha = hashlib.sha1(f"{len(self.commits)}{content}".encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = made
        self.refs[ref] = sha
        return sha

    async def _begin(self, name: str, what: str) -> None:
        if self.before is not None:
            await self.before(name, what)

    async def resolve(self, ref: str = "") -> Revision:
        """See `spi.world.Source`."""
        wanted = ref or "main"
        await self._begin("resolve", wanted)
        sha = self.refs.get(wanted, wanted)
        if sha not in self.commits:
            raise NotFound(f"the repository has no `{wanted}`", hints=sorted(self.refs))
        name = f"refs/heads/{wanted}" if wanted in self.refs else ""
        subject = f"commit {list(self.commits).index(sha) + 1}"
        return Revision(sha, wanted, "remote", subject, 1_700_000_000.0, name=name)

    async def read(self, sha: str, folder: str = "") -> Mapping[str, File]:
        """See `spi.world.Source`."""
        await self._begin("read", sha)
        below = f"{folder.strip('/')}/" if folder.strip("/") else ""
        found = {
            path.removeprefix(below): File(path.removeprefix(below), file.content, file.mode)
            for path, file in self.commits.get(sha, {}).items()
            if path.startswith(below)
        }
        if not found:
            raise NotFound(f"the repository has no folder `{folder}`", where=sha[:12])
        return found

    async def is_kept(self, sha: str, ref: str = "") -> bool:
        """See `spi.world.Source`."""
        return (sha, ref) in self.kept

    async def keep(self, sha: str, ref: str = "") -> None:
        """See `spi.world.Source`."""
        await self._begin("keep", sha)
        if (sha, ref) not in self.kept:
            self.kept.append((sha, ref))

    async def lend(self, sha: str, branch: str) -> str:
        """See `spi.world.Source`."""
        await self._begin("lend", sha)
        self.lent.append((sha, branch))
        return lent_url("10.0.0.1")


@dataclass
class SimulatedWorld:
    """A world of treasury and clock only: there are no processes, no images and no machines behind it."""

    clock: Clock
    objects: MemoryObjects
    identities: MemoryIdentities | None = field(default_factory=MemoryIdentities)
    computer: Mapping[str, Any] = field(
        default_factory=lambda: {"id": "computer-1", "host": "tower", "boot": "boot-1", "memory_total": 1 << 35}
    )
    access: TreasuryAccess = field(
        default_factory=lambda: TreasuryAccess("bucket", "castle", "us-east-1", "treasury", 443, "", path_style=True)
    )
    published: dict[str, str] = field(default_factory=dict)
    source: MemorySource | None = None
    room: Room | None = None
    names: MemoryNames = field(default_factory=MemoryNames)
    acme: Any = None
    pages: MemoryPages = field(default_factory=MemoryPages)

    async def settle(self) -> int:
        """See `spi.world.World`; memory has no disk to wait for."""
        return 0

    async def publish(self, name: str, address: str, port: int) -> int:
        """See `spi.world.World`."""
        self.published[name] = f"{address}:{port}"
        return 20_000 + len(self.published)

    def door(self, name: str, address: str, port: int) -> int:
        """See `spi.world.World`."""
        return 20_000 + len(self.published) if self.published.get(name) == f"{address}:{port}" else 0

    @property
    def exec(self) -> NoReturn:
        """There are no processes here."""
        raise NotImplementedError("a simulated world starts no process")

    @property
    def images(self) -> NoReturn:
        """There are no images here."""
        raise NotImplementedError("a simulated world has no images")

    @property
    def enclosure(self) -> NoReturn:
        """There is no network here."""
        raise NotImplementedError("a simulated world has no network")

    def kubernetes(self, access: ClusterAccess) -> NoReturn:
        """There is no cluster here."""
        raise NotImplementedError("a simulated world has no cluster")

    def kubeconfig(self, files: str, context: str, beside: str = "") -> NoReturn:
        """There is no cluster here."""
        raise NotImplementedError("a simulated world has no cluster")

    def podman_transport(self, container: str) -> NoReturn:
        """There are no machines here."""
        raise NotImplementedError("a simulated world has no machines")

    def ssh_transport(self, address: str, user: str, key: str, host_key: str) -> NoReturn:
        """There are no machines here."""
        raise NotImplementedError("a simulated world has no machines")
