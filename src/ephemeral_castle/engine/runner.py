"""The process that owns a run: leases, journal, resume, walk, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.engine.attempt import BUG
from ephemeral_castle.engine.budget import rto_crossed
from ephemeral_castle.engine.bus import JournalBus, Log, Past
from ephemeral_castle.engine.context import Shared
from ephemeral_castle.engine.hold import Hold
from ephemeral_castle.engine.lineage import unproven
from ephemeral_castle.engine.residence import check_residence, lives
from ephemeral_castle.engine.walk import Walk
from ephemeral_castle.errors import Busy, CastleError, Conflict, Refused
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.runview import StepState, reduce
from ephemeral_castle.spi.driver import Driver, Request, layer_with
from ephemeral_castle.spi.secret import SecretSource
from ephemeral_castle.spi.world import World

LOG = logging.getLogger(__name__)
UNVERIFIED = 5  # exit status: everything was done, but the verification failed
LOOK = 0.25  # seconds between looks for a request to stop and at the budget


@dataclass
class Runner:
    """All that a run needs, brought together by `cli.wiring`.

    `cancel_by`: who asked this runner for nothing but to take the run back, or "". `notes`: what the person at the
    terminal should know before it goes on.
    """

    run: str
    plan: Plan
    request: Request
    journal: Log
    reader: Past
    world: World
    secrets: SecretSource
    records: RecordStore
    recipient: str
    mint_id: Callable[[], str]
    drivers: Mapping[str, Driver[Any]]
    options: Mapping[str, Any]
    hold: Hold
    process: Mapping[str, Any]
    lived: str = ""  # an earlier run that raised this castle on this computer
    cancel_by: str = ""
    notes: Sequence[str] = ()

    async def execute(self) -> RunStatus:
        """Runs or resumes the stored plan to its end; the status is also the run's last event."""
        past = self.reader.events(self.run)
        bus = JournalBus(self.run, self.journal, self.reader, reduce(self.plan, past), self.world.clock.now)
        record = await self._record()
        computer = str(self.world.computer["id"])
        old_life, life = lives(self.plan.verb, record, past, computer)
        check_residence(record, self.request, self.run, (old_life, life), computer)
        await bus.emit(Kind.RUN_STARTED, durable=True, old_life=old_life, life=life, **self.process)
        for note in self.notes:
            bus.note(Kind.DIAGNOSTIC, severity="info", text=note)
        for step_id, step in bus.view.steps.items():
            if step.state is StepState.RUNNING:
                await bus.emit(Kind.STEP_INTERRUPTED, step_id, step.attempts, durable=True)
        shared = self._shared(bus, record, old_life, life, past)
        try:
            status, error, code = await self._walk(shared)
            told = error.as_dict() if error else None
            await bus.emit(Kind.RUN_FINISHED, durable=True, status=status.value, exit_code=code, error=told)
        finally:
            await self._close(shared)
        return status

    def _shared(self, bus: JournalBus, record: Record, old_life: int, life: int, past: list[Event]) -> Shared:
        layers = {layer.id: layer for layer in self.request.site.layers}
        created = past[0].at if past else self.world.clock.now()
        return Shared(
            request=self.request,
            run=self.run,
            created=created,
            old_life=old_life,
            life=life,
            world=self.world,
            secrets=self.secrets,
            records=self.records,
            record=record,
            drivers=self.drivers,
            options=self.options,
            bus=bus,
            ground=layer_with(self.drivers, layers, "machine"),
            foundations=layer_with(self.drivers, layers, "cluster"),
            layers=layers,
        )

    async def _walk(self, shared: Shared) -> tuple[RunStatus, CastleError | None, int]:
        """How the run ended, why, and the exit status that this deserves."""
        cancelled = asyncio.Event()
        self.hold.changed = lambda: self._unchanged(shared)
        await self._cancel(shared, cancelled, self.cancel_by or self.reader.cancel_requested(self.run))
        walk = Walk(self.plan, shared, self.hold, cancelled)
        async with self._watching(shared, cancelled):
            status, error = await walk.run()
        return status, error, exit_code(status, error, last_look=walk.last_look_failed)

    async def _close(self, shared: Shared) -> None:
        """Ends the drivers' sessions; what goes wrong there changes nothing about the run."""
        for name, driver in self.drivers.items():
            if not hasattr(driver, "close"):
                continue
            try:
                await driver.close()
            except Exception as error:
                LOG.exception("driver %s", name)
                shared.bus.note(Kind.DIAGNOSTIC, severity="warning", text=f"driver {name} did not end well: {error}")

    @staticmethod
    async def _cancel(shared: Shared, cancelled: asyncio.Event, by: str) -> None:
        if by and not cancelled.is_set():
            await shared.bus.emit(Kind.RUN_CANCELLING, durable=True, by=by)
            cancelled.set()

    @contextlib.asynccontextmanager
    async def _watching(self, shared: Shared, cancelled: asyncio.Event) -> AsyncIterator[None]:
        """Looks for `castle cancel`, and at the budget, while the run goes on."""

        async def look() -> None:
            while True:
                await self._cancel(shared, cancelled, self.reader.cancel_requested(self.run))
                await self._spend(shared)
                await self.world.clock.sleep(LOOK)

        task = asyncio.create_task(look())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled() and (fault := task.exception()):
            raise fault
        await self._spend(shared)

    async def _spend(self, shared: Shared) -> None:
        crossed = rto_crossed(shared.view, self.request.castle.budget.rto, self.world.clock.now())
        if crossed:
            await shared.bus.emit(Kind.BUDGET_CROSSED, **crossed)

    async def _unchanged(self, shared: Shared) -> None:
        """After another runner held the castle: it must be as this run left it, or this run knows too little."""
        found = await self.records.load()
        if found is not None and unproven(found[0]) == unproven(shared.record):
            return  # a drill, which needs no lease, may have written a proof
        by = f"run {found[0].run or 'unknown'}, life {found[0].life}" if found else "the record is gone"
        raise Busy(
            "another runner held this castle meanwhile, and changed it",
            where="castle.json",
            why=by,
            state="this runner paused before an irreversible act and does nothing more",
            hints=["castle status", "castle resume, when the other run has ended"],
        )

    async def _record(self) -> Record:
        """The castle's record; minted at its first raise."""
        found = await self.records.load()
        if found is not None:
            record, _ = found
            check_owner(record, self.recipient, self.request.castle.name)
            return record
        if self.request.verb is not Verb.DRILL:  # whose records say themselves what they do without one
            await self._only_by_word()
        record = Record(id=self.mint_id(), name=self.request.castle.name, recipient=self.recipient)
        try:
            return await self.records.create(record)
        except Conflict:
            again = await self.records.load()
            if again is None:
                raise
            return again[0]

    async def _only_by_word(self) -> None:
        """A castle without a record is born, or takes over what lies there, only by an explicit word."""
        if self.request.adopt:
            return
        treasury = self.request.castle.treasury
        async for stat in self.world.objects.list("pgbackrest/"):
            raise Refused(
                "the treasury holds backups that no record of a castle knows",
                where=f"s3://{treasury.bucket}/{treasury.prefix}",
                why=f"there is no castle.json, and there is {stat.key}: made by something else, or the record was lost",
                state="nothing was changed",
                hints=[
                    "to begin with an empty castle, give it another prefix in `treasury.url`",
                    "to take these backups over: castle raise --adopt",
                ],
            )
        if not self.request.new:
            raise Refused(
                f"no castle `{self.request.castle.name}` is known in this treasury",
                where=f"s3://{self.request.castle.treasury.bucket}/{self.request.castle.treasury.prefix}/castle.json",
                why="the record is absent: wrong bucket or prefix, or this castle was never raised",
                state="nothing was changed",
                hints=["look at `treasury.url` in the definition", "castle raise --new, for a first birth"],
            )
        if self.lived:
            raise Refused(
                f"castle `{self.request.castle.name}` is known to this computer, but not to this treasury",
                where=f"s3://{treasury.bucket}/{treasury.prefix}/castle.json",
                why=f"run {self.lived} brought it up from a treasury that has its record: a second castle of that name "
                "would begin empty beside it",
                state="nothing was changed",
                hints=[
                    "look at `treasury.url` in the definition",
                    f"castle down --confirm {self.request.castle.name}, if the old one is not needed any more",
                ],
            )


def exit_code(status: RunStatus, error: CastleError | None, *, last_look: bool = False) -> int:
    """The exit status of a run; that of a gate which closed means that nothing was destroyed, and only that.

    Args:
        status: how it ended.
        error: why, when it did not end well.
        last_look: all was done, and what failed is a step that only verifies. Said here, since taking a drill's castle
            away makes the journal forget which step it was.
    """
    if status is RunStatus.DONE:
        return 0
    if last_look and status is RunStatus.FAILED and error is not None and error.exit_code != BUG:
        return UNVERIFIED
    if error is None or (isinstance(error, Refused) and status is not RunStatus.REFUSED):
        return CastleError.exit_code
    return error.exit_code


def check_owner(record: Record, recipient: str, name: str) -> None:
    """Refuses a prefix that belongs to another castle (another key file wrote it)."""
    if record.recipient == recipient and record.name == name:
        return
    raise Refused(
        f"this prefix of the treasury belongs to another castle, `{record.name}`",
        why=f"its record names key {record.recipient}; your key file is {recipient}",
        state="nothing was changed",
        hints=["give this castle a prefix of its own in `treasury.url`", "or use the key file of that castle"],
    )
