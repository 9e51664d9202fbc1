"""The disk under the new machines is full while files come home: it is named, and the run goes on after mending."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.days import FAILED, as_soon_as, says
from tests.e2e.files import DATA, FilesCastle

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", "podman", "restic", "versitygw")]


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small disk of its own."""
    base = Path(tempfile.mkdtemp(prefix="castle-files-disk-", dir="/var/tmp"))
    file, point = base / "disk.img", base / "disk"
    subprocess.run(["truncate", "-s", "600M", str(file)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(file)], check=True)
    point.mkdir()
    subprocess.run(["mount", "-o", "loop", str(file), str(point)], check=True)
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)
    shutil.rmtree(base)


def test_a_full_disk_at_the_restore_is_named_and_the_run_goes_on_after_mending(disk: Path) -> None:
    castle = FilesCastle(Path(tempfile.mkdtemp(prefix="castle-files-", dir="/var/tmp")))
    storage = castle.here.base / "state" / castle.name / "podman"
    storage.parent.mkdir(parents=True)
    (disk / "podman").mkdir()
    storage.symlink_to(disk / "podman")
    ballast = disk / "ballast"

    def fill() -> None:
        free = shutil.disk_usage(disk).free - (24 << 20)
        subprocess.run(["fallocate", "-l", str(free), str(ballast)], check=True)

    try:
        castle.raise_()
        castle.fill(1)
        castle.on_machine('head -c 60000000 /dev/urandom > "$1/large"', DATA)
        before = castle.listing(1)
        with as_soon_as(castle, "machines.create-data", fill):
            result = castle.rebirth(ok=False)
        says(result, FAILED, "the disk under the new machines is full", "MiB are free", "castle resume")
        ballast.unlink()
        castle.run("resume")
        assert castle.listing(2) == before
    finally:
        castle.down()
