"""What `castle plan` shows: what goes, what stays, what comes back, and every step in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ephemeral_castle.model.castle import Budget, Verb
from ephemeral_castle.model.step import Effect, Phase, Step
from ephemeral_castle.views.paint import PLAIN, Paint
from ephemeral_castle.views.statusview import findings
from ephemeral_castle.views.table import columns, fields
from ephemeral_castle.views.words import Sign, clean, count, duration, place

if TYPE_CHECKING:
    from ephemeral_castle.model.plan import Plan

_PROMISE = {
    Verb.REBIRTH: "proves, seals, destroys and raises the castle again",
    Verb.RAISE: "raises what does not stand; destroys nothing",
    Verb.WIPE: "proves and seals the treasures, then destroys the life that stands",
    Verb.SEAL: "fences writers out and proves that the backup holds everything",
    Verb.BACKUP: "backs the treasures up",
    Verb.RESTORE: "brings data back from the repository",
    Verb.DRILL: "brings the last backups up beside the castle, proves them, and removes what it brought up",
}
_GOES = {Phase.DESTROY: "destroy", Phase.RESTORE: "restore"}


def point_of_no_return(plan: Plan) -> Step | None:
    """The first deletion, or None when the plan destroys nothing."""
    deletes = (s for s in plan.steps if s.phase is Phase.DESTROY and s.effect is Effect.IRREVERSIBLE)
    return next(deletes, None)


def plan_text(
    plan: Plan,
    *,
    budget: Budget | None = None,
    treasury: str = "",
    survey: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    paint: Paint = PLAIN,
) -> str:
    """The plan for people.

    Args:
        plan: what would be run.
        budget: what may be spent, seconds.
        treasury: URL of the treasury, named under `keep`.
        survey: what was seen of the world (see `statusview`); None when nobody looked.
        defaults: every setting in effect, nested as in the definition.
        paint: colour, or none.
    """
    layers = {step.layer for step in plan.steps}
    head = f"castle: {plan.castle}   site {plan.site}   plan {plan.digest}   "
    head += f"{count(len(plan.steps), 'step')} in {count(len(layers), 'layer')}"
    expected = sum(step.weight for step in plan.steps)
    if expected:
        head += f"   work {duration(expected)}"
    if budget and budget.rto is not None:
        head += f"   RTO budget {duration(budget.rto)}"
    blocks = [paint.strong(head), f"{plan.verb.value}: {_PROMISE[plan.verb]}", "\n".join(_fate(plan, treasury))]
    if survey is not None:
        blocks.append("\n".join(["seen now:", *findings(survey)]))
    blocks.append("\n".join(_steps(plan, paint)))
    if defaults:
        blocks.append("\n".join(["settings in effect:", *fields(flat(defaults))]))
    return "\n\n".join(block for block in blocks if block)


def plan_json(plan: Plan, survey: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The plan for scripts: its stored form, its digest, its point of no return and what was seen."""
    no_return = point_of_no_return(plan)
    return {
        "kind": "plan",
        "digest": plan.digest,
        "point_of_no_return": no_return.id if no_return else None,
        "expected_seconds": sum(step.weight for step in plan.steps),
        "plan": plan.to_json(),
        "survey": dict(survey) if survey is not None else None,
    }


def _fate(plan: Plan, treasury: str) -> list[str]:
    rows = [
        (_GOES[step.phase], clean(step.title).removeprefix(f"{_GOES[step.phase]} "))
        for step in plan.steps
        if step.phase in _GOES and step.effect is not Effect.READ
    ]
    rows.sort(key=lambda row: row[0] != "destroy")
    keep = f"{treasury} (a run never destroys the treasury)" if treasury else "the treasury (a run never destroys it)"
    at = sum(1 for row in rows if row[0] == "destroy")
    rows.insert(at, ("keep", keep))
    return columns(rows, indent=2)


def _steps(plan: Plan, paint: Paint) -> list[str]:
    """One row for each step in the order of the plan, under the name of its layer when the layer changes."""
    no_return = point_of_no_return(plan)
    rows = [
        [
            place(step.id),
            step.phase.value,
            step.effect.value,
            duration(step.weight) if step.weight else "-",
            clean(step.title),
        ]
        for step in plan.steps
    ]
    header, *lines = columns([["step", "phase", "effect", "expected", "what"], *rows], indent=2)
    shown = [paint.faint(header)]
    for step, line in zip(plan.steps, lines, strict=True):
        if no_return is not None and step.id == no_return.id:
            text = "point of no return: before it cancel undoes everything, after it the run only goes on"
            shown.append(f"  {paint.sign(Sign.WARNING)} {text}")
        shown.append(line)
    return shown


def flat(settings: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names with their values."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping) and value:
            rows += flat(value, name)
        else:
            rows.append((name, _plainly(value)))
    return rows


def _plainly(value: object) -> str:
    """A setting as a person writes it."""
    if value in (None, "", {}, []):
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plainly(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ("; " if any(isinstance(each, Mapping) for each in value) else ", ").join(map(_plainly, value))
    return clean(value)
