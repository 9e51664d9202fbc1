"""After the data are home: users, the door, a backup of the new life; and the fence, with the operator held."""

from __future__ import annotations

import asyncio
from typing import Any

from ephemeral_castle.drivers.postgres import rewind, seal, service
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.pgo import passwords, seen
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.pgo.place import PgoPlace
from ephemeral_castle.drivers.postgres.pgo.vocabulary import BACKUP, FIRST_BACKUP, NOT_PEOPLE
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.drivers.postgres.prove import TakeBackup
from ephemeral_castle.errors import NotFound, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import marker, roles
from ephemeral_castle.spi.part import NOT_REACHED

PATIENCE = 300.0  # seconds for the operator's own first backup of a life
POLL = 0.5
LOGIN_RETRY = 1.2  # seconds; `server_login_retry` of the PostgresCluster that castle applies is 1


class Fence(seal.Fence):
    """The operator is kept from the cluster first: it would set roles and start pods behind the fence."""

    async def act(self) -> Observation | None:
        """Holds it, then as everywhere."""
        await PgoPlace(self.ctx, old=True).hold()
        return await super().act()

    async def undo(self) -> str:
        """As everywhere; then the operator goes on."""
        said = await super().undo()
        if not self.waived():
            await PgoPlace(self.ctx, old=True).release()
        return said


class Shut(Fence, rewind.Shut):
    """The same, with a commit behind it: see `rewind.Shut`."""


class Roles(service.Roles):
    """The operator has set the passwords that castle's Secrets hold; strangers are named."""

    async def logins(self) -> list[str]:
        """Waits for the operator; gives login roles that nobody named.

        Roles come back with the data and their old passwords, so that they are there says nothing: its status does.
        """
        session, clock = await self.session(), self.ctx.world.clock
        if self.survey.get("taken"):
            return []
        if self.ctx.request.verb is Verb.RESTORE:  # a moment of the past may not have them yet
            await session.ask(marker.CREATE)
        part = Operated(self.ctx, self.desk)
        own = await part.operated().own()
        before = await self._revision()
        mended = await passwords.hand_over(part, own)
        end, waited = clock.monotonic() + PATIENCE, False
        while lacking := await self._lacking(part, own, before if mended else ""):
            if clock.monotonic() > end:
                raise Unreachable(
                    f"the operator does not set the passwords of `{self.layer}`",
                    where=str(PgoPlace(self.ctx).ref),
                    why=f"not done yet: {lacking}",
                    hints=["kubectl -n postgres-operator logs deployment/pgo", "castle resume"],
                )
            waited = True
            await clock.sleep(POLL)
        if waited:
            await clock.sleep(LOGIN_RETRY)  # PgBouncer remembers that long that its own login was refused
        state = await session.json(roles.login_state([*self.options.users, *NOT_PEOPLE]))
        return list(state["unknown"])

    async def missing_databases(self) -> None:
        """In what is taken over as it is, nothing is made."""
        if not self.survey.get("taken"):
            await super().missing_databases()

    async def lineage_of(self) -> dict[str, Any]:
        """The same, and by what a cluster is known that bears no mark of castle's."""
        return {**await super().lineage_of(), "uid": self.survey.get("taken") or self._kept()}

    def _kept(self) -> str | None:
        """Of a cluster that was taken over and stands."""
        return self.lineage.get("uid") if self.facts("home").get("arrival") == "standing" else None

    async def _lacking(self, part: Operated, own: Own, old: str) -> str:
        """What the operator has not said to have done in this life; "" when all is. `old`: a revision that is over."""
        unread = await passwords.unset(part, own)
        revision = await self._revision()
        if unread or not revision or revision == old:
            return f"users {', '.join(unread)}" if unread else "users"
        status = (await part.operated().cluster() or {}).get("status", {})
        pooler = status.get("proxy", {}).get("pgBouncer", {})
        return "" if pooler.get("postgresRevision") else "PgBouncer's own role"

    async def _revision(self) -> str:
        """By which the operator remembers which users it has set."""
        cluster = await PgoPlace(self.ctx).cluster()
        return str((cluster or {}).get("status", {}).get("usersRevision", ""))


class Pooler(service.Pooler):
    """PgBouncer is the operator's; castle tells where it is."""

    async def observe(self) -> Observation:
        """Whether its pod is ready and its Service has an address."""
        if await self.place().state(pooler=True) != RUNNING:
            return Observation(NOT_REACHED, "not running")
        try:
            return await self.located()
        except NotFound as error:
            return Observation(NOT_REACHED, error.message)

    async def act(self) -> Observation | None:
        """It comes by itself behind the database."""
        await self.place().start_pooler({})
        clock = self.ctx.world.clock
        while (await self.observe()).state is NOT_REACHED:
            await clock.sleep(POLL)
        return await self.located()


class Alone(TakeBackup):
    """No backup beside one of the operator: both would write the list of backups."""

    async def act(self) -> Observation | None:
        """Waits for the operator's, above all for the one that follows every birth."""
        await self.alone()
        return await super().act()

    async def alone(self) -> None:
        """Raises Unreachable: the operator's own backup does not end."""
        place, clock = PgoPlace(self.ctx, old=self.old), self.ctx.world.clock
        end = clock.monotonic() + PATIENCE
        while True:
            cluster, jobs = await asyncio.gather(place.cluster(), place.jobs(BACKUP))
            first = seen.condition(cluster, FIRST_BACKUP).get("status") == "True"
            working = seen.busy(jobs)
            if first and not working:
                return
            if clock.monotonic() > end:
                raise Unreachable(
                    f"the operator's own backup of `{self.layer}` does not end",
                    where=str(place.ref),
                    why=f"at work: {', '.join(working)}" if working else "its first one is not done",
                    hints=[f"kubectl -n {place.namespace} get jobs", "castle resume"],
                )
            await clock.sleep(POLL)


class Backup(Alone):
    """The backup that is proven before a wipe."""


class BackupAfter(Alone, service.BackupAfter):
    """A backup of the new life, behind the operator's own."""


class BackupNow(Alone, service.BackupNow):
    """A backup by hand or by timer: into repo1, which survives."""

    async def act(self) -> Observation | None:
        """There is no repo2 of castle's making."""
        self.ctx.decided(f"{self.kind} backup", str(self.survey.get("kind_because", "")))
        await self.alone()
        return await TakeBackup.act(self)
