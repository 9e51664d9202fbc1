"""A treasury kept here is brought to its disk once per need: the proofs, what was read back, the record of the seal."""

from __future__ import annotations

import asyncio
import dataclasses
from types import SimpleNamespace

from ephemeral_castle.model.castle import Verb
from tests.unit.engine.test_own import begin, record


def test_the_record_of_the_seal_is_synced_once_behind_it() -> None:
    """All files of the treasury were looked at twice in this step, while the clients waited."""
    order: list[str] = []

    async def settle() -> int:
        order.append("settle")
        return 1

    driver, step, ctx, records = begin(Verb.WIPE, dataclasses.replace(record("r1"), lineage={}), "record-seal")
    ctx.shared.world = SimpleNamespace(settle=settle)
    update = records.update

    async def saved(change):
        order.append("save")
        return await update(change)

    records.update = saved  # type: ignore[method-assign]
    asyncio.run(driver.act(step, ctx))
    assert order == ["save", "settle"]
