"""Where the time of a run went: critical path, slack, sums by layer and phase, and the three figures.

The three figures:
    *outage*: from the start of the first step that cuts clients off to the end of the last service probe.
    *RTO* (recovery time objective, as reached): from the start of the first destruction to the same end.
    *whole run*: from the command to the last event, proofs and the closing backup included.

A figure that cannot be known is None and says why; what a figure leaves out is listed as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ephemeral_castle.model.critical import Link, critical_path, longest_work, slack
from ephemeral_castle.model.runview import How, RunView, StepState, StepView
from ephemeral_castle.model.step import PHASES, Step

# Wall clock and monotonic clock of one step may differ by a group commit and rounding; a jump is larger.
CLOCK_TOLERANCE = 2.0


@dataclass(frozen=True)
class Figure:
    """One figure: `seconds`, or None with the `reason`; `start` and `end` in Unix seconds as far as known."""

    seconds: float | None
    reason: str = ""
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Span:
    """A layer or a phase: first start, last end, steps begun, and the seconds of its steps added up."""

    name: str
    start: float
    end: float
    steps: int
    seconds: float


@dataclass(frozen=True)
class Timeline:
    """All that is known about the time of one run. Seconds, or Unix seconds for points in time.

    Attributes:
        path: the critical path, first step first. slack: by step, how much later it could have ended.
        overhead: castle's own time: wall minus the longest chain of observe + act.
        observing: seconds of all steps that went into observing.
        excluded: what the figures leave out, for people.
    """

    outage: Figure
    rto: Figure
    whole: Figure
    overhead: Figure
    path: tuple[Link, ...]
    slack: dict[str, float]
    layers: tuple[Span, ...]
    phases: tuple[Span, ...]
    observing: float
    excluded: tuple[str, ...]


def timeline(view: RunView, now: float | None = None) -> Timeline:
    """Computes it from a view.

    Args:
        view: a finished or a running run.
        now: Unix seconds until which running steps are counted; the newest event when not given.
    """
    until = view.finished_at or now or view.last_at or 0.0
    begun = [step for step in view.plan.steps if view.steps[step.id].started_at is not None]
    end = _served(view)
    outage, rto = _outage(view, end), _rto(view, end)
    whole = _whole(view, until)
    return Timeline(
        outage=outage,
        rto=rto,
        whole=whole,
        overhead=_overhead(view),
        path=critical_path(view, until),
        slack=slack(view, until),
        layers=_spans(view, begun, [step.layer for step in view.plan.steps], "layer", until),
        phases=_spans(view, begun, [phase.value for phase in PHASES], "phase", until),
        observing=sum(step.observe_took for step in view.steps.values()),
        excluded=tuple(_excluded(view, end)),
    )


def _marked(view: RunView, mark: str) -> list[StepView]:
    return [view.steps[step.id] for step in view.plan.steps if step.clock == mark]


def _served(view: RunView) -> Figure:
    """The end that outage and RTO share: every service answers."""
    probes = _marked(view, "served")
    if not probes:
        return Figure(None, "the plan has no service probe")
    missing = [step.id for step in probes if step.state is not StepState.DONE]
    if missing:
        return Figure(None, f"not every service answers yet: {', '.join(missing)}")
    ends = [step.finished_at for step in probes if step.finished_at is not None and step.how is not How.WAIVED]
    if not ends:
        return Figure(None, "no service was probed")
    return Figure(0.0, end=max(ends))


def _outage(view: RunView, end: Figure) -> Figure:
    cuts = _marked(view, "cut")
    if not cuts:
        return Figure(None, "this run cuts nobody off")
    waived = [step for step in cuts if step.how is How.WAIVED]
    if len(waived) == len(cuts):
        why = waived[0].waived or "there was nothing to fence"
        return Figure(None, f"the castle was down before the run began ({why}): since when is not known")
    starts = [at for step in cuts if step.how is not How.WAIVED and (at := _act_begun(step)) is not None]
    return _between(min(starts, default=None), end, "no client was cut off yet")


def _rto(view: RunView, end: Figure) -> Figure:
    destroys = _marked(view, "destroy")
    if not destroys:
        return Figure(None, "this run destroys nothing")
    # A waived or empty destruction counts too: the command was given then.
    starts = [at for step in destroys if (at := _act_begun(step)) is not None]
    return _between(min(starts, default=None), end, "nothing was destroyed yet")


def _act_begun(step: StepView) -> float | None:
    return step.acted_at if step.acted_at is not None else step.begun_at


def _between(start: float | None, end: Figure, not_begun: str) -> Figure:
    if start is None:
        return Figure(None, not_begun)
    if end.end is None:
        return Figure(None, end.reason, start)
    return Figure(end.end - start, start=start, end=end.end)


def _whole(view: RunView, until: float) -> Figure:
    start = view.created_at if view.created_at is not None else view.started_at
    if start is None:
        return Figure(None, "the run has not begun")
    reason = "" if view.finished_at is not None else "still running"
    return Figure(until - start, reason, start, until)


def _overhead(view: RunView) -> Figure:
    if view.finished_at is None or view.started_at is None:
        return Figure(None, "the run has not ended")
    if view.runners > 1:
        return Figure(None, f"{view.runners} runners worked on this run; the time between them is nobody's")
    if view.undone:
        return Figure(None, f"steps were taken back: {', '.join(view.undone)}")
    start = view.created_at if view.created_at is not None else view.started_at
    return Figure(view.finished_at - start - longest_work(view), start=start, end=view.finished_at)


def _spans(view: RunView, begun: list[Step], names: Iterable[str], by: str, until: float) -> tuple[Span, ...]:
    spans: list[Span] = []
    for name in dict.fromkeys(names):
        steps = [view.steps[step.id] for step in begun if getattr(step, by) == name]
        starts = [step.started_at for step in steps if step.started_at is not None]
        if not starts:
            continue
        ends = [step.finished_at or until for step in steps]
        seconds = sum(_seconds(step, until) for step in steps)
        spans.append(Span(str(name), min(starts), max(ends), len(steps), seconds))
    return tuple(spans)


def _seconds(step: StepView, until: float) -> float:
    if step.took is not None:
        return step.took
    return max(0.0, until - step.started_at) if step.started_at is not None else 0.0


def _excluded(view: RunView, end: Figure) -> list[str]:
    texts = ["before the command: reading the definition, planning, typing the confirmation, building images"]
    if any(step.clock == "cut" for step in view.plan.steps):
        texts.append("outage and RTO: what clients themselves add, by cached names or by waiting before they reconnect")
    if end.end is not None:
        after = [s.id for s in view.steps.values() if s.started_at is not None and s.started_at >= end.end]
        if after:
            texts.append(f"outage and RTO: steps after the last service probe: {', '.join(after)}")
    if view.downtime > 0:
        texts.append(f"overhead: {view.downtime:.1f} s in which no runner was alive; they count in all other figures")
    for step in view.steps.values():
        jump = _jump(step)
        if abs(jump) > CLOCK_TOLERANCE:
            texts.append(
                f"the wall clock moved by {jump:+.1f} s during {step.id} (clock set, or computer suspended); "
                "figures are by the wall clock"
            )
    return texts


def _jump(step: StepView) -> float:
    if step.took is None or step.started_at is None or step.finished_at is None:
        return 0.0
    return step.finished_at - step.started_at - step.took
