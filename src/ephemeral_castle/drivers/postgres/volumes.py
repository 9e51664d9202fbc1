"""The volumes of a database in a cluster: made, and looked into while no server runs on them."""

from __future__ import annotations

import dataclasses

from ephemeral_castle.drivers.postgres import objects
from ephemeral_castle.drivers.postgres.errand import Errand
from ephemeral_castle.drivers.postgres.objects import FOLDER
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.shape import DATA, PART, Shape, claim_name
from ephemeral_castle.postgres import datadir
from ephemeral_castle.postgres.states import Absent, ClusterState, Unknown
from ephemeral_castle.spi.kubernetes import Manifest, Ref

LOOK = f"{datadir.LOOK}\nlook /pg"
GONE = "gone"


def look_in(name: str) -> str:
    """The script that looks into a folder below `/pg`. One that is not there, or empty after a wipe, is gone."""
    there = f'[ -e /pg/{name} ] || {{ echo {GONE}; exit; }}\nfound=$(ls -A /pg/{name}) && [ -z "$found" ]'
    return f"{there} && {{ echo {GONE}; exit; }}\n{LOOK}/{name}"


class Volumes:
    """Those of one database in one life.

    Args:
        own: its objects.
        shape: what they are made from.
        run: id of the run.
        lived: whether the record knows data of it, which may lie on a node where no object speaks of them any more.
    """

    def __init__(self, own: Own, shape: Shape, run: str, *, lived: bool = False) -> None:
        self.lived = lived
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

    async def anything(self) -> bool:
        """Whether an object is there that may stand for data: the claim, or a volume without it."""
        return await self.claim() is not None or await self._volume() is not None

    async def _volume(self) -> Manifest | None:
        """The volume of the data whose claim is gone, or None."""
        wanted = (self.shape.namespace, claim_name(self.shape.layer, DATA))
        for volume in await self.own.cluster.list("v1", "PersistentVolume"):
            labels = volume["metadata"].get("labels") or {}
            claimed = volume["spec"].get("claimRef") or {}
            ours = self.own.has(volume) and labels.get(PART) == DATA
            if ours or (claimed.get("namespace"), claimed.get("name")) == wanted:
                return volume
        return None

    async def _unclaimed(self) -> ClusterState:
        """Who deletes a claim by hand deletes no data: a folder on a node stays, and many a class keeps its volumes."""
        volume = await self._volume()
        if volume is not None and not (self.own.has(volume) and self.shape.node):
            return Unknown(f"its claim is gone, and its volume `{volume['metadata']['name']}` is there")
        if not (self.lived or volume is not None):
            return Absent()
        if not self.shape.node:
            return Unknown("its claim and its volume are gone; whether the disk behind them is, nobody here can tell")
        said = (await self.glimpse(look_in(objects.disk_name(self.shape, DATA)), FOLDER)).splitlines()
        return Absent() if said == [GONE] else datadir.judge(said)

    async def glimpse(self, script: str, folder: str = "") -> str:
        """What a script says that reads `/pg`; see `Errand.glimpse`.

        By the image that the database ran on: it lies on the node, where that of a newer castle may not.
        """
        shape, controller = self.shape, await self.own.get("apps/v1", "StatefulSet", self.shape.layer)
        if controller is not None:
            first = controller["spec"]["template"]["spec"]["containers"][0]
            shape = dataclasses.replace(shape, image=str(first["image"]))
        return await Errand(self.own, shape, self.run).glimpse(script, folder)
