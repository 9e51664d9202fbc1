"""Secrets that a castle made itself, kept in its treasury, encrypted to its key file.

One object, so that a change is one compare-and-swap and a copy is always whole. The stock `age` opens it, with the
identity out of the key file: see `world.keys`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Conflict, Damaged
from ephemeral_castle.spi.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ephemeral_castle.spi.world import Objects
    from ephemeral_castle.world.keys import KeyFile

KEY = "secrets.age"
_TRIES = 16


class TreasuryVault:
    """Implements `spi.secret.SecretSource`.

    Args:
        objects: the castle's prefix.
        keys: who may read it.
        steady: read once and taken as it was then, for a look that lasts a moment.
    """

    def __init__(self, objects: Objects, keys: KeyFile, *, steady: bool = False) -> None:
        self._objects = objects
        self._keys = keys
        self._steady = steady
        self._first = asyncio.Lock()
        self._was_read = False
        self._etag = ""
        self._cached: Mapping[str, str] = {}

    async def get(self, name: str) -> Secret | None:
        """The secret of that name, or None. One HEAD when nothing changed since the last look.

        Raises:
            Damaged: the vault was encrypted to another identity, or it is not whole.
        """
        values = await (self._once() if self._steady else self._now())
        return Secret(values[name]) if name in values else None

    async def _now(self) -> Mapping[str, str]:
        stat = await self._objects.head(KEY)
        if stat is None:
            return {}
        return self._cached if stat.etag == self._etag else (await self._load())[0]

    async def _once(self) -> Mapping[str, str]:
        async with self._first:  # many ask at the same moment
            if not self._was_read:
                await self._load()
                self._was_read = True
        return self._cached

    async def names(self) -> list[str]:
        """Names of all secrets."""
        return sorted((await self._load())[0])

    async def put(self, name: str, value: Secret) -> None:
        """Stores a secret; returns when it was read back from the treasury.

        Raises:
            Conflict: others changed the vault all the time.
            Damaged: the vault cannot be read, so it is not overwritten either.
        """
        if not value.reveal():
            raise ValueError(f"the secret {name} is empty")
        await self._change(name, value.reveal())

    async def delete(self, name: str) -> None:
        """Removes a secret; no error when there is none of that name."""
        await self._change(name, None)

    async def _change(self, name: str, value: str | None) -> None:
        for _ in range(_TRIES):
            values, etag = await self._load()
            # Also what is read back after a write of ours ends here: stored means seen in the treasury.
            if values.get(name) == value:
                return
            changed = {key: text for key, text in values.items() if key != name}
            if value is not None:
                changed[name] = value
            try:
                await self._store(changed, etag)
            except Conflict:
                continue
        raise Conflict(f"the secret {name} cannot be stored", where=KEY, why="others changed the vault each time")

    async def _load(self) -> tuple[Mapping[str, str], str]:
        found = await self._objects.get(KEY)
        if found is None:
            self._etag, self._cached = "", {}
            return {}, ""
        body, etag = found
        if etag != self._etag:
            self._cached = self._open(body)
            self._etag = etag
        return self._cached, etag

    def _open(self, body: bytes) -> Mapping[str, str]:
        plain = self._keys.decrypt(body, KEY)
        try:
            stored = json.loads(plain)["secrets"]
        except (ValueError, KeyError, TypeError):
            stored = None
        # Not chained: a parser would quote the plain text.
        if not isinstance(stored, dict) or not all(isinstance(text, str) for text in stored.values()):
            raise Damaged("the vault is not readable", where=KEY, why="it was decrypted, but holds something else")
        return stored

    async def _store(self, values: Mapping[str, str], etag: str) -> None:
        # age takes a fresh file key each time, so no two bodies are equal; the nonce says so without trusting that.
        content = {"v": 1, "nonce": secrets.token_hex(16), "secrets": dict(sorted(values.items()))}
        body = self._keys.encrypt(json.dumps(content).encode())
        if etag:
            await self._objects.swap(KEY, body, etag)
        else:
            await self._objects.create(KEY, body)
