"""Facts of this computer."""

from __future__ import annotations

import os
import platform
import shutil
import uuid
from pathlib import Path
from typing import Any

from ephemeral_castle.errors import Damaged

HOME = Path("/var/lib/castle")
ID_FILE = "computer-id"
BARE = "machine-id"  # in the file, where castles stood before it: their records name the machine id alone
VOLUMES = "*/podman/storage/volumes/*"  # of machines that stand


def computer(identity: str = "", *, root: Path = Path("/"), home: Path = HOME) -> dict[str, Any]:
    """What the record and the memory check need to know of this computer.

    Args:
        identity: overrides the computer's id; for tests that play several computers.
        root: directory that stands for `/`; for tests.
        home: where castles are kept; see `computer_id`.

    Returns:
        `id`, `host`, `boot` (changes with every boot), `memory_total` and `memory_available` (bytes, never more than
        the cgroup of this process may use), `disk_available` (bytes free where castles are kept), `cpus`.

    Raises:
        Damaged: the kept id is empty.
    """
    total, available = memory(root)
    known = identity or computer_id(home, root)
    return {
        "id": known,
        "host": platform.node(),
        "boot": _text(root / "proc/sys/kernel/random/boot_id"),
        "memory_total": total,
        "memory_available": available,
        "disk_available": shutil.disk_usage(home if home.exists() else root).free,
        "cpus": len(os.sched_getaffinity(0)),
    }


def computer_id(home: Path, root: Path = Path("/")) -> str:
    """Two ids in one text: one minted at first use, kept beside the castles' data, and that of machine-id(5).

    Clones of a template often have one machine id, and each would take itself for the computer of the other's castle.
    And when the disk with the castles is not mounted, nothing of them is here although the machine is the same: what
    cannot be found may be called gone only where it was. A copy of a whole disk copies both.

    Args:
        home: directory of the castles' states; it lies on the disk that holds machines and volumes.
        root: directory that stands for `/`.

    Raises:
        Damaged: the kept id is empty.
    """
    found = _text(root / "etc/machine-id")
    machine = "" if found == "uninitialized" else found
    file = home / ID_FILE
    if not file.exists():
        _mint(file, BARE if machine and any(home.glob(VOLUMES)) else uuid.uuid4().hex[:16])
    kept = file.read_text().strip()
    if not kept:
        raise Damaged(
            "the id of this computer is empty",
            where=str(file),
            why="whether castles stand here or on another computer cannot be told without it",
            state="nothing was changed",
            hints=["put the id into it that `computer` in the record castle.json begins with", "castle doctor"],
        )
    if kept == BARE:
        return machine
    return f"{kept}-{machine}" if machine else kept


def _mint(file: Path, text: str) -> None:
    """Writes it whole or not at all; the first of two processes wins, and both read the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{text}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def memory(root: Path = Path("/")) -> tuple[int, int]:
    """Total and available bytes, capped by the tightest cgroup limit (proc(5), cgroups(7))."""
    fields = {}
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0]) * 1024 if value.split() else 0
    total = fields.get("MemTotal", 0)
    available = fields.get("MemAvailable", fields.get("MemFree", 0))
    for limit, used in _cgroup_limits(root):
        total = min(total, limit)
        available = min(available, max(limit - used, 0))
    return total, available


def _cgroup_limits(root: Path) -> list[tuple[int, int]]:
    """Limit and use in bytes of every memory cgroup from ours up to the root, where there is a limit."""
    limits = []
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, limit_file, use_file = base, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            mount, limit_file, use_file = base / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        here = mount / path.lstrip("/")
        while here == mount or mount in here.parents:
            limit, used = _text(here / limit_file), _text(here / use_file)
            if limit.isdigit() and used.isdigit():
                limits.append((int(limit), int(used)))
            here = here.parent
    return limits


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
