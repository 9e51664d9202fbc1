"""What lies in the treasury that a castle keeps itself, as its server tells: on its disk deleted objects stay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.s3 import Endpoint
from ephemeral_castle.world.sigv4 import Credentials
from tests.e2e.castles import TestCastle

T = TypeVar("T")


def ask(castle: TestCastle, work: Callable[[S3Objects], Awaitable[T]]) -> T:
    """Does something with the castle's objects, by its own key."""
    keys = KeyFile.load(castle.base / "castle.key")
    state = castle.here.base / "state" / f"{castle.name}.treasury"
    address = castle.data("status")["addresses"]["treasury"]
    endpoint = Endpoint(f"https://{address}", castle.name, castle.name, ca=(state / "tls" / "ca.pem").read_text())

    async def asked() -> T:
        async with S3Objects(endpoint, Credentials(keys.access_key, keys.secret_key), SystemClock()) as objects:
            return await work(objects)

    return asyncio.run(asked())


def names(castle: TestCastle, folder: str) -> list[str]:
    """Keys below a folder of the castle's, without it."""

    async def work(objects: S3Objects) -> list[str]:
        return [stat.key.removeprefix(f"{folder}/") async for stat in objects.list(f"{folder}/")]

    return ask(castle, work)
