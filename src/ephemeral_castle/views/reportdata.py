"""The final report as data: everything that the text, the page and scripts show, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ephemeral_castle.model.castle import Budget, Verb
from ephemeral_castle.model.events import RunStatus
from ephemeral_castle.model.stepview import How, StepState
from ephemeral_castle.model.timeline import Figure, Timeline, timeline
from ephemeral_castle.views import facts
from ephemeral_castle.views.words import clean

if TYPE_CHECKING:
    from ephemeral_castle.model.runview import Entry, RunView

_UP = (Verb.REBIRTH, Verb.RAISE)
_CLOSED = {Verb.SEAL: "opens it again", Verb.WIPE: "brings everything back"}


def report_json(view: RunView, budget: Budget | None = None) -> dict[str, Any]:
    """The report of a run as JSON data; seconds, and Unix seconds for points in time.

    Args:
        view: the run, finished or not.
        budget: what may be spent.
    """
    time = timeline(view)
    limit = budget or Budget()
    return {
        "kind": "report",
        "v": 1,
        "castle": view.plan.castle,
        "site": view.plan.site,
        "verb": view.plan.verb.value,
        "side": bool(view.plan.request.get("side")),
        "run": view.run,
        "plan": view.plan.digest,
        "status": view.status.value,
        "verified": verified(view),
        "life": facts.last(view, "life"),
        "figures": {
            "outage": _figure(time.outage),
            "rto": _figure(time.rto, limit.rto),
            "whole": _figure(time.whole),
            "overhead": _figure(time.overhead),
            "observing": {"seconds": time.observing},
        },
        "rpo_budget": limit.rpo,
        "excluded": list(time.excluded),
        "layers": _layers(view, time),
        "critical_path": _path(view, time),
        "tables": facts.merged(view, "tables"),
        "files": facts.merged(view, "files"),
        "markers": facts.merged(view, "markers"),
        "loss": facts.losses(view),
        "probes": facts.joined(view, "verified"),
        "addresses": facts.merged(view, "addresses"),
        "controllers": facts.merged(view, "controllers"),
        "names": facts.merged(view, "names"),
        "stale_until": facts.last(view, "stale_until"),
        "treasury": facts.merged(view, "treasury"),
        "counts": _counts(view),
        "decisions": [_entry(entry, "decision", "reason") for entry in view.decisions],
        "warnings": [_entry(e, "severity", "text") for e in view.diagnostics if e.data.get("severity") != "info"],
        "next": next_commands(view),
    }


def verified(view: RunView) -> bool | None:
    """Whether all that was compared agrees: every table, file and marker. None when nothing was compared."""
    data = {**facts.merged(view, "tables"), **{f"files {k}": v for k, v in facts.merged(view, "files").items()}}
    tables = [each.get("same") for each in data.values() if isinstance(each, Mapping)]
    markers = [each.get("found") for each in facts.merged(view, "markers").values() if isinstance(each, Mapping)]
    compared = [each for each in (*tables, *markers) if each is not None]
    return all(compared) if compared else None


def over_budget(report: Mapping[str, Any]) -> list[str]:
    """The names of the budgets that were exceeded: `rto`, `rpo`."""
    over = [name for name, figure in report["figures"].items() if figure.get("within") is False]
    lost = [(each.get("seconds"), each.get("budget", report["rpo_budget"])) for each in report["loss"].values()]
    if any(isinstance(each, int | float) and limit is not None and each > limit for each, limit in lost):
        over.append("rpo")
    return over


def next_commands(view: RunView) -> list[tuple[str, str]]:
    """What to type next, with its meaning."""
    run = view.run
    if view.status is RunStatus.RUNNING:
        return [(f"castle watch {run}", "follows it"), (f"castle cancel {run}", "stops it")]
    commands = [(f"castle logs {run}", "every event"), (f"castle report {run} --json", "this report as data")]
    if view.status is RunStatus.DONE and view.plan.verb in _CLOSED:
        return [*commands, ("castle raise", _CLOSED[view.plan.verb])]
    if view.status is RunStatus.DONE and view.plan.verb in _UP:
        return [("castle status", "whether it is well now"), *commands]
    if view.status in {RunStatus.FAILED, RunStatus.STOPPED}:
        return [*commands, (f"castle resume {run}", "goes on from here")]
    return commands


def _figure(figure: Figure, limit: float | None = None) -> dict[str, Any]:
    data: dict[str, Any] = {"seconds": figure.seconds, "reason": figure.reason}
    if limit is not None:
        data["budget"] = limit
        data["within"] = None if figure.seconds is None else figure.seconds <= limit
    return data


def _layers(view: RunView, time: Timeline) -> list[dict[str, Any]]:
    zero = time.whole.start or 0.0
    return [
        {
            "layer": span.name,
            "role": view.plan.roles.get(span.name, ""),
            "start": span.start - zero,
            "end": span.end - zero,
            "seconds": sum(end - start for start, end in busy),
            "work": span.seconds,
            "busy": busy,
            "steps": span.steps,
        }
        for span in time.layers
        for busy in [_busy(view, span.name, zero, time.whole.end or zero)]
    ]


def _busy(view: RunView, layer: str, zero: float, until: float) -> list[list[float]]:
    """When any step of a layer ran: intervals that do not touch, in seconds since the start of the run."""
    intervals = sorted(
        (seen.started_at, seen.finished_at or until)
        for step in view.plan.steps
        if step.layer == layer and (seen := view.steps[step.id]).started_at is not None
    )
    merged: list[list[float]] = []
    for start, end in intervals:
        if merged and start - zero <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end - zero)
        else:
            merged.append([start - zero, end - zero])
    return merged


def _path(view: RunView, time: Timeline) -> list[dict[str, Any]]:
    return [
        {"step": link.step, "title": view.plan.by_id[link.step].title, "seconds": link.seconds, "waited": link.waited}
        for link in time.path
    ]


def _counts(view: RunView) -> dict[str, int]:
    done = view.in_state(StepState.DONE)
    return {
        "steps": len(view.steps),
        "done": len(done),
        "acted": sum(step.how is How.ACTED for step in done),
        "already": sum(step.how is How.ALREADY for step in done),
        "adopted": sum(step.how is How.ADOPTED for step in done),
        "waived": sum(step.how is How.WAIVED for step in done),
        "retries": sum(step.retries for step in view.steps.values()),
        "undone": len(view.undone),
        "runners": view.runners,
        "warnings": sum(entry.data.get("severity") != "info" for entry in view.diagnostics),
    }


def _entry(entry: Entry, *keys: str) -> dict[str, Any]:
    return {"step": entry.step, "at": entry.at, **{key: clean(entry.data.get(key, "")) for key in keys}}
