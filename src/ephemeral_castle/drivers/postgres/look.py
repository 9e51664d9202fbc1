"""What `castle status` says about a treasure: backup, proof, archiving, what would be lost now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.glance import Glance, glance
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.errors import CastleError
from ephemeral_castle.postgres import cadence
from ephemeral_castle.postgres.pgbackrest import RepoInfo
from ephemeral_castle.spi.driver import Context


async def look(ctx: Context, desk: Desk) -> Mapping[str, Any]:
    """One treasure: `treasures`, `states`, `alarms`, `unseen`."""
    part = Part(ctx, desk)
    now = ctx.world.clock.now()
    proof = part.lineage.get("proof") or {}
    treasure: dict[str, Any] = {"proof": {"label": proof["label"], "age": now - proof["at"]} if proof else {}}
    found: dict[str, Any] = {"treasures": {part.layer: treasure}, "alarms": [], "unseen": [], "states": []}
    seen = await glance(part.place(old=True), part.layout)
    state = seen.state
    seal = part.lineage.get("seal") or {}
    if state != RUNNING and seal.get("life") == ctx.life:
        treasure |= {"state": "sealed", "backup": {"label": seal.get("label"), "age": now - float(seal["at"])}}
        found["states"].append("sealed")
        text = f"database `{part.layer}` is sealed: it is stopped, all of it lies in the treasury"
        found["alarms"].append({"severity": "warning", "text": text, "mend": "castle raise"})
        return found
    if state != RUNNING:
        treasure["state"] = "down"
        found["states"].append("down")
        text = f"database `{part.layer}` is {state}: it may wait for its secrets after a reboot"
        found["alarms"].append({"severity": "error", "text": text, "mend": "castle raise"})
        return found
    _judge_server(part.layer, seen, treasure, found)
    _judge_repository(part.layer, seen.repository, treasure, found, now)
    if treasure.get("full"):
        treasure["full"]["every"] = part.options.full_every
    return found


def _judge_server(layer: str, seen: Glance, treasure: dict[str, Any], found: dict[str, Any]) -> None:
    """Fence, archiving and what would be lost now."""
    if seen.silent:
        treasure["state"] = "unknown"
        found["states"].append("unknown")
        found["unseen"].append(f"database `{layer}`: its server does not answer: {seen.silent}")
        return
    sealed = any(limit.fenced for limit in seen.limits)
    treasure["state"] = "fenced" if sealed else "up"
    found["states"].append("sealed" if sealed else "up")
    if sealed:
        text = f"database `{layer}` is fenced: nobody can write"
        found["alarms"].append({"severity": "error", "text": text, "mend": "castle cancel, or castle resume"})
    archiver = seen.archiver
    healthy = not archiver["failing"]
    detail = "" if healthy else f"{archiver['failed']} failures, last {archiver['last_failed']}"
    treasure["archiving"] = {"healthy": healthy, "detail": detail}
    if archiver["age"] is not None:
        why = "since the last archived segment"
        treasure["rpo"] = {"seconds": float(archiver["age"]), "bound": True, "why": why}


def _judge_repository(
    layer: str, repository: RepoInfo | CastleError, treasure: dict[str, Any], found: dict[str, Any], now: float
) -> None:
    """The newest backup, and the newest full one."""
    if isinstance(repository, CastleError):
        found["unseen"].append(f"backups of `{layer}`: {repository.message}")
        return
    newest = repository.newest()
    treasure["backup"] = {"label": newest.label, "age": now - newest.stop} if newest else {}
    full = cadence.newest_full(repository)
    treasure["full"] = {"label": full.label, "age": now - full.stop} if full else {}
