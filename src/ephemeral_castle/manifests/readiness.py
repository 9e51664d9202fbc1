"""How far an object is, and how its status is read: conditions, generations, counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Manifest = dict[str, Any]


class Stage(StrEnum):
    """How far an object is."""

    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"  # it will not become ready by itself


@dataclass(frozen=True)
class Readiness:
    """What an object says of itself. `why`: its own words, for people."""

    stage: Stage
    why: str = ""


def ready(why: str = "") -> Readiness:
    """It can be used."""
    return Readiness(Stage.READY, why)


def waiting(why: str) -> Readiness:
    """It may become ready by itself."""
    return Readiness(Stage.WAITING, why)


def failed(why: str) -> Readiness:
    """It will not become ready by itself."""
    return Readiness(Stage.FAILED, why)


def spec(manifest: Manifest) -> Mapping[str, Any]:
    """Its `spec`, empty where it has none."""
    return _mapping(manifest.get("spec"))


def status(manifest: Manifest) -> Mapping[str, Any]:
    """Its `status`, empty where it has none."""
    return _mapping(manifest.get("status"))


def meta(manifest: Manifest) -> Mapping[str, Any]:
    """Its `metadata`."""
    return _mapping(manifest.get("metadata"))


def generation(manifest: Manifest) -> int:
    """Which version of its spec it is; 0 where its kind does not count."""
    return int(meta(manifest).get("generation") or 0)


def conditions(manifest: Manifest) -> list[Mapping[str, Any]]:
    """Its conditions; whatever else stands among them is left out."""
    found = status(manifest).get("conditions")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def condition(manifest: Manifest, kind: str) -> Mapping[str, Any]:
    """The condition of that type, or an empty mapping."""
    return next((each for each in conditions(manifest) if each.get("type") == kind), {})


def holds(manifest: Manifest, kind: str) -> bool:
    """Whether the condition of that type is True, whatever generation it speaks of."""
    return condition(manifest, kind).get("status") == "True"


def told(found: Mapping[str, Any]) -> str:
    """A condition in words: type, reason, message."""
    head = f"{found.get('type', '')}={found.get('status', '')}"
    reason, message = str(found.get("reason") or ""), " ".join(str(found.get("message") or "").split())
    return head + (f" ({reason})" if reason else "") + (f": {message}" if message else "")


def behind(manifest: Manifest, found: Mapping[str, Any] | None = None) -> str:
    """Why its status does not speak of its present spec yet; "" when it does, or cannot say.

    Args:
        manifest: the object.
        found: the condition that is relied upon; its own `observedGeneration` counts before that of the status, which
            Flux leaves behind on failures and PGO moves even for a pass that failed.
    """
    seen = (found or {}).get("observedGeneration")
    if seen is None:
        seen = status(manifest).get("observedGeneration")
    wanted = generation(manifest)
    if seen is None or not wanted or int(seen) >= wanted:
        return ""
    return f"its status speaks of generation {seen}, and {wanted} is wanted"


def unseen(manifest: Manifest) -> str:
    """As `behind`, for kinds whose controller always writes `status.observedGeneration`: none yet is behind, too."""
    if status(manifest).get("observedGeneration") is None:
        return "its controller has not seen it yet"
    return behind(manifest)


def by_condition(manifest: Manifest, kind: str) -> Readiness:
    """Ready as soon as the condition of that type is True for the present generation."""
    found = condition(manifest, kind)
    if not found:
        return waiting(f"no condition {kind} yet")
    old = behind(manifest, found)
    if old:
        return waiting(f"{old}; {told(found)}")
    return ready(told(found)) if found.get("status") == "True" else waiting(told(found))


def count(value: object) -> int:
    """A number of a status, where 0 is often left out."""
    return value if isinstance(value, int) else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
