"""Names and sentences of the controller, as clients see them. Source: source-controller v1.9.5, internal/controller."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..api import Object

API, KIND = "source.toolkit.fluxcd.io/v1", "GitRepository"
COMPONENT = "source-controller"
FINALIZER = "finalizers.fluxcd.io"
REQUESTED = "reconcile.fluxcd.io/requestedAt"

READY, RECONCILING, STALLED = "Ready", "Reconciling", "Stalled"
FETCH_FAILED, STORED, OUTDATED = "FetchFailed", "ArtifactInStorage", "ArtifactOutdated"
STORAGE_FAILED = "StorageOperationFailed"
# The order in which they speak for Ready; the first that is True decides, and all but STORED speak against it.
AGAINST = (STORAGE_FAILED, FETCH_FAILED, OUTDATED)

PROGRESSING, RETRY, SUCCEEDED = "Progressing", "ProgressingWithRetry", "Succeeded"
AUTHENTICATION, GIT, EMPTY = "AuthenticationFailed", "GitOperationFailed", "EmptyGitRepository"
URL_INVALID, ARCHIVE, NEW_REVISION = "URLInvalid", "ArchiveOperationFailed", "NewRevision"
NEW_ARTIFACT, UP_TO_DATE = "NewArtifact", "ArtifactUpToDate"

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """A duration of Go, as `1m30s`. Raises ValueError."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))


class Conditions:
    """The conditions of one object, changed as Flux' runtime does.

    Args:
        thing: the object.
        now: the moment, as the API writes it.
    """

    def __init__(self, thing: Object, now: str) -> None:
        listed = (thing.get("status") or {}).get("conditions") or []
        self._known: dict[str, Object] = {each["type"]: dict(each) for each in listed}
        self._generation = int(thing["metadata"].get("generation") or 0)
        self._now = now

    def get(self, kind: str) -> Mapping[str, Any]:
        """The condition of that type, or an empty one."""
        return self._known.get(kind, {})

    def holds(self, kind: str) -> bool:
        """Whether it is True."""
        return self.get(kind).get("status") == "True"

    def mark(self, kind: str, status: str, reason: str, message: str) -> None:
        """Sets one. Its time changes with its status, reason or message, as Flux has it."""
        before = self.get(kind)
        same = (before.get("status"), before.get("reason"), before.get("message")) == (status, reason, message)
        self._known[kind] = {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "observedGeneration": self._generation,
            "lastTransitionTime": before["lastTransitionTime"] if same else self._now,
        }

    def drop(self, kind: str) -> None:
        """Removes one."""
        self._known.pop(kind, None)

    def progress(self, message: str, *, drift: bool) -> None:
        """Reconciling; Ready is unknown when something is about to change, or nothing was known before."""
        self.mark(RECONCILING, "True", PROGRESSING, message)
        if drift or self.get(READY).get("status") in (None, "Unknown"):
            self.mark(READY, "Unknown", PROGRESSING, message)

    def summarize(self) -> None:
        """Ready, from the others: Stalled and Reconciling speak for themselves elsewhere."""
        for kind in AGAINST:
            if self.holds(kind):
                self.mark(READY, "False", self.get(kind)["reason"], self.get(kind)["message"])
                return
        if self.holds(STORED):
            self.mark(READY, "True", self.get(STORED)["reason"], self.get(STORED)["message"])

    def all(self) -> list[Object]:
        """Ready, Reconciling and Stalled first, as Flux writes them."""
        order = {STALLED: 0, RECONCILING: 1, READY: 2}
        return sorted(self._known.values(), key=lambda each: (order.get(each["type"], 3), each["type"]))
