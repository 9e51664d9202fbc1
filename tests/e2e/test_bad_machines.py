"""Machines that cannot be made, will not go, or are not ours."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.castles import TestCastle
from tests.e2e.days import FAILED, REFUSED, as_soon_as, says, serving
from tests.e2e.writers import Writer
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]
DISK = "1500M"
# /usr/bin as seen by one command, without podman: an overlay in a mount namespace of its own.
WITHOUT_PODMAN = """\
set -e
mount -t tmpfs nothing "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay nothing -o "lowerdir=/usr/bin,upperdir=$1/upper,workdir=$1/work" /usr/bin
rm /usr/bin/podman
shift
exec "$@"
"""


# sshd of a machine with a host key that castle has never seen, and with its own again.
OTHER_KEY = """\
set -e
cd /var/lib/containers
cp /run/castle/ssh/authorized_keys /root/allowed
mkdir /root/own
mv ssh_host_ed25519_key* /root/own
pkill -x sshd
sleep 0.2
castle-sshd < /root/allowed
"""
OWN_KEY = """\
set -e
mv /root/own/* /var/lib/containers
pkill -x sshd
sleep 0.2
castle-sshd < /root/allowed
"""


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A small disk of its own: what a castle keeps on it can fill it up."""
    base = Path(tempfile.mkdtemp(prefix="castle-e2e-disk-", dir="/var/tmp"))
    file, point = base / "disk.img", base / "disk"
    subprocess.run(["truncate", "-s", DISK, str(file)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(file)], check=True)
    point.mkdir()
    subprocess.run(["mount", "-o", "loop", str(file), str(point)], check=True)
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def castle(disk: Path) -> Iterator[TestCastle]:
    """Machines on the small disk, entered by SSH; every test leaves them serving."""
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")), transport="ssh")
    storage = made.here.base / "state" / made.name / "podman"
    storage.parent.mkdir(parents=True)
    (disk / "podman").mkdir()
    storage.symlink_to(disk / "podman")
    try:
        made.raise_()
        yield made
    finally:
        made.down()


@contextlib.contextmanager
def defined(castle: TestCastle, old: str, new: str) -> Iterator[None]:
    """Other words in the definition for a moment."""
    good = castle.file.read_text()
    assert old in good
    castle.file.write_text(good.replace(old, new))
    try:
        yield
    finally:
        castle.file.write_text(good)


@pytest.fixture
def newcomer() -> Iterator[TestCastle]:
    """A castle that was never raised."""
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")))
    yield made
    made.down()


def test_without_podman_doctor_and_run_say_what_to_install(newcomer: TestCastle) -> None:
    scratch = newcomer.base / "scratch"
    scratch.mkdir()
    for verb in (["doctor"], ["raise", "--new"]):
        command = [str(Path(sys.executable).with_name("castle")), verb[0], "-f", str(newcomer.file), *verb[1:]]
        argv = ["unshare", "--mount", "sh", "-c", WITHOUT_PODMAN, "sh", str(scratch), *command]
        result = subprocess.run(argv, capture_output=True, text=True, env=newcomer.here.env(), check=False)
        says(result, 8 if verb == ["doctor"] else FAILED, "podman is not installed", "apt-get install", " podman")
    assert not (newcomer.here.base / "run").exists() or not list((newcomer.here.base / "run").glob("*/netns"))


def test_a_port_that_somebody_holds_is_named(newcomer: TestCastle) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with defined(newcomer, "server: here", f"server: here, port: {port}"):
            result = newcomer.run("raise", "--new", ok=False)
            says(result, FAILED, f"port {port} is taken", "held by", "nothing was changed")


def test_too_little_memory_is_refused_before_anything_is_made(castle: TestCastle) -> None:
    life, before = castle.life(), castle.podman("ps", "-aq").stdout
    with serving(castle, life), defined(castle, "memory: 1GiB", "memory: 10TiB"):
        result = castle.rebirth(ok=False)
        says(result, REFUSED, "nothing was created", "larger computer")
        missing = re.search(r"(\d+) MiB of memory too little", result.stdout + result.stderr)
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
        assert missing is not None
        assert abs(int(missing[1]) - ((10 << 20) + 3 * 256 - total)) <= 1
    assert castle.podman("ps", "-aq").stdout == before


def test_a_stranger_with_our_name_is_left_alone(castle: TestCastle) -> None:
    life = castle.life()
    image = castle.podman("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()[0]
    name = f"{castle.name}-{life + 1}-431"
    with serving(castle, life):
        assert castle.podman("create", "--name", name, image, "sleep", "9").returncode == 0
        result = castle.rebirth(ok=False)
        says(result, REFUSED, name, "carries our name but not our mark", "nothing was changed")
        assert name in castle.podman("ps", "-a", "--format", "{{.Names}}").stdout.split()
        assert castle.podman("rm", name).returncode == 0
    assert castle.life() == life


def test_a_strange_volume_of_our_name_is_no_disk_of_ours(castle: TestCastle) -> None:
    """`volume create` said "already exists", and the new machine was made round whatever lay in it."""
    life = castle.life()
    name = f"{castle.name}-{life + 1}-431"
    with serving(castle, life):
        assert castle.podman("volume", "create", name).returncode == 0
        result = castle.rebirth(ok=False)
        says(result, REFUSED, f"volume `{name}`", "carries our name but not our mark", "nothing was changed")
        assert castle.podman("volume", "rm", name).returncode == 0
    assert castle.life() == life


def test_a_stranger_with_the_name_of_the_container_for_proofs_is_left_alone(castle: TestCastle) -> None:
    """It was removed by name, whoever had made it."""
    life, name = castle.life(), f"{castle.name}-database-outside"
    image = castle.podman("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()[0]
    with serving(castle, life):
        stranger = castle.podman("create", "--name", name, image, "sleep", "9").stdout.strip()
        result = castle.rebirth(ok=False)
        says(result, REFUSED, f"container `{name}` carries our name but not our mark", "was not touched")
        assert castle.podman("inspect", "-f", "{{.Id}}", name).stdout.strip() == stranger
        assert castle.podman("rm", name).returncode == 0
    assert castle.life() == life


def test_a_changed_host_key_is_denied_and_nothing_is_sent(castle: TestCastle) -> None:
    """Whoever answers at the machine's address with another key gets no secret of ours."""
    life = castle.life()
    machine = f"{castle.name}-{life}-431"
    with serving(castle, life):
        assert castle.podman("exec", machine, "sh", "-c", OTHER_KEY).returncode == 0
        result = castle.rebirth(ok=False)
        says(result, FAILED, "another host key answered", "nothing was sent to that machine", "SHA256:")
        assert castle.podman("exec", machine, "sh", "-c", OWN_KEY).returncode == 0
    assert castle.life() == life


def test_a_machine_that_will_not_die_is_named_and_the_run_goes_on_after_mending(castle: TestCastle) -> None:
    life = castle.life()
    upper = castle.podman("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", f"{castle.name}-{life}-421").stdout
    stuck = Path(upper.strip()) / "stuck"
    stuck.touch()
    subprocess.run(["chattr", "+i", str(stuck)], check=True)
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        result = castle.rebirth(ok=False)
        subprocess.run(["chattr", "-i", str(stuck)], check=True)
        says(
            result,
            FAILED,
            "a machine will not go",
            "stuck: operation not permitted",
            "the wipe has begun",
            "castle resume",
        )
        assert castle.run("rebirth", "--confirm", castle.name, ok=False).returncode == 11
        castle.run("resume")
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()


def test_a_full_disk_at_the_restore_is_named_and_the_run_goes_on_after_mending(castle: TestCastle, disk: Path) -> None:
    life, ballast = castle.life(), disk / "ballast"

    def fill() -> None:
        free = shutil.disk_usage(disk).free - (24 << 20)
        subprocess.run(["fallocate", "-l", str(free), str(ballast)], check=True)

    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        with as_soon_as(castle, "machines.create-data", fill):
            result = castle.rebirth(ok=False)
        says(result, FAILED, "the disk under the new machines is full", "MiB are free", "castle resume")
        ballast.unlink()
        castle.run("resume")
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()
