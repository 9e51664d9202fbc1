"""The cut: fence, digest, mark, archived, read back, stopped. Nothing may change a treasure after its seal."""

from __future__ import annotations

import asyncio
from typing import Any

from ephemeral_castle.drivers.postgres.awake import awake, awake_pooler, start_pooler
from ephemeral_castle.drivers.postgres.digests import open_sessions, take
from ephemeral_castle.drivers.postgres.listing import listed
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.prove import CONTROL, control_outside
from ephemeral_castle.errors import CastleError, Permanent, Refused
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import fence, sql
from ephemeral_castle.postgres.archiving import ArchiveStatus
from ephemeral_castle.postgres.chain import unbroken
from ephemeral_castle.postgres.control import only_shutdown_after, parse_control
from ephemeral_castle.postgres.exits import explain
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.segments import Segment
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

SHORTEST_PROOF = 3600.0  # seconds: a run may take as long as that between proof and seal, whatever proof.max_age is
ARCHIVE_PATIENCE = 60.0  # seconds behind the fence; pgBackRest itself gives up on a push after as long
POLL = 0.01  # seconds between looks for an archived segment, inside an open session
AGAIN = "castle rebirth"
NO_CONTROL = 3  # our own exit status; those of pgBackRest begin at 25, and 1 is its "not there"
OWN_USER = "give an application that connects as superuser a user of its own"
UNTOUCHED = "the fence is being lifted; nothing was destroyed"


async def refuse_superusers(part: Part) -> None:
    """The connection limit does not hold superusers: one that came back since the cut is refused by name."""
    session, ours = await part.session(name="c", old=True), part.desk.pids(part.ctx.old_life)
    left = fence.parse_writers(await session.value(fence.writers(ours, part.layout.agents)))
    found = [str(writer) for writer in left if writer.superuser]
    if found:
        raise Refused(
            "a superuser came back through the fence",
            why="; ".join(found),
            state=UNTOUCHED,
            hints=[OWN_USER, AGAIN],
        )


class Fence(Part):
    """No client may write from here on. Old limits are kept in the database itself and restored exactly."""

    async def observe(self) -> Observation:
        """Whether every database is closed, and nobody but us is in."""
        gone = self.waived()
        if gone:
            return gone
        open_session = self.desk.known(self.ctx.old_life)
        if not open_session and await self.place(old=True).at_rest():
            return Observation(REACHED, "the database is stopped: nothing can commit")
        session = await self.session(old=True)
        limits = fence.parse_limits(await session.value(fence.LIMITS))
        if not all(limit.fenced for limit in limits):
            return Observation(NOT_REACHED, "not fenced")
        return await self.proven()

    async def proven(self) -> Observation:
        """Whether the fence that stands holds: nobody else is in, and nobody else can come in."""
        session = await self.session(old=True)
        ours = self.desk.pids(self.ctx.old_life)
        starting = int(await session.value(fence.starting_sessions(ours)))
        left = fence.parse_writers(await session.value(fence.writers(ours, self.layout.agents)))
        reason = fence.breach(
            starting,
            left,
            await session.json(fence.OPEN_DATABASES),
            await session.json(fence.PREPARED_TRANSACTIONS),
        )
        if reason is None:
            # A superuser may still come back. Whatever it writes takes a transaction id, which the mark compares.
            cut = await session.json(sql.MARK)
            facts = {key: cut[key] for key in ("next_xid", "server")}
            if self.facts("fence").get("server", cut["server"]) != cut["server"]:
                return Observation(NOT_REACHED, "the server was started again since the cut, and wrote behind it")
            return Observation(REACHED, "fenced; no other client is connected", facts)
        return Observation(NOT_REACHED, reason)

    async def act(self) -> Observation | None:
        """Pauses PgBouncer, closes the databases, ends clients; proves it within the fence's time."""
        session = await self.session(old=True)
        if self.ctx.attempt > 1:
            await session.ask(self.layout.quiet)  # a fence that was lifted in between woke what rests since marker B
        await self._pause()
        limits = fence.parse_limits(await session.value(fence.LIMITS))
        await session.ask(fence.fence(limits, self.ctx.run, read_only=self.layout.delivered))
        deadline = self.ctx.world.clock.monotonic() + self.options.fence_timeout
        while True:
            await session.ask(fence.terminate(self.desk.pids(self.ctx.old_life), self.layout.agents))
            seen = await self.proven()
            if seen.state is REACHED:
                return seen
            if self.ctx.world.clock.monotonic() > deadline:
                raise Refused(
                    "writers cannot be fenced out",
                    why=seen.detail,
                    state=UNTOUCHED,
                    hints=[
                        OWN_USER,
                        "commit or roll back prepared transactions (pg_prepared_xacts)",
                        AGAIN,
                    ],
                )
            await self.ctx.world.clock.sleep(0.02)

    async def _pause(self) -> None:
        """PAUSE lets open transactions end; in session mode it would wait for ever, hence the deadline."""
        if not self.layout.console:
            return
        try:
            console = await self.desk.pooler(self.ctx, old=True)
            await console.ask("PAUSE", timeout=self.options.fence_timeout)
        except CastleError as error:
            # The connection limit and the terminations are the fence; PAUSE only makes it polite.
            self.ctx.diagnostic("warning", f"PgBouncer did not pause: {error}")

    async def undo(self) -> str:
        """Lifts the fence: limits as they were, heartbeat, vacuum and PgBouncer on again."""
        if self.waived():
            return "there was no fence to lift"
        await awake(self, old=True)  # the fence lies in the data: a server that was stopped would come up behind it
        session = await self.session(old=True)
        limits = fence.parse_limits(await session.value(fence.LIMITS))
        if any(limit.fenced for limit in limits):
            await session.ask(fence.lift(limits))
        await session.ask(self.layout.unquiet)
        await self._resume()
        return "fence lifted: connection limits as they were, PgBouncer goes on"

    async def _resume(self) -> None:
        if not self.layout.console:
            return
        await self.desk.forget(self.ctx, old=True)
        try:
            console = await self.desk.pooler(self.ctx, old=True)
            await console.ask("RESUME", timeout=10)
        except CastleError as error:
            if "not paused" not in f"{error} {error.why}":
                await start_pooler(self, old=True)  # a new one is not paused


class Digest(Part):
    """Rows and digest of every table, while nobody can write."""

    async def observe(self) -> Observation:
        """Only the act knows."""
        return self.waived() or Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Two sessions, largest tables first: two processors are busy to the end."""
        found = await take(self, old=True)
        text = f"{found['rows']} rows in {len(found['tables'])} tables"
        return Observation(REACHED, text, {"digest": found})


class Mark(Part):
    """A named restore point in a segment that is switched and archived."""

    async def observe(self) -> Observation:
        """A mark that a former runner made is not taken over: nothing is lost by making another."""
        return self.waived() or Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """The switch is the only statement of its transaction, else the commit lands in the next segment."""
        # On resume the digest opens its sessions beside this: known only when open, they would pass for strangers.
        await open_sessions(self, old=True, databases=self.survey.get("databases"))
        session = await self.session(name="c", old=True)
        mark = await session.json(sql.MARK)
        await self._unwritten(mark)
        name = sql.restore_point_name(self.ctx.run, self.ctx.world.clock.now())
        lsn = Lsn.parse(await session.value(sql.create_restore_point(name)))
        switched = await session.json(sql.SWITCH_WAL)
        size = int(switched["segment_size"])
        segment = Segment.finished_by_switch(int(switched["timeline"]), Lsn.parse(switched["lsn"]), size).name(size)
        await self.archived(segment)
        facts = {**mark, "lsn": str(lsn), "segment": segment, "name": name}
        return Observation(REACHED, f"{lsn} in {segment}, archived", {"mark": facts})

    async def _unwritten(self, mark: dict[str, Any]) -> None:
        """Nobody took a transaction id since the cut, so digest and mark tell of the same rows."""
        await refuse_superusers(self)
        cut = self.facts("fence").get("next_xid")
        if cut is not None and cut != mark["next_xid"]:
            raise Refused(
                "something was written behind the fence",
                why=f"{int(mark['next_xid']) - int(cut)} transaction ids were taken since the cut; only a superuser "
                "passes the fence",
                state=UNTOUCHED,
                hints=[OWN_USER, AGAIN],
            )

    async def archived(self, segment: str, state: str = UNTOUCHED) -> None:
        """Waits until a finished segment is archived; says so while it takes long.

        Args:
            segment: its name.
            state: what to say of the world when the time is up.

        Raises:
            Refused: it does not arrive; clients must not wait behind a fence for a treasury that may never answer.
        """
        session = await self.session(name="c", old=True)
        clock = self.ctx.world.clock
        began = told = clock.monotonic()
        while True:
            status = ArchiveStatus.from_json(await session.json(sql.archive_status(segment)))
            if status.archived:
                return
            failed = f", {status.failed_count} failures, last {status.last_failed}" if status.failed_count else ""
            if clock.monotonic() - began > ARCHIVE_PATIENCE:
                raise Refused(
                    f"WAL segment {segment} was not archived within {ARCHIVE_PATIENCE:g} s",
                    why=f"the treasury does not take it{failed}",
                    state=state,
                    hints=["castle doctor, to see whether the treasury answers", AGAIN],
                )
            if clock.monotonic() - told > 1:
                told = clock.monotonic()
                self.ctx.progress(f"waiting until {segment} is archived{failed}")
            await clock.sleep(POLL)


class ReadBack(Part):
    """What was archived is read back from outside; the chain from the proven backup to the mark has no hole."""

    async def observe(self) -> Observation:
        """Only the act knows."""
        return self.waived() or Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Fetches the last segment, lists all names between."""
        mark = self.facts("mark")["mark"]
        segment, size = str(mark["segment"]), int(mark["segment_size"])
        start = str(self.start_from("archive_start"))
        # What is read comes from the server's memory, and this step is not done again after a power cut.
        await self.ctx.world.settle()
        fetched, names = await asyncio.gather(self._fetch(segment, size), listed(self, start))
        missing = unbroken(names, start, segment, wal_segment_size=size)
        if missing:
            raise Refused(
                f"{len(missing)} WAL segments are missing in the treasury, the first is {missing[0]}",
                why=f"the history from {start} to {segment} has a hole: a restore would end before it",
                state=UNTOUCHED,
                hints=["castle backup --full", AGAIN],
            )
        return Observation(REACHED, f"{segment} read back, {fetched} bytes; no hole since {start}")

    async def _fetch(self, segment: str, size: int) -> int:
        result = await self.outside().run(
            "sh", "-c",
            f"[ -e {CONTROL} ] || exit {NO_CONTROL}; "
            f"{' '.join(self.layout.outside)} --repo=1 --no-archive-async "
            '--log-level-console=warn archive-get "$1" "/tmp/$1" && stat -c %s "/tmp/$1" && rm "/tmp/$1"',
            "fetch", segment,
        )  # fmt: skip
        if result.code == NO_CONTROL:  # the container is another one than the survey had
            await control_outside(self)
            return await self._fetch(segment, size)
        if result.code == 1:
            raise Permanent(f"segment {segment} was reported as archived, but is not in the treasury", state=UNTOUCHED)
        if not result.ok:
            raise explain(result.code, result.err + result.out, "archive-get")
        found = int(result.out.split()[-1])
        if found != size:
            raise Permanent(f"segment {segment} came back with {found} bytes instead of {size}", state=UNTOUCHED)
        return found


class Stop(Part):
    """PostgreSQL is stopped; its control data say that nothing but the shutdown came after the mark."""

    async def observe(self) -> Observation:
        """Whether it is stopped at the mark."""
        gone = self.waived()
        if gone:
            return gone
        known = self.facts("stop")
        if not known:
            return Observation(NOT_REACHED, "not stopped and compared yet")
        if not await self.place(old=True).at_rest():
            return Observation(NOT_REACHED, "it runs again")
        return Observation(REACHED, "stopped", known)

    async def act(self) -> Observation | None:
        """Ends sessions, stops both servers, compares."""
        self._proof_holds()
        place = self.place(old=True)
        if self.desk.known(self.ctx.old_life):
            await refuse_superusers(self)
        text, _, _ = await asyncio.gather(place.stop(), place.stop_pooler(), self.desk.drop(self.ctx.old_life))
        mark: dict[str, Any] = dict(self.facts("mark")["mark"])
        control = parse_control(text)
        lsn, xid = Lsn.parse(str(mark["lsn"])), int(mark["next_xid"])
        reason = only_shutdown_after(control, lsn, int(mark["segment_size"]), next_xid=xid)
        if str(control.system_id) != str(mark["system_id"]):
            reason = f"another database stands there: system id {control.system_id}, ours is {mark['system_id']}"
        if reason:
            state = "the database is being started again; nothing was destroyed"
            raise Refused("something was written after the cut", why=reason, state=state, hints=[AGAIN])
        return Observation(REACHED, "stopped right after the mark", self._sealed(mark))

    def _proof_holds(self) -> None:
        """A run that lay broken off for days must not rely on what it proved before."""
        at = self.facts("proof").get("at")
        longest = max(self.ctx.request.castle.proof_max_age, SHORTEST_PROOF)
        if at is not None and self.ctx.world.clock.now() - float(at) > longest:
            raise Refused(
                "the proof of this run is too old",
                why=f"it was made more than {longest / 3600:g} h ago, and the run was broken off since",
                state=UNTOUCHED,
                hints=["castle cancel", AGAIN],
            )

    def _sealed(self, mark: dict[str, Any]) -> dict[str, Any]:
        """What the record keeps of the seal: all that another computer needs to bring the data home."""
        sealed = {
            "system_id": str(mark["system_id"]),
            "stanza": self.layout.stanza,
            "timeline": int(mark["timeline"]),
            "seal": {
                "mark": mark,
                "label": self.start_from("label"),
                "archive_start": self.start_from("archive_start"),
                "digest": self.facts("digest")["digest"],
                "marker": self.facts("marker-b")["nonce"],
                "at": self.ctx.world.clock.now(),
                "run": self.ctx.run,
                "life": self.ctx.old_life,
            },
        }
        return {"mark": mark, f"sealed:{self.layer}": sealed}

    async def undo(self) -> str:
        """Starts both servers again, if they are stopped."""
        if self.waived():
            return "there was nothing to start"
        await awake(self, old=True)
        await awake_pooler(self, old=True)
        await self.session(old=True)
        return "database and PgBouncer run"
