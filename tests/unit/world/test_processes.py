from __future__ import annotations

import os
from pathlib import Path

import pytest

from ephemeral_castle.errors import Permanent
from ephemeral_castle.world.image_use import users_of
from ephemeral_castle.world.memory_files import mount_table, mount_types
from ephemeral_castle.world.processes import end_all_in, in_namespace

OURS = Path("/proc/self/ns/net").stat().st_ino


def test_sees_itself():
    assert os.getpid() in in_namespace("net", OURS)
    assert os.getpid() not in in_namespace("net", OURS + 1)


async def test_never_empties_the_computers_own_namespace():
    with pytest.raises(Permanent, match="never emptied"):
        await end_all_in("net", OURS)


def test_mount_table(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 8:1 / / rw - ext4 /dev/vda rw\n"
        "30 22 0:20 / /a\\040b rw shared:1 - tmpfs tmpfs rw\n"
        "31 22 0:21 / /a\\040b rw - overlay overlay rw\n"
    )
    assert mount_table(table) == [("/", "ext4"), ("/a b", "tmpfs"), ("/a b", "overlay")]
    assert mount_types(table) == {"/": "ext4", "/a b": "overlay"}


def test_users_of_a_layer_are_found_in_any_mount_namespace(tmp_path):
    store, proc = tmp_path / "store", tmp_path / "proc"
    (store / "overlay/layer1").mkdir(parents=True)
    (store / "overlay/layer1/link").write_text("ABCDEF")
    for pid, line in (
        (10, "1 2 0:3 / /x rw - ext4 /dev/vda rw\n"),
        (11, "1 2 0:3 / /y rw - overlay overlay rw,lowerdir=/opt/images/overlay/l/ABCDEF,upperdir=/u\n"),
        (12, "1 2 0:3 / /y rw - overlay overlay rw,lowerdir=/opt/images/overlay/l/OTHER,upperdir=/u\n"),
    ):
        (proc / str(pid) / "ns").mkdir(parents=True)
        (proc / str(pid) / "ns/mnt").write_text("")
        (proc / str(pid) / "mountinfo").write_text(line)
        (proc / str(pid) / "comm").write_text(f"program{pid}\n")
    assert users_of(store, "layer1", proc) == ["program11 (pid 11)"]
    assert users_of(store, "layer2", proc) == []
