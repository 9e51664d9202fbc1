"""Doors that only let look: what a drill has of the treasury.

A drill is the castle's own program with the castle's own key. That it changes nothing must not rest on every step of
every driver keeping to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ephemeral_castle.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ephemeral_castle.spi.secret import Secret, SecretSource
    from ephemeral_castle.spi.world import Identities, Objects, Rights, Stat

READERS = ("reader", "restic/reader")  # their secrets are kept: an account is of use only with the same one again


def _never(what: str) -> NoReturn:
    raise Permanent(
        f"a drill was about to {what}",
        why="a drill changes nothing in the treasury; this is a bug of castle or of a driver",
        state="it was not done; the living castle and its treasury are as they were",
    )


class ReadingObjects:
    """Implements `spi.world.Objects`. `objects`: the castle's prefix."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def get(self, key: str) -> tuple[bytes, str] | None:
        """See `spi.world.Objects`."""
        return await self._objects.get(key)

    async def head(self, key: str) -> Stat | None:
        """See `spi.world.Objects`."""
        return await self._objects.head(key)

    def list(self, prefix: str) -> AsyncIterator[Stat]:
        """See `spi.world.Objects`."""
        return self._objects.list(prefix)

    async def create(self, key: str, body: bytes) -> str:
        """Never."""
        del body
        _never(f"create {key}")

    async def swap(self, key: str, body: bytes, etag: str) -> str:
        """Never."""
        del body, etag
        _never(f"change {key}")

    async def put(self, key: str, body: bytes) -> str:
        """Never."""
        del body
        _never(f"write {key}")

    async def delete(self, key: str) -> None:
        """Never."""
        _never(f"delete {key}")


class ReadingIdentities:
    """Implements `spi.world.Identities`: readers only."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def exists(self, name: str) -> bool:
        """See `spi.world.Identities`."""
        return await self._identities.exists(name)

    async def may_write(self, name: str, rights: Sequence[Rights]) -> bool:
        """See `spi.world.Identities`."""
        return await self._identities.may_write(name, rights)

    async def may_read(self, name: str, repositories: str = "pgbackrest") -> bool:
        """See `spi.world.Identities`."""
        return await self._identities.may_read(name, repositories)

    async def may_keep(self, name: str, repositories: str = "pgbackrest") -> bool:
        """See `spi.world.Identities`."""
        return await self._identities.may_keep(name, repositories)

    async def mint_reader(self, name: str, secret: str, repositories: str = "pgbackrest") -> None:
        """See `spi.world.Identities`."""
        await self._identities.mint_reader(name, secret, repositories)

    async def mint_writer(self, name: str, secret: str, rights: Sequence[Rights]) -> None:
        """Never."""
        del secret, rights
        _never(f"make the writer {name}")

    async def mint_keeper(self, name: str, secret: str, repositories: str = "pgbackrest") -> None:
        """Never."""
        del secret, repositories
        _never(f"make the keeper {name}")

    async def revoke(self, name: str) -> None:
        """Never."""
        _never(f"revoke {name}")


class BorrowedSecrets:
    """Implements `spi.secret.SecretSource`: the castle's secrets; what a drill makes up is forgotten with it."""

    def __init__(self, secrets: SecretSource) -> None:
        self._secrets = secrets
        self._own: dict[str, Secret] = {}

    async def get(self, name: str) -> Secret | None:
        """See `spi.secret.SecretSource`."""
        return self._own.get(name) or await self._secrets.get(name)

    async def put(self, name: str, value: Secret) -> None:
        """Into memory; a reader's is stored, since its account stays."""
        if name in READERS:
            await self._secrets.put(name, value)
        else:
            self._own[name] = value
