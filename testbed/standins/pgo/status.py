"""Conditions of a PostgresCluster, and the difference between two of its states."""

from __future__ import annotations

from typing import Any

from ..api import Object, stamp

DATA_INITIALIZED = "PostgresDataInitialized"
RESTORING = "PGBackRestoreProgressing"  # spelt with one "Re", as the operator spells it
REPO_READY = "PGBackRestReplicaRepoReady"
REPLICA_CREATE = "PGBackRestReplicaCreate"
REPO_HOST_READY = "PGBackRestRepoHostReady"
MANUAL_BACKUP = "PGBackRestManualBackupSuccessful"
PROXY = "ProxyAvailable"
PROGRESSING = "Progressing"


def condition(status: Object, kind: str) -> Object | None:
    """A condition, or None."""
    return next((each for each in status.get("conditions", ()) if each["type"] == kind), None)


def is_true(status: Object, kind: str) -> bool:
    """Whether a condition is there and true."""
    found = condition(status, kind)
    return found is not None and found["status"] == "True"


def put(status: Object, kind: str, value: str, reason: str, message: str, generation: int) -> None:
    """Sets a condition; its moment changes only with its value.

    Args:
        status: of the cluster, changed in place.
        kind: its type.
        value: True, False or Unknown.
        reason: in one word.
        message: for people.
        generation: of the cluster, that this is said of.
    """
    old = condition(status, kind)
    since = old["lastTransitionTime"] if old is not None and old["status"] == value else stamp()
    new = {
        "type": kind,
        "status": value,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }
    conditions = status.setdefault("conditions", [])
    if old is None:
        conditions.append(new)
    else:
        conditions[conditions.index(old)] = new


def drop(status: Object, kind: str) -> None:
    """Takes a condition away."""
    if condition(status, kind) is not None:
        status["conditions"] = [each for each in status["conditions"] if each["type"] != kind]


def difference(old: Any, new: Any) -> Any:
    """The JSON merge patch that leads from one object to another; None when they are equal. Lists go whole."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return None if old == new else new
    changed: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            changed[key] = value
        elif old[key] != value:
            changed[key] = difference(old[key], value)
    return changed or None
