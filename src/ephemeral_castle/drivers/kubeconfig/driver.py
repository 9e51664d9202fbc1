"""Driver `kubeconfig`: a cluster that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.kubeconfig import steps
from ephemeral_castle.drivers.kubeconfig.options import KubeconfigOptions
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.claims import Claim, claims
from ephemeral_castle.spi.driver import Check, Context, Request
from ephemeral_castle.spi.kubernetes import Cluster


class KubeconfigDriver:
    """Knows the cluster of a context; never raises nor wipes it. Every life of the castle finds the same one."""

    name = steps.NAME
    Options: Any = KubeconfigOptions

    def __init__(self) -> None:
        self.open: dict[str, Cluster] = {}
        self.meant: set[str] = set()  # layers whose open cluster was seen to be the one of the definition

    def plan(self, layer: Layer, options: KubeconfigOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    def claims(self, layer: Layer, options: KubeconfigOptions, request: Request, /) -> Sequence[Claim]:
        """To know which cluster it is. What else is needed for looking, every account that is known has."""
        return claims("", "namespaces", "get")

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks at the API server; each time anew, since a right may have been taken away."""
        from ephemeral_castle.drivers.kubeconfig.check import check

        return await check(ctx, self._opened(ctx))

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """There is nothing to do but to look."""
        return await self.observe(step, ctx)

    async def cluster(self, ctx: Context, life: int, /) -> Cluster:
        """The cluster, which is the same in every life.

        Raises:
            Refused: the context leads to another one by now.
        """
        from ephemeral_castle.drivers.kubeconfig.cluster import identity

        cluster = self._opened(ctx)
        if ctx.layer.id not in self.meant:
            await identity(cluster, ctx.options)
            self.meant.add(ctx.layer.id)
        return cluster

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        from ephemeral_castle.drivers.kubeconfig.look import look

        return await look(ctx, self._opened(ctx))

    async def doctor(self, ctx: Context, wanted: Sequence[Claim], /) -> Sequence[Check]:
        """For `castle doctor`."""
        from ephemeral_castle.drivers.kubeconfig.look import doctor

        return await doctor(ctx, self._opened(ctx), wanted)

    async def settled(self, ctx: Context, /) -> str:
        """A raise changes nothing of it. Raises Refused: it is another cluster."""
        await self.cluster(ctx, ctx.life)
        return ""

    async def close(self) -> None:
        """Ends the connection."""
        for each in self.open.values():
            await each.close()
        self.open.clear()
        self.meant.clear()

    def _opened(self, ctx: Context) -> Cluster:
        from ephemeral_castle.drivers.kubeconfig.cluster import access

        if ctx.layer.id not in self.open:
            self.open[ctx.layer.id] = ctx.world.kubernetes(access(ctx))
        return self.open[ctx.layer.id]
