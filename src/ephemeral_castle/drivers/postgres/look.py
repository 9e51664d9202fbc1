"""What `castle status` says about a treasure: backup, proof, archiving, what would be lost now."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.errors import CastleError
from ephemeral_castle.postgres import fence
from ephemeral_castle.postgres.pgbackrest import parse_info
from ephemeral_castle.spi.driver import Context

ARCHIVER = """\
select jsonb_build_object('failed', failed_count, 'last_failed', last_failed_wal,
  'failing', coalesce(last_failed_time > last_archived_time, last_failed_time is not null),
  'age', extract(epoch from clock_timestamp() - last_archived_time)) from pg_stat_archiver;"""


async def look(ctx: Context, desk: Desk) -> Mapping[str, Any]:
    """One treasure: `treasures`, `states`, `alarms`, `unseen`."""
    part = Part(ctx, desk)
    now = ctx.world.clock.now()
    proof = part.lineage.get("proof") or {}
    treasure: dict[str, Any] = {"proof": {"label": proof["label"], "age": now - proof["at"]} if proof else {}}
    found: dict[str, Any] = {"treasures": {part.layer: treasure}, "alarms": [], "unseen": [], "states": []}
    # Each way into a machine costs time, so all are begun at once; what fails is judged by the state.
    state, _, backup = await asyncio.gather(part.place(old=True).state(), _wake(part), _backup(part, now))
    seal = part.lineage.get("seal") or {}
    if state != "running" and seal.get("life") == ctx.life:
        treasure |= {"state": "sealed", "backup": {"label": seal.get("label"), "age": now - float(seal["at"])}}
        found["states"].append("sealed")
        text = f"database `{part.layer}` is sealed: it is stopped, all of it lies in the treasury"
        found["alarms"].append({"severity": "warning", "text": text, "mend": "castle raise"})
        return found
    if state != "running":
        treasure["state"] = "down"
        found["states"].append("down")
        text = f"database `{part.layer}` is {state}: it may wait for its secrets after a reboot"
        found["alarms"].append({"severity": "error", "text": text, "mend": "castle raise"})
        return found
    session = await part.session(old=True)
    limits = fence.parse_limits(await session.value(fence.LIMITS))
    sealed = any(limit.fenced for limit in limits)
    treasure["state"] = "fenced" if sealed else "up"
    found["states"].append("sealed" if sealed else "up")
    if sealed:
        text = f"database `{part.layer}` is fenced: nobody can write"
        found["alarms"].append({"severity": "error", "text": text, "mend": "castle cancel, or castle resume"})
    archiver = await session.json(ARCHIVER)
    healthy = not archiver["failing"]
    detail = "" if healthy else f"{archiver['failed']} failures, last {archiver['last_failed']}"
    treasure["archiving"] = {"healthy": healthy, "detail": detail}
    if archiver["age"] is not None:
        why = "since the last archived segment"
        treasure["rpo"] = {"seconds": float(archiver["age"]), "bound": True, "why": why}
    if isinstance(backup, CastleError):
        found["unseen"].append(f"backups of `{part.layer}`: {backup.message}")
    else:
        treasure["backup"] = backup
    return found


async def _wake(part: Part) -> None:
    with contextlib.suppress(CastleError):
        await part.session(old=True)


async def _backup(part: Part, now: float) -> dict[str, Any] | CastleError:
    try:
        result = await part.place(old=True).run(
            "pgbackrest", "--config=/run/castle/pgbackrest.conf", "--stanza=castle", "--repo=1", "--output=json", "info"
        )
        newest = parse_info(result.out, "castle").newest()
    except CastleError as error:
        return error
    return {"label": newest.label, "age": now - newest.stop} if newest else {}
