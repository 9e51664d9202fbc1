"""Driver `kubeadm`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.kubeadm import steps
from ephemeral_castle.drivers.kubeadm.image import ENDPOINT
from ephemeral_castle.drivers.kubeadm.options import HERE, KubeadmOptions
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.kubernetes import Cluster, ClusterAccess
from ephemeral_castle.spi.world import Recipe, Source


class KubeadmDriver:
    """A cluster of one life, with keys of its own, on the castle's machines."""

    name = steps.NAME
    Options: Any = KubeadmOptions

    def __init__(self) -> None:
        self.desks: dict[str, Any] = {}

    def plan(self, layer: Layer, options: KubeadmOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    async def images_of(
        self, layer: Layer, options: KubeadmOptions, source: Source | None, /
    ) -> tuple[Sequence[Recipe], Sequence[str]]:
        """For `castle prefetch`."""
        return [ENDPOINT] if options.endpoint == HERE else [], []

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks at machines, containers and the API server."""
        found: Observation = await self._part(step, ctx).observe()
        return found

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Does it."""
        found: Observation | None = await self._part(step, ctx).act()
        return found

    async def cluster(self, ctx: Context, life: int, /) -> Cluster:
        """The cluster of that life, as its administrator."""
        found: Cluster = await self._desk(ctx).cluster(ctx, life)
        return found

    async def access(self, ctx: Context, life: int, /) -> ClusterAccess:
        """How this computer reaches the cluster of that life."""
        found: ClusterAccess = await self._desk(ctx).access(ctx, life)
        return found

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        from ephemeral_castle.drivers.kubeadm.look import look

        return await look(ctx, self._desk(ctx))

    async def settled(self, ctx: Context, /) -> str:
        """Whether every node is ready, with the files it is to have."""
        from ephemeral_castle.drivers.kubeadm.look import settled

        return await settled(ctx, self._desk(ctx))

    async def close(self) -> None:
        """Ends connections to API servers."""
        for desk in self.desks.values():
            await desk.close()

    def _desk(self, ctx: Context) -> Any:
        from ephemeral_castle.drivers.kubeadm.desk import Desk

        return self.desks.setdefault(ctx.layer.id, Desk())

    def _part(self, step: Step, ctx: Context) -> Any:
        from ephemeral_castle.drivers.kubeadm.birth import Init
        from ephemeral_castle.drivers.kubeadm.gone import Gone, Unused
        from ephemeral_castle.drivers.kubeadm.join import Join
        from ephemeral_castle.drivers.kubeadm.prepare import Check, Cold, Image, Wake
        from ephemeral_castle.drivers.kubeadm.up import Configure, Up
        from ephemeral_castle.drivers.kubeadm.whole import Dns, Nodes

        parts: dict[str, Any] = {
            "check": Check,
            "cold": Cold,
            "image": Image,
            "wake": Wake,
            "gone": Gone,
            "unused": Unused,
        }
        parts |= {"endpoint": Up, "node": Configure, "init": Init, "join": Join, "dns": Dns, "nodes": Nodes}
        part = parts[step.action.partition("-")[0]]
        return part(ctx, self._desk(ctx), str(step.params.get("machine", "")))
