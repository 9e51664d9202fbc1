"""What the contract's subject of the driver `restic` has found so far, and which of its commands only look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

TAKEN = {"entries": 1, "files": 1, "bytes": 1, "digest": "d", "outline": "o"}
SNAPSHOT = {"snapshot": "a" * 64, "label": "a" * 8, "at": 1.0, "marker": "m", "taken": TAKEN, "moved": [],
            "before": "x", "after": "x"}  # fmt: skip
FACTS: dict[str, dict[str, Any]] = {
    "machines.revive": {"containers": ["files-1-431"], "volumes": ["files-1-431"]},
    "uploads.survey": {"presence": "present", "plan": "seal", "identity": "i", "made": "then"},
    "uploads.backup": SNAPSHOT,
    "uploads.backup-now": SNAPSHOT,
    "uploads.last": SNAPSHOT,
    "uploads.before": SNAPSHOT,
    "uploads.rehearse": {**SNAPSHOT, **TAKEN},
    "uploads.home": {"arrival": "restored", "home:uploads": {"made": "then"}},
}


def reads(argv: Sequence[str], stdin: bytes) -> bool:
    """Inspections, and the digest of a tree."""
    line = " ".join(argv)
    return "volume inspect" in line or "podman inspect" in line or line.startswith("sh -c cd ") or "df -k" in line
