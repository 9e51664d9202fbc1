"""How one step of a run stands, and what each kind of event does to it. Used by `runview` alone and through it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ephemeral_castle.model.events import Event, Kind


class StepState(StrEnum):
    """How a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # its runner vanished; to be observed again before it is repeated


# A new runner tries these again; what is running in the journal is first marked interrupted by the runner itself.
TRIED_AGAIN = frozenset({StepState.FAILED, StepState.REFUSED, StepState.CANCELLED})
TO_DO = frozenset({StepState.PENDING, StepState.INTERRUPTED})


class How(StrEnum):
    """How a step came to be done."""

    ACTED = "acted"
    ADOPTED = "adopted"  # an interrupted act had done it
    ALREADY = "already"  # the goal was reached before anything was done
    WAIVED = "waived"  # the goal does not apply in this world
    NONE = "none"  # not done


@dataclass(frozen=True)
class StepView:
    """One step of a run.

    Attributes:
        error: the last error as `CastleError.as_dict()`, None when there is none.
        detail: what was seen or is going on, a few words.
        done, total: how far the act is, when it can tell.
        attempts: number of the latest attempt; the next one is `attempts + 1`.
        retries: transient errors so far. retry_in: seconds to the next try when the last event announced one.
        started_at: when this attempt began. begun_at: when the first one began. acted_at: when the first act was
            announced. finished_at: when the attempt ended. All Unix seconds.
        took: seconds of the attempt by a clock that never jumps (observations included). observe_took: seconds of it
            that went into observing.
        waived: why the goal does not apply, or "".
        decision: the last choice that depended on the world: {"decision", "reason", "inputs"}.
        closed: highest attempt that can no longer finish.
    """

    id: str
    state: StepState = StepState.PENDING
    how: How = How.NONE
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    detail: str = ""
    done: float | None = None
    total: float | None = None
    attempts: int = 0
    retries: int = 0
    retry_in: float | None = None
    started_at: float | None = None
    begun_at: float | None = None
    acted_at: float | None = None
    finished_at: float | None = None
    took: float | None = None
    observe_took: float = 0.0
    waived: str = ""
    decision: Mapping[str, Any] | None = None
    closed: int = 0


def reset(step: StepView) -> StepView:
    """The step as pending again, as if it had never run; attempts go on counting, since each may finish once only."""
    return StepView(step.id, attempts=step.attempts, closed=step.attempts, retries=step.retries)


def _begun(step: StepView, at: float) -> StepView:
    """Begins an attempt unless it is running already."""
    if step.state is StepState.RUNNING:
        return step
    return dataclasses.replace(
        reset(step),
        closed=step.closed,
        state=StepState.RUNNING,
        detail=step.detail,
        started_at=at,
        begun_at=at if step.begun_at is None else step.begun_at,
        acted_at=step.acted_at,
        decision=step.decision,
    )


def _started(step: StepView, event: Event) -> StepView:
    return dataclasses.replace(_begun(step, event.at), retry_in=None)


def _intent(step: StepView, event: Event) -> StepView:
    return step if step.acted_at is not None else dataclasses.replace(step, acted_at=event.at)


def _observed(step: StepView, event: Event) -> StepView:
    took = float(event.data.get("took") or 0.0)
    if event.data.get("when") == "recheck" and step.state not in {StepState.RUNNING, *TO_DO}:
        return step  # a finished step that was looked at again; what follows from it is an event of its own
    step = _begun(step, event.at - took)
    detail = str(event.data.get("detail", "")) or step.detail
    return dataclasses.replace(step, detail=detail, observe_took=step.observe_took + took)


def _decided(step: StepView, event: Event) -> StepView:
    return dataclasses.replace(step, decision=event.data)


def _progress(step: StepView, event: Event) -> StepView:
    if step.state is not StepState.RUNNING:
        return step
    data = event.data
    return dataclasses.replace(
        step, detail=str(data.get("text", "")), done=data.get("done"), total=data.get("total"), retry_in=None
    )


def _retrying(step: StepView, event: Event) -> StepView:
    return dataclasses.replace(
        step, retries=step.retries + 1, error=event.data.get("error"), retry_in=event.data.get("delay")
    )


def _interrupted(step: StepView, _event: Event) -> StepView:
    if step.state is not StepState.RUNNING:
        return step
    return dataclasses.replace(step, state=StepState.INTERRUPTED, done=None, total=None, retry_in=None)


def _finished(step: StepView, event: Event) -> StepView:
    data = event.data
    state, how = data.get("state", ""), data.get("how", "")
    ended = step if step.state is StepState.RUNNING else _begun(step, event.at - float(data.get("took") or 0.0))
    started = event.at if ended.started_at is None else ended.started_at
    took, observed = data.get("took"), data.get("observed")
    waived = str(data.get("waived") or (data.get("detail") or ended.detail if how == How.WAIVED else ""))
    return dataclasses.replace(
        ended,
        state=StepState(state) if state in set(StepState) else StepState.FAILED,  # an unknown end is not a good end
        how=How(how) if how in set(How) else How.NONE,
        facts=data.get("facts") or {},
        error=data.get("error"),
        detail=str(data.get("detail", "")) or ended.detail,
        retry_in=None,
        finished_at=event.at,
        took=max(0.0, event.at - started) if took is None else float(took),
        observe_took=float(observed) if isinstance(observed, int | float) else ended.observe_took,
        waived=waived,
        closed=max(ended.closed, event.attempt),
    )


def _renewed(step: StepView, event: Event) -> StepView:
    if step.state is not StepState.DONE:
        return step
    return dataclasses.replace(step, facts=event.data.get("facts") or {})


STEP_KINDS: Mapping[Kind, Callable[[StepView, Event], StepView]] = {
    Kind.STEP_STARTED: _started,
    Kind.STEP_OBSERVED: _observed,
    Kind.STEP_INTENT: _intent,
    Kind.STEP_DECIDED: _decided,
    Kind.STEP_PROGRESS: _progress,
    Kind.STEP_RETRYING: _retrying,
    Kind.STEP_INTERRUPTED: _interrupted,
    Kind.STEP_FINISHED: _finished,
    Kind.STEP_RENEWED: _renewed,
}
