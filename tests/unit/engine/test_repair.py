"""A finished step that is made again on a resume: its facts may change, and nothing else of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.engine.attempt import Attempt
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import Event, Kind, Outcome
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.runview import RunView, StepState, reduce
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.world.clock import SystemClock

STEP = Step("blog.source", "blog", "compose", "source", "source", Phase.PREPARE, Effect.CONVERGE, recheck=True)
PLAN = Plan("c", "here", Verb.RAISE, (STEP,), {STEP.id: ()}, {"blog": "walls"}, {})
DONE = {"state": "done", "how": "acted", "facts": {"sha": "old"}, "took": 1.0}


class Bus:
    """Implements `engine.context.Bus` in memory."""

    def __init__(self) -> None:
        self.events = [
            Event("r", Kind.RUN_STARTED, 1.0, seq=1),
            Event("r", Kind.STEP_STARTED, 1.0, STEP.id, 1, seq=2),
            Event("r", Kind.STEP_FINISHED, 2.0, STEP.id, 1, DONE, seq=3),
        ]

    @property
    def view(self) -> RunView:
        return reduce(PLAN, self.events)

    async def emit(
        self, kind: Kind, step: str = "", attempt: int = 0, /, *, durable: bool = False, **data: Any
    ) -> Event:
        self.note(kind, step, attempt, **data)
        return self.events[-1]

    def note(self, kind: Kind, step: str = "", attempt: int = 0, /, **data: Any) -> None:
        self.events.append(Event("r", kind, 9.0, step, attempt, data, seq=len(self.events) + 1))


async def repaired(seen: Observation | Exception) -> tuple[Bus, Outcome]:
    class Driver:
        async def observe(self, _step: Step, _ctx: Any, /) -> Observation:
            return Observation(State.NOT_REACHED)

        async def act(self, _step: Step, _ctx: Any, /) -> Observation:
            if isinstance(seen, Exception):
                raise seen
            return seen

    bus = Bus()
    shared = SimpleNamespace(bus=bus, world=SimpleNamespace(clock=SystemClock()), view=bus.view)

    async def secure() -> bool:
        return False

    ended = await Attempt(STEP, cast("Any", Driver()), cast("Any", shared), 1, secure).repair()
    return bus, ended.outcome


@pytest.mark.parametrize(
    ("facts", "renews", "then"),
    [
        ({"sha": "new"}, True, {"sha": "new"}),
        ({"sha": "old"}, True, {"sha": "old"}),
        ({"sha": "new"}, False, {"sha": "old"}),  # most steps tell on a second look less than their act did
    ],
)
async def test_facts_change_only_where_the_driver_says_so(
    facts: Mapping[str, Any], renews: bool, then: Mapping[str, Any]
) -> None:
    before = Bus().view.steps[STEP.id]
    bus, outcome = await repaired(Observation(State.REACHED, facts=facts, renews=renews))
    after = bus.view.steps[STEP.id]
    assert (outcome, bus.view.facts(STEP.id)) == (Outcome.DONE, then)
    assert (after.state, after.took, after.finished_at, after.attempts) == (
        StepState.DONE, before.took, before.finished_at, 1
    )  # fmt: skip
    renewed = [event for event in bus.events if event.kind is Kind.STEP_RENEWED]
    assert len(renewed) == (1 if then == {"sha": "new"} else 0)


async def test_what_could_not_be_made_again_keeps_its_facts() -> None:
    bus, outcome = await repaired(Permanent("it does not come"))
    assert (outcome, bus.view.facts(STEP.id)) == (Outcome.FAILED, {"sha": "old"})
