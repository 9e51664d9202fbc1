"""One step: observe, act, observe, until the goal is reached or the deadline has passed."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.errors import CastleError, Permanent, Refused, Transient
from ephemeral_castle.model.events import Kind, Outcome
from ephemeral_castle.model.runview import How
from ephemeral_castle.model.step import Effect, Observation, State, Step
from ephemeral_castle.spi.driver import Driver
from ephemeral_castle.spi.world import Clock

LOG = logging.getLogger(__name__)
DURABLE = (Effect.ONCE, Effect.IRREVERSIBLE)
POLL_FIRST, POLL_MOST = 0.03, 0.5
BUG = 1  # exit status of a bug: a driver's is nobody's fault at the terminal either


@dataclass
class Ended:
    """How a step ended: outcome, and the error when it failed."""

    outcome: Outcome
    error: CastleError | None = None


class Patience:
    """For what is known to take a while: a webhook that starts, a namespace that goes. It moves the deadline, once."""

    def __init__(self, clock: Clock, limit: asyncio.Timeout) -> None:
        self.clock, self.limit = clock, limit
        self.since: float | None = None

    def lasts(self, error: Transient) -> bool:
        """Whether it is tried again for that reason."""
        if not error.patience:
            return False
        if self.since is None:
            self.since, when = self.clock.monotonic(), self.limit.when()
            self.limit.reschedule(None if when is None else when + error.patience)
        return self.clock.monotonic() - self.since < error.patience


class Attempt:
    """Runs one step to its end. Never raises for what the step does; a raised error is a bug of the engine.

    Args:
        step, driver, shared: what is to be done, by whom, for which run.
        first_attempt: number of the first try.
        secure: returns once an act that cannot be taken back may begin; tells whether that took a pause.
    """

    def __init__(
        self, step: Step, driver: Driver[Any], shared: Shared, first_attempt: int, secure: Callable[[], Awaitable[bool]]
    ) -> None:
        self.step = step
        self.driver = driver
        self.shared = shared
        self.number = first_attempt
        self.secure = secure
        self.observing = 0.0
        self.how = How.ACTED
        self.announced = bool(shared.view.intents_of(step.id))  # by an earlier attempt: it may have acted
        self.trouble: Transient | None = None  # what the last try ended with
        self.again = False  # a finished step is looked at: its events belong to the attempt that ended
        self._limit = asyncio.timeout(None)

    @property
    def clock(self) -> Clock:
        """The world's clock."""
        return self.shared.world.clock

    async def run(self) -> Ended:
        """Observes and acts, retries what may pass, writes `step.finished`."""
        begun = self.clock.monotonic()
        try:
            seen = await self._bounded(self._once)
        except asyncio.CancelledError:
            await self._finish(begun, Outcome.CANCELLED, None, None)
            raise
        except CastleError as error:
            return await self._failed(begun, error)
        await self._finish(begun, Outcome.DONE, seen, None)
        return Ended(Outcome.DONE)

    async def repair(self) -> Ended:
        """Makes again what an earlier runner made and is gone since. The step stays done; its facts may change."""
        self.again = True
        try:
            seen = await self._bounded(self._once)
        except CastleError as error:
            return self._judged(error)
        if seen.renews and dict(seen.facts) != dict(self.shared.view.facts(self.step.id)):
            # Attempt 0: the attempt that made the step has ended, and its events count no more.
            await self.shared.bus.emit(Kind.STEP_RENEWED, self.step.id, durable=True, facts=dict(seen.facts))
        return Ended(Outcome.DONE)

    async def recheck(self) -> tuple[Ended, bool]:
        """Whether a finished step still holds. What cannot be seen, or is not ours, is an error and never a "no"."""
        self.again = True
        try:
            seen = await self._bounded(self._look_again)
        except CastleError as error:
            return self._judged(error), False
        return Ended(Outcome.DONE), seen.state is State.REACHED

    async def _look_again(self) -> Observation:
        seen = await self._observe(StepContext(self.shared, self.step, self.number), "recheck")
        self._guard(seen)
        return seen

    async def _bounded(self, once: Callable[[], Awaitable[Observation]]) -> Observation:
        """All attempts within the step's deadline; whatever goes wrong comes out as a CastleError."""
        self._limit = asyncio.timeout(self.step.deadline)
        try:
            async with self._limit:
                return await self._with_retries(once)
        except CastleError:
            raise
        except Exception as error:  # a driver's bug must end as an outcome, with its trace
            if isinstance(error, TimeoutError) and self._limit.expired():
                raise self._too_late() from None
            raise bug(self.step, error) from error

    async def _with_retries(self, once: Callable[[], Awaitable[Observation]]) -> Observation:
        policy, patience = self.step.retry, Patience(self.clock, self._limit)
        for tried in itertools.count(1):
            try:
                return await once()
            except Transient as error:
                self.trouble = error
                if not patience.lasts(error) and tried >= policy.attempts:
                    raise
                delay = error.retry_after
                if delay is None:
                    delay = min(policy.ceiling, policy.delay * policy.factor ** min(tried - 1, 16))
                self._note(Kind.STEP_RETRYING, error=error.as_dict(), delay=delay)
                await self.clock.sleep(delay)
                self.number += 0 if self.again else 1
        raise AssertionError("unreachable")

    async def _once(self) -> Observation:
        await self.shared.bus.emit(Kind.STEP_STARTED, self.step.id, self.number, effect=self.step.effect.value)
        context = StepContext(self.shared, self.step, self.number)
        seen = await self._look(context)
        if seen.state is not State.REACHED and self.step.effect is Effect.IRREVERSIBLE and await self._paused():
            seen = await self._look(context)  # what was seen before the pause may not be so any more
        if seen.state is State.REACHED:
            return seen
        if self.step.effect in DURABLE:
            await self.shared.bus.emit(Kind.STEP_INTENT, self.step.id, self.number, durable=True, what="act")
            self.announced = True
        self.how = How.ACTED
        after = await self.driver.act(self.step, context)
        if after is not None and after.state is State.REACHED:
            self._observed(after, "act", 0.0)
            return after
        return await self._until_reached(context)

    async def _look(self, context: StepContext) -> Observation:
        """The look before the act; raises when an act is out of the question."""
        seen = await self._observe(context, "before")
        if seen.state is State.REACHED:
            self.how = How.WAIVED if seen.waived else How.ADOPTED if self.announced else How.ALREADY
        else:
            self._guard(seen)
        return seen

    async def _paused(self) -> bool:
        """Waits until the castle is surely ours; the step's deadline stands still meanwhile."""
        when, begun = self._limit.when(), self.clock.monotonic()
        self._limit.reschedule(None)
        paused = await self.secure()
        self._limit.reschedule(None if when is None else when + self.clock.monotonic() - begun)
        return paused

    async def _until_reached(self, context: StepContext) -> Observation:
        pause = POLL_FIRST
        while True:
            seen = await self._observe(context, "after")
            if seen.state is State.REACHED:
                return seen
            if seen.state is State.FOREIGN:
                self._guard(seen)
            await self.clock.sleep(pause)
            pause = min(POLL_MOST, pause * 1.5)

    async def _observe(self, context: StepContext, when: str) -> Observation:
        begun = self.clock.monotonic()
        seen = await self.driver.observe(self.step, context)
        took = self.clock.monotonic() - begun
        self.observing += took
        self._observed(seen, when, took)
        return seen

    def _observed(self, seen: Observation, when: str, took: float) -> None:
        json.dumps([seen.detail, seen.waived, dict(seen.facts)], allow_nan=False)  # else the journal would refuse it
        self._note(Kind.STEP_OBSERVED, state=seen.state.value, detail=seen.detail, when=when, took=took)

    def _guard(self, seen: Observation) -> None:
        """What is not ours, or cannot be seen, never leads to an act that cannot be taken back."""
        if seen.state is State.FOREIGN:
            raise Refused(
                f"{self.step.title}: something there is not ours",
                where=self.step.id,
                why=seen.detail,
                state="nothing was changed by this step",
                hints=["remove or rename it by hand if you know what it is", "castle resume"],
            )
        if seen.state is State.UNKNOWN:
            if self.step.effect in DURABLE:
                raise Refused(
                    f"{self.step.title}: cannot see what is there",
                    where=self.step.id,
                    why=seen.detail,
                    state="nothing was changed by this step",
                    hints=["castle doctor", "castle resume"],
                )
            raise Transient(f"{self.step.title}: cannot see what is there", where=self.step.id, why=seen.detail)

    async def _failed(self, begun: float, error: CastleError) -> Ended:
        ended = self._judged(error)
        await self._finish(begun, ended.outcome, None, error)
        return ended

    def _judged(self, error: CastleError) -> Ended:
        if not error.where:
            error.where = f"layer {self.step.layer}, driver {self.step.driver}, step {self.step.id}"
        return Ended(Outcome.REFUSED if isinstance(error, Refused) else Outcome.FAILED, error)

    async def _finish(
        self, begun: float, outcome: Outcome, seen: Observation | None, error: CastleError | None
    ) -> None:
        await self.shared.bus.emit(
            Kind.STEP_FINISHED,
            self.step.id,
            self.number,
            durable=self.step.effect in DURABLE,
            state=outcome.value,
            how=(self.how if outcome is Outcome.DONE else How.NONE).value,
            facts=dict(seen.facts) if seen else {},
            detail=seen.detail if seen else "",
            waived=seen.waived if seen else "",
            error=error.as_dict() if error else None,
            took=self.clock.monotonic() - begun,
            observed=self.observing,
        )

    def _too_late(self) -> CastleError:
        """With what was seen last, and what the last try ended with: the next one was cut short, and says nothing."""
        last, before = self.shared.view.steps[self.step.id].detail, self.trouble
        said = [before.message, before.why] if before else []
        log = f"castle logs --step {self.step.id.replace('.', '/', 1)}"
        return Permanent(
            f"{self.step.title}: not done within {self.step.deadline:g} s",
            where=before.where if before else "",
            why="; ".join(dict.fromkeys(filter(None, [last, *said]))) or "no answer in time",
            state=before.state if before else "",
            hints=list(dict.fromkeys([*(before.hints[:-1] if before else ()), log, "castle resume"])),
        )

    def _note(self, kind: Kind, **data: Any) -> None:
        attempt = data.pop("attempt", self.number)
        self.shared.bus.note(kind, self.step.id, attempt, **data)


def bug(step: Step, error: Exception) -> CastleError:
    """The error for what no driver may raise. The trace goes to the runner's log."""
    LOG.error("step %s\n%s", step.id, "".join(traceback.format_exception(error)))
    told = Permanent(
        f"unexpected error in driver {step.driver}: {type(error).__name__}: {error}",
        why=f"this is a bug in driver `{step.driver}`; its trace is in the run's runner.log",
        hints=["castle resume"],
    )
    told.exit_code = BUG
    return told
