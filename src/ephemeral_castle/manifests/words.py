"""What objects, events and pods say of their troubles, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ephemeral_castle.manifests.readiness import Manifest, conditions, holds, meta, spec, status, told

GOOD = ("Ready", "Available", "Established", "NamesAccepted", "Complete", "ContainersReady", "Initialized")
OPERATORS = {
    "PostgresCluster": "postgres-operator.crunchydata.com/cluster",
    "Cluster": "cnpg.io/cluster",
}  # kind: label of its pods, whose value is its name
LONGEST = 500  # characters of one line


def bad_conditions(manifest: Manifest) -> list[str]:
    """Its conditions, without those that say that all is well."""
    found = conditions(manifest)
    well = [each for each in found if each.get("type") in GOOD and each.get("status") == "True"]
    return [short(told(each)) for each in found if each not in well]


def events(found: Sequence[Manifest], most: int = 3) -> list[str]:
    """The newest events, warnings first, each message once: "FailedMount: ... (x12)"."""
    ordered = sorted(found, key=_when, reverse=True)
    ordered.sort(key=lambda each: each.get("type") != "Warning")
    lines = dict.fromkeys(short(_event(each)) for each in ordered)
    return list(lines)[:most]


def selector(manifest: Manifest) -> str:
    """The label selector of its pods, as a query has it; "" when its kind has none that is known."""
    name = str(meta(manifest).get("name") or "")
    label = OPERATORS.get(str(manifest.get("kind")))
    if label:
        return f"{label}={name}"
    wanted = spec(manifest).get("selector")
    if not isinstance(wanted, Mapping) or manifest.get("kind") == "PersistentVolumeClaim":
        return ""
    if manifest.get("kind") == "Service":
        return ",".join(f"{key}={value}" for key, value in wanted.items())
    return ",".join(_selected(wanted))


def _selected(wanted: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{key}={value}" for key, value in (wanted.get("matchLabels") or {}).items())
    for each in wanted.get("matchExpressions") or ():
        key, operator, values = each.get("key"), each.get("operator"), ",".join(each.get("values") or ())
        plain = {"Exists": str(key), "DoesNotExist": f"!{key}"}
        yield plain.get(operator) or f"{key} {'in' if operator == 'In' else 'notin'} ({values})"


def containers_in_trouble(pod: Manifest) -> list[tuple[str, str, bool]]:
    """Containers that wait, crashed or ended badly: name, why, and whether the last words are of an earlier start."""
    troubles = []
    found = status(pod)
    for each in (*(found.get("initContainerStatuses") or ()), *(found.get("containerStatuses") or ())):
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        last = (each.get("lastState") or {}).get("terminated") or {}
        if waiting and waiting.get("reason") not in ("PodInitializing", "ContainerCreating"):
            troubles.append((each["name"], _stopped(waiting, last), bool(last)))
        elif ended and ended.get("exitCode") != 0:
            troubles.append((each["name"], _stopped(ended, {}), False))
        elif "running" in state and not each.get("ready", True):
            before = f"; it ended with {last.get('exitCode')} before" if last else ""
            troubles.append((each["name"], f"runs and is not ready{before}", False))
    return troubles


def pod_line(pod: Manifest) -> str:
    """A pod in one line: phase, and why it is not scheduled or evicted."""
    found, name = status(pod), meta(pod).get("name")
    unscheduled = [
        str(each.get("message"))
        for each in conditions(pod)
        if each.get("type") == "PodScheduled" and each.get("status") == "False"
    ]
    why = [str(found[key]) for key in ("reason", "message") if found.get(key)] + unscheduled
    return short(f"pod {name}: {found.get('phase', 'unknown')}" + (f": {'; '.join(why)}" if why else ""))


def is_well(pod: Manifest) -> bool:
    """Whether there is nothing to tell of a pod."""
    if status(pod).get("phase") == "Succeeded":
        return True
    return holds(pod, "Ready")


def short(text: str) -> str:
    """One line of a length that people read."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _stopped(state: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    code = state.get("exitCode", last.get("exitCode"))
    parts = [str(state.get("reason") or ""), str(state.get("message") or "")]
    parts += [f"exit status {code}"] if code is not None else []
    return ": ".join(filter(None, parts))


def _event(event: Manifest) -> str:
    series = event.get("series") or {}
    times = int(series.get("count") or event.get("count") or 1)
    text = f"{event.get('reason', '')}: {event.get('message') or event.get('note') or ''}"
    return text + (f" (x{times})" if times > 1 else "")


def _when(event: Manifest) -> float:
    series = event.get("series") or {}
    for each in (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime")):
        if each:
            try:
                return datetime.fromisoformat(str(each)).timestamp()
            except ValueError:
                continue
    return 0.0
