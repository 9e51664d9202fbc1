"""An API server of the tests' own, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from ephemeral_castle.world.kubernetes import HttpCluster
from tests.unit.world.kubernetes.server import Quick, Server, serving


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as made:
        yield made


@pytest_asyncio.fixture
async def cluster(server: Server) -> AsyncIterator[HttpCluster]:
    made = HttpCluster(server.access, Quick())
    try:
        yield made
    finally:
        await made.close()
