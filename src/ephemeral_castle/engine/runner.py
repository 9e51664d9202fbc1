"""The process that owns a run: leases, journal, resume, walk, end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.engine.context import Shared
from ephemeral_castle.engine.walk import Walk
from ephemeral_castle.errors import CastleError, Conflict, Refused
from ephemeral_castle.journal.lease import Lease
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.runview import RunView, StepState, reduce
from ephemeral_castle.spi.driver import Driver, Request
from ephemeral_castle.spi.secret import SecretSource
from ephemeral_castle.spi.world import World

CANCEL_LOOK = 0.25  # seconds between looks for a request to stop


class JournalBus:
    """Every event goes into the journal and, in the same order, into the live state."""

    def __init__(self, run: str, journal: Journal, view: RunView, now: Callable[[], float]) -> None:
        self.run, self.journal, self.view, self.now = run, journal, view, now

    async def emit(
        self, kind: Kind, step: str = "", attempt: int = 0, /, *, durable: bool = False, **data: Any
    ) -> Event:
        """Appends; with `durable` it is on disk when this returns."""
        event = Event(run=self.run, kind=kind, at=self.now(), step=step, attempt=attempt, data=data)
        self.view = self.view.apply(event)
        return await self.journal.append(event, durable=durable)

    def note(self, kind: Kind, step: str = "", attempt: int = 0, /, **data: Any) -> None:
        """Appends without waiting."""
        event = Event(run=self.run, kind=kind, at=self.now(), step=step, attempt=attempt, data=data)
        self.view = self.view.apply(event)
        self.journal.note(event)


@dataclass
class Runner:
    """All that a run needs, brought together by `cli.wiring`."""

    run: str
    plan: Plan
    request: Request
    journal: Journal
    reader: JournalReader
    world: World
    secrets: SecretSource
    records: RecordStore
    recipient: str
    mint_id: Callable[[], str]
    drivers: Mapping[str, Driver[Any]]
    options: Mapping[str, Any]
    lease: Lease
    process: Mapping[str, Any]

    async def execute(self) -> RunStatus:
        """Runs or resumes the stored plan to its end; the status is also the run's last event."""
        past = self.reader.events(self.run)
        bus = JournalBus(self.run, self.journal, reduce(self.plan, past), self.world.clock.now)
        record = await self._record()
        old_life, life = lives(self.plan.verb, record, past)
        await bus.emit(Kind.RUN_STARTED, durable=True, old_life=old_life, life=life, **self.process)
        for step_id, step in bus.view.steps.items():
            if step.state is StepState.RUNNING:
                await bus.emit(Kind.STEP_INTERRUPTED, step_id, step.attempts, durable=True)
        shared = self._shared(bus, record, old_life, life, past)
        status, error = await self._walk(shared)
        await bus.emit(Kind.RUN_FINISHED, durable=True, status=status.value, error=error.as_dict() if error else None)
        return status

    def _shared(self, bus: JournalBus, record: Record, old_life: int, life: int, past: list[Event]) -> Shared:
        layers = {layer.id: layer for layer in self.request.site.layers}
        ground = next((name for name, layer in layers.items() if hasattr(self.drivers[layer.driver], "machine")), "")
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
            ground=ground,
            layers=layers,
        )

    async def _walk(self, shared: Shared) -> tuple[RunStatus, CastleError | None]:
        cancelled = asyncio.Event()
        walk = Walk(self.plan, shared, self.lease.check, cancelled)
        async with self._watching(shared, cancelled):
            try:
                return await walk.run()
            finally:
                for driver in self.drivers.values():
                    if hasattr(driver, "close"):
                        await driver.close()

    @contextlib.asynccontextmanager
    async def _watching(self, shared: Shared, cancelled: asyncio.Event) -> AsyncIterator[None]:
        """Looks for `castle cancel` while the run goes on."""

        async def look() -> None:
            while not cancelled.is_set():
                if self.reader.cancel_requested(self.run):
                    await shared.bus.emit(Kind.RUN_CANCELLING, durable=True)
                    cancelled.set()
                    return
                await self.world.clock.sleep(CANCEL_LOOK)

        task = asyncio.create_task(look())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _record(self) -> Record:
        """The castle's record; minted at its first raise."""
        found = await self.records.load()
        if found is not None:
            record, _ = found
            check_owner(record, self.recipient, self.request.castle.name)
            return record
        if not (self.request.new or self.request.adopt):
            raise Refused(
                f"no castle `{self.request.castle.name}` is known in this treasury",
                where=f"s3://{self.request.castle.treasury.bucket}/{self.request.castle.treasury.prefix}/castle.json",
                why="the record is absent: wrong bucket or prefix, or this castle was never raised",
                state="nothing was changed",
                hints=["look at `treasury.url` in the definition", "castle raise --new, for a first birth"],
            )
        record = Record(id=self.mint_id(), name=self.request.castle.name, recipient=self.recipient)
        try:
            return await self.records.create(record)
        except Conflict:
            again = await self.records.load()
            if again is None:
                raise
            return again[0]


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


def lives(verb: Verb, record: Record, past: list[Event]) -> tuple[int, int]:
    """The life that stood, and the one this run works on; a resume keeps those of its first runner."""
    for event in past:
        if event.kind is Kind.RUN_STARTED and "life" in event.data:
            return int(event.data["old_life"]), int(event.data["life"])
    if verb is Verb.REBIRTH:
        return record.life, max(record.life, record.pending_life) + 1
    if verb is Verb.RAISE and not record.site:
        return record.life, max(record.life, record.pending_life) + 1
    return record.life, record.life
