"""A Kustomization of Flux as it was last seen, and how far it is. Pure.

Flux leaves `status.observedGeneration` behind when a pass fails: what counts there is the condition's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ephemeral_castle.drivers.flux.duration import seconds
from ephemeral_castle.drivers.flux.vocabulary import FINALIZER, KUSTOMIZATION, PARENT_NAME, PARENT_NAMESPACE, REQUESTED
from ephemeral_castle.spi.kubernetes import Manifest

HEALTH = "Running health checks"
NOT_THERE = "not found"
ROOM = re.compile(r"/[^\s':]*/kustomization-\d+/?")


class Stage(StrEnum):
    """How far a unit is with the wanted revision."""

    READY = "ready"
    CHECKING = "applied"  # its objects are there, and not all are well yet
    RUNNING = "running"
    WAITING = "waiting"  # for other units
    HELD = "held"  # by something that somebody else makes: a ConfigMap, its source
    FAILED = "failed"  # in its last pass; the next one may go well
    STALLED = "stalled"  # it says itself that it will never
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class Ready:
    """The condition Ready. `generation`: of the spec that it speaks of."""

    status: str = ""
    reason: str = ""
    message: str = ""
    generation: int = 0
    since: str = ""


@dataclass(frozen=True)
class Unit:
    """One Kustomization; `name` and all names in it are NAMESPACE/NAME.

    Attributes:
        parent: the unit that applies it; "" for one that a person applied.
        needs: units that it depends upon.
        custom: needs that it judges by an expression of its own.
        source: kind and name of its source.
        generation, observed: of its spec; as its controller saw it.
        applied, attempted: revisions.
        doing: what it is doing right now, in its own words; "" while nothing.
        requested, handled: token of the last request, and of the last that was obeyed.
        children: units that it applied in its last pass.
        fresh: whether its controller has marked it as its own and done nothing yet.
        timeout: seconds that a pass may take, health checks included.
    """

    name: str
    parent: str = ""
    needs: tuple[str, ...] = ()
    custom: frozenset[str] = frozenset()
    source: tuple[str, str] = ("", "")
    suspended: bool = False
    generation: int = 0
    observed: int = 0
    applied: str = ""
    attempted: str = ""
    ready: Ready = Ready()
    stalled: str = ""
    doing: str = ""
    requested: str = ""
    handled: str = ""
    children: frozenset[str] = frozenset()
    fresh: bool = False
    timeout: float = 0.0

    @property
    def says(self) -> str:
        """Its last words."""
        text = self.stalled or self.ready.message
        return f"{self.ready.reason}: {short(plain(text))}" if text else "it has said nothing yet"


def read(manifest: Manifest) -> Unit:
    """A unit from its manifest."""
    meta, spec, status = manifest["metadata"], manifest.get("spec") or {}, manifest.get("status") or {}
    space = meta.get("namespace", "")
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    source = spec.get("sourceRef") or {}
    parent = f"{labels.get(PARENT_NAMESPACE, space)}/{labels[PARENT_NAME]}" if PARENT_NAME in labels else ""
    depends = spec.get("dependsOn") or ()
    return Unit(
        name=f"{space}/{meta['name']}",
        parent=parent,
        needs=tuple(_named(each, space) for each in depends),
        custom=frozenset(_named(each, space) for each in depends if each.get("readyExpr")),
        source=(source.get("kind", ""), _named(source, space) if source else ""),
        suspended=bool(spec.get("suspend")),
        generation=int(meta.get("generation") or 0),
        observed=int(status.get("observedGeneration") or 0),
        applied=status.get("lastAppliedRevision") or "",
        attempted=status.get("lastAttemptedRevision") or "",
        ready=_ready(conditions.get("Ready") or {}),
        stalled=_true(conditions.get("Stalled")),
        doing=_true(conditions.get("Reconciling")),
        requested=notes.get(REQUESTED, ""),
        handled=status.get("lastHandledReconcileAt") or "",
        children=frozenset(_children((status.get("inventory") or {}).get("entries") or ())),
        fresh=FINALIZER in (meta.get("finalizers") or ()) and not conditions,
        timeout=seconds(str(spec.get("timeout") or spec.get("interval") or "")),
    )


def _named(ref: Mapping[str, Any], space: str) -> str:
    return f"{ref.get('namespace') or space}/{ref.get('name', '')}"


def _ready(condition: Mapping[str, Any]) -> Ready:
    return Ready(
        str(condition.get("status", "")),
        str(condition.get("reason", "")),
        str(condition.get("message", "")),
        int(condition.get("observedGeneration") or 0),
        str(condition.get("lastTransitionTime", "")),
    )


def _true(condition: Mapping[str, Any] | None) -> str:
    return str(condition.get("message") or condition.get("reason")) if _is_true(condition) and condition else ""


def _is_true(condition: Mapping[str, Any] | None) -> bool:
    return bool(condition) and condition is not None and condition.get("status") == "True"


def _children(entries: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Entries are `NAMESPACE_NAME_GROUP_KIND`; none of the four may hold an underscore here."""
    for each in entries:
        parts = str(each.get("id", "")).split("_")
        if len(parts) == 4 and parts[2].startswith("kustomize.toolkit.fluxcd.io") and parts[3] == KUSTOMIZATION:
            yield f"{parts[0]}/{parts[1]}"


def sha_of(revision: str) -> str:
    """The commit of `main@sha1:...`, of `sha1:...` and of the older `main/...`."""
    return revision.rpartition(":")[2].rpartition("/")[2]


@dataclass(frozen=True)
class Goal:
    """What is wanted. `source`: kind and name of the castle's GitRepository; `sha`: the commit."""

    source: tuple[str, str]
    sha: str

    def fits(self, unit: Unit, revision: str) -> bool:
        """Whether a revision is the wanted one, for a unit of this source; any other source knows its own."""
        return unit.source != self.source or sha_of(revision) == self.sha


def is_ready(unit: Unit, goal: Goal) -> bool:
    """Ready, at its present spec, with the wanted revision."""
    current = unit.observed == unit.generation and unit.ready.status == "True"
    return current and bool(unit.applied) and goal.fits(unit, unit.applied)


def stage(unit: Unit, goal: Goal, ready: Mapping[str, bool]) -> tuple[Stage, str]:
    """How far a unit is, and why, for people.

    Args:
        unit: as last seen.
        goal: what is wanted.
        ready: of every unit of the cluster, whether it is.
    """
    if is_ready(unit, goal):
        return Stage.READY, ""
    if unit.suspended:
        return Stage.SUSPENDED, "it is suspended"
    if unit.stalled and unit.ready.generation == unit.generation:
        return Stage.STALLED, unit.says
    blocking = [need for need in unit.needs if not ready.get(need, False) and need not in unit.custom]
    if unit.doing and unit.ready.status != "False":
        return (Stage.CHECKING if unit.doing.startswith(HEALTH) else Stage.RUNNING), short(unit.doing)
    if blocking:
        return Stage.WAITING, f"waits for {', '.join(blocking)}"
    if unit.ready.status == "Unknown":
        return Stage.RUNNING, short(unit.ready.message)
    if unit.ready.status != "False" or unit.ready.generation != unit.generation:
        return Stage.RUNNING, "its controller has not come to it yet"
    return _failed(unit, goal)


def _failed(unit: Unit, goal: Goal) -> tuple[Stage, str]:
    """Of a unit whose last pass ended badly, though all that it needs is ready."""
    reason, message = unit.ready.reason, unit.ready.message
    if reason == "DependencyNotReady":
        return Stage.WAITING, short(message)
    if reason == "ArtifactFailed" and "path not found" not in message:
        return Stage.HELD, short(message)
    if reason == "BuildFailed" and "substitute" in message and NOT_THERE in message:
        return Stage.HELD, short(message)
    built = reason != "ArtifactFailed"  # else it never came to an attempt
    if built and unit.attempted and not goal.fits(unit, unit.attempted):
        return Stage.RUNNING, "its controller has not come to the wanted revision yet"
    return Stage.FAILED, unit.says


def plain(text: str) -> str:
    """Without the directories that one pass made for itself: the next one has others."""
    return ROOM.sub("", text)


def short(text: str, most: int = 400) -> str:
    """One line, not too long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
