"""Where a database's repository lies, in which cluster it stands, and whether the cluster that is asked is that one.

A context and a site are names that a definition may give to another cluster at any time; what the other one does not
hold proves nothing of the life that stands in the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ephemeral_castle.errors import Unreachable
from ephemeral_castle.spi.kubernetes import Cluster, Ref
from ephemeral_castle.spi.ways import raised_here

if TYPE_CHECKING:
    from ephemeral_castle.model.castle import Layer
    from ephemeral_castle.spi.driver import Context

SHARED = "pgbackrest"  # folder of the repositories
UID, STAYS, SITE = "cluster_uid", "cluster_stays", "site"  # keys of the lineage


def folder(layer: Layer) -> str:
    """The folder of a database's repository below the treasury's prefix; one that was adopted may lie elsewhere."""
    return str(layer.options.get("repository") or f"{SHARED}/{layer.id}")


def shared(layer: Layer) -> bool:
    """Whether its repository lies with those of the castle's other databases, which one account reads."""
    return folder(layer).startswith(f"{SHARED}/")


async def told(ctx: Context) -> Mapping[str, Any]:
    """What the record keeps of the cluster that this run's life stands in; that there is none, on machines."""
    site = ctx.request.site.name
    if not ctx.options.namespace:
        return {UID: None, STAYS: None, SITE: site}
    return {UID: await identity(await ctx.cluster()), STAYS: not raised_here(ctx.request), SITE: site}


async def identity(cluster: Cluster) -> str:
    """The uid of namespace `kube-system`, which is as old as the cluster and in no other.

    Raises:
        Unreachable: it was not told.
    """
    found = await cluster.get(Ref("v1", "Namespace", "kube-system"))
    if found is None:
        raise Unreachable(
            "which cluster this is cannot be told",
            where=cluster.server,
            why="it shows no namespace `kube-system`",
            hints=["castle doctor"],
        )
    return str(found["metadata"]["uid"])


async def elsewhere(ctx: Context) -> str:
    """Why what is asked here proves nothing of the old life, in words; "" where it does.

    A life that ends with castle's own machines is listed with them, and one that was recorded without its cluster is
    looked for where it was: as before.

    Raises:
        CastleError: the cluster cannot be asked.
    """
    known: Mapping[str, Any] = ctx.record.lineage.get(ctx.layer.id) or {}
    wanted, own = str(known.get(UID) or ""), raised_here(ctx.request)
    if not wanted or (own and not known.get(STAYS)):
        return ""
    life = f"life {ctx.old_life} stands in cluster {wanted} (site `{known.get(SITE)}`)"
    if own:
        return f"{life}, and site `{ctx.request.site.name}` has one of its own"
    found = await identity(await ctx.cluster(old=True))
    return "" if found == wanted else f"{life}, and site `{ctx.request.site.name}` leads to cluster {found}"
