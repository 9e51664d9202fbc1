"""Real enclosures and a real image; each test has names of its own, and nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ephemeral_castle.spi.world import Recipe
from ephemeral_castle.world.enclosure import CastleEnclosure, Site
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.images import ImageStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

TINY = Recipe(
    "tiny",
    ("busybox-static", "openssh-server"),
    {"/etc/castle-test": "from the recipe\n", "/usr/local/bin/hello": "#!/bin/sh\necho hello\n"},
    ("mkdir -p /run/sshd", "rm -f /etc/ssh/ssh_host_*"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("machines"):
                item.add_marker(pytest.mark.skip(reason="machines need root"))


@pytest.fixture
def room() -> Iterator[Path]:
    """A directory on a real disk (overlay does not stand on every tmpfs)."""
    directory = Path(tempfile.mkdtemp(prefix="castle-test-", dir="/var/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def store() -> Iterator[ImageStore]:
    """An image store that holds TINY."""
    directory = Path(tempfile.mkdtemp(prefix="castle-test-images-", dir="/var/tmp"))
    images = ImageStore(LocalExec(), directory / "images")
    asyncio.run(images.build(TINY, lambda text, *, done=None, total=None: None))
    yield images
    shutil.rmtree(directory)


@pytest.fixture
async def new_castle(room: Path, store: ImageStore) -> AsyncIterator[Callable[..., CastleEnclosure]]:
    """Makes enclosures that are removed at the end of the test."""
    made: list[CastleEnclosure] = []

    def make(slug: str = "", subnet: str = "10.89.77.0/24") -> CastleEnclosure:
        slug = slug or f"t-{secrets.token_hex(3)}"
        site = Site(slug, room / slug, Path("/run/castle-test") / slug, store.path, subnet)
        made.append(CastleEnclosure(LocalExec(), site))
        return made[-1]

    yield make
    for castle in made:
        await castle.remove()


@pytest.fixture
async def castle(new_castle: Callable[..., CastleEnclosure]) -> CastleEnclosure:
    """One enclosure that stands."""
    enclosure = new_castle()
    await enclosure.ensure()
    return enclosure


def said(*argv: str) -> str:
    """What a command says, errors included."""
    result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    return result.stdout + result.stderr
