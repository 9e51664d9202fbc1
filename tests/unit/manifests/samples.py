"""Objects as they are seen on an API server, written short."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.manifests.readiness import Manifest


def made(api: str, kind: str, *, generation: int = 2, **more: Any) -> Manifest:
    """An object; `meta` is added to its metadata."""
    meta = {"name": "x", "namespace": "data", "uid": "u", "generation": generation, **more.pop("meta", {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **more}


def condition(
    kind: str, status: str = "True", reason: str = "", message: str = "", seen: int | None = None
) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind, "status": status, "reason": reason, "message": message}
    return {**found, "observedGeneration": seen} if seen is not None else found


def conditions(*found: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"conditions": list(found), **more}
