"""After the data are home: roles, PgBouncer, the fence lifted, a backup of the new life."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.drivers.postgres.awake import start_pooler
from ephemeral_castle.drivers.postgres.configuration import verifiers
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.drivers.postgres.prove import TakeBackup
from ephemeral_castle.drivers.postgres.sides import path_of, recorded
from ephemeral_castle.drivers.postgres.whereabouts import told
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import cadence, fence, marker, roles, sql
from ephemeral_castle.postgres.exits import explain
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.reach import reach
from ephemeral_castle.spi.part import NOT_REACHED, REACHED


class Roles(Part):
    """Every user of the definition has the password that the castle's secrets hold; strangers are named."""

    async def observe(self) -> Observation:
        """Whether this run has set them; the verifiers themselves are not compared, they are set anew."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Sets verifiers, computed here: no clear password reaches the server's log."""
        session = await self.session()
        await self.place().keep()
        if self.ctx.request.adopt:
            await session.ask(marker.CREATE)
        unknown = await self.logins()
        if self.ctx.request.adopt:
            await self.missing_databases()
        for name in unknown:
            self.ctx.diagnostic("warning", f"login role `{name}` came back with the data, but not from the definition")
        await session.ask(marker.insert_life(self.ctx.life, self.ctx.record.id))
        users = sorted(self.options.users)
        facts = {"users": users, "unknown": unknown, f"home:{self.layer}": await self.lineage_of()}
        return Observation(REACHED, f"{len(users)} users", facts)

    async def logins(self) -> list[str]:
        """Sets the users' verifiers, and makes users that are missing; gives login roles that nobody named."""
        session = await self.session()
        wanted = await verifiers(self, self.ctx.life)
        state = await session.json(roles.login_state([*wanted, "postgres"]))
        for user, verifier in wanted.items():
            create = user in state["missing"]
            text = roles.create_login(user, verifier) if create else roles.set_verifier(user, verifier)
            await session.ask(text)
        return list(state["unknown"])

    async def missing_databases(self) -> None:
        """An adopted cluster may lack databases of the definition: they are made empty, and that is said."""
        session = await self.session()
        there = await session.json(sql.DATABASES)
        for name, database in self.options.databases.items():
            if name not in there:
                await session.ask(roles.create_database(name, database.owner))
                self.ctx.diagnostic("warning", f"database `{name}` was not in the adopted repository: made, empty")

    async def lineage_of(self) -> dict[str, Any]:
        """What the record keeps of the new life, so that any computer knows its own database again."""
        session = await self.session()
        mark = await session.json(sql.MARK)
        archived = await session.value(sql.LAST_ARCHIVED)
        before = known.mark if (known := recorded(self)) else Lsn(0)
        return {
            "system_id": mark["system_id"],
            "timeline": int(mark["timeline"]),
            "stanza": self.layout.stanza,
            "path": path_of(self),
            "mark": str(reach(archived, Lsn.parse(mark["lsn"]), before, int(mark["segment_size"]))),
            "life": self.ctx.life,
            **self.place().told(),
            **await told(self.ctx),
            "timelines": {str(mark["timeline"]): self.ctx.world.clock.now(), **(self.lineage.get("timelines") or {})},
        }


class Pooler(Part):
    """PgBouncer runs and knows where the database is."""

    async def observe(self) -> Observation:
        """Whether it runs, and the database behind it once that was brought home."""
        if await self.place().state(pooler=True) != RUNNING:
            return Observation(NOT_REACHED, "not running")
        if self.arrived and self.ctx.life not in self.desk.awake and await self.place().state() != RUNNING:
            return Observation(NOT_REACHED, "the database behind it does not run")
        return await self.located()

    async def located(self) -> Observation:
        """Where clients find it."""
        door = await self.place().door()
        where = {"address": door.address, "port": door.port}
        facts = {
            "endpoint": where,
            "users": sorted(self.options.users),
            "databases": {name: db.owner for name, db in self.options.databases.items()},
            "inside": {self.layer: where},
        }
        return Observation(REACHED, f"{door.address}:{door.port}", facts)

    async def act(self) -> Observation | None:
        """Starts it beside the restore: it waits for the database by itself."""
        if self.arrived:
            await self.still_awake()
        await start_pooler(self, old=False)
        return await self.located()


class Lift(Part):
    """The fences that came back with the data are lifted: exactly the limits of before."""

    async def observe(self) -> Observation:
        """Whether any database is still fenced, or the heartbeat rests: a restore lets it, also without a fence."""
        session = await self.session()
        limits = fence.parse_limits(await session.value(fence.LIMITS))
        if any(limit.fenced for limit in limits):
            return Observation(NOT_REACHED, "still fenced")
        if await session.value(self.layout.rests) == "t":
            return Observation(NOT_REACHED, "the heartbeat rests")
        return Observation(REACHED, "every limit as it was before the fence")

    async def act(self) -> Observation | None:
        """Restores them; a life that was never fenced has nothing to lift."""
        session = await self.session()
        limits = fence.parse_limits(await session.value(fence.LIMITS))
        await session.ask(self.layout.unquiet)  # first: once the fence is lifted, nobody looks here again
        await session.ask(fence.lift(limits))
        return None


class BackupAfter(TakeBackup):
    """A backup of the new life: from now on it can die, too."""

    key = "-after"
    old = False

    def needless(self) -> Observation | None:
        """A raise that changed nothing needs no backup."""
        if self.ctx.request.verb is Verb.RAISE and self.facts("home").get("arrival") == "standing":
            return Observation(REACHED, waived="nothing was brought home")
        return None

    async def act(self) -> Observation | None:
        """Both repositories know the life; the control data know the timeline; then the backup."""
        session = await self.session()
        await session.ask(sql.CHECKPOINT)  # else pg_control lags behind the promotion: error 58
        return await super().act()


class BackupNow(TakeBackup):
    """A backup in every repository, by hand or by timer."""

    old = True

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.kind = str(self.survey.get("kind") or cadence.INCREMENTAL)

    def needless(self) -> Observation | None:
        """Never."""
        if self.waived():
            raise Permanent(
                "there is no database to back up", why=str(self.survey.get("reason")), hints=["castle status"]
            )
        return None

    async def act(self) -> Observation | None:
        """repo1 first: it is the one that survives."""
        self.ctx.decided(f"{self.kind} backup", str(self.survey.get("kind_because", "")))
        taken = await super().act()
        place = self.place(old=True)
        result = await place.job(
            "backup-repo2",
            *self.layout.backrest, "--repo=2", f"--type={self.kind}",
            f"--annotation=castle-run={self.annotation}", "backup", timeout=7200,
        )  # fmt: skip
        if result.ok:
            result = await place.run(*self.layout.backrest, "--repo=2", "expire", timeout=600)
        if not result.ok:
            self.ctx.diagnostic("warning", f"repo2 (local): {explain(result.code, result.err, 'backup')}")
        return taken


class Expire(Part):
    """Old backups go, by the keeper's identity: the machines' own may not delete."""

    async def act(self) -> Observation | None:
        """Runs `expire` outside the machines."""
        from ephemeral_castle.drivers.postgres.configuration import admit, pgbackrest_conf, reader_files
        from ephemeral_castle.postgres.config import Access

        files = await reader_files(self)
        await admit(self, Access.KEEPER)
        keeper = {**files, "pgbackrest.conf": await pgbackrest_conf(self, Access.KEEPER, self.ctx.life)}
        outside = self.outside()
        await outside.deliver(keeper)
        try:
            command = (*self.layout.outside, "--repo=1")
            result = await outside.job("expire", *command, "--log-level-console=detail", "expire", timeout=3600)
        finally:
            await outside.deliver(files)
        if not result.ok:
            raise explain(result.code, result.err + result.out, "expire")
        removed = sum("expire" in line and "backup" in line for line in result.out.splitlines())
        return Observation(REACHED, f"{removed} lines of work", {"said": result.out.splitlines()[-20:]})
