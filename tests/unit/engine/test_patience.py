"""What is known to take a while is tried for that while, however few tries a step has; and never for ever."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

from ephemeral_castle.engine.attempt import Attempt, Ended
from ephemeral_castle.errors import Transient
from ephemeral_castle.model.events import Kind, Outcome
from ephemeral_castle.model.step import Observation, Retry, State
from tests.scenario.virtual import LoopClock
from tests.unit.engine.test_repair import STEP, Bus


def ended(until: float, *, patience: float, deadline: float = 30.0) -> tuple[Ended, float, Bus]:
    """A step whose act fails until a moment, how it ends, and after how many seconds."""
    clock, bus = LoopClock(), Bus()
    begun = clock.monotonic()

    class Driver:
        async def observe(self, _step: Any, _ctx: Any, /) -> Observation:
            return Observation(State.NOT_REACHED)

        async def act(self, _step: Any, _ctx: Any, /) -> Observation:
            await clock.sleep(1.0)
            if clock.monotonic() - begun < until:
                raise Transient("the webhook does not answer", patience=patience)
            return Observation(State.REACHED)

    async def secure() -> bool:
        return False

    async def work() -> tuple[Ended, float, Bus]:
        shared = SimpleNamespace(bus=bus, world=SimpleNamespace(clock=clock), view=bus.view)
        step = dataclasses.replace(STEP, retry=Retry(attempts=2), deadline=deadline)
        found = await Attempt(step, cast("Any", Driver()), cast("Any", shared), 1, secure).run()
        return found, clock.monotonic() - begun, bus

    return clock.play(work())


def test_a_webhook_that_was_silent_for_a_minute_failed_steps_of_a_few_tries() -> None:
    found, after, bus = ended(60.0, patience=90.0)
    assert found.outcome is Outcome.DONE
    assert 60.0 <= after < 70.0
    retried = [event for event in bus.events if event.kind is Kind.STEP_RETRYING]
    assert len(retried) > 8
    assert retried[-1].data["error"]["message"] == "the webhook does not answer"


def test_one_that_never_comes_is_given_up_with_its_words() -> None:
    found, after, _ = ended(1e6, patience=90.0)
    assert found.error is not None
    assert found.error.message == "the webhook does not answer"
    assert 90.0 <= after < 120.0  # the deadline of 30 s stood still for as long


def test_what_may_pass_in_a_moment_has_its_few_tries() -> None:
    found, after, _ = ended(60.0, patience=0.0)
    assert found.outcome is Outcome.FAILED
    assert after < 5.0


def test_a_deadline_hid_what_the_tries_before_it_had_ended_with() -> None:
    """The last try was cut short while it looked, and all that was said was what that look had seen."""
    found, _, _ = ended(1e6, patience=0.0, deadline=1.5)
    assert found.error is not None
    assert found.error.message == "source: not done within 1.5 s"
    assert "the webhook does not answer" in found.error.why
