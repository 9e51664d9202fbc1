"""Names and sentences of the operator, as clients see them. Source: external-secrets v1.3.2, pkg/controllers."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ..api import Object

API = "external-secrets.io/v1"
EXTERNAL, STORE, CLUSTER_STORE = "ExternalSecret", "SecretStore", "ClusterSecretStore"
PLURALS = {STORE: "secretstores", CLUSTER_STORE: "clustersecretstores"}

COMPONENT = "external-secrets"
FINALIZER = "externalsecrets.external-secrets.io/externalsecret-cleanup"
MANAGED = "reconcile.external-secrets.io/managed"
CREATED_BY = "reconcile.external-secrets.io/created-by"
DATA_HASH = "reconcile.external-secrets.io/data-hash"

SYNCED, SYNC_ERROR, DELETED, MISSING = "SecretSynced", "SecretSyncedError", "SecretDeleted", "SecretMissing"
UPDATE_FAILED, MISSING_PROVIDER = "UpdateFailed", "MissingProviderSecret"
INVALID, VALID = "InvalidProviderConfig", "Valid"

_PART = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def digest(thing: Any) -> str:
    """A hash of anything that is JSON: as long as the operator's (SHA-3, 224 bits), and as little to be read."""
    return hashlib.sha3_224(json.dumps(thing, sort_keys=True).encode()).hexdigest()


def version_of(meta: Object) -> str:
    """`syncedResourceVersion`: generation, and a hash of labels and annotations."""
    seen = [meta.get("annotations") or {}, meta.get("labels") or {}]
    return f"{int(meta.get('generation') or 0)}-{digest(seen)}"


def manager_of(name: str) -> str:
    """The field manager for the Secret of an ExternalSecret; a name that is too long is hashed."""
    plain = f"externalsecrets.external-secrets.io/{name}"
    if len(plain) <= 63:
        return plain
    return f"externalsecrets.external-secrets.io/sha3/{hashlib.sha3_224(name.encode()).hexdigest()}"


def seconds(text: str) -> float:
    """A duration of Go, as `1h0m0s`. Raises ValueError."""
    if text in ("", "0"):
        return 0.0
    sign, plain = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    parts = _PART.findall(plain)
    if not parts or "".join(number + unit for number, unit in parts) != plain:
        raise ValueError(f"{text!r} is no duration")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


def condition(thing: Object, kind: str = "Ready") -> Object:
    """The condition of that type, or an empty one."""
    for each in (thing.get("status") or {}).get("conditions") or ():
        if each.get("type") == kind:
            return dict(each)
    return {}


def set_ready(thing: Object, status: str, reason: str, message: str, now: str) -> None:
    """Puts the condition Ready into the object. Its time changes only with its status, or when nothing changes."""
    old = condition(thing)
    new = {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": now}
    if old.get("status") == status:
        new["lastTransitionTime"] = old.get("lastTransitionTime", now)
    kept = [each for each in (thing.setdefault("status", {}).get("conditions") or ()) if each.get("type") != "Ready"]
    thing["status"]["conditions"] = [*kept, new]
