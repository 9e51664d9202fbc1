"""An S3 server outside of every castle, which a test can stop, damage and mend."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ephemeral_castle.errors import Unreachable
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.sigv4 import Credentials
from ephemeral_castle.world.treasury_server import LocalTreasury, Place
from ephemeral_castle.world.vault import TreasuryVault
from tests.e2e.castles import TestCastle

T = TypeVar("T")
BUCKET = "vault"


def free_port() -> int:
    """A port of the loopback that nobody holds now."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


class YearsAgo(SystemClock):
    """A clock that makes certificates which have expired."""

    def now(self) -> float:
        """400 days ago."""
        return super().now() - 400 * 86400


class Treasury:
    """versitygw on a loopback port, as somebody else's S3 service would be for the castle.

    Castles get prefixes in one bucket; `definition` gives the line of castle.yaml.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.keys = KeyFile.generate("outside")
        self.port = free_port()
        self.place = Place(base / "treasury", base / "treasury-run", "127.0.0.1", self.port)
        self.credentials = Credentials(self.keys.access_key, self.keys.secret_key)
        self.server = LocalTreasury(self.place, self.credentials, SystemClock())
        self.start()
        asyncio.run(self.server.create_bucket(BUCKET))
        self.ca = base / "ca.pem"
        self.ca.write_text(self.server.ca)

    def start(self) -> None:
        """Starts the server, if it does not run."""
        asyncio.run(self.server.ensure())

    def stop(self) -> None:
        """Ends the server; objects stay."""
        asyncio.run(self.server.stop())

    def close(self) -> None:
        """Ends the server and removes all objects."""
        self.stop()
        shutil.rmtree(self.base)

    def age_certificate(self) -> None:
        """Starts the server anew with a certificate that expired a month ago; `start` renews it."""
        self.stop()
        for name in ("server.pem", "server.key"):
            (self.place.state / "tls" / name).unlink()
        old = LocalTreasury(self.place, self.credentials, YearsAgo(), start_deadline=0.5)
        with contextlib.suppress(Unreachable):  # it waits for an answer that it could trust
            asyncio.run(old.ensure())

    def files(self, castle: TestCastle, pattern: str) -> list[Path]:
        """Objects of a castle's repository as the server keeps them on its disk."""
        found = (self.place.state / "store" / BUCKET / castle.name / "pgbackrest" / "database").glob(pattern)
        return sorted(path for path in found if path.is_file())

    @contextlib.contextmanager
    def without(self, castle: TestCastle, *patterns: str) -> Iterator[None]:
        """Some objects of a castle's repository are gone for a moment."""
        gone = [path for pattern in patterns for path in self.files(castle, pattern)]
        assert gone, f"nothing is called {patterns}"
        aside = self.base / "aside"
        aside.mkdir()
        for number, path in enumerate(gone):
            path.rename(aside / str(number))
        try:
            yield
        finally:
            for number, path in enumerate(gone):
                path.parent.mkdir(parents=True, exist_ok=True)
                (aside / str(number)).rename(path)
            aside.rmdir()

    def key_file(self, path: Path, *, access_key: str = "", secret_key: str = "") -> Path:
        """A new key file with an identity of its own and the keys of this server, or wrong ones."""
        made = KeyFile.generate("outside")
        secret = Secret(secret_key) if secret_key else self.keys.secret_key
        whole = KeyFile(made.castle, made.identity, access_key or self.keys.access_key, secret)
        return whole.write(path)

    def definition(self, prefix: str, keys: Path, *, bucket: str = BUCKET, port: int = 0) -> str:
        """The value of `treasury:` for a castle with that prefix."""
        endpoint = f"https://localhost:{port or self.port}"
        return f"{{url: s3://{bucket}/{prefix}, endpoint: '{endpoint}', ca: {self.ca}, keys: {keys}}}"

    def castle(self, base: Path, **options: str) -> TestCastle:
        """A castle that keeps its treasure here, under a prefix of its own name."""
        made = TestCastle(base, **options)
        keys = self.key_file(base / "castle.key")
        made.treasury = self.definition(made.name, keys)
        made.write(**options)
        return made

    def ask(self, what: Callable[[S3Objects], Awaitable[T]], prefix: str = "") -> T:
        """Something done with the custodian's key."""

        async def work() -> T:
            async with self.server.objects(BUCKET, prefix) as objects:
                return await what(objects)

        return asyncio.run(work())

    def names(self, prefix: str) -> list[str]:
        """Keys below a prefix."""

        async def work(objects: S3Objects) -> list[str]:
            return [stat.key async for stat in objects.list(prefix)]

        return self.ask(work)

    def read(self, key: str) -> bytes:
        """The body of an object."""
        found = self.ask(lambda objects: objects.get(key))
        assert found is not None, f"{key} is not there"
        return found[0]

    def write(self, key: str, body: bytes) -> None:
        """Replaces an object."""
        self.ask(lambda objects: objects.put(key, body))

    def remove(self, prefix: str) -> None:
        """Deletes everything below a prefix with all versions."""
        self.ask(lambda objects: objects.remove_all(prefix))

    def secret(self, castle: TestCastle, name: str) -> str:
        """A secret of a castle's vault."""

        async def work(objects: S3Objects) -> str:
            found = await self._vault(castle, objects).get(name)
            assert found is not None, f"the vault has no {name}"
            return found.reveal()

        return self.ask(work, castle.name)

    def put_secret(self, castle: TestCastle, name: str, value: str) -> None:
        """Changes a secret in a castle's vault."""
        self.ask(lambda objects: self._vault(castle, objects).put(name, Secret(value)), castle.name)

    @staticmethod
    def _vault(castle: TestCastle, objects: S3Objects) -> TreasuryVault:
        return TreasuryVault(objects, KeyFile.load(castle.base / "castle.key"))


@contextlib.contextmanager
def standing_beside() -> Iterator[tuple[Treasury, TestCastle]]:
    """A castle in its first life with a treasury beside it; no trace of either stays, on any computer of the test."""
    base = Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp"))
    treasury = Treasury(base)
    castle = treasury.castle(base)
    try:
        castle.raise_()
        yield treasury, castle
    finally:
        treasury.stop()
        castle.down()
