from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ephemeral_castle.errors import Conflict, Permanent, Unreachable
from ephemeral_castle.world.enclosure import CastleEnclosure, Site
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.images import ImageStore
from ephemeral_castle.world.memory_files import mount_types
from ephemeral_castle.world.podman_shared import SHARED
from ephemeral_castle.world.transport import podman_transport
from tests.e2e.conftest import TINY, said

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", "podman")]
EXEC = LocalExec()
SEGMENT = Path("/dev/shm/libpod_lock")  # where the default lock manager keeps everybody's locks
NETNS = Path("/run/netns")
IMAGE = ImageStore(EXEC).reference(TINY)


def locks_of_all() -> bytes:
    return SEGMENT.read_bytes()


def named_namespaces() -> set[str]:
    return {entry.name for entry in NETNS.iterdir()}


async def podman(castle: CastleEnclosure, *args: str) -> str:
    result = await EXEC.run(castle.podman(*args), timeout=60)
    assert result.ok, result
    return result.out.strip()


async def machine(castle: CastleEnclosure, name: str, ip: str, *extra: str, command=("sleep", "infinity")) -> str:
    options = ("run", "-d", "--name", name, "--privileged", "--cgroupns=private", "--network", castle.network)
    return await podman(castle, *options, "--ip", ip, "--tmpfs", "/run", *extra, IMAGE, *command)


def computer() -> dict[str, str]:
    """What must stay as it is."""
    return {
        "links": said("ip", "-o", "-br", "link"),
        "addresses": said("ip", "-o", "-br", "address"),
        "forwarding": said("sysctl", "net.ipv4.ip_forward", "net.ipv4.conf.all.route_localnet"),
        "rules": said("iptables-save"),
        "containers": said("podman", "ps", "-a", "--noheading"),
        "images": said("podman", "images", "--noheading"),
        "volumes": said("podman", "volume", "ls"),
        "networks": said("podman", "network", "ls"),
        "etc": said("find", "/etc/containers", "/etc/cni", "-printf", "%p %s %t\n"),
    }


def cut_power(castle: CastleEnclosure, runtime: Path, inits: list[int]) -> None:
    """What a reboot does: every process dies at once, namespaces and tmpfs are gone."""
    inode = (runtime / "mnt").stat().st_ino
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if (process / "ns/mnt").stat().st_ino == inode:
                inits.append(int(process.name))
    for pid in inits:
        assert pid > 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    subprocess.run(["umount", runtime / "mnt"], check=True)
    subprocess.run(["umount", "-l", runtime], check=True)
    subprocess.run(["ip", "netns", "del", castle.name], check=True)
    shutil.rmtree(runtime)


INSIDE = """
import asyncio, pathlib, sys
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.namespaces import Namespaces

async def main():
    made = Namespaces(LocalExec(), sys.argv[1], pathlib.Path(sys.argv[2]))
    try:
        await made.create()
        made.ready.touch()
        print(made.stand())
    finally:
        await made.remove()

asyncio.run(main())
"""


@pytest.mark.parametrize("processor", sorted(os.sched_getaffinity(0)))
def test_stands_inside_a_mount_namespace_that_any_processor_made(processor, tmp_path):
    around = ["taskset", "-c", str(processor), "unshare", "--mount"]
    everywhere = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))))]
    inside = [sys.executable, "-c", INSIDE, f"castle-t-{secrets.token_hex(3)}", str(tmp_path / "run")]
    assert said(*around, *everywhere, *inside).strip() == "True"


async def test_the_computer_stays_as_it_is(new_castle):
    before = computer()
    castle = new_castle()
    await castle.ensure()
    await machine(castle, "m1", "10.89.77.11")
    assert computer() == before
    assert said(*castle.enter(["sysctl", "-n", "net.ipv4.ip_forward"])).strip() == "1"
    mounts = said("nsenter", f"--mount={castle.runtime}/mnt", "cat", "/proc/self/mountinfo")
    for shared in SHARED.values():  # podman's caches stayed on the computer when the last castle had gone
        assert f" {shared} " in mounts, shared
    await castle.remove()
    assert computer() == before


async def test_machines_have_addresses_and_reach_the_gateway(castle):
    await machine(castle, "m1", "10.89.77.11")
    await machine(castle, "m2", "10.89.77.12")
    transport = podman_transport(EXEC, castle, "m1")
    assert (await transport.run(["hostname", "-I"])).out.split() == ["10.89.77.11"]
    for target in ("10.89.77.12", castle.gateway):
        assert (await transport.run(["busybox", "ping", "-c1", "-W2", target])).ok
    assert (await transport.run(["cat", "/etc/castle-test"])).out == "from the recipe\n"


async def test_transport_tells_a_dead_machine_from_a_failing_command(castle):
    await machine(castle, "m1", "10.89.77.11")
    transport = podman_transport(EXEC, castle, "m1")
    assert (await transport.run(["cat"], stdin=b"through")).out == "through"
    for code in (1, 125, 126, 127, 255):
        assert (await transport.run(["sh", "-c", f"exit {code}"])).code == code
    assert (await transport.run(["no-such-program"])).code == 127
    session = await transport.spawn(["cat"])
    await session.write("line\n")
    assert await session.read_line(5) == "line"
    assert await session.close() == 0
    await podman(castle, "stop", "-t", "0", "m1")
    with pytest.raises(Unreachable):
        await transport.run(["true"])
    with pytest.raises(Unreachable):
        await podman_transport(EXEC, castle, "never").run(["true"])


async def test_the_bridge_outlives_the_last_machine(castle):
    await machine(castle, "m1", "10.89.77.11")
    await podman(castle, "rm", "-f", "-t", "0", "m1")
    assert f"{castle.gateway}/24" in said(*castle.enter(["ip", "-br", "address"]))
    await machine(castle, "m2", "10.89.77.11")  # the address is free again
    assert (await podman_transport(EXEC, castle, "m2").run(["busybox", "ping", "-c1", "-W2", castle.gateway])).ok


async def test_two_castles_with_one_subnet_never_meet(new_castle):
    one, two = new_castle(), new_castle()
    await asyncio.gather(one.ensure(), two.ensure())
    await asyncio.gather(machine(one, "m1", "10.89.77.11"), machine(two, "m1", "10.89.77.11"))
    await podman_transport(EXEC, one, "m1").run(["sh", "-c", "echo one > /mark"])
    assert not (await podman_transport(EXEC, two, "m1").run(["cat", "/mark"])).ok
    await one.remove()
    assert (await podman_transport(EXEC, two, "m1").run(["busybox", "ping", "-c1", "-W2", two.gateway])).ok


async def test_locks_of_the_computers_own_podman_stay_held(new_castle, room):
    """The default lock manager is one segment for all podmans: the first start of another would free every lock."""
    name = f"castle-test-{secrets.token_hex(4)}"
    (room / "rootfs").mkdir()
    try:
        said("podman", "create", "--name", name, "--network", "none", "--rootfs", str(room / "rootfs"), "true")
        held = locks_of_all()
        assert any(held[64:])  # the container's lock is marked in there
        castle = new_castle()
        await castle.ensure()
        await machine(castle, "m1", "10.89.77.11")
        assert name not in await podman(castle, "ps", "-a")
        assert list((castle.runtime / "podman/libpod/locks").iterdir())
        await castle.remove()
        assert locks_of_all() == held
    finally:
        said("podman", "rm", "-f", name)


async def test_after_a_reboot_machines_are_listed_and_can_be_started(new_castle, room):
    castle = new_castle("t-reboot" + secrets.token_hex(2))
    await castle.ensure()
    await machine(castle, "m1", "10.89.77.11", "-v", "data:/data")
    await podman_transport(EXEC, castle, "m1").run(["sh", "-c", "echo kept > /data/file; sync"])
    init = int(await podman(castle, "container", "inspect", "--format", "{{.State.Pid}}", "m1"))
    cut_power(castle, castle.runtime, [init])
    assert not await castle.exists()

    await castle.ensure()
    assert await podman(castle, "ps", "--all", "--format", "{{.Names}}") == "m1"
    assert await podman(castle, "ps", "--format", "{{.Names}}") == ""
    await podman(castle, "start", "m1")
    transport = podman_transport(EXEC, castle, "m1")
    assert (await transport.run(["cat", "/data/file"])).out == "kept\n"
    assert (await transport.run(["hostname", "-I"])).out.split() == ["10.89.77.11"]


async def test_a_half_made_enclosure_is_made_again(castle):
    (castle.runtime / "ready").unlink()
    assert not await castle.exists()
    await castle.ensure()
    await machine(castle, "m1", "10.89.77.11")


async def test_ensure_from_several_sides_at_once(new_castle):
    castle = new_castle()
    await asyncio.gather(*(castle.ensure() for _ in range(4)))
    await machine(castle, "m1", "10.89.77.11")


async def test_another_subnet_is_a_conflict(new_castle, room, store, castle):
    other = CastleEnclosure(
        EXEC,
        Site(
            castle.name.removeprefix("castle-"),
            room / castle.name.removeprefix("castle-"),
            castle.runtime,
            store.path,
            "10.1.2.0/24",
        ),
    )
    with pytest.raises(Conflict) as caught:
        await other.ensure()
    assert "10.89.77.0/24" in caught.value.why
    assert "10.1.2.0/24" in caught.value.why


async def test_remove_leaves_no_trace(new_castle, room):
    castle = new_castle()
    await castle.ensure()
    await machine(castle, "m1", "10.89.77.11", "-v", "data:/data")
    server = await asyncio.create_subprocess_exec(*castle.enter(["sleep", "1000"]))
    runtime = castle.runtime
    await castle.remove()
    async with asyncio.timeout(5):
        assert await server.wait() == -signal.SIGTERM
    assert not runtime.exists()
    assert list(room.iterdir()) == []
    assert castle.name not in named_namespaces()
    slug = castle.name.removeprefix("castle-")
    assert [point for point in mount_types() if slug in point] == []
    assert slug not in said("ps", "-eo", "args")
    assert not await castle.exists()
    await castle.remove()


async def test_what_stands_after_its_state_was_deleted_is_found_and_removed(new_castle, room):
    """`castle down` said that there was nothing, while namespaces and machines stood on for ever."""
    castle = new_castle()
    await castle.ensure()
    word = str(secrets.randbelow(10**8) + 10**8)
    await machine(castle, "m1", "10.89.77.11", command=("sleep", word))
    for entry in room.iterdir():
        shutil.rmtree(entry)
    assert not await castle.exists()
    assert castle.left() == [str(NETNS / castle.name), str(castle.runtime)]
    await castle.remove()
    assert castle.left() == []
    assert word not in said("ps", "-eo", "args")


async def test_machines_without_storage_are_ended_before_the_enclosure_is_made_again(new_castle, room):
    """They ran on beside the new life, where no podman could see them."""
    castle = new_castle()
    await castle.ensure()
    word = str(secrets.randbelow(10**8) + 10**8)
    await machine(castle, "m1", "10.89.77.11", command=("sleep", word))
    for entry in room.iterdir():
        shutil.rmtree(entry)
    await castle.ensure()
    assert word not in said("ps", "-eo", "args")
    await machine(castle, "m1", "10.89.77.11")


async def test_secrets_in_the_runtime_directory_are_in_memory(castle):
    assert mount_types()[str(castle.runtime)] == "tmpfs"
    assert castle.runtime.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("slug", ["", "UPPER", "a/b", "-x", "a" * 41])
def test_names_that_cannot_be(slug, room):
    with pytest.raises(Permanent):
        CastleEnclosure(EXEC, Site(slug, room, room, room))
