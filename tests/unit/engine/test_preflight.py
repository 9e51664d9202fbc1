"""What a castle stands on, asked before anything is done."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.engine import preflight
from ephemeral_castle.engine.context import Shared
from ephemeral_castle.errors import Denied, Refused, Unreachable
from ephemeral_castle.model.castle import Layer, Role
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.spi.driver import Check
from ephemeral_castle.world.simulated import ManualClock, MemoryObjects

NAMES = Layer("names", Role.GATES, "names")
STORE = Layer("store", Role.WALLS, "store")
WELL = Observation(State.REACHED)
LOOK = Step("names.look", "names", "names", "look", "look at the zone", Phase.PREPARE, Effect.READ)


class Names:
    """A driver that looks in its first step."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    async def observe(self, step: Step, ctx: Any) -> Observation:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.sleep(3600)
        return cast("Observation", self.answer)


class Store(Names):
    """A driver that examines."""

    async def doctor(self, ctx: Any, wanted: Any) -> list[Check]:
        await self.observe(LOOK, ctx)
        return [Check("store", True, "answers", "", "store")]


def shared(names: Any, store: Any = WELL) -> Shared:
    drivers = {"names": Names(names), "store": Store(store)}
    return cast("Shared", SimpleNamespace(drivers=drivers, layers={"names": NAMES, "store": STORE}, options={}))


def looked(answer: Any) -> list[Check]:
    return asyncio.run(preflight.first_looks(shared(answer), [LOOK]))


def test_a_look_that_is_well_is_a_line():
    assert looked(Observation(State.REACHED, "blog free")) == [
        Check("look at the zone", True, "blog free", "", "names")
    ]


@pytest.mark.parametrize("answer", [Refused("the key is refused", hints=["mend it"]), Denied("the key is refused")])
def test_what_would_refuse_a_run_blocks(answer):
    (check,) = looked(answer)
    assert (check.ok, check.fact, check.section) == (False, "the key is refused", "names")
    assert check.mend == "".join(answer.hints)


@pytest.mark.parametrize("answer", [Unreachable("no answer"), Observation(State.UNKNOWN)])
def test_what_cannot_be_seen_is_neither_well_nor_wrong(answer):
    (check,) = looked(answer)
    assert (check.ok, check.data) == (None, {"seen": False})


def test_a_look_that_is_made_by_the_act_of_a_run_says_nothing():
    assert looked(Observation(State.NOT_REACHED)) == []


def test_what_is_somebody_elses_blocks():
    assert [check.ok for check in looked(Observation(State.FOREIGN, "theirs"))] == [False]


def test_a_system_that_hangs_is_a_line_and_no_hang(monkeypatch):
    monkeypatch.setattr(preflight, "PATIENCE", 0.02)
    (check,) = looked(None)
    assert (check.ok, check.data) == (None, {"seen": False})
    assert "no answer within" in check.fact
    (check,) = asyncio.run(preflight.examined(shared(None, None), [STORE], ()))
    assert "no answer within" in check.fact


def test_only_looks_of_the_first_phase_are_asked_and_no_driver_twice():
    seen = shared(Observation(State.REACHED))
    later = Step("names.answer", "names", "names", "answer", "x", Phase.VERIFY, Effect.READ)
    acts = Step("names.image", "names", "names", "image", "x", Phase.PREPARE, Effect.CONVERGE)
    mine = Step("store.check", "store", "store", "check", "x", Phase.PREPARE, Effect.READ)
    own = Step("castle.preflight", "castle", "castle", "preflight", "x", Phase.PREPARE, Effect.READ)
    assert asyncio.run(preflight.first_looks(seen, [later, acts, mine, own])) == []
    assert [check.title for check in asyncio.run(preflight.examined(seen, [NAMES, STORE], ()))] == ["store"]


class Careless(MemoryObjects):
    """A server that accepts a condition and ignores it."""

    async def create(self, key: str, body: bytes) -> str:
        return await self.put(key, body)

    async def swap(self, key: str, body: bytes, etag: str) -> str:
        return await self.put(key, body)


def treasury(objects: MemoryObjects, clock: ManualClock) -> dict[str, Check]:
    ctx = cast("Any", SimpleNamespace(world=SimpleNamespace(objects=objects, clock=clock)))
    return {check.title: check for check in asyncio.run(preflight.treasury(ctx))}


def test_a_treasury_that_honours_conditions():
    clock = ManualClock()
    objects = MemoryObjects(clock)
    checks = treasury(objects, clock)
    assert [check.ok for check in checks.values()] == [True, True]
    assert objects.data == {}


def test_a_treasury_that_ignores_conditions_is_told():
    clock = ManualClock()
    objects = Careless(clock)
    assert treasury(objects, clock)["the treasury honours conditions"].ok is False
    assert objects.data == {}


@pytest.mark.parametrize(("skew", "ok"), [(0.0, True), (299.0, True), (-301.0, False), (4000.0, False)])
def test_clocks(skew, ok):
    clock, theirs = ManualClock(), ManualClock()
    theirs.advance(skew) if skew > 0 else clock.advance(-skew)
    check = treasury(MemoryObjects(theirs), clock)["clocks agree"]
    assert check.ok is ok
    assert ok or ("ahead" if skew > 0 else "behind") in check.fact


def test_what_a_killed_process_left_is_removed_and_a_living_one_is_not():
    clock = ManualClock()
    objects = MemoryObjects(clock)
    asyncio.run(objects.put(".castle-probe/old", b""))
    clock.advance(4000.0)
    asyncio.run(objects.put(".castle-probe/young", b""))
    treasury(objects, clock)
    assert list(objects.data) == [".castle-probe/young"]


def test_a_treasury_that_does_not_answer_is_not_seen():
    async def silent(name: str, key: str) -> None:
        raise Unreachable("nothing answers")

    objects = MemoryObjects()
    objects.before = silent
    (check,) = treasury(objects, ManualClock()).values()
    assert (check.ok, check.data) == (None, {"seen": False})
