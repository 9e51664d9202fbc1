"""What `castle status` tells of a database that others run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.pgbackrest.part import Part
from ephemeral_castle.errors import Refused
from ephemeral_castle.spi.driver import Context


async def look(ctx: Context) -> Mapping[str, Any]:
    """Whether it stands, and when its return was last rehearsed."""
    part = Part(ctx)
    now = ctx.world.clock.now()
    proof = (ctx.record.lineage.get(part.layer) or {}).get("proof") or {}
    treasure: dict[str, Any] = {
        "proof": {"label": proof["label"], "age": now - float(proof["at"])} if proof else {},
        "archiving": None,
        "rpo": {"why": "its operator archives it; `castle drill` measures it"},
    }
    try:
        found = await part.postgres_cluster()
    except Refused as error:
        alarm = {"severity": "error", "text": f"database `{part.layer}`: {error}", "mend": "castle doctor"}
        return {"treasures": {part.layer: {**treasure, "state": "down"}}, "states": ["down"], "alarms": [alarm]}
    sets = (found.get("status") or {}).get("instances") or []
    up = bool(sets) and all(each.get("readyReplicas", 0) == each.get("replicas", 0) for each in sets)
    state = "up" if up else "down"
    alarms = [] if up else [_alarm(part)]
    return {"treasures": {part.layer: {**treasure, "state": state}}, "states": [state], "alarms": alarms}


def _alarm(part: Part) -> dict[str, str]:
    where = f"{part.options.namespace}/{part.options.cluster}"
    text = f"database `{part.layer}`: not all instances of PostgresCluster {where} are ready"
    return {"severity": "error", "text": text, "mend": f"kubectl describe postgrescluster -n {where.replace('/', ' ')}"}
