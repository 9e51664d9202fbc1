"""A restore beside the living database: another PostgresCluster, which never archives where the living one does."""

from __future__ import annotations

import dataclasses
from typing import Any

from ephemeral_castle.drivers.postgres import side
from ephemeral_castle.drivers.postgres.configuration import admit
from ephemeral_castle.drivers.postgres.listing import listed
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.pgo import birth, manifests
from ephemeral_castle.drivers.postgres.pgo.birth import Birth
from ephemeral_castle.drivers.postgres.pgo.copies import SidePlace, manifest
from ephemeral_castle.drivers.postgres.pgo.following import follow
from ephemeral_castle.drivers.postgres.pgo.guard import ADMISSION, BINDING, POLICY, Guard
from ephemeral_castle.drivers.postgres.pgo.locking import ACTIVE, locked
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.pgo.vocabulary import CA, CONF, FOLDER
from ephemeral_castle.drivers.postgres.pods import gone
from ephemeral_castle.drivers.postgres.sides import path_of
from ephemeral_castle.errors import CastleError, Permanent, Refused, Unreachable
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import sql
from ephemeral_castle.postgres.config import Access
from ephemeral_castle.postgres.moment import UNTOUCHED, Moment
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.spi.part import REACHED

ENDED = 600.0  # seconds for the operator to end a copy
ELSEWHERE = ("s3", "gcs", "azure")  # kinds of repositories that outlive a copy
# As pgBackRest reads it; the operator puts blanks around `=`.
REPOSITORIES = f"cat {FOLDER}/*.conf | tr -d ' ' | grep -E '^repo[0-9]+-(type|host|path|volume)='"
AS_OF = "select coalesce(max(at)::text, 'before the first heartbeat') from castle.heartbeat"
MARKED = "select to_regclass('castle.heartbeat') is not null"


class Side(Operated, side.Side):
    """The copy stands, answers to people in its pod, and stays until it is taken away or replaced."""

    async def act(self) -> Observation | None:
        """Brings it up as of the point."""
        repo, moment = await self.chosen()
        await self._flush()
        facts = await self.bring(moment)
        there, words, how = await self.copy().way_in(f"psql -h {self.layout.socket} -U postgres")
        facts |= {**there, "enter": how, "repo": repo, "moment": dataclasses.asdict(moment)}
        text = f"as of {facts['as_of']}, {words}: {how}; taken away by: {facts['taken_away']}"
        return Observation(REACHED, text, facts)

    async def undo(self) -> str:
        """A copy that nobody waits for any more goes."""
        return await self.remove()

    def copy(self) -> SidePlace:
        """Where it stands."""
        return SidePlace(self.ctx)

    async def bring(self, moment: Moment) -> dict[str, Any]:
        """Brings it up in place of the former one; gives what it is as of.

        Raises:
            CastleError: it does not come, or it does not stand apart.
        """
        await self.remove()
        place = self.copy()
        await self.ctx.intent("restore beside", layer=self.layer, cluster=place.name)
        own, how = await place.own(), Birth.at(moment)
        labels = {**self.labels(old=True), **place.marks()}
        await self._lock(own, how, labels)
        await admit(self, Access.READER)
        s3 = await self.s3(reads=True)
        files = {CONF: birth.credentials(s3)}
        if self.ctx.world.access.ca:
            files[CA] = self.ctx.world.access.ca
        name = f"{place.name}-s3"
        await own.put(manifests.secret(place.namespace, name, labels, files))
        living = await self.operated(old=True).cluster()
        if living is None:
            raise Unreachable(f"there is no {self.operated(old=True).ref}", hints=["castle status"])
        source = birth.repository(s3, name, self.options.process_max)
        made = await own.put(manifest(living, place, labels, source, how))
        owner = {
            "apiVersion": made["apiVersion"],
            "kind": made["kind"],
            "name": place.name,
            "uid": made["metadata"]["uid"],
        }
        await own.cluster.patch(Ref("v1", "Secret", name, place.namespace), {"metadata": {"ownerReferences": [owner]}})
        await follow(place)
        await self._apart(place)
        away = f"kubectl -n {place.namespace} delete postgrescluster {place.name}"
        return {"cluster": place.name, "as_of": await self._as_of(place), "taken_away": away}

    async def remove(self) -> str:
        """Takes it away with its volumes; no error where there is none."""
        place = self.copy()
        own = await place.own()
        there = await place.cluster()
        if there is not None:
            await own.delete(there)
            await own.cluster.until(place.ref, gone, timeout=ENDED, title=f"the end of {place.ref}")
        for secret in await own.all("Secret"):
            await own.delete(secret)
        guard = self._guard(Birth(birth.STANDS))
        for kind in (BINDING, POLICY):
            lock = await own.look(Ref(ADMISSION, kind, guard.name))
            if lock is not None:
                await own.delete(lock)
        return f"{place.ref} is gone" if there is not None else "there was no copy"

    def _guard(self, how: Birth) -> Guard:
        place = self.copy()
        return Guard(marks.own(self.ctx), self.layer, place.namespace, place.name, path_of(self), how, place.life,
                     beside=True)  # fmt: skip

    async def _lock(self, own: Own, how: Birth, labels: dict[str, str]) -> None:
        guard = self._guard(how)
        if not await locked(self, own.cluster, guard, labels):
            raise Permanent(
                f"the lock before the copy of database `{self.layer}` does not hold",
                where=f"{POLICY} {guard.name}",
                why=f"a copy that it must refuse was still accepted (dry run) after {ACTIVE:g} s",
                state=UNTOUCHED,
                hints=[f"kubectl describe validatingadmissionpolicy {guard.name}", "castle doctor"],
            )

    async def _apart(self, place: SidePlace) -> None:
        """It is the same database, and writes nowhere but into its own volume; else it goes at once."""
        try:
            why = await self._together(place)
        except CastleError:
            await self.remove()
            raise
        if why:
            await self.remove()
            raise Refused(
                f"the copy of database `{self.layer}` is no copy beside it",
                where=str(place.ref),
                why=why,
                state=f"{UNTOUCHED}; the copy was taken away again",
                hints=["castle doctor", "castle logs"],
            )

    async def _together(self, place: SidePlace) -> str:
        """What is wrong with it; "" when it stands apart."""
        lines = (await place.run("sh", "-c", REPOSITORIES)).out.split()
        if not lines:
            raise Unreachable(f"where {place.ref} archives cannot be seen", why=f"{FOLDER} tells of no repository")
        shared = [line for line in lines if line.partition("-type=")[2] in ELSEWHERE]
        if shared:
            return f"its server archives into a repository outside of it: {', '.join(shared)}"
        system = await self._ask(place, sql.SYSTEM_ID)
        known = str(self.survey.get("system_id") or self.lineage.get("system_id") or system)
        if system != known:
            return f"its system id is {system}, the living one's is {known}"
        timeline = int(await self._ask(place, sql.TIMELINE))
        if f"{timeline:08X}.history" in await listed(self, "F" * 24):
            return f"the history of its timeline {timeline} lies in the treasury: it archives beside the living one"
        return ""

    async def _as_of(self, place: SidePlace) -> str:
        return await self._ask(place, AS_OF) if await self._ask(place, MARKED) == "t" else "before castle knew it"

    async def _ask(self, place: SidePlace, text: str) -> str:
        argv = ("psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", self.layout.socket, "-U", "postgres", "-c", text)
        result = await place.run(*argv)
        if not result.ok:
            raise Unreachable(f"the copy of database `{self.layer}` does not answer", why=result.last_words())
        return result.out.strip()


class Rehearse(Side):
    """The same restore beside the living database first: nothing is replaced by what was never read."""

    async def act(self) -> Observation | None:
        """Brings a copy up, and takes it away again."""
        repo, moment = await self.chosen()
        await self._flush()
        facts = await self.bring(moment)
        await self.remove()
        facts = {"as_of": facts["as_of"], "repo": repo, "moment": dataclasses.asdict(moment)}
        return Observation(REACHED, f"came up as of {facts['as_of']}, and was taken away", facts)
