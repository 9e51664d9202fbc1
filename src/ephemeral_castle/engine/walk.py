"""Walks a plan: every step as soon as what it needs is done, everything else beside it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.engine.attempt import Attempt, Ended, bug
from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.engine.hold import Hold
from ephemeral_castle.errors import Busy, CastleError, Permanent, Refused
from ephemeral_castle.model.events import Kind, Outcome, RunStatus
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.runview import StepState, ready
from ephemeral_castle.model.step import Effect, Phase, Step


@dataclass
class Walk:
    """One runner's way through a plan.

    Attributes:
        hold: asked right before an act of effect `irreversible`, and before anything is taken back.
        cancelled: set when a person asked to stop.
        unmade: why steps could not be taken back, by step id.
    """

    plan: Plan
    shared: Shared
    hold: Hold
    cancelled: asyncio.Event
    tasks: dict[asyncio.Task[Ended], Step] = field(default_factory=dict)
    failed: list[tuple[Step, Ended]] = field(default_factory=list)
    unmade: dict[str, str] = field(default_factory=dict)

    async def run(self) -> tuple[RunStatus, CastleError | None]:
        """Runs until nothing is left to start; undoes what can be undone when it ends before the first deletion."""
        if not self._stopping():
            await self._recheck()
        stop = asyncio.create_task(self.cancelled.wait())
        try:
            while True:
                if not self._stopping():
                    self._start_ready()
                if not self.tasks:
                    break
                if self._stopping() and not self.passed_no_return:
                    self._cancel_all()
                await self._collect(stop)
        finally:
            stop.cancel()
            self._cancel_all()  # only when the engine itself failed is anything left here
            await asyncio.gather(stop, *self.tasks, return_exceptions=True)
        return await self._end()

    def _cancel_all(self) -> None:
        """Once each: a second cancellation would break into a driver that cleans up after the first."""
        for task in self.tasks:
            if not task.cancelling():
                task.cancel()

    @property
    def passed_no_return(self) -> bool:
        """Whether the first deletion has begun, in this runner or in one before."""
        return self.shared.view.passed_no_return

    @property
    def last_look_failed(self) -> bool:
        """Whether what ended the run is a step that only verifies, and nothing stands half taken back."""
        return bool(self.failed) and not self.unmade and self.failed[0][0].phase is Phase.VERIFY

    def _stopping(self) -> bool:
        return self.cancelled.is_set() or (bool(self.failed) and not self.passed_no_return)

    def _start_ready(self) -> None:
        busy = {step.id for step in self.tasks.values()} | {step.id for step, _ in self.failed}
        for step_id in ready(self.shared.view, self.plan):
            if step_id not in busy:
                step = self.plan.by_id[step_id]
                self.tasks[asyncio.create_task(self._attempt(step), name=step_id)] = step

    async def _attempt(self, step: Step) -> Ended:
        return await self._work(step, self.shared.view.steps[step.id].attempts + 1).run()

    def _work(self, step: Step, attempt: int) -> Attempt:
        async def secure() -> bool:
            told = False

            def wait(reason: CastleError) -> None:
                nonlocal told
                if self.cancelled.is_set():
                    raise asyncio.CancelledError  # before the act: as safe a place to stop as any
                if not told:
                    text = f"paused before {step.id}: {reason.message} ({reason.why}); it goes on when that is settled"
                    self.shared.bus.note(Kind.DIAGNOSTIC, step.id, attempt, severity="warning", text=text)
                told = True

            return await self.hold.secure(wait)

        return Attempt(step, self.shared.drivers[step.driver], self.shared, attempt, secure)

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
        if self.failed and self.shared.request.keep and not self.cancelled.is_set():
            run = self.shared.run
            text = f"left for a look: castle resume {run} goes on; castle cancel {run} or the next drill removes it"
            self.shared.bus.note(Kind.DIAGNOSTIC, severity="warning", text=text)
        else:
            await self.undo_all()
        if self.unmade:
            return RunStatus.FAILED, self._half_undone(error)
        if not self.failed:
            return RunStatus.CANCELLED, None
        return (RunStatus.REFUSED if isinstance(error, Refused) else RunStatus.FAILED), error

    def _half_undone(self, error: CastleError | None) -> CastleError:
        """What the person must know first when the castle is not as it was before."""
        steps = ", ".join(self.unmade)
        return Permanent(
            f"the run stopped, and could not take back {steps}",
            where=error.where if error else steps,
            why="; ".join([*([f"{error.message}: {error.why}"] if error else []), *self.unmade.values()]),
            state=f"nothing was destroyed, but what {steps} did may still stand: clients may be locked out",
            hints=["castle status", "castle cancel, which takes it back once more"],
        )

    async def undo_all(self) -> None:
        """Takes back every step that declares an undo and was begun, last one first."""
        begun = [step for step in reversed(self.plan.steps) if self._to_undo(step)]
        other = self._lost() or (await self.hold.taken() if begun else None)
        for step in begun:
            if other is not None:
                # Whoever has the castle now may have sealed it: lifting a fence under its hands would lose data.
                await self._not_undone(step, f"{other.message} ({other.why})")
            else:
                await self._undo(step)

    def _to_undo(self, step: Step) -> bool:
        return step.undo and self.shared.view.steps[step.id].begun_at is not None

    def _lost(self) -> CastleError | None:
        """The error by which another runner's hold on lease or journal was found out."""
        return next((ended.error for _, ended in self.failed if isinstance(ended.error, Busy)), None)

    async def _undo(self, step: Step) -> None:
        attempts = self.shared.view.steps[step.id].attempts
        context, driver = StepContext(self.shared, step, attempts), self.shared.drivers[step.driver]
        try:
            async with asyncio.timeout(step.deadline):
                detail = await driver.undo(step, context)  # type: ignore[attr-defined]  # optional protocol
        except CastleError as error:
            await self._not_undone(step, f"{error.message} ({error.why})" if error.why else error.message)
        except TimeoutError:
            await self._not_undone(step, f"no answer within {step.deadline:g} s")
        except Exception as error:  # noqa: BLE001 - a bug in one undo must not keep the others from being undone
            await self._not_undone(step, bug(step, error).message)
        else:
            # Undone is told only when nothing that followed still stands: a fence is in a database that was not started
            # again, whatever its undo saw, and the journal must keep both for the next try.
            if self.plan.descendants(step.id).isdisjoint(self.unmade):
                await self._tell(Kind.STEP_UNDONE, step, attempts, detail=detail)

    async def _not_undone(self, step: Step, why: str) -> None:
        self.unmade[step.id] = why
        text = f"could not take back {step.id}: {why}"
        await self._tell(Kind.DIAGNOSTIC, step, 0, severity="error", text=text)

    async def _tell(self, kind: Kind, step: Step, attempt: int, **data: Any) -> None:
        """A journal that takes nothing more keeps no step from being undone; an undo may be repeated."""
        with contextlib.suppress(CastleError):
            await self.shared.bus.emit(kind, step.id, attempt, durable=True, **data)

    async def _recheck(self) -> None:
        """On resume: what was prepared is made again if it is gone; what was sealed must still be sealed.

        A seal is only looked at while nothing is destroyed; afterwards nobody may ask what no longer exists. And
        nothing is made again of what the run itself had begun to dissolve.
        """
        if any(s.phase is Phase.DISSOLVE and self.shared.view.intents_of(s.id) for s in self.plan.steps):
            return
        for step in self.plan.steps:
            view = self.shared.view.steps[step.id]
            if view.state is not StepState.DONE or not step.recheck or view.waived:
                continue
            if step.effect is Effect.CONVERGE:
                ended = await self._work(step, view.attempts).repair()
            elif not self.passed_no_return:
                ended = await self._still_so(step, view.attempts)
            else:
                continue
            if ended.outcome is not Outcome.DONE:
                self.failed.append((step, ended))
                return

    async def _still_so(self, step: Step, attempt: int) -> Ended:
        """Takes a step back that no longer holds, with all that follows from it; it is then done anew."""
        ended, holds = await self._work(step, attempt).recheck()
        if ended.outcome is not Outcome.DONE or holds:
            return ended
        followers = self.plan.descendants(step.id)
        for each in reversed(self.plan.steps):
            # Half a fence, or a server stopped behind a fence that is open: back to where clients may write.
            if (each.id in followers or each is step) and self._to_undo(each):
                await self._undo(each)
        if self.unmade:
            return Ended(Outcome.FAILED, self._half_undone(None))
        if not step.undo:
            text = "it no longer holds"
            await self.shared.bus.emit(Kind.STEP_UNDONE, step.id, attempt, durable=True, detail=text)
        return ended
