"""Accounts of a versitygw treasury. Implements `spi.world.Identities` with the custodian's key.

Source: versitygw 1.8.0, s3api/admin-router.go and s3api/controllers/admin.go: PATCH /create-user, /update-user,
/delete-user, /list-users, XML bodies of auth.Account, signed like any S3 request by the root account.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ephemeral_castle.errors import Conflict, Permanent, Refused
from ephemeral_castle.world.bucket_policy import Grant, keeper_grants, reader_grants, rewrite, same, writer_grants
from ephemeral_castle.world.flock import locked
from ephemeral_castle.world.s3_answers import Answer, parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from ephemeral_castle.spi.world import Rights
    from ephemeral_castle.world.objects import S3Objects

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{2,127}")  # it travels in `Authorization`, where `/` and `,` separate
_TRIES = 6


class VersityIdentities:
    """Writers, readers and keepers of one bucket.

    Args:
        objects: the bucket, with the custodian's key.
        lock: a file by which processes of this computer take turns at the policy; None: nobody else is here.
    """

    def __init__(self, objects: S3Objects, lock: Path | None = None) -> None:
        self._shared = lock
        self._objects = objects
        self._client = objects.client
        self._prefix = objects.endpoint.prefix
        self._lock = asyncio.Lock()

    async def mint_writer(self, name: str, secret: str, rights: Sequence[Rights]) -> None:
        """See `spi.world.Identities`."""
        await self._mint(name, secret, writer_grants(self._prefix, rights))

    async def may_write(self, name: str, rights: Sequence[Rights]) -> bool:
        """See `spi.world.Identities`."""
        return await self._has(name, writer_grants(self._prefix, rights))

    async def may_read(self, name: str, repositories: str = "pgbackrest") -> bool:
        """See `spi.world.Identities`."""
        return await self._has(name, reader_grants(self._objects.endpoint.full_key(repositories)))

    async def may_keep(self, name: str, repositories: str = "pgbackrest") -> bool:
        """See `spi.world.Identities`."""
        return await self._has(name, keeper_grants(self._objects.endpoint.full_key(repositories)))

    async def mint_reader(self, name: str, secret: str, repositories: str = "pgbackrest") -> None:
        """See `spi.world.Identities`."""
        await self._mint(name, secret, reader_grants(self._objects.endpoint.full_key(repositories)))

    async def mint_keeper(self, name: str, secret: str, repositories: str = "pgbackrest") -> None:
        """See `spi.world.Identities`."""
        await self._mint(name, secret, keeper_grants(self._objects.endpoint.full_key(repositories)))

    async def revoke(self, name: str) -> None:
        """See `spi.world.Identities`. The key is dead once the account is gone; the policy is tidied after."""
        self._check(name)
        async with self._turn():
            # The server answers 200 for an account that is not there, too.
            await self._admin("delete-user", query=[("access", name)], doing=f"revoking {name}")
            if name in await self._living():
                raise Conflict(f"revoking {name} failed", where=self._client.where, why="the account is still there")
            await self._set_rights(name, ())

    async def exists(self, name: str) -> bool:
        """See `spi.world.Identities`."""
        return name in await self._living()

    async def names(self) -> list[str]:
        """All accounts of the server, of every castle on it."""
        return sorted(await self._living())

    async def _has(self, name: str, grants: Sequence[Grant]) -> bool:
        living = await self._living()
        if name not in living:
            return False
        policy, bucket = await self._objects.policy(), self._objects.endpoint.bucket
        return same(policy, rewrite(policy, bucket, name, grants, living))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One change of the policy at a time: in this process, and among runs and drills of this computer."""
        async with self._lock:
            if self._shared is None:
                yield
                return
            async with locked(self._shared):
                yield

    def _check(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise Permanent(f"{name!r} cannot be the name of an account", why="3 to 128 of A-Z a-z 0-9 _ . -")
        if name == self._client.credentials.access_key:
            raise Refused(f"{name} is the custodian of this treasury", why="its rights cannot be changed")

    async def _mint(self, name: str, secret: str, grants: Sequence[Grant]) -> None:
        self._check(name)
        fields = f"<Secret>{escape(secret)}</Secret><Role>user</Role>"
        async with self._turn():
            created = await self._admin(
                "create-user",
                body=f"<Account><Access>{escape(name)}</Access>{fields}</Account>",
                doing=f"creating the account {name}",
            )
            if created.status == 409:
                if created.code != "XAdminUserExists":
                    raise Conflict(f"creating the account {name} failed", where=self._client.where, why=created.code)
                await self._admin(
                    "update-user",
                    query=[("access", name)],
                    body=f"<MutableProps>{fields}</MutableProps>",
                    doing=f"adopting the account {name}",
                )
            await self._set_rights(name, grants)

    async def _set_rights(self, name: str, grants: Sequence[Grant]) -> None:
        """Rewrites the policy and reads it back: there is one per bucket, and it cannot be written conditionally.

        What another computer changed meanwhile is read again before it would be overwritten. Between that look and the
        write somebody may still come; who lost rights by it gets them back by the next `may_write` or `may_read`.
        """
        why = "it was changed by somebody else each time"
        for attempt in range(_TRIES):
            if attempt:
                await self._client.clock.sleep(0.05 * attempt)
            old = await self._objects.policy()
            new = rewrite(old, self._objects.endpoint.bucket, name, grants, await self._living())
            if new == old:
                return
            if await self._objects.policy() != old:
                continue
            try:
                await self._objects.put_policy(new)
            except Permanent as error:
                # An account that the policy still names may have been deleted since: read again.
                if attempt == _TRIES - 1 or "principal" not in error.why.lower():
                    raise
                why = error.why
        raise Conflict("the bucket policy cannot be written", where=self._client.where, why=why)

    async def _living(self) -> set[str]:
        answer = await self._admin("list-users", doing="listing the accounts")
        root = parse(answer.body, "the treasury")  # holds the accounts' secrets: never shown
        return {text for element in root.iter("Access") if (text := element.text)}

    async def _admin(self, action: str, *, query: Sequence[tuple[str, str]] = (), body: str = "", doing: str) -> Answer:
        expect = (409,) if action == "create-user" else ()
        return await self._client.call(
            "PATCH", f"/{action}", query=query, body=body.encode(), doing=doing, expect=expect
        )
