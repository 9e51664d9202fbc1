"""A castle in memory whose runs take milliseconds, and can be killed anywhere."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

from ephemeral_castle.engine import planner
from ephemeral_castle.engine.hold import Hold
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.engine.runner import Runner
from ephemeral_castle.errors import Conflict
from ephemeral_castle.journal.lease import Lease, Owner
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.castle import Budget, Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.runview import RunView, reduce
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.world.simulated import MemoryIdentities, MemoryObjects, MemorySecrets, SimulatedWorld
from tests.scenario.infra import Infrastructure, Killed, Power
from tests.scenario.players import Answer, Ground, Player, Script, Treasure
from tests.scenario.virtual import LoopClock

CASTLE_ID = "c0ffee00-0000-4000-8000-000000000001"
RUN = "run-1"
FSYNC = 0.002

LAYERS = (
    Layer("machines", Role.GROUND, "ground"),
    Layer("database", Role.TREASURES, "treasure", needs=("machines",)),
    Layer("answers", Role.PROOF, "answer", needs=("database",)),
)


class Memory:
    """A journal: what is durable survives a kill; of the rest, `lost` decides.

    Attributes:
        disk: events, each with whether it was durable.
        lost: a kill takes along all that was written since the last durable event, and the one being written.
        on_event: called after each event.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.disk: list[tuple[Event, bool]] = []
        self.cancel_by = ""
        self.lost = False
        self.on_event: Callable[[Event], None] = lambda event: None

    def events(self, run_id: str, /) -> list[Event]:
        return [event for event, _ in self.disk]

    def cancel_requested(self, run_id: str, /) -> str:
        return self.cancel_by

    async def append(self, event: Event, *, durable: bool = False) -> Event:
        stored = self._write(event, durable=durable)
        if durable:
            await asyncio.sleep(FSYNC)
            self.stage.infra.power.check()
        return stored

    def note(self, event: Event) -> None:
        self._write(event, durable=False)

    def forget(self) -> None:
        """Loses what no durable event followed."""
        while self.disk and not self.disk[-1][1]:
            self.disk.pop()

    def _write(self, event: Event, *, durable: bool) -> Event:
        power = self.stage.infra.power
        power.check()
        if event.kind is Kind.STEP_FINISHED and any(
            (e.kind, e.step, e.attempt) == (event.kind, event.step, event.attempt) for e, _ in self.disk
        ):
            raise Conflict(f"attempt {event.attempt} of {event.step} has finished already")
        data = json.loads(json.dumps(dict(event.data), allow_nan=False))
        stored = dataclasses.replace(event, data=data, seq=len(self.disk) + 1)
        power.events += 1
        dies = power.events == power.after_event
        if dies and self.lost:
            power.cut()
        self.disk.append((stored, durable))
        self.stage.infra.client_writes()
        self.on_event(stored)
        if dies:
            power.cut()
        return stored


class Stage:
    """One castle with one run. `play` runs it or resumes it, in virtual time."""

    def __init__(self, verb: Verb = Verb.REBIRTH, *, rto: float | None = None) -> None:
        self.clock = LoopClock()
        self.objects = MemoryObjects(self.clock)
        self.identities = MemoryIdentities()
        self.secrets = MemorySecrets()
        self.world: Any = SimulatedWorld(self.clock, self.objects, self.identities)
        self.infra = Infrastructure(CASTLE_ID)
        self.infra.may_write = lambda: list(self.identities.accounts)
        self.script = Script()
        self.journal = Memory(self)
        site = Site("here", LAYERS)
        self.castle = Castle("toy", Treasury("bucket", "toy"), {"here": site}, Budget(rto=rto))
        self.request = Request(verb, self.castle, site)
        self.plan = planner.build(self.request, self._players(), {layer.id: None for layer in LAYERS}, OwnDriver())
        self.records = RecordStore(self.objects, "age1toy")
        self.hold: Hold | None = None
        self.players: dict[str, Any] = {}
        self.result: RunStatus | None = None
        self.clock.play(self._before())
        self.objects.before, self.objects.after = self._treasury_asked, self._treasury_changed
        self.identities.before = self._account_asked

    async def _before(self) -> None:
        writer = f"castle-{CASTLE_ID[:8]}-1"
        await self.identities.mint_writer(writer, "s", [])
        await self.records.create(
            Record(CASTLE_ID, "toy", "age1toy", 1, site="here", computer="computer-1", writers={"1": writer})
        )
        event = Event(RUN, Kind.RUN_CREATED, self.clock.now(), data={"digest": self.plan.digest})
        self.journal.disk.append((dataclasses.replace(event, seq=1), True))

    def _players(self) -> dict[str, Player]:
        return {each.name: each(self.infra, self.script) for each in (Ground, Treasure, Answer)}

    async def _treasury_asked(self, name: str, key: str) -> None:
        self.infra.power.check()
        await asyncio.sleep(0.001)
        self.infra.power.check()

    async def _treasury_changed(self, name: str, key: str) -> None:
        if key == "castle.json" and name in ("create", "swap"):
            self.infra.power.effect()

    async def _account_asked(self, name: str, account: str) -> None:
        self.infra.power.check()

    @property
    def view(self) -> RunView:
        """The run as its journal tells it."""
        return reduce(self.plan, self.journal.events(RUN))

    @property
    def events(self) -> list[Event]:
        return self.journal.events(RUN)

    def error(self) -> dict[str, Any]:
        return dict(self.view.error or {})

    def record(self) -> Record:
        return Record.from_json(json.loads(self.objects.data["castle.json"][0]))

    def play(
        self,
        power: Power | None = None,
        *,
        lost: bool = False,
        cancel_by: str = "",
        beside: Callable[[], Awaitable[None]] | None = None,
    ) -> RunStatus | None:
        """Runs or resumes to the end; None when the runner was killed. `beside` goes on at the same time."""
        self.infra.power = power or Power()
        self.journal.lost = lost
        try:
            self.result = self.clock.play(self._run(cancel_by, beside))
        except Killed:
            self.result = None
            if lost:
                self.journal.forget()
        return self.result

    async def _run(self, cancel_by: str, beside: Callable[[], Awaitable[None]] | None) -> RunStatus:
        owner = Owner("castle rebirth", "tower", "computer-1", 1, RUN)

        async def take() -> Lease:
            return await Lease.acquire(self.objects, self.clock, owner, mine=lambda body: body.computer == "computer-1")

        self.hold = await Hold.begin(take, self.clock)
        other = asyncio.ensure_future(beside()) if beside else None
        self.players = {**self._players(), "castle": OwnDriver()}
        runner = Runner(
            run=RUN,
            plan=type(self.plan).from_json(json.loads(json.dumps(self.plan.to_json()))),
            request=self.request,
            journal=self.journal,
            reader=self.journal,
            world=self.world,
            secrets=self.secrets,
            records=self.records,
            recipient="age1toy",
            mint_id=lambda: CASTLE_ID,
            drivers=self.players,
            options={layer.id: None for layer in LAYERS},
            hold=self.hold,
            process={"pid": 1},
            cancel_by=cancel_by,
        )
        try:
            return await runner.execute()
        finally:
            if other is not None:
                await asyncio.gather(other, return_exceptions=True)
            await self.hold.release()

    def assert_reborn(self) -> None:
        """Life 2 stands alone and serves, nothing acknowledged is lost, and nothing forbidden was done."""
        assert self.result is RunStatus.DONE, self.error()
        assert self.infra.violations == []
        assert sorted(box.id for box in self.infra.boxes.values()) == ["data-2", "edge-2", "foreign"]
        for act in ("delete data-1", "delete edge-1", "restore 2", "promote 2"):
            assert self.infra.acts[act] == 1, act
        database = self.infra.database(2)
        assert database is not None
        assert set(self.infra.acknowledged) <= set(database.rows), "acknowledged rows are lost"
        assert self.infra.serves(2)
        record = self.record()
        assert (record.life, record.pending_life, record.run) == (2, 0, RUN)
        assert {item["id"] for item in record.inventory["2"]} == {"data-2", "edge-2"}
        assert list(self.identities.accounts) == [f"castle-{CASTLE_ID[:8]}-2"]
        assert_no_finished_destroy_was_asked_again(self.events)

    def assert_as_before(self) -> None:
        """Life 1 serves as it did, nothing was destroyed, and nobody is fenced out."""
        assert self.infra.violations == []
        assert sorted(box.id for box in self.infra.boxes.values()) == ["data-1", "edge-1", "foreign"]
        assert self.infra.serves(1)
        database = self.infra.database(1)
        assert database is not None
        assert database.rows == self.infra.acknowledged
        assert not any(act.startswith(("delete", "create", "restore", "promote")) for act in self.infra.acts)
        record = self.record()
        assert (record.life, record.pending_life) == (1, 0)
        writer = f"castle-{CASTLE_ID[:8]}-1"
        assert list(self.identities.accounts) == [writer], "the account of a life that never began is left"
        assert record.writers == {"1": writer}
        assert "seal" not in record.lineage.get("database", {}), "a seal that was taken back stands in the record"


def assert_no_finished_destroy_was_asked_again(events: list[Event]) -> None:
    """A destroyed thing is gone: asking for it again would take what was just raised for it."""
    finished = False
    for event in events:
        if event.step != "machines.destroy":
            continue
        assert not finished, f"{event.kind} of a destroy that was finished"
        finished = event.kind is Kind.STEP_FINISHED and event.data["state"] == "done"
