"""The step ahead of everything that enters the cluster."""

from __future__ import annotations

from ephemeral_castle.drivers.kubeconfig import cluster as looking
from ephemeral_castle.drivers.kubeconfig import ending
from ephemeral_castle.drivers.kubeconfig.options import KubeconfigOptions
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster


async def check(ctx: Context, cluster: Cluster) -> Observation:
    """It is the cluster that is meant, of a version that will do, and we may do there all that this run does.

    Raises:
        Refused: another cluster, a right is missing, and which, or the key does not outlive a run. Permanent: too old.
    """
    options: KubeconfigOptions = ctx.options
    at, now = ending.ends(looking.access(ctx)), ctx.world.clock.now()
    short = ending.ended(at, now, options)
    if short is not None:
        raise short
    uid = await looking.identity(cluster, options)
    version = await cluster.version()
    fault = looking.too_old(version)
    if fault is not None:
        raise fault
    lacking = await looking.missing(cluster, ctx.claims())
    if lacking:
        raise looking.denied(lacking, options)
    for word in filter(None, (looking.untried(version), ending.warning(at, now, options))):
        ctx.diagnostic("warning", word)
    return Observation(State.REACHED, f"{version} at {cluster.server}", {"uid": uid, "version": version})
