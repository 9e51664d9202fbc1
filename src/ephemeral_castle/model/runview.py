"""How a run stands, computed from its events. The only place where state is computed.

`reduce(plan, events)` folds a stream; `RunView.apply(event)` does one event, so that the runner, a terminal and the
final report see the same state, live or afterwards. Views are values: `apply` gives a new one and leaves the old one.

Events of kinds or steps that this version does not know are ignored, so that an older castle can read a newer stream.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import Effect, Phase
from ephemeral_castle.model.stepview import STEP_KINDS, TO_DO, TRIED_AGAIN, How, StepState, StepView, reset

__all__ = ["Entry", "How", "RunView", "StepState", "StepView", "ready", "reduce"]


@dataclass(frozen=True)
class Entry:
    """Something that stays on record whatever becomes of its step: an intent, a decision, a diagnostic."""

    at: float
    step: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class RunView:
    """A run.

    Attributes:
        steps: by id, in the plan's order.
        created_at, started_at, finished_at: Unix seconds; `started_at` is the first runner's start.
        exit_code, error: as the run's end reported them.
        cancelling: who asked for cancellation, or "".
        runners: how many runners worked on it. downtime: seconds between one runner's last event and the next one.
        destroying: steps whose irreversible destruction has begun and was not taken back.
        undone: ids of steps that were taken back, in order.
        intents: what was about to be created or destroyed, in order; never dropped.
        last_seq, last_at: of the newest event.
    """

    plan: Plan
    steps: Mapping[str, StepView]
    run: str = ""
    status: RunStatus = RunStatus.RUNNING
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    error: Mapping[str, Any] | None = None
    cancelling: str = ""
    runners: int = 0
    downtime: float = 0.0
    destroying: frozenset[str] = frozenset()
    undone: tuple[str, ...] = ()
    intents: tuple[Entry, ...] = ()
    decisions: tuple[Entry, ...] = ()
    diagnostics: tuple[Entry, ...] = ()
    budgets: tuple[Entry, ...] = ()
    last_seq: int = 0
    last_at: float | None = None

    @classmethod
    def empty(cls, plan: Plan) -> RunView:
        """The view before the first event."""
        return cls(plan=plan, steps={step.id: StepView(step.id) for step in plan.steps})

    def apply(self, event: Event) -> RunView:
        """The view after one more event. An event that was applied already, or of another run, changes nothing."""
        if event.seq and event.seq <= self.last_seq:
            return self
        if self.run and event.run != self.run:
            return self
        handle = _RUN_KINDS.get(event.kind)
        after = handle(self, event) if handle else _step_event(self, event)
        return dataclasses.replace(after, run=event.run, last_seq=max(self.last_seq, event.seq), last_at=event.at)

    @property
    def passed_no_return(self) -> bool:
        """Whether an irreversible destruction has begun: from here the run goes on, never back."""
        return bool(self.destroying)

    def facts(self, step_id: str) -> Mapping[str, Any]:
        """Facts of a step that is done; empty otherwise."""
        step = self.steps.get(step_id)
        return step.facts if step and step.state is StepState.DONE else {}

    def in_state(self, *states: StepState) -> list[StepView]:
        """Steps in any of these states, in the plan's order."""
        return [step for step in self.steps.values() if step.state in states]

    def intents_of(self, step_id: str) -> list[Mapping[str, Any]]:
        """What the step announced before it did it, over all attempts."""
        return [entry.data for entry in self.intents if entry.step == step_id]


def reduce(plan: Plan, events: Iterable[Event]) -> RunView:
    """Folds the events of one run, in order."""
    view = RunView.empty(plan)
    for event in events:
        view = view.apply(event)
    return view


def ready(view: RunView, plan: Plan) -> list[str]:
    """Ids of steps that may begin now: pending or interrupted, and everything they wait for is done."""
    return [
        step.id
        for step in plan.steps
        if view.steps[step.id].state in TO_DO
        and all(view.steps[need].state is StepState.DONE for need in plan.edges.get(step.id, ()))
    ]


def _with(view: RunView, *steps: StepView) -> RunView:
    return dataclasses.replace(view, steps={**view.steps, **{step.id: step for step in steps}})


def _run_created(view: RunView, event: Event) -> RunView:
    return dataclasses.replace(view, created_at=event.at)


def _run_started(view: RunView, event: Event) -> RunView:
    again = [
        dataclasses.replace(step, state=StepState.PENDING, error=None, retry_in=None)
        for step in view.in_state(*TRIED_AGAIN)
    ]
    idle = max(0.0, event.at - view.last_at) if view.runners and view.last_at is not None else 0.0
    return dataclasses.replace(
        _with(view, *again),
        status=RunStatus.RUNNING,
        started_at=event.at if view.started_at is None else view.started_at,
        finished_at=None,
        exit_code=None,
        error=None,
        cancelling="",
        runners=view.runners + 1,
        downtime=view.downtime + idle,
    )


def _run_cancelling(view: RunView, event: Event) -> RunView:
    return dataclasses.replace(view, cancelling=str(event.data.get("by", "")) or "somebody")


def _run_finished(view: RunView, event: Event) -> RunView:
    status = event.data.get("status", "")
    return dataclasses.replace(
        view,
        status=RunStatus(status) if status in set(RunStatus) else RunStatus.FAILED,
        finished_at=event.at,
        exit_code=event.data.get("exit_code"),
        error=event.data.get("error"),
    )


def _diagnostic(view: RunView, event: Event) -> RunView:
    return dataclasses.replace(view, diagnostics=(*view.diagnostics, _entry(event)))


def _budget(view: RunView, event: Event) -> RunView:
    return dataclasses.replace(view, budgets=(*view.budgets, _entry(event)))


def _entry(event: Event) -> Entry:
    return Entry(event.at, event.step, event.data)


def _step_event(view: RunView, event: Event) -> RunView:
    step = view.steps.get(event.step)
    if step is None:
        return view
    if event.kind is Kind.STEP_UNDONE:
        return _undone(view, step, event)
    view = _recorded(view, event)
    handle = STEP_KINDS.get(event.kind)
    if handle is None or _late(step, event):
        return view
    step = dataclasses.replace(step, attempts=max(step.attempts, event.attempt))
    return _with(view, handle(step, event))


def _late(step: StepView, event: Event) -> bool:
    """Whether it belongs to an attempt that ended, or to one before the latest; 0 is the latest, whichever it is."""
    return event.attempt > 0 and (event.attempt < step.attempts or event.attempt <= step.closed)


def _recorded(view: RunView, event: Event) -> RunView:
    """Keeps what must be known even if the attempt is void: intents, decisions, a begun destruction."""
    if event.kind is Kind.STEP_INTENT:
        step = view.plan.by_id[event.step]
        # An intent is on disk before any act: before it nothing was deleted, from it on something may be gone.
        gone = step.phase is Phase.DESTROY and step.effect is Effect.IRREVERSIBLE
        destroying = view.destroying | {event.step} if gone else view.destroying
        return dataclasses.replace(view, intents=(*view.intents, _entry(event)), destroying=destroying)
    if event.kind is Kind.STEP_DECIDED:
        return dataclasses.replace(view, decisions=(*view.decisions, _entry(event)))
    return view


def _undone(view: RunView, step: StepView, event: Event) -> RunView:
    detail = str(event.data.get("detail", ""))
    followers = view.plan.descendants(step.id)
    resets = [reset(view.steps[each]) for each in followers]
    # Only the step itself was taken back in the world: a destruction that followed from it stays begun.
    return dataclasses.replace(
        _with(view, dataclasses.replace(reset(step), detail=detail), *resets),
        undone=(*view.undone, step.id),
        destroying=view.destroying - {step.id},
    )


_RUN_KINDS: Mapping[Kind, Callable[[RunView, Event], RunView]] = {
    Kind.RUN_CREATED: _run_created,
    Kind.RUN_STARTED: _run_started,
    Kind.RUN_CANCELLING: _run_cancelling,
    Kind.RUN_FINISHED: _run_finished,
    Kind.DIAGNOSTIC: _diagnostic,
    Kind.BUDGET_CROSSED: _budget,
}
