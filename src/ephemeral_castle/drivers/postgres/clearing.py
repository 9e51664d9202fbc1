"""The end of a database in a cluster that stays: what castle made in it is listed, and just that is deleted."""

from __future__ import annotations

import asyncio
from typing import Any

from ephemeral_castle.drivers.postgres import pods
from ephemeral_castle.drivers.postgres.errand import Errand
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.pod import PodPlace
from ephemeral_castle.drivers.postgres.shape import DATA, claim_name
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
EMPTY = "find /pg /var/lib/pgbackrest -xdev -mindepth 1 -delete"
PATIENCE = 120.0  # seconds for pods to vanish, and for a volume to be emptied


class Listing(Part):
    """All objects of the old life that carry the marks of castle, layer and life."""

    async def observe(self) -> Observation:
        """Lists; a namespace is never among them, nor what a cluster brings with it."""
        own = await _place(self).own()
        found = [_entry(each) for api, kind in KINDS for each in await own.all(kind, api) if not _made(each)]
        if self.facts("inventory").get("inventory", found) != found:
            return Observation(NOT_REACHED, "something came or went since it was listed")
        return Observation(REACHED, f"{len(found)} objects", {"inventory": found})


class Clear(Part):
    """They are gone, by uid."""

    async def observe(self) -> Observation:
        """What of the listed objects is there, and still the same one."""
        left = await self._left(await _place(self).own())
        if left:
            return Observation(NOT_REACHED, "still there: " + ", ".join(str(Ref.of(each)) for each in left))
        listed = self.facts("inventory").get("inventory", [])
        return Observation(REACHED, f"listed: none of {len(listed)} is left", {"destroyed": listed})

    async def act(self) -> Observation | None:
        """Ends the pods, empties volumes that are folders of a node, deletes the rest."""
        listed = self.facts("inventory")["inventory"]
        await self.ctx.intent("destroy", layer=self.layer, inventory=listed)
        place = _place(self)
        own = await place.own()
        left = await self._left(own)
        makers = [each for each in left if (each["apiVersion"], each["kind"]) in MAKERS]
        for each in makers:
            await own.delete(each)
        for pod in await own.all("Pod"):
            await own.delete(pod)
            await own.cluster.until(Ref.of(pod), pods.gone, timeout=PATIENCE, title=str(Ref.of(pod)))
        if any(each["kind"] == "PersistentVolume" for each in left):
            await self._emptied(own, place)
        await asyncio.gather(*(own.delete(each) for each in left if each not in makers))
        return None

    async def _emptied(self, own: Own, place: PodPlace) -> None:
        """A folder stays when its volume is deleted; whoever finds it would find all data."""
        if await own.get("v1", "PersistentVolumeClaim", claim_name(self.layer, DATA)) is None:
            return
        errand = Errand(own, place.shape(), self.ctx.run)
        done = await errand.aside("empty", {}, ["sh", "-c", EMPTY], timeout=PATIENCE, begun=False)
        if not done.ok:
            raise Permanent(
                f"the volumes of database `{self.layer}` cannot be emptied",
                why=done.last_words(),
                state="the database is stopped; its volumes are there",
                hints=["castle resume"],
            )

    async def _left(self, own: Own) -> list[Manifest]:
        listed = self.facts("inventory").get("inventory", [])
        wanted = {str(item["id"]) for item in listed}
        refs = [Ref(item["api"], item["kind"], item["name"], item["namespace"]) for item in listed]
        found = await asyncio.gather(*(own.cluster.get(ref) for ref in refs))
        return [each for each in found if each is not None and each["metadata"]["uid"] in wanted and own.has(each)]


def _place(part: Part) -> PodPlace:
    return PodPlace(part.ctx, old=True)


def _made(found: Manifest) -> bool:
    """Whether a controller made it: it goes with what that was made for."""
    return bool(found["metadata"].get("ownerReferences"))


def _entry(found: Manifest) -> dict[str, Any]:
    ref = Ref.of(found)
    ident = found["metadata"]["uid"]
    return {"kind": ref.kind, "api": ref.api, "id": ident, "name": ref.name, "namespace": ref.namespace}
