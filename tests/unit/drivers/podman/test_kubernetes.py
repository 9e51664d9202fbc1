"""Machines for Kubernetes: another image, directories of the computer, and a way in that may come later."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from ephemeral_castle.drivers.podman import mounts
from ephemeral_castle.drivers.podman.driver import PodmanDriver
from ephemeral_castle.drivers.podman.fleet import Fleet
from ephemeral_castle.drivers.podman.image import MACHINE
from ephemeral_castle.drivers.podman.image_kubernetes import BASE, FOLDERS, INIT, KERNEL, KUBERNETES
from ephemeral_castle.drivers.podman.images import recipe_of
from ephemeral_castle.drivers.podman.later import Later
from ephemeral_castle.drivers.podman.options import PodmanOptions
from ephemeral_castle.errors import Refused, Unreachable
from ephemeral_castle.model.castle import Layer, Role
from ephemeral_castle.spi.options import read_options
from ephemeral_castle.spi.world import Result
from tests.unit.drivers.test_only_ours import Podman
from tests.unit.world.scripted import ScriptedExec

WRITTEN = {"machines": {"data": {"id": 431}}, "image": "kubernetes", "mounts": {"/opt/kubernetes": "kit"}}


def options(**more: Any) -> PodmanOptions:
    return read_options(PodmanOptions, {**WRITTEN, **more})


def context(podman: Podman, **more: Any) -> Any:
    found = podman.context()
    found.options = options(**more)
    found.request.castle.path = "/srv/castle/castle.yaml"
    return found


async def test_the_image_is_chosen_and_prefetched_by_its_option() -> None:
    assert recipe_of(options()) is KUBERNETES
    assert recipe_of(read_options(PodmanOptions, {"machines": {"data": {"id": 431}}})) is MACHINE
    layer = Layer("machines", Role.GROUND, "podman")
    assert await PodmanDriver().images_of(layer, options(), None) == ([KUBERNETES], [])


async def test_directories_of_the_computer_are_mounted_read_only_and_stand_beside_the_definition() -> None:
    podman = Podman()
    fleet = Fleet(context(podman))
    await fleet.create(fleet.planned("data", 2))
    (made,) = podman.done("run")
    assert made[made.index("/srv/castle/kit:/opt/kubernetes:ro") - 1] == "-v"
    assert made[-2:] == ["localhost/machine-kubernetes", "/usr/local/sbin/machine-init"]


async def test_a_directory_that_is_missing_is_refused_before_anything_is_destroyed() -> None:
    podman = Podman()
    podman.exec = ScriptedExec(lambda argv: Result(1, "", ""))
    with pytest.raises(Refused, match="the directory `/srv/castle/kit` is not on this computer"):
        await mounts.check(context(podman))


@pytest.mark.parametrize("place", ["opt/x", "/", "/opt/../etc", "/run/x", "/var/lib/containers", "/proc"])
def test_what_belongs_to_the_machine_is_not_mounted_over(place: str) -> None:
    with pytest.raises(ValidationError):
        options(mounts={place: "kit"})


def test_a_directory_with_a_colon_is_refused() -> None:
    with pytest.raises(ValidationError, match="is no directory that can be mounted"):
        options(mounts={"/opt/x": "a:b"})


def test_the_first_process_is_a_sound_script() -> None:
    done = subprocess.run(["sh", "-n"], input=INIT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_all_that_a_life_keeps_lies_on_the_volume_and_every_setting_is_a_file() -> None:
    assert BASE.startswith("/var/lib/containers/")
    for folder in ("/etc/kubernetes", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/castle"):
        assert folder in FOLDERS
        assert folder in INIT
    for entry, value in KERNEL.items():
        assert f"{entry} {value}\n" in INIT


class Way:
    """Ends well."""

    closed = False

    async def run(self, argv: Any, **_: Any) -> Result:
        return Result(0, " ".join(argv), "")

    async def spawn(self, argv: Any) -> Any:
        return SimpleNamespace(pid=7)

    async def close(self) -> None:
        self.closed = True


async def test_a_way_in_is_looked_for_when_it_is_needed_and_again_when_there_was_none() -> None:
    """By SSH, the address of a machine that is still to be made was remembered with an empty host key."""
    way, tries = Way(), []

    async def find() -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise Unreachable("the machine has no host key yet")
        return way

    later = Later(find)
    await later.close()
    with pytest.raises(Unreachable):
        await later.run(["true"])
    assert (await later.run(["uname", "-r"])).out == "uname -r"
    assert (await later.spawn(["cat"])).pid == 7
    assert len(tries) == 2
    await later.close()
    assert way.closed


async def test_a_machine_without_a_host_key_is_one_that_does_not_answer() -> None:
    podman = Podman()
    ctx = context(podman, transport="ssh")

    async def get(name: str) -> Any:
        return SimpleNamespace(reveal=lambda: "key")

    async def run(argv: Any, **_: Any) -> Result:
        return Result(1, "", "no such file")

    ctx.secrets = SimpleNamespace(get=get)
    ctx.world.podman_transport = lambda container: SimpleNamespace(run=run)
    ctx.facts = lambda step: {}
    machine = await PodmanDriver().machine("data", ctx, 2)
    with pytest.raises(Unreachable, match="no host key yet"):
        await machine.transport.run(["true"])
