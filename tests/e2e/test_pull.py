"""Pulling from a real registry on the loopback: by name, pinned by digest, with every refusal told apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.errors import NotFound, Unreachable
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.images import ImageStore
from tests.e2e.conftest import TINY
from tests.e2e.registries import needs_registry, registry_in

pytestmark = [pytest.mark.machines, needs_registry, pytest.mark.evidence("real", "podman", "registry")]


def silent(text: str, *, done: float | None = None, total: float | None = None) -> None:
    """Progress that nobody reads."""


@pytest.fixture
def registry(room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """`HOST:PORT` of a registry that lives as long as the test."""
    with registry_in(room) as (host, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield host


async def podman(store: ImageStore, *args: str) -> str:
    code, said = await store._podman(*args, timeout=300, env=("CONTAINERS_REGISTRIES_CONF",))
    assert code == 0, said
    return said


@pytest.fixture
async def pushed(store: ImageStore, registry: str) -> str:
    """An image in the registry."""
    name = f"{registry}/team/tiny:1"
    await podman(store, "push", "--quiet", store.reference(TINY), name)
    return name


async def test_an_image_is_pulled_once_and_known_by_its_digest(room: Path, pushed: str) -> None:
    images = ImageStore(LocalExec(), room / "images")
    assert not await images.present_reference(pushed)
    pinned = await images.pull(pushed, silent)
    assert pinned.startswith(f"{pushed.removesuffix(':1')}@sha256:")
    assert await images.present_reference(pushed)
    assert await images.present_reference(pinned)
    said: list[str] = []
    assert await images.pull(pushed, lambda text, **_: said.append(text)) == pinned
    assert said == []  # nothing was asked of the network
    assert await images.pull(pinned, silent) == pinned


async def test_what_a_registry_lacks_and_a_registry_that_is_gone_are_told_apart(room: Path, pushed: str) -> None:
    images = ImageStore(LocalExec(), room / "images")
    with pytest.raises(NotFound, match="cannot be pulled") as missing:
        await images.pull(pushed.replace(":1", ":2"), silent)
    assert missing.value.state == "nothing was stored"
    host = pushed.partition("/")[0]
    with pytest.raises(Unreachable, match="cannot be pulled"):
        await images.pull(pushed.replace(host, "127.0.0.1:1"), silent)
