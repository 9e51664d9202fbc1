"""Walks a plan: every step as soon as what it needs is done, everything else beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.engine.attempt import Attempt, Ended
from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.events import Kind, Outcome, RunStatus
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.runview import StepState, ready
from ephemeral_castle.model.step import Effect, State, Step


@dataclass
class Walk:
    """One runner's way through a plan.

    Attributes:
        guard: called right before a step of effect `irreversible`; raises when this runner may no longer act.
        cancelled: set when a person asked to stop.
    """

    plan: Plan
    shared: Shared
    guard: Callable[[], None]
    cancelled: asyncio.Event
    tasks: dict[asyncio.Task[Ended], Step] = field(default_factory=dict)
    failed: list[tuple[Step, Ended]] = field(default_factory=list)

    async def run(self) -> tuple[RunStatus, CastleError | None]:
        """Runs until nothing is left to start; undoes what can be undone when it ends before the first deletion."""
        await self._recheck()
        stop = asyncio.create_task(self.cancelled.wait())
        try:
            while True:
                if not self._stopping():
                    self._start_ready()
                if not self.tasks:
                    break
                if self._stopping() and not self.passed_no_return:
                    for task in self.tasks:
                        task.cancel()
                await self._collect(stop)
        finally:
            stop.cancel()
        return await self._end()

    @property
    def passed_no_return(self) -> bool:
        """Whether the first deletion has begun, in this runner or in one before."""
        return self.shared.view.passed_no_return

    def _stopping(self) -> bool:
        return self.cancelled.is_set() or (bool(self.failed) and not self.passed_no_return)

    def _start_ready(self) -> None:
        busy = {step.id for step in self.tasks.values()} | {step.id for step, _ in self.failed}
        for step_id in ready(self.shared.view, self.plan):
            if step_id not in busy:
                step = self.plan.by_id[step_id]
                self.tasks[asyncio.create_task(self._attempt(step), name=step_id)] = step

    async def _attempt(self, step: Step) -> Ended:
        attempt = self.shared.view.steps[step.id].attempts + 1
        work = Attempt(step, self.shared.drivers[step.driver], self.shared, attempt)
        if step.effect is Effect.IRREVERSIBLE:
            self.guard()
        return await work.run()

    async def _collect(self, stop: asyncio.Task[bool]) -> None:
        """Waits until a step ended or a person asked to stop."""
        watched: set[asyncio.Task[object]] = set(self.tasks)
        if not stop.done():
            watched.add(stop)
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        for task in [t for t in self.tasks if t in done]:
            step = self.tasks.pop(task)
            if task.cancelled():
                continue
            error = task.exception()
            if isinstance(error, CastleError):
                self.failed.append((step, Ended(Outcome.FAILED, error)))
            elif error is not None:
                raise error
            elif task.result().outcome is not Outcome.DONE:
                self.failed.append((step, task.result()))

    async def _end(self) -> tuple[RunStatus, CastleError | None]:
        if not self.failed and not self.cancelled.is_set():
            return RunStatus.DONE, None
        if not self.failed and all(view.state is StepState.DONE for view in self.shared.view.steps.values()):
            return RunStatus.DONE, None
        error = self.failed[0][1].error if self.failed else None
        if self.passed_no_return:
            return (RunStatus.FAILED, error) if self.failed else (RunStatus.STOPPED, None)
        await self.undo_all()
        if not self.failed:
            return RunStatus.CANCELLED, None
        return (RunStatus.REFUSED if isinstance(error, Refused) else RunStatus.FAILED), error

    async def undo_all(self) -> None:
        """Takes back every step that declares an undo and was begun, last one first."""
        for step in reversed(self.plan.steps):
            view = self.shared.view.steps[step.id]
            if not step.undo or view.state is StepState.PENDING:
                continue
            context = StepContext(self.shared, step, view.attempts)
            driver = self.shared.drivers[step.driver]
            try:
                async with asyncio.timeout(step.deadline):
                    detail = await driver.undo(step, context)  # type: ignore[attr-defined]  # optional protocol
            except (CastleError, TimeoutError) as error:
                text = f"could not undo {step.id}: {error}; undo it by hand, or `castle cancel` again"
                await self.shared.bus.emit(Kind.DIAGNOSTIC, step.id, durable=True, severity="error", text=text)
                continue
            await self.shared.bus.emit(Kind.STEP_UNDONE, step.id, view.attempts, durable=True, detail=detail)

    async def _recheck(self) -> None:
        """On resume: what was prepared is made again if it is gone; what was sealed must still be sealed.

        A seal is only looked at while nothing is destroyed; afterwards nobody may ask what no longer exists.
        """
        for step in self.plan.steps:
            view = self.shared.view.steps[step.id]
            if view.state is not StepState.DONE or not step.recheck or view.waived:
                continue
            if step.effect is Effect.CONVERGE:
                await self._converge_again(step, StepContext(self.shared, step, view.attempts))
            elif not self.passed_no_return:
                await self._still_so(step, StepContext(self.shared, step, view.attempts))

    async def _converge_again(self, step: Step, context: StepContext) -> None:
        driver = self.shared.drivers[step.driver]
        if not await self._holds(step, context):
            await driver.act(step, context)

    async def _still_so(self, step: Step, context: StepContext) -> None:
        if not await self._holds(step, context):
            await self.shared.bus.emit(
                Kind.STEP_UNDONE, step.id, context.attempt, durable=True, detail="it no longer holds"
            )

    async def _holds(self, step: Step, context: StepContext) -> bool:
        seen = await self.shared.drivers[step.driver].observe(step, context)
        note: dict[str, Any] = {"state": seen.state.value, "detail": seen.detail, "when": "recheck", "took": 0.0}
        self.shared.bus.note(Kind.STEP_OBSERVED, step.id, context.attempt, **note)
        return seen.state is State.REACHED
