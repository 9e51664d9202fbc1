"""Bringing the data home by the operator: told how, followed, and not believed before the history is read."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.awake import awake
from ephemeral_castle.drivers.postgres.pgo import birth
from ephemeral_castle.drivers.postgres.pgo.beginning import begin
from ephemeral_castle.drivers.postgres.pgo.firstborn import provision
from ephemeral_castle.drivers.postgres.pgo.following import follow, forget_failed
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import marker, sql
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.segments import History
from ephemeral_castle.spi.part import NOT_REACHED, PARTIAL, REACHED

SEGMENT = 16 << 20


class Home(Operated):
    """The PostgresCluster of this life: born empty or by restore, or standing."""

    async def observe(self) -> Observation:
        """What the operator has made of it."""
        plan, place = str(self.survey["plan"]), self.operated()
        state = await place.state()
        if plan == "standing":
            if state == RUNNING:
                return Observation(REACHED, "the database runs", {"arrival": "standing"})
            return Observation(PARTIAL, f"it is {state}")
        if state != RUNNING:
            return Observation(NOT_REACHED, f"it is {state}")
        session = await self.session()
        if (await session.json(sql.REPLAY))["in_recovery"]:
            return Observation(PARTIAL, "it replays")
        if plan == birth.RESTORE:
            return self._restored()
        there = await session.json(marker.SCHEMA_STATE)
        return Observation(REACHED if there["marked"] else NOT_REACHED, "", {"arrival": "created"})

    async def act(self) -> Observation | None:
        """Tells the operator, and follows it until the server takes rows."""
        plan = str(self.survey["plan"])
        if plan == "standing":
            await awake(self, old=False)
            await self.session()
            return None
        await self.ctx.intent(plan, layer=self.layer, life=self.ctx.life)
        await forget_failed(self.operated())
        await begin(self)
        await follow(self.operated())
        if plan == birth.CREATE:
            await provision(self)
            return Observation(REACHED, "born", {"arrival": "created"})
        await self.session()
        return self._restored()

    def _restored(self) -> Observation:
        return Observation(REACHED, "restored", {"arrival": "restored"})


class Promote(Operated):
    """The history of the new life is the recorded one up to the mark, and its new timeline stands in the archive."""

    async def observe(self) -> Observation:
        """Whether it accepts writes, descends from the mark, and its history was archived."""
        if self.facts("home").get("arrival") != "restored":
            return Observation(REACHED, waived="nothing was restored")
        session = await self.session(name="c")
        if (await session.json(sql.REPLAY))["in_recovery"]:
            return Observation(NOT_REACHED, "it replays")
        timeline = int(await session.value(sql.TIMELINE))
        text = await session.ask(f"select pg_read_file('pg_wal/{timeline:08X}.history')")
        await self.descends(History.parse(timeline, "\n".join(text)))
        if self.ctx.request.verb is Verb.DRILL:
            return Observation(REACHED, f"timeline {timeline}, archived nowhere", {"timeline": timeline})
        status = await session.json(sql.history_status(timeline))
        if not status["done"]:
            return Observation(NOT_REACHED, f"history of timeline {timeline} not archived yet")
        facts = {"timeline": timeline, f"home:{self.layer}": {"timeline": timeline}}
        return Observation(REACHED, f"timeline {timeline}, history archived", facts)

    async def act(self) -> Observation | None:
        """The operator promotes; the archiver is waited for."""
        while True:
            found = await self.observe()
            if found.state is REACHED:
                return found
            await self.ctx.world.clock.sleep(0.2)

    async def descends(self, history: History) -> None:
        """A restore that ended early is a smaller database, and the operator calls it a success.

        Raises:
            Refused: it is another database, or its history was left before the mark.
        """
        session = await self.session(name="c")
        system, target = str((await session.json(sql.MARK))["system_id"]), self.target()
        known = str(target.get("system_id") or self.lineage.get("system_id") or system)
        if system != known:
            raise self._other(f"its system id is {system}, the recorded one is {known}")
        if self.moment is not None and self.moment.to_the_past:
            return  # its own target is not the mark: PostgreSQL ends without a server where it is not reached
        wanted = Lsn.parse(str(target["lsn"]))
        left = history.switches[-1][1] if history.switches else Lsn(0)
        # The end of an open archive is not always the end of a record.
        short = SEGMENT if target.get("open") else 0
        if left.value < wanted.value - short:
            raise self._other(f"its history goes to {left} only, and {wanted} is needed")

    def _other(self, why: str) -> Refused:
        return Refused(
            f"what the operator brought home is not database `{self.layer}` as it was",
            where=str(self.operated().ref),
            why=why,
            state="clients are still fenced out; the backups of the recorded history are in the repository still",
            hints=["castle logs", "castle doctor"],
        )
