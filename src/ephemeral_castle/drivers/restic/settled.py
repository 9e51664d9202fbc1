"""Whether a raise would change anything of the files."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.restic.image import RESTIC
from ephemeral_castle.drivers.restic.place import Place
from ephemeral_castle.spi.driver import Context


async def settled(ctx: Context) -> str:
    """Why it would, or ""; see `spi.driver.Settling`."""
    lineage: Mapping[str, Any] = ctx.record.lineage.get(ctx.layer.id) or {}
    if not lineage.get("repository"):
        return "the files are in no backup yet"
    there, volume = await asyncio.gather(ctx.world.images.present(RESTIC), Place(ctx, old=True).volume())
    if not there:
        return "the image of restic is not in the store"
    if volume is None:
        return "the volume is gone"
    return "" if volume.made == lineage.get("made") else "the volume is not the one that castle brought home"
