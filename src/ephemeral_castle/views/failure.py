"""What a person reads when something failed: what, why, the state of the world, and the next command last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.stepview import StepState, StepView
from ephemeral_castle.views.paint import PLAIN, Paint
from ephemeral_castle.views.table import fields
from ephemeral_castle.views.words import Sign, clean, count, duration, error_line, hint, listed, place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ephemeral_castle.model.runview import RunView

_ENDED_BADLY = (StepState.FAILED, StepState.REFUSED, StepState.INTERRUPTED)


def error_json(error: Mapping[str, Any]) -> dict[str, Any]:
    """An error for scripts: `CastleError.as_dict()` under `kind: error`."""
    return {"kind": "error", **error}


def error_text(error: Mapping[str, Any], paint: Paint = PLAIN, log: Sequence[str] = ()) -> str:
    """An error for people.

    Args:
        error: `CastleError.as_dict()`.
        paint: colour, or none.
        log: the last lines of the log of what failed.
    """
    lines = [f"{paint.bad('error:')} {clean(error.get('message', '')) or 'no message'}"]
    lines += fields(pair for key in ("where", "why", "state") for pair in _lines(key, error.get(key, "")))
    for diagnostic in error.get("diagnostics") or ():
        lines += ["", *(line.rstrip() for line in str(diagnostic).splitlines())]
    if log:
        lines += ["", "  last lines of the log", *(f"    {clean(line)}" for line in log)]
    hints = [f"hint: {hint(each)}" for each in error.get("hints") or ()]
    return "\n".join([*lines, "", *hints] if hints else lines)


def _lines(key: str, text: object) -> Iterator[tuple[str, str]]:
    """A reason that is a list stays one: each of its lines, the first beside the key."""
    for line in filter(None, map(clean, str(text).splitlines())):
        yield key, line
        key = ""


def culprit(view: RunView) -> StepView | None:
    """The step that ended the run: the first that failed or refused, else one that was broken off."""
    for state in _ENDED_BADLY:
        found = sorted(view.in_state(state), key=lambda step: step.finished_at or float("inf"))
        if found:
            return found[0]
    return None


def failure_json(view: RunView, log: Sequence[str] = ()) -> dict[str, Any]:
    """A run that did not end well, for scripts."""
    step = culprit(view)
    return {
        "kind": "failure",
        "v": 1,
        "castle": view.plan.castle,
        "run": view.run,
        "verb": view.plan.verb.value,
        "status": view.status.value,
        "step": step.id if step else None,
        "attempts": step.attempts if step else None,
        "error": _error(view, step),
        "log": [clean(line) for line in log],
        "passed_no_return": view.passed_no_return,
        "steps": {"all": len(view.steps), "done": len(view.in_state(StepState.DONE))},
        "blocked": [s.id for s in view.in_state(StepState.PENDING)],
    }


def failure_text(view: RunView, log: Sequence[str] = (), paint: Paint = PLAIN) -> str:
    """A run that did not end well, for people.

    Args:
        view: the run.
        log: the last lines of the log of the step that failed.
        paint: colour, or none.
    """
    step = culprit(view)
    blocks = [_head(view, step, paint)]
    error = _error(view, step)
    if error:
        blocks.append(error_text({**error, "hints": []}, paint, log))
    blocks += [_standing(view), _hints(view, error)]
    return "\n\n".join(block for block in blocks if block)


def log_of(events: Sequence[Event], step_id: str, lines: int = 5) -> list[str]:
    """The last things that a step said: progress, diagnostics and the errors that it tried again after."""
    said = []
    for event in events:
        if event.step != step_id:
            continue
        if event.kind is Kind.STEP_RETRYING:
            said.append(f"try {event.attempt}: {error_line(event.data.get('error'))}")
        elif event.kind in {Kind.STEP_PROGRESS, Kind.DIAGNOSTIC}:
            said.append(clean(event.data.get("text", "")))
    return [text for text in said if text][-lines:]


def _head(view: RunView, step: StepView | None, paint: Paint) -> str:
    if step is None:
        word = "failed" if view.status is RunStatus.FAILED else f"was {view.status.value}"
        return f"{paint.sign(Sign.WARNING)} {view.plan.verb.value} of castle {view.plan.castle} {word}"
    word = "was broken off" if step.state is StepState.INTERRUPTED else step.state.value
    after = f" after {duration(step.took)}" if step.took is not None else ""
    title = clean(view.plan.by_id[step.id].title)
    return f"{paint.sign(Sign.FAILED)} {place(step.id)}  {title}  {word}{after} ({count(step.attempts, 'attempt')})"


def _error(view: RunView, step: StepView | None) -> dict[str, Any]:
    """The error of the run, or of its step, with the place and the state of the world filled in when they are not."""
    error = dict((step.error if step else None) or view.error or {})
    if not error:
        return {}
    if step is not None and not error.get("where"):
        plan = view.plan.by_id[step.id]
        error["where"] = f"layer {plan.layer}, driver {plan.driver}, step {step.id}"
    if not error.get("state"):
        error["state"] = state_of_world(view)
    return error


def state_of_world(view: RunView) -> str:
    """What the run has done to the world so far, in one line."""
    if not view.passed_no_return:
        undone = f"; undone: {listed([place(each) for each in view.undone])}" if view.undone else ""
        return f"nothing was destroyed{undone}"
    return (
        "the old life is being destroyed or is gone; every treasure was sealed or decided on before, the run can go on"
    )


def _standing(view: RunView) -> str:
    done, waiting = view.in_state(StepState.DONE), view.in_state(StepState.PENDING)
    text = f"{len(done)} of {count(len(view.steps), 'step')} done"
    if waiting:
        names = [place(step.id) for step in waiting[:3]]
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        text += f"   waiting: {listed(names)}{more}"
    return f"{text}   log: `castle logs {view.run}`   report: `castle report {view.run}`"


def _hints(view: RunView, error: Mapping[str, Any]) -> str:
    hints = [hint(each) for each in error.get("hints") or ()]
    if view.status is RunStatus.CANCELLED:
        hints.append(f"`castle {view.plan.verb.value}` begins again")
    elif view.status is not RunStatus.REFUSED:
        done = len(view.in_state(StepState.DONE))
        hints.append(f"`castle resume {view.run}` goes on from here; what is done ({done}) is not run again")
    return "\n".join(f"hint: {each}" for each in hints)
