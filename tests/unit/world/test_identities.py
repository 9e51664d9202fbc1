"""Accounts of a treasury whose one policy several processes rewrite."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.spi.world import Rights
from ephemeral_castle.world.identities import VersityIdentities

RIGHTS = Rights(("pgbackrest/database",), ("pgbackrest/database/latest",))
WRITER, READER = "castle-0123abcd-1", "castle-0123abcd-reader"


class Server:
    """A bucket with a policy, and accounts. `between`: awaited once ahead of a look at the policy."""

    def __init__(self) -> None:
        self.text = ""
        self.living: set[str] = set()
        self.looks = 0
        self.between: dict[int, Callable[[], Awaitable[None]]] = {}
        self.client = self
        self.endpoint = SimpleNamespace(bucket="b", prefix="here", full_key=lambda key: f"here/{key}")
        self.credentials = SimpleNamespace(access_key="custodian")
        self.clock = SimpleNamespace(sleep=asyncio.sleep)
        self.where = "here"

    async def policy(self) -> str:
        self.looks += 1
        if later := self.between.pop(self.looks, None):
            await later()
        found = self.text
        await asyncio.sleep(0)
        return found

    async def put_policy(self, text: str) -> None:
        await asyncio.sleep(0)
        self.text = text

    async def call(self, _: str, path: str, *, query: Any = (), body: bytes = b"", **__: Any) -> Any:
        if path == "/create-user":
            name = body.decode().split("<Access>")[1].split("<")[0]
            if name in self.living:
                return SimpleNamespace(status=409, code="XAdminUserExists", body=b"")
            self.living.add(name)
        if path == "/delete-user":
            self.living.discard(dict(query)["access"])
        listed = "".join(f"<A><Access>{name}</Access></A>" for name in sorted(self.living))
        return SimpleNamespace(status=200, code="", body=f"<L>{listed}</L>".encode())


@pytest.fixture
def server() -> Server:
    return Server()


def accounts(server: Server, lock: Path | None = None) -> VersityIdentities:
    return VersityIdentities(cast("Any", server), lock)


async def test_rights_that_came_between_look_and_write_were_overwritten(server: Server) -> None:
    """A drill that made its reader took the new life's writer its rights, and every archived segment was refused."""

    async def meanwhile() -> None:
        await accounts(server).mint_writer(WRITER, "s", [RIGHTS])

    server.between[2] = meanwhile
    await accounts(server).mint_reader(READER, "s")
    assert await accounts(server).may_write(WRITER, [RIGHTS])
    assert await accounts(server).may_read(READER)


async def test_runs_and_drills_of_one_computer_take_turns(server: Server, tmp_path: Path) -> None:
    lock = tmp_path / "accounts.lock"
    names = [f"castle-0123abcd-{number}" for number in range(6)]
    await asyncio.gather(*(accounts(server, lock).mint_writer(name, "s", [RIGHTS]) for name in names))
    for name in names:
        assert await accounts(server).may_write(name, [RIGHTS]), name


async def test_an_account_without_its_rights_counted_as_there(server: Server) -> None:
    """A reader whose statements were lost stayed so: only its name was looked for."""
    mine = accounts(server)
    await mine.mint_reader(READER, "s")
    assert await mine.may_read(READER)
    assert not await mine.may_read(READER, "restic")
    assert not await mine.may_keep(READER)
    server.text = ""
    assert await mine.exists(READER)
    assert not await mine.may_read(READER)
    assert not await mine.may_read("castle-0123abcd-nobody")
