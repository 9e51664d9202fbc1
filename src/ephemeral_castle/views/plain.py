"""The plain view: one line for each event that a person should see, and a sign of life when there is none.

A line is `mm:ss.t SIGN layer/step text`. It is made to be read in a log and found with grep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.runview import RunView
from ephemeral_castle.model.step import Effect
from ephemeral_castle.model.stepview import How, StepState, StepView
from ephemeral_castle.views.paint import PLAIN, Paint
from ephemeral_castle.views.words import Sign, clean, clock, count, duration, error_line, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from ephemeral_castle.model.plan import Plan

HEARTBEAT = 10.0  # seconds without a line
LONG = 5.0  # expected seconds from which the beginning of a step is worth a line
_ENDS = {
    RunStatus.DONE: (Sign.DONE, "done", ""),
    RunStatus.FAILED: (Sign.FAILED, "failed", ""),
    RunStatus.REFUSED: (Sign.FAILED, "refused", "; nothing was destroyed"),
    RunStatus.CANCELLED: (Sign.INFO, "cancelled", "; nothing was destroyed"),
    RunStatus.STOPPED: (Sign.WARNING, "stopped at a safe place", "; `castle resume` goes on"),
}
_HOW = {How.ALREADY: "was so already", How.ADOPTED: "adopted", How.WAIVED: "not needed"}


class PlainView:
    """Turns events into lines.

    Its clock begins with the first event. `view` is the run as it stands after the last event fed.

    Args:
        plan: the plan of the run.
        paint: colour, or none.
    """

    def __init__(self, plan: Plan, paint: Paint = PLAIN) -> None:
        self.view = RunView.empty(plan)
        self._plan = plan
        self._paint = paint
        self._zero: float | None = None
        self._last_line = 0.0
        self._width = min(32, max((len(place(step.id)) for step in plan.steps), default=0))

    def feed(self, event: Event) -> list[str]:
        """The lines of one event; often one, sometimes none."""
        before = self.view
        self.view = before.apply(event)
        if self.view is before:  # shown already, or of another run
            return []
        if self._zero is None:
            self._zero = self._last_line = event.at
        handler = self._HANDLERS.get(event.kind)
        lines = handler(self, event) if handler else []
        if self.view.passed_no_return and not before.passed_no_return:
            text = "point of no return: from here the run only goes on"
            lines.insert(0, self._line(event.at, Sign.WARNING, "", text))
        if lines:
            self._last_line = event.at
        return lines

    def tick(self, now: float) -> list[str]:
        """The heartbeat: after 10 s without a line, what runs and since when. `now`: Unix seconds."""
        running = self.view.in_state(StepState.RUNNING)
        if now - self._last_line < HEARTBEAT or not running:
            return []
        self._last_line = now
        return [self._line(now, Sign.INFO, step.id, _running_text(step, now)) for step in running]

    def _line(self, at: float, sign: Sign, step_id: str, text: str) -> str:
        where = place(step_id) if step_id else "run"
        return f"{clock(at - (self._zero or at))} {self._paint.sign(sign)} {where.ljust(self._width)} {text}".rstrip()

    def _created(self, event: Event) -> list[str]:
        plan = self._plan
        layers = len({step.layer for step in plan.steps})
        text = f"{plan.verb.value} of castle {plan.castle} on site {plan.site}: "
        text += f"{count(len(plan.steps), 'step')} in {count(layers, 'layer')}, plan {plan.digest}, run {event.run}"
        return [self._line(event.at, Sign.START, "", text)]

    def _runner(self, event: Event) -> list[str]:
        if self.view.runners < 2:
            return []
        who = f"pid {event.data.get('pid', '?')} on {clean(event.data.get('host', 'this computer'))}"
        return [self._line(event.at, Sign.START, "", f"resumed by {who}")]

    def _started(self, event: Event) -> list[str]:
        step = self._plan.by_id.get(event.step)
        if step is None or (step.effect is not Effect.IRREVERSIBLE and step.weight < LONG):
            return []
        usual = f" (expected {duration(step.weight)})" if step.weight >= LONG else ""
        return [self._line(event.at, Sign.START, event.step, f"started: {clean(step.title)}{usual}")]

    def _retrying(self, event: Event) -> list[str]:
        delay = event.data.get("delay")
        when = f" in {duration(float(delay))}" if isinstance(delay, int | float) else ""
        text = f"try {event.attempt + 1}{when}: {error_line(event.data.get('error'))}"
        return [self._line(event.at, Sign.RETRY, event.step, text)]

    def _finished(self, event: Event) -> list[str]:
        step = self.view.steps.get(event.step)
        if step is None:
            return []
        took = duration(step.took)
        if step.state is not StepState.DONE:
            ends = "the run ends" if step.state is StepState.CANCELLED else ""
            reason = error_line(step.error or step.detail or ends)
            return [self._line(event.at, Sign.FAILED, event.step, f"{step.state.value} after {took}: {reason}")]
        how = _HOW.get(step.how)
        detail = clean(step.waived or step.detail or self._plan.by_id[event.step].title)
        text = f"done in {took}" + (f", {how}" if how else "") + f": {detail}"
        return [self._line(event.at, Sign.DONE, event.step, text)]

    def _decided(self, event: Event) -> list[str]:
        reason = clean(event.data.get("reason", ""))
        text = f"decided: {clean(event.data.get('decision', ''))}" + (f" ({reason})" if reason else "")
        return [self._line(event.at, Sign.INFO, event.step, text)]

    def _interrupted(self, event: Event) -> list[str]:
        return [self._line(event.at, Sign.WARNING, event.step, "interrupted: looks at the world before it goes on")]

    def _undone(self, event: Event) -> list[str]:
        return [self._line(event.at, Sign.RETRY, event.step, f"undone: {clean(event.data.get('detail', ''))}")]

    def _diagnostic(self, event: Event) -> list[str]:
        severity = str(event.data.get("severity", "info"))
        sign = {"warning": Sign.WARNING, "error": Sign.FAILED}.get(severity, Sign.INFO)
        return [self._line(event.at, sign, event.step, f"{severity}: {clean(event.data.get('text', ''))}")]

    def _budget(self, event: Event) -> list[str]:
        data: dict[str, Any] = dict(event.data)
        which = clean(data.get("which", "budget")).upper()
        text = f"warning: over budget, {which} {duration(data.get('value'))} of {duration(data.get('limit'))}"
        return [self._line(event.at, Sign.WARNING, "", text)]

    def _cancelling(self, event: Event) -> list[str]:
        return [self._line(event.at, Sign.INFO, "", f"cancelling, asked by {clean(event.data.get('by', 'somebody'))}")]

    def _ended(self, event: Event) -> list[str]:
        status = RunStatus(event.data.get("status", RunStatus.FAILED))
        sign, word, besides = _ENDS.get(status, (Sign.INFO, status.value, ""))
        took = duration(event.at - (self._zero or event.at))
        return [self._line(event.at, sign, "", f"{self._plan.verb.value} {word} after {took}{besides}")]

    _HANDLERS: ClassVar[dict[Kind, Callable[[PlainView, Event], list[str]]]] = {
        Kind.RUN_CREATED: _created,
        Kind.RUN_STARTED: _runner,
        Kind.RUN_CANCELLING: _cancelling,
        Kind.RUN_FINISHED: _ended,
        Kind.STEP_STARTED: _started,
        Kind.STEP_RETRYING: _retrying,
        Kind.STEP_DECIDED: _decided,
        Kind.STEP_INTERRUPTED: _interrupted,
        Kind.STEP_FINISHED: _finished,
        Kind.STEP_UNDONE: _undone,
        Kind.DIAGNOSTIC: _diagnostic,
        Kind.BUDGET_CROSSED: _budget,
    }


def _running_text(step: StepView, now: float) -> str:
    text = f"running {duration(now - step.started_at)}" if step.started_at is not None else "running"
    said = clean(step.detail)
    if step.done is not None and step.total:
        said = f"{said} ({100 * step.done / step.total:.0f} %)".strip()
    return f"{text}: {said}" if said else text
