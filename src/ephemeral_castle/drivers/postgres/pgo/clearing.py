"""The end of a database in a cluster that stays: the lock opens for it, the operator ends it, and its volumes go."""

from __future__ import annotations

import asyncio
from typing import Any

from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.pgo.guard import manifests
from ephemeral_castle.drivers.postgres.pgo.locking import ACTIVE, TICK, proven
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.pgo.vocabulary import API, KIND, where
from ephemeral_castle.errors import Permanent, Transient
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Manifest, Readiness, Ref, Stage
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

PATIENCE = 600.0  # seconds for the operator to end it: its finalizer stops every server in order
CLAIM = ("v1", "PersistentVolumeClaim")


class Listing(Operated):
    """The PostgresCluster, its claims, and the Secrets that castle made for it."""

    async def observe(self) -> Observation:
        """Lists; namespace, operator and definition are never among them."""
        place = self.operated(old=True)
        own = await place.own()
        cluster = await place.cluster()
        claims = await own.cluster.list(*CLAIM, place.namespace, labels=where(place.name)) if cluster else ()
        secrets = await own.all("Secret")
        found = [_entry(API, KIND, each) for each in ([cluster] if cluster else [])]
        found += [_entry(*CLAIM, each) for each in claims]
        found += [_entry("v1", "Secret", each) for each in secrets]
        if self.facts("inventory").get("inventory", found) != found:
            return Observation(NOT_REACHED, "something came or went since it was listed")
        return Observation(REACHED, f"{len(found)} objects", {"inventory": found})


class Clear(Operated):
    """They are gone, by uid."""

    async def observe(self) -> Observation:
        """What of the listed objects is there, and still the same one."""
        left = await self._left(await self.operated(old=True).own())
        if left:
            return Observation(NOT_REACHED, "still there: " + ", ".join(str(Ref.of(each)) for each in left))
        listed = self.facts("inventory").get("inventory", [])
        return Observation(REACHED, f"listed: none of {len(listed)} is left", {"destroyed": listed})

    async def act(self) -> Observation | None:
        """Takes castle's word for a birth back, opens the lock for the end only, and lets the operator do it."""
        listed = self.facts("inventory")["inventory"]
        await self.ctx.intent("destroy", layer=self.layer, inventory=listed)
        place = self.operated(old=True)
        own = await place.own()
        await self._word_back(own)
        await self._open(own)
        await place.release()  # an operator that is held lets nothing go
        left = await self._left(own)
        for each in (each for each in left if each["kind"] == KIND):
            await own.delete(each)
            await self._ended(own, Ref.of(each))
        await asyncio.gather(*(own.delete(each) for each in await self._left(own)))
        return None

    async def _word_back(self, own: Own) -> None:
        """A tree in Git that still has the word would make the cluster again as soon as it is gone."""
        if self.wishes.by != "git":
            return
        namespace, _, name = self.wishes.life.partition("/")
        ref = Ref("v1", "ConfigMap", name, namespace)
        found = await own.cluster.get(ref)
        if found is not None:
            await own.cluster.delete(ref, uid=str(found["metadata"]["uid"]))

    async def _open(self, own: Own) -> None:
        guard = self.guard(old=True, wiping=True)
        for each in manifests(guard, self.labels(old=True)):
            await own.cluster.apply(each)
        clock = self.ctx.world.clock
        end = clock.monotonic() + ACTIVE
        while not await proven(own.cluster, guard):
            if clock.monotonic() > end:
                raise Permanent(
                    f"the lock before database `{self.layer}` does not open",
                    why=f"it was still the former one after {ACTIVE:g} s",
                    state="the database is sealed and stopped; its volumes are there",
                    hints=["castle resume"],
                )
            await clock.sleep(TICK)

    async def _ended(self, own: Own, ref: Ref) -> None:
        try:
            await own.cluster.until(ref, _gone, timeout=PATIENCE, title=f"the end of {ref}")
        except Transient as error:
            raise Permanent(
                f"the operator does not let {ref} go",
                why=error.why or error.message,
                state="the database is sealed and stopped; its volumes are there",
                hints=["is the operator there? kubectl -n postgres-operator get pods", "castle resume"],
            ) from error

    async def _left(self, own: Own) -> list[Manifest]:
        listed = self.facts("inventory").get("inventory", [])
        wanted = {str(item["id"]) for item in listed}
        refs = [Ref(item["api"], item["kind"], item["name"], item["namespace"]) for item in listed]
        found = await asyncio.gather(*(own.cluster.get(ref) for ref in refs))
        return [each for each in found if each is not None and each["metadata"]["uid"] in wanted]


def _gone(found: Manifest | None) -> Readiness:
    return Readiness(Stage.READY) if found is None else Readiness(Stage.WAITING, "it is still there")


def _entry(api: str, kind: str, found: Manifest) -> dict[str, Any]:
    meta = found["metadata"]
    return {"kind": kind, "api": api, "id": meta["uid"], "name": meta["name"], "namespace": meta["namespace"]}
