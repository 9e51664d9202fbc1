"""The volumes of a database in a cluster: made, and looked into while no server runs on them."""

from __future__ import annotations

import dataclasses

from ephemeral_castle.drivers.postgres import objects
from ephemeral_castle.drivers.postgres.errand import Errand
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.shape import DATA, Shape, claim_name
from ephemeral_castle.postgres import datadir
from ephemeral_castle.postgres.states import Absent, ClusterState, Unknown
from ephemeral_castle.spi.kubernetes import Manifest, Ref

LOOK = f"{datadir.LOOK}\nlook /pg"


class Volumes:
    """Those of one database in one life.

    Args:
        own: its objects.
        shape: what they are made from.
        run: id of the run.
    """

    def __init__(self, own: Own, shape: Shape, run: str) -> None:
        self.own = own
        self.shape = shape
        self.run = run

    async def claim(self) -> Manifest | None:
        """The claim of the data, or None."""
        return await self.own.get("v1", "PersistentVolumeClaim", claim_name(self.shape.layer, DATA))

    async def make(self) -> None:
        """What is missing of them; what is there keeps its form, which cannot be changed.

        A disk remembers the claim that it had: it is told to forget it where that is gone, and takes the new one.
        """
        for each in objects.claims(self.shape):
            there = await self.own.look(Ref.of(each))
            if there is None:
                await self.own.cluster.apply(each)
            elif each["kind"] == "PersistentVolume" and there.get("status", {}).get("phase") == "Released":
                forgotten = {"claimRef": {"uid": None, "resourceVersion": None}}
                await self.own.cluster.patch(Ref.of(each), {"spec": forgotten})

    async def lies(self) -> ClusterState:
        """What lies on the volume with the data. Only while no server runs on it.

        Raises:
            Unreachable: it cannot be seen.
        """
        claim = await self.claim()
        if claim is None:
            return await self._unclaimed()
        if claim.get("status", {}).get("phase") == "Lost":
            return Unknown("the volume of its claim is lost")
        if not claim["spec"].get("volumeName"):
            return Absent()  # nothing was ever bound to it
        return datadir.judge((await self.glimpse(LOOK)).splitlines())

    async def _unclaimed(self) -> ClusterState:
        """Who deletes a claim by hand deletes no data: a folder on a node stays, and many a class keeps its volumes."""
        wanted = (self.shape.namespace, claim_name(self.shape.layer, DATA))
        for volume in await self.own.cluster.list("v1", "PersistentVolume"):
            claimed = volume["spec"].get("claimRef") or {}
            if (claimed.get("namespace"), claimed.get("name")) != wanted:
                continue
            if self.own.has(volume):
                return datadir.judge((await self.glimpse(LOOK, volume)).splitlines())
            return Unknown(f"its claim is gone, and its volume `{volume['metadata']['name']}` is there")
        return Absent()

    async def glimpse(self, script: str, disk: Manifest | None = None) -> str:
        """What a script says that reads `/pg`; see `Errand.glimpse`.

        By the image that the database ran on: it lies on the node, where that of a newer castle may not.
        """
        shape, controller = self.shape, await self.own.get("apps/v1", "StatefulSet", self.shape.layer)
        if controller is not None:
            first = controller["spec"]["template"]["spec"]["containers"][0]
            shape = dataclasses.replace(shape, image=str(first["image"]))
        return await Errand(self.own, shape, self.run).glimpse(script, disk)
