"""A database's controllers in a cluster: made, given another order, and taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ephemeral_castle.drivers.postgres import objects, pods, podspec
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.shape import Shape, secret_name
from ephemeral_castle.drivers.postgres.volumes import Volumes
from ephemeral_castle.errors import NotFound
from ephemeral_castle.spi.kubernetes import Manifest, Ref

ENDING = 90.0  # seconds for a pod to vanish: podspec.STOPPING, and what the kubelet needs


class Raising:
    """Those of one database in one life.

    Args:
        own: its objects.
        shape: what they are made from.
    """

    def __init__(self, own: Own, shape: Shape) -> None:
        self.own = own
        self.shape = shape

    async def services(self) -> None:
        """Namespace and Services; a namespace that somebody else made is used as it is."""
        if await self.own.cluster.get(Ref("v1", "Namespace", self.shape.namespace)) is None:
            await self.own.cluster.apply(objects.namespace(self.shape))
        await asyncio.gather(*(self.own.put(each) for each in objects.services(self.shape)))

    async def database(self, volumes: Volumes, files: Mapping[str, str], order: Sequence[str]) -> None:
        """Ends what stands of it, so that no controller makes a pod with the former order, and makes it anew."""
        await self.end()
        await self.services()
        await asyncio.gather(self.own.put(objects.secret(self.shape, self.shape.layer, files)), volumes.make())
        await self.own.put(objects.statefulset(self.shape, files, order))
        await self._prune(self.shape.layer, files)

    async def pooler(self, files: Mapping[str, str], started: str) -> None:
        """PgBouncer, in a pod that is new whenever `started` is."""
        await self.services()
        await self.own.put(objects.secret(self.shape, self.shape.pooler, files))
        await self.own.put(objects.deployment(self.shape, files, started))
        await self._prune(self.shape.pooler, files)

    async def controller(self) -> Manifest | None:
        """The StatefulSet, or None."""
        return await self.own.get("apps/v1", "StatefulSet", self.shape.layer)

    async def order(self, order: Sequence[str]) -> None:
        """Gives the next pod another order.

        Raises:
            NotFound: there is no StatefulSet.
        """
        controller = await self.controller()
        if controller is None:
            raise NotFound(
                f"there is no StatefulSet {self.shape.namespace}/{self.shape.layer}", hints=["castle resume"]
            )
        first, *more = controller["spec"]["template"]["spec"]["initContainers"]
        command = podspec.order_of(order, disk=bool(self.shape.node))
        if first["command"] != command:
            containers = [{**first, "command": command}, *more]
            body = {"spec": {"template": {"spec": {"initContainers": containers}}}}
            await self.own.cluster.patch(Ref.of(controller), body)

    async def unwanted(self) -> None:
        """No pod of the database is to be, whatever becomes of those that are."""
        controller = await self.controller()
        if controller is not None and pods.wanted(controller):
            await self.own.cluster.patch(Ref.of(controller), {"spec": {"replicas": 0}})

    async def end(self) -> None:
        """Nothing of the database is wanted any more, and no pod is left.

        What is no server is not asked to end in peace: a shell that waits for a restore would not hear it.
        """
        await self.unwanted()
        ref = Ref("v1", "Pod", self.shape.pod, self.shape.namespace)
        pod = await self.own.look(ref)
        if pod is not None:
            await self.own.delete(pod, grace=None if pods.serves(pod) else 1)
            await self.own.cluster.until(ref, pods.gone, timeout=ENDING, title=f"the end of {ref}")

    async def _prune(self, owner: str, files: Mapping[str, str]) -> None:
        """Configuration of former starts goes, with passwords that may not be those of now."""
        current = secret_name(owner, files)
        for each in await self.own.of(f"files-{owner}", "Secret"):
            if each["metadata"]["name"] != current:
                await self.own.delete(each)
