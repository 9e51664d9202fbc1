"""The end of a database in a cluster that stays: the lock opens for it, the operator ends it, and its volumes go."""

from __future__ import annotations

import asyncio

from ephemeral_castle.drivers.postgres import doomed
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.pgo import seen
from ephemeral_castle.drivers.postgres.pgo.locking import ACTIVE, locked
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.pgo.vocabulary import API, KIND, users, where
from ephemeral_castle.drivers.postgres.pods import gone
from ephemeral_castle.errors import Permanent, Transient
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

PATIENCE = 600.0  # seconds for the operator to end it: its finalizer stops every server in order
CLAIM = ("v1", "PersistentVolumeClaim")
SECRET = ("v1", "Secret")
MADE = (("apps/v1", "Deployment"), SECRET)  # castle's own


class Listing(Operated):
    """The PostgresCluster, a copy beside it, their claims, and what castle made for them."""

    async def observe(self) -> Observation:
        """Lists; namespace, operator and definition are never among them."""
        place = self.operated(old=True)
        own = await place.own()
        mine = await place.cluster()  # one of that name that is not ours is refused
        ours = [*([mine] if mine else []), *await own.all(KIND, API)]
        clusters = list({str(each["metadata"]["uid"]): each for each in ours}.values())
        found = [doomed.entry(each) for each in clusters]
        for each in clusters:
            claims = await own.cluster.list(*CLAIM, place.namespace, labels=where(str(each["metadata"]["name"])))
            self._tell_repositories(each)
            found += [doomed.entry(claim, *CLAIM) for claim in claims]
            # Of users: while one of them is there, the next life would take it for its own, and lose it a moment later.
            kept = await own.cluster.list(*SECRET, place.namespace, labels=users(str(each["metadata"]["name"])))
            found += [doomed.entry(secret, *SECRET) for secret in kept if not own.has(secret)]
        for api, kind in MADE:
            found += [doomed.entry(each) for each in await own.all(kind, api)]
        if self.facts("inventory").get("inventory", found) != found:
            return Observation(NOT_REACHED, "something came or went since it was listed")
        return Observation(REACHED, f"{len(found)} objects", {"inventory": found})

    def _tell_repositories(self, cluster: Manifest) -> None:
        """A repository on a volume goes with the cluster: nobody may count on what lies in it."""
        for name in seen.on_volumes(cluster):
            text = f"{name} of {Ref.of(cluster)} lies on a volume of this cluster, and goes with it"
            self.ctx.diagnostic("info", f"{text}; castle proves and restores by repo1 only")


class Clear(Operated):
    """They are gone, by uid."""

    async def observe(self) -> Observation:
        """What of the listed objects is there, and still the same one."""
        left = await self._left(await self.operated(old=True).own())
        if left:
            return Observation(NOT_REACHED, doomed.told(left))
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
        if not await locked(self, own.cluster, guard, self.labels(old=True)):
            raise Permanent(
                f"the lock before database `{self.layer}` does not open",
                why=f"it was still the former one after {ACTIVE:g} s",
                state="the database is sealed and stopped; its volumes are there",
                hints=["castle resume"],
            )

    async def _ended(self, own: Own, ref: Ref) -> None:
        try:
            await own.cluster.until(ref, gone, timeout=PATIENCE, title=f"the end of {ref}")
        except Transient as error:
            raise Permanent(
                f"the operator does not let {ref} go",
                why=error.why or error.message,
                state="the database is sealed and stopped; its volumes are there",
                hints=["is the operator there? kubectl -n postgres-operator get pods", "castle resume"],
            ) from error

    async def _left(self, own: Own) -> list[Manifest]:
        return await doomed.left(own.cluster, self.facts("inventory").get("inventory", []))
