"""Looks that change nothing: for `castle status`, and whether a raise would have anything to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from ephemeral_castle.drivers.external_secrets import objects
from ephemeral_castle.drivers.external_secrets.asking import cause_of
from ephemeral_castle.drivers.external_secrets.part import Part
from ephemeral_castle.drivers.external_secrets.ready import judge
from ephemeral_castle.drivers.external_secrets.synced import once
from ephemeral_castle.manifests import ready as rules
from ephemeral_castle.manifests.readiness import Stage
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref


async def look(ctx: Context) -> Mapping[str, Any]:
    """For `castle status`: what is wrong with the store and with every secret from it."""
    part = Part(ctx)
    cluster = await ctx.cluster()
    alarms = [
        {"severity": "error", "text": f"layer `{part.layer}`: {why}", "mend": "castle raise"}
        async for why in _troubles(part, cluster)
    ]
    return {"alarms": alarms, "states": ["down" if alarms else "up"]}


async def settled(ctx: Context) -> str:
    """Why a raise would have something to do; "" when all is well as it stands."""
    part = Part(ctx)
    cluster = await ctx.cluster()
    async for why in _troubles(part, cluster):
        return why
    if part.options.cipher is not None:
        return await part.cipher(cluster, part.options.cipher)
    return ""


async def _troubles(part: Part, cluster: Cluster) -> AsyncIterator[str]:
    store = await cluster.get(part.store)
    said = judge(store)
    if said.stage is not Stage.READY:
        cause = (await cause_of(cluster, part.store)).text if store else ""
        yield f"store `{part.options.store}`: {cause or said.why}"
    listed = await part.listed(cluster)
    there = {Ref.of(each) for each in listed}
    for each in part.options.secrets:
        if not any((ref.namespace, ref.name) == (each.namespace, each.name) for ref in there):
            yield f"ExternalSecret {each.namespace}/{each.name} is not there"
    for manifest in listed:
        why = await _trouble(part, cluster, manifest)
        if why:
            yield why


async def _trouble(part: Part, cluster: Cluster, manifest: Manifest) -> str:
    external = objects.read(manifest)
    said = (once if external.fixed else rules.judge)(manifest)
    if said.stage is not Stage.READY:
        cause = (await cause_of(cluster, external.ref, external.uid)).text
        return f"{external.ref}: {cause or said.why}"
    if external.secret is None:
        return ""
    secret = await cluster.get(external.secret)
    return part.judged(external, secret) or await part.unequal(external, secret)
