from __future__ import annotations

import platform

import pytest

from ephemeral_castle.world.computer import computer, machine_id

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
    facts = computer(root=path)
    assert facts["id"] == "0123456789abcdef0123456789abcdef"
    assert facts["boot"] == "boot-1"
    assert facts["host"] == platform.node()
    assert facts["memory_total"] == 4096000 * 1024
    assert facts["memory_available"] == 2048000 * 1024
    assert facts["cpus"] >= 1


def test_identity_can_be_played(root):
    assert computer("another", root=root[0])["id"] == "another"


@pytest.mark.parametrize("found", [None, "", "uninitialized\n"])
def test_generated_id_is_kept(root, tmp_path, found):
    path, write = root
    if found is None:
        (path / "etc/machine-id").unlink()
    else:
        write("etc/machine-id", found)
    id_file = tmp_path / "state/computer-id"
    first = machine_id(path, id_file)
    assert len(first) == 32
    assert machine_id(path, id_file) == first
    assert [entry.name for entry in id_file.parent.iterdir()] == ["computer-id"]


def test_tightest_cgroup_limit_counts(root):
    path, write = root
    write("sys/fs/cgroup/user/memory.max", f"{1000 * MIB}\n")
    write("sys/fs/cgroup/user/memory.current", f"{900 * MIB}\n")
    write("sys/fs/cgroup/user/app/memory.max", "max\n")
    write("sys/fs/cgroup/user/app/memory.current", "5\n")
    facts = computer(root=path)
    assert facts["memory_total"] == 1000 * MIB
    assert facts["memory_available"] == 100 * MIB


def test_limit_of_the_older_hierarchy(root):
    path, write = root
    write("proc/self/cgroup", "4:cpu:/\n3:memory:/job\n0::/\n")
    write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", f"{500 * MIB}\n")
    write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", f"{600 * MIB}\n")
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n")
    facts = computer(root=path)
    assert facts["memory_total"] == 500 * MIB
    assert facts["memory_available"] == 0
