"""The end of a database in a cluster that stays: what castle made in it is listed, and just that is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ephemeral_castle.drivers.postgres import doomed, pods
from ephemeral_castle.drivers.postgres.errand import Errand
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.pod import PodPlace
from ephemeral_castle.drivers.postgres.shape import HOSTNAME
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

# In the order of their deletion: first what makes others, then what they lie on.
KINDS = (
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "Deployment"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Secret"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "PersistentVolume"),
)
MAKERS = KINDS[:3]
PATIENCE = 120.0  # seconds for pods to vanish
EMPTYING = 1500.0  # seconds for one volume to be emptied


class Listing(Part):
    """All objects of the old life that carry the marks of castle, layer and life."""

    async def observe(self) -> Observation:
        """Lists; a namespace is never among them, nor what a cluster brings with it."""
        own = await _place(self).own()
        found = [doomed.entry(each) for api, kind in KINDS for each in await own.all(kind, api) if not _made(each)]
        if self.facts("inventory").get("inventory", found) != found:
            return Observation(NOT_REACHED, "something came or went since it was listed")
        return Observation(REACHED, f"{len(found)} objects", {"inventory": found})


class Clear(Part):
    """They are gone, by uid."""

    async def observe(self) -> Observation:
        """What of the listed objects is there, and still the same one."""
        left = await self._left(await _place(self).own())
        if left:
            return Observation(NOT_REACHED, doomed.told(left))
        await self._nothing_else()
        listed = self.facts("inventory").get("inventory", [])
        return Observation(REACHED, f"listed: none of {len(listed)} is left", {"destroyed": listed})

    async def act(self) -> Observation | None:
        """Ends the pods, empties volumes that are folders of a node, deletes the rest.

        A node that is lost with its data ends no pod and empties no folder; where the data were given up by word, it
        is not waited for.
        """
        listed = self.facts("inventory")["inventory"]
        await self.ctx.intent("destroy", layer=self.layer, inventory=listed)
        place = _place(self)
        own = await place.own()
        left = await self._left(own)
        lost = await self._lost(own, place)
        await self._tell_kept(own, left)
        makers = [each for each in left if (each["apiVersion"], each["kind"]) in MAKERS]
        for each in makers:
            await own.delete(each, grace=0 if lost and each["kind"] == "Pod" else None)
        for pod in await own.all("Pod"):
            await own.delete(pod, grace=0 if lost else None)
            await own.cluster.until(Ref.of(pod), pods.gone, timeout=PATIENCE, title=str(Ref.of(pod)))
        for disk in (each for each in left if each["kind"] == "PersistentVolume"):
            await self._emptied(own, place, disk, lost=lost)
        await asyncio.gather(*(own.delete(each) for each in left if each not in makers))
        return None

    async def _lost(self, own: Own, place: PodPlace) -> bool:
        node = place.shape().node
        if not (node and self.ctx.request.abandon_data):
            return False
        return pods.away(await own.cluster.list("v1", "Node", labels=f"{HOSTNAME}={node}"))

    async def _emptied(self, own: Own, place: PodPlace, disk: Manifest, *, lost: bool) -> None:
        """A folder stays when its volume is deleted; whoever finds it would find all data."""
        shape, folder = place.shape(), disk["spec"]["hostPath"]["path"]
        if lost:
            text = f"folder {folder} on node {shape.node} was not emptied: the node is away; remove it if it comes back"
            self.ctx.diagnostic("warning", text)
            return
        done = await Errand(own, shape, self.ctx.run).empty(disk, timeout=EMPTYING)
        if not done.ok:
            raise Permanent(
                f"a volume of database `{self.layer}` cannot be emptied",
                where=f"folder {folder} on node {shape.node}",
                why=done.last_words(),
                state="the database is stopped; its volumes are there",
                hints=["castle resume"],
            )

    async def _tell_kept(self, own: Own, left: Sequence[Manifest]) -> None:
        """Of volumes that their class keeps when their claim goes: castle did not make them, and touches none."""
        claims = {(each["metadata"]["namespace"], each["metadata"]["name"])
                  for each in left if each["kind"] == "PersistentVolumeClaim"}  # fmt: skip
        for volume in await own.cluster.list("v1", "PersistentVolume"):
            claimed = volume["spec"].get("claimRef") or {}
            kept = volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain" and not own.has(volume)
            if kept and (claimed.get("namespace"), claimed.get("name")) in claims:
                name = volume["metadata"]["name"]
                text = f"volume {name} is kept by its class, with the data of life {self.ctx.old_life} in it"
                self.ctx.diagnostic("warning", f"{text}: kubectl delete pv {name}, and what lies behind it")

    async def _nothing_else(self) -> None:
        """Emptiness is proven by the marks, not by the list: what nobody listed may hold data, too."""
        own = await _place(self).own()
        found = [each for api, kind in KINDS for each in await own.all(kind, api) if not _made(each)]
        if found:
            raise Permanent(
                f"of database `{self.layer}` something is there that was not listed before the end of its life",
                where=", ".join(str(Ref.of(each)) for each in found),
                why="castle deletes only what it has listed; this came later, or was made by another castle of now",
                state="all that was listed is gone; this was not touched",
                hints=["look at it, and delete it by hand: kubectl get ... --show-labels", "castle resume"],
            )

    async def _left(self, own: Own) -> list[Manifest]:
        listed = self.facts("inventory").get("inventory", [])
        return [each for each in await doomed.left(own.cluster, listed) if own.has(each)]


def _place(part: Part) -> PodPlace:
    return PodPlace(part.ctx, old=True)


def _made(found: Manifest) -> bool:
    """Whether a controller made it: it goes with what that was made for."""
    return bool(found["metadata"].get("ownerReferences"))
