"""Facts of this computer."""

from __future__ import annotations

import os
import platform
import uuid
from pathlib import Path
from typing import Any

ID_FILE = Path("/var/lib/castle/computer-id")


def computer(identity: str = "", *, root: Path = Path("/"), id_file: Path = ID_FILE) -> dict[str, Any]:
    """What the record and the memory check need to know of this computer.

    Args:
        identity: overrides the machine id; for tests that play several computers.
        root: directory that stands for `/`; for tests.
        id_file: where a generated id is kept when the system has none.

    Returns:
        `id`, `host`, `boot` (changes with every boot), `memory_total` and `memory_available` (bytes, never more than
        the cgroup of this process may use), `cpus`.
    """
    total, available = _memory(root)
    return {
        "id": identity or machine_id(root, id_file),
        "host": platform.node(),
        "boot": _text(root / "proc/sys/kernel/random/boot_id"),
        "memory_total": total,
        "memory_available": available,
        "cpus": len(os.sched_getaffinity(0)),
    }


def machine_id(root: Path = Path("/"), id_file: Path = ID_FILE) -> str:
    """The id of machine-id(5), or one that is generated once and kept in `id_file`."""
    found = _text(root / "etc/machine-id")
    if found and found != "uninitialized":
        return found
    kept = _text(id_file)
    if kept:
        return kept
    id_file.parent.mkdir(parents=True, exist_ok=True)
    fresh = id_file.with_name(f"{id_file.name}.{os.getpid()}")
    fresh.write_text(uuid.uuid4().hex + "\n")
    try:
        os.link(fresh, id_file)  # the first of two processes wins, both read the same id
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return _text(id_file)


def _memory(root: Path) -> tuple[int, int]:
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
