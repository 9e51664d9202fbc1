"""What `castle status` says about files: the newest snapshot, the proof, what would be lost now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.restic.access import repository
from ephemeral_castle.drivers.restic.place import Place
from ephemeral_castle.errors import CastleError
from ephemeral_castle.spi.driver import Context


async def look(ctx: Context) -> Mapping[str, Any]:
    """One treasure: `treasures`, `states`, `alarms`, `unseen`. Lists objects; starts no restic."""
    lineage: Mapping[str, Any] = ctx.record.lineage.get(ctx.layer.id) or {}
    now = ctx.world.clock.now()
    proof, seal = lineage.get("proof") or {}, lineage.get("seal") or {}
    treasure: dict[str, Any] = {"proof": {"label": proof["label"], "age": now - proof["at"]} if proof else {}}
    treasure["archiving"] = None  # files have snapshots only
    found: dict[str, Any] = {"treasures": {ctx.layer.id: treasure}, "alarms": [], "unseen": [], "states": []}
    if not lineage.get("repository"):
        _alarm(found, treasure, "down", "are in no backup yet: the layer was added since this life was raised",
               "castle raise --adopt", ctx)  # fmt: skip
        return found
    newest, _ = await asyncio.gather(_newest(ctx), _see_volume(ctx, lineage, treasure, found))
    if newest is None:
        _alarm(found, treasure, "", "have no snapshot in the treasury", "castle backup", ctx)
    else:
        treasure["backup"] = {"label": newest[0][:8], "age": now - newest[1]}
        limit = ctx.options.limit(ctx.request.castle.budget.rpo)
        why = "since the newest snapshot"
        treasure["rpo"] = {"seconds": now - newest[1], "bound": True, "why": why, "budget": limit}
    if seal.get("life") == ctx.life:
        treasure |= {"state": "sealed", "backup": {"label": seal["label"], "age": now - float(seal["at"])}}
        treasure.pop("rpo", None)
        found["states"] = ["sealed"]
    return found


async def _newest(ctx: Context) -> tuple[str, float] | None:
    """Id of the newest snapshot, and when it was stored."""
    found: tuple[str, float] | None = None
    async for stat in ctx.world.objects.list(f"{repository(ctx.layer.id)}/snapshots/"):
        if found is None or stat.modified > found[1]:
            found = stat.key.rsplit("/", 1)[-1], stat.modified
    return found


async def _see_volume(
    ctx: Context, lineage: Mapping[str, Any], treasure: dict[str, Any], found: dict[str, Any]
) -> None:
    place = Place(ctx, old=True)
    try:
        volume = await place.volume()
    except CastleError as error:
        treasure["state"] = "unknown"
        found["states"].append("unknown")
        found["unseen"].append(f"files `{ctx.layer.id}`: {error} ({error.why})")
        return
    if volume is None:
        _alarm(found, treasure, "down", f"are gone: there is no volume `{place.volume_name}`", "castle rebirth", ctx)
    elif lineage.get("made") and volume.made != lineage["made"]:
        text = f"are not those that castle brought home: volume `{place.volume_name}` was made anew"
        _alarm(found, treasure, "down", text, "castle rebirth --abandon-data", ctx)
    else:
        treasure["state"] = "up"
        found["states"].append("up")


def _alarm(found: dict[str, Any], treasure: dict[str, Any], state: str, text: str, mend: str, ctx: Context) -> None:
    if state:
        treasure["state"] = state
        found["states"].append(state)
    found["alarms"].append({"severity": "error", "text": f"files `{ctx.layer.id}` {text}", "mend": mend})
