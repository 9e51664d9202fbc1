"""One real API server for all tests of a module, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.control import Control, missing


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    why = missing()
    if why:
        pytest.skip(why)
    made = Control(Path(tmp_path_factory.mktemp("control")))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest_asyncio.fixture
async def cluster(control: Control) -> AsyncIterator[HttpCluster]:
    made = HttpCluster(control.access(), SystemClock())
    try:
        yield made
    finally:
        await made.close()
