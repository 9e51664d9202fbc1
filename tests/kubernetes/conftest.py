"""One real API server for all tests of a module, unless that makes its own `control`; a client of it, and Flux."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.control import Control, running
from tests.kubernetes.fluxes import RealBed, flux


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    with running(Path(tmp_path_factory.mktemp("control"))) as made:
        yield made


@pytest_asyncio.fixture
async def cluster(control: Control) -> AsyncIterator[HttpCluster]:
    made = HttpCluster(control.access(), SystemClock())
    try:
        yield made
    finally:
        await made.close()
        with warnings.catch_warnings():  # what a killed server leaves half open belongs to this test, not to the next
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest_asyncio.fixture
async def bed(control: Control, cluster: HttpCluster, tmp_path: Path) -> AsyncIterator[RealBed]:
    """A castle whose Flux runs on that API server: one of the test's own, since Flux is everywhere in it."""
    async with flux(control, cluster, tmp_path) as made:
        yield made
