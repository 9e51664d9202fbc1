"""What `castle status` shows. Made for a person at a glance and for a timer by its exit code.

The survey is a mapping with these keys, all but `castle` optional (a missing one is shown as unknown):

- `castle`, `site`: names; `life`: number; `state`: "up", "sealed", "partly", "down" or "unknown"
- `machines`: list of `id`, `name`, `state`, `address`, `memory` (bytes)
- `services`: list of `layer`, `machine`, `service`, `state`, `health` ("healthy", "unhealthy", "" where nobody asks)
- `certificates`: list of `layer`, `names`, `left` (seconds; negative: ended), `issuer`
- `addresses`: service name -> where people reach it
- `treasures`: layer -> `state`, `backup` {`label`, `age` s}, `full` {`label`, `age` s, `every` s}: the newest full
  backup, `proof` {`label`, `age` s}, `archiving` {`healthy` true/false/None, `detail`} or None where there is no such
  thing, `rpo` {`seconds`, `bound` (true: an upper bound), `why`,
  `budget` (seconds, where it has one of its own)}
- `budget`: `rpo`, `rto`, `proof_max_age` in seconds
- `alarms`: list of `severity` ("warning" or "error"), `text`, `mend` (a command)
- `run`: the run that goes on or waits to be resumed: `id`, `verb`, `status`
- `notes`: list of texts: what is known and no alarm
- `unseen`: list of texts: what could not be looked at, and why
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.views.paint import PLAIN, Paint
from ephemeral_castle.views.table import columns, fields
from ephemeral_castle.views.words import Sign, clean, duration, size

Survey = Mapping[str, Any]


def alarms(survey: Survey) -> list[dict[str, str]]:
    """All alarms: those of the survey, and those that follow from its figures against the budget."""
    found = [
        {
            "severity": str(alarm.get("severity", "warning")),
            "text": clean(alarm.get("text", "")),
            "mend": clean(alarm.get("mend", "")),
        }
        for alarm in _rows(survey.get("alarms"))
    ]
    budget = survey.get("budget") or {}
    for layer, treasure in _treasures(survey).items():
        found += _archiving_alarm(layer, treasure)
        rpo = treasure.get("rpo") or {}
        found += _late(f"{layer}: data at risk", _seconds(rpo, "seconds"), rpo.get("budget", budget.get("rpo")), "RPO")
        found += _late(
            f"{layer}: the last proof is old",
            _seconds(treasure.get("proof"), "age"),
            budget.get("proof_max_age"),
            "proof.max_age",
        )
    return found


def all_seen(survey: Survey) -> bool:
    """Whether all could be looked at. A castle that is down hides nothing: what is missing was seen to be missing."""
    state = survey.get("state", "unknown")
    return state == "down" or (state != "unknown" and not survey.get("unseen"))


def status_json(survey: Survey) -> dict[str, Any]:
    """The survey with all alarms and the verdict: `healthy` is null when there is no alarm and not all was seen."""
    raised = alarms(survey)
    healthy = False if raised else True if all_seen(survey) else None
    return {**survey, "kind": "status", "alarms": raised, "healthy": healthy}


def status_text(survey: Survey, paint: Paint = PLAIN) -> str:
    """The survey for people, alarms last, where the eye is."""
    state = clean(survey.get("state", "unknown"))
    title = f"castle {clean(survey.get('castle', '?'))} is {state}"
    head = columns([[title, f"life {survey.get('life', '-')}", f"site {clean(survey.get('site', '-'))}"]])
    blocks = [paint.strong(head[0]), "\n".join(findings(survey)), "\n".join(_alarm_lines(survey, paint))]
    return "\n\n".join(block for block in blocks if block)


def findings(survey: Survey) -> list[str]:
    """Machines, treasures, addresses and the run, without the verdict."""
    lines = []
    machines = [
        [str(m.get("id", "")), clean(m.get("name", "")), clean(m.get("state", "unknown")), clean(m.get("address", ""))]
        + ([size(m["memory"])] if m.get("memory") else [])
        for m in _rows(survey.get("machines"))
    ]
    if machines:
        lines += ["  machines", *columns(machines, indent=4)]
    services = [
        [*(clean(each.get(key, "")) for key in ("layer", "machine", "service", "state", "health"))]
        for each in _rows(survey.get("services"))
    ]
    if services:
        lines += ["  services", *columns(services, indent=4)]
    certificates = [_certificate(each) for each in _rows(survey.get("certificates"))]
    if certificates:
        lines += ["  certificates", *columns(certificates, indent=4)]
    budget = survey.get("budget") or {}
    for layer, treasure in _treasures(survey).items():
        lines += [f"  treasure {clean(layer)}", *fields(_treasure_rows(treasure, budget), indent=4)]
    addresses = survey.get("addresses") or {}
    if addresses:
        lines += ["  addresses", *fields(((clean(k), clean(v)) for k, v in addresses.items()), indent=4)]
    run = survey.get("run")
    if run:
        lines.append(f"  run {clean(run.get('id'))} ({clean(run.get('verb', ''))}) is {clean(run.get('status', ''))}")
    lines += [f"  {clean(text)}" for text in survey.get("notes") or ()]
    lines += [f"  not seen: {clean(text)}" for text in survey.get("unseen") or ()]
    return lines


def _certificate(known: Mapping[str, Any]) -> list[str]:
    left, issuer = _seconds(known, "left"), clean(known.get("issuer", ""))
    names = ", ".join(clean(name) for name in known.get("names") or ())
    if not issuer or left is None:
        return [clean(known.get("layer", "")), names, "none yet", ""]
    ends = f"ends in {left / 86400:.0f} days" if left > 0 else "has ended"
    return [clean(known.get("layer", "")), names, ends, f"by {issuer}"]


def _treasure_rows(treasure: Mapping[str, Any], budget: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("state", clean(treasure.get("state", "unknown")))]
    for name in ("backup", "full", "proof"):
        known = treasure.get(name) or {}
        if name == "full" and not known:
            continue  # not every treasure knows the difference
        age = _seconds(known, "age")
        label = f" ({clean(known['label'])})" if known.get("label") else ""
        limit = budget.get("proof_max_age") if name == "proof" else known.get("every")
        title = "full backup" if name == "full" else name
        rows.append((title, f"{duration(age)} ago{label}{_of(limit)}" if age is not None else "none known"))
    archiving = treasure.get("archiving") or {}
    healthy = archiving.get("healthy")
    word = "unknown" if healthy is None else "healthy" if healthy else "failing"
    detail = f": {clean(archiving['detail'])}" if archiving.get("detail") else ""
    if treasure.get("archiving", {}) is not None:
        rows.append(("archiving", word + detail))
    rpo = treasure.get("rpo") or {}
    seconds = _seconds(rpo, "seconds")
    if seconds is None:
        text = f"unknown: {clean(rpo['why'])}" if rpo.get("why") else "unknown"
    else:
        text = ("at most " if rpo.get("bound") else "") + duration(seconds) + _of(rpo.get("budget", budget.get("rpo")))
        text += f" ({clean(rpo['why'])})" if rpo.get("why") else ""
    rows.append(("RPO now", text))
    return rows


def _alarm_lines(survey: Survey, paint: Paint) -> list[str]:
    raised = alarms(survey)
    if not raised and not all_seen(survey):
        return [f"{paint.sign(Sign.WARNING)} no alarms in what was seen; whether it is well is not known"]
    if not raised:
        return [f"{paint.sign(Sign.DONE)} no alarms"]
    lines = []
    for alarm in raised:
        sign = Sign.FAILED if alarm["severity"] == "error" else Sign.WARNING
        lines.append(f"{paint.sign(sign)} {alarm['severity']}: {alarm['text']}")
        if alarm["mend"]:
            lines.append(f"  hint: `{alarm['mend']}`")
    return lines


def _archiving_alarm(layer: str, treasure: Mapping[str, Any]) -> list[dict[str, str]]:
    archiving = treasure.get("archiving") or {}
    if archiving.get("healthy") is not False:
        return []
    detail = clean(archiving.get("detail", "")) or "no reason given"
    return [{"severity": "error", "text": f"{clean(layer)}: archiving fails: {detail}", "mend": "castle doctor"}]


def _late(what: str, seconds: float | None, limit: Any, name: str) -> list[dict[str, str]]:
    if seconds is None or not isinstance(limit, int | float) or seconds <= limit:
        return []
    text = f"{clean(what)}: {duration(seconds)}, {name} is {duration(limit)}"
    return [{"severity": "error", "text": text, "mend": "castle backup"}]


def _of(limit: Any) -> str:
    return f" of {duration(limit)}" if isinstance(limit, int | float) else ""


def _seconds(known: Any, key: str) -> float | None:
    value = known.get(key) if isinstance(known, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _rows(value: Any) -> Sequence[Mapping[str, Any]]:
    return [row for row in value or () if isinstance(row, Mapping)]


def _treasures(survey: Survey) -> dict[str, Mapping[str, Any]]:
    return {str(k): v for k, v in (survey.get("treasures") or {}).items() if isinstance(v, Mapping)}
