"""The critical path method over a run as it went: which steps decided when it ended, and who had time to spare."""

from __future__ import annotations

from dataclasses import dataclass

from ephemeral_castle.model.runview import RunView, StepView


@dataclass(frozen=True)
class Link:
    """One step of the critical path.

    Attributes:
        step: its id.
        seconds: from its start to its end.
        waited: from the end of the step before it (or the start of the run) to its start.
        running: it has not ended yet.
    """

    step: str
    seconds: float
    waited: float
    running: bool = False


def critical_path(view: RunView, until: float) -> tuple[Link, ...]:
    """From the step that ended last, back over the dependency that ended last each time; first step first.

    Args:
        view: the run. Steps that have not begun are left out.
        until: Unix seconds until which running steps are counted.
    """
    ends = _ends(view, until)
    if not ends:
        return ()
    links: list[Link] = []
    current: str | None = max(ends, key=lambda each: ends[each])
    while current is not None:
        before = [need for need in view.plan.edges.get(current, ()) if need in ends]
        previous = max(before, key=lambda each: ends[each], default=None)
        step = view.steps[current]
        start = _start(step)
        free = ends[previous] if previous is not None else view.started_at
        waited = max(0.0, start - free) if free is not None else 0.0
        links.append(Link(current, ends[current] - start, waited, step.finished_at is None))
        current = previous
    return tuple(reversed(links))


def slack(view: RunView, until: float) -> dict[str, float]:
    """Seconds by which each begun step could have ended later without moving the end of the last one."""
    ends = _ends(view, until)
    last = max(ends.values(), default=until)
    spare = {step: last - end for step, end in ends.items()}
    for step in reversed(view.plan.steps):  # every follower is settled before what it waits for
        if step.id not in ends:
            continue
        needs = [need for need in view.plan.edges.get(step.id, ()) if need in ends]
        # A pause between the last of them and this step's start is castle's own, nobody's time to spare.
        latest = max((ends[need] for need in needs), default=0.0)
        for need in needs:
            spare[need] = min(spare[need], spare[step.id] + latest - ends[need])
    return spare


def longest_work(view: RunView) -> float:
    """Seconds of observe + act on the heaviest chain of dependencies: no scheduler could have been faster."""
    heaviest: dict[str, float] = {}
    for step in view.plan.steps:
        before = (heaviest[need] for need in view.plan.edges.get(step.id, ()) if need in heaviest)
        heaviest[step.id] = max(before, default=0.0) + (view.steps[step.id].took or 0.0)
    return max(heaviest.values(), default=0.0)


def _ends(view: RunView, until: float) -> dict[str, float]:
    return {
        step.id: max(_start(step), step.finished_at if step.finished_at is not None else until)
        for step in view.steps.values()
        if step.started_at is not None
    }


def _start(step: StepView) -> float:
    return step.started_at if step.started_at is not None else 0.0
