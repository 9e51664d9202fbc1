"""Room on the disk is told before machines are made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.podman import disk
from ephemeral_castle.drivers.podman.options import MachineOptions, PodmanOptions


@pytest.mark.parametrize(
    ("free", "told"), [({}, 0), ({"disk_available": 2 << 30}, 0), ({"disk_available": 2047 << 20}, 1)]
)
def test_little_room_is_told(free: dict[str, int], told: int) -> None:
    said: list[str] = []
    options = PodmanOptions(machines={"data": MachineOptions(id=1), "edge": MachineOptions(id=2)})
    ctx: Any = SimpleNamespace(
        options=options, world=SimpleNamespace(computer=free), diagnostic=lambda _, text: said.append(text)
    )
    disk.check(cast("Any", ctx))
    assert len(said) == told
    assert all("2047 MiB of disk are free" in text for text in said)
