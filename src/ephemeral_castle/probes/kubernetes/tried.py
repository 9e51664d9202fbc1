"""What a dry run and a look at the storage classes say about a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ephemeral_castle.errors import CastleError, NotFound
from ephemeral_castle.probes.kubernetes import storage, webhooks
from ephemeral_castle.probes.kubernetes.webhooks import Judge
from ephemeral_castle.spi.kubernetes import Cluster

CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


async def classes(cluster: Cluster) -> str:
    """Why a claim that names no class will not get the wanted volume; "" when it will."""
    return storage.wrong(await cluster.list(storage.API, storage.KIND))


async def changes(cluster: Cluster) -> str:
    """Which webhook lets no change pass, and why; "" when all do."""
    configurations = [each for kind in webhooks.KINDS for each in await cluster.list(webhooks.API, kind)]
    if not configurations:
        return ""
    judges = webhooks.judges(configurations, await cluster.list(*CRD))
    said = await asyncio.gather(*(_tried(cluster, api, kind) for api, kind in _kinds(judges)))
    names = {kind: [each.webhook for each in judges if (each.api, each.kind) == kind] for kind in _kinds(judges)}
    wrong = [f"{text} (judged by {', '.join(names[kind])})" for kind, text in zip(names, said, strict=True) if text]
    return "; ".join(wrong[:3])


def _kinds(judges: Sequence[Judge]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((each.api, each.kind) for each in judges))


async def _tried(cluster: Cluster, api: str, kind: str) -> str:
    """Applies one object of a kind once more, as a dry run."""
    try:
        found = await cluster.list(api, kind)
    except NotFound:
        return ""
    if not found:
        return ""
    manifest = webhooks.again(found[0], api, kind)
    try:
        await cluster.apply(manifest, dry_run=True)
    except CastleError as error:
        meta = manifest["metadata"]
        name = "/".join(filter(None, (meta.get("namespace", ""), meta["name"])))
        return f"a dry run of {kind} {name}: {error.why or error.message}"
    return ""
