from __future__ import annotations

import platform

import pytest

from ephemeral_castle.errors import Damaged
from ephemeral_castle.world.computer import BARE, computer, computer_id

MIB = 2**20


@pytest.fixture
def root(tmp_path):
    def write(path: str, text: str) -> None:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    write("proc/sys/kernel/random/boot_id", "boot-1\n")
    write("proc/meminfo", "MemTotal: 4096000 kB\nMemFree: 100 kB\nMemAvailable: 2048000 kB\n")
    write("proc/self/cgroup", "0::/user/app\n")
    return tmp_path, write


def test_facts(root):
    path, _ = root
    facts = computer(root=path, home=path / "castles")
    assert facts["id"].endswith("-0123456789abcdef0123456789abcdef")
    assert facts["boot"] == "boot-1"
    assert facts["host"] == platform.node()
    assert facts["memory_total"] == 4096000 * 1024
    assert facts["memory_available"] == 2048000 * 1024
    assert facts["cpus"] >= 1
    assert facts["disk_available"] > 0


def test_identity_can_be_played(root):
    assert computer("another", root=root[0])["id"] == "another"


def test_the_id_outlives_the_process_and_is_for_root_alone(root):
    path, _ = root
    home = path / "castles"
    first = computer_id(home, path)
    assert computer_id(home, path) == first
    assert [entry.name for entry in home.iterdir()] == ["computer-id"]
    assert (home / "computer-id").stat().st_mode & 0o777 == 0o600


def test_clones_with_one_machine_id_are_two_computers(root):
    """A clone of a template took itself for the castle's computer: it found no data there, and called them gone."""
    path, _ = root
    assert computer_id(path / "one", path) != computer_id(path / "other", path)


def test_a_disk_that_is_not_mounted_is_not_an_absent_castle(root):
    path, _ = root
    known = computer_id(path / "castles", path)
    (path / "castles").rename(path / "unmounted")
    assert computer_id(path / "castles", path) != known


def test_a_copy_of_the_directory_under_another_machine_is_another_computer(root):
    path, write = root
    known = computer_id(path / "castles", path)
    write("etc/machine-id", "f" * 32)
    assert computer_id(path / "castles", path) != known


@pytest.mark.parametrize("found", [None, "", "uninitialized\n"])
def test_without_a_machine_id_the_minted_one_is_kept(root, found):
    path, write = root
    if found is None:
        (path / "etc/machine-id").unlink()
    else:
        write("etc/machine-id", found)
    first = computer_id(path / "castles", path)
    assert len(first) == 16
    assert computer_id(path / "castles", path) == first


def test_castles_that_stand_already_stay_on_their_computer(root):
    """Their records name the machine id alone."""
    path, write = root
    write("castles/here/podman/storage/volumes/here-1-431/_data/base", "")
    assert computer_id(path / "castles", path) == "0123456789abcdef0123456789abcdef"
    assert (path / "castles/computer-id").read_text().strip() == BARE
    assert computer_id(path / "castles", path) == "0123456789abcdef0123456789abcdef"


def test_an_empty_id_is_refused(root):
    path, write = root
    write("castles/computer-id", "")
    with pytest.raises(Damaged, match="the id of this computer is empty"):
        computer_id(path / "castles", path)


def test_tightest_cgroup_limit_counts(root):
    path, write = root
    write("sys/fs/cgroup/user/memory.max", f"{1000 * MIB}\n")
    write("sys/fs/cgroup/user/memory.current", f"{900 * MIB}\n")
    write("sys/fs/cgroup/user/app/memory.max", "max\n")
    write("sys/fs/cgroup/user/app/memory.current", "5\n")
    facts = computer("this", root=path)
    assert facts["memory_total"] == 1000 * MIB
    assert facts["memory_available"] == 100 * MIB


def test_limit_of_the_older_hierarchy(root):
    path, write = root
    write("proc/self/cgroup", "4:cpu:/\n3:memory:/job\n0::/\n")
    write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", f"{500 * MIB}\n")
    write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", f"{600 * MIB}\n")
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n")
    facts = computer("this", root=path)
    assert facts["memory_total"] == 500 * MIB
    assert facts["memory_available"] == 0
