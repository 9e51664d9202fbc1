"""What `castle status` and `castle doctor` tell of a cluster that is not castle's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.kubeconfig import cluster as looking
from ephemeral_castle.drivers.kubeconfig import ending
from ephemeral_castle.drivers.kubeconfig.options import KubeconfigOptions
from ephemeral_castle.errors import CastleError
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Check, Context
from ephemeral_castle.spi.kubernetes import Cluster

SECTION = "cluster"


async def look(ctx: Context, cluster: Cluster) -> Mapping[str, Any]:
    """Whether it answers and is the one that is meant. Its nodes are not castle's to worry about."""
    row = {"layer": ctx.layer.id, "machine": "", "service": "API server", "state": "up", "health": ""}
    try:
        await looking.identity(cluster, ctx.options)
    except CastleError as error:
        text = f"the cluster `{ctx.layer.id}`: {error}" + (f" ({error.why})" if error.why else "")
        alarm = {"severity": "error", "text": text, "mend": "castle doctor"}
        return {"services": [{**row, "state": "unknown"}], "states": ["unknown"], "alarms": [alarm]}
    return {"services": [row], "states": ["up"], "alarms": []}


async def doctor(ctx: Context, cluster: Cluster, wanted: Sequence[Claim]) -> Sequence[Check]:
    """Reached, the right one, of a version that was tried, with every right; each as a line."""
    options: KubeconfigOptions = ctx.options
    try:
        uid = await looking.identity(cluster, options)
        version = await cluster.version()
        lacking = await looking.missing(cluster, wanted)
    except CastleError as error:
        mend = error.hints[-1] if error.hints else ""
        fact = f"{error.message}: {error.why}".rstrip(": ")
        return [Check(f"context {options.context}", False, fact, mend, SECTION)]
    fault, warning = looking.too_old(version), looking.untried(version)
    fact = f"{fault.message}: {fault.why}" if fault else warning or version
    rights = f"{len(lacking)} missing: " + "; ".join(map(str, lacking)) if lacking else "all that castle needs"
    return [
        Check(f"context {options.context}", True, f"{cluster.server}, cluster {uid}", "", SECTION),
        Check("version", False if fault else None if warning else True, fact, fault.hints[0] if fault else "", SECTION),
        _key(ctx),
        Check("rights", not lacking, rights, "castle adopt --rbac" if lacking else "", SECTION),
    ]


def _key(ctx: Context) -> Check:
    """Whether the key outlives a run."""
    at, now = ending.ends(looking.access(ctx)), ctx.world.clock.now()
    short, soon = ending.ended(at, now, ctx.options), ending.warning(at, now, ctx.options)
    if short is not None:
        return Check("key", False, short.why, short.hints[0], SECTION)
    return Check("key", None if soon else True, soon or "it outlives a run", "", SECTION)
