"""A drill beside a castle in memory: killed anywhere and resumed, failed, cancelled; the castle is never touched."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from ephemeral_castle.cli.watch import Mode, exit_status
from ephemeral_castle.engine.hold import Unleased
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.engine.runner import Runner
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.journal.drill_record import DrillRecords
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.events import Kind, RunStatus
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.world.reading import ReadingIdentities, ReadingObjects
from tests.scenario.infra import Power
from tests.scenario.players import Player
from tests.scenario.stage import CASTLE_ID, LAYERS, RUN, Stage


class MemoryRoom:
    """A room with machines by name; every change may be the last thing that a runner did."""

    def __init__(self, stage: DrillStage) -> None:
        self.stage = stage
        self.name = "castle-toy-drill"
        self.note = ""
        self.begone = False
        self.standing = False
        self.machines: dict[str, str] = {}
        self.data: set[str] = set()

    def maker(self) -> str:
        return self.note

    def going(self) -> bool:
        return self.begone

    async def stands(self) -> bool:
        return self.standing and not self.begone

    async def make(self, run: str) -> None:
        self.stage.infra.power.check()
        self.note, self.begone = run, False
        self.stage.infra.did("note")
        self.standing = True
        self.stage.infra.did("make")

    async def left(self) -> list[str]:
        return [*self.machines, *(["namespace"] if self.standing else []), *(["state"] if self.note else [])]

    async def remove(self, mark: str) -> None:
        self.stage.infra.power.check()
        if any(other != mark for other in self.machines.values()):
            raise Refused("something in the drill's room is not the drill's")
        self.begone = bool(self.note)
        self.stage.infra.did("going")
        for name in list(self.machines):
            del self.machines[name]
            self.data.discard(name)
            self.stage.infra.did("remove")
        self.standing = False
        self.stage.infra.did("namespace")
        self.note, self.begone = "", False
        self.stage.infra.did("state")


class Ground(Player):
    """One machine."""

    name = "ground"

    def plan(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Step]:
        return [
            self.step(layer, "check", Phase.PREPARE, Effect.READ, "room?"),
            self.step(layer, "create", Phase.APPLY, Effect.CONVERGE, "check", provides=("machine:data",), recheck=True),
        ]

    def step(self, layer: Layer, action: str, phase: Phase, effect: Effect, needs: str = "", **more: Any) -> Step:
        made = super().step(layer, action, phase, effect, "", **more)
        full = tuple(need if need == "room?" or ":" in need else f"{layer.id}.{need}" for need in needs.split())
        return Step(**{**vars(made), "needs": full})

    async def see_check(self, step: Step, ctx: Context) -> Observation:
        assert ctx.world.room is not None
        return Observation(State.REACHED)

    async def see_create(self, step: Step, ctx: Context) -> Observation:
        return Observation(State.REACHED if "data" in ctx.world.room.machines else State.NOT_REACHED)  # type: ignore[union-attr]

    async def do_create(self, step: Step, ctx: Context) -> None:
        room: Any = ctx.world.room
        if not room.standing:
            self.infra.violations.append("a machine without a room")
        room.machines["data"] = marks.own(ctx)
        self.infra.did("create")


class Treasure(Ground):
    """Data that come home once, and are proven."""

    name = "treasure"

    def plan(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Step]:
        home = self.step(
            layer, "home", Phase.RESTORE, Effect.IRREVERSIBLE, "machine:data", provides=("arrived:database",)
        )
        return [home, self.step(layer, "proof", Phase.RESTORE, Effect.READ, "home", provides=("open:database",))]

    async def see_home(self, step: Step, ctx: Context) -> Observation:
        room: Any = ctx.world.room
        return Observation(State.REACHED if "data" in room.data else State.NOT_REACHED)

    async def do_home(self, step: Step, ctx: Context) -> None:
        room: Any = ctx.world.room
        if "data" not in room.machines:
            self.infra.violations.append("data without a machine")
        room.data.add("data")
        self.infra.did("restore")

    async def see_proof(self, step: Step, ctx: Context) -> Observation:
        room: Any = ctx.world.room
        if "data" not in room.data:
            raise Permanent("the data are not there")
        proof = {"label": "A", "at": ctx.world.clock.now(), "run": ctx.run}
        return Observation(State.REACHED, facts={"sealed:database": {"proof": proof}})


class Answer(Ground):
    """A probe."""

    name = "answer"

    def plan(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Step]:
        needs = "open:database"
        return [self.step(layer, "get", Phase.VERIFY, Effect.READ, needs, provides=("served",), clock="served")]

    async def see_get(self, step: Step, ctx: Context) -> Observation:
        return Observation(State.REACHED)


class DrillStage(Stage):
    """The castle of `Stage`, with a drill beside it."""

    def __init__(self, *, keep: bool = False) -> None:
        super().__init__(Verb.DRILL)
        if keep:
            self.request = Request(Verb.DRILL, self.request.castle, self.request.site, keep=True)
        self.room = MemoryRoom(self)
        self.world.room = self.room
        self.clock.play(self._lived())
        self.known = self.living()

    async def _lived(self) -> None:
        """The castle has a database, which is in the record since its first life."""
        lineage = {"database": {"system_id": "1"}}
        await self.records.update(lambda r: type(r)(**{**vars(r), "lineage": lineage}))

    def _players(self) -> dict[str, Player]:
        return {each.name: each(self.infra, self.script) for each in (Ground, Treasure, Answer)}

    async def _run(self, cancel_by: str, beside: Callable[[], Awaitable[None]] | None) -> RunStatus:
        self.world.objects = ReadingObjects(self.objects)
        self.world.identities = ReadingIdentities(self.identities)
        self.players = {**self._players(), "castle": OwnDriver()}
        other = asyncio.ensure_future(beside()) if beside else None
        runner = Runner(
            run=RUN,
            plan=type(self.plan).from_json(json.loads(json.dumps(self.plan.to_json()))),
            request=self.request,
            journal=self.journal,
            reader=self.journal,
            world=self.world,
            secrets=self.secrets,
            records=DrillRecords(self.records, "toy"),
            recipient="age1toy",
            mint_id=lambda: CASTLE_ID,
            drivers=self.players,
            options={layer.id: None for layer in LAYERS},
            hold=Unleased(),
            process={"pid": 1},
            cancel_by=cancel_by,
        )
        try:
            return await runner.execute()
        finally:
            if other is not None:
                await asyncio.gather(other, return_exceptions=True)

    def living(self) -> dict[str, Any]:
        """All that is the castle's: machines, accounts, objects, the record without its version and proof."""
        record = json.loads(self.objects.data["castle.json"][0])
        record.pop("nonce")
        for facts in record["lineage"].values():
            facts.pop("proof", None)
        others = {key: value for key, value in self.objects.data.items() if key != "castle.json"}
        boxes = {name: (box.mark, box.life) for name, box in self.infra.boxes.items()}
        return copy.deepcopy(
            {"record": record, "objects": others, "boxes": boxes, "who": dict(self.identities.accounts)}
        )

    @property
    def proof(self) -> dict[str, Any]:
        return dict(self.record().lineage["database"].get("proof") or {})

    def assert_nothing_left(self) -> None:
        assert self.infra.violations == []
        assert (self.room.machines, self.room.standing, self.room.note) == ({}, False, "")
        assert self.living() == self.known

    def assert_proven(self) -> None:
        assert self.result is RunStatus.DONE, self.error()
        self.assert_nothing_left()
        assert (self.proof["label"], self.proof["by"], self.proof["run"]) == ("A", "drill", RUN)


def test_a_drill_proves_writes_the_proof_and_leaves_nothing() -> None:
    stage = DrillStage()
    stage.play()
    stage.assert_proven()
    assert "lease.json" not in stage.objects.data
    assert not stage.view.passed_no_return


def whole() -> tuple[int, int]:
    stage = DrillStage()
    power = Power()
    stage.play(power)
    return power.events, power.effects


EVENTS, EFFECTS = whole()


@pytest.mark.parametrize("lost", [False, True], ids=["written", "lost"])
def test_killed_after_every_event_it_goes_on_to_its_end(lost: bool) -> None:
    for number in range(1, EVENTS + 1):
        stage = DrillStage()
        assert stage.play(Power(after_event=number), lost=lost) is None, number
        stage.play()
        try:
            stage.assert_proven()
        except AssertionError as error:
            raise AssertionError(f"killed after event {number}: {error}") from error


@pytest.mark.parametrize("lost", [False, True], ids=["written", "lost"])
def test_killed_after_every_effect_it_goes_on_to_its_end(lost: bool) -> None:
    for number in range(1, EFFECTS + 1):
        stage = DrillStage()
        assert stage.play(Power(after_effect=number), lost=lost) is None, number
        stage.play()
        try:
            stage.assert_proven()
        except AssertionError as error:
            raise AssertionError(f"killed after effect {number}: {error}") from error


@pytest.mark.parametrize("killed", [0, 1, 2, 3, 4, 5, 6, 7])
def test_a_drill_that_fails_proves_nothing_and_is_removed(killed: int) -> None:
    """Also when its runner dies while it removes what it made, and another one goes on."""
    stage = DrillStage()
    stage.script.on("answers.get", "observe", *[Permanent("a page is missing")] * 5)
    stage.play(Power(after_effect=killed))
    if stage.result is None:
        stage.play()
    assert stage.result in (RunStatus.FAILED, RunStatus.REFUSED), stage.result
    stage.assert_nothing_left()
    assert stage.proof == {}


def test_a_drill_whose_last_look_failed_exits_with_5_also_when_it_is_removed() -> None:
    """It ended with 4: the journal forgets which step failed when the room that it stood in is taken away."""
    stage = DrillStage()
    stage.script.on("answers.get", "observe", Permanent("a page is missing"))
    assert stage.play() is RunStatus.FAILED
    assert stage.view.exit_code == 5
    assert exit_status(stage.view, Mode()) == 5
    stage.assert_nothing_left()


def test_a_drill_that_failed_before_its_last_look_exits_with_4() -> None:
    stage = DrillStage()
    stage.script.on("database.home", "act", Permanent("an object is missing"))
    assert stage.play() is RunStatus.FAILED
    assert exit_status(stage.view, Mode()) == 4


def test_a_drill_whose_last_look_and_removal_failed_exits_with_4() -> None:
    """What stands half taken back is worse than what was not seen."""
    stage = DrillStage()

    def strange() -> None:
        stage.room.machines["mine"] = "somebody else"
        raise Permanent("a page is missing")

    stage.script.on("answers.get", "observe", strange)
    assert stage.play() is RunStatus.FAILED
    assert stage.view.exit_code == 4


def test_a_bug_in_the_last_look_exits_with_1() -> None:
    stage = DrillStage()
    stage.script.on("answers.get", "observe", ZeroDivisionError("division by zero"))
    assert stage.play() is RunStatus.FAILED
    assert exit_status(stage.view, Mode()) == 1


def test_with_keep_it_stays_for_a_look_until_it_is_cancelled() -> None:
    stage = DrillStage(keep=True)
    stage.script.on("answers.get", "observe", Permanent("a page is missing"))
    assert stage.play() is RunStatus.FAILED
    assert stage.room.machines
    assert any("left for a look" in each.data["text"] for each in stage.view.diagnostics)
    assert stage.play(cancel_by="me") is RunStatus.CANCELLED
    stage.assert_nothing_left()


def test_what_was_kept_goes_on_once_its_cause_is_mended() -> None:
    stage = DrillStage(keep=True)
    stage.script.on("answers.get", "observe", Permanent("a page is missing"))
    assert stage.play() is RunStatus.FAILED
    stage.play()
    stage.assert_proven()
    assert stage.infra.acts["restore"] == 1


def test_cancelled_after_every_event_it_removes_what_it_made() -> None:
    for number in range(2, EVENTS + 1):
        stage = DrillStage()
        stage.play(Power(after_event=number))
        stage.play(cancel_by="me")
        assert stage.result in (RunStatus.CANCELLED, RunStatus.DONE), (number, stage.error())
        stage.assert_nothing_left()


def test_what_an_earlier_drill_left_is_removed_first() -> None:
    stage = DrillStage()
    stage.room.note, stage.room.standing = "another", True
    stage.room.machines = {"old": f"{CASTLE_ID}.drill"}
    stage.play()
    stage.assert_proven()


def test_what_a_person_put_into_the_room_is_not_removed() -> None:
    stage = DrillStage()
    stage.room.note, stage.room.standing = "another", True
    stage.room.machines = {"mine": "somebody else"}
    stage.play()
    assert stage.result is RunStatus.REFUSED
    assert stage.room.machines == {"mine": "somebody else"}


def test_a_resume_of_a_drill_whose_room_another_took_touches_nothing() -> None:
    stage = DrillStage()
    assert stage.play(Power(after_event=EVENTS // 2)) is None
    stage.room.note = "another"
    machines = dict(stage.room.machines)
    stage.play()
    assert stage.result is RunStatus.REFUSED
    assert "what this drill had made is gone" in stage.error()["message"]
    assert stage.room.machines == machines


def test_a_proof_that_came_meanwhile_and_is_newer_stays() -> None:
    stage = DrillStage()

    async def proven() -> None:
        facts = {"system_id": "1", "proof": {"label": "B", "at": 10.0**10, "run": "other"}}
        await stage.records.update(lambda r: type(r)(**{**vars(r), "lineage": {"database": facts}}))

    stage.play(beside=proven)
    assert stage.result is RunStatus.DONE
    assert stage.proof["label"] == "B"


def test_the_journal_of_a_drill_shows_when_its_room_went() -> None:
    stage = DrillStage()
    stage.play()
    last = [event.step for event in stage.events if event.kind is Kind.STEP_FINISHED][-1]
    assert last == "castle.dissolve"
    assert stage.view.facts("castle.dissolve") == {"left": []}
