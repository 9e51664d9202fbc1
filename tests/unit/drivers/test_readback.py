"""Reading the archive back: what was read is on a disk, not only in the memory of the server that lies about it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.postgres import seal
from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.world import Result

SEGMENT, SIZE = "000000010000000000000005", 1 << 24
FACTS: dict[str, dict[str, Any]] = {
    "database.mark": {"mark": {"segment": SEGMENT, "segment_size": SIZE}},
    "database.backup": {"archive_start": SEGMENT},
}


def test_the_last_segment_is_on_the_disk_before_anybody_believes_that_it_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was synced two steps later: after a power cut between, a resume destroyed the database without it."""
    order: list[str] = []

    async def settle() -> int:
        order.append("settle")
        return 1

    async def run(*argv: str, **_: Any) -> Result:
        order.append(argv[-1])
        return Result(0, f"{SIZE}\n", "")

    async def listed(part: Any, start: str) -> list[str]:
        del part
        return [f"{start}-c0ffee.zst"]

    monkeypatch.setattr(seal, "listed", listed)
    monkeypatch.setattr(seal, "unbroken", lambda *args, **more: [])
    ctx = SimpleNamespace(
        world=SimpleNamespace(settle=settle), layer=SimpleNamespace(id="database", driver="postgres"), options=None,
        facts=lambda step: FACTS.get(step, {}), request=SimpleNamespace(castle=SimpleNamespace(name="here")),
    )  # fmt: skip
    part = seal.ReadBack(cast("Any", ctx), Desk())
    monkeypatch.setattr(part, "outside", lambda: SimpleNamespace(run=run))
    seen = asyncio.run(part.act())
    assert seen is not None
    assert seen.state is State.REACHED
    assert order == ["settle", SEGMENT]
