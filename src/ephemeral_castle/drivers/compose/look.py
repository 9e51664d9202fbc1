"""What `castle status` says about the services."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.compose import errand
from ephemeral_castle.errors import CastleError
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.world import Machine


async def look(ctx: Context) -> Mapping[str, Any]:
    """Every service with its state and health: `services`, `states`, `alarms`, `unseen`."""
    found: dict[str, Any] = {"services": [], "states": [], "alarms": [], "unseen": []}
    machines = list(ctx.options.projects)
    seen = await asyncio.gather(*(_see(ctx, name) for name in machines))
    for name, answer in zip(machines, seen, strict=True):
        if isinstance(answer, CastleError):
            found["unseen"].append(f"services of `{ctx.layer.id}` on {name}: {answer} ({answer.why})")
            found["states"].append("unknown")
        else:
            _judge(ctx, name, answer, found)
    return found


async def _see(ctx: Context, name: str) -> dict[str, Any] | CastleError:
    try:
        machine: Machine = await ctx.machine(name)
        return await errand.send(machine, "see", ctx.layer.id, {"check": True}, timeout=45)
    except CastleError as error:
        return error


def _judge(ctx: Context, name: str, answer: Mapping[str, Any], found: dict[str, Any]) -> None:
    layer = ctx.layer.id
    if not answer["containers"]:
        found["states"].append("down")
        text = f"no service of `{layer}` is on {name}"
        found["alarms"].append({"severity": "error", "text": text, "mend": "castle raise"})
    for each in answer["containers"]:
        ended = not each["running"] and each["state"] == "exited" and each["code"] == 0
        health = each.get("health", "")
        up = each["running"] and health != "unhealthy"
        state = "running" if each["running"] else "ended" if ended else each["state"]
        found["services"].append(
            {"layer": layer, "machine": name, "service": each["service"], "container": each["name"], "state": state,
             "health": health, "commit": answer.get("sha", "")}
        )  # fmt: skip
        if up or (ended and answer["digest"]):
            found["states"].append("up")
            continue
        found["states"].append("down")
        why = "is unhealthy" if each["running"] else f"is {state} (exit status {each['code']})"
        text = f"service `{each['service']}` of `{layer}` on {name} {why}"
        found["alarms"].append({"severity": "error", "text": text, "mend": "castle raise"})
