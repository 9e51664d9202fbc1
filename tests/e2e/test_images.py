from __future__ import annotations

import asyncio
import dataclasses
import shutil

import pytest

from ephemeral_castle.errors import Conflict, Permanent
from ephemeral_castle.spi.world import Recipe
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.images import ImageStore
from ephemeral_castle.world.memory_files import mount_types
from tests.e2e.conftest import TINY

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", "podman", "debian")]
EXEC = LocalExec()
SMALL = Recipe("small", ("busybox-static",))


class Told:
    """Remembers what progress said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[float] = []

    def __call__(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        self.lines.append(text)
        if done is not None:
            assert total is not None
            assert done <= total
            self.steps.append(done)


async def test_a_built_image_is_found_and_not_built_again(store):
    told = Told()
    assert await store.present(TINY)
    assert await store.build(TINY, told) == store.reference(TINY)
    assert told.lines == []
    assert not await store.present(dataclasses.replace(TINY, commands=()))


async def test_castles_see_it_without_a_copy(store, castle):
    listed = await EXEC.run(castle.podman("images", "--format", "{{.Repository}}:{{.Tag}} {{.ReadOnly}}"))
    assert f"{store.reference(TINY)} true" in listed.out.splitlines()
    argv = castle.podman("run", "--rm", "--network", "none", store.reference(TINY), "hello")
    assert (await EXEC.run(argv)).out == "hello\n"


async def test_nothing_is_mounted_and_no_build_is_left(store):
    assert [point for point in mount_types() if str(store.path) in point] == []
    assert list(store.path.with_name("images.work").glob("build-*")) == []


async def test_two_builders_build_once_and_drop_removes(room):
    one, two = ImageStore(EXEC, room / "images"), ImageStore(EXEC, room / "images")
    told = [Told(), Told()]
    await asyncio.gather(one.build(SMALL, told[0]), two.build(SMALL, told[1]))
    built = [said for said in told if said.steps]
    assert len(built) == 1
    assert built[0].steps == sorted(built[0].steps)
    assert len(built[0].steps) >= 5
    waited = next(said for said in told if not said.steps)
    assert any("another run is building it" in line for line in waited.lines)
    await one.drop(SMALL)
    await one.drop(SMALL)
    assert not await one.present(SMALL)


async def test_an_image_in_use_is_not_dropped(store, castle):
    argv = castle.podman("run", "-d", "--network", "none", store.reference(TINY), "sleep", "100")
    assert (await EXEC.run(argv)).ok
    with pytest.raises(Conflict, match="in use"):
        await store.drop(TINY)
    assert await store.present(TINY)


async def test_missing_package_is_named_and_leaves_nothing(room):
    images = ImageStore(EXEC, room / "images")
    recipe = Recipe("bad", ("no-such-package-anywhere",))
    with pytest.raises(Permanent, match="cannot be built") as caught:
        await images.build(recipe, Told())
    assert "Unable to locate package no-such-package-anywhere" in caught.value.why
    assert not await images.present(recipe)
    assert list((room / "images.work").glob("build-*")) == []


async def test_failing_command_of_the_recipe_is_named(room):
    images = ImageStore(EXEC, room / "images")
    recipe = Recipe("bad", ("busybox-static",), {}, ("echo 'the certificate is missing' >&2; exit 3",))
    with pytest.raises(Permanent) as caught:
        await images.build(recipe, Told())
    assert "the certificate is missing" in caught.value.why


async def test_cancelled_build_leaves_nothing(room):
    images = ImageStore(EXEC, room / "images")
    started = asyncio.Event()

    def progress(text: str, *, done: float | None = None, total: float | None = None) -> None:
        if done is not None and done >= 2:
            started.set()

    task = asyncio.create_task(images.build(SMALL, progress))
    await asyncio.wait_for(started.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list((room / "images.work").glob("build-*")) == []
    assert not await images.present(SMALL)


async def test_full_disk_is_refused_before_it_is_filled(room):
    images = ImageStore(EXEC, room / "images", needed=shutil.disk_usage(room).total * 2)
    with pytest.raises(Permanent, match="no room") as caught:
        await images.build(SMALL, Told())
    assert "MiB are needed" in caught.value.why
