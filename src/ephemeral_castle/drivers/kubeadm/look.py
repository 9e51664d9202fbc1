"""What `castle status` shows of a cluster, and whether a raise would change anything of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.kubeadm.birth import Init
from ephemeral_castle.drivers.kubeadm.desk import Desk
from ephemeral_castle.drivers.kubeadm.gone import Unused
from ephemeral_castle.drivers.kubeadm.image import ENDPOINT
from ephemeral_castle.drivers.kubeadm.layout import nodes
from ephemeral_castle.drivers.kubeadm.options import HERE
from ephemeral_castle.drivers.kubeadm.up import Configure, Up
from ephemeral_castle.drivers.kubeadm.whole import Dns, Nodes
from ephemeral_castle.errors import CastleError
from ephemeral_castle.manifests.readiness import Stage
from ephemeral_castle.manifests.ready import judge
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.part import REACHED


async def look(ctx: Context, desk: Desk) -> Mapping[str, Any]:
    """Every node of the standing life."""
    try:
        cluster = await desk.cluster(ctx, ctx.life)
        listed = await cluster.list("v1", "Node")
    except CastleError as error:
        text = f"the cluster `{ctx.layer.id}` does not answer: {error}" + (f" ({error.why})" if error.why else "")
        return {"states": ["down"], "alarms": [_alarm(text)]}
    known = {manifest["metadata"]["name"]: manifest for manifest in listed}
    found: dict[str, Any] = {"services": [], "states": [], "alarms": []}
    for node in nodes(ctx.options):
        seen = judge(known.get(node.name))
        well = seen.stage is Stage.READY
        state = "ready" if well else "not ready" if node.name in known else "absent"
        row = {"layer": ctx.layer.id, "machine": node.name, "service": "node", "state": state, "health": ""}
        found["services"].append(row)
        found["states"].append("up" if well else "down")
        if not well:
            found["alarms"].append(_alarm(f"node {node.name} of `{ctx.layer.id}` is {state}: {seen.why}"))
    return found


def _alarm(text: str) -> dict[str, str]:
    return {"severity": "error", "text": text, "mend": "castle raise"}


async def settled(ctx: Context, desk: Desk) -> str:
    """Why a raise would change something, or ""; see `spi.driver.Settling`."""
    here = ctx.options.endpoint == HERE
    if here and not await ctx.world.images.present(ENDPOINT):
        return "the image of its load balancer is not in the store"
    first = ctx.options.control[0]
    parts = [
        Up(ctx, desk) if here else Unused(ctx, desk),
        Init(ctx, desk, first),
        *(Configure(ctx, desk, node.name) for node in nodes(ctx.options)),
        Dns(ctx, desk),
        Nodes(ctx, desk),
    ]
    for seen in await asyncio.gather(*(part.observe() for part in parts)):
        if seen.state is not REACHED:
            return seen.detail
    return ""
